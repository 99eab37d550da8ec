//! The time that is known to have come, according to the log. A start compares its clock with it:
//! a clock that is far ahead of it may be wrong, and will then be corrected while the server runs.
//!
//! The time of the last record would not do. A run with a clock that was behind would make every
//! right clock after it look as if it were ahead, and a run with a clock that was ahead would make
//! the next one with the same clock look right. So the known time follows the clock from record to
//! record, but only where the clock is believed:
//!
//! - It does not go back, and it does not leap ahead.
//! - If it leaps ahead, it is believed as soon as it has gone on for a while without the server, as
//!   a clock does that just was not asked for long; a machine that has no clock of its own begins at
//!   the same time again.
//! - If it has run for 12 hours without a leap, it is believed wherever it is.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;

use crate::base::time::{Duration, WallTime};

use super::files::{segment_path, segments};
use super::line::{Line, lines};
use super::seal_file::Ending;

/// A server that was off for longer is rarer than a clock that is wrong.
const LEAP_MS: i64 = 30 * 24 * 3_600_000;

/// For how long a clock must have gone on while the server was off.
const GONE_ON_MS: i64 = 3_600_000;

/// What follows on a known time, when the clock says `now`.
pub fn follow(known: WallTime, now: WallTime) -> WallTime {
    if (0..=LEAP_MS).contains(&ahead_ms(now, known)) { now } else { known }
}

/// How far the clock is ahead, if so much that it may be wrong.
pub fn lead(known: WallTime, now: WallTime) -> Duration {
    let ahead = ahead_ms(now, known);
    let millis = if ahead > LEAP_MS { ahead } else { 0 };
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// The known time at a start: `told` is what the newest segment says ([`read`]), `last` the time
/// of the last record.
pub fn at_start(told: Option<WallTime>, last: Option<WallTime>, now: WallTime) -> WallTime {
    match (told, last) {
        (None, None) => now,
        (Some(one), None) | (None, Some(one)) => one,
        (Some(told), Some(last)) => {
            let has_leapt = ahead_ms(last, told) > LEAP_MS;
            let has_gone_on = (GONE_ON_MS..=LEAP_MS).contains(&ahead_ms(now, last));
            if has_leapt && has_gone_on { last } else { follow(told, last) }
        }
    }
}

/// The known time in the newest segment, of which so much counts: where it ends properly, and
/// otherwise where it begins. The record there has that time, unless it says another. `None` if
/// there is no such record.
///
/// # Errors
/// If the folder or a segment cannot be read.
pub fn read(folder: &Path, newest: Option<&Ending>) -> io::Result<Option<WallTime>> {
    for segment in segments(folder)?.into_iter().rev() {
        let mut contents = fs::read(segment_path(folder, segment))?;
        if let Some(newest) = newest.filter(|newest| newest.segment == segment) {
            // Anybody may have written what stands behind that.
            contents.truncate(usize::try_from(newest.bytes).unwrap_or(usize::MAX));
        }
        let first = lines(&contents).next().and_then(|(_, line, _)| told(line, "segment"));
        if first.is_some() {
            let last = lines(&contents).last().and_then(|(_, line, _)| told(line, "sealed"));
            return Ok(last.or(first));
        }
    }
    Ok(None)
}

/// The known time according to a record, if it is one of `event`.
fn told(line: &[u8], event: &str) -> Option<WallTime> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Told {
        known_time: Option<String>,
    }
    let line = Line::parse(line).filter(|line| line.event == event)?;
    let told = line.members::<Told>()?.known_time;
    Some(told.and_then(|time| WallTime::parse_iso8601(time.as_bytes())).unwrap_or(line.time))
}

fn ahead_ms(one: WallTime, other: WallTime) -> i64 {
    one.as_millis().saturating_sub(other.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 24 * 3_600_000;

    fn day(number: i64) -> WallTime {
        WallTime::from_millis(number * DAY_MS)
    }

    #[test]
    fn a_clock_is_followed_but_not_back_and_not_far_ahead() {
        assert_eq!(follow(day(100), day(130)), day(130));
        assert_eq!(follow(day(100), day(131)), day(100));
        assert_eq!(follow(day(100), day(1)), day(100));
        assert_eq!(lead(day(100), day(130)), Duration::default());
        assert_eq!(lead(day(100), day(131)), Duration::from_secs(31 * 24 * 3_600));
        assert_eq!(lead(day(100), day(1)), Duration::default());
    }

    #[test]
    fn neither_a_run_in_the_past_nor_one_in_the_future_is_what_the_next_start_goes_by() {
        let at = |told, last, now| at_start(Some(day(told)), Some(day(last)), day(now));
        assert_eq!(at(100, 101, 102), day(101));
        assert_eq!(at(100, 0, 102), day(100), "it was behind");
        assert_eq!(at(100, 3_000, 102), day(100), "it was ahead");
        assert_eq!(at(100, 3_000, 3_000), day(100), "it is ahead again, where it was before");
        assert_eq!(at(100, 3_000, 3_001), day(3_000), "it goes on");
        assert_eq!(at(100, 3_000, 6_000), day(100));
    }

    #[test]
    fn the_first_start_has_nothing_else_to_go_by() {
        assert_eq!(at_start(None, None, day(7)), day(7));
        assert_eq!(at_start(None, Some(day(6)), day(7)), day(6));
        assert_eq!(at_start(Some(day(6)), None, day(7)), day(6));
    }
}
