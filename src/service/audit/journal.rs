//! Writes the files of the log: the chain, its segments, its epochs, and how much is known to be on
//! disk.
//!
//! Appended records wait in a buffer until [`Journal::write`], and are durable after
//! [`Journal::sync`]. After any failure the journal goes back to its last durable position
//! ([`Journal::break_off`]). It continues in a new segment, whose first record says how much of the
//! previous one counts: after a failed write nobody knows what the kernel holds of a file.

mod damage;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::base::time::WallTime;

use super::chain::{EpochKey, Head, to_text};
use super::checkpoint::Said;
use super::files::{create, remove_if_there, segment_path, sync_folder};
use super::known_time;
use super::line::{self, Draft, Fields};
use super::place::Deleted;
use super::reading::Gone;
use super::seal_file::{Ending, Seal};
use super::sealing::Sealer;
pub use damage::{SetAside, set_aside};

/// The log, open for writing.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    log: String,
    key: EpochKey,
    sealer: Sealer,
    /// The open segment, if there is one.
    file: Option<File>,
    /// Its number, or that of the segment to be opened next.
    segment: u64,
    /// How the previous segment ended.
    previous: Option<Ending>,
    /// Whether the seal file already says that the epoch begins with this segment.
    announced: bool,
    /// Whether a file with this number is our own.
    begun: bool,
    /// Whether the kernel has reported that it could not sync the segment. It reports that only
    /// once.
    sync_failed: bool,
    buffer: Vec<u8>,
    /// Bytes of the open segment that were passed to the system.
    written_bytes: u64,
    /// How many of these the segment began with.
    head_bytes: u64,
    head: Head,
    /// How many bytes of the open segment are on disk.
    durable_bytes: u64,
    durable: Head,
    epoch_at: WallTime,
    opened_at: WallTime,
    /// The segments that were removed, by the first of each range, and when that was last recorded.
    pub(super) gone: BTreeMap<u64, Gone>,
    pub(super) gone_at: Option<WallTime>,
    /// The time that is known to have come.
    pub(super) known_time: WallTime,
    /// What the next segment must record about files that the start set aside.
    aside: Vec<SetAside>,
    damage: Option<String>,
    deleted: Option<Deleted>,
    /// Totals since the start.
    bytes_total: u64,
    syncs: u64,
}

/// The position at which a journal begins to write.
#[derive(Debug)]
pub struct Position {
    /// The folder.
    pub folder: PathBuf,
    /// The identity of the log.
    pub log: String,
    /// The key of the last epoch. The next one is used for writing.
    pub key: EpochKey,
    /// The last valid record.
    pub head: Head,
    /// The number of the segment to open next.
    pub segment: u64,
    /// How the previous segment ended.
    pub previous: Option<Ending>,
    /// What was set aside.
    pub aside: Vec<SetAside>,
    /// Damage that was found in durable records.
    pub damage: Option<String>,
}

impl Journal {
    /// Continues from `position`, in a new segment: see [`Journal::begin`].
    pub fn new(position: Position, sealer: Sealer) -> Self {
        Self {
            folder: position.folder,
            log: position.log,
            key: position.key,
            sealer,
            file: None,
            segment: position.segment,
            previous: position.previous,
            announced: false,
            begun: false,
            sync_failed: false,
            buffer: Vec::new(),
            written_bytes: 0,
            head_bytes: 0,
            head: position.head,
            durable_bytes: 0,
            durable: position.head,
            epoch_at: WallTime::default(),
            opened_at: WallTime::default(),
            gone: BTreeMap::new(),
            gone_at: None,
            known_time: WallTime::default(),
            aside: position.aside,
            damage: position.damage,
            deleted: None,
            bytes_total: 0,
            syncs: 0,
        }
    }

    /// Seals with another key from now on. Returns the number of the previous key.
    pub fn seal_with(&mut self, sealer: Sealer) -> u32 {
        let before = self.sealer.key_id();
        self.sealer = sealer;
        before
    }

    /// Begins the next segment, in a new epoch. Its first record is followed by `snapshot`.
    /// Everything is durable when this returns.
    ///
    /// # Errors
    /// An error of the system. It may be tried again.
    pub fn begin(&mut self, time: WallTime, snapshot: &[Vec<u8>]) -> io::Result<()> {
        if !self.announced {
            let next = self.key.next();
            self.write_seal(&next, 0)?;
            self.key = next;
            self.announced = true;
        }
        let path = segment_path(&self.folder, self.segment);
        if self.begun {
            // Left over from a failed attempt of ours: nothing in it counts, and its pages may be
            // bad.
            remove_if_there(&path)?;
        }
        self.file = Some(create(&path)?);
        self.begun = true;
        (self.written_bytes, self.durable_bytes) = (0, 0);
        (self.epoch_at, self.opened_at) = (time, time);
        self.append_beginning(time, snapshot)?;
        self.write()?;
        self.sync()?;
        sync_folder(&self.folder)?;
        // From here on, a segment that is gone was taken away, and not only about to begin.
        self.write_seal(&self.key, self.durable_bytes)?;
        self.head_bytes = self.written_bytes;
        self.aside.clear();
        self.damage = None;
        Ok(())
    }

    fn append_beginning(&mut self, time: WallTime, snapshot: &[Vec<u8>]) -> io::Result<()> {
        let mut fields = Fields::default();
        fields.number("segment", self.segment).text("log", &self.log);
        fields.raw("previous", &serde_json::to_string(&self.previous)?);
        if !self.gone.is_empty() {
            fields.raw("gone", &self.gone_json()?);
            if let Some(at) = self.gone_at {
                fields.time("goneAt", at);
            }
        }
        if !self.aside.is_empty() {
            fields.raw("setAside", &serde_json::to_string(&self.aside)?);
        }
        if let Some(damage) = &self.damage {
            fields.text("damage", damage);
        }
        self.tell_known_time(time, &mut fields);
        self.append(&Draft { time, event: "segment", fields: &fields, secret: &[] });
        for (index, part) in snapshot.iter().enumerate() {
            let mut fields = Fields::default();
            fields.number("part", index as u64 + 1).number("parts", snapshot.len() as u64);
            self.append(&Draft { time, event: "ended-sessions", fields: &fields, secret: part });
        }
        Ok(())
    }

    /// Adds the known time to a record, if it is not the time of that record.
    fn tell_known_time(&mut self, time: WallTime, fields: &mut Fields) {
        self.known_time = known_time::follow(self.known_time, time);
        if self.known_time != time {
            fields.time("knownTime", self.known_time);
        }
    }

    /// The removed segments as JSON.
    ///
    /// # Errors
    /// None that is known.
    pub fn gone_json(&self) -> io::Result<String> {
        Ok(serde_json::to_string(&self.gone.values().collect::<Vec<_>>())?)
    }

    /// Adds a record to the buffer.
    pub fn append(&mut self, draft: &Draft<'_>) {
        self.head = line::write(&mut self.buffer, draft, &self.head, &self.key, &mut self.sealer);
    }

    /// Passes the buffer to the system.
    ///
    /// # Errors
    /// An error of the system; then call [`Journal::break_off`].
    pub fn write(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotConnected.into()) };
        file.write_all(&self.buffer)?;
        self.written_bytes += self.buffer.len() as u64;
        self.bytes_total += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Waits until everything written is on disk.
    ///
    /// # Errors
    /// An error of the system; then call [`Journal::break_off`].
    pub fn sync(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else { return Err(io::ErrorKind::NotConnected.into()) };
        file.sync_data().inspect_err(|_| self.sync_failed = true)?;
        self.syncs += 1;
        self.durable_bytes = self.written_bytes;
        self.durable = self.head;
        Ok(())
    }

    /// Begins the next epoch. Everything must be durable before.
    ///
    /// # Errors
    /// An error of the system; then call [`Journal::break_off`].
    pub fn next_epoch(&mut self, time: WallTime) -> io::Result<()> {
        let next = self.key.next();
        self.write_seal(&next, self.durable_bytes)?;
        self.key = next;
        self.epoch_at = time;
        Ok(())
    }

    /// Ends the segment properly.
    ///
    /// # Errors
    /// An error of the system; then call [`Journal::break_off`].
    pub fn end(&mut self, time: WallTime) -> io::Result<()> {
        let mut fields = Fields::default();
        self.tell_known_time(time, &mut fields);
        self.append(&Draft { time, event: "sealed", fields: &fields, secret: &[] });
        self.write()?;
        self.sync()?;
        self.file = None;
        self.follow(0, None);
        Ok(())
    }

    /// Notes that the segment has ended and the next one must be opened.
    fn follow(&mut self, torn: u64, torn_sha256: Option<String>) {
        self.previous = Some(Ending {
            segment: self.segment,
            bytes: self.durable_bytes,
            seq: self.durable.seq,
            mac: to_text(&self.durable.mac),
            torn,
            torn_sha256,
        });
        self.segment = self.segment.saturating_add(1);
        (self.announced, self.begun, self.sync_failed) = (false, false, false);
        (self.written_bytes, self.durable_bytes, self.head_bytes) = (0, 0, 0);
    }

    fn write_seal(&self, key: &EpochKey, offset: u64) -> io::Result<()> {
        let seal = Seal {
            log: self.log.clone(),
            key: key.clone(),
            segment: self.segment,
            offset,
            head: self.durable,
            encryption: self.sealer.key_id(),
            previous: self.previous.clone(),
        };
        seal.write(&self.folder)
    }

    /// Whether a segment is open.
    pub const fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Bytes waiting in the buffer.
    pub const fn buffered_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Bytes of the open segment, without what it began with.
    pub const fn segment_bytes(&self) -> u64 {
        self.written_bytes - self.head_bytes
    }

    /// When the segment was opened, and when the epoch began.
    pub const fn since(&self) -> (WallTime, WallTime) {
        (self.opened_at, self.epoch_at)
    }

    /// A checkpoint of the durable records.
    pub fn checkpoint(&self, time: WallTime) -> String {
        let ended = self.previous.as_ref().filter(|_| self.file.is_none());
        let segment = ended.map_or(self.segment, |ended| ended.segment);
        Said::sign(&self.log, time, segment, &self.durable, &self.key)
    }

    /// The number of the segment that is being written, or comes next.
    pub const fn segment(&self) -> u64 {
        self.segment
    }

    /// Bytes written and syncs done since the start.
    pub const fn totals(&self) -> (u64, u64) {
        (self.bytes_total, self.syncs)
    }
}
