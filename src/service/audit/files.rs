//! The files of the audit log's folder: their names, and writes that after a power cut are there
//! either whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file of segment `number`.
pub fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08}.jsonl"))
}

/// The numbers of the segments in the folder, from the oldest.
///
/// # Errors
/// Where the folder cannot be read.
pub fn segments(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
        let number = digits.and_then(|digits| digits.parse().ok());
        // Only the name that we would give: 1.jsonl beside 00000001.jsonl is somebody else's.
        numbers.extend(number.filter(|number| segment_path(folder, *number).ends_with(&name)));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Makes the folder, for its owner only, where there is none.
///
/// # Errors
/// Where it cannot be made.
pub fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a file that must not be there yet, for its owner only.
///
/// # Errors
/// Where it cannot be made.
pub fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Writes the names in the folder to the disk.
///
/// # Errors
/// Where that fails.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    // The parent of a bare file name is the empty path.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}

/// Puts `contents` in the place of what the file held, at once or not at all, for its owner only.
///
/// # Errors
/// Where that fails; the file is as before then, or new.
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

/// Removes a file, where there is one.
///
/// # Errors
/// Where it is there and stays.
pub fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// At most `len` bytes of a file, from `from` on.
pub fn read_part(path: &Path, from: u64, len: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut part = Vec::new();
    file.take(len).read_to_end(&mut part)?;
    Ok(part)
}
