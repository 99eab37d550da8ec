//! Checkpoints: signed statements of how far the log had come, sent to another place. They reveal
//! if a log was truncated or replaced later.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::base::time::WallTime;

use super::chain::{EpochKey, Head, Mac, mac_from_text, to_text};

const BEGINNING: &str = "{\"checkpoint\":1,";
const MAC: &str = ",\"mac\":\"";
const END: &str = "\"}";

/// The content of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The version of this format: 1.
    pub checkpoint: u32,
    /// When it was made.
    pub time: String,
    /// The identity of the log.
    pub log: String,
    /// The segment.
    pub segment: u64,
    /// The last record.
    pub seq: u64,
    /// The epoch whose key signs this.
    pub epoch: u64,
    /// The code of the last record.
    pub head: String,
}

/// A checkpoint that was found in a text.
#[derive(Clone, Debug)]
pub struct Witness {
    /// Its content.
    pub checkpoint: Said,
    /// The code of the record that it names.
    pub head: Mac,
    /// Where it was found.
    pub source: String,
    /// The line in that source, counted from 1.
    pub line: usize,
    body: Vec<u8>,
    mac: Mac,
}

impl Said {
    /// A checkpoint as one line of text without a line break, signed with the key of the epoch.
    pub fn sign(log: &str, time: WallTime, segment: u64, head: &Head, key: &EpochKey) -> String {
        let said = Self {
            checkpoint: 1,
            time: String::from_utf8_lossy(&time.to_iso8601()).into_owned(),
            log: log.to_owned(),
            segment,
            seq: head.seq,
            epoch: key.epoch(),
            head: to_text(&head.mac),
        };
        let text = serde_json::to_string(&said).unwrap_or_default();
        let body = text.strip_suffix('}').unwrap_or(&text);
        let mac = to_text(&key.checkpoint_mac(body.as_bytes()));
        format!("{body}{MAC}{mac}{END}")
    }
}

impl Witness {
    /// All checkpoints in a text: a file of ours, or one that a syslog server wrote, with
    /// additional text around them.
    pub fn all(source: &Path, text: &[u8]) -> Vec<Self> {
        let source = source.file_name().unwrap_or(source.as_os_str()).to_string_lossy();
        let lines = text.split(|byte| *byte == b'\n').enumerate();
        lines.filter_map(|(index, line)| Self::parse(&source, index + 1, line)).collect()
    }

    fn parse(source: &str, line: usize, bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let text = &text[text.find(BEGINNING)?..];
        let text = &text[..text.rfind('}')? + 1];
        let (body, mac) = text.strip_suffix(END)?.rsplit_once(MAC)?;
        let checkpoint: Said = serde_json::from_str(&format!("{body}}}")).ok()?;
        Some(Self {
            head: mac_from_text(checkpoint.head.as_bytes())?,
            checkpoint,
            source: source.to_owned(),
            line,
            body: body.as_bytes().to_vec(),
            mac: mac_from_text(mac.as_bytes())?,
        })
    }

    /// Whether it was signed with `key`.
    pub fn is_genuine(&self, key: &EpochKey) -> bool {
        self.checkpoint.epoch == key.epoch() && self.mac == key.checkpoint_mac(&self.body)
    }
}
