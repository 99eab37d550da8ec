//! The messages of clients, as text.

use super::ledger::Who;
use super::names;
use super::plan::{Babble, Person};

/// What the rest of a message begins with: its type and, where it has one, its id.
fn open(kind: &str, id: Option<u64>) -> String {
    match id {
        Some(id) => format!(r#"{{"type":"{kind}","id":{id}"#),
        None => format!(r#"{{"type":"{kind}""#),
    }
}

/// What a `join-room` may say beside who comes where.
#[derive(Clone, Copy, Debug, Default)]
pub struct Join<'a> {
    /// `authToken`
    pub token: Option<&'a str>,
    /// `resume`
    pub resume: Option<u64>,
    /// `stream` of `resume`
    pub stream: Option<u64>,
    /// `media`: whether there is sound, and a picture where there is none.
    pub media: Option<bool>,
}

/// `join-room`
pub fn join(person: &Person, id: u64, join: &Join<'_>) -> String {
    let Join { token, resume, stream, media } = *join;
    let mut text = open("join-room", Some(id));
    text += &format!(
        r#","sessionId":"{}","userId":"{}","userType":"{}""#,
        names::session(person.room),
        names::user(person.user),
        person.role.as_str()
    );
    if person.comes_in_an_emergency() {
        text += r#","reason":"the patient does not answer""#;
    }
    if let Some(audio) = media {
        text += &format!(r#","media":{{"audio":{audio},"video":{}}}"#, !audio);
    }
    if let Some(token) = token {
        text += &format!(r#","authToken":"{token}""#);
    }
    if let Some(received) = resume {
        let stream = stream.map(|stream| format!(r#","stream":{stream}"#)).unwrap_or_default();
        text += &format!(r#","resume":{{"received":{received}{stream}}}"#);
    }
    text + "}"
}

/// A message without its `id`, and that.
pub fn split_id(text: &str) -> (String, Option<u64>) {
    let (kind, rest) = split_kind(text);
    let digits = rest.strip_prefix(r#","id":"#).map(|rest| {
        let len = rest.bytes().take_while(u8::is_ascii_digit).count();
        rest.split_at(len)
    });
    let Some((id, rest)) = digits else { return (text.to_owned(), None) };
    (format!(r#"{{"type":"{kind}"{rest}"#), id.parse().ok())
}

/// A message that says of itself by which callback it is to be answered, as the book reads it.
pub fn with_callback(text: &str, id: &str) -> String {
    let (kind, rest) = split_kind(text);
    format!(r#"{{"type":"{kind}","id":{id}{rest}"#)
}

/// How many bytes of a message are no part of it, but say that.
pub fn callback_bytes(text: &str) -> usize {
    let id = split_kind(text).1.strip_prefix(r#","id":["#).and_then(|rest| rest.find(']'));
    id.map_or(0, |digits| digits + r#","id":[]"#.len())
}

/// The `type` of a message, which stands in front, and what follows it.
pub fn split_kind(text: &str) -> (&str, &str) {
    let rest = text.strip_prefix(r#"{"type":""#).unwrap_or_default();
    rest.split_once('"').unwrap_or_default()
}

/// `leave-room`
pub fn leave(who: Who, id: u64) -> String {
    about("leave-room", who, id) + "}"
}

/// `ping`
pub fn ping(id: u64) -> String {
    open("ping", Some(id)) + "}"
}

/// `refresh-token`
pub fn refresh(token: &str, id: u64) -> String {
    open("refresh-token", Some(id)) + &format!(r#","authToken":"{token}"}}"#)
}

/// `end-session`, in some cases with a reason.
pub fn end(who: Who, id: u64) -> String {
    let reason = if id.is_multiple_of(2) { r#","reason":"all is said"}"# } else { "}" };
    about("end-session", who, id) + reason
}

/// `media-state`
pub fn media_state(who: Who, id: u64, audio: bool, video: bool, screen: Option<bool>) -> String {
    let screen = screen.map(|screen| format!(r#","screen":{screen}"#)).unwrap_or_default();
    about("media-state", who, id) + &format!(r#","audio":{audio},"video":{video}{screen}}}"#)
}

/// `connection-state`
pub fn connection_state(who: Who, id: u64, state: &str) -> String {
    let code =
        if state == "failed" && id.is_multiple_of(2) { r#","errorCode":"ICE_FAILED""# } else { "" };
    about("connection-state", who, id) + &format!(r#","state":"{state}"{code}}}"#)
}

/// `connection-stats`
pub fn connection_stats(who: Who, id: u64) -> String {
    about("connection-stats", who, id)
        + r#","stats":{"bitrate":900,"latency":40,"packetLoss":0.5,"quality":"good"}}"#
}

fn about(kind: &str, who: Who, id: u64) -> String {
    let (session, user) = (names::session(who.0), names::user(who.1));
    open(kind, Some(id)) + &format!(r#","sessionId":"{session}","userId":"{user}""#)
}

/// A message from one participant to another.
#[derive(Clone, Copy, Debug)]
pub struct Relayed<'a> {
    /// `offer`, `answer`, `ice-candidate`
    pub kind: &'a str,
    /// `id`
    pub id: Option<u64>,
    /// The room that it claims to be in.
    pub room: u32,
    /// Whom it claims to be from.
    pub from: u32,
    /// Whom it is for.
    pub to: u32,
    /// By which it can be known again.
    pub letter: usize,
    /// How much a description holds beside what it must.
    pub bytes: u32,
    /// Whether the sender only watches.
    pub receives_only: bool,
}

/// The text of a relayed message.
pub fn relayed(message: &Relayed<'_>) -> String {
    let (session, letter) = (names::session(message.room), mark(message.letter));
    let (from, to) = (names::user(message.from), names::user(message.to));
    let mut text = open(message.kind, message.id);
    text += &format!(r#","sessionId":"{session}","fromUserId":"{from}","toUserId":"{to}""#);
    text += &match message.kind {
        "ice-candidate" if message.letter.is_multiple_of(7) => {
            format!(r#","candidate":null,"note":"{letter}""#)
        }
        "ice-candidate" => format!(
            r#","candidate":{{"candidate":"candidate:1 1 udp 2122260223 192.0.2.1 50000 typ host {letter}","sdpMid":"0","sdpMLineIndex":0}}"#
        ),
        "media-control" => format!(r#","audio":false,"note":"{letter}""#),
        kind => format!(r#","sdp":{{"type":"{kind}","sdp":"{}"}}"#, description(message, &letter)),
    };
    text + "}"
}

/// A session description that any policy of RFC 8827 lets pass.
fn description(message: &Relayed<'_>, letter: &str) -> String {
    let setup = if message.kind == "offer" { "actpass" } else { "active" };
    let direction = if message.receives_only { "recvonly" } else { "sendrecv" };
    let mut sdp = format!(r"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\ni={letter}\r\n");
    sdp += &format!(r"a=fingerprint:sha-256 {}\r\n", ["AB"; 32].join(":"));
    sdp += r"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n";
    sdp += &format!(r"a=setup:{setup}\r\na={direction}\r\na=rtcp-mux\r\n");
    let line = r"a=ssrc:1 cname:aaaaaaaaaaaaaaaaaaaaaaaa\r\n";
    sdp + &line.repeat(message.bytes as usize / line.len())
}

/// What stands in a letter and in no other.
fn mark(letter: usize) -> String {
    format!("letter-{letter}.")
}

/// Which letter a text is.
pub fn letter_of(text: &str) -> Option<usize> {
    let start = text.find("letter-")? + "letter-".len();
    let len = text[start..].find('.')?;
    text[start..start + len].parse().ok()
}

/// Broken messages, each with the code of its refusal. Those that end the connection are no texts.
pub fn babble(babble: Babble, room: u32, user: u32, id: u64) -> Option<(String, &'static str)> {
    let (session, user) = (names::session(room), names::user(user));
    Some(match babble {
        Babble::NotJson => (r#"{"type":"ping","id":1"#.to_owned(), "BAD_JSON"),
        Babble::Array => (r#"["ping"]"#.to_owned(), "BAD_MESSAGE"),
        Babble::UnknownType => (open("wave", Some(id)) + "}", "UNKNOWN_TYPE"),
        Babble::Repeated => (
            open("leave-room", Some(id))
                + &format!(
                    r#","sessionId":"{session}","userId":"{user}","us\u0065rId":"{user}"}}"#
                ),
            "BAD_MESSAGE",
        ),
        Babble::Incomplete => {
            (open("offer", Some(id)) + &format!(r#","sessionId":"{session}"}}"#), "BAD_MESSAGE")
        }
        Babble::TooLarge | Babble::Binary | Babble::NotUtf8 | Babble::BadFrame => return None,
    })
}
