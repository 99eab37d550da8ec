//! Whether the segment that is being written is still where it belongs, and as long as it was: a
//! file that somebody has deleted or replaced takes every record, and nobody will ever read them.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use super::chain::{Mac, to_text};
use super::files::{create, sync_folder};

/// A segment that was deleted and could not be written again so far. As long as it is open, what is
/// in it is not lost.
#[derive(Debug)]
pub struct Deleted {
    /// The file.
    pub file: File,
    /// The number of the segment.
    pub segment: u64,
    /// How many of its bytes count.
    pub bytes: u64,
}

/// Whether the file at `path` is this one.
///
/// # Errors
/// An error of the system.
pub fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (own.dev(), own.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the file has this length and ends with the record of this code.
///
/// # Errors
/// An error of the system.
pub fn ends_with(file: &File, len: u64, mac: &Mac) -> io::Result<bool> {
    Ok(holds(file, len, mac)? && file.metadata()?.len() == len)
}

/// Whether the record of this code ends in the file at this place.
///
/// # Errors
/// An error of the system.
pub fn holds(file: &File, len: u64, mac: &Mac) -> io::Result<bool> {
    let end = format!("\"mac\":\"{}\"}}\n", to_text(mac));
    let Some(at) = len.checked_sub(end.len() as u64) else { return Ok(false) };
    let mut found = vec![0; end.len()];
    match file.read_exact_at(&mut found, at) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        read => read?,
    }
    Ok(found == end.as_bytes())
}

/// Writes what the file holds to `path`, where nothing may be, and returns the new file. All is on
/// disk then.
///
/// # Errors
/// An error of the system, or if the file does not hold `len` bytes.
pub fn put_back(file: &File, len: u64, path: &Path, folder: &Path) -> io::Result<File> {
    let mut source = file;
    source.seek(SeekFrom::Start(0))?;
    let mut copy = create(path)?;
    let copied = io::copy(&mut source.take(len), &mut copy).and_then(|copied| {
        if copied != len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        copy.sync_all()?;
        sync_folder(folder)
    });
    if let Err(error) = copied {
        // A part of it would look like the segment. It is told that it is missing.
        let _ = fs::remove_file(path);
        return Err(error);
    }
    Ok(copy)
}
