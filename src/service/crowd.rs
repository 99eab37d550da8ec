//! Rate limit for lines of the operational log that anybody can cause as often as they like. Past
//! the rate they are counted instead of written; otherwise a persistent stranger could fill the
//! disk.

use crate::base::bucket::{Bucket, Rate};
use crate::base::time::{Instant, WallTime};

/// The log target of such lines.
pub const CROWD: &str = "autamedica_signaling::crowd";

/// How many lines are written, and the same number of their records in the audit log.
pub const RATE: Rate = Rate { per_second: 20, burst: 1_000 };

/// How long suppressed lines are counted before the count is reported.
pub const COUNTED_MS: u64 = 10_000;

/// The rest of the rate, and the number of suppressed lines.
#[derive(Debug, Default)]
pub struct Crowd {
    bucket: Bucket,
    left_out: u64,
    /// When counting began.
    since: Option<Instant>,
}

impl Crowd {
    /// Whether one more line may be written. If not, it is counted.
    pub fn pass(&mut self, now: WallTime) -> bool {
        let now = instant(now);
        let passes = self.bucket.take(1, &RATE, now);
        if !passes {
            self.left_out += 1;
            self.since.get_or_insert(now);
        }
        passes
    }

    /// How many lines were suppressed since the last report. `None` if no report is due, unless
    /// these are the last words.
    pub fn left_out(&mut self, now: WallTime, last_words: bool) -> Option<u64> {
        let (now, since) = (instant(now), self.since?);
        // Also reports if the clock has gone back.
        let waits = now >= since && now.since(since).as_micros() < COUNTED_MS * 1_000;
        if waits && !last_words {
            return None;
        }
        self.since = None;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// Logs have no other clock; a jump costs one burst at most.
pub fn instant(now: WallTime) -> Instant {
    Instant::from_micros(u64::try_from(now.as_millis()).unwrap_or_default().saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> WallTime {
        WallTime::from_millis(1_800_000_000_000 + millis)
    }

    fn passed(crowd: &mut Crowd, now: WallTime) -> usize {
        (0..5_000).filter(|_| crowd.pass(now)).count()
    }

    #[test]
    fn a_burst_and_then_a_few_a_second_and_the_rest_is_told_as_a_number() {
        let mut crowd = Crowd::default();
        assert_eq!(crowd.left_out(at(0), true), None, "nothing to be told");
        assert_eq!(passed(&mut crowd, at(0)), 1_000);
        assert_eq!(passed(&mut crowd, at(1_000)), 20);
        assert_eq!(crowd.left_out(at(9_999), false), None);
        assert_eq!(crowd.left_out(at(10_000), false), Some(4_000 + 4_980));
        assert_eq!(crowd.left_out(at(30_000), true), None, "once");
        assert_eq!(passed(&mut crowd, at(10_000)), 180);
        assert_eq!(crowd.left_out(at(10_001), true), Some(4_820));
    }

    #[test]
    fn a_clock_that_is_set_neither_opens_the_gate_nor_shuts_it() {
        let mut crowd = Crowd::default();
        assert_eq!(passed(&mut crowd, at(0)), 1_000);
        assert_eq!(passed(&mut crowd, at(-3_600_000)), 0);
        assert_eq!(passed(&mut crowd, at(-3_599_000)), 20);
        assert_eq!(crowd.left_out(at(-3_599_000), false), Some(4_000 + 5_000 + 4_980));
        assert_eq!(passed(&mut crowd, at(3_600_000)), 1_000);
        assert_eq!(passed(&mut crowd, WallTime::from_millis(i64::MIN)), 0);
    }
}
