//! Messages written member by member, so that a test can omit, corrupt or repeat one.

use autamedica_signaling::message::problem::{Flaw, Problem};
use autamedica_signaling::message::request::{Parsed, parse};

pub const SESSION: &str = r#""0d9c6a1b-4b3f-4f0e-8a77-5f1c2e9b8d34""#;
pub const DOCTOR: &str = r#""6f1f0c2e-8a52-4c6e-9d1e-0b6f3a7c5d21""#;
pub const PATIENT: &str = r#""b3d1b0a4-71f2-4c58-9a0e-2f6f1f9a7e11""#;
pub const OFFER: &str = r#"{"type":"offer","sdp":"v=0\r\n"}"#;
pub const ANSWER: &str = r#"{"type":"answer","sdp":"v=0\r\n"}"#;
pub const CANDIDATE: &str =
    r#"{"candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ host","sdpMid":"0","sdpMLineIndex":0}"#;
pub const STATS: &str = r#"{"bitrate":1200.5,"latency":40,"packetLoss":0,"quality":"good"}"#;

/// A message as its members: name and value, both as they stand in the text.
#[derive(Clone, Debug)]
pub struct Message(Vec<(String, String)>);

impl Message {
    /// A message of this type and these members.
    pub fn new(kind: &str, members: &[(&str, &str)]) -> Self {
        let kind = ("type".to_owned(), format!("\"{kind}\""));
        let members = members.iter().map(|(name, value)| (quote(name), (*value).to_owned()));
        Self([(quote(&kind.0), kind.1)].into_iter().chain(members).collect())
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        match self.0.iter_mut().find(|(known, _)| *known == quote(name)) {
            Some(member) => value.clone_into(&mut member.1),
            None => self.0.push((quote(name), value.to_owned())),
        }
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| *known != quote(name));
        self
    }

    /// Says a member once more at the end; `name` as it stands in the text, without the quotes.
    pub fn again(mut self, name: &str, value: &str) -> Self {
        self.0.push((quote(name), value.to_owned()));
        self
    }

    /// Spells the names of all members with an escape.
    pub fn escaped(mut self) -> Self {
        self.0.iter_mut().for_each(|(name, _)| *name = quote(&escape(name.trim_matches('"'))));
        self
    }

    /// In another order.
    pub fn reversed(mut self) -> Self {
        self.0.reverse();
        self
    }

    pub fn text(&self) -> String {
        let members: Vec<_> =
            self.0.iter().map(|(name, value)| format!("{name}:{value}")).collect();
        format!("{{{}}}", members.join(","))
    }
}

fn quote(name: &str) -> String {
    format!("\"{name}\"")
}

/// `name` with its first character as an escape.
pub fn escape(name: &str) -> String {
    let first = name.chars().next().map_or(0, u32::from);
    format!("\\u{first:04x}{}", name.get(1..).unwrap_or_default())
}

/// Every message of a client with all that it must have, and the names of that.
pub fn messages() -> Vec<(Message, Vec<&'static str>)> {
    let (speaker, user) = (("sessionId", SESSION), ("userId", DOCTOR));
    let (from, to) = (("fromUserId", DOCTOR), ("toUserId", PATIENT));
    [
        ("join-room", vec![speaker, user, ("userType", "\"doctor\"")]),
        ("leave-room", vec![speaker, user]),
        ("offer", vec![speaker, from, to, ("sdp", OFFER)]),
        ("answer", vec![speaker, from, to, ("sdp", ANSWER)]),
        ("ice-candidate", vec![speaker, from, to, ("candidate", CANDIDATE)]),
        ("media-control", vec![speaker, from, to, ("audio", "false")]),
        ("media-state", vec![speaker, user, ("audio", "true"), ("video", "false")]),
        ("connection-state", vec![speaker, user, ("state", "\"failed\"")]),
        ("connection-stats", vec![speaker, user, ("stats", STATS)]),
        ("end-session", vec![speaker, user]),
        ("refresh-token", vec![("authToken", "\"a.b.c\"")]),
        ("ping", vec![]),
    ]
    .map(|(kind, members)| {
        // `media-control` needs one of two: a case of its own.
        let names = members.iter().map(|(name, _)| *name);
        let names = names.filter(|name| kind != "media-control" || *name != "audio").collect();
        (Message::new(kind, &members), names)
    })
    .into()
}

/// One of [`messages`].
pub fn message(kind: &str) -> Message {
    let quoted = format!("\"{kind}\"");
    let found = messages().into_iter().find(|(message, _)| message.0[0].1 == quoted);
    found.expect("a type of message").0
}

/// The problem with `text`, and the id that goes into its `error`.
pub fn problem(text: &str) -> Option<(Problem, Option<String>)> {
    let Parsed { id, request } = parse(text);
    request.err().map(|problem| (problem, id.map(|id| id.as_json().to_owned())))
}

/// The code of the `error` that answers `text`; nothing where it is fine.
pub fn code(text: &str) -> Option<&'static str> {
    problem(text).map(|(problem, _)| problem.code())
}

/// What makes `text` a `BAD_MESSAGE`.
pub fn flaw(text: &str) -> Option<Flaw> {
    match problem(text) {
        Some((Problem::BadMessage(flaw), _)) => Some(flaw),
        _ => None,
    }
}
