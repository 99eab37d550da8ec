//! A record as a line of text: writing and parsing it. Pure.
//!
//! `{"seq":N,"time":"…","event":"…","epoch":E, <fields of the event>, "sealed":"…","mac":"…"}`. The body is all that stands
//! before `,"mac":"`, the plain part all that stands before `,"sealed":"`; both begin with the first byte of the line.

use serde::Deserialize;

use crate::base::time::WallTime;
use crate::wire::json;

use super::chain::{EpochKey, Head, MAC_TEXT_BYTES, Mac, mac_from_text, sha256, to_text};
use super::sealing::Sealer;

const MAC: &[u8] = b",\"mac\":\"";
const SEALED: &str = ",\"sealed\":\"";
const END: &[u8] = b"\"}";

/// The members of a record that its event calls for, as they are written.
#[derive(Debug, Default)]
pub struct Fields(Vec<u8>);

/// What is written of a record, but for what the chain adds.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// When it happened.
    pub time: WallTime,
    /// The name of what happened.
    pub event: &'a str,
    /// The plain members.
    pub fields: &'a Fields,
    /// What is sealed; empty for nothing.
    pub secret: &'a [u8],
}

/// A line, taken apart. That it has this shape says nothing of who wrote it: [`Line::is_genuine`] does.
#[derive(Debug)]
pub struct Line<'a> {
    /// The whole line, without its end.
    pub whole: &'a [u8],
    /// What its code covers.
    pub body: &'a [u8],
    /// What is not sealed of that.
    pub plain: &'a [u8],
    /// The sealed part, as text.
    pub sealed: Option<&'a [u8]>,
    /// Its code.
    pub mac: Mac,
    /// Its number.
    pub seq: u64,
    /// When it happened.
    pub time: WallTime,
    /// What happened.
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
    /// A text.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name);
        json::write_string(&mut self.0, value);
        self
    }

    /// A number.
    pub fn number(&mut self, name: &str, value: u64) -> &mut Self {
        self.raw(name, &value.to_string())
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.raw(name, if value { "true" } else { "false" })
    }

    /// A moment.
    pub fn time(&mut self, name: &str, value: WallTime) -> &mut Self {
        self.text(name, &String::from_utf8_lossy(&value.to_iso8601()))
    }

    /// Anything that is JSON already.
    pub fn raw(&mut self, name: &str, json: &str) -> &mut Self {
        self.name(name);
        self.0.extend_from_slice(json.as_bytes());
        self
    }

    /// Takes everything out again.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn name(&mut self, name: &str) {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }
}

/// Appends `draft` to `out` as the record behind `head`, line end included, and returns the new head.
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
    /// Takes a line without its end apart; nothing where it is none of ours.
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

    /// Whether it is the record behind `before`, written by who had `key`.
    pub fn is_genuine(&self, before: &Head, key: &EpochKey) -> bool {
        self.epoch == key.epoch()
            && Some(self.seq) == before.seq.checked_add(1)
            && self.mac == key.mac(&before.mac, &sha256(self.body))
    }

    /// The chain up to here.
    pub const fn head(&self) -> Head {
        Head { seq: self.seq, mac: self.mac }
    }

    /// Its members, those that `T` asks for.
    pub fn members<T: Deserialize<'a>>(&self) -> Option<T> {
        serde_json::from_slice(self.whole).ok()
    }
}

fn split_tail(whole: &[u8]) -> Option<(&[u8], Mac)> {
    let rest = whole.strip_suffix(END)?;
    let (rest, mac) = rest.split_at_checked(rest.len().checked_sub(MAC_TEXT_BYTES)?)?;
    Some((rest.strip_suffix(MAC)?, mac_from_text(mac)?))
}

/// A quote within a text is written `\"`, so this name can stand nowhere else.
fn split_sealed(body: &str) -> (&[u8], Option<&[u8]>) {
    let sealed = |at: usize| body[at + SEALED.len()..].strip_suffix('"');
    match body.rfind(SEALED).and_then(|at| Some((at, sealed(at)?))) {
        Some((at, sealed)) => (&body.as_bytes()[..at], Some(sealed.as_bytes())),
        None => (body.as_bytes(), None),
    }
}

/// The lines of `bytes` with the offset of each, and whether it has its end.
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
