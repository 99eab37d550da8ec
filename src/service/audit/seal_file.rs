//! The file `seal`: the key of the present epoch, and where in the log that epoch begins. It holds
//! no older key.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::chain::{EpochKey, Head, mac_from_text, to_text};
use super::files::replace;

const VERSION: u32 = 1;

/// How a segment ended, according to the first record of the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ending {
    /// Its number.
    pub segment: u64,
    /// How many of its bytes are valid.
    pub bytes: u64,
    /// Its last record, or the one before if it has none.
    pub seq: u64,
    /// The code of that record.
    pub mac: String,
    /// How many bytes follow the valid ones: what was being written when the power or the disk
    /// failed.
    pub torn: u64,
    /// SHA-256 of those bytes; `None` if it cannot be known what is on disk.
    pub torn_sha256: Option<String>,
}

/// The content of the file.
#[derive(Clone, Debug)]
pub struct Seal {
    /// The identity of the log, drawn at random when it was begun.
    pub log: String,
    /// The key of the epoch.
    pub key: EpochKey,
    /// The segment where the epoch begins.
    pub segment: u64,
    /// The offset in that segment, in bytes.
    pub offset: u64,
    /// The last record of the previous epoch.
    pub head: Head,
    /// The number of the encryption key that was in use.
    pub encryption: u32,
    /// How the previous segment ended, if there is one.
    pub previous: Option<Ending>,
}

#[derive(Serialize, Deserialize)]
struct Text {
    version: u32,
    log: String,
    epoch: u64,
    key: String,
    segment: u64,
    offset: u64,
    seq: u64,
    mac: String,
    encryption: u32,
    previous: Option<Ending>,
}

impl Ending {
    /// The head of the chain at that point; `None` if the text is not a valid code.
    pub fn head(&self) -> Option<Head> {
        Some(Head { seq: self.seq, mac: mac_from_text(self.mac.as_bytes())? })
    }
}

impl Seal {
    /// The path of the file.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join("seal")
    }

    /// Reads the file; `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be read; `InvalidData` if it is not in our format.
    pub fn read(folder: &Path) -> io::Result<Option<Self>> {
        let bytes = match fs::read(Self::path(folder)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Self::parse(&bytes).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let text = Text {
            version: VERSION,
            log: self.log.clone(),
            epoch: self.key.epoch(),
            key: to_text(self.key.reveal()),
            segment: self.segment,
            offset: self.offset,
            seq: self.head.seq,
            mac: to_text(&self.head.mac),
            encryption: self.encryption,
            previous: self.previous.clone(),
        };
        replace(&Self::path(folder), serde_json::to_string(&text)?.as_bytes())
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let text: Text = serde_json::from_slice(bytes).ok()?;
        let whole = text.version == VERSION
            && text.previous.as_ref().is_none_or(|ending| ending.head().is_some());
        whole.then_some(())?;
        Some(Self {
            log: text.log,
            key: EpochKey::new(text.epoch, mac_from_text(text.key.as_bytes())?),
            segment: text.segment,
            offset: text.offset,
            head: Head { seq: text.seq, mac: mac_from_text(text.mac.as_bytes())? },
            encryption: text.encryption,
            previous: text.previous,
        })
    }
}
