//! Reads the log: segments in order, and the part of each that is valid.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::time::WallTime;

use super::files::{segment_path, segments};
use super::journal::SetAside;
use super::line::{Line, lines};
use super::seal_file::Ending;

/// The content of a segment's first record.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct First {
    /// The name of the event, `segment`.
    pub event: String,
    /// The number of the segment.
    pub segment: u64,
    /// The identity of the log.
    pub log: String,
    /// How the previous segment ended.
    pub previous: Option<Ending>,
    /// What was set aside under this number.
    #[serde(default)]
    pub set_aside: Vec<SetAside>,
    /// Damage that was found in durable records.
    pub damage: Option<String>,
}

/// Segments that were removed after their retention period, according to a `retired` record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gone {
    /// The first of them.
    pub from: u64,
    /// The last of them.
    pub to: u64,
    /// The number of their first record.
    pub first_seq: u64,
    /// The number of their last record.
    pub last_seq: u64,
    /// The code of that record.
    pub mac: String,
    /// The epoch of that record.
    pub epoch: u64,
}

/// The common content of a `retired` record and of a segment's first record.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retired {
    /// All segments that were removed so far.
    #[serde(default)]
    pub gone: Vec<Gone>,
    /// When the last of them were removed, if the record does not say so itself.
    pub gone_at: Option<String>,
}

/// A segment that was read.
#[derive(Debug)]
pub struct Segment {
    /// Its number.
    pub number: u64,
    /// The content of its file.
    pub contents: Vec<u8>,
    /// How many of its bytes are valid, according to the next segment; all of them if there is
    /// none.
    pub counts: usize,
    /// The content of its first record, if it can be read.
    pub first: Option<First>,
    /// How it ended, according to the next segment; `None` for the last one.
    pub ending: Option<Ending>,
}

/// Reads the segments of a folder, oldest first.
#[derive(Debug)]
pub struct Segments {
    folder: PathBuf,
    numbers: Vec<u64>,
    at: usize,
    ahead: Option<Vec<u8>>,
}

impl Segments {
    /// The segments of `folder`. Nothing is locked: a server may be writing.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn of(folder: &Path) -> io::Result<Self> {
        let numbers = segments(folder)?;
        Ok(Self { folder: folder.to_owned(), numbers, at: 0, ahead: None })
    }

    /// Their numbers.
    pub fn numbers(&self) -> &[u64] {
        &self.numbers
    }

    fn read(&self, at: usize) -> io::Result<Vec<u8>> {
        fs::read(segment_path(&self.folder, self.numbers[at]))
    }

    fn read_next(&mut self) -> io::Result<Segment> {
        let number = self.numbers[self.at];
        let contents = match self.ahead.take() {
            Some(contents) => contents,
            None => self.read(self.at)?,
        };
        self.at += 1;
        if self.numbers.get(self.at) == Some(&number.saturating_add(1)) {
            self.ahead = Some(self.read(self.at)?);
        }
        let next = self.ahead.as_deref().and_then(first_record);
        let ending = next.and_then(|next| next.previous).filter(|ending| ending.segment == number);
        let bytes =
            ending.as_ref().map(|ending| usize::try_from(ending.bytes).unwrap_or(usize::MAX));
        let counts = bytes.unwrap_or(contents.len()).min(contents.len());
        let first = first_record(&contents[..counts]);
        Ok(Segment { number, contents, counts, first, ending })
    }
}

impl Iterator for Segments {
    type Item = io::Result<Segment>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.at < self.numbers.len()).then(|| self.read_next())
    }
}

impl Segment {
    /// The valid lines: the number of each, counted from 1, its bytes, and whether it has its line
    /// break.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &[u8], bool)> {
        let numbered = lines(&self.contents[..self.counts]).enumerate();
        numbered.map(|(index, (_, line, whole))| (index + 1, line, whole))
    }

    /// The bytes after the valid ones.
    pub fn torn(&self) -> &[u8] {
        &self.contents[self.counts..]
    }
}

/// The content of a segment's first record, if it is one.
pub fn first_record(contents: &[u8]) -> Option<First> {
    let (_, line, _) = lines(contents).next()?;
    Line::parse(line)?.members::<First>().filter(|first| first.event == "segment")
}

/// The removed segments according to the log, by the first of each range, and when that was last
/// recorded: in the newest `retired` record, or in the first record of the newest segment, which
/// repeats it.
///
/// # Errors
/// If a segment cannot be read.
pub fn newest_gone(folder: &Path) -> io::Result<(BTreeMap<u64, Gone>, Option<WallTime>)> {
    let mut after: Option<First> = None;
    for number in segments(folder)?.into_iter().rev() {
        let contents = fs::read(segment_path(folder, number))?;
        let ending = after.and_then(|after| after.previous).filter(|one| one.segment == number);
        let bytes = ending.map_or(usize::MAX, |ending| usize::try_from(ending.bytes).unwrap_or(0));
        let counted = &contents[..contents.len().min(bytes)];
        after = first_record(counted);
        // A quick test that most lines fail.
        let may_tell = |line: &[u8]| {
            let short = String::from_utf8_lossy(&line[..line.len().min(100)]);
            short.contains("\"event\":\"segment\"") || short.contains("\"event\":\"retired\"")
        };
        let records = lines(counted).filter(|(_, line, _)| may_tell(line));
        let told = records.filter_map(|(_, line, _)| Line::parse(line));
        if let Some((gone, time)) =
            told.filter_map(|line| Some((line.members()?, line.time))).last()
        {
            let Retired { gone, gone_at } = gone;
            let repeated = gone_at.and_then(|at| WallTime::parse_iso8601(at.as_bytes()));
            let at = repeated.or(Some(time)).filter(|_| !gone.is_empty());
            return Ok((gone.into_iter().map(|gone| (gone.from, gone)).collect(), at));
        }
    }
    Ok((BTreeMap::new(), None))
}
