//! What the audit log is told: who did what, and what became of it. Values only; how they are written, sealed and kept is
//! the business of `service::audit`.

use super::notice::{LeaveReason, RoomStatus};
use super::{Role, RoomType, SessionId, TokenId, UserId};
use crate::base::time::WallTime;

/// One fact for the audit log. Its time, the number of the connection and a text that a person gave travel beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// What happened.
    pub event: Event,
    /// To whom and where, as far as a valid token says it.
    pub subject: Subject,
}

/// Whom a record is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The session.
    pub session: Option<SessionId>,
    /// The person.
    pub user: Option<UserId>,
    /// The part that the person plays.
    pub role: Option<Role>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody asked for a WebSocket. `refusal`: the code of the answer where that was no.
    Connect {
        /// `None`: it was let in.
        refusal: Option<&'static str>,
    },
    /// A token was presented.
    Authentication {
        /// How.
        way: TokenWay,
        /// The code of the error where it did not count.
        failure: Option<&'static str>,
    },
    /// Somebody may enter a room. It is written before the room or the newcomer hear of it.
    Admission {
        /// For the first time, again, or in place of an older connection.
        entry: Entry,
        /// By emergency access; the reason that was given stands beside the record.
        emergency: bool,
    },
    /// An admission that was written came to nothing: the newcomer had gone, the place too, or the log could not be written.
    Withdrawal {
        /// Why: the code of the error that the newcomer got, or `GONE`.
        code: &'static str,
    },
    /// Somebody wanted what the contract or the token does not allow.
    Refusal {
        /// The code of the error.
        code: &'static str,
        /// The type of the message.
        request: &'static str,
    },
    /// A room was opened, became active, or ended.
    RoomStatus {
        /// Its status from now on.
        status: RoomStatus,
        /// What it is for.
        room_type: RoomType,
        /// Its doctor, where that is known.
        doctor: Option<UserId>,
        /// Its patient, where that is known.
        patient: Option<UserId>,
        /// For an ended one: until when no token opens it again.
        closed_until: Option<WallTime>,
    },
    /// The certificates of a participant's media (`a=fingerprint`) are new or others than before.
    Fingerprint {
        /// SHA-256 over the fingerprints of the description.
        sha256: [u8; 32],
    },
    /// A participant's connection has gone; the place is kept for a while.
    Absence {
        /// What the others will hear if that becomes final.
        reason: LeaveReason,
    },
    /// A participant is no longer in the room.
    Leave {
        /// Why.
        reason: ExitReason,
    },
    /// A new token took the place of the one before.
    TokenRefresh {
        /// The new token's `exp`.
        expires_at: WallTime,
    },
    /// A participant reported that its media connection has failed.
    ConnectionFailed {
        /// What it said of it: one of [`FAILURES`], or `OTHER`.
        code: &'static str,
    },
    /// Somebody met a limit.
    Limit {
        /// Its name: that of its counter.
        name: &'static str,
    },
    /// An operator did something.
    Operator {
        /// What.
        deed: Deed,
    },
}

/// What an operator may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// End the session that the record names.
    EndSession,
    /// Take the person that the record names out of the session.
    Remove,
    /// Let some tokens not count any more.
    Revoke(Revocation),
    /// Look at real ids in place of pseudonyms.
    ShowIds,
    /// Change how much is logged.
    LogLevel(&'static str),
    /// Shut the server down.
    Drain,
}

/// Tokens that do not count any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Which.
    pub what: Revoked,
    /// Until when. Where that has passed, they count again.
    pub until: WallTime,
}

/// Which tokens are revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revoked {
    /// All of a person.
    User(UserId),
    /// All of a session.
    Session(SessionId),
    /// The one with this `jti`.
    Token(TokenId),
}

/// What clients may say of a failed media connection. Anything else is told as `OTHER`: a client's own words might name a
/// person.
pub const FAILURES: [&str; 6] = [
    "ICE_FAILED",
    "DTLS_FAILED",
    "MEDIA_FAILED",
    "TURN_UNAUTHORIZED",
    "TURN_UNREACHABLE",
    "NETWORK_LOST",
];

/// How a token was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenWay {
    /// With the upgrade request.
    Upgrade,
    /// With the first packet of Socket.IO.
    Connect,
    /// In `join-room`.
    Join,
    /// In `refresh-token`.
    Refresh,
}

/// How somebody enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// For the first time, or after having left.
    New,
    /// After a dropped connection, to the place that was kept.
    Return,
    /// In place of an older connection of the same person.
    Takeover,
}

/// Why somebody is no longer in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// As the others hear of it.
    Left(LeaveReason),
    /// The session ended.
    SessionEnded,
    /// An operator removed the participant, or revoked the token.
    Removed,
    /// The server stopped.
    ServerStopped,
}

impl Deed {
    /// The name in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EndSession => "end-session",
            Self::Remove => "remove-participant",
            Self::Revoke(_) => "revoke",
            Self::ShowIds => "show-ids",
            Self::LogLevel(_) => "log-level",
            Self::Drain => "drain",
        }
    }
}

impl Revoked {
    /// The name in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Session(_) => "session",
            Self::Token(_) => "token",
        }
    }

    /// Whom a record of it names.
    pub fn subject(self) -> Subject {
        match self {
            Self::User(user) => Subject { user: Some(user), ..Subject::default() },
            Self::Session(session) => Subject { session: Some(session), ..Subject::default() },
            Self::Token(_) => Subject::default(),
        }
    }
}

impl Event {
    /// The name in the log.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "connect",
            Self::Authentication { .. } => "authentication",
            Self::Admission { .. } => "admission",
            Self::Withdrawal { .. } => "withdrawal",
            Self::Refusal { .. } => "refusal",
            Self::RoomStatus { .. } => "room-status",
            Self::Fingerprint { .. } => "fingerprint",
            Self::Absence { .. } => "absence",
            Self::Leave { .. } => "leave",
            Self::TokenRefresh { .. } => "token-refresh",
            Self::ConnectionFailed { .. } => "connection-failed",
            Self::Limit { .. } => "limit",
            Self::Operator { .. } => "operator",
        }
    }

    /// Whether strangers can cause as many as they like: such records may be counted instead of written one by one.
    pub const fn is_cheap(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. }
                | Self::Authentication { .. }
                | Self::Refusal { .. }
                | Self::Limit { .. }
        )
    }
}

impl TokenWay {
    /// The name in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upgrade => "upgrade",
            Self::Connect => "connect",
            Self::Join => "join-room",
            Self::Refresh => "refresh-token",
        }
    }
}

impl Entry {
    /// The name in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Return => "return",
            Self::Takeover => "takeover",
        }
    }
}

impl ExitReason {
    /// The name in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Left(reason) => reason.as_str(),
            Self::SessionEnded => "session-ended",
            Self::Removed => "removed",
            Self::ServerStopped => "server-stopped",
        }
    }
}
