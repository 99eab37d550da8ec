//! What becomes of a segment that could not be written, or that somebody has deleted, replaced or cut
//! while it was written.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Journal;
use crate::service::audit::chain::{sha256, to_text};
use crate::service::audit::files::{remove_if_there, segment_path, sync_folder};
use crate::service::audit::place::{Deleted, ends_with, holds, is_at, put_back};

/// Bytes of a segment that were set aside, because they never became a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// The name of the file.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
}

impl Journal {
    /// Looks whether somebody has deleted, replaced or cut the file of the open segment; everything
    /// must be durable before. One that was deleted or replaced is written again, with everything
    /// that is in it; returns whether that was necessary, since the segment must then end. What was
    /// cut is lost, so that segment is over at once. The next segment reports both.
    ///
    /// # Errors
    /// An error of the system; then call [`Journal::break_off`].
    pub fn stay_in_place(&mut self) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        let path = segment_path(&self.folder, self.segment);
        if is_at(file, &path)? {
            if !ends_with(file, self.durable_bytes, &self.durable.mac)? {
                self.give_up_what_was_cut();
            }
            return Ok(false);
        }
        let what = format!("segment {} was deleted while it was written", self.segment);
        let failed = |error: io::Error| {
            let text = format!("{what}, and cannot be written again: {error}");
            io::Error::new(error.kind(), text)
        };
        if path.try_exists().map_err(failed)? {
            let other = set_aside(&self.folder, self.segment).map_err(failed)?;
            self.aside.extend(other);
        }
        if !holds(file, self.durable_bytes, &self.durable.mac)? {
            // It was cut as well. What is left of it proves what was before.
            let left = file.metadata()?.len().min(self.durable_bytes);
            if let Err(error) = put_back(file, left, &path, &self.folder) {
                log::error!("{what}, and what is left of it cannot be written again: {error}");
            }
            self.give_up_what_was_cut();
            return Ok(false);
        }
        let copy = put_back(file, self.durable_bytes, &path, &self.folder).map_err(failed)?;
        self.file = Some(copy);
        self.damage = Some(format!("{what}, and was written again"));
        log::error!("the audit log was damaged: {what}; it was written again as it was found");
        Ok(true)
    }

    /// The open segment does not end any more as it was written.
    fn give_up_what_was_cut(&mut self) {
        self.tell_cut();
        self.file = None;
        self.follow(0, None);
    }

    fn tell_cut(&mut self) {
        let what = format!("segment {} was cut or overwritten while it was written", self.segment);
        log::error!(
            "the audit log was damaged: {what}; what was cut is lost, and it goes on in a new one"
        );
        self.damage = Some(what);
    }

    /// After a failure, goes back to the last durable state, without an open segment.
    pub fn break_off(&mut self) {
        self.buffer.clear();
        self.head = self.durable;
        let is_deleted = |file: &File| file.metadata().is_ok_and(|file| file.nlink() == 0);
        if self.durable_bytes > 0 && self.file.as_ref().is_some_and(is_deleted) {
            // The open file is all that is left of the segment.
            match self.stay_in_place() {
                Ok(false) => {}
                Ok(true) => {
                    self.file = None;
                    self.follow(0, None);
                    return;
                }
                Err(error) => {
                    log::error!("the audit log was damaged: {error}");
                    self.damage = Some(error.to_string());
                }
            }
        }
        let Some(file) = self.file.take() else { return };
        if self.durable_bytes == 0 {
            // The segment never began: it is created again, with the same number.
            return;
        }
        // Behind what counts stands what could not be written.
        if !is_deleted(&file)
            && holds(&file, self.durable_bytes, &self.durable.mac).is_ok_and(|holds| !holds)
        {
            self.tell_cut();
        }
        let torn = self.torn(&file);
        let unsynced = self.written_bytes - self.durable_bytes;
        let bytes = torn.as_ref().map_or(unsynced, |torn| torn.len() as u64);
        if self.deleted.is_none() && is_deleted(&file) {
            let (segment, bytes) = (self.segment, self.durable_bytes);
            self.deleted = Some(Deleted { file, segment, bytes });
        }
        self.follow(bytes, torn.map(|torn| to_text(&sha256(&torn))));
    }

    /// Tries again to write a segment that was deleted, when there was no room for it.
    pub fn put_back_deleted(&mut self) {
        let Some(Deleted { file, segment, bytes }) = &self.deleted else { return };
        let path = segment_path(&self.folder, *segment);
        match put_back(file, *bytes, &path, &self.folder) {
            Ok(_) => log::warn!("segment {segment} of the audit log was written again"),
            // Somebody has cut it as well.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                log::error!("segment {segment} of the audit log is lost");
            }
            Err(_) => return,
        }
        self.deleted = None;
    }

    /// The bytes after the durable ones, if it is certain that they are on disk as they are read.
    fn torn(&self, file: &File) -> Option<Vec<u8>> {
        (!self.sync_failed).then_some(())?;
        file.sync_data().ok()?;
        let mut file = File::open(segment_path(&self.folder, self.segment)).ok()?;
        file.seek(SeekFrom::Start(self.durable_bytes)).ok()?;
        let mut torn = Vec::new();
        file.read_to_end(&mut torn).ok()?;
        Some(torn)
    }
}

/// Moves aside a file that holds no record of the log, and returns what it holds.
///
/// # Errors
/// An error of the system.
pub fn set_aside(folder: &Path, segment: u64) -> io::Result<Option<SetAside>> {
    let path = segment_path(folder, segment);
    let bytes = fs::read(&path)?;
    if bytes.is_empty() {
        remove_if_there(&path)?;
        return Ok(None);
    }
    let names = (1_u64..).map(|number| format!("{segment:08}.{number}.torn"));
    let mut free = names.filter(|name| !folder.join(name).exists());
    let name = free.next().unwrap_or_default();
    fs::rename(&path, folder.join(&name))?;
    sync_folder(folder)?;
    Ok(Some(SetAside { name, bytes: bytes.len() as u64, sha256: to_text(&sha256(&bytes)) }))
}
