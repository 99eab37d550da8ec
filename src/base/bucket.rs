//! Token buckets: a rate per second, and a burst after a pause.

use super::time::{Duration, Instant};

const NANOS: u64 = 1_000_000_000;

/// How fast a [`Bucket`] fills and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The sustained rate per second.
    pub per_second: u64,
    /// The burst: how many at once, after a pause.
    pub burst: u64,
}

/// A token bucket in eight bytes: the moment at which the bucket is full again, in nanoseconds (the
/// generic cell rate algorithm of ITU-T I.371, as virtual scheduling). A new one is full.
///
/// It does not store its rate, so that it can be used with a smaller rate at first. Any numbers are
/// allowed; a result too large for 64 bits is clamped to the largest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at: u64,
}

impl Rate {
    /// No limit.
    pub const UNLIMITED: Self = Self { per_second: u64::MAX, burst: u64::MAX };

    /// Whether there is no limit.
    pub const fn is_unlimited(&self) -> bool {
        self.per_second == u64::MAX
    }

    /// How long it takes until `count` have been added, in nanoseconds.
    const fn nanos(&self, count: u64) -> u64 {
        let per_second = if self.per_second == 0 { 1 } else { self.per_second };
        // Exact for every rate that divides 10⁹; for the others too short by less than a
        // nanosecond.
        count.saturating_mul(NANOS) / per_second
    }
}

impl Bucket {
    /// Takes `count` out. Returns `false` if there are fewer; then nothing was taken.
    pub fn take(&mut self, count: u64, rate: &Rate, now: Instant) -> bool {
        if rate.is_unlimited() {
            return true;
        }
        // Stored even if nothing is taken: a clock that has gone back looks like a bucket that is
        // far from full.
        self.full_at = self.full_at(rate, now);
        let full_at = self.full_at.saturating_add(rate.nanos(count));
        // Each cost is rounded down, so costs never add up to more than the burst that they are a
        // part of.
        let enough = full_at <= nanos(now).saturating_add(rate.nanos(rate.burst));
        if enough {
            self.full_at = full_at;
        }
        enough
    }

    /// Takes `count` out, or all there is.
    pub fn spend(&mut self, count: u64, rate: &Rate, now: Instant) {
        if !rate.is_unlimited() {
            self.full_at = self.full_at(rate, now).saturating_add(rate.nanos(count));
            self.full_at = self.full_at(rate, now);
        }
    }

    /// How many there are.
    pub fn available(&self, rate: &Rate, now: Instant) -> u64 {
        if rate.is_unlimited() {
            return u64::MAX;
        }
        let missing = self.full_at(rate, now).saturating_sub(nanos(now));
        let left = rate.nanos(rate.burst).saturating_sub(missing);
        (left.saturating_mul(rate.per_second) / NANOS).min(rate.burst)
    }

    /// How long until there are `count`, of which there are never more than the burst.
    pub fn time_until(&self, count: u64, rate: &Rate, now: Instant) -> Duration {
        if rate.is_unlimited() {
            return Duration::default();
        }
        let missing = self.full_at(rate, now).saturating_sub(nanos(now));
        let room = rate.nanos(rate.burst).saturating_sub(rate.nanos(count.min(rate.burst)));
        Duration::from_micros(missing.saturating_sub(room).div_ceil(1_000))
    }

    /// When it is full again: not before now, and, if the clock has gone back, not later than an
    /// empty one would be.
    fn full_at(&self, rate: &Rate, now: Instant) -> u64 {
        let now = nanos(now);
        self.full_at.clamp(now, now.saturating_add(rate.nanos(rate.burst)))
    }
}

fn nanos(now: Instant) -> u64 {
    now.as_micros().saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 50, burst: 200 };

    fn at(micros: u64) -> Instant {
        Instant::from_micros(7_000_000 + micros)
    }

    /// How many can be taken one by one.
    fn drain(bucket: &mut Bucket, rate: &Rate, now: Instant) -> u64 {
        (0..100_000).take_while(|_| bucket.take(1, rate, now)).count() as u64
    }

    #[test]
    fn the_burst_and_not_one_more_then_one_for_each_part_of_a_second() {
        let mut bucket = Bucket::default();
        assert_eq!(drain(&mut bucket, &RATE, at(0)), 200);
        assert!(!bucket.take(1, &RATE, at(19_999)), "the next comes after 20 ms");
        assert_eq!(bucket.time_until(1, &RATE, at(19_000)), Duration::from_millis(1));
        assert!(bucket.take(1, &RATE, at(20_000)));
        assert!(!bucket.take(1, &RATE, at(20_000)));
        assert_eq!(drain(&mut bucket, &RATE, at(1_020_000)), 50);
        assert_eq!(drain(&mut bucket, &RATE, at(1_000_000_000)), 200, "and never more than that");
    }

    #[test]
    fn rates_that_divide_no_second_are_kept_as_well() {
        for per_second in [1, 3, 7, 11, 999, 262_144] {
            for burst in [1, 2, 10, 4_321] {
                let rate = Rate { per_second, burst };
                let mut bucket = Bucket::default();
                assert_eq!(drain(&mut bucket, &rate, at(0)), burst, "{rate:?}");
                assert_eq!(bucket.available(&rate, at(0)), 0, "{rate:?}");
                let later = drain(&mut bucket, &rate, at(1_000_000));
                assert!(later.abs_diff(per_second.min(burst)) <= 1, "{rate:?}: {later}");
            }
        }
    }

    #[test]
    fn what_is_spent_beyond_the_burst_is_not_owed_for_ever() {
        let mut bucket = Bucket::default();
        bucket.spend(1_000_000, &RATE, at(0));
        assert_eq!(bucket.available(&RATE, at(0)), 0);
        assert!(bucket.take(1, &RATE, at(20_000)), "an empty bucket is the worst that can be");
    }

    #[test]
    fn a_clock_that_jumps_costs_a_burst_at_most() {
        let mut bucket = Bucket::default();
        assert_eq!(drain(&mut bucket, &RATE, at(1_000_000_000_000)), 200);
        assert_eq!(drain(&mut bucket, &RATE, at(0)), 0, "back: as if it were empty now");
        assert_eq!(drain(&mut bucket, &RATE, at(4_000_000)), 200);
        assert_eq!(
            drain(&mut bucket, &RATE, Instant::from_micros(u64::MAX)),
            100_000,
            "the end of time"
        );
    }

    #[test]
    fn no_number_is_too_large_or_too_small() {
        let numbers = [0, 1, 1_000, u64::MAX / 1_000, u64::MAX - 1, u64::MAX];
        for per_second in numbers {
            for burst in numbers {
                let rate = Rate { per_second, burst };
                let mut bucket = Bucket::default();
                for now in numbers.map(Instant::from_micros) {
                    for count in numbers {
                        bucket.take(count, &rate, now);
                        bucket.spend(count, &rate, now);
                        assert!(rate.is_unlimited() || bucket.available(&rate, now) <= burst);
                        bucket.time_until(count, &rate, now);
                    }
                }
            }
        }
        let mut bucket = Bucket::default();
        assert!(bucket.take(u64::MAX, &Rate::UNLIMITED, at(0)));
        assert!(!bucket.take(1, &Rate { per_second: 5, burst: 0 }, at(0)), "none at all");
    }

    #[test]
    fn a_bucket_is_eight_bytes() {
        assert_eq!(size_of::<Bucket>(), 8);
    }
}
