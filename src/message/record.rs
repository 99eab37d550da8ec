//! The content of audit records: who did what, and with which result. Values only; `service::audit`
//! writes, seals and keeps them.

use super::notice::{LeaveReason, RoomStatus};
use super::{Role, RoomType, SessionId, TokenId, UserId};
use crate::base::time::WallTime;

/// A fact for the audit log. Its time, the number of the connection and a text that a person gave
/// accompany it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// What happened.
    pub event: Event,
    /// Who and where, as far as a valid token says so.
    pub subject: Subject,
}

/// Whom a record is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The session.
    pub session: Option<SessionId>,
    /// The person.
    pub user: Option<UserId>,
    /// The person's role.
    pub role: Option<Role>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A client asked for a WebSocket.
    Connect {
        /// The code of the answer if it was refused; `None` if it was accepted.
        refusal: Option<&'static str>,
    },
    /// A token was presented.
    Authentication {
        /// How.
        way: TokenWay,
        /// The code of the error if the token was not accepted.
        failure: Option<&'static str>,
    },
    /// A user may enter a room. This is written before the room or the newcomer are told.
    Admission {
        /// For the first time, again, or instead of an older connection.
        entry: Entry,
        /// By emergency access; the given reason accompanies the record.
        emergency: bool,
    },
    /// A recorded admission did not take place: the newcomer had gone, the place was taken, or the
    /// log could not be written.
    Withdrawal {
        /// Why: the code of the error that the newcomer got, or `GONE`.
        code: &'static str,
    },
    /// A client asked for something that the protocol or the token does not allow.
    Refusal {
        /// The code of the error.
        code: &'static str,
        /// The type of the message.
        request: &'static str,
    },
    /// A room was opened, became active, or ended.
    RoomStatus {
        /// Its new status.
        status: RoomStatus,
        /// Its type.
        room_type: RoomType,
        /// Its doctor, if known.
        doctor: Option<UserId>,
        /// Its patient, if known.
        patient: Option<UserId>,
        /// For an ended room: until when no token opens it again.
        closed_until: Option<WallTime>,
    },
    /// The certificates of a participant's media (`a=fingerprint`) are new, or have changed.
    Fingerprint {
        /// SHA-256 over the fingerprints of the description.
        sha256: [u8; 32],
    },
    /// A participant's connection is gone; the place is kept for a while.
    Absence {
        /// The reason that the others will be told if the absence becomes final.
        reason: LeaveReason,
    },
    /// A participant is no longer in the room.
    Leave {
        /// Why.
        reason: ExitReason,
    },
    /// A new token replaced the previous one.
    TokenRefresh {
        /// The new token's `exp`.
        expires_at: WallTime,
    },
    /// A participant reported that its media connection has failed.
    ConnectionFailed {
        /// The reported error: one of [`FAILURES`], or `OTHER`.
        code: &'static str,
    },
    /// A limit was hit.
    Limit {
        /// The name of the limit, which is also that of its counter.
        name: &'static str,
    },
    /// An operator's action.
    Operator {
        /// The action.
        deed: Deed,
    },
}

/// The actions of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// End the session that the record names.
    EndSession,
    /// Remove the person that the record names from the session.
    Remove,
    /// Revoke tokens.
    Revoke(Revocation),
    /// Show real ids instead of pseudonyms.
    ShowIds,
    /// Change the log level.
    LogLevel(&'static str),
    /// Shut the server down.
    Drain,
}

/// A revocation of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Which.
    pub what: Revoked,
    /// Until when. After that, they are valid again.
    pub until: WallTime,
}

/// Which tokens are revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revoked {
    /// All tokens of a person.
    User(UserId),
    /// All tokens for a session.
    Session(SessionId),
    /// The token with this `jti`.
    Token(TokenId),
}

/// The error codes that clients may report for a failed media connection. Anything else is recorded
/// as `OTHER`: a client's own words might name a person.
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
    /// With the first Socket.IO packet.
    Connect,
    /// In `join-room`.
    Join,
    /// In `refresh-token`.
    Refresh,
}

/// How a user enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// For the first time, or after having left.
    New,
    /// After a dropped connection, to the place that was kept.
    Return,
    /// Instead of an older connection of the same person.
    Takeover,
}

/// Why a participant is no longer in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// The reason that the others are told.
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

    /// The subject of a record about it.
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

    /// Whether strangers can cause any number of them: such records may be counted instead of
    /// written one by one.
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
