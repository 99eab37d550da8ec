//! Disk space reserved for what must not be lost while the disk is full: ends of sessions and
//! revocations, which somebody has been told of, and the last records of a server that stops. It is
//! a file without content.

use std::fs;
use std::io;
use std::mem;
use std::path::Path;

use rustix::fs::FallocateFlags;

use super::files::{create, remove_if_there, sync_folder};
use super::queue::{Item, is_urgent, key_of};
use super::writer::Writer;

/// The size of the file: enough for thousands of records, and for the beginning of the segment that
/// contains them.
pub const RESERVE_BYTES: u64 = 4 * 1024 * 1024;

/// With less free space than this, none is reserved: the log needs the space more.
const FREE_BYTES_MIN: u64 = 16 * RESERVE_BYTES;

/// How many records are synced together, so that as many as possible become durable.
const TOGETHER: usize = 256;

/// Past this many waiting records, events caused by strangers are counted and not written.
const ONE_BY_ONE_MAX: usize = 4_096;

/// With so much free space, it is reserved again after it was used, and people are let in again.
const FREE_BYTES_AGAIN: u64 = 2 * RESERVE_BYTES;

/// What is known of the reserved space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reserve {
    /// There may be some.
    #[default]
    Kept,
    /// There is none.
    Missing,
    /// It was given back because the disk is full. Only ends and revocations, and what comes before
    /// them, are written until there is room again.
    Used,
}

/// Reserves the space, if `free` bytes are enough and it is not reserved yet.
///
/// # Errors
/// If it cannot be reserved.
pub fn keep(folder: &Path, free: u64) -> io::Result<()> {
    let path = folder.join("reserve");
    if free < FREE_BYTES_MIN || path.try_exists()? { Ok(()) } else { make(&path) }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn make(path: &Path) -> io::Result<()> {
    let file = create(path)?;
    // The space must really be allocated: a sparse file would have nothing to give back.
    let kept = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES);
    kept.map_err(io::Error::from).and_then(|()| file.sync_all()).inspect_err(|_| {
        // It is of no use then.
        let _ = remove_if_there(path);
    })
}

/// Releases the reserved space; returns `false` if there was none.
fn give_back(folder: &Path) -> io::Result<bool> {
    match fs::remove_file(folder.join("reserve")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        removed => removed?,
    }
    // Only now is the space free for others.
    sync_folder(folder)?;
    Ok(true)
}

impl Writer {
    /// The log ends, and the waiting records could not be written: writes as many of them as fit
    /// into the reserved space.
    pub(super) fn last_words(&mut self) {
        match give_back(&self.options.folder) {
            Ok(true) => {}
            // Some of it may be left.
            Ok(false) if self.reserve == Reserve::Used => {}
            Ok(false) => return,
            Err(error) => return log::error!("the room for last records is not free: {error}"),
        }
        let waiting = self.pending.len();
        self.write_what_waits(true);
        let written = waiting.saturating_sub(self.pending.len());
        log::warn!(
            "the last {written} entries of the audit log are in the room that was kept for them"
        );
    }

    /// The log could not be written. If that is because the disk is full, and somebody is told of
    /// something that waits, gives back the reserved space for it.
    pub(super) fn spare(&mut self, error: &io::Error) {
        if !is_full(error) || self.reserve != Reserve::Kept || !self.holds_urgent() {
            return;
        }
        self.reserve = match give_back(&self.options.folder) {
            Ok(true) => Reserve::Used,
            Ok(false) => Reserve::Missing,
            Err(error) => {
                log::error!("the room for last records is not free: {error}");
                Reserve::Missing
            }
        };
        if self.reserve == Reserve::Used {
            log::warn!(
                "ends of sessions and revocations are written into the room that was kept for \
                 last records"
            );
            self.write_what_waits(false);
        }
    }

    /// One round while the reserved space is in use. As soon as the disk has room again, the space is
    /// reserved anew, and everything is written as always. Until then, only ends and revocations are
    /// written, and what came before them.
    pub(super) fn turn_sparingly(&mut self) -> io::Result<()> {
        if self.has_room_again()? {
            log::warn!("the audit log can be written again: its disk has room");
            return self.try_turn(false);
        }
        if self.holds_urgent() {
            self.write_what_waits(false);
        }
        Ok(())
    }

    /// Whether the disk has room again. If it has, `self.reserve` says what came of the attempt to
    /// reserve some of it.
    fn has_room_again(&mut self) -> io::Result<bool> {
        let disk = rustix::fs::statvfs(&self.options.folder)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < FREE_BYTES_AGAIN {
            return Ok(false);
        }
        let path = self.options.folder.join("reserve");
        let made = if path.try_exists()? { Ok(()) } else { make(&path) };
        self.reserve = match made {
            Ok(()) => Reserve::Kept,
            // Somebody else was quicker.
            Err(error) if is_full(&error) => return Ok(false),
            // There will be none, but there is room for the log.
            Err(error) => {
                log::error!("no room can be kept for the last records: {error}");
                Reserve::Missing
            }
        };
        Ok(true)
    }

    fn holds_urgent(&self) -> bool {
        self.pending
            .iter()
            .any(|(_, item)| matches!(item, Item::Entry(entry) if is_urgent(&entry.record.event)))
    }

    /// Writes what waits, as much of it as there is room for, with little at once.
    fn write_what_waits(&mut self, is_last: bool) {
        if self.pending.len() > ONE_BY_ONE_MAX {
            self.count_what_is_cheap();
        }
        let mut later = mem::take(&mut self.pending);
        loop {
            let next = later.split_off(later.len().min(TOGETHER));
            self.pending = mem::replace(&mut later, next);
            if let Err(error) = self.write_together(is_last && later.is_empty()) {
                log::error!("the room for last records did not suffice: {error}");
                self.failed(&error);
                break;
            }
            if later.is_empty() {
                break;
            }
        }
        self.pending.append(&mut later);
    }

    fn write_together(&mut self, is_last: bool) -> io::Result<()> {
        self.try_turn(is_last)?;
        if self.encoded > 0 {
            self.journal.sync()?;
            self.commit();
        }
        // All of them may take a slow disk longer than one that answers ever takes for a few.
        self.shared.work.go_on();
        Ok(())
    }

    /// Removes the events that strangers can cause at will. The `gap` record reports how many there
    /// were of each kind.
    fn count_what_is_cheap(&mut self) {
        let now = self.now();
        let (cheap, rest) = mem::take(&mut self.pending).into_iter().partition(
            |(_, item)| matches!(item, Item::Entry(entry) if entry.record.event.is_cheap()),
        );
        self.pending = rest;
        let cheap: Vec<_> = cheap;
        // The `gap` record accounts for them.
        self.shared.release(&cheap, cheap.len());
        let told = self.dropped.get_or_insert_with(|| (now, Default::default()));
        for (_, item) in &cheap {
            if let Item::Entry(entry) = item {
                *told.1.entry(key_of(&entry.record.event)).or_default() += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::base::time::{Instant, WallTime};
    use crate::message::record::{Event, Record, Subject};
    use crate::service::audit::ended::Ended;
    use crate::service::audit::files::make_folder;
    use crate::service::audit::journal::Journal;
    use crate::service::audit::key_file::Keys;
    use crate::service::audit::sealing::Sealer;
    use crate::service::audit::{Entry, Options, SEGMENT_BYTES_MAX, Sync, lock, recovery};
    use crate::service::names::Names;

    use super::*;

    const fn entropy() -> [u8; 32] {
        [7; 32]
    }

    fn writer(folder: &Path) -> Writer {
        make_folder(folder).expect("a folder");
        let keys = Keys::draw(entropy);
        let found = recovery::recover(folder, &keys, "log").expect("nothing there yet");
        let sealer = Sealer::new(keys.sealing().expect("a key").clone(), [7; 16]);
        let options = Options {
            folder: folder.to_owned(),
            key_file: folder.join("audit.key"),
            retention_days: 1,
            sync: Sync::Always,
            checkpoint: None,
            take_over: None,
            segment_bytes_max: SEGMENT_BYTES_MAX,
            wall_time: || WallTime::from_secs(1_700_000_000),
            since_boot: || Instant::from_micros(0),
            entropy,
        };
        let journal = Journal::new(found.position, sealer);
        let lock = lock::take(folder, None).expect("free");
        let names = Names::new(entropy());
        Writer::new(options, Arc::default(), names, keys, journal, Ended::default(), lock)
            .expect("its threads")
    }

    #[test]
    fn a_slow_disk_that_takes_one_batch_after_the_other_does_not_look_stuck() {
        let folder = std::env::temp_dir().join(format!("audit-batches-{}", std::process::id()));
        let mut writer = writer(&folder);
        let entry = |number| {
            let event = Event::ConnectionFailed { code: "OTHER" };
            let record = Record { event, subject: Subject::default() };
            let time = WallTime::from_secs(1_700_000_000);
            let entry = Entry { time, connection: 1, address: None, record, text: None };
            (number, Item::Entry(entry))
        };
        writer.pending.extend((1..=10 * TOGETHER as u64).map(entry));
        writer.shared.work.begin(|_| ());
        let before = writer.shared.work.pieces();
        writer.write_what_waits(false);
        assert!(writer.pending.is_empty());
        assert_eq!(writer.shared.work.pieces() - before, 10, "a sign of life for each batch");
        drop(writer);
        fs::remove_dir_all(&folder).expect("removed");
    }
}
