//! The audit log: who was in which session and when. It is written ahead, sealed, and chained, so
//! that nothing can be changed, dropped or cut off unnoticed (45 CFR 164.312(b) and (c)).
//! `docs/audit.md` describes the files.
//!
//! ```text
//!   reactor   let number = audit.take(entry);  …  audit.publish();        once a turn
//!   writer    encodes all that waits, writes once, syncs once, wakes the reactor
//!   reactor   if audit.durable() >= number      what depends on the entry may go on
//! ```

mod announcer;
pub mod chain;
pub mod checkpoint;
mod contents;
mod ended;
pub mod export;
mod files;
pub mod history;
pub mod holds;
mod journal;
mod key_check;
mod key_file;
mod known_time;
pub mod line;
mod lock;
mod opening;
mod place;
mod queue;
pub mod reading;
mod recovery;
pub mod report;
mod reserve;
mod seal_file;
pub mod sealing;
mod shared;
mod snapshot;
mod upkeep;
pub mod verify;
mod watchdog;
mod writer;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};

use crate::base::redacted::Redacted;
use crate::base::time::{Duration, Instant, WallTime};
use crate::message::SessionId;
use crate::message::record::{Record, Revocation};

use super::names::Names;
pub use chain::EpochKey;
pub use key_check::Misfit;
pub use key_file::{KeyFileError, Keys};
pub use opening::{OpenError, open};
use queue::Counts;
pub use queue::ENTRIES_MAX;
use shared::{Shared, Stage};

/// The size at which a segment is closed and the next one begins.
pub const SEGMENT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The audit log of a running server. Clones share it.
#[derive(Clone)]
pub struct Audit {
    shared: Arc<Shared>,
    names: Names,
    wall_time: fn() -> WallTime,
    folder: Arc<Path>,
    key_file: Arc<Path>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
    _last: Arc<Last>,
}

/// Dropping the last clone closes the log, so that a server that never ran does not keep the folder
/// locked.
struct Last(Arc<Shared>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// An entry from the reactor.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When it happened: the time of the turn.
    pub time: WallTime,
    /// The number of the connection; 0 for none.
    pub connection: u64,
    /// The address of the connection.
    pub address: Option<Redacted<IpAddr>>,
    /// What happened, and to whom.
    pub record: Record,
    /// What a person wrote, such as the reason of an emergency access: a JSON string literal,
    /// checked to be one.
    pub text: Option<Redacted<Box<str>>>,
}

/// A record about the server itself.
#[derive(Clone, Debug)]
pub enum OwnRecord {
    /// It has started. The log itself writes this.
    Start {
        /// Whether the previous run ended properly.
        clean: bool,
        /// The number of the encryption key.
        key: u32,
    },
    /// It stops properly. The log itself writes this.
    Stop,
    /// The effective settings.
    Configuration {
        /// SHA-256 over all of them.
        sha256: [u8; 32],
        /// The settings as they may be shown: no secret, no path with a person's name.
        summary: String,
    },
    /// Another encryption key is in use. The log itself writes this.
    KeyChange {
        /// Its number before.
        from: u32,
        /// Its number now.
        to: u32,
    },
    /// For a time, nothing or not everything could be written. The log itself writes this.
    Gap {
        /// Since when.
        from: WallTime,
        /// Until when.
        to: WallTime,
        /// Why.
        cause: String,
        /// Entries that found no room meanwhile, by event and code.
        dropped: Counts,
    },
    /// The list of sessions that must be kept has changed. The log itself writes this.
    Hold {
        /// How many there are.
        sessions: u64,
        /// SHA-256 of the list.
        sha256: [u8; 32],
    },
    /// Checkpoints could not be delivered. The log itself writes this.
    CheckpointsFailed {
        /// Since when.
        since: WallTime,
        /// How many.
        count: u64,
    },
}

impl OwnRecord {
    /// The effective settings, as every reader of the log may see them.
    pub fn configuration(summary: String) -> Self {
        Self::Configuration { sha256: Sha256::digest(&summary).into(), summary }
    }
}

/// Where and how the log is written.
#[derive(Clone, Debug)]
pub struct Options {
    /// `AUDIT_DIR`.
    pub folder: PathBuf,
    /// `AUDIT_KEY_FILE`.
    pub key_file: PathBuf,
    /// `AUDIT_RETENTION_DAYS`.
    pub retention_days: u32,
    /// `AUDIT_SYNC`.
    pub sync: Sync,
    /// `AUDIT_CHECKPOINT`.
    pub checkpoint: Option<Checkpoint>,
    /// Whether to ask a process that already writes the log to leave, and how long to wait for it.
    pub take_over: Option<Duration>,
    /// The size at which a segment is closed and the next one begins: [`SEGMENT_BYTES_MAX`].
    pub segment_bytes_max: u64,
    /// Reads the wall clock.
    pub wall_time: fn() -> WallTime,
    /// Reads a clock that nobody sets, and that goes on while the machine is suspended.
    pub since_boot: fn() -> Instant,
    /// Draws 32 random bytes.
    pub entropy: fn() -> [u8; 32],
}

/// When written records are synced to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Before anything that depends on them continues.
    Always,
    /// At this interval in milliseconds. Anything that depends on a record continues once the
    /// kernel has it, and a power cut may lose the records of one interval.
    Interval(u32),
}

/// Where signed checkpoints go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checkpoint {
    /// Appended to a file, on another disk or an append-only one.
    File(PathBuf),
    /// Syslog (RFC 5424) in datagrams.
    Udp(SocketAddr),
    /// Syslog over a connection (RFC 6587, octet counting).
    Tcp(SocketAddr),
}

/// What the log already contained at the start.
#[derive(Debug)]
pub struct Restored {
    /// Ended sessions, each with the time until which no token may open it again.
    pub ended: Vec<(SessionId, WallTime)>,
    /// Revoked tokens, each with the end of its revocation.
    pub revoked: Vec<Revocation>,
    /// Whether the previous run ended properly.
    pub clean: bool,
    /// Bytes after the last good record, which do not count.
    pub torn_bytes: u64,
    /// Damage that was found in records that had been durable.
    pub damage: Option<String>,
    /// Whether this start created the key file.
    pub key_file_is_new: bool,
}

/// Whether the log can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As far as is known.
    Available,
    /// Not now. After an error it is tried again every second; a disk that does not answer is
    /// waited for.
    Unavailable,
}

/// The state of the log, for metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauges {
    /// Whether it can be written.
    pub available: bool,
    /// Entries that were taken and are not yet on disk.
    pub queued: usize,
    /// Entries that found no room, since the start.
    pub dropped: u64,
    /// The age of the oldest entry that is not yet on disk, in ms.
    pub lag_ms: u64,
    /// Bytes written since the start.
    pub bytes_written: u64,
    /// Syncs since the start.
    pub syncs: u64,
    /// When all waiting entries were last on disk.
    pub synced_at: WallTime,
    /// The number of the segment that is being written.
    pub segment: u64,
    /// Free bytes on the disk; `None` before the first check.
    pub free_bytes: Option<u64>,
    /// Days until the disk is full at the present rate; `None` if unknown.
    pub forecast_days: Option<u64>,
    /// Checkpoints that could not be delivered, since the start.
    pub checkpoints_failed: u64,
}

impl Audit {
    /// Takes an entry, and returns its number, which grows by one with each entry taken in this
    /// run. `None` if the entry was only counted: nothing that depends on it may continue. Never
    /// waits for a disk.
    pub fn take(&self, entry: Entry) -> Option<u64> {
        self.shared.take(entry)
    }

    /// Asks for all entries taken to be written now, because something waits for them. Call it once
    /// per turn, for all entries of the turn.
    pub fn publish(&self) {
        self.shared.hurry();
    }

    /// Asks for all entries taken to be written together with the next one that something waits
    /// for, and within 20 ms in any case: each sync costs the disk as much as a hundred records.
    pub fn publish_soon(&self) {
        self.shared.wake_writer();
    }

    /// The number up to which every entry is on disk (with [`Sync::Interval`]: passed to the
    /// kernel).
    pub fn durable(&self) -> u64 {
        self.shared.durable.load(Ordering::Acquire)
    }

    /// Whether the log can be written.
    pub fn state(&self) -> State {
        match self.shared.unavailable.load(Ordering::Acquire) {
            false => State::Available,
            true => State::Unavailable,
        }
    }

    /// Calls `wake`, on a thread of the log's own, each time after [`Audit::durable`] or [`Audit::state`]
    /// has changed.
    pub fn on_change(&self, wake: impl Fn() + Send + std::marker::Sync + 'static) {
        self.shared.on_change(Arc::new(wake));
    }

    /// Records something about the server itself.
    pub fn note(&self, own: OwnRecord) {
        self.shared.note((self.wall_time)(), own);
        self.shared.wake_writer();
    }

    /// The pseudonyms in the log.
    pub const fn names(&self) -> &Names {
        &self.names
    }

    /// The state of the log.
    pub fn gauges(&self) -> Gauges {
        self.shared.gauges((self.wall_time)())
    }

    /// Reads the key file again. From now on, records are sealed with its last key.
    ///
    /// # Errors
    /// What is wrong with the file, or that it is the one of another log; the keys are then
    /// unchanged.
    pub fn reload_keys(&self) -> Result<(), KeyFileError> {
        let keys = Keys::read(&self.key_file)?;
        key_check::check(&self.folder, &keys, &self.key_file)?;
        self.shared.use_keys(keys);
        self.shared.wake_writer();
        Ok(())
    }

    /// Writes all waiting entries and `stop`, delivers the last checkpoints if their receiver
    /// answers, and ends the thread. Returns `false` if the disk has not answered within `patience`,
    /// and never takes much longer than that.
    pub fn close(&self, patience: Duration) -> bool {
        self.shared.close();
        let stage = self.shared.wait_over(std::time::Duration::from_micros(patience.as_micros()));
        if stage == Stage::Over {
            let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            // It has nothing left to do; a panic in it has already been logged.
            let _ = thread.map(JoinHandle::join);
        }
        stage >= Stage::Written
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("durable", &self.durable()).finish_non_exhaustive()
    }
}
