//! Everything that will happen in a run, as data: so it can be printed, and shrunk while it still
//! fails.

use autamedica_signaling::base::bucket::Rate;
use autamedica_signaling::engine::Rates;
use autamedica_signaling::message::Role;

use super::link::{Micros, Weather};

/// One second.
pub const SECOND: Micros = 1_000_000;

/// One millisecond.
pub const MILLISECOND: Micros = 1_000;

/// More entries than ever wait in a run.
pub const ENTRIES_ENOUGH: usize = 1 << 20;

/// A whole run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// From which everything here was made, and everything that is left to chance is drawn.
    pub seed: u64,
    /// What the operator has configured.
    pub settings: Settings,
    /// Who comes, and what they do.
    pub people: Vec<Person>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// When the faults end, and those who want to be in a room get there.
    pub calm_at: Micros,
    /// How the run ends.
    pub ending: Ending,
}

/// The configuration of the server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `HEARTBEAT`, in seconds.
    pub heartbeat_secs: u64,
    /// `JOIN_TIMEOUT`, in seconds.
    pub join_timeout_secs: u64,
    /// `HEAD_TIMEOUT`, in seconds.
    pub head_timeout_secs: u64,
    /// `TOKEN_LEEWAY`, in seconds.
    pub leeway_secs: u64,
    /// `RECONNECT_GRACE`, in seconds.
    pub grace_secs: u64,
    /// `ROOM_MAX_AGE`, in seconds.
    pub room_age_secs: u64,
    /// `ROOM_EMPTY_TIMEOUT`, in seconds.
    pub room_empty_secs: u64,
    /// `RETAINED_BYTES_MAX`.
    pub retained_bytes_max: usize,
    /// What is kept for all participants together.
    pub retained_total_max: usize,
    /// `ROOM_PARTICIPANTS_MAX`.
    pub participants_max: usize,
    /// `MESSAGE_BYTES_MAX`.
    pub message_bytes_max: usize,
    /// `SEND_QUEUE_BYTES_MAX`.
    pub send_queue_bytes_max: usize,
    /// `SIGNAL_RATE`, `STATE_RATE` and the bursts that belong to them, and what a stranger may say.
    pub rates: Rates,
    /// `BYTES_RATE` and `BYTES_BURST`.
    pub bytes_rate: Rate,
    /// `CONNECTIONS_MAX`.
    pub connections_max: usize,
    /// How many bytes of cut messages there may be, over all connections.
    pub cut_bytes_max: usize,
    /// How many bytes of messages on their way out there may be, over all connections.
    pub unsent_bytes_max: usize,
    /// `EMERGENCY_ACCESS`.
    pub emergency_access: bool,
    /// The audit log, where one is kept.
    pub audit: Option<Audit>,
    /// `TURN_TTL`, in seconds.
    pub turn_ttl_secs: u64,
    /// The shared read buffer.
    pub read_bytes: usize,
    /// How long the loop may take to see that something has come.
    pub latency: Micros,
}

/// How the audit log's disk is when nothing is wrong with it.
#[derive(Clone, Copy, Debug)]
pub struct Audit {
    /// How long it takes at most to make something durable; now and then it is seconds.
    pub delay_max: Micros,
    /// How many entries may wait to be written.
    pub room: usize,
}

/// Somebody who wants to be in a room.
#[derive(Clone, Debug)]
pub struct Person {
    /// Names the person in transcripts, whoever else is left out.
    pub number: u32,
    /// Which room.
    pub room: u32,
    /// The room that the token names: another one where the person comes by emergency access.
    pub home: u32,
    /// The number behind the user id: a doctor may be the same user in several rooms.
    pub user: u32,
    /// In which part.
    pub role: Role,
    /// Holds no seat at the end: somebody else has a better right to it.
    pub rival: bool,
    /// What the token permits.
    pub permissions: &'static [&'static str],
    /// How long tokens last, in seconds.
    pub token_secs: u64,
    /// From which address the person comes: those behind one router have the same.
    pub address: u32,
    /// How the token is presented.
    pub way: Way,
    /// Whether the client says of which stream its count is: older ones do not.
    pub names_stream: bool,
    /// Whether the tokens are signed with the secret before the last change.
    pub old_secret: bool,
    /// By how much the clock of the issuer is wrong, in seconds.
    pub skew_secs: i64,
    /// How the person's connections are.
    pub weather: Weather,
    /// What the person does.
    pub steps: Vec<Step>,
}

/// How a token is presented (`Authentication` of the contract).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `Authorization` of the upgrade.
    Header,
    /// A subprotocol of the upgrade.
    Subprotocol,
    /// `authToken` of `join-room`.
    Join,
    /// `auth` of Socket.IO, which the person speaks.
    Connect,
}

/// Something that a person does at some time.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// When.
    pub at: Micros,
    /// What.
    pub deed: Deed,
}

/// What people do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Wants to be in the room from now on.
    Arrive,
    /// Says `leave-room` and wants to be there no more.
    Leave,
    /// Closes the page: the browser says good-bye, the person means nothing by it.
    ClosePage,
    /// Loads the page again: a new connection that remembers nothing.
    Reload,
    /// The connection is dropped by the person's own machine, which then connects again.
    Drop,
    /// Opens a second tab; it goes on where the first was, or begins anew.
    SecondTab {
        /// Whether it knows what the first has received.
        resumes: bool,
    },
    /// Opens a connection and never joins.
    Loiter,
    /// Opens a connection and says half a request.
    Stammer,
    /// Connects with a token that somebody else has signed.
    Forge,
    /// Sends an offer to somebody in the room, with so many bytes of description.
    Offer {
        /// How long the description is.
        bytes: u32,
    },
    /// Sends so many candidates to somebody in the room.
    Candidates {
        /// How many.
        count: u32,
    },
    /// Asks somebody in the room to mute.
    MediaControl,
    /// Says whether it sends sound, picture, and the screen.
    MediaState {
        /// Sound.
        audio: bool,
        /// Picture.
        video: bool,
        /// The screen, where it says something of that.
        screen: Option<bool>,
    },
    /// Reports how its media connection is.
    ConnectionState {
        /// Which state.
        state: &'static str,
    },
    /// Reports how good it is.
    ConnectionStats,
    /// Presents a fresh token.
    Refresh,
    /// Ends the session.
    EndSession,
    /// Connects again and claims to have received more than was ever sent.
    Overclaim,
    /// Sends what no room must let pass.
    Trespass(Trespass),
    /// Sends what is no message at all.
    Babble(Babble),
    /// Asks whether the server is there.
    Ping,
    /// Asks that so often at once that nobody could answer.
    Flood {
        /// How often.
        count: u32,
    },
    /// Opens so many connections, and never says who it is.
    Besiege {
        /// How many.
        count: u32,
    },
}

/// Well-formed messages that must reach nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trespass {
    /// To a user who is in another room.
    OtherRoom,
    /// In the name of another session.
    OtherSession,
    /// In the name of another user of the room.
    OtherSender,
    /// To oneself.
    Oneself,
    /// To a user who is nowhere.
    Nobody,
    /// A second `join-room` on the connection.
    JoinTwice,
    /// An offer to send, which an observer may not make.
    SendingOffer,
    /// A token of somebody else in `refresh-token`.
    OthersToken,
}

/// Messages that are broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Babble {
    /// Not JSON.
    NotJson,
    /// A JSON array.
    Array,
    /// A `type` that does not exist.
    UnknownType,
    /// A field twice.
    Repeated,
    /// A required field missing.
    Incomplete,
    /// A message past the limit, which ends the connection.
    TooLarge,
    /// A binary message, which ends the connection.
    Binary,
    /// Text that is not UTF-8, which ends the connection.
    NotUtf8,
    /// A frame that breaks RFC 6455, which ends the connection.
    BadFrame,
}

/// Something that goes wrong at some time.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// When.
    pub at: Micros,
    /// What.
    pub what: Mishap,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The wire of a person's connection is cut at some byte.
    Cut {
        /// Whose.
        person: u32,
        /// Of the bytes to the server, not of those to the client.
        to_server: bool,
        /// After so many more bytes.
        after: u64,
        /// Whether the server hears of it.
        server_hears: bool,
        /// Whether the client hears of it.
        client_hears: bool,
    },
    /// From now on bytes vanish, and nobody hears of it.
    HalfOpen {
        /// Whose.
        person: u32,
        /// Those to the server.
        to_server: bool,
        /// Those to the client.
        to_client: bool,
    },
    /// The network is slower for a while.
    Lag {
        /// Whose.
        person: u32,
        /// By how much.
        by: Micros,
        /// For how long.
        lasts: Micros,
    },
    /// The person's machine reads nothing for a while; what it does itself goes on.
    SlowReader {
        /// Whose.
        person: u32,
        /// For how long.
        lasts: Micros,
    },
    /// The person's laptop is closed for a while: nothing is read, nothing is said.
    Sleep {
        /// Whose.
        person: u32,
        /// For how long.
        lasts: Micros,
    },
    /// The whole server stands still for a while, and finds everything due at once.
    Stall {
        /// For how long.
        lasts: Micros,
    },
    /// The server is started anew, after a good-bye or without.
    Restart {
        /// Whether it said good-bye.
        politely: bool,
        /// How long nobody listens.
        lasts: Micros,
    },
    /// Nothing becomes durable for a while, and nobody says why.
    DiskStuck {
        /// For how long.
        lasts: Micros,
    },
    /// The audit log cannot be written for a while.
    DiskBroken {
        /// For how long.
        lasts: Micros,
    },
    /// The server's wall clock jumps, forwards or backwards.
    WallJump {
        /// By so many milliseconds.
        millis: i64,
    },
}

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everybody leaves, one way or another, and the server must be empty.
    EverybodyGoes,
    /// The server is shut down.
    Shutdown,
}

impl Settings {
    /// Whether somebody may be turned away for want of room, so that nobody can say who must be in.
    pub fn are_scarce(&self) -> bool {
        let enough = |bytes: usize| bytes >= 1 << 20;
        self.has_little_room_for_records()
            || self.connections_max < 10_000
            || !enough(self.cut_bytes_max)
            || !enough(self.unsent_bytes_max)
    }

    /// Whether records may find no room.
    pub fn has_little_room_for_records(&self) -> bool {
        self.audit.is_some_and(|audit| audit.room < ENTRIES_ENOUGH)
    }
}

impl Person {
    /// Whether the person is a doctor of another room.
    pub fn comes_in_an_emergency(&self) -> bool {
        self.home != self.room
    }
}

impl Plan {
    /// How much there is in it: what shrinking makes less.
    pub fn size(&self) -> usize {
        let steps: usize = self.people.iter().map(|person| person.steps.len()).sum();
        self.people.len() + steps + self.faults.len()
    }
}

impl Mishap {
    /// Whom it befalls, where it is one person.
    pub fn person(&self) -> Option<u32> {
        match *self {
            Self::Cut { person, .. }
            | Self::HalfOpen { person, .. }
            | Self::Lag { person, .. }
            | Self::SlowReader { person, .. }
            | Self::Sleep { person, .. } => Some(person),
            Self::Stall { .. }
            | Self::Restart { .. }
            | Self::DiskStuck { .. }
            | Self::DiskBroken { .. }
            | Self::WallJump { .. } => None,
        }
    }
}
