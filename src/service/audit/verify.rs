//! Verifies that a log is unchanged: nothing modified, dropped, added or truncated. Works on a copy
//! on any machine.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::chain::{EpochKey, Head, sha256, to_text};
use super::checkpoint::Witness;
use super::files::segment_path;
use super::line::Line;
use super::reading::{First, Gone, Retired, Segment, Segments, newest_gone};
use super::report::{Fault, Report};
use super::seal_file::{Ending, Seal};

/// How many consecutive epochs may be empty: a machine may have failed again and again at its
/// start.
const EPOCHS_AHEAD_MAX: u64 = 1_000_000;

/// Verifies the log in `folder` with its verification key, and that it contains everything that
/// `witnesses` confirm.
///
/// # Errors
/// If it cannot be read. Anything readable but wrong is a fault in the report.
pub fn verify(folder: &Path, key: &EpochKey, witnesses: &[Witness]) -> io::Result<Report> {
    // Read before the segments, so that a server that is writing cannot be ahead of them.
    let seal = Seal::read(folder);
    let gone = newest_gone(folder)?.0;
    let mut walk = Walk::new(folder, key.clone(), gone);
    walk.look_out_for(witnesses);
    let seal = match seal {
        Ok(seal) => seal,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            walk.report.fault(Fault::of_log("the file `seal` cannot be read"));
            None
        }
        // A copy may lack the seal file: it is the one file that is secret.
        Err(_) => None,
    };
    if let Some(seal) = &seal {
        walk.look_out_for_seal(seal);
    }
    let segments = Segments::of(folder)?;
    if segments.numbers().is_empty() {
        walk.report.fault(Fault::of_log("there is no segment"));
    }
    for segment in segments {
        walk.segment(&segment?);
    }
    if let Some(seal) = &seal {
        // Checked only now: a running server first announces a new segment, and then begins it.
        let begun = segment_path(folder, seal.segment).try_exists()?;
        if !begun && walk.next_segment <= seal.segment {
            walk.report.fault(Fault::of_log(&format!(
                "the file `seal` says that segment {} was begun, but it is not here: it was cut off, unless the server \
                 was stopped in that very moment",
                seal.segment
            )));
        }
    }
    Ok(walk.finish())
}

/// Something that the log must contain: the code of a record, and the fault to report if it is
/// missing.
struct Expected {
    mac: [u8; 32],
    who: String,
}

struct Walk<'a> {
    folder: &'a Path,
    first_key: EpochKey,
    key: EpochKey,
    /// The record that the next one must follow; `None` if unknown after a fault.
    head: Option<Head>,
    log: Option<String>,
    /// How the previous segment really ended.
    ended: Option<Ending>,
    next_segment: u64,
    gone: BTreeMap<u64, Gone>,
    vouched: BTreeMap<u64, Gone>,
    expected: BTreeMap<u64, Vec<Expected>>,
    last_event: String,
    report: Report,
}

impl<'a> Walk<'a> {
    fn new(folder: &'a Path, key: EpochKey, gone: BTreeMap<u64, Gone>) -> Self {
        Self {
            folder,
            first_key: key.clone(),
            key,
            head: Some(Head::BEGINNING),
            log: None,
            ended: None,
            next_segment: 1,
            gone,
            vouched: BTreeMap::new(),
            expected: BTreeMap::new(),
            last_event: String::new(),
            report: Report::default(),
        }
    }

    fn look_out_for(&mut self, witnesses: &[Witness]) {
        let mut sorted: Vec<&Witness> = witnesses.iter().collect();
        sorted.sort_by_key(|witness| witness.checkpoint.epoch);
        let mut key = self.first_key.clone();
        for witness in sorted {
            let Some(at) = key.at(witness.checkpoint.epoch) else { continue };
            key = at;
            let who = format!("the checkpoint in line {} of {}", witness.line, witness.source);
            if !witness.is_genuine(&key) {
                self.report.fault(Fault::of_log(&format!("{who} was not made by this log")));
                continue;
            }
            let expected = Expected { mac: witness.head, who };
            self.expected.entry(witness.checkpoint.seq).or_default().push(expected);
            self.report.checkpoints += 1;
        }
    }

    fn look_out_for_seal(&mut self, seal: &Seal) {
        if self.first_key.at(seal.key.epoch()).is_none_or(|key| key.reveal() != seal.key.reveal()) {
            self.report.fault(Fault::of_log(
                "the key in the file `seal` does not come from this verification key",
            ));
        } else if seal.head.seq > 0 {
            let who = "the file `seal`".to_owned();
            let expected = Expected { mac: seal.head.mac, who };
            self.expected.entry(seal.head.seq).or_default().push(expected);
        }
    }

    fn fault(
        &mut self,
        segment: u64,
        line: Option<usize>,
        seq: Option<u64>,
        what: impl Into<String>,
    ) {
        self.report.fault(Fault { segment: Some(segment), line, seq, what: what.into() });
    }

    fn segment(&mut self, segment: &Segment) {
        let number = segment.number;
        if self.gone.values().any(|gone| (gone.from..=gone.to).contains(&number)) {
            let note = format!("segment {number} is retired, and its file is still there");
            self.report.notes.push(note);
            return;
        }
        self.report.segments += 1;
        self.cross_to(number);
        self.check_first(segment);
        self.head_of(segment);
        for (line, bytes, whole) in segment.lines() {
            self.line(segment, line, bytes, whole);
        }
        self.end_of(segment);
    }

    /// Crosses retired or missing segments, up to segment `number`.
    fn cross_to(&mut self, number: u64) {
        while self.next_segment < number {
            let Some(gone) = self.gone.get(&self.next_segment).cloned() else { break };
            if gone.to < gone.from {
                self.fault(gone.from, None, None, "the record of its removal makes no sense");
                break;
            }
            let follows = self.head.is_none_or(|head| head.seq.saturating_add(1) == gone.first_seq);
            let mac = super::chain::mac_from_text(gone.mac.as_bytes());
            let key = self.key.at(gone.epoch);
            if let (true, Some(mac), Some(key)) = (follows, mac, key) {
                self.head = Some(Head { seq: gone.last_seq, mac });
                self.key = key;
            } else {
                self.fault(gone.from, None, None, "the record of its removal does not fit");
                self.head = None;
            }
            self.ended = None;
            self.next_segment = gone.to.saturating_add(1);
        }
        if self.next_segment < number {
            let last = number - 1;
            let what = match self.next_segment == last {
                true => "is missing".to_owned(),
                false => format!("and all up to segment {last} are missing"),
            };
            self.fault(self.next_segment, None, None, what);
            (self.head, self.ended) = (None, None);
        }
        self.next_segment = number.saturating_add(1);
    }

    /// Takes the position that the first record claims, if nothing better is known.
    fn head_of(&mut self, segment: &Segment) {
        if self.head.is_none() {
            let previous = segment.first.as_ref().and_then(|first| first.previous.as_ref());
            self.head = previous.and_then(Ending::head);
        }
    }

    fn check_first(&mut self, segment: &Segment) {
        let number = segment.number;
        let Some(first) = &segment.first else {
            // A segment that ends within its first record was just being begun, or is torn. That is
            // reported with its line.
            if segment.lines().next().is_some_and(|(_, _, whole)| whole) {
                self.fault(number, Some(1), None, "it does not begin with the record of a segment");
            }
            return;
        };
        if first.segment != number {
            let what = format!("its first record says that it is segment {}", first.segment);
            self.fault(number, Some(1), None, what);
        }
        if *self.log.get_or_insert_with(|| first.log.clone()) != first.log {
            self.fault(number, Some(1), None, "it belongs to another log");
        }
        if self.ended.is_some() && self.ended != first.previous {
            let what =
                format!("segment {} does not end as this one says", number.saturating_sub(1));
            self.fault(number, Some(1), None, what);
        }
        if let Some(damage) = &first.damage {
            let what = format!("the server found damage: {damage}");
            self.fault(number, Some(1), None, what);
        }
        self.check_aside(number, first);
    }

    fn check_aside(&mut self, number: u64, first: &First) {
        for aside in &first.set_aside {
            let safe = !aside.name.contains('/');
            let found = safe.then(|| fs::read(self.folder.join(&aside.name)).ok()).flatten();
            match found {
                Some(bytes) if to_text(&sha256(&bytes)) == aside.sha256 => {
                    let note = format!(
                        "segment {number}: {} bytes that never became a record stand in {}",
                        aside.bytes, aside.name
                    );
                    self.report.notes.push(note);
                }
                _ => {
                    let what = format!("{} is not what was set aside", aside.name);
                    self.fault(number, Some(1), None, what);
                }
            }
        }
    }

    fn line(&mut self, segment: &Segment, number: usize, bytes: &[u8], whole: bool) {
        let claims = self.head.map(|head| head.seq.saturating_add(1));
        let Some(line) = Line::parse(bytes).filter(|_| whole) else {
            if whole || segment.ending.is_some() || holds_a_record(bytes) {
                self.fault(segment.number, Some(number), claims, "this is not a record");
                self.head = None;
            } else {
                let note = format!(
                    "segment {} ends within a record: being written, or torn by a power cut, or cut off",
                    segment.number
                );
                self.report.notes.push(note);
            }
            return;
        };
        if let Some(what) = self.what_is_wrong(&line) {
            self.fault(segment.number, Some(number), Some(line.seq), what);
        } else {
            self.report.records += 1;
            self.keep_in_mind(&line);
        }
        self.head = Some(line.head());
        self.last_event.clone_from(&line.event);
        self.report.first.get_or_insert((line.seq, line.time));
        self.report.last = Some((line.seq, line.time));
    }

    fn what_is_wrong(&mut self, line: &Line<'_>) -> Option<String> {
        let before = self.head;
        if let Some(head) = before
            && line.seq != head.seq.saturating_add(1)
        {
            return Some(match line.seq > head.seq {
                true => {
                    format!(
                        "records {} to {} are missing before it",
                        head.seq.saturating_add(1),
                        line.seq - 1
                    )
                }
                false => format!("it stands behind record {}", head.seq),
            });
        }
        let near = line.epoch.saturating_sub(self.key.epoch()) <= EPOCHS_AHEAD_MAX;
        let key = if near { self.key.at(line.epoch) } else { None };
        let Some(key) = key else {
            return Some(format!(
                "its epoch {} cannot follow epoch {}",
                line.epoch,
                self.key.epoch()
            ));
        };
        match before {
            // After something unreadable nothing can be checked; that has already been reported.
            None => None,
            Some(head) if line.is_genuine(&head, &key) => {
                self.key = key;
                None
            }
            Some(_) => Some("it was changed, or one before it was, or it is not ours".to_owned()),
        }
    }

    /// Remembers what a good record says for later checks.
    fn keep_in_mind(&mut self, line: &Line<'_>) {
        if matches!(line.event.as_str(), "segment" | "retired")
            && let Some(Retired { gone, .. }) = line.members()
        {
            self.vouched = gone.into_iter().map(|gone| (gone.from, gone)).collect();
        }
        for expected in self.expected.remove(&line.seq).into_iter().flatten() {
            if expected.mac != line.mac {
                let what = format!("{} knows another record of this number", expected.who);
                self.report.fault(Fault { seq: Some(line.seq), ..Fault::of_log(&what) });
            }
        }
    }

    fn end_of(&mut self, segment: &Segment) {
        let number = segment.number;
        let Some(ending) = &segment.ending else {
            self.ended = None;
            return;
        };
        let torn = segment.torn();
        let known = ending.torn_sha256.is_some();
        if usize::try_from(ending.bytes) != Ok(segment.counts) {
            let what = format!(
                "it is {} bytes long, but {} of them must count",
                segment.contents.len(),
                ending.bytes
            );
            self.fault(number, None, None, what);
        } else if known && ending.torn_sha256.as_deref() != Some(&to_text(&sha256(torn))) {
            self.fault(number, None, None, "what stands behind its last record was changed");
        } else if !torn.is_empty() || ending.torn > 0 {
            let note = format!(
                "segment {number}: torn behind record {}, {} bytes do not count; segment {} goes on",
                ending.seq,
                torn.len(),
                number.saturating_add(1)
            );
            self.report.notes.push(note);
        }
        let head = self.head.unwrap_or(Head::BEGINNING);
        self.ended = Some(Ending {
            segment: number,
            bytes: segment.counts as u64,
            seq: head.seq,
            mac: to_text(&head.mac),
            torn: ending.torn,
            torn_sha256: ending.torn_sha256.clone(),
        });
    }

    fn finish(mut self) -> Report {
        if self.vouched != self.gone {
            self.report.fault(Fault::of_log("no good record tells of the segments that are gone"));
        }
        if self.gone.last_key_value().is_some_and(|(_, gone)| gone.to >= self.next_segment) {
            self.report.fault(Fault::of_log("segments are gone, and with them those behind them"));
        }
        let first = self.report.first.map_or(1, |(seq, _)| seq);
        let last = self.report.last.map_or(0, |(seq, _)| seq);
        for (seq, expected) in std::mem::take(&mut self.expected) {
            if self.gone.values().any(|gone| (gone.first_seq..=gone.last_seq).contains(&seq)) {
                continue;
            }
            for Expected { who, .. } in expected {
                let what = match seq > last {
                    true => format!(
                        "{who} knows this record, but the log ends with record {last}: it was cut off"
                    ),
                    false if seq < first => {
                        format!("{who} knows this record, but the log begins later")
                    }
                    false => format!("{who} knows this record, but it is not here as it was"),
                };
                self.report.fault(Fault { seq: Some(seq), ..Fault::of_log(&what) });
            }
        }
        self.report.ended = self.last_event == "sealed";
        if !self.report.ended {
            let note = "the log does not end with a stop: the server is running, or was stopped by force, or the end \
                        was cut off (checkpoints tell)";
            self.report.notes.push(note.to_owned());
        }
        self.report
    }
}

/// Whether a line without its line break contains a complete record and more. A line that is just
/// being written, or is torn, does not.
fn holds_a_record(bytes: &[u8]) -> bool {
    let ends = bytes.windows(2).enumerate().filter(|(_, pair)| *pair == b"\"}");
    ends.map(|(at, _)| at + 2)
        .filter(|end| *end < bytes.len())
        .any(|end| Line::parse(&bytes[..end]).is_some())
}
