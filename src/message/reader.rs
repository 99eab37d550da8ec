//! Reads messages one after the other. Most of what a participant sends are candidates for another one: they begin and end alike,
//! and what they have in common is read only once.

use super::UserId;
use super::description::{CandidateInit, DescriptionInit};
use super::envelope;
use super::request::{Content, Parsed, Relay, RelayKind, Request, Speaker};
use crate::base::redacted::Redacted;
use crate::wire::json::{self, Fields};

/// How much of a beginning is remembered. Names, a type and three ids take 210 bytes up to the candidate itself.
const BEGINNING_BYTES_MAX: usize = 256;

/// How many last messages are remembered: enough for the calls that are set up at the same time, and little enough to stay in
/// the caches.
const READERS: usize = 128;

/// How much of an end is remembered. Behind a candidate stands which part of the description it belongs to.
const END_BYTES_MAX: usize = 96;

/// Reads messages. What it says of one depends on nothing but that one; how long it takes does.
#[derive(Debug)]
pub struct Reader {
    /// How the last message begins, and how it ends behind the string that WebRTC reads. Both are written in place, because moving
    /// memory that was just written stalls the processor.
    begin: Redacted<[u8; BEGINNING_BYTES_MAX]>,
    end: Redacted<[u8; END_BYTES_MAX]>,
    last: Option<Last>,
}

/// Readers for all connections. A few of these share one, which then remembers less.
#[derive(Debug)]
pub struct Readers(Box<[Reader; READERS]>);

impl Default for Readers {
    fn default() -> Self {
        Self(Box::new(std::array::from_fn(|_| Reader::default())))
    }
}

impl Readers {
    /// The one for a connection, which is told by its number.
    pub fn of(&mut self, connection: u32) -> &mut Reader {
        &mut self.0[connection as usize % READERS]
    }
}

/// The last relayed message without an `id`. (An `id` would differ each time.)
#[derive(Debug)]
struct Last {
    /// Where its last value begins: the description or candidate. All other members stand before it.
    value_at: usize,
    kind: RelayKind,
    speaker: Speaker,
    to: UserId,
    around: Option<Around>,
}

/// Where the string is that WebRTC reads. Nothing else that is read from the message depends on it.
#[derive(Clone, Copy, Debug)]
struct Around {
    string_at: usize,
    /// How many bytes follow the string.
    end_len: usize,
    is_candidate: bool,
}

impl Default for Reader {
    fn default() -> Self {
        let (begin, end) = ([0; BEGINNING_BYTES_MAX], [0; END_BYTES_MAX]);
        Self { begin: Redacted::new(begin), end: Redacted::new(end), last: None }
    }
}

impl Reader {
    /// Reads one message: [`request::parse`](super::request::parse), but quicker where it begins like the last one, and without a
    /// check of the description in it. Whether a message is JSON is known only after [`Content::is_json`], or when its description
    /// passed; until then, any part of it may be something else.
    pub fn parse<'a>(&mut self, text: &'a str) -> Parsed<'a> {
        if let Some(relay) = self.read_on(text) {
            return Parsed { id: None, request: Ok(Request::Relay(relay)) };
        }
        let (parsed, value_at) = envelope::parse_unchecked(text);
        if let (Some(value_at), Ok(Request::Relay(relay))) = (value_at, &parsed.request) {
            self.remember(text, value_at, relay);
        }
        parsed
    }

    fn remember(&mut self, text: &str, value_at: usize, relay: &Relay<'_>) {
        let Some(begin) = text.as_bytes().first_chunk().filter(|it| value_at <= it.len()) else {
            return;
        };
        *self.begin.reveal_mut() = *begin;
        let Relay { kind, speaker, to, content } = *relay;
        let around = self.remember_around(text, content);
        self.last = Some(Last { value_at, kind, speaker, to, around });
    }

    fn remember_around(&mut self, text: &str, content: Content<'_>) -> Option<Around> {
        let (string, is_candidate) = match content {
            Content::Candidate(string) => (string.get(), true),
            Content::Description(string) => (string.get(), false),
            // Whether a rollback may have a text depends on that text.
            Content::Rollback(_) | Content::Nothing => return None,
        };
        let string_at = json::place_in(string, text).filter(|at| *at <= BEGINNING_BYTES_MAX)?;
        let behind = text.as_bytes().get(string_at + string.len()..)?;
        self.end.reveal_mut().get_mut(..behind.len())?.copy_from_slice(behind);
        Some(Around { string_at, end_len: behind.len(), is_candidate })
    }

    /// Reads a message that begins like the last one and ends with the object that follows. `None` if it is different, or if
    /// anything is wrong: then it is read in full.
    fn read_on<'a>(&mut self, text: &'a str) -> Option<Relay<'a>> {
        let &Last { value_at, kind, speaker, to, around } = self.last.as_ref()?;
        let relay = |content| Relay { kind, speaker, to, content };
        if let Some(content) = around.and_then(|around| self.read_string(text, around)) {
            return Some(relay(content));
        }
        let relay = relay(self.read_value(text, value_at, kind)?);
        self.remember(text, value_at, &relay);
        Some(relay)
    }

    /// Reads a message in which everything but the string is the same.
    fn read_string<'a>(&self, text: &'a str, around: Around) -> Option<Content<'a>> {
        let Around { string_at, end_len, is_candidate } = around;
        if !self.begins(text, string_at) {
            return None;
        }
        let (content, end) = if is_candidate {
            let (string, end) = json::string_at(text, string_at)?;
            (Content::Candidate(string), end)
        } else {
            let (string, end) = json::quoted_at(text, string_at)?;
            (Content::Description(string), end)
        };
        (self.end.reveal().get(..end_len)? == end.as_bytes()).then_some(content)
    }

    /// Reads a message in which everything but the last value is the same.
    fn read_value<'a>(
        &self,
        text: &'a str,
        value_at: usize,
        kind: RelayKind,
    ) -> Option<Content<'a>> {
        if !self.begins(text, value_at) {
            return None;
        }
        let value = text.get(value_at..)?;
        if kind == RelayKind::IceCandidate {
            let mut init = CandidateInit::default();
            init.read_last(value).then(|| init.content())?
        } else {
            let mut init = DescriptionInit::default();
            init.read_last(value).then(|| init.content(kind))?
        }
    }

    fn begins(&self, text: &str, len: usize) -> bool {
        let begin = self.begin.reveal().get(..len);
        begin.is_some_and(|begin| text.as_bytes().starts_with(begin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::request::parse;

    const HEAD: &str = r#""sessionId":"6f1e8a3c-0b5d-4c5e-9d3a-2f7b8c9d0e1f","fromUserId":"6f1e8a3c-0b5d-4c5e-9d3a-2f7b8c9d0e2f","toUserId":"6f1e8a3c-0b5d-4c5e-9d3a-2f7b8c9d0e3f""#;
    const CANDIDATE: &str = r#"{"candidate":"candidate:842163049 1 udp 1677729535 192.168.1.17 61764 typ host generation 0","sdpMid":"0"}"#;
    const OFFER: &str = r#"{"type":"offer","sdp":"v=0\r\ns=a description that is not short, since nobody has one that is\r\n"}"#;

    /// Everything that is to be known of a message.
    fn said(parsed: &Parsed<'_>) -> String {
        let id = parsed.id.map(|id| id.as_json());
        match &parsed.request {
            Ok(Request::Relay(Relay { kind, speaker, to, content })) => {
                let ids = [speaker.user.reveal(), to.reveal()];
                format!("{id:?} {kind:?} {} {ids:?} {content:?}", speaker.session.reveal())
            }
            other => format!("{id:?} {other:?}"),
        }
    }

    fn is_json(parsed: &Parsed<'_>) -> bool {
        match &parsed.request {
            Ok(Request::Relay(relay)) => relay.content.is_json(),
            _ => true,
        }
    }

    fn messages() -> Vec<String> {
        let other = HEAD.replace("0e3f", "0e4f");
        let (begin, end) = HEAD.rsplit_once(',').expect("three members");
        let other_type = OFFER.replace("offer", "answer");
        let contents = [
            ("candidate", CANDIDATE),
            ("candidate", &CANDIDATE.replace("host", "srflx")),
            (
                "candidate",
                r#"{"sdpMid":"candidate","candidate":"candidate:842163049 1 udp 1677729535"}"#,
            ),
            ("candidate", &CANDIDATE.replace("host", r"\r\n")),
            ("candidate", &CANDIDATE.replace("host", r"\u0061")),
            ("candidate", &CANDIDATE.replace("host", r#"",""#)),
            ("candidate", &CANDIDATE.replace("host", "\t")),
            ("candidate", &CANDIDATE.replace("\"0\"", "\"1\"")),
            ("candidate", r#"{"candidate":"","x":7}"#),
            ("candidate", r#"{"candidate":"a","candidate":"b"}"#),
            ("candidate", r#"{"sdpMid":7}"#),
            ("candidate", r#"{"x":{}}"#),
            ("candidate", r#"{"candidate":"\u0061"}"#),
            ("candidate", r#"{"candidate":"a\q"}"#),
            ("candidate", r#"{"candidate":"a""#),
            ("candidate", "null"),
            ("candidate", "{}"),
            ("candidate", "\t{ } "),
            ("sdp", OFFER),
            ("sdp", &OFFER.replace("s=", r"s=\q")),
            ("sdp", &OFFER.replace("s=", r"s=\ud800")),
            ("sdp", &OFFER.replace("s=", r"s=\ud83d\ude00")),
            ("sdp", &OFFER.replace("s=", "\t")),
            ("sdp", &OFFER.replace("s=", r#"\""#)),
            ("sdp", &other_type),
            ("sdp", &OFFER.replace("v=0", "v=1")),
            ("sdp", &OFFER.replace("offer", "rollback")),
            ("sdp", r#"{"type":"rollback","sdp":""}"#),
            ("sdp", r#"{"type":"rollback"}"#),
            ("audio", "true"),
        ];
        let mut messages = Vec::new();
        for (name, content) in contents {
            for kind in ["ice-candidate", "offer", "answer", "media-control", "ping"] {
                let blank = " ".repeat(if content.len() < 60 { 90 } else { 0 });
                for text in [
                    format!(r#"{{"type":"{kind}",{HEAD},{blank}"{name}":{content}}}"#),
                    format!(r#"{{"type":"{kind}",{other},{blank}"{name}":{content}}}"#),
                    format!(r#"{{"type":"{kind}",{HEAD},{blank}"{name}":{content}}} "#),
                    format!(r#"{{"type":"{kind}",{HEAD},{blank}"{name}":{content}}}}}"#),
                    format!(r#"{{"type":"{kind}",{HEAD},{blank}"{name}":{content},"id":7}}"#),
                    format!(
                        r#"{{"type":"{kind}",{HEAD},{blank}"{name}":{content},"x":{content}}}"#
                    ),
                    format!(r#"{{"id":7,"type":"{kind}",{HEAD},{blank}"{name}":{content}}}"#),
                    format!(r#"{{"sdp":null,"type":"{kind}",{HEAD},{blank}"{name}":{content}}}"#),
                    format!(r#"{{"type":"{kind}",{begin},{blank}"{name}":{content},{end}}}"#),
                    format!(r#"{{"type":"{kind}",{begin},{blank}"{name}":{content}}}"#),
                ] {
                    messages.push(text);
                }
            }
        }
        messages
    }

    #[test]
    fn what_came_before_changes_nothing() {
        let messages = messages();
        let expected: Vec<_> = messages.iter().map(|text| said(&parse(text))).collect();
        let (mut values, mut strings) = (0, 0);
        for (first, expected_first) in messages.iter().zip(&expected) {
            for (text, expected) in messages.iter().zip(&expected) {
                let mut reader = Reader::default();
                reader.parse(first);
                let Some(&Last { value_at, kind, around, .. }) = reader.last.as_ref() else {
                    break;
                };
                values += usize::from(reader.read_value(text, value_at, kind).is_some());
                let string = around.and_then(|around| reader.read_string(text, around));
                strings += usize::from(string.is_some());
                let again = [(text, expected), (text, expected), (first, expected_first)];
                for (text, expected) in again {
                    let parsed = reader.parse(text);
                    if is_json(&parsed) {
                        assert_eq!(&said(&parsed), expected, "{text} after {first}");
                    } else {
                        assert!(parse(text).request.is_err(), "{text} after {first}");
                    }
                }
                // A message that consists of the beginning of one and the end of the other.
                reader.parse(text);
                let at = reader.last.as_ref().and_then(|last| Some(last.around?.string_at));
                if let Some((begin, end)) =
                    at.and_then(|at| Some((first.get(..at)?, text.get(at..)?)))
                {
                    let mixed = [begin, end].concat();
                    let parsed = reader.parse(&mixed);
                    if is_json(&parsed) {
                        assert_eq!(said(&parsed), said(&parse(&mixed)), "{mixed}");
                    }
                }
            }
        }
        // Those whose other members are the same and whose last one is an object that may be there.
        assert!(values >= 9, "{values}");
        assert!(strings >= 9, "{strings}");
    }

    #[test]
    fn nothing_is_shown_of_what_came_before() {
        let mut reader = Reader::default();
        reader.parse(&messages()[0]);
        assert!(reader.last.is_some());
        assert!(!format!("{reader:?}").contains("6f1e8a3c"), "{reader:?}");
    }
}
