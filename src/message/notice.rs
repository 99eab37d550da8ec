//! The server's messages: flat JSON objects, written straight into a buffer.

use super::ice::IceServers;
use super::problem::Problem;
use super::request::{Media, MessageId, Reason, Stats};
use super::{Role, RoomType, SessionId, UserId};
use crate::base::time::{Duration, WallTime};
use crate::wire::json;

/// `Participant` of the contract.
#[derive(Clone, Copy, Debug)]
pub struct Participant {
    /// The user.
    pub user: UserId,
    /// The role.
    pub role: Role,
    /// The state of the participant's connection.
    pub connection_state: &'static str,
    /// What the participant sends.
    pub media: Media,
    /// When the participant joined.
    pub joined_at: WallTime,
    /// Whether it joined by emergency access.
    pub emergency: bool,
}

/// `MedicalRoom` of the contract, without its participants.
#[derive(Clone, Copy, Debug)]
pub struct MedicalRoom {
    /// The session.
    pub session: SessionId,
    /// Its doctor, once known.
    pub doctor: Option<UserId>,
    /// Its patient, once known.
    pub patient: Option<UserId>,
    /// Its type.
    pub room_type: RoomType,
    /// When the first participant joined.
    pub created_at: WallTime,
    /// Its status.
    pub status: RoomStatus,
}

/// The status of a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RoomStatus {
    /// Doctor or patient has not joined yet.
    #[default]
    Waiting,
    /// Both have joined.
    Active,
    /// Over for good.
    Ended,
}

impl RoomStatus {
    /// The name in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Active => "active",
            Self::Ended => "ended",
        }
    }
}

/// Why a participant is no longer in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// It sent `leave-room`.
    Left,
    /// Its connection ended, and it did not return in time.
    Disconnected,
    /// Its token expired, and it did not return with a new one in time.
    TokenExpired,
    /// An operator has removed it, or revoked its token.
    Removed,
}

impl LeaveReason {
    /// The name in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Disconnected => "disconnected",
            Self::TokenExpired => "token-expired",
            Self::Removed => "removed",
        }
    }
}

/// The content of `room-joined` in addition to the room.
#[derive(Clone, Copy, Debug)]
pub struct Welcome<'a> {
    /// Whether the newcomer is the polite peer of perfect negotiation.
    pub polite: bool,
    /// The STUN and TURN servers to use.
    pub ice_servers: IceServers<'a>,
    /// Whether its media must be relayed by TURN servers.
    pub relay_only: bool,
    /// Whether no relayed message was missed.
    pub resumed: bool,
    /// The number of the stream of relayed messages that the newcomer receives.
    pub stream: u64,
    /// Time between the server's pings.
    pub heartbeat: Duration,
    /// The server's clock.
    pub server_time: WallTime,
}

/// `room-joined`
pub fn room_joined(
    out: &mut Vec<u8>,
    room: &MedicalRoom,
    participants: impl Iterator<Item = Participant> + Clone,
    welcome: &Welcome<'_>,
) {
    let mut message = Object::message(out, "room-joined");
    message.id("sessionId", room.session.to_text());
    message.participants(participants.clone());
    message.object("room", |object| {
        object.id("sessionId", room.session.to_text());
        object.optional_id("doctorId", room.doctor.map(UserId::to_text));
        object.optional_id("patientId", room.patient.map(UserId::to_text));
        object.text("roomType", room.room_type.as_str());
        object.participants(participants);
        object.time("createdAt", room.created_at);
        object.text("status", room.status.as_str());
    });
    message.boolean("polite", welcome.polite);
    message.ice_servers(&welcome.ice_servers);
    message.text("iceTransportPolicy", if welcome.relay_only { "relay" } else { "all" });
    message.boolean("resumed", welcome.resumed);
    message.number("stream", welcome.stream);
    message.number("heartbeatSeconds", welcome.heartbeat.as_secs());
    message.time("serverTime", welcome.server_time);
    message.end();
}

/// `peer-joined`
pub fn peer_joined(out: &mut Vec<u8>, session: SessionId, newcomer: &Participant) {
    let mut message = Object::about(out, "peer-joined", session, newcomer.user);
    message.text("userType", newcomer.role.as_str());
    message.emergency(newcomer.emergency);
    // By default a newcomer is assumed to send audio and video.
    if newcomer.media != Media::default() {
        message.media(newcomer.media);
    }
    message.end();
}

/// `peer-left`
pub fn peer_left(out: &mut Vec<u8>, session: SessionId, user: UserId, reason: LeaveReason) {
    let mut message = Object::about(out, "peer-left", session, user);
    message.text("reason", reason.as_str());
    message.end();
}

/// `peer-state`; when a participant returns, with whether it resumed.
pub fn peer_state(out: &mut Vec<u8>, session: SessionId, of: &Participant, resumed: Option<bool>) {
    let mut message = Object::about(out, "peer-state", session, of.user);
    message.text("connectionState", of.connection_state);
    message.media(of.media);
    if let Some(resumed) = resumed {
        message.boolean("resumed", resumed);
    }
    message.end();
}

/// `peer-stats`
pub fn peer_stats(out: &mut Vec<u8>, session: SessionId, user: UserId, stats: &Stats<'_>) {
    let mut message = Object::about(out, "peer-stats", session, user);
    message.object("stats", |object| {
        object.raw("bitrate", stats.bitrate);
        object.raw("latency", stats.latency);
        object.raw("packetLoss", stats.packet_loss);
        object.text("quality", stats.quality);
    });
    message.end();
}

/// Why a room's status changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusReason<'a> {
    /// The reason that the doctor gave.
    Given(Reason<'a>),
    /// The room reached its maximum age.
    AgeLimit,
}

/// `room-status`
pub fn room_status(
    out: &mut Vec<u8>,
    session: SessionId,
    status: RoomStatus,
    reason: Option<StatusReason<'_>>,
) {
    let mut message = Object::message(out, "room-status");
    message.id("sessionId", session.to_text());
    message.text("status", status.as_str());
    match reason {
        Some(StatusReason::Given(reason)) => message.raw("reason", reason.as_json()),
        Some(StatusReason::AgeLimit) => message.text("reason", "age-limit"),
        None => {}
    }
    message.end();
}

/// `ice-servers`
pub fn ice_servers(out: &mut Vec<u8>, servers: &IceServers<'_>) {
    let mut message = Object::message(out, "ice-servers");
    message.ice_servers(servers);
    message.end();
}

/// `token-expiring`, with the token's `exp` in seconds.
pub fn token_expiring(out: &mut Vec<u8>, exp: WallTime) {
    let mut message = Object::message(out, "token-expiring");
    message.number("exp", exp.as_secs().max(0) as u64);
    message.end();
}

/// `ack`
pub fn ack(out: &mut Vec<u8>, id: MessageId<'_>) {
    let mut message = Object::message(out, "ack");
    message.raw("id", id.as_json());
    message.end();
}

/// `pong`
pub fn pong(out: &mut Vec<u8>, server_time: WallTime) {
    let mut message = Object::message(out, "pong");
    message.time("serverTime", server_time);
    message.end();
}

/// `error`; with `retry_after` if the client should try again.
pub fn error(
    out: &mut Vec<u8>,
    problem: Problem,
    id: Option<MessageId<'_>>,
    retry_after: Option<Duration>,
) {
    let (text, name) = problem.text();
    let mut message = Object::message(out, "error");
    message.text("code", problem.code());
    message.raw("message", "\"");
    message.out.extend_from_slice(text.as_bytes());
    message.out.extend_from_slice(name.as_bytes());
    message.out.push(b'"');
    if let Some(id) = id {
        message.raw("id", id.as_json());
    }
    if let Some(wait) = retry_after {
        message.number("retryAfterMs", wait.as_micros() / 1_000);
    }
    message.end();
}

/// The error for a Socket.IO client that is not admitted: `{"message", "data": {"code"}}`.
pub fn connect_error(out: &mut Vec<u8>, problem: Problem) {
    let (text, name) = problem.text();
    let mut object = Object::begin(out);
    object.raw("message", "\"");
    object.out.extend_from_slice(text.as_bytes());
    object.out.extend_from_slice(name.as_bytes());
    object.out.push(b'"');
    object.object("data", |data| data.text("code", problem.code()));
    object.end();
}

/// The body of a refusal in the format of the original Socket.IO server, with a number.
pub fn engine_io_refusal(out: &mut Vec<u8>, code: u8, message: &'static str) {
    let mut body = Object::begin(out);
    body.number("code", u64::from(code));
    body.text("message", message);
    body.end();
}

/// The body of an HTTP refusal.
pub fn refusal(out: &mut Vec<u8>, code: &'static str, text: &str) {
    let mut body = Object::begin(out);
    body.text("code", code);
    body.name("message");
    json::write_string(body.out, text);
    body.end();
}

/// The body of `GET /ready`: whether newcomers can be let in, and which part is not ready.
pub fn readiness(out: &mut Vec<u8>, audit: bool, connections: bool, draining: bool) {
    let mut body = Object::begin(out);
    body.text("status", if audit && connections && !draining { "ready" } else { "unavailable" });
    body.text("audit", if audit { "ok" } else { "unavailable" });
    body.text("connections", if connections { "ok" } else { "full" });
    body.boolean("draining", draining);
    body.end();
}

/// Writes the members of one object. The texts passed to it are ours and need no escaping.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    fn message(out: &'a mut Vec<u8>, kind: &str) -> Self {
        let mut object = Self::begin(out);
        object.text("type", kind);
        object
    }

    fn about(out: &'a mut Vec<u8>, kind: &str, session: SessionId, user: UserId) -> Self {
        let mut object = Self::message(out, kind);
        object.id("sessionId", session.to_text());
        object.id("userId", user.to_text());
        object
    }

    fn end(self) {
        self.out.push(b'}');
    }

    fn name(&mut self, name: &str) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn raw(&mut self, name: &str, value: &str) {
        self.name(name);
        self.out.extend_from_slice(value.as_bytes());
    }

    fn quoted(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.out.push(b'"');
        self.out.extend_from_slice(value);
        self.out.push(b'"');
    }

    fn text(&mut self, name: &str, value: &str) {
        self.quoted(name, value.as_bytes());
    }

    fn id(&mut self, name: &str, value: [u8; 36]) {
        self.quoted(name, &value);
    }

    fn optional_id(&mut self, name: &str, value: Option<[u8; 36]>) {
        match value {
            Some(id) => self.id(name, id),
            None => self.raw(name, "null"),
        }
    }

    fn time(&mut self, name: &str, value: WallTime) {
        self.quoted(name, &value.to_iso8601());
    }

    fn boolean(&mut self, name: &str, value: bool) {
        self.raw(name, if value { "true" } else { "false" });
    }

    fn number(&mut self, name: &str, mut value: u64) {
        let mut digits = [0; 20];
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        self.name(name);
        self.out.extend_from_slice(&digits[first..]);
    }

    fn media(&mut self, media: Media) {
        self.boolean("audio", media.audio);
        self.boolean("video", media.video);
        self.boolean("screen", media.screen);
    }

    /// Written only if true.
    fn emergency(&mut self, emergency: bool) {
        if emergency {
            self.boolean("emergency", true);
        }
    }

    fn ice_servers(&mut self, servers: &IceServers<'_>) {
        self.name("iceServers");
        servers.write(self.out);
    }

    fn object(&mut self, name: &str, write: impl FnOnce(&mut Object<'_>)) {
        self.name(name);
        let mut object = Object::begin(self.out);
        write(&mut object);
        object.end();
    }

    fn participants(&mut self, participants: impl Iterator<Item = Participant>) {
        self.name("participants");
        self.out.push(b'[');
        for (index, participant) in participants.enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            let mut object = Object::begin(self.out);
            object.id("userId", participant.user.to_text());
            object.text("userType", participant.role.as_str());
            object.text("connectionState", participant.connection_state);
            object.media(participant.media);
            object.time("joinedAt", participant.joined_at);
            object.emergency(participant.emergency);
            object.end();
        }
        self.out.push(b']');
    }
}
