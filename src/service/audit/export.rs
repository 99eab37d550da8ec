//! Exports one session for somebody who may see nothing else: its records with a key for each, and
//! of all other records between them only the hashes that the chain needs. The file can be verified
//! on its own.
//!
//! ```text
//! {"export":1,"log":"…","session":"<uuid>","seq":<the record before the first>,"mac":"<its code>"}
//! {"record":"<the line>","key":"<key of this one record>","opened":{…}}   of the session
//! {"record":"<the line>"}                                   of the server itself, nothing sealed
//! {"sha256":"<of the body>","epoch":N}                                  of somebody else
//! ```

use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::message::SessionId;

use super::chain::{EpochKey, Head, mac_from_text, sha256, to_text};
use super::files::{create, remove_if_there};
use super::history::{Opened, read};
use super::key_file::Keys;
use super::line::{Line, lines};
use super::sealing::Sealed;

#[derive(Serialize, Deserialize)]
struct Header {
    export: u32,
    log: String,
    session: String,
    seq: u64,
    mac: String,
}

/// A record that is disclosed, or the two members of one that is not.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    opened: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
}

/// The result of verifying an export.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The session, as the file names it.
    pub session: String,
    /// How many records of the session there are.
    pub records: u64,
    /// How many records of others there are, which are present as hashes only.
    pub foreign: u64,
    /// What is wrong: the line and the fault.
    pub faults: Vec<(usize, String)>,
}

/// Writes the records of `session` to a new file, which only its owner may read, and returns how
/// many there are. If there are none, no file is created.
///
/// # Errors
/// If the log cannot be read, or the file already exists or cannot be written.
pub fn export_to(path: &Path, folder: &Path, keys: &Keys, session: SessionId) -> io::Result<u64> {
    let file = create(path)?;
    let written = export(folder, keys, session, &mut BufWriter::new(&file));
    let written = written.and_then(|count| file.sync_all().map(|()| count));
    if matches!(written, Ok(0) | Err(_)) {
        remove_if_there(path)?;
    }
    written
}

fn export(folder: &Path, keys: &Keys, session: SessionId, out: &mut impl Write) -> io::Result<u64> {
    let (mut first, mut last, mut count) = (None, 0, 0);
    read(folder, keys, |record| {
        if record.is_of(session) {
            first.get_or_insert(record.seq);
            last = record.seq;
            count += 1;
        }
    })?;
    let Some(first) = first else { return Ok(0) };
    let id = session.to_text();
    let mut header = Header {
        export: 1,
        log: String::new(),
        session: String::from_utf8_lossy(&id).into_owned(),
        seq: 0,
        mac: to_text(&Head::BEGINNING.mac),
    };
    let mut result = Ok(());
    read(folder, keys, |record| {
        if record.seq.checked_add(1) == Some(first) {
            header.seq = record.seq;
            header.mac = mac_text(&record);
        }
        if let Some(log) = record.member("log").filter(|_| record.event == "segment") {
            header.log = log.to_owned();
        }
        if record.seq == first && result.is_ok() {
            result = write_line(out, &header);
        }
        if (first..=last).contains(&record.seq) && result.is_ok() {
            result = write_row(out, &record, session);
        }
    })?;
    result?;
    out.flush()?;
    Ok(count)
}

fn mac_text(record: &Opened) -> String {
    Line::parse(&record.whole).map(|line| to_text(&line.mac)).unwrap_or_default()
}

fn write_row(out: &mut impl Write, record: &Opened, session: SessionId) -> io::Result<()> {
    let text = String::from_utf8_lossy(&record.whole).into_owned();
    let of_session = record.is_of(session);
    let row = if of_session {
        let opened = record.secret.as_deref().and_then(|secret| str::from_utf8(secret).ok());
        let opened = opened.and_then(|text| serde_json::from_str(text).ok());
        let key = record.record_key.map(|key| to_text(&key));
        Row { record: Some(text), key, opened, ..Row::default() }
    } else if record.is_sealed {
        let Some(line) = Line::parse(&record.whole) else { return Ok(()) };
        let sha256 = Some(to_text(&sha256(line.body)));
        Row { sha256, epoch: Some(line.epoch), ..Row::default() }
    } else {
        Row { record: Some(text), ..Row::default() }
    };
    write_line(out, &row)
}

fn write_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// Verifies an export with the verification key: its records follow each other as they were
/// written, with nothing left out between the first and the last, and the opened content is what
/// was sealed.
pub fn verify_export(bytes: &[u8], key: &EpochKey) -> Outcome {
    let mut outcome = Outcome::default();
    let mut all = lines(bytes).enumerate();
    let header =
        all.next().and_then(|(_, (_, line, _))| serde_json::from_slice::<Header>(line).ok());
    let head = header.as_ref().and_then(|header| {
        Some(Head { seq: header.seq, mac: mac_from_text(header.mac.as_bytes())? })
    });
    let (Some(header), Some(head)) = (header, head) else {
        outcome.faults.push((1, "this is not the beginning of an export".to_owned()));
        return outcome;
    };
    outcome.session.clone_from(&header.session);
    let mut chain = Chain { head, key: key.clone(), session: header.session };
    for (index, (_, line, whole)) in all {
        match chain.follow(line, whole, &mut outcome) {
            Ok(()) => {}
            Err(what) => {
                outcome.faults.push((index + 1, what.to_owned()));
                return outcome;
            }
        }
    }
    if outcome.records == 0 {
        outcome.faults.push((1, "there is no record of the session".to_owned()));
    }
    outcome
}

struct Chain {
    head: Head,
    key: EpochKey,
    session: String,
}

impl Chain {
    fn follow(
        &mut self,
        line: &[u8],
        whole: bool,
        outcome: &mut Outcome,
    ) -> Result<(), &'static str> {
        let row = serde_json::from_slice::<Row<'_>>(line).ok().filter(|_| whole);
        let row = row.ok_or("this is not a row of an export")?;
        match (&row.record, &row.sha256, row.epoch) {
            (None, Some(sha256), Some(epoch)) if row.key.is_none() && row.opened.is_none() => {
                let sha256 = mac_from_text(sha256.as_bytes()).ok_or("this is not a hash")?;
                self.advance(epoch)?;
                let seq = self.head.seq.checked_add(1).ok_or("there are no such numbers")?;
                self.head = Head { seq, mac: self.key.mac(&self.head.mac, &sha256) };
                outcome.foreign += 1;
            }
            (Some(record), None, None) => {
                let line = Line::parse(record.as_bytes()).ok_or("this is not a record")?;
                self.advance(line.epoch)?;
                if !line.is_genuine(&self.head, &self.key) {
                    return Err("this record, or one before it, was changed or left out");
                }
                self.head = line.head();
                if self.is_opened_rightly(&line, row.key.as_deref(), row.opened)? {
                    outcome.records += 1;
                }
            }
            _ => return Err("this is not a row of an export"),
        }
        Ok(())
    }

    fn advance(&mut self, epoch: u64) -> Result<(), &'static str> {
        self.key = self.key.at(epoch).ok_or("its epoch cannot follow the one before")?;
        Ok(())
    }

    /// Whether the record is of the session; an error if the content shown is not what was sealed.
    fn is_opened_rightly(
        &self,
        line: &Line<'_>,
        key: Option<&str>,
        opened: Option<&RawValue>,
    ) -> Result<bool, &'static str> {
        #[derive(Deserialize)]
        struct Who {
            session: Option<String>,
        }
        let (Some(key), Some(opened)) = (key, opened) else {
            let plain = key.is_none() && opened.is_none() && line.sealed.is_none();
            return if plain { Ok(false) } else { Err("it is sealed, and not opened") };
        };
        let key = mac_from_text(key.as_bytes()).ok_or("this is not a key")?;
        let sealed = line.sealed.and_then(Sealed::parse).ok_or("nothing in it is sealed")?;
        let secret = sealed.open(&key, line.plain).ok_or("this key does not open it")?;
        if secret != opened.get().as_bytes() {
            return Err("what is shown is not what was sealed");
        }
        let who: Who = serde_json::from_slice(&secret).map_err(|_| "what was sealed is no JSON")?;
        if who.session.as_deref() != Some(&self.session) {
            return Err("it belongs to another session");
        }
        Ok(true)
    }
}
