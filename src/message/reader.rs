//! Messages that come one after the other. Most that come together are candidates of one for one other: they begin alike, and
//! what they begin with need be read once only.

use super::UserId;
use super::description::{CandidateInit, DescriptionInit};
use super::envelope;
use super::request::{Content, Parsed, Relay, RelayKind, Request, Speaker};
use crate::base::redacted::Redacted;
use crate::wire::json::Fields;

/// What a beginning holds at most: four names, a type and three ids take 190 bytes.
const BEGINNING_BYTES_MAX: usize = 256;

/// Reads messages. What it says of one depends on nothing but that one; how long it takes does.
#[derive(Debug, Default)]
pub struct Reader {
    last: Option<Beginning>,
}

/// A relayed message up to its last value, which is the description or candidate: all of its other members, and no `id`, which
/// would be another one each time.
#[derive(Debug)]
struct Beginning {
    /// So many bytes of the message, and some that follow.
    len: usize,
    text: Redacted<[u8; BEGINNING_BYTES_MAX]>,
    kind: RelayKind,
    speaker: Speaker,
    to: UserId,
}

impl Reader {
    /// Reads one message: [`request::parse`](super::request::parse), but quicker where it begins like the last one.
    pub fn parse<'a>(&mut self, text: &'a str) -> Parsed<'a> {
        let alike = self.last.as_ref().and_then(|last| last.read_on(text));
        if let Some(relay) = alike {
            return Parsed { id: None, request: Ok(Request::Relay(relay)) };
        }
        let (parsed, beginning) = envelope::parse_with_beginning(text);
        if let (Some(len), Ok(Request::Relay(relay))) = (beginning, &parsed.request) {
            self.last = Beginning::of(text, len, relay).or(self.last.take());
        }
        parsed
    }
}

impl Beginning {
    fn of(text: &str, len: usize, relay: &Relay<'_>) -> Option<Self> {
        let begin = text.as_bytes().first_chunk().filter(|begin| len <= begin.len())?;
        let Relay { kind, speaker, to, .. } = *relay;
        Some(Self { len, text: Redacted::new(*begin), kind, speaker, to })
    }

    /// The message, where it begins in this way and ends with the object that follows. Whatever is wrong with that, somebody
    /// else is to say it.
    fn read_on<'a>(&self, text: &'a str) -> Option<Relay<'a>> {
        let beginning = self.text.reveal().get(..self.len)?;
        if !text.as_bytes().starts_with(beginning) {
            return None;
        }
        let value = text.get(self.len..)?;
        let Self { kind, speaker, to, .. } = *self;
        let content = self.content(value)?;
        Some(Relay { kind, speaker, to, content })
    }

    fn content<'a>(&self, value: &'a str) -> Option<Content<'a>> {
        if self.kind == RelayKind::IceCandidate {
            let mut init = CandidateInit::default();
            init.read_last(value).then(|| init.content())?
        } else {
            let mut init = DescriptionInit::default();
            init.read_last(value).then(|| init.content(self.kind))?
        }
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

    fn messages() -> Vec<String> {
        let other = HEAD.replace("0e3f", "0e4f");
        let other_type = OFFER.replace("offer", "answer");
        let contents = [
            ("candidate", CANDIDATE),
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
            ("sdp", &other_type),
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
        let mut read_on = 0;
        for first in &messages {
            let mut reader = Reader::default();
            reader.parse(first);
            let Some(begun) = reader.last else { continue };
            for (text, expected) in messages.iter().zip(&expected) {
                read_on += usize::from(begun.read_on(text).is_some());
                let mut reader = Reader::default();
                reader.parse(first);
                assert_eq!(&said(&reader.parse(text)), expected, "{text} after {first}");
            }
        }
        // Those whose other members are the same and whose last one is an object that may be there.
        assert!(read_on >= 9, "{read_on}");
    }

    #[test]
    fn nothing_is_shown_of_what_came_before() {
        let mut reader = Reader::default();
        reader.parse(&messages()[0]);
        assert!(reader.last.is_some());
        assert!(!format!("{reader:?}").contains("6f1e8a3c"), "{reader:?}");
    }
}
