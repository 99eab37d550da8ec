//! The result of a verification.

use std::fmt;

use crate::base::time::WallTime;

/// How many faults are listed; the rest is counted.
const FAULTS_MAX: usize = 100;

/// The result.
#[derive(Debug, Default)]
pub struct Report {
    /// How many segments were read.
    pub segments: u64,
    /// How many records are good.
    pub records: u64,
    /// The first good record: its number and time.
    pub first: Option<(u64, WallTime)>,
    /// The last good record: its number and time.
    pub last: Option<(u64, WallTime)>,
    /// Whether the last record is the one with which a log ends properly.
    pub ended: bool,
    /// How many checkpoints were found in the log.
    pub checkpoints: u64,
    /// What is worth knowing, but no fault.
    pub notes: Vec<String>,
    /// What is wrong, in the order of the log.
    pub faults: Vec<Fault>,
    /// How many faults are not listed.
    pub more_faults: u64,
}

/// A fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The segment.
    pub segment: Option<u64>,
    /// The line in that segment, counted from 1.
    pub line: Option<usize>,
    /// The number of the record, if known.
    pub seq: Option<u64>,
    /// What is wrong.
    pub what: String,
}

impl Report {
    /// Whether nothing is wrong.
    pub const fn is_intact(&self) -> bool {
        self.faults.is_empty()
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        } else {
            self.more_faults += 1;
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut places = Vec::new();
        places.extend(self.segment.map(|segment| format!("segment {segment}")));
        places.extend(self.line.map(|line| format!("line {line}")));
        places.extend(self.seq.map(|seq| format!("record {seq}")));
        let place = places.join(", ");
        write!(f, "{place}{}{}", if place.is_empty() { "" } else { ": " }, self.what)
    }
}

impl Fault {
    pub(super) fn of_log(what: &str) -> Self {
        Self { segment: None, line: None, seq: None, what: what.to_owned() }
    }
}
