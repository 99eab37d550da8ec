//! The files in the audit log's folder: their names, and writes that are atomic across a power
//! failure.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file of segment `number`.
pub fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08}.jsonl"))
}

/// The numbers of the segments in the folder, oldest first.
///
/// # Errors
/// If the folder cannot be read.
pub fn segments(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
        let number = digits.and_then(|digits| digits.parse().ok());
        // Only exact names count: 1.jsonl beside 00000001.jsonl is not ours.
        numbers.extend(number.filter(|number| segment_path(folder, *number).ends_with(&name)));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Creates the folder for its owner only, if it does not exist.
///
/// # Errors
/// If it cannot be created.
pub fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Creates a file for its owner only, to write at its end and to read. It must not exist yet. If
/// somebody cuts it short, what is written afterwards does not hide that behind a hole.
///
/// # Errors
/// If it cannot be created.
pub fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(path)
}

/// Syncs the folder, so that the names in it are on disk.
///
/// # Errors
/// If that fails.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    // The parent of a bare file name is the empty path.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}

/// Atomically replaces what the file holds by `contents`, for its owner only.
///
/// # Errors
/// If that fails. The file is then either unchanged or new.
pub fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    remove_if_there(&new)?;
    let mut file = create(&new)?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// Removes a file if it exists.
///
/// # Errors
/// If it exists and cannot be removed.
pub fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// At most `len` bytes of a file, starting at `from`.
pub fn read_part(path: &Path, from: u64, len: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut part = Vec::new();
    file.take(len).read_to_end(&mut part)?;
    Ok(part)
}
