//! The log for human readers: records opened with the encryption keys, the records of one session,
//! and statistics over all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Map, Value};

use crate::base::time::WallTime;
use crate::message::SessionId;

use super::files::{segment_path, segments};
use super::key_file::Keys;
use super::line::Line;
use super::reading::Segments;
use super::sealing::Sealed;

/// Members that have a column of their own, or are of no use to a reader.
const COMMON: [&str; 11] = [
    "seq",
    "time",
    "event",
    "epoch",
    "role",
    "session",
    "user",
    "address",
    "connection",
    "sealed",
    "mac",
];

/// A record, opened as far as the keys allow.
#[derive(Debug)]
pub struct Opened {
    /// Its line.
    pub whole: Vec<u8>,
    /// Its number.
    pub seq: u64,
    /// When it happened.
    pub time: WallTime,
    /// What happened.
    pub event: String,
    /// The sealed part, as JSON; `None` if there was none, or its key is not here.
    pub secret: Option<Vec<u8>>,
    /// The key of this one record, if it could be opened.
    pub record_key: Option<[u8; 32]>,
    /// Whether there is a sealed part.
    pub is_sealed: bool,
    members: Map<String, Value>,
    secret_members: Map<String, Value>,
}

/// Statistics over a whole log.
#[derive(Debug, Default)]
pub struct Stats {
    /// Records by day (`2026-01-31`) and event.
    pub days: BTreeMap<String, BTreeMap<String, u64>>,
    /// The sessions named in it: by id if the keys are here, otherwise by pseudonym.
    pub sessions: BTreeSet<String>,
    /// The number of segments.
    pub segments: u64,
    /// The size of all segments in bytes.
    pub bytes: u64,
    /// The time of the first record.
    pub first: Option<WallTime>,
    /// The time of the last record.
    pub last: Option<WallTime>,
}

/// Passes every valid record to `each`, oldest first.
///
/// # Errors
/// If a segment cannot be read.
pub fn read(folder: &Path, keys: &Keys, mut each: impl FnMut(Opened)) -> io::Result<()> {
    for segment in Segments::of(folder)? {
        let segment = segment?;
        for (_, line, _) in segment.lines() {
            if let Some(line) = Line::parse(line) {
                each(Opened::new(&line, keys));
            }
        }
    }
    Ok(())
}

impl Opened {
    fn new(line: &Line<'_>, keys: &Keys) -> Self {
        let sealed = line.sealed.and_then(Sealed::parse);
        let key = sealed.as_ref().and_then(|sealed| {
            let key = keys.encryption.iter().find(|key| key.id == sealed.key_id)?;
            Some(sealed.record_key(key))
        });
        let open = || sealed.as_ref()?.open(key.as_ref()?, line.plain);
        let secret = open();
        let record_key = key.filter(|_| secret.is_some());
        let members = |json: &[u8]| serde_json::from_slice(json).unwrap_or_default();
        Self {
            whole: line.whole.to_vec(),
            seq: line.seq,
            time: line.time,
            event: line.event.clone(),
            is_sealed: line.sealed.is_some(),
            record_key,
            members: members(line.whole),
            secret_members: secret.as_deref().map(members).unwrap_or_default(),
            secret,
        }
    }

    /// Whether it is about `session`.
    pub fn is_of(&self, session: SessionId) -> bool {
        let named = self.secret_members.get("session").and_then(Value::as_str);
        named.and_then(SessionId::parse) == Some(session)
    }

    /// A member: the real value if it could be opened, otherwise the plain one.
    pub fn member(&self, name: &str) -> Option<&str> {
        let value = self.secret_members.get(name).or_else(|| self.members.get(name));
        value.and_then(Value::as_str)
    }

    /// What happened, in words: the event, its details, and the text that a person wrote.
    pub fn what(&self) -> String {
        let mut words = vec![self.event.clone()];
        for (name, value) in
            self.members.iter().filter(|(name, _)| !COMMON.contains(&name.as_str()))
        {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            words.push(format!("{name}={value}"));
        }
        // Quoted as JSON, so that it cannot break out of its line.
        words.extend(self.secret_members.get("text").map(|text| format!("text={text}")));
        words.join(" ")
    }

    /// Both parts as one line of JSON.
    pub fn to_json(&self) -> String {
        let opened = self.secret.as_deref().unwrap_or(b"null");
        format!(
            "{{\"record\":{},\"opened\":{}}}",
            String::from_utf8_lossy(&self.whole),
            String::from_utf8_lossy(opened)
        )
    }
}

impl Stats {
    /// The statistics of the log in `folder`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(folder: &Path, keys: &Keys) -> io::Result<Self> {
        let mut stats = Self::default();
        for number in segments(folder)? {
            stats.segments += 1;
            stats.bytes += fs::metadata(segment_path(folder, number))?.len();
        }
        read(folder, keys, |record| {
            let time = record.time.to_iso8601();
            let day = String::from_utf8_lossy(&time[..10]).into_owned();
            *stats.days.entry(day).or_default().entry(record.event.clone()).or_default() += 1;
            stats.sessions.extend(record.member("session").map(str::to_owned));
            stats.first.get_or_insert(record.time);
            stats.last = Some(record.time);
        })?;
        Ok(stats)
    }

    /// Bytes per day, over the days that the log spans (at least one).
    pub fn bytes_per_day(&self) -> u64 {
        const DAY_MS: u128 = 24 * 3_600_000;
        let span = |first: WallTime| Some(self.last?.as_millis().saturating_sub(first.as_millis()));
        let millis = self.first.and_then(span).unwrap_or(0).max(0) as u128;
        u64::try_from(u128::from(self.bytes) * DAY_MS / millis.max(DAY_MS)).unwrap_or(u64::MAX)
    }
}

/// The free bytes on the disk of `folder`.
///
/// # Errors
/// If the system does not tell.
pub fn free_bytes(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
