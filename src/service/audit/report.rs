//! The result of a verification.

use std::fmt;

use crate::base::time::WallTime;

/// Faults that are listed; the rest is counted.
const FAULTS_MAX: usize = 100;

/// What came out.
#[derive(Debug, Default)]
pub struct Report {
    /// Segments that were read.
    pub segments: u64,
    /// Records that are good.
    pub records: u64,
    /// The first and the last record, with the times of both.
    pub first: Option<(u64, WallTime)>,
    /// The same.
    pub last: Option<(u64, WallTime)>,
    /// Whether the last record is the one with which a log ends in good order.
    pub ended: bool,
    /// Checkpoints that were found in the log.
    pub checkpoints: u64,
    /// What is worth knowing and nothing to worry about.
    pub notes: Vec<String>,
    /// What is wrong, in the order of the log.
    pub faults: Vec<Fault>,
    /// How many more faults there are than are listed.
    pub more_faults: u64,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The segment.
    pub segment: Option<u64>,
    /// The line there, from 1.
    pub line: Option<usize>,
    /// The number of the record, as far as it is known.
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
