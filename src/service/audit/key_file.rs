//! The file with the keys of the audit log: created if it does not exist, refused if others can
//! read it.
//!
//! ```text
//! # comments
//! verify <base64url of 32 bytes>          until `audit key detach` has taken it away
//! encrypt <number> <base64url of 32 bytes>   the last one seals, all of them open
//! ```

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::base::redacted::Redacted;

use super::chain::{EpochKey, mac_from_text, to_text};
use super::files::replace;
use super::key_check::Misfit;
use super::sealing::EncryptionKey;

/// Far more than a century of key rotations needs.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

const HEADER: &str = "\
# Keys of the audit log. Whoever has this file can read the log; without it nobody can. Keep a copy in a safe place.
# `verify` proves that nothing was changed. `audit key detach` prints it and takes it away from here: do that, and
# keep it where nobody who can reach this machine can reach it.
";

/// The keys.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The key of epoch 0, if it is still here.
    pub verification: Option<EpochKey>,
    /// The encryption keys: all of them open records; the last one seals. Never empty in a file
    /// that a server uses.
    pub encryption: Vec<EncryptionKey>,
}

/// What is wrong with the key file.
#[derive(Debug)]
pub enum KeyFileError {
    /// It does not exist.
    Missing(PathBuf),
    /// The system does not let us read or write it.
    Io(PathBuf, io::Error),
    /// Others than its owner may read or write it; its mode.
    Open(PathBuf, u32),
    /// It belongs to another user.
    Foreign(PathBuf),
    /// A line is malformed; its number, counted from 1.
    Malformed(PathBuf, usize),
    /// It contains no key to seal with.
    Empty(PathBuf),
    /// It is not the one of the log.
    OtherLog(PathBuf, Misfit),
    /// The log in this folder cannot be read, so nobody knows whether the file is its own.
    Log(PathBuf, io::Error),
}

impl Keys {
    /// New random keys: one of each kind.
    pub fn draw(entropy: fn() -> [u8; 32]) -> Self {
        let mut keys =
            Self { verification: Some(EpochKey::new(0, entropy())), encryption: Vec::new() };
        keys.add_encryption(entropy());
        keys
    }

    /// Adds a key that seals from now on, and returns its number.
    pub fn add_encryption(&mut self, key: [u8; 32]) -> u32 {
        let id = self.encryption.last().map_or(1, |last| last.id.saturating_add(1));
        self.encryption.push(EncryptionKey { id, key: Redacted::new(key) });
        id
    }

    /// Reads a server's key file, which must belong to the server's user alone.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let keys = Self::read_with(path, true)?;
        if keys.encryption.is_empty() {
            return Err(KeyFileError::Empty(path.to_owned()));
        }
        Ok(keys)
    }

    /// Reads an auditor's key file. A single line with the verification key is enough, and the
    /// file's permissions are not checked: they are up to the auditor.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    pub fn read_anywhere(path: &Path) -> Result<Self, KeyFileError> {
        Self::read_with(path, false)
    }

    fn read_with(path: &Path, private: bool) -> Result<Self, KeyFileError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => KeyFileError::Missing(path.to_owned()),
            _ => KeyFileError::Io(path.to_owned(), error),
        };
        let file = File::open(path).map_err(failed)?;
        // Checked on the open file, so that nobody can replace it in between.
        let metadata = file.metadata().map_err(failed)?;
        if private && metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(KeyFileError::Foreign(path.to_owned()));
        }
        if private && metadata.mode() & 0o077 != 0 {
            return Err(KeyFileError::Open(path.to_owned(), metadata.mode() & 0o777));
        }
        let mut text = String::new();
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
        Self::parse(&text).map_err(|line| KeyFileError::Malformed(path.to_owned(), line))
    }

    /// Parses the text; an error is the number of the malformed line.
    fn parse(text: &str) -> Result<Self, usize> {
        let mut keys = Self { verification: None, encryption: Vec::new() };
        for (index, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let read = match words[..] {
                [] => Some(()),
                [first, ..] if first.starts_with('#') => Some(()),
                ["verify", key] if keys.verification.is_none() => mac_from_text(key.as_bytes())
                    .map(|key| keys.verification = Some(EpochKey::new(0, key))),
                ["encrypt", id, key] => keys.read_encryption(id, key),
                _ => None,
            };
            read.ok_or(index + 1)?;
        }
        Ok(keys)
    }

    fn read_encryption(&mut self, id: &str, key: &str) -> Option<()> {
        let id = id.parse().ok().filter(|id| self.encryption.iter().all(|known| known.id < *id))?;
        let key = Redacted::new(mac_from_text(key.as_bytes())?);
        self.encryption.push(EncryptionKey { id, key });
        Some(())
    }

    /// Creates the file, readable by its owner only. It must not exist yet.
    ///
    /// # Errors
    /// If the system does not allow it, or the file exists.
    pub fn create(&self, path: &Path) -> Result<(), KeyFileError> {
        let failed = |error| KeyFileError::Io(path.to_owned(), error);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        file.write_all(self.to_text().as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        path.parent().map_or(Ok(()), super::files::sync_folder).map_err(failed)
    }

    /// Atomically replaces the keys in the file by these.
    ///
    /// # Errors
    /// If the system does not allow it.
    pub fn replace(&self, path: &Path) -> Result<(), KeyFileError> {
        replace(path, self.to_text().as_bytes())
            .map_err(|error| KeyFileError::Io(path.to_owned(), error))
    }

    fn to_text(&self) -> String {
        let mut text = HEADER.to_owned();
        if let Some(key) = &self.verification {
            text += &(key.to_key_line() + "\n");
        }
        for key in &self.encryption {
            text += &format!("encrypt {} {}\n", key.id, to_text(key.key.reveal()));
        }
        text
    }

    /// The key that seals.
    pub fn sealing(&self) -> Option<&EncryptionKey> {
        self.encryption.last()
    }
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "the key file {} does not exist", path.display()),
            Self::Io(path, error) => {
                write!(f, "the key file {} cannot be read or written: {error}", path.display())
            }
            Self::Open(path, mode) => write!(
                f,
                "the key file {} may be read or written by others than its owner (mode {mode:o}): `chmod 600` it, and \
                 if somebody may have read it, `audit key rotate`",
                path.display()
            ),
            Self::Foreign(path) => write!(
                f,
                "the key file {} belongs to another user than the one that this program runs as",
                path.display()
            ),
            Self::Malformed(path, line) => write!(
                f,
                "line {line} of the key file {} is neither `verify KEY` nor `encrypt NUMBER KEY` with a larger number \
                 than those above it",
                path.display()
            ),
            Self::Empty(path) => {
                write!(f, "the key file {} holds no `encrypt` key", path.display())
            }
            Self::OtherLog(path, misfit) => write!(
                f,
                "the key file {} is not the one of this audit log: {misfit}; put the right one there, or move the log \
                 to another place and begin a new one",
                path.display()
            ),
            Self::Log(folder, error) => write!(
                f,
                "the audit log in {} cannot be read, to see whether the key file is its own: {error}",
                folder.display()
            ),
        }
    }
}

impl std::error::Error for KeyFileError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut keys = Keys::draw(|| [7; 32]);
        assert_eq!(keys.add_encryption([8; 32]), 2);
        let again = Keys::parse(&keys.to_text()).expect("keys");
        assert_eq!(again.to_text(), keys.to_text());
        assert_eq!(again.sealing().map(|key| key.id), Some(2));
    }

    #[test]
    fn a_line_that_is_wrong_is_named() {
        let key = to_text(&[1; 32]);
        for (wrong, line) in [
            (format!("verify {key}\nverify {key}"), 2),
            (format!("# one\n\nencrypt 2 {key}\nencrypt 2 {key}"), 4),
            (format!("encrypt {key}"), 1),
            (format!("encrypt 1 {}", &key[1..]), 1),
            ("something else".to_owned(), 1),
        ] {
            assert_eq!(Keys::parse(&wrong).err(), Some(line), "{wrong}");
        }
    }
}
