//! From the text of a message to what it says.

use serde::Deserialize;

use super::description::{CandidateInit, DescriptionInit, is_null};
use super::lenient;
use super::problem::{Flaw, Problem};
use super::record::FAILURES;
use super::request::{
    ConnectionState, Content, Join, MediaChange, MessageId, Reason, Relay, RelayKind, Request,
    Speaker, Stats,
};
use super::{Role, RoomType, SessionId, UserId};
use crate::wire::json::{self, Excess, Field, Fields, Raw, present};

/// The longest `errorCode` that a client may report, in bytes.
const ERROR_CODE_BYTES_MAX: usize = 64;

/// A message with its `id`.
#[derive(Debug)]
pub struct Parsed<'a> {
    /// What the client wants to see in the answer.
    pub id: Option<MessageId<'a>>,
    /// The message, or what is wrong with it.
    pub request: Result<Request<'a>, Problem>,
}

/// Reads one message. Valid messages of ordinary shape allocate nothing.
pub fn parse(text: &str) -> Parsed<'_> {
    let (parsed, _) = parse_unchecked(text);
    match &parsed.request {
        Ok(Request::Relay(relay)) if !relay.content.is_json() => parse_slowly(text).0,
        _ => parsed,
    }
}

/// The same without a check of the description; and where the description or candidate begins, where that is all that differs in
/// messages that begin alike: it is the last member, and there is no `id`.
pub(super) fn parse_unchecked(text: &str) -> (Parsed<'_>, Option<usize>) {
    let mut envelope = Envelope { inner: Some(Inner::default()), ..Envelope::default() };
    if !envelope.read_quickly(text) {
        return parse_slowly(text);
    }
    let parsed = parsed(text, &envelope);
    let is_passed_on =
        matches!(&parsed.0.request, Ok(Request::Relay(relay)) if relay.content.is_text());
    if is_passed_on || envelope.inner.is_none_or(|inner| inner.description.is_json()) {
        parsed
    } else {
        parse_slowly(text)
    }
}

fn parse_slowly(text: &str) -> (Parsed<'_>, Option<usize>) {
    match Envelope::read(text) {
        Ok(envelope) => parsed(text, &envelope),
        Err(problem) => {
            let id = lenient::id(text, problem);
            (Parsed { id, request: Err(problem) }, None)
        }
    }
}

fn parsed<'a>(text: &'a str, envelope: &Envelope<'a>) -> (Parsed<'a>, Option<usize>) {
    match envelope.id.map(|raw| MessageId::read(raw).ok_or(Flaw::Wrong("id"))).transpose() {
        Ok(id) => (Parsed { id, request: envelope.request() }, envelope.beginning(text)),
        Err(flaw) => (Parsed { id: None, request: Err(flaw.into()) }, None),
    }
}

/// Every field that the contract knows, not looked into yet. Whichever a `type` does not use is ignored with it.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(rename = "type", borrow, default, deserialize_with = "present")]
    kind: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    session_id: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    user_id: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    user_type: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    from_user_id: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    to_user_id: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    sdp: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    candidate: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    auth_token: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    room_type: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    reason: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    media: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    resume: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    audio: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    video: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    screen: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    state: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    error_code: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    stats: Field<'a>,
    /// The members of `sdp` and `candidate`, where they were read on the way.
    #[serde(skip)]
    inner: Option<Inner<'a>>,
}

#[derive(Clone, Copy, Default)]
struct Inner<'a> {
    description: DescriptionInit<'a>,
    candidate: CandidateInit<'a>,
}

impl<'a> Fields<'a> for Envelope<'a> {
    #[inline]
    fn place(&mut self, name: &[u8]) -> Option<&mut Field<'a>> {
        json::place!(self, name, {
            b"type" => kind,
            b"sessionId" => session_id,
            b"fromUserId" => from_user_id,
            b"toUserId" => to_user_id,
            b"candidate" => candidate,
            b"sdp" => sdp,
            b"id" => id,
            b"userId" => user_id,
            b"userType" => user_type,
            b"authToken" => auth_token,
            b"roomType" => room_type,
            b"reason" => reason,
            b"media" => media,
            b"resume" => resume,
            b"audio" => audio,
            b"video" => video,
            b"screen" => screen,
            b"state" => state,
            b"errorCode" => error_code,
            b"stats" => stats,
        })
    }

    #[inline]
    fn place_inner(&mut self, outer: &[u8], name: &[u8]) -> Option<&mut Field<'a>> {
        let inner = self.inner.as_mut()?;
        if outer == b"candidate" {
            inner.candidate.place(name)
        } else if outer == b"sdp" {
            inner.description.place(name)
        } else {
            None
        }
    }

    #[inline]
    fn is_checked_later(outer: Option<&[u8]>, name: &[u8]) -> bool {
        outer == Some(b"sdp") && name == b"sdp"
    }
}

impl<'a> Envelope<'a> {
    fn read(text: &'a str) -> Result<Self, Problem> {
        // A parser works hard for each level of a text, JSON or not, so it does not get those that are too many.
        let bounds = json::check_bounds(text);
        if matches!(bounds, Err(Excess::Depth { .. })) {
            return Err(Flaw::Bounds.into());
        }
        // serde would also read a struct from an array, by position.
        let object = text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{');
        let envelope = if object { serde_json::from_str(text) } else { Err(not_an_object()) };
        match envelope {
            Ok(envelope) => {
                bounds.map_err(|_| Flaw::Bounds)?;
                Ok(envelope)
            }
            // What is wrong with the fields only counts once the whole is known to be JSON.
            Err(_) if Raw::parse(text).is_none() => Err(Problem::BadJson),
            Err(_) if !object => Err(Flaw::NotAnObject.into()),
            // The name of a field is half of a surrogate pair, which is within the grammar of JSON.
            Err(_) if bounds.is_err() => Err(Flaw::Bounds.into()),
            Err(_) => Err(Flaw::Repeated.into()),
        }
    }

    /// Where in `text`, from which it was read in the ordinary way, its last value begins: see [`parse_unchecked`].
    fn beginning(&self, text: &str) -> Option<usize> {
        self.inner?;
        let content = if self.sdp.is_some() { self.sdp } else { self.candidate };
        let content = content.filter(|_| self.id.is_none())?;
        let (begin, content) = (content.place_in(text)?, content.get());
        let is_last = text.get(begin + content.len()..) == Some("}");
        (is_last && content.starts_with('{')).then_some(begin)
    }

    fn request(&self) -> Result<Request<'a>, Problem> {
        let kind = required(self.kind, "type", json::string)?;
        Ok(match kind.as_ref() {
            "join-room" => Request::Join(self.join()?),
            "leave-room" => Request::Leave(self.speaker()?),
            "offer" => Request::Relay(self.relay(RelayKind::Offer)?),
            "answer" => Request::Relay(self.relay(RelayKind::Answer)?),
            "ice-candidate" => Request::Relay(self.relay(RelayKind::IceCandidate)?),
            "media-control" => Request::Relay(self.relay(RelayKind::MediaControl)?),
            "media-state" => Request::MediaState(self.speaker()?, self.media_state()?),
            "connection-state" => {
                let (speaker, state) = (self.speaker()?, self.connection_state()?);
                Request::ConnectionState(speaker, state, self.failure()?)
            }
            "connection-stats" => Request::ConnectionStats(
                self.speaker()?,
                required(self.stats, "stats", read_stats)?,
            ),
            "end-session" => {
                let reason = optional(self.reason, "reason", Reason::read)?;
                Request::EndSession(self.speaker()?, reason.flatten())
            }
            "refresh-token" => {
                Request::RefreshToken(required(self.auth_token, "authToken", json::string)?)
            }
            "ping" => Request::Ping,
            _ => return Err(Problem::UnknownType),
        })
    }

    fn join(&self) -> Result<Join<'a>, Problem> {
        let reason = optional(self.reason, "reason", Reason::read)?;
        let resume = optional(self.resume, "resume", read_resume)?;
        Ok(Join {
            speaker: self.speaker()?,
            role: required(self.user_type, "userType", |raw| Role::parse(&json::string(raw)?))?,
            token: optional(self.auth_token, "authToken", json::string)?,
            room_type: optional(self.room_type, "roomType", |raw| {
                RoomType::parse(&json::string(raw)?)
            })?,
            reason: reason.flatten(),
            media: optional(self.media, "media", read_media)?.unwrap_or_default(),
            received: resume.map(|(received, _)| received),
            stream: resume.and_then(|(_, stream)| stream),
        })
    }

    fn relay(&self, kind: RelayKind) -> Result<Relay<'a>, Problem> {
        let speaker = self.speaker_named(self.from_user_id, "fromUserId")?;
        let to = required(self.to_user_id, "toUserId", |raw| id(raw, UserId::parse))?;
        // Some readers go by what is there and not by the `type`. What is not read here must not be there for them.
        let (describes, names) = match kind {
            RelayKind::Offer | RelayKind::Answer => (true, false),
            RelayKind::IceCandidate => (false, true),
            RelayKind::MediaControl => (false, false),
        };
        if !describes {
            absent(self.sdp, "sdp")?;
        }
        if !names {
            absent(self.candidate, "candidate")?;
        }
        let content = match kind {
            RelayKind::IceCandidate => required(self.candidate, "candidate", |raw| {
                if is_null(raw) {
                    return Some(Content::Nothing);
                }
                self.object(raw, |inner| inner.candidate)?.content()
            })?,
            RelayKind::MediaControl => {
                let audio = optional(self.audio, "audio", json::boolean)?;
                let video = optional(self.video, "video", json::boolean)?;
                audio.or(video).ok_or(Flaw::Missing("audio or video"))?;
                Content::Nothing
            }
            RelayKind::Offer | RelayKind::Answer => required(self.sdp, "sdp", |raw| {
                self.object(raw, |inner| inner.description)?.content(kind)
            })?,
        };
        Ok(Relay { kind, speaker, to, content })
    }

    /// The object that the member `raw` is, if it is one.
    fn object<T: Fields<'a>>(&self, raw: Raw<'a>, taken: fn(Inner<'a>) -> T) -> Option<T> {
        match self.inner {
            Some(inner) if raw.get().starts_with('{') => Some(taken(inner)),
            _ => json::object(raw),
        }
    }

    fn media_state(&self) -> Result<MediaChange, Problem> {
        Ok(MediaChange {
            audio: Some(required(self.audio, "audio", json::boolean)?),
            video: Some(required(self.video, "video", json::boolean)?),
            screen: optional(self.screen, "screen", json::boolean)?,
        })
    }

    fn connection_state(&self) -> Result<ConnectionState, Problem> {
        let state = |raw| ConnectionState::parse(&json::string(raw)?);
        Ok(required(self.state, "state", state)?)
    }

    /// Which failure `errorCode` names.
    fn failure(&self) -> Result<Option<&'static str>, Problem> {
        let code = optional(self.error_code, "errorCode", |raw| {
            json::string(raw).filter(|code| code.len() <= ERROR_CODE_BYTES_MAX)
        })?;
        let known = |code: &str| FAILURES.into_iter().find(|one| *one == code);
        Ok(code.map(|code| known(&code).unwrap_or("OTHER")))
    }

    fn speaker(&self) -> Result<Speaker, Problem> {
        self.speaker_named(self.user_id, "userId")
    }

    fn speaker_named(&self, user: Field<'a>, name: &'static str) -> Result<Speaker, Problem> {
        Ok(Speaker {
            session: required(self.session_id, "sessionId", |raw| id(raw, SessionId::parse))?,
            user: required(user, name, |raw| id(raw, UserId::parse))?,
        })
    }
}

/// An id, whose characters may be written as escapes, though nobody does.
fn id<T>(raw: Raw<'_>, parse: fn(&str) -> Option<T>) -> Option<T> {
    json::plain(raw).and_then(parse).or_else(|| parse(&json::string(raw)?))
}

fn required<'a, T>(
    field: Field<'a>,
    name: &'static str,
    read: impl FnOnce(Raw<'a>) -> Option<T>,
) -> Result<T, Flaw> {
    read(field.ok_or(Flaw::Missing(name))?).ok_or(Flaw::Wrong(name))
}

/// Many clients write `null` for what they do not say.
fn optional<'a, T>(
    field: Field<'a>,
    name: &'static str,
    read: impl FnOnce(Raw<'a>) -> Option<T>,
) -> Result<Option<T>, Flaw> {
    match field {
        Some(raw) if raw.get() != "null" => read(raw).map(Some).ok_or(Flaw::Wrong(name)),
        _ => Ok(None),
    }
}

/// Whether nothing is said, or `null`.
fn absent(field: Field<'_>, name: &'static str) -> Result<(), Flaw> {
    optional(field, name, |_| None::<()>).map(|_| ())
}

fn read_media(raw: Raw<'_>) -> Option<MediaChange> {
    #[derive(Default, Deserialize)]
    struct Media<'a> {
        #[serde(borrow, default, deserialize_with = "present")]
        audio: Field<'a>,
        #[serde(borrow, default, deserialize_with = "present")]
        video: Field<'a>,
    }
    impl<'a> Fields<'a> for Media<'a> {
        fn place(&mut self, name: &[u8]) -> Option<&mut Field<'a>> {
            json::place!(self, name, {
                    b"audio" => audio,
                    b"video" => video,
            })
        }
    }
    let fields: Media = json::object(raw)?;
    let audio = optional(fields.audio, "media", json::boolean).ok()?;
    let video = optional(fields.video, "media", json::boolean).ok()?;
    Some(MediaChange { audio, video, screen: None })
}

/// How many messages were received, and of which stream.
fn read_resume(raw: Raw<'_>) -> Option<(u64, Option<u64>)> {
    #[derive(Default, Deserialize)]
    struct Resume<'a> {
        #[serde(borrow, default, deserialize_with = "present")]
        received: Field<'a>,
        #[serde(borrow, default, deserialize_with = "present")]
        stream: Field<'a>,
    }
    impl<'a> Fields<'a> for Resume<'a> {
        fn place(&mut self, name: &[u8]) -> Option<&mut Field<'a>> {
            json::place!(self, name, {
                    b"received" => received,
                    b"stream" => stream,
            })
        }
    }
    let fields: Resume = json::object(raw)?;
    let stream = optional(fields.stream, "resume", json::unsigned).ok()?;
    Some((json::unsigned(fields.received?)?, stream))
}

fn read_stats(raw: Raw<'_>) -> Option<Stats<'_>> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Said<'a> {
        #[serde(borrow, default, deserialize_with = "present")]
        bitrate: Field<'a>,
        #[serde(borrow, default, deserialize_with = "present")]
        latency: Field<'a>,
        #[serde(borrow, default, deserialize_with = "present")]
        packet_loss: Field<'a>,
        #[serde(borrow, default, deserialize_with = "present")]
        quality: Field<'a>,
    }
    impl<'a> Fields<'a> for Said<'a> {
        fn place(&mut self, name: &[u8]) -> Option<&mut Field<'a>> {
            json::place!(self, name, {
                    b"bitrate" => bitrate,
                    b"latency" => latency,
                    b"packetLoss" => packet_loss,
                    b"quality" => quality,
            })
        }
    }
    let fields: Said = json::object(raw)?;
    let quality = json::string(fields.quality?)?;
    Some(Stats {
        bitrate: json::measure(fields.bitrate?)?,
        latency: json::measure(fields.latency?)?,
        packet_loss: json::measure(fields.packet_loss?)?,
        quality: ["excellent", "good", "fair", "poor"].into_iter().find(|name| *name == quality)?,
    })
}

fn not_an_object() -> serde_json::Error {
    serde::de::Error::custom("not an object")
}
