//! The writer's hourly upkeep: checks the disk, and removes what is past its retention period.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use crate::base::time::{Duration, Instant, WallTime};
use crate::message::SessionId;

use super::OwnRecord;
use super::announcer::Announcer;
use super::chain::to_text;
use super::files::{remove_if_there, sync_folder};
use super::holds::Holds;
use super::line::{Draft, Fields, Line};
use super::queue::apart;
use super::reading::{Gone, Segment, Segments};
use super::reserve::{self, Reserve};
use super::sealing::Sealed;
use super::writer::Writer;

const HOUR_MS: i64 = 3_600_000;
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Segments are removed once a day. The interval is a little shorter, so that the time of day stays
/// the same.
const BETWEEN_REMOVALS_MS: i64 = 23 * HOUR_MS;

/// The longest span removed at once, however much is too old. If the clock stays years ahead, a
/// removal takes only this much history per day instead of all of it, and the log records it each
/// time.
const REMOVED_AT_ONCE: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Nothing is removed or forgotten before the clock has run for so long, since the start and since
/// its last leap: a machine may start with a clock that is years ahead, and correct it soon.
const PROVED: Duration = Duration::from_secs(12 * 3_600);

/// By how much the clock may differ from one that nobody sets, in an hour or so. That one goes on
/// while the machine is suspended: a night in suspend is no leap.
const LEAP_MS: u64 = 3_600_000;

/// Warn below this many free bytes.
const FREE_BYTES_MIN: u64 = 256 * 1024 * 1024;
const FREE_PERCENT_MIN: u64 = 10;
const FORECAST_DAYS_MIN: u64 = 30;

/// The shortest time over which a rate is meaningful.
const RATE_AFTER_MS: i64 = HOUR_MS;

/// What is remembered from one hour to the next.
#[derive(Debug)]
pub struct Upkeep {
    started: WallTime,
    last: Option<WallTime>,
    clock: Option<Clock>,
    /// Whether a segment was ended to forget what was over when the clock was first believed. The
    /// list stands in each segment, and a server may never run for as long as a segment lasts.
    pub(super) has_forgotten: bool,
    holds: Option<Holds>,
    free_bytes: Option<u64>,
    forecast_days: Option<u64>,
    checkpoints_told: u64,
    checkpoints_at: WallTime,
}

/// What is known of the wall clock.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// Since when it has not leapt.
    since: Instant,
    /// The last look at both clocks.
    seen: (WallTime, Instant),
}

impl Clock {
    /// The state at the first look.
    const fn new(wall: WallTime, now: Instant) -> Self {
        Self { since: now, seen: (wall, now) }
    }

    /// Compares both clocks.
    fn look(&mut self, wall: WallTime, now: Instant) {
        let passed = now.since(self.seen.1).as_micros() / 1_000;
        let leap = apart(wall, self.seen.0.plus(Duration::from_millis(passed))).unsigned_abs();
        *self = Self { since: if leap > LEAP_MS { now } else { self.since }, seen: (wall, now) };
    }

    /// Whether it has run for long enough.
    fn is_proved(&self) -> bool {
        self.seen.1.since(self.since) >= PROVED
    }
}

impl Upkeep {
    /// The state at the start.
    pub const fn new(now: WallTime) -> Self {
        Self {
            started: now,
            last: None,
            clock: None,
            has_forgotten: false,
            holds: None,
            free_bytes: None,
            forecast_days: None,
            checkpoints_told: 0,
            checkpoints_at: now,
        }
    }

    /// The free bytes, and the days until the disk is full.
    pub const fn disk(&self) -> (Option<u64>, Option<u64>) {
        (self.free_bytes, self.forecast_days)
    }
}

impl Writer {
    /// Does the upkeep that is due.
    pub fn upkeep(&mut self) {
        let now = self.now();
        let due = self.kept.last.is_none_or(|last| apart(now, last) >= HOUR_MS);
        // While the disk accepts nothing, upkeep waits.
        if !due || self.failing.is_some() || self.encoded > 0 {
            return;
        }
        self.kept.last = Some(now);
        self.look_at_clock(now);
        self.look_at_disk(now);
        let kept = self.kept.free_bytes.map(|free| reserve::keep(&self.options.folder, free));
        match kept {
            Some(Err(error)) => {
                log::warn!("no room is kept for last records on a full disk: {error}");
            }
            _ if self.reserve == Reserve::Missing => self.reserve = Reserve::Kept,
            _ => {}
        }
        self.tell_failed_checkpoints(now);
        let holds = match Holds::read(&self.options.folder) {
            Ok(holds) => holds,
            Err(error) => {
                log::error!(
                    "the list of held sessions cannot be read, so nothing is removed: {error}"
                );
                return;
            }
        };
        self.tell_holds(now, &holds);
        if let Err(error) = self.retire(now, &holds) {
            log::error!("old segments of the audit log could not be removed: {error}");
        }
    }

    fn look_at_clock(&mut self, wall: WallTime) {
        let now = (self.options.since_boot)();
        let clock = self.kept.clock.get_or_insert(Clock::new(wall, now));
        clock.look(wall, now);
        if clock.is_proved() {
            self.ended.note_passed(wall);
            self.journal.known_time = wall;
        }
    }

    fn look_at_disk(&mut self, now: WallTime) {
        let Ok(disk) = rustix::fs::statvfs(&self.options.folder) else { return };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let total = disk.f_blocks.saturating_mul(disk.f_frsize);
        let elapsed_ms = apart(now, self.kept.started);
        let (written, _) = self.journal.totals();
        let forecast = (elapsed_ms >= RATE_AFTER_MS && written > 0).then(|| {
            let days = u128::from(free) * u128::from(elapsed_ms.unsigned_abs())
                / u128::from(written)
                / (DAY.as_micros() / 1_000) as u128;
            u64::try_from(days).unwrap_or(u64::MAX)
        });
        (self.kept.free_bytes, self.kept.forecast_days) = (Some(free), forecast);
        let low = free < FREE_BYTES_MIN || free / FREE_PERCENT_MIN < total / 100;
        if low || forecast.is_some_and(|days| days < FORECAST_DAYS_MIN) {
            let days =
                forecast.map_or_else(String::new, |days| format!(", enough for {days} days"));
            log::warn!("the disk of the audit log has {} MiB left{days}", free / 1024 / 1024);
        }
    }

    fn tell_failed_checkpoints(&mut self, now: WallTime) {
        let failed = self.announcer.as_ref().map_or(0, Announcer::failed);
        let count = failed - self.kept.checkpoints_told;
        if count > 0 {
            let since = self.kept.checkpoints_at;
            self.shared.note(now, OwnRecord::CheckpointsFailed { since, count });
        }
        (self.kept.checkpoints_told, self.kept.checkpoints_at) = (failed, now);
    }

    /// Records the list of holds at each start and whenever it has changed. An empty list is not
    /// recorded at a start.
    fn tell_holds(&mut self, now: WallTime, holds: &Holds) {
        if self.kept.holds.as_ref().unwrap_or(&Holds::default()) != holds {
            let sessions = holds.len() as u64;
            self.shared.note(now, OwnRecord::Hold { sessions, sha256: holds.sha256() });
        }
        self.kept.holds = Some(holds.clone());
    }

    /// Removes what is too old, oldest first: records the removal, waits until the record is on
    /// disk, and then removes the files.
    fn retire(&mut self, now: WallTime, holds: &Holds) -> io::Result<()> {
        self.remove_gone()?;
        if !self.kept.clock.is_some_and(|clock| clock.is_proved()) {
            return Ok(());
        }
        if self.journal.gone_at.is_some_and(|last| apart(now, last) < BETWEEN_REMOVALS_MS) {
            return Ok(());
        }
        let days = u64::from(self.options.retention_days);
        let kept_from = now.minus(Duration::from_secs(days * DAY.as_secs()));
        let gone = self.too_old(kept_from, holds)?;
        if gone == self.journal.gone {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.journal.gone, gone);
        if let Err(error) = self.tell_retired(now) {
            self.journal.gone = before;
            self.failed(&error);
            return Ok(());
        }
        self.journal.gone_at = Some(now);
        self.remove_gone()
    }

    fn tell_retired(&mut self, now: WallTime) -> io::Result<()> {
        let mut fields = Fields::default();
        fields.number("days", u64::from(self.options.retention_days));
        fields.raw("gone", &self.journal.gone_json()?);
        self.journal.append(&Draft { time: now, event: "retired", fields: &fields, secret: &[] });
        self.journal.write()?;
        self.journal.sync()
    }

    /// The removed ranges, including what is too old now.
    fn too_old(&self, kept_from: WallTime, holds: &Holds) -> io::Result<BTreeMap<u64, Gone>> {
        let mut gone = self.journal.gone.clone();
        let (mut at_once, mut damaged) = (None, Vec::new());
        let segments = Segments::of(&self.options.folder)?;
        for segment in segments {
            let segment = segment?;
            if segment.number >= self.journal.segment() {
                break;
            }
            // Whoever cuts a segment does not fill the disk with all those behind it.
            let Some((one, last_time)) = span(&segment) else {
                damaged.push(segment.number);
                continue;
            };
            let until = *at_once.get_or_insert(last_time.plus(REMOVED_AT_ONCE));
            if last_time >= kept_from || last_time > until {
                break;
            }
            if self.is_held(&segment, holds) {
                log::info!(
                    "segment {} of the audit log is kept: a session in it is held",
                    segment.number
                );
                continue;
            }
            log::info!("segment {} of the audit log is older than it must be kept", segment.number);
            for number in damaged.drain(..) {
                log::warn!("segment {number} of the audit log is kept: it is damaged");
            }
            add(&mut gone, one);
        }
        Ok(gone)
    }

    fn is_held(&self, segment: &Segment, holds: &Holds) -> bool {
        #[derive(serde::Deserialize)]
        struct Who {
            session: Option<String>,
        }
        let session = |line: &Line<'_>| {
            let secret =
                Sealed::parse(line.sealed?)?.open_with(&self.keys.encryption, line.plain)?;
            SessionId::parse(&serde_json::from_slice::<Who>(&secret).ok()?.session?)
        };
        !holds.is_empty()
            && segment
                .lines()
                .filter_map(|(_, line, _)| session(&Line::parse(line)?))
                .any(|session| holds.contains(session, &self.keys))
    }

    /// Removes the files whose removal is recorded on disk.
    fn remove_gone(&self) -> io::Result<()> {
        let folder = &self.options.folder;
        let is_gone = |number: u64| {
            let range = self.journal.gone.range(..=number).next_back();
            range.is_some_and(|(_, gone)| number <= gone.to)
        };
        let mut removed = false;
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            let number = name.split('.').next().and_then(|digits| digits.parse().ok());
            if number.is_some_and(is_gone) && (name.ends_with(".jsonl") || name.ends_with(".torn"))
            {
                remove_if_there(&folder.join(&*name))?;
                removed = true;
            }
        }
        if removed { sync_folder(folder) } else { Ok(()) }
    }
}

/// A segment as a range of one, and the time of its last record; `None` if that cannot be read.
fn span(segment: &Segment) -> Option<(Gone, WallTime)> {
    let parsed = |line| Line::parse(line);
    let (_, first, _) = segment.lines().next()?;
    let (_, last, _) = segment.lines().last()?;
    let (first, last) = (parsed(first)?, parsed(last)?);
    let gone = Gone {
        from: segment.number,
        to: segment.number,
        first_seq: first.seq,
        last_seq: last.seq,
        mac: to_text(&last.mac),
        epoch: last.epoch,
    };
    Some((gone, last.time))
}

/// Adds one segment to the ranges, and merges adjacent ones.
fn add(gone: &mut BTreeMap<u64, Gone>, one: Gone) {
    let merged = match gone.range(..one.from).next_back() {
        Some((from, before)) if before.to.saturating_add(1) == one.from => {
            let from = *from;
            Gone { from, first_seq: before.first_seq, ..one }
        }
        _ => one,
    };
    let behind = gone.remove(&(merged.to.saturating_add(1)));
    let merged = match behind {
        Some(behind) => Gone { from: merged.from, first_seq: merged.first_seq, ..behind },
        None => merged,
    };
    gone.insert(merged.from, merged);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(number: u64) -> Gone {
        Gone {
            from: number,
            to: number,
            first_seq: number * 10,
            last_seq: number * 10 + 9,
            mac: String::new(),
            epoch: number,
        }
    }

    #[test]
    fn a_clock_is_believed_after_twelve_hours_without_a_leap() {
        let after = |hours| Duration::from_secs(hours * 3_600);
        let (year, start) = (after(24 * 365), WallTime::from_secs(1_700_000_000));
        let mut clock = Clock::new(start.plus(year), Instant::from_micros(5));
        let mut look = |hours: u64, wall: WallTime| {
            clock.look(wall, Instant::from_micros(5 + after(hours).as_micros()));
            clock.is_proved()
        };
        assert!(!look(1, start.plus(year).plus(after(1))));
        assert!(!look(3, start.plus(after(3))), "corrected");
        assert!(!look(14, start.plus(after(14))));
        assert!(look(15, start.plus(after(15))));
        assert!(look(16, start.plus(after(16)).plus(Duration::from_secs(60))), "no leap");
        assert!(!look(17, start.plus(year)), "ahead again");
        assert!(look(29, start.plus(year).plus(after(12))), "for good, it seems");
    }

    #[test]
    fn ranges_grow_together() {
        let mut gone = BTreeMap::new();
        for number in [1, 2, 4, 5] {
            add(&mut gone, one(number));
        }
        assert_eq!(gone.keys().collect::<Vec<_>>(), [&1, &4]);
        add(&mut gone, one(3));
        let all =
            Gone { from: 1, to: 5, first_seq: 10, last_seq: 59, mac: String::new(), epoch: 5 };
        assert_eq!(gone.into_values().collect::<Vec<_>>(), [all]);
    }
}
