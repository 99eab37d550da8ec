//! The clients' messages: one JSON object each, its event named by `type`.

use std::borrow::Cow;

use super::{Role, RoomType, SessionId, UserId};
use crate::wire::json::{self, Quoted, Raw};

pub use super::envelope::{Parsed, parse};
pub use super::reader::{Reader, Readers};

/// The longest `id` that a client may give a message, in bytes of UTF-8.
pub const ID_BYTES_MAX: usize = 64;

/// The longest `reason` that a client may give, in bytes of UTF-8.
pub const REASON_BYTES_MAX: usize = 256;

/// A message with valid syntax. Whether its sender may send it is decided elsewhere.
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
    /// `connection-state`, with the `errorCode`: one of [`FAILURES`](super::record::FAILURES), or
    /// `OTHER`
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
    /// The room and the user.
    pub speaker: Speaker,
    /// The role that the user claims.
    pub role: Role,
    /// The token, if it was not presented with the upgrade.
    pub token: Option<Cow<'a, str>>,
    /// The requested room type.
    pub room_type: Option<RoomType>,
    /// The reason for entering a session that the token does not name (emergency access).
    pub reason: Option<Reason<'a>>,
    /// What the user sends from the start.
    pub media: MediaChange,
    /// How many relayed messages the client has received since its last `room-joined` with
    /// `resumed` false.
    pub received: Option<u64>,
    /// The number of the stream that `received` belongs to, if the client names it.
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

/// A message that is relayed to another participant byte for byte.
#[derive(Clone, Copy, Debug)]
pub struct Relay<'a> {
    /// The kind of message.
    pub kind: RelayKind,
    /// The room and the sender that the message names.
    pub speaker: Speaker,
    /// The addressee.
    pub to: UserId,
    /// The part of it whose content is restricted.
    pub content: Content<'a>,
}

/// The JSON string in a relayed message that WebRTC interprets.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// There is none: a `rollback`, the end of candidates, or a message of another kind.
    Nothing,
    /// The text of a session description. [`parse`] has checked that it is JSON; a [`Reader`] leaves that to whoever reads it.
    Description(Quoted<'a>),
    /// A `rollback` that nevertheless has a text. The same holds for it.
    Rollback(Quoted<'a>),
    /// A candidate.
    Candidate(Raw<'a>),
}

impl Content<'_> {
    /// Whether there is a text that a [`Reader`] has not checked.
    pub(super) const fn is_text(&self) -> bool {
        matches!(self, Self::Description(_) | Self::Rollback(_))
    }

    /// Whether it is JSON, of which a [`Reader`] may not be sure.
    pub fn is_json(&self) -> bool {
        match self {
            Self::Description(text) | Self::Rollback(text) => text.is_json(),
            Self::Candidate(_) | Self::Nothing => true,
        }
    }
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

/// The media that a participant sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media {
    /// Audio.
    pub audio: bool,
    /// Video.
    pub video: bool,
    /// The shared screen.
    pub screen: bool,
}

impl Default for Media {
    fn default() -> Self {
        Self { audio: true, video: true, screen: false }
    }
}

/// A change of the media that a participant sends. `None`: unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaChange {
    /// Audio.
    pub audio: Option<bool>,
    /// Video.
    pub video: Option<bool>,
    /// The shared screen.
    pub screen: Option<bool>,
}

impl Media {
    /// The media after a change.
    #[must_use]
    pub fn changed(self, change: MediaChange) -> Self {
        Self {
            audio: change.audio.unwrap_or(self.audio),
            video: change.video.unwrap_or(self.video),
            screen: change.screen.unwrap_or(self.screen),
        }
    }
}

/// An `RTCPeerConnectionState` (WebRTC 1.0, 4.3.3) as a participant reports it, or as the server
/// knows it.
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

/// The quality of a participant's connection, in the JSON numbers that it reported.
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

/// The reason that a client gives, in its own words: a JSON string as the client wrote it, not
/// empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason<'a>(&'a str);

impl<'a> Reason<'a> {
    /// The JSON string, including the quotes.
    pub const fn as_json(self) -> &'a str {
        self.0
    }

    /// A copy of the reason for later use.
    pub fn keep(self) -> KeptReason {
        KeptReason(self.0.into())
    }

    /// Reads a string that is not too long. A string in which nothing is visible, however it is
    /// written, counts as no reason.
    pub(super) fn read(raw: Raw<'a>) -> Option<Option<Self>> {
        let text = json::string(raw)?;
        let says_something = text.chars().any(is_visible);
        (text.len() <= REASON_BYTES_MAX).then(|| says_something.then_some(Self(raw.get())))
    }
}

/// Whether a character can be seen: no white space, nothing that controls others, no blank of
/// Braille, and none that Unicode says to ignore (`Default_Ignorable_Code_Point`, UAX #44), such as
/// the zero-width space.
fn is_visible(c: char) -> bool {
    let is_ignored = matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    );
    !c.is_whitespace() && !c.is_control() && !is_ignored
}

/// The `id` of a message as the client wrote it, including quotes and escapes. An `ack` or `error`
/// repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageId<'a>(&'a str);

impl<'a> MessageId<'a> {
    /// The JSON value.
    pub const fn as_json(self) -> &'a str {
        self.0
    }

    /// The id of a Socket.IO callback. It is written as an array, which a client cannot send
    /// itself: a client's own ids are strings or numbers.
    pub fn of_callback(digits: &str, buffer: &'a mut CallbackBuffer) -> Option<Self> {
        let len = digits.len() + 2;
        let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        let room = buffer.get_mut(..len).filter(|_| is_number)?;
        room[0] = b'[';
        room[1..len - 1].copy_from_slice(digits.as_bytes());
        room[len - 1] = b']';
        str::from_utf8(room).ok().map(Self)
    }

    /// A copy of the id for later use.
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

/// The buffer for the id of a callback.
pub type CallbackBuffer = [u8; 24];

/// A [`Reason`] that outlives its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptReason(Box<str>);

impl KeptReason {
    /// The reason.
    pub const fn as_reason(&self) -> Reason<'_> {
        Reason(&self.0)
    }
}

/// A [`MessageId`] that outlives its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptId(Box<str>);

impl KeptId {
    /// The id.
    pub const fn as_id(&self) -> MessageId<'_> {
        MessageId(&self.0)
    }
}
