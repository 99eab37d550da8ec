//! Recovery at the start: finds where the existing log ends, and how to continue it.
//!
//! The seal file says where the present epoch begins and contains its key. So only this epoch has
//! to be read, and a good record can be told from the remains of a power failure. Invalid bytes
//! stay where they are; nothing is overwritten.

use std::fs;
use std::io;
use std::path::Path;

use super::OpenError;
use super::chain::{EpochKey, Head, sha256, to_text};
use super::files::{read_part, segment_path, segments};
use super::journal::{Position, SetAside, set_aside};
use super::key_file::Keys;
use super::line::{Line, lines};
use super::seal_file::{Ending, Seal};
use crate::base::time::WallTime;

/// How many epochs a record may be ahead of the seal file. One is possible, if the last write of
/// the seal file was lost.
const EPOCHS_AHEAD_MAX: u64 = 1_000;

/// The result of a recovery.
#[derive(Debug)]
pub struct Found {
    /// Where to continue.
    pub position: Position,
    /// Whether the previous run ended properly, or there was none.
    pub clean: bool,
    /// Bytes after the last good record.
    pub torn_bytes: u64,
    /// The number of the encryption key that was in use; 0 if unknown.
    pub encryption: u32,
    /// The time of the last good record, if there is one.
    pub last_time: Option<WallTime>,
}

/// Reads as much of the folder as necessary. Moves aside files that do not belong to the log any
/// more, and changes nothing else.
///
/// # Errors
/// If the folder cannot be read, or its key is gone.
pub fn recover(folder: &Path, keys: &Keys, new_log: &str) -> Result<Found, OpenError> {
    let failed = |error| OpenError::Io(folder.to_owned(), error);
    let existing = segments(folder).map_err(failed)?;
    let mut damage = None;
    let seal = match Seal::read(folder) {
        Ok(seal) => seal,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            damage = Some("the seal file could not be read".to_owned());
            None
        }
        Err(error) => return Err(OpenError::Io(Seal::path(folder), error)),
    };
    let seal = match (seal, existing.first()) {
        (Some(seal), _) => seal,
        (None, None) => {
            let key = keys.verification.clone().ok_or(OpenError::NoVerificationKey)?;
            return Ok(Found::nothing(folder, key, new_log, damage));
        }
        (None, Some(1)) => {
            damage.get_or_insert("the seal file was gone".to_owned());
            let key = keys.verification.clone().ok_or(OpenError::SealLost)?;
            from_the_beginning(folder, key).ok_or(OpenError::SealLost)?
        }
        (None, Some(_)) => return Err(OpenError::SealLost),
    };
    let mut walk = Walk::new(folder, seal, damage);
    walk.run(&existing).map_err(failed)?;
    walk.finish(&existing).map_err(failed)
}

/// More than any line has.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// The seal as it was before the first record.
fn from_the_beginning(folder: &Path, key: EpochKey) -> Option<Seal> {
    #[derive(serde::Deserialize)]
    struct Log {
        log: String,
    }
    let bytes = read_part(&segment_path(folder, 1), 0, LINE_BYTES_MAX).ok()?;
    let (_, line, _) = lines(&bytes).next()?;
    let Log { log } = Line::parse(line)?.members()?;
    Some(Seal {
        log,
        key,
        segment: 1,
        offset: 0,
        head: Head::BEGINNING,
        encryption: 0,
        previous: None,
    })
}

/// Walks along the records of the present epoch.
struct Walk<'a> {
    folder: &'a Path,
    log: String,
    key: EpochKey,
    head: Head,
    /// The last segment with valid records, and how many of its bytes are valid.
    segment: u64,
    bytes: u64,
    torn: Vec<u8>,
    previous: Option<Ending>,
    encryption: u32,
    damage: Option<String>,
    last_event: String,
    last_time: Option<WallTime>,
    aside: Vec<SetAside>,
}

impl<'a> Walk<'a> {
    fn new(folder: &'a Path, seal: Seal, damage: Option<String>) -> Self {
        Self {
            folder,
            log: seal.log,
            key: seal.key,
            head: seal.head,
            segment: seal.segment,
            bytes: seal.offset,
            torn: Vec::new(),
            previous: seal.previous,
            encryption: seal.encryption,
            damage,
            last_event: String::new(),
            last_time: None,
            aside: Vec::new(),
        }
    }

    /// Continues until a record is not good, or there are no more.
    fn run(&mut self, existing: &[u64]) -> io::Result<()> {
        // Finds out whether the previous epoch ended properly, and is there.
        self.look_back()?;
        loop {
            if !existing.contains(&self.segment) {
                // If no byte of it counted yet, the server was stopped before it could create it.
                if self.bytes > 0 {
                    self.damage(format!("segment {} was gone", self.segment));
                }
                return Ok(());
            }
            let path = segment_path(self.folder, self.segment);
            let len = fs::metadata(&path)?.len();
            match self.bytes.checked_sub(len).filter(|missing| *missing > 0) {
                Some(missing) => self.damage(format!(
                    "segment {} was {missing} bytes shorter than it had been",
                    self.segment
                )),
                None => self.read_segment(&read_part(&path, self.bytes, u64::MAX)?),
            }
            let next = self.segment.saturating_add(1);
            // If the end is not damaged, another segment can only follow if the last write of the
            // seal file was lost.
            if !self.torn.is_empty() || self.bytes == 0 || !self.leads_on(next)? {
                return Ok(());
            }
            self.previous = Some(self.ending());
            (self.segment, self.bytes) = (next, 0);
        }
    }

    fn look_back(&mut self) -> io::Result<()> {
        let (segment, bytes) = match &self.previous {
            _ if self.bytes > 0 => (self.segment, self.bytes),
            Some(ending) => (ending.segment, ending.bytes),
            None => return Ok(()),
        };
        let path = segment_path(self.folder, segment);
        let from = bytes.saturating_sub(LINE_BYTES_MAX);
        let counted = match read_part(&path, from, bytes - from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            counted => counted?,
        };
        if segment == self.segment && (counted.len() as u64) < bytes - from {
            // Reported where the segment is read.
            return Ok(());
        }
        let last = lines(&counted).last().and_then(|(_, line, whole)| {
            Line::parse(line).filter(|line| whole && line.head() == self.head)
        });
        match last {
            Some(line) => {
                (self.last_event, self.last_time) = (line.event, Some(line.time));
            }
            None => {
                let seq = self.head.seq;
                self.damage(format!(
                    "segment {segment} did not hold record {seq} where it had been"
                ));
            }
        }
        Ok(())
    }

    fn read_segment(&mut self, rest: &[u8]) {
        for (at, bytes, whole) in lines(rest) {
            let line = Line::parse(bytes).filter(|_| whole);
            let good = line.as_ref().is_some_and(|line| self.follow(line));
            if !good {
                if line.is_some() {
                    // A power failure loses bytes; it does not write others in their place.
                    self.damage(format!(
                        "a record behind number {} was not genuine",
                        self.head.seq
                    ));
                }
                self.torn = rest[at..].to_vec();
                return;
            }
            self.bytes += bytes.len() as u64 + 1;
        }
    }

    fn follow(&mut self, line: &Line<'_>) -> bool {
        let ahead = line.epoch.checked_sub(self.key.epoch());
        let key = match ahead {
            Some(0) => None,
            Some(1..=EPOCHS_AHEAD_MAX) => self.key.at(line.epoch),
            _ => return false,
        };
        if !line.is_genuine(&self.head, key.as_ref().unwrap_or(&self.key)) {
            return false;
        }
        if let Some(key) = key {
            self.key = key;
        }
        self.head = line.head();
        self.last_event.clone_from(&line.event);
        self.last_time = Some(line.time);
        true
    }

    /// Whether the first record of segment `next` is good.
    fn leads_on(&self, next: u64) -> io::Result<bool> {
        let contents = match read_part(&segment_path(self.folder, next), 0, LINE_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            contents => contents?,
        };
        let first = lines(&contents).next().and_then(|(_, line, _)| Line::parse(line));
        Ok(first.is_some_and(|line| {
            self.key.at(line.epoch).is_some_and(|key| line.is_genuine(&self.head, &key))
        }))
    }

    fn ending(&self) -> Ending {
        Ending {
            segment: self.segment,
            bytes: self.bytes,
            seq: self.head.seq,
            mac: to_text(&self.head.mac),
            torn: self.torn.len() as u64,
            torn_sha256: Some(to_text(&sha256(&self.torn))),
        }
    }

    fn damage(&mut self, what: String) {
        self.damage.get_or_insert(what);
    }

    fn finish(mut self, existing: &[u64]) -> io::Result<Found> {
        let torn_bytes = self.torn.len() as u64;
        let clean = self.last_event == "sealed" && torn_bytes == 0 && self.damage.is_none();
        let mut next = self.segment;
        if self.bytes > 0 {
            // Synced before it is recorded, so that the hash is that of the bytes that stay on
            // disk.
            match fs::File::open(segment_path(self.folder, self.segment)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                file => file?.sync_all()?,
            }
            self.previous = Some(self.ending());
            next = next.saturating_add(1);
        }
        for segment in existing.iter().copied().filter(|segment| *segment >= next) {
            if segment > self.segment {
                self.damage(format!("segment {segment} was no part of the log"));
            }
            self.aside.extend(set_aside(self.folder, segment)?);
        }
        Ok(Found {
            position: Position {
                folder: self.folder.to_owned(),
                log: self.log,
                key: self.key,
                head: self.head,
                segment: next,
                previous: self.previous,
                aside: self.aside,
                damage: self.damage,
            },
            clean,
            torn_bytes,
            encryption: self.encryption,
            last_time: self.last_time,
        })
    }
}

impl Found {
    fn nothing(folder: &Path, key: EpochKey, log: &str, damage: Option<String>) -> Self {
        let position = Position {
            folder: folder.to_owned(),
            log: log.to_owned(),
            key,
            head: Head::BEGINNING,
            segment: 1,
            previous: None,
            aside: Vec::new(),
            damage,
        };
        Self { position, clean: true, torn_bytes: 0, encryption: 0, last_time: None }
    }
}
