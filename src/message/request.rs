//! What clients say: one JSON object per message, its event named by `type`.

use std::borrow::Cow;

use super::{Role, RoomType, SessionId, UserId};
use crate::wire::json::{self, Raw};

pub use super::envelope::{Parsed, parse};
pub use super::reader::Reader;

/// The longest `id` that a client may give a message, in bytes of UTF-8.
pub const ID_BYTES_MAX: usize = 64;

/// The longest `reason` that a client may give, in bytes of UTF-8.
pub const REASON_BYTES_MAX: usize = 256;

/// A message whose shape is right; who may say it is not its business.
#[derive(Debug)]
pub enum Request<'a> {
    /// `join-room`
    Join(Join<'a>),
    /// `leave-room`
    Leave(Speaker),
    /// `offer`, `answer`, `ice-candidate` or `media-control`
    Relay(Relay<'a>),
    /// `media-state`
    MediaState(Speaker, MediaChange),
    /// `connection-state`, with the `errorCode`: one of [`FAILURES`](super::record::FAILURES), or `OTHER`
    ConnectionState(Speaker, ConnectionState, Option<&'static str>),
    /// `connection-stats`
    ConnectionStats(Speaker, Stats<'a>),
    /// `end-session`, with its reason
    EndSession(Speaker, Option<Reason<'a>>),
    /// `refresh-token`, with the new token
    RefreshToken(Cow<'a, str>),
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
    /// Why a session is entered that the token does not name (emergency access).
    pub reason: Option<Reason<'a>>,
    /// What the user sends from the start.
    pub media: MediaChange,
    /// How many relayed messages the client has received since its last `room-joined` with `resumed` false.
    pub received: Option<u64>,
    /// The number of the stream that these belong to, where the client says so.
    pub stream: Option<u64>,
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
#[derive(Clone, Copy, Debug)]
pub struct Relay<'a> {
    /// Which of them.
    pub kind: RelayKind,
    /// The room and the sender that the message names.
    pub speaker: Speaker,
    /// The addressee.
    pub to: UserId,
    /// What is in it that not everyone may say.
    pub content: Content<'a>,
}

/// The JSON string in a relayed message that WebRTC reads.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// There is none: a `rollback`, the end of candidates, or a message of another kind.
    Nothing,
    /// The text of a session description.
    Description(Raw<'a>),
    /// A `rollback` that has a text all the same.
    Rollback(Raw<'a>),
    /// A candidate.
    Candidate(Raw<'a>),
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
    /// `media-control`
    MediaControl,
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

/// What a participant sends from now on, as far as a message says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaChange {
    /// Sound.
    pub audio: Option<bool>,
    /// Picture.
    pub video: Option<bool>,
    /// The screen.
    pub screen: Option<bool>,
}

impl Media {
    /// This, changed as a message says.
    #[must_use]
    pub fn changed(self, change: MediaChange) -> Self {
        Self {
            audio: change.audio.unwrap_or(self.audio),
            video: change.video.unwrap_or(self.video),
            screen: change.screen.unwrap_or(self.screen),
        }
    }
}

/// An `RTCPeerConnectionState` (WebRTC 1.0, 4.3.3) as a participant reports it, or what the server knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the specification")]
pub enum ConnectionState {
    New,
    Connecting,
    Connected,
    Disconnected,
    Failed,
    Closed,
}

impl Request<'_> {
    /// Its `type`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Join(_) => "join-room",
            Self::Leave(_) => "leave-room",
            Self::Relay(relay) => relay.kind.as_str(),
            Self::MediaState(..) => "media-state",
            Self::ConnectionState(..) => "connection-state",
            Self::ConnectionStats(..) => "connection-stats",
            Self::EndSession(..) => "end-session",
            Self::RefreshToken(_) => "refresh-token",
            Self::Ping => "ping",
        }
    }
}

impl RelayKind {
    /// The `type` of the message.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Answer => "answer",
            Self::IceCandidate => "ice-candidate",
            Self::MediaControl => "media-control",
        }
    }
}

impl ConnectionState {
    /// Reads the name that messages use.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "new" => Some(Self::New),
            "connecting" => Some(Self::Connecting),
            "connected" => Some(Self::Connected),
            "disconnected" => Some(Self::Disconnected),
            "failed" => Some(Self::Failed),
            "closed" => Some(Self::Closed),
            _ => None,
        }
    }

    /// The name that messages use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Failed => "failed",
            Self::Closed => "closed",
        }
    }
}

/// How good a participant's connection is, in the JSON numbers that it reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats<'a> {
    /// kbit/s
    pub bitrate: &'a str,
    /// Milliseconds.
    pub latency: &'a str,
    /// Percent.
    pub packet_loss: &'a str,
    /// `excellent`, `good`, `fair` or `poor`
    pub quality: &'static str,
}

/// Why a client does something, in its own words: a JSON string as the client wrote it, not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason<'a>(&'a str);

impl<'a> Reason<'a> {
    /// The JSON string, quotes included.
    pub const fn as_json(self) -> &'a str {
        self.0
    }

    /// The reason, to be told later.
    pub fn keep(self) -> KeptReason {
        KeptReason(self.0.into())
    }

    /// Reads a string that is not too long; one that says nothing, however it is written, is no reason.
    pub(super) fn read(raw: Raw<'a>) -> Option<Option<Self>> {
        let text = json::string(raw)?;
        let says_something = !text.trim().is_empty();
        (text.len() <= REASON_BYTES_MAX).then(|| says_something.then_some(Self(raw.get())))
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

    /// An id that no client can write itself: the number of a callback, as a transport knows it. An array, where a client's own
    /// is a string or a number.
    pub fn of_callback(digits: &str, buffer: &'a mut CallbackBuffer) -> Option<Self> {
        let len = digits.len() + 2;
        let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        let room = buffer.get_mut(..len).filter(|_| is_number)?;
        room[0] = b'[';
        room[1..len - 1].copy_from_slice(digits.as_bytes());
        room[len - 1] = b']';
        str::from_utf8(room).ok().map(Self)
    }

    /// The id, to be repeated later.
    pub fn keep(self) -> KeptId {
        KeptId(self.0.into())
    }

    pub(super) fn read(raw: Raw<'a>) -> Option<Self> {
        let valid = match json::string(raw) {
            Some(text) => text.len() <= ID_BYTES_MAX,
            None => json::unsigned(raw).is_some(),
        };
        valid.then_some(Self(raw.get()))
    }
}

/// Room for the id of a callback.
pub type CallbackBuffer = [u8; 24];

/// A [`Reason`] whose message is gone when it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptReason(Box<str>);

impl KeptReason {
    /// The reason.
    pub const fn as_reason(&self) -> Reason<'_> {
        Reason(&self.0)
    }
}

/// A [`MessageId`] whose message is gone when it is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptId(Box<str>);

impl KeptId {
    /// The id.
    pub const fn as_id(&self) -> MessageId<'_> {
        MessageId(&self.0)
    }
}
