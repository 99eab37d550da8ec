//! The errors that are reported to clients.

use crate::wire::frame::CloseCode;
use crate::wire::sdp::Fault;

/// A refusal. It is the reply: its code and text go into the `error` message. Some refusals end the
/// connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Not a JSON text.
    BadJson,
    /// JSON, but not a valid message; says what is wrong.
    BadMessage(Flaw),
    /// An unknown `type`.
    UnknownType,
    /// Larger than the message limit.
    MessageTooLarge,
    /// No token was presented.
    Unauthorized,
    /// The token is invalid, for whatever reason.
    TokenInvalid,
    /// The token was valid but has expired.
    TokenExpired,
    /// The token does not allow it.
    Forbidden,
    /// An operator has removed the participant, or revoked the token.
    Expelled,
    /// A second `join-room` on one connection, or one of a user who may not join twice.
    AlreadyJoined,
    /// A message that only a participant may send.
    NotInRoom,
    /// The addressee is not in the room.
    PeerNotFound,
    /// The addressee is absent, and the buffer of messages for its return is full.
    PeerUnreachable,
    /// The session description or the candidate is not allowed; says which rule it violates.
    SdpRejected(Fault),
    /// A rate or count was exceeded.
    RateLimited(Excess),
    /// The server has the maximum number of rooms.
    ServerFull,
    /// The session has ended.
    SessionEnded,
    /// Somebody else has the seat of this role.
    RoleTaken,
    /// The room has the maximum number of participants.
    RoomFull,
    /// The audit log cannot be written, so nobody can be let in.
    AuditUnavailable,
    /// The same user joined again elsewhere.
    Replaced,
    /// The server is shutting down.
    ServerShutdown,
    /// The server lacks something that it needs.
    Internal,
}

/// What was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// Messages: this one is ignored.
    Messages,
    /// New certificates in offers and answers: this message is not relayed.
    Certificates,
    /// Invalid tokens from the address, while the previous token is still valid: a valid new one
    /// would still be accepted.
    Tokens,
    /// Connections of a user, their closes, failed authentications, or messages that had to be
    /// refused: the connection ends.
    Attempts,
}

/// What makes a message a `BAD_MESSAGE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The JSON text is not an object.
    NotAnObject,
    /// A known field occurs twice.
    Repeated,
    /// A required field is missing.
    Missing(&'static str),
    /// A field has a wrong type or value.
    Wrong(&'static str),
    /// Nested too deep, too many members, or a lone surrogate.
    Bounds,
    /// Binary data.
    Binary,
    /// A violation of the protocol below the messages.
    Protocol,
}

impl Problem {
    /// The code of the `error` message.
    pub const fn code(self) -> &'static str {
        match self {
            Self::BadJson => "BAD_JSON",
            Self::BadMessage(_) => "BAD_MESSAGE",
            Self::UnknownType => "UNKNOWN_TYPE",
            Self::MessageTooLarge => "MESSAGE_TOO_LARGE",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::TokenInvalid => "TOKEN_INVALID",
            Self::TokenExpired => "TOKEN_EXPIRED",
            Self::Forbidden | Self::Expelled => "FORBIDDEN",
            Self::AlreadyJoined => "ALREADY_JOINED",
            Self::NotInRoom => "NOT_IN_ROOM",
            Self::PeerNotFound => "PEER_NOT_FOUND",
            Self::PeerUnreachable => "PEER_UNREACHABLE",
            Self::SdpRejected(_) => "SDP_REJECTED",
            Self::RateLimited(_) => "RATE_LIMITED",
            Self::ServerFull => "SERVER_FULL",
            Self::SessionEnded => "SESSION_ENDED",
            Self::RoleTaken => "ROLE_TAKEN",
            Self::RoomFull => "ROOM_FULL",
            Self::AuditUnavailable => "AUDIT_UNAVAILABLE",
            Self::Replaced => "REPLACED",
            Self::ServerShutdown => "SERVER_SHUTDOWN",
            Self::Internal => "INTERNAL",
        }
    }

    /// The text of the `error` message in two parts, the second of which is often empty. It repeats
    /// nothing that the client sent.
    pub const fn text(self) -> (&'static str, &'static str) {
        let text = match self {
            Self::BadJson => "the message is not a JSON text",
            Self::BadMessage(flaw) => return flaw.text(),
            Self::UnknownType => "this type of message is not known here",
            Self::MessageTooLarge => "the message is too large",
            Self::Unauthorized => "a token is needed",
            Self::TokenInvalid => "the token is not valid",
            Self::TokenExpired => "the token has expired",
            Self::Forbidden => "the token does not allow this",
            Self::Expelled => "an operator has ended this",
            Self::AlreadyJoined => "this user has joined already",
            Self::NotInRoom => "join the room first",
            Self::PeerNotFound => "this participant is not in the room",
            Self::PeerUnreachable => {
                "this participant is away, and no more can be kept for its return"
            }
            Self::SdpRejected(fault) => return ("this may not pass: ", fault.text()),
            Self::RateLimited(Excess::Messages) => "too many messages in a short time",
            Self::RateLimited(Excess::Certificates) => {
                "too many new certificates (fingerprints) in a short time"
            }
            Self::RateLimited(Excess::Tokens) => {
                "too many tokens from this address were not valid, and this one is not either"
            }
            Self::RateLimited(Excess::Attempts) => {
                "too many messages, connections or attempts, try again later"
            }
            Self::ServerFull => "there are as many rooms as this server has",
            Self::SessionEnded => "the session has ended",
            Self::RoleTaken => "someone else holds this role in the room",
            Self::RoomFull => "the room is full",
            Self::AuditUnavailable => {
                "the server cannot keep its audit log and lets nobody in, try again soon"
            }
            Self::Replaced => "the same user joined again from elsewhere",
            Self::Internal => "the server has no memory left for this",
            Self::ServerShutdown => "the server is shutting down, connect again",
        };
        (text, "")
    }

    /// The close code that follows the `error` message, if the error ends the connection. (It does
    /// not if the token came with `refresh-token`: the previous token is still valid.)
    pub const fn close_code(self) -> Option<CloseCode> {
        match self {
            Self::MessageTooLarge => Some(CloseCode::Size),
            Self::TokenInvalid | Self::TokenExpired => Some(close::UNAUTHORIZED),
            Self::Expelled => Some(close::FORBIDDEN),
            Self::Replaced => Some(close::REPLACED),
            Self::SessionEnded => Some(close::SESSION_ENDED),
            Self::RateLimited(Excess::Attempts) => Some(close::RATE_LIMITED),
            Self::ServerShutdown => Some(CloseCode::Restart),
            Self::Internal => Some(CloseCode::Error),
            _ => None,
        }
    }
}

impl Flaw {
    const fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::NotAnObject => ("a message is a JSON object", ""),
            Self::Repeated => ("a field occurs more than once", ""),
            Self::Missing(name) => ("a field is missing: ", name),
            Self::Wrong(name) => ("a field has a wrong type or value: ", name),
            Self::Binary => ("binary data is not understood here", ""),
            Self::Protocol => ("this cannot be understood, or not at this point", ""),
            Self::Bounds => ("nested too deep, too many members, or a lone surrogate", ""),
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::SdpRejected(fault)
    }
}

impl From<Flaw> for Problem {
    fn from(flaw: Flaw) -> Self {
        Self::BadMessage(flaw)
    }
}

/// The close codes of the application (RFC 6455 7.4.2: 4000 to 4999 are private use).
pub mod close {
    use super::CloseCode;

    /// The token is invalid, or has expired.
    pub const UNAUTHORIZED: CloseCode = CloseCode::Library(4401);
    /// An operator has removed the participant, or revoked the token.
    pub const FORBIDDEN: CloseCode = CloseCode::Library(4403);
    /// No `join-room` within the join timeout.
    pub const JOIN_TIMEOUT: CloseCode = CloseCode::Library(4408);
    /// The same user joined again elsewhere.
    pub const REPLACED: CloseCode = CloseCode::Library(4409);
    /// The session has ended.
    pub const SESSION_ENDED: CloseCode = CloseCode::Library(4410);
    /// The send queue is full: the client does not read.
    pub const CANNOT_KEEP_UP: CloseCode = CloseCode::Library(4413);
    /// More than the limits allow.
    pub const RATE_LIMITED: CloseCode = CloseCode::Library(4429);
    /// Two pings were not answered.
    pub const HEARTBEAT_TIMEOUT: CloseCode = CloseCode::Library(4480);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_close_codes_are_written_as_they_are_named() {
        let codes = [
            (close::UNAUTHORIZED, 4401),
            (close::FORBIDDEN, 4403),
            (close::JOIN_TIMEOUT, 4408),
            (close::REPLACED, 4409),
            (close::SESSION_ENDED, 4410),
            (close::CANNOT_KEEP_UP, 4413),
            (close::RATE_LIMITED, 4429),
            (close::HEARTBEAT_TIMEOUT, 4480),
            (CloseCode::Restart, 1012),
        ];
        for (code, number) in codes {
            assert_eq!(u16::from(code), number);
            assert!(code.is_allowed(), "{number}");
        }
    }
}
