//! Whether a key file is the one of a log. With another one, the server could not open the list of
//! ended sessions and revocations, and would seal what nobody can open with the right one.
//!
//! It is, as far as the log can tell, unless one of three things shows that it is not:
//!
//! - The file has a verification key, and neither a record nor the file `seal` comes from it.
//! - The server needs a key to open the newest list, or what came after it, and the file does not have
//!   it.
//! - The file has a key of that number, and it opens nothing.
//!
//! What is damaged proves nothing: a single record that a key opens, or that comes from the
//! verification key, speaks for the file; and a single record that a key does not open does not speak
//! against it, if another key of the file opens something.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use super::chain::{EpochKey, Head};
use super::files::{segment_path, segments};
use super::key_file::{KeyFileError, Keys};
use super::line::{Line, lines};
use super::reading::first_record;
use super::seal_file::{Ending, Seal};
use super::sealing::Sealed;
use super::snapshot::is_list;

/// In how many segments to search for a list, and for a record that a key opens.
const SEGMENTS_MAX: usize = 16;

/// How many epochs a record may be ahead of the seal file; a record further ahead is damaged.
const EPOCHS_AHEAD_MAX: u64 = 1_000;

/// What shows that a key file is not the one of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// The log did not begin with its verification key.
    Verification,
    /// Its encryption key of this number opens nothing that was sealed with that number.
    Encryption(u32),
    /// The encryption key of this number is needed, and is not in it.
    Lacks(u32),
}

/// Compares the keys of `key_file` with the log in `folder`. Nothing is locked and nothing changed:
/// a server may be writing.
///
/// # Errors
/// If the file is not the one of this log, or the log cannot be read.
pub fn check(folder: &Path, keys: &Keys, key_file: &Path) -> Result<(), KeyFileError> {
    let failed = |error| KeyFileError::Log(folder.to_owned(), error);
    let misfit = Evidence::of(folder, keys).map(|mut evidence| evidence.misfit());
    match misfit.map_err(failed)? {
        Some(misfit) => Err(KeyFileError::OtherLog(key_file.to_owned(), misfit)),
        None => Ok(()),
    }
}

struct Evidence<'a> {
    folder: &'a Path,
    keys: &'a Keys,
    seal: Option<Seal>,
    /// The segments of the log, oldest first. What stands behind the seal is no part of it yet.
    numbers: Vec<u64>,
    /// The numbers of the keys that opened something.
    opened: BTreeSet<u32>,
    /// How many records the key of a number did not open.
    closed: BTreeMap<u32, u32>,
    /// The number of a key that is needed and not here.
    lacking: Option<u32>,
    /// Whether the newest list was found.
    found: bool,
}

impl<'a> Evidence<'a> {
    fn of(folder: &'a Path, keys: &'a Keys) -> io::Result<Self> {
        let seal = match Seal::read(folder) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
            seal => seal?,
        };
        let mut numbers = segments(folder)?;
        let last = seal.as_ref().map_or(u64::MAX, |seal| seal.segment);
        numbers.retain(|number| *number <= last);
        let (opened, closed) = Default::default();
        Ok(Self { folder, keys, seal, numbers, opened, closed, lacking: None, found: false })
    }

    fn misfit(&mut self) -> Option<Misfit> {
        if let Some(key) = &self.keys.verification
            && !self.may_have_begun_with(key)
        {
            return Some(Misfit::Verification);
        }
        let newest_first = self.numbers.clone().into_iter().rev();
        for number in newest_first.take(SEGMENTS_MAX) {
            let Some(contents) = self.read(number) else { continue };
            self.open(&contents);
            if self.found && self.closed.keys().all(|id| self.opened.contains(id)) {
                break;
            }
        }
        // The only record of a key may be damaged, and so may be the number in it.
        let enough = if self.opened.is_empty() { 1 } else { 2 };
        let mut closed = self.closed.iter().filter(|(id, _)| !self.opened.contains(id));
        if let Some((id, _)) = closed.find(|(_, records)| **records >= enough) {
            return Some(Misfit::Encryption(*id));
        }
        self.lacking.map(Misfit::Lacks)
    }

    /// Tries to open all records of a segment.
    fn open(&mut self, contents: &[u8]) {
        // A number that was never given is damage. The seal may be from before a change, and each change
        // gives the next number.
        let changes = parsed(contents).filter(|line| line.event == "key-change").count();
        let ids_max = self.seal.as_ref().map_or(u32::MAX, |seal| {
            seal.encryption.saturating_add(u32::try_from(changes).unwrap_or(u32::MAX))
        });
        let found = self.found;
        // What is sealed with a later key than the file has shows that it is an old copy.
        let newest = self.keys.encryption.iter().map(|key| key.id).max();
        self.found |= parsed(contents).any(|line| is_list(&line));
        for line in parsed(contents) {
            let Some(sealed) = line.sealed.and_then(Sealed::parse) else { continue };
            let id = sealed.key_id;
            if self.opened.contains(&id) {
                continue;
            }
            let is_here = self.keys.encryption.iter().any(|key| key.id == id);
            if sealed.open_with(&self.keys.encryption, line.plain).is_some() {
                self.opened.insert(id);
            } else if is_here {
                *self.closed.entry(id).or_default() += 1;
            } else if !found && id <= ids_max && (is_list(&line) || Some(id) > newest) {
                self.lacking = Some(id);
            }
        }
    }

    /// Whether the log began with this verification key, or nothing can tell.
    fn may_have_begun_with(&self, verification: &EpochKey) -> bool {
        if let Some(seal) = &self.seal
            && let Some(key) = verification.at(seal.key.epoch())
            && key.reveal() == seal.key.reveal()
        {
            return true;
        }
        let mut told = self.seal.is_some();
        if let Some(oldest) = self.numbers.first()
            && let Some(contents) = self.read(*oldest)
        {
            let latest = self.seal.as_ref().map_or(u64::MAX, |seal| seal.key.epoch());
            let latest = latest.saturating_add(EPOCHS_AHEAD_MAX);
            let mut key = verification.clone();
            let mut head = first_record(&contents).and_then(|first| {
                first.previous.as_ref().map_or(Some(Head::BEGINNING), Ending::head)
            });
            for line in parsed(&contents).filter(|line| line.epoch <= latest) {
                if let (Some(head), Some(at)) = (head, key.at(line.epoch)) {
                    if line.is_genuine(&head, &at) {
                        return true;
                    }
                    (key, told) = (at, true);
                }
                head = Some(line.head());
            }
        }
        !told
    }

    /// A segment, if it can be read: one that cannot proves nothing.
    fn read(&self, number: u64) -> Option<Vec<u8>> {
        fs::read(segment_path(self.folder, number)).ok()
    }
}

fn parsed(contents: &[u8]) -> impl Iterator<Item = Line<'_>> {
    lines(contents).filter_map(|(_, line, _)| Line::parse(line))
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verification => f.write_str("the log did not begin with its `verify` key"),
            Self::Encryption(id) => {
                write!(f, "its `encrypt {id}` opens nothing that this log sealed with key {id}")
            }
            Self::Lacks(id) => write!(
                f,
                "it lacks `encrypt {id}`, with which the newest ended sessions and revocations are sealed"
            ),
        }
    }
}
