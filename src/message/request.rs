//! What clients say: one JSON object per message, its event named by `type`.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::description::{check_candidate, check_description};
use super::problem::{Flaw, Problem};
use super::{Role, RoomType, SessionId, UserId};
use crate::wire::json::{self, Field, present};

/// The longest `id` that a client may give a message, in bytes of UTF-8.
pub const ID_BYTES_MAX: usize = 64;

/// A message whose shape is right; who may say it is not its business.
#[derive(Debug)]
pub enum Request<'a> {
    /// `join-room`
    Join(Join<'a>),
    /// `leave-room`
    Leave(Speaker),
    /// `offer`, `answer` or `ice-candidate`
    Relay(Relay),
    /// `ping`
    Ping,
}

/// `join-room`
#[derive(Debug)]
pub struct Join<'a> {
    /// The room, and who wants to enter it.
    pub speaker: Speaker,
    /// The part that the user claims to play.
    pub role: Role,
    /// The token, where it was not presented with the upgrade.
    pub token: Option<Cow<'a, str>>,
    /// The kind of room that is wished.
    pub room_type: Option<RoomType>,
    /// What the user sends from the start.
    pub media: Media,
}

/// The room and the user that a message names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// `sessionId`
    pub session: SessionId,
    /// `userId`, or `fromUserId`
    pub user: UserId,
}

/// A message that is passed on to another participant byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Which of them.
    pub kind: RelayKind,
    /// The room and the sender that the message names.
    pub speaker: Speaker,
    /// The addressee.
    pub to: UserId,
}

/// The messages that are relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayKind {
    /// `offer`
    Offer,
    /// `answer`
    Answer,
    /// `ice-candidate`
    IceCandidate,
}

/// What a participant sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media {
    /// Sound.
    pub audio: bool,
    /// Picture.
    pub video: bool,
    /// The screen.
    pub screen: bool,
}

impl Default for Media {
    fn default() -> Self {
        Self { audio: true, video: true, screen: false }
    }
}

/// The `id` of a message as the client wrote it, quotes and escapes included: what an `ack` or `error` repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageId<'a>(&'a str);

impl<'a> MessageId<'a> {
    /// The JSON value.
    pub const fn as_json(self) -> &'a str {
        self.0
    }

    fn read(raw: &'a RawValue) -> Option<Self> {
        let valid = match json::string(raw) {
            Some(text) => text.len() <= ID_BYTES_MAX,
            // `u64` would also read a sign.
            None => {
                raw.get().starts_with(|first: char| first.is_ascii_digit())
                    && raw.get().parse::<u64>().is_ok()
            }
        };
        valid.then_some(Self(raw.get()))
    }
}

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
    let envelope = match Envelope::read(text) {
        Ok(envelope) => envelope,
        Err(problem) => return Parsed { id: lenient_id(text, problem), request: Err(problem) },
    };
    match envelope.id.map(|raw| MessageId::read(raw).ok_or(Flaw::Wrong("id"))).transpose() {
        Ok(id) => Parsed { id, request: envelope.request() },
        Err(flaw) => Parsed { id: None, request: Err(flaw.into()) },
    }
}

/// Every field that the contract knows, not looked into yet. Whichever a `type` does not use is ignored with it.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow, default, deserialize_with = "present")]
    kind: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Field<'a>,
    #[serde(rename = "sessionId", borrow, default, deserialize_with = "present")]
    session: Field<'a>,
    #[serde(rename = "userId", borrow, default, deserialize_with = "present")]
    user: Field<'a>,
    #[serde(rename = "userType", borrow, default, deserialize_with = "present")]
    role: Field<'a>,
    #[serde(rename = "fromUserId", borrow, default, deserialize_with = "present")]
    from: Field<'a>,
    #[serde(rename = "toUserId", borrow, default, deserialize_with = "present")]
    to: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    sdp: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    candidate: Field<'a>,
    #[serde(rename = "authToken", borrow, default, deserialize_with = "present")]
    token: Field<'a>,
    #[serde(rename = "roomType", borrow, default, deserialize_with = "present")]
    room_type: Field<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    media: Field<'a>,
}

impl<'a> Envelope<'a> {
    fn read(text: &'a str) -> Result<Self, Problem> {
        // serde would also read a struct from an array, by position.
        let object = text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{');
        let envelope = if object { serde_json::from_str(text) } else { Err(not_an_object()) };
        match envelope {
            Ok(envelope) => {
                json::check_bounds(text).map_err(|_| Flaw::Bounds)?;
                Ok(envelope)
            }
            // What is wrong with the fields only counts once the whole is known to be JSON.
            Err(error) if error.classify() != Category::Data => Err(Problem::BadJson),
            Err(_) if serde_json::from_str::<&RawValue>(text).is_err() => Err(Problem::BadJson),
            Err(_) if !object => Err(Flaw::NotAnObject.into()),
            Err(_) => Err(Flaw::Repeated.into()),
        }
    }

    fn request(&self) -> Result<Request<'a>, Problem> {
        let kind = required(self.kind, "type", json::string)?;
        match kind.as_ref() {
            "join-room" => self.join().map(Request::Join),
            "leave-room" => self.speaker(self.user, "userId").map(Request::Leave),
            "offer" => self.relay(RelayKind::Offer).map(Request::Relay),
            "answer" => self.relay(RelayKind::Answer).map(Request::Relay),
            "ice-candidate" => self.relay(RelayKind::IceCandidate).map(Request::Relay),
            "ping" => Ok(Request::Ping),
            _ => Err(Problem::UnknownType),
        }
    }

    fn join(&self) -> Result<Join<'a>, Problem> {
        Ok(Join {
            speaker: self.speaker(self.user, "userId")?,
            role: required(self.role, "userType", |raw| Role::parse(&json::string(raw)?))?,
            token: optional(self.token, "authToken", json::string)?,
            room_type: optional(self.room_type, "roomType", |raw| {
                RoomType::parse(&json::string(raw)?)
            })?,
            media: optional(self.media, "media", read_media)?.unwrap_or_default(),
        })
    }

    fn relay(&self, kind: RelayKind) -> Result<Relay, Problem> {
        let speaker = self.speaker(self.from, "fromUserId")?;
        let to = required(self.to, "toUserId", |raw| UserId::parse(&json::string(raw)?))?;
        match kind {
            RelayKind::IceCandidate => required(self.candidate, "candidate", check_candidate)?,
            _ => required(self.sdp, "sdp", |raw| check_description(raw, kind))?,
        }
        Ok(Relay { kind, speaker, to })
    }

    fn speaker(&self, user: Field<'a>, name: &'static str) -> Result<Speaker, Problem> {
        Ok(Speaker {
            session: required(self.session, "sessionId", |raw| {
                SessionId::parse(&json::string(raw)?)
            })?,
            user: required(user, name, |raw| UserId::parse(&json::string(raw)?))?,
        })
    }
}

fn required<'a, T>(
    field: Field<'a>,
    name: &'static str,
    read: impl FnOnce(&'a RawValue) -> Option<T>,
) -> Result<T, Flaw> {
    read(field.ok_or(Flaw::Missing(name))?).ok_or(Flaw::Wrong(name))
}

/// Many clients write `null` for what they do not say.
fn optional<'a, T>(
    field: Field<'a>,
    name: &'static str,
    read: impl FnOnce(&'a RawValue) -> Option<T>,
) -> Result<Option<T>, Flaw> {
    match field {
        Some(raw) if raw.get() != "null" => read(raw).map(Some).ok_or(Flaw::Wrong(name)),
        _ => Ok(None),
    }
}

fn read_media(raw: &RawValue) -> Option<Media> {
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(borrow, default, deserialize_with = "present")]
        audio: Field<'a>,
        #[serde(borrow, default, deserialize_with = "present")]
        video: Field<'a>,
    }
    let fields: Fields =
        raw.get().starts_with('{').then(|| serde_json::from_str(raw.get()).ok())??;
    let flag =
        |field| optional(field, "media", json::boolean).ok().map(|flag| flag.unwrap_or(true));
    Some(Media { audio: flag(fields.audio)?, video: flag(fields.video)?, screen: false })
}

fn not_an_object() -> serde_json::Error {
    serde::de::Error::custom("not an object")
}

/// The `id` of a message whose fields cannot be told otherwise, so that its sender learns which one it was.
fn lenient_id(text: &str, problem: Problem) -> Option<MessageId<'_>> {
    #[derive(Deserialize)]
    struct OnlyId<'a> {
        #[serde(borrow, default, deserialize_with = "present")]
        id: Field<'a>,
    }
    if problem != Problem::BadMessage(Flaw::Repeated) {
        return None;
    }
    serde_json::from_str::<OnlyId>(text).ok()?.id.and_then(MessageId::read)
}
