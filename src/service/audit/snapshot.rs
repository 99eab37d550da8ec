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
use super::sealing::{EncryptionKey, Sealed};

/// In how many segments to search for a complete snapshot.
const SEGMENTS_MAX: usize = 16;

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
/// snapshot and the segments after it; and whether a snapshot could not be read.
///
/// # Errors
/// If a segment cannot be read.
pub fn restore(position: &Position, keys: &Keys) -> io::Result<(Ended, bool)> {
    let mut counted = position.previous.as_ref().map(|ending| (ending.segment, ending.bytes));
    let existing = segments(&position.folder)?;
    // The segments are read newest first; their records are applied in the order of time.
    let mut read = Vec::new();
    while let Some((segment, bytes)) = counted.filter(|_| read.len() < SEGMENTS_MAX) {
        let mut previous = None;
        if existing.contains(&segment) {
            let (whole, ending, contents) = look(&position.folder, segment, bytes, keys)?;
            read.push(contents);
            if whole {
                break;
            }
            previous = ending.map(|ending| (ending.segment, ending.bytes));
        }
        // Where a segment is lost, the one before it still tells what it knew.
        let before = existing.iter().rev().find(|number| **number < segment);
        counted = previous.or(before.map(|number| (*number, u64::MAX)));
    }
    let mut ended = Ended::default();
    let mut unread = false;
    for contents in read.iter().rev() {
        for line in lines(contents).filter_map(|(_, line, _)| Line::parse(line)) {
            unread |= !take_up(&line, keys, &mut ended);
        }
    }
    Ok((ended, unread))
}

/// The valid part of a segment, whether its snapshot is complete, and how the previous segment
/// ended.
fn look(
    folder: &Path,
    segment: u64,
    bytes: u64,
    keys: &Keys,
) -> io::Result<(bool, Option<Ending>, Vec<u8>)> {
    let mut contents = fs::read(segment_path(folder, segment))?;
    contents.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
    let first = lines(&contents).find_map(|(_, line, _)| Line::parse(line));
    let previous = first.and_then(|line| line.members::<First>()?.previous);
    let whole = has_list(&contents, &keys.encryption);
    Ok((whole, previous.filter(|ending| ending.segment < segment), contents))
}

/// Whether a segment begins with a complete snapshot that these keys open.
fn has_list(contents: &[u8], keys: &[EncryptionKey]) -> bool {
    let parsed = lines(contents).filter_map(|(_, line, _)| Line::parse(line));
    let parts = parsed.skip(1).take_while(is_list);
    let opened = parts.map_while(|line| {
        Sealed::parse(line.sealed?)?.open_with(keys, line.plain)?;
        line.members::<Part>()
    });
    opened.last().is_some_and(|last| last.part == last.parts)
}

/// Whether a record is a part of a snapshot.
pub fn is_list(line: &Line<'_>) -> bool {
    line.event == "ended-sessions"
}

/// Applies what a record says about ended sessions. Only what our keys open counts, whatever else
/// the file contains. Returns `false` if it is a snapshot that cannot be read.
fn take_up(line: &Line<'_>, keys: &Keys, ended: &mut Ended) -> bool {
    let secret = || Sealed::parse(line.sealed?)?.open_with(&keys.encryption, line.plain);
    match line.event.as_str() {
        "ended-sessions" => {
            return secret().is_some_and(|secret| ended.read_part(&secret));
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
            revocation().into_iter().for_each(|one| ended.revoke(one, line.time));
        }
        _ => {}
    }
    true
}
