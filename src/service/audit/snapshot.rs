//! The sessions that had ended and the tokens that were revoked, according to the log: the snapshot
//! at the beginning of a segment, and the records written since.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;

use crate::base::time::WallTime;
use crate::message::SessionId;
use crate::message::record::Revocation;

use super::ended::{Ended, parse_revoked};
use super::files::{segment_path, segments};
use super::journal::Position;
use super::key_file::Keys;
use super::line::{Line, lines};
use super::seal_file::Ending;
use super::sealing::Sealed;

#[derive(Deserialize)]
struct Part {
    part: u64,
    parts: u64,
}

#[derive(Deserialize)]
struct Status {
    #[serde(rename = "closedUntil")]
    closed_until: Option<String>,
}

#[derive(Deserialize)]
struct Operator {
    action: String,
    until: Option<String>,
}

#[derive(Deserialize)]
struct What {
    revoked: String,
}

#[derive(Deserialize)]
struct First {
    previous: Option<Ending>,
}

#[derive(Deserialize)]
struct Who {
    session: String,
}

/// The sessions that had ended before `position`, according to the newest segment with a complete
/// snapshot and the segments after it.
///
/// # Errors
/// If a segment cannot be read.
pub fn restore(position: &Position, keys: &Keys) -> io::Result<Ended> {
    let mut counted = position.previous.as_ref().map(|ending| (ending.segment, ending.bytes));
    let existing = segments(&position.folder)?;
    // The segments are read newest first; their records are applied in the order of time.
    let mut read = Vec::new();
    while let Some((segment, bytes)) = counted
        && existing.contains(&segment)
    {
        let (whole, previous, contents) = look(&position.folder, segment, bytes)?;
        read.push(contents);
        if whole {
            break;
        }
        counted = previous.map(|ending| (ending.segment, ending.bytes));
    }
    let mut ended = Ended::default();
    for contents in read.iter().rev() {
        for line in lines(contents).filter_map(|(_, line, _)| Line::parse(line)) {
            take_up(&line, keys, &mut ended);
        }
    }
    Ok(ended)
}

/// The valid part of a segment, whether its snapshot is complete, and how the previous segment
/// ended.
fn look(folder: &Path, segment: u64, bytes: u64) -> io::Result<(bool, Option<Ending>, Vec<u8>)> {
    let mut contents = fs::read(segment_path(folder, segment))?;
    contents.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
    let mut parsed = lines(&contents).filter_map(|(_, line, _)| Line::parse(line));
    let first = parsed.next();
    let previous = first.and_then(|line| line.members::<First>()?.previous);
    let parts = parsed.take_while(|line| line.event == "ended-sessions");
    let last = parts.filter_map(|line| line.members::<Part>()).last();
    let whole = last.is_some_and(|last| last.part == last.parts);
    Ok((whole, previous, contents))
}

/// Applies what a record says about ended sessions. Only what our keys open counts, whatever else
/// the file contains.
fn take_up(line: &Line<'_>, keys: &Keys, ended: &mut Ended) {
    let secret = || Sealed::parse(line.sealed?)?.open_with(&keys.encryption, line.plain);
    match line.event.as_str() {
        "ended-sessions" => {
            let read = secret().is_some_and(|secret| ended.read_part(&secret));
            if !read {
                log::error!("a list of ended sessions in the audit log cannot be read");
            }
        }
        "room-status" => {
            let until =
                || WallTime::parse_iso8601(line.members::<Status>()?.closed_until?.as_bytes());
            if let Some(until) = until() {
                let session = || {
                    let who: Who = serde_json::from_slice(&secret()?).ok()?;
                    SessionId::parse(&who.session)
                };
                if let Some(session) = session() {
                    ended.insert(session, until);
                }
            }
        }
        "operator" => {
            let revocation = || {
                let told = line.members::<Operator>()?;
                let until = WallTime::parse_iso8601(told.until?.as_bytes())?;
                let what: What = serde_json::from_slice(&secret()?).ok()?;
                let what = parse_revoked(&what.revoked)?;
                (told.action == "revoke").then_some(Revocation { what, until })
            };
            revocation().into_iter().for_each(|one| ended.revoke(one));
        }
        _ => {}
    }
}
