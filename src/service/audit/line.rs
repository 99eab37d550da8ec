//! A record as a line of text: writing and parsing it. Pure.
//!
//! `{"seq":N,"time":"…","event":"…","epoch":E, <fields of the event>, "sealed":"…","mac":"…"}`. The
//! body is everything before `,"mac":"`, the plain part everything before `,"sealed":"`; both begin
//! with the first byte of the line.

use serde::Deserialize;

use crate::base::time::WallTime;
use crate::wire::json;

use super::chain::{EpochKey, Head, MAC_TEXT_BYTES, Mac, mac_from_text, sha256, to_text};
use super::sealing::Sealer;

const MAC: &[u8] = b",\"mac\":\"";
const SEALED: &str = ",\"sealed\":\"";
const END: &[u8] = b"\"}";

/// The members of a record that depend on its event, as they are written.
#[derive(Debug, Default)]
pub struct Fields(Vec<u8>);

/// The content of a record, without what the chain adds.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// When it happened.
    pub time: WallTime,
    /// The name of the event.
    pub event: &'a str,
    /// The plain members.
    pub fields: &'a Fields,
    /// What to seal; empty for nothing.
    pub secret: &'a [u8],
}

/// A parsed line. Its shape says nothing about who wrote it: see [`Line::is_genuine`].
#[derive(Debug)]
pub struct Line<'a> {
    /// The whole line, without its line break.
    pub whole: &'a [u8],
    /// The part that its code covers.
    pub body: &'a [u8],
    /// The part of the body that is not sealed.
    pub plain: &'a [u8],
    /// The sealed part, as text.
    pub sealed: Option<&'a [u8]>,
    /// Its code.
    pub mac: Mac,
    /// Its number.
    pub seq: u64,
    /// When it happened.
    pub time: WallTime,
    /// The name of the event.
    pub event: String,
    /// The epoch whose key made the code.
    pub epoch: u64,
}

#[derive(Deserialize)]
struct Common {
    seq: u64,
    time: String,
    event: String,
    epoch: u64,
}

impl Fields {
    /// Adds a text.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name);
        json::write_string(&mut self.0, value);
        self
    }

    /// Adds a number.
    pub fn number(&mut self, name: &str, value: u64) -> &mut Self {
        self.raw(name, &value.to_string())
    }

    /// Adds `true` or `false`.
    pub fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.raw(name, if value { "true" } else { "false" })
    }

    /// Adds a time.
    pub fn time(&mut self, name: &str, value: WallTime) -> &mut Self {
        self.text(name, &String::from_utf8_lossy(&value.to_iso8601()))
    }

    /// Adds a value that is already JSON.
    pub fn raw(&mut self, name: &str, json: &str) -> &mut Self {
        self.name(name);
        self.0.extend_from_slice(json.as_bytes());
        self
    }

    /// Removes all members.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn name(&mut self, name: &str) {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }
}

/// Appends `draft` to `out` as the record after `head`, including the line break, and returns the
/// new head.
pub fn write(
    out: &mut Vec<u8>,
    draft: &Draft<'_>,
    head: &Head,
    key: &EpochKey,
    sealer: &mut Sealer,
) -> Head {
    let start = out.len();
    let seq = head.seq.saturating_add(1);
    out.extend_from_slice(format!("{{\"seq\":{seq},\"time\":\"").as_bytes());
    out.extend_from_slice(&draft.time.to_iso8601());
    out.extend_from_slice(
        format!("\",\"event\":\"{}\",\"epoch\":{}", draft.event, key.epoch()).as_bytes(),
    );
    out.extend_from_slice(&draft.fields.0);
    if !draft.secret.is_empty() {
        let sealed = sealer.seal(&out[start..], draft.secret);
        out.extend_from_slice(SEALED.as_bytes());
        out.extend_from_slice(sealed.as_bytes());
        out.push(b'"');
    }
    let mac = key.mac(&head.mac, &sha256(&out[start..]));
    out.extend_from_slice(MAC);
    out.extend_from_slice(to_text(&mac).as_bytes());
    out.extend_from_slice(END);
    out.push(b'\n');
    Head { seq, mac }
}

impl<'a> Line<'a> {
    /// Parses a line without its line break; `None` if it is not in our format.
    pub fn parse(whole: &'a [u8]) -> Option<Self> {
        let (body, mac) = split_tail(whole)?;
        let common: Common = serde_json::from_slice(whole).ok()?;
        let time = WallTime::parse_iso8601(common.time.as_bytes())?;
        let (plain, sealed) = split_sealed(str::from_utf8(body).ok()?);
        body.starts_with(b"{\"seq\":").then_some(())?;
        Some(Self {
            whole,
            body,
            plain,
            sealed,
            mac,
            seq: common.seq,
            time,
            event: common.event,
            epoch: common.epoch,
        })
    }

    /// Whether it is the record after `before`, written by somebody who had `key`.
    pub fn is_genuine(&self, before: &Head, key: &EpochKey) -> bool {
        self.epoch == key.epoch()
            && Some(self.seq) == before.seq.checked_add(1)
            && self.mac == key.mac(&before.mac, &sha256(self.body))
    }

    /// The head of the chain after this record.
    pub const fn head(&self) -> Head {
        Head { seq: self.seq, mac: self.mac }
    }

    /// The members that `T` asks for.
    pub fn members<T: Deserialize<'a>>(&self) -> Option<T> {
        serde_json::from_slice(self.whole).ok()
    }
}

fn split_tail(whole: &[u8]) -> Option<(&[u8], Mac)> {
    let rest = whole.strip_suffix(END)?;
    let (rest, mac) = rest.split_at_checked(rest.len().checked_sub(MAC_TEXT_BYTES)?)?;
    Some((rest.strip_suffix(MAC)?, mac_from_text(mac)?))
}

/// Splits the body before its sealed part. A quote within a text is written `\"`, so this name can
/// occur nowhere else.
fn split_sealed(body: &str) -> (&[u8], Option<&[u8]>) {
    let sealed = |at: usize| body[at + SEALED.len()..].strip_suffix('"');
    match body.rfind(SEALED).and_then(|at| Some((at, sealed(at)?))) {
        Some((at, sealed)) => (&body.as_bytes()[..at], Some(sealed.as_bytes())),
        None => (body.as_bytes(), None),
    }
}

/// The lines of `bytes`, each with its offset and whether it has its line break.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8], bool)> {
    let mut at = 0;
    bytes.split_inclusive(|byte| *byte == b'\n').map(move |line| {
        let start = at;
        at += line.len();
        match line.strip_suffix(b"\n") {
            Some(line) => (start, line, true),
            None => (start, line, false),
        }
    })
}
