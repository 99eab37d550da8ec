//! The statistics of a run.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

/// A message that takes longer than this is counted as this long.
const DELAY_MICROS_MAX: u64 = 60_000_000;

/// The statistics of a thread since its last report, or of all threads from the beginning.
#[derive(Clone)]
pub struct Stats {
    /// From the time when a relayed message was due until it had arrived.
    pub delay: Histogram<u64>,
    /// The same if one of the two had dropped meanwhile.
    pub delay_cut: Histogram<u64>,
    /// From the time when a call was due until its last candidate.
    pub set_up: Histogram<u64>,
    /// From the beginning of the connection until `room-joined`.
    pub join: Histogram<u64>,
    /// How late the load test itself was with its sends.
    pub late: Histogram<u64>,
    pub counts: Counts,
    /// Errors, and how often each occurred.
    pub errors: BTreeMap<String, u64>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Messages and calls that were due.
    pub due: u64,
    /// Messages sent to the other participant.
    pub sent: u64,
    /// Messages received, each counted once.
    pub received: u64,
    pub duplicated: u64,
    pub reordered: u64,
    /// Messages sent and never received. Known at the end.
    pub lost: u64,
    /// Messages due and never sent, and calls that were not established. Known at the end.
    pub undone: u64,
    pub calls: u64,
    pub cuts: u64,
    pub resumed: u64,
    pub not_resumed: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    /// People in their rooms.
    pub inside: u64,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            delay: histogram(),
            delay_cut: histogram(),
            set_up: histogram(),
            join: histogram(),
            late: histogram(),
            counts: Counts::default(),
            errors: BTreeMap::new(),
        }
    }
}

impl Stats {
    pub fn error(&mut self, what: impl Into<String>) {
        *self.errors.entry(what.into()).or_default() += 1;
    }

    pub fn errors(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Adds the statistics of another.
    pub fn add(&mut self, other: &Self) {
        for (ours, theirs) in [
            (&mut self.delay, &other.delay),
            (&mut self.delay_cut, &other.delay_cut),
            (&mut self.set_up, &other.set_up),
            (&mut self.join, &other.join),
            (&mut self.late, &other.late),
        ] {
            // It cannot fail, because all have the same bounds.
            let _ = ours.add(theirs);
        }
        self.counts.add(&other.counts);
        for (what, times) in &other.errors {
            *self.errors.entry(what.clone()).or_default() += times;
        }
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.due += other.due;
        self.sent += other.sent;
        self.received += other.received;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.lost += other.lost;
        self.undone += other.undone;
        self.calls += other.calls;
        self.cuts += other.cuts;
        self.resumed += other.resumed;
        self.not_resumed += other.not_resumed;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.inside += other.inside;
    }
}

/// Records a duration in microseconds.
pub fn record(histogram: &mut Histogram<u64>, micros: u64) {
    histogram.saturating_record(micros.clamp(1, DELAY_MICROS_MAX));
}

fn histogram() -> Histogram<u64> {
    // These bounds are valid, and the same everywhere.
    Histogram::new_with_bounds(1, DELAY_MICROS_MAX, 3).expect("bounds that are allowed")
}
