//! Disk space reserved for the last records of a server that stops while the disk is full: a file
//! without content.

use std::fs;
use std::io;
use std::mem;
use std::path::Path;

use rustix::fs::FallocateFlags;

use super::files::{create, remove_if_there, sync_folder};
use super::queue::{Item, key_of};
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

/// Reserves the space, if `free` bytes are enough and it is not reserved yet.
///
/// # Errors
/// If it cannot be reserved.
pub fn keep(folder: &Path, free: u64) -> io::Result<()> {
    let path = folder.join("reserve");
    if free < FREE_BYTES_MIN || path.try_exists()? {
        return Ok(());
    }
    let file = create(&path)?;
    // The space must really be allocated: a sparse file would have nothing to give back.
    let kept = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES);
    kept.map_err(io::Error::from).and_then(|()| file.sync_all()).inspect_err(|_| {
        // It is of no use then.
        let _ = remove_if_there(&path);
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
            Ok(false) => return,
            Err(error) => return log::error!("the room for last records is not free: {error}"),
        }
        if self.pending.len() > ONE_BY_ONE_MAX {
            self.count_what_is_cheap();
        }
        let waiting = self.pending.len();
        let mut later = mem::take(&mut self.pending);
        loop {
            let next = later.split_off(later.len().min(TOGETHER));
            self.pending = mem::replace(&mut later, next);
            if let Err(error) = self.write_together(later.is_empty()) {
                log::error!("the room for last records did not suffice: {error}");
                self.failed(&error);
                break;
            }
            if later.is_empty() {
                break;
            }
        }
        self.pending.append(&mut later);
        let written = waiting - self.pending.len();
        log::warn!(
            "the last {written} entries of the audit log are in the room that was kept for them"
        );
    }

    fn write_together(&mut self, is_last: bool) -> io::Result<()> {
        self.try_turn(is_last)?;
        if self.encoded > 0 {
            self.journal.sync()?;
            self.commit();
        }
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
        let told = self.dropped.get_or_insert_with(|| (now, Default::default()));
        for (_, item) in &cheap {
            if let Item::Entry(entry) = item {
                *told.1.entry(key_of(&entry.record.event)).or_default() += 1;
            }
        }
    }
}
