//! Reads the log: segments in order, and the part of each that counts.

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

/// What the first record of a segment says.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct First {
    /// The name of the event, `segment`.
    pub event: String,
    /// Its number.
    pub segment: u64,
    /// The identity of the log.
    pub log: String,
    /// How the one before ended.
    pub previous: Option<Ending>,
    /// What was set aside under this number.
    #[serde(default)]
    pub set_aside: Vec<SetAside>,
    /// What was wrong with durable records.
    pub damage: Option<String>,
}

/// Segments that were removed because they were older than they must be kept, as a `retired` record tells it.
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
    /// The code of that.
    pub mac: String,
    /// The epoch of that.
    pub epoch: u64,
}

/// What a `retired` record says, and the first one of a segment.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retired {
    /// All segments that have gone so far.
    #[serde(default)]
    pub gone: Vec<Gone>,
    /// When the last of them were removed, where this does not say so itself.
    pub gone_at: Option<String>,
}

/// A segment, read.
#[derive(Debug)]
pub struct Segment {
    /// Its number.
    pub number: u64,
    /// Its file.
    pub contents: Vec<u8>,
    /// How many of its bytes count: as the next one says, or all of them.
    pub counts: usize,
    /// What its first record says, where it can be read.
    pub first: Option<First>,
    /// How it ended, as the next one says; nothing for the last one.
    pub ending: Option<Ending>,
}

/// Goes through the segments that are in a folder, from the oldest.
#[derive(Debug)]
pub struct Segments {
    folder: PathBuf,
    numbers: Vec<u64>,
    at: usize,
    ahead: Option<Vec<u8>>,
}

impl Segments {
    /// Those of `folder`. Nothing is locked: a server may be writing.
    ///
    /// # Errors
    /// Where the folder cannot be read.
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
    /// The lines that count: the number of each from 1, its bytes, and whether it has its end.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &[u8], bool)> {
        let numbered = lines(&self.contents[..self.counts]).enumerate();
        numbered.map(|(index, (_, line, whole))| (index + 1, line, whole))
    }

    /// What stands behind what counts.
    pub fn torn(&self) -> &[u8] {
        &self.contents[self.counts..]
    }
}

/// What the first record of a segment says, where it is one.
pub fn first_record(contents: &[u8]) -> Option<First> {
    let (_, line, _) = lines(contents).next()?;
    Line::parse(line)?.members::<First>().filter(|first| first.event == "segment")
}

/// What the log says of segments that have gone, by the first of them, and when it last said so: the newest `retired` record,
/// or the first record of the newest segment, which repeats it.
///
/// # Errors
/// Where a segment cannot be read.
pub fn newest_gone(folder: &Path) -> io::Result<(BTreeMap<u64, Gone>, Option<WallTime>)> {
    let mut after: Option<First> = None;
    for number in segments(folder)?.into_iter().rev() {
        let contents = fs::read(segment_path(folder, number))?;
        let ending = after.and_then(|after| after.previous).filter(|one| one.segment == number);
        let bytes = ending.map_or(usize::MAX, |ending| usize::try_from(ending.bytes).unwrap_or(0));
        let counted = &contents[..contents.len().min(bytes)];
        after = first_record(counted);
        // Most lines need no closer look.
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
