//! The last minutes: one sample per second, and events that an operator should know of. Contains no
//! ids.

use std::collections::VecDeque;

use crate::base::histogram::Histogram;
use crate::base::time::{Duration, Instant, Now, WallTime};
use crate::reactor::Snapshot;
use crate::service::process::Usage;

/// Time between two samples.
pub const PERIOD: Duration = Duration::from_secs(1);

/// Ten minutes of samples.
const SAMPLES_MAX: usize = 600;

/// How many events are kept.
const EVENTS_MAX: usize = 100;

/// The same event within this time is reported as one, with a count.
const SAME_EVENT: Duration = Duration::from_secs(60);

/// A sample.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub at: WallTime,
    pub instant: Instant,
    pub counters: Snapshot,
    pub usage: Usage,
}

/// What happened between a sample and the previous one.
#[derive(Clone, Copy, Debug)]
pub struct Interval {
    pub at: WallTime,
    pub messages_per_second: f64,
    pub errors_per_second: f64,
    pub cpu_percent: f64,
    pub relays: Histogram,
    pub counters: Snapshot,
    pub usage: Usage,
}

/// The severity of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

/// An event that an operator should know of.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub at: WallTime,
    pub severity: Severity,
    /// What happened: one of a few names, which the dashboard translates into text.
    pub kind: &'static str,
    /// The name of the limit or the action.
    pub detail: &'static str,
    pub count: u64,
}

/// The last minutes.
#[derive(Debug, Default)]
pub struct History {
    samples: VecDeque<Sample>,
    events: VecDeque<Event>,
    audit_unavailable: bool,
    draining: bool,
    stuck: bool,
}

impl Severity {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl History {
    /// Adds a sample, and the events that it reveals.
    pub fn add(&mut self, now: Now, counters: Snapshot, usage: Usage) {
        if let Some(before) = self.samples.back().copied() {
            self.compare(now.wall, &before.counters, &counters);
        }
        self.samples.push_back(Sample { at: now.wall, instant: now.instant, counters, usage });
        if self.samples.len() > SAMPLES_MAX {
            self.samples.pop_front();
        }
    }

    /// Notes the current state, and adds an event for each change.
    pub fn note_state(&mut self, now: WallTime, audit_unavailable: bool, draining: bool) {
        if std::mem::replace(&mut self.audit_unavailable, audit_unavailable) != audit_unavailable {
            match audit_unavailable {
                true => self.tell(now, Severity::Critical, "audit-unavailable", "", 1),
                false => self.tell(now, Severity::Info, "audit-available", "", 1),
            }
        }
        if draining && !std::mem::replace(&mut self.draining, true) {
            self.tell(now, Severity::Warning, "draining", "", 1);
        }
    }

    /// Notes whether all event loops respond.
    pub fn note_loops(&mut self, now: WallTime, stuck: bool) {
        if std::mem::replace(&mut self.stuck, stuck) != stuck {
            match stuck {
                true => self.tell(now, Severity::Critical, "loop-stuck", "", 1),
                false => self.tell(now, Severity::Info, "loop-turns", "", 1),
            }
        }
    }

    /// Adds an event with a count. The same event within a minute is merged.
    pub fn tell(
        &mut self,
        at: WallTime,
        severity: Severity,
        kind: &'static str,
        detail: &'static str,
        count: u64,
    ) {
        let recent = |event: &&mut Event| {
            (event.kind, event.detail) == (kind, detail) && event.at >= at.minus(SAME_EVENT)
        };
        let counted = matches!(kind, "limit");
        match self.events.iter_mut().rev().find(recent).filter(|_| counted) {
            Some(event) => event.count += count,
            None => self.events.push_back(Event { at, severity, kind, detail, count }),
        }
        if self.events.len() > EVENTS_MAX {
            self.events.pop_front();
        }
    }

    /// The events, newest first.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().rev()
    }

    /// The last sample, and one that is older by `length`, or the oldest.
    pub fn window(&self, length: Duration) -> Option<(&Sample, &Sample)> {
        let last = self.samples.back()?;
        let old = |sample: &&Sample| last.instant.since(sample.instant) >= length;
        let first = self.samples.iter().rev().find(old).or_else(|| self.samples.front())?;
        Some((first, last))
    }

    /// What happened in the last `length`; `None` until there are two samples.
    pub fn last(&self, length: Duration) -> Option<Interval> {
        let (first, last) = self.window(length)?;
        between(first, last)
    }

    /// What happened between consecutive samples after `since`.
    pub fn intervals(&self, since: WallTime) -> impl Iterator<Item = Interval> {
        let pairs = self.samples.iter().zip(self.samples.iter().skip(1));
        pairs.filter(move |(_, sample)| sample.at > since).filter_map(|(a, b)| between(a, b))
    }

    fn compare(&mut self, at: WallTime, before: &Snapshot, now: &Snapshot) {
        for ((limit, then), (_, hits)) in before.limits.iter().zip(now.limits.iter()) {
            if hits > then && !is_ordinary(limit.name()) {
                self.tell(at, Severity::Warning, "limit", limit.name(), hits - then);
            }
        }
        for (name, then, count) in [
            ("overrun", before.overrun, now.overrun),
            ("starved", before.starved, now.starved),
            ("accept_paused", before.accept_paused, now.accept_paused),
        ] {
            if count > then {
                self.tell(at, Severity::Warning, "limit", name, count - then);
            }
        }
    }
}

/// Limits that are hit on any normal day: people leave without notice, rooms stay empty.
fn is_ordinary(limit: &str) -> bool {
    matches!(limit, "reconnect_grace" | "room_empty" | "heartbeat" | "head_time" | "join_time")
}

fn between(first: &Sample, last: &Sample) -> Option<Interval> {
    let micros = last.instant.since(first.instant).as_micros();
    let per_second =
        |then: u64, now: u64| now.saturating_sub(then) as f64 * 1_000_000.0 / micros as f64;
    let (then, now) = (&first.counters, &last.counters);
    (micros > 0).then(|| Interval {
        at: last.at,
        messages_per_second: per_second(then.received, now.received),
        errors_per_second: per_second(then.errors.sum(), now.errors.sum()),
        cpu_percent: per_second(first.usage.cpu_micros, last.usage.cpu_micros) / 10_000.0,
        relays: now.relays.since(&then.relays),
        counters: *now,
        usage: last.usage,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::{Hits, Limit};

    fn at(secs: u64) -> Now {
        let instant = Instant::from_micros(secs * 1_000_000);
        Now { instant, wall: WallTime::from_secs(secs as i64) }
    }

    fn received(received: u64) -> Snapshot {
        Snapshot { received, ..Snapshot::default() }
    }

    #[test]
    fn rates_are_those_of_the_window_and_the_samples_are_bounded() {
        let mut history = History::default();
        assert!(history.last(PERIOD).is_none());
        for second in 0..2 * SAMPLES_MAX as u64 {
            let usage = Usage { cpu_micros: second * 500_000, ..Usage::default() };
            history.add(at(second), received(second * second), usage);
        }
        let last = 2 * SAMPLES_MAX as u64 - 1;
        let interval = history.last(Duration::from_secs(10)).expect("two samples");
        let expected = (last * last - (last - 10) * (last - 10)) as f64 / 10.0;
        assert!((interval.messages_per_second - expected).abs() < 1e-9);
        assert!((interval.cpu_percent - 50.0).abs() < 1e-9);
        assert_eq!(history.samples.len(), SAMPLES_MAX);
        assert_eq!(history.intervals(WallTime::from_secs(last as i64 - 3)).count(), 3);
    }

    #[test]
    fn what_happens_again_and_again_is_one_event_and_all_of_them_are_bounded() {
        let mut history = History::default();
        let hits = |count: u64| {
            let of = |limit| if limit == Limit::SignalRate { count } else { 0 };
            Snapshot { limits: Hits::new(of), ..Snapshot::default() }
        };
        for second in 0..10 {
            history.add(at(second), hits(second * 5), Usage::default());
        }
        let events: Vec<_> = history.events().map(|event| (event.detail, event.count)).collect();
        assert_eq!(events, [("signal_rate", 45)]);
        history.note_state(at(10).wall, true, false);
        history.note_state(at(11).wall, true, true);
        history.note_state(at(12).wall, false, true);
        let kinds: Vec<_> = history.events().map(|event| event.kind).take(3).collect();
        assert_eq!(kinds, ["audit-available", "draining", "audit-unavailable"]);
        for second in 0..300 {
            history.tell(at(second).wall, Severity::Info, "action", "drain", 1);
        }
        assert_eq!(history.events().count(), EVENTS_MAX);
    }
}
