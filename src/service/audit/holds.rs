//! Legal holds: sessions whose records are kept beyond their retention period. The file `holds`
//! beside the log lists them by keyed hashes, so that it reveals nobody.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::message::SessionId;

use super::chain::{Mac, hmac_sha256, mac_from_text, sha256, to_text};
use super::files::replace;
use super::key_file::Keys;
use super::sealing::EncryptionKey;

const HOLD: &[u8] = b"autamedica-audit hold";

/// The list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    sessions: BTreeSet<Mac>,
}

impl Holds {
    fn path(folder: &Path) -> PathBuf {
        folder.join("holds")
    }

    /// Reads the list; empty if there is none.
    ///
    /// # Errors
    /// If it cannot be read; `InvalidData` if it is not in our format.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let text = match fs::read_to_string(Self::path(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        let sessions = text.lines().map(|line| mac_from_text(line.as_bytes()));
        let sessions: Option<_> = sessions.collect();
        Ok(Self { sessions: sessions.ok_or(io::ErrorKind::InvalidData)? })
    }

    /// Writes the list.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        replace(&Self::path(folder), self.to_text().as_bytes())
    }

    fn to_text(&self) -> String {
        self.sessions.iter().map(|session| to_text(session) + "\n").collect()
    }

    /// Adds a session, and returns whether it is new. `None` without a key.
    pub fn hold(&mut self, session: SessionId, keys: &Keys) -> Option<bool> {
        Some(self.sessions.insert(hash(session, keys.encryption.first()?)))
    }

    /// Removes a session, and returns whether it was on the list.
    pub fn release(&mut self, session: SessionId, keys: &Keys) -> Option<bool> {
        Some(self.sessions.remove(&hash(session, keys.encryption.first()?)))
    }

    /// Whether a session is on the list.
    pub fn contains(&self, session: SessionId, keys: &Keys) -> bool {
        keys.encryption.first().is_some_and(|key| self.sessions.contains(&hash(session, key)))
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// SHA-256 of the list.
    pub fn sha256(&self) -> Mac {
        sha256(self.to_text().as_bytes())
    }
}

/// Made with the first key, which stays in the file when others are added.
fn hash(session: SessionId, key: &EncryptionKey) -> Mac {
    hmac_sha256(key.key.reveal(), &[HOLD, session.reveal().as_bytes()])
}
