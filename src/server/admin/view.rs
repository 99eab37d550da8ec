//! A snapshot of the server, from which metrics, statistics and the dashboard are made.

use crate::base::time::{Duration, Instant, Now};
use crate::config::{Config, memory};
use crate::engine::{Answer, Command, Outline};
use crate::reactor::clock::Clock;
use crate::reactor::{Asked, Handle, Snapshot};
use crate::service::audit::{Audit, Gauges};
use crate::service::process::{self, Usage};

/// How long the loops may take to answer.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Values that do not change.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub connections_max: usize,
    pub rooms_max: usize,
    pub cut_bytes_max: usize,
    pub unsent_bytes_max: usize,
    pub retained_bytes_max: usize,
    pub open_files_max: Option<u64>,
}

/// Observes the server from outside its event loops.
pub struct Watch {
    pub server: Handle,
    pub audit: Option<Audit>,
    pub bounds: Bounds,
    /// How much longer than its `exp` a token is valid.
    pub leeway_secs: i64,
    /// In ms since 1970.
    pub started_ms: i64,
}

/// A snapshot.
#[derive(Clone, Debug)]
pub struct View {
    pub counters: Snapshot,
    pub audit: Option<Gauges>,
    pub usage: Usage,
    pub open_files: Option<u64>,
    /// For each loop, whether it answers.
    pub loops: Vec<bool>,
    pub draining: bool,
    pub now: Now,
}

impl Bounds {
    pub fn of(config: &Config) -> Self {
        Self {
            connections_max: config.connections_max,
            rooms_max: memory::rooms_max(config),
            cut_bytes_max: memory::cut_bytes_max(config),
            unsent_bytes_max: memory::unsent_bytes_max(config),
            retained_bytes_max: memory::retained_bytes_max(config),
            open_files_max: process::open_files_max(),
        }
    }
}

impl Watch {
    /// Asks every loop, so that its numbers are current, and reads the rest.
    pub fn look(&self, now: Now) -> View {
        let loops = self.pulse();
        View {
            counters: self.server.counters(),
            audit: self.audit.as_ref().map(Audit::gauges),
            usage: Usage::read(),
            open_files: process::open_files(),
            loops,
            draining: self.server.is_stopping(),
            now,
        }
    }

    /// Whether each loop answers.
    pub fn pulse(&self) -> Vec<bool> {
        let until = Patience::begin();
        let asked = self.server.ask(|_| Command::Look);
        asked.iter().map(|one| one.answer(until.left()).is_some()).collect()
    }

    /// The answer of each loop, or the first loop that does not answer.
    pub fn ask(&self, command: impl Fn(usize) -> Command) -> Result<Vec<(Asked, Answer)>, usize> {
        let until = Patience::begin();
        let asked = self.server.ask(command).into_iter().enumerate();
        let answer = |one: &Asked| one.answer(until.left());
        asked.map(|(at, one)| answer(&one).map(|answer| (one, answer)).ok_or(at)).collect()
    }
}

/// The time that all loops have together: one that is stuck must not keep the administrator from
/// learning of it.
struct Patience {
    clock: Clock,
}

impl Patience {
    fn begin() -> Self {
        Self { clock: Clock::new() }
    }

    fn left(&self) -> Duration {
        PATIENCE.saturating_sub(self.clock.instant().since(Instant::default()))
    }
}

impl Watch {
    /// Up to `most` rooms after the first `skip`, and how many there are in total, loop by loop.
    /// `Err`: the loop that does not answer.
    pub fn rooms(&self, skip: usize, most: usize) -> Result<(Vec<Outline>, usize), usize> {
        let count = |(_, answer)| if let Answer::Rooms(_, count) = answer { count } else { 0 };
        let counts = self.ask(|_| Command::Rooms { skip: 0, most: 0 })?.into_iter().map(count);
        let counts: Vec<usize> = counts.collect();
        let (mut skipped, mut wanted) = (skip, most);
        let share = |count: &usize| {
            let here = skipped.min(*count);
            skipped -= here;
            let most = wanted.min(count - here);
            wanted -= most;
            Command::Rooms { skip: here, most }
        };
        let shares: Vec<Command> = counts.iter().map(share).collect();
        let answers = self.ask(|at| shares.get(at).cloned().unwrap_or(Command::Look))?;
        let outlines = answers.into_iter().flat_map(|(_, answer)| match answer {
            Answer::Rooms(outlines, _) => outlines,
            _ => Vec::new(),
        });
        Ok((outlines.collect(), counts.iter().sum()))
    }
}

impl View {
    /// Whether the audit log can be written; true if there is none.
    pub fn audit_ok(&self) -> bool {
        let noticed = self.counters.journals_unavailable > 0;
        !noticed && self.audit.is_none_or(|audit| audit.available)
    }

    /// Whether there is room for another connection.
    pub fn has_room(&self, bounds: &Bounds) -> bool {
        self.counters.connections < bounds.connections_max as u64
    }

    /// Whether all loops respond.
    pub fn is_alive(&self) -> bool {
        self.loops.iter().all(|answers| *answers)
    }

    /// How long the oldest record has been waiting for the disk, in seconds; 0 if none is.
    pub fn audit_lag_seconds(&self) -> f64 {
        self.audit.map_or(0.0, |audit| audit.lag_ms as f64 / 1_000.0)
    }
}
