//! What the server does: to whom it may speak, of whom, and when not any more.

use std::collections::BTreeSet;

use super::super::names::{self, Named};
use super::super::promises::Promise;
use super::super::transcript::short;
use super::{Book, Key, Standing};

/// Something that the server did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done<'a> {
    /// It sent a text.
    Send {
        /// To whom.
        to: Key,
        /// Which.
        text: &'a str,
        /// Whether it is the message that came in.
        relayed: bool,
    },
    /// It closed a connection.
    Close {
        /// Whose.
        peer: Key,
        /// With which code.
        code: u16,
    },
}

impl<'a> Done<'a> {
    /// The text, where it is one.
    pub fn text(&self) -> Option<&'a str> {
        match *self {
            Self::Send { text, .. } => Some(text),
            Self::Close { .. } => None,
        }
    }

    /// The type of the message, where it is one.
    pub fn kind(&self) -> Option<&'a str> {
        self.text().map(kind)
    }
}

/// What whoever has not been admitted may hear.
const TO_ANYBODY: [&str; 4] = ["error", "ack", "pong", "room-joined"];

impl Book {
    /// Follows what the server did, in its order.
    pub(super) fn carry_out(&mut self, cause: Option<Key>, done: &[Done<'_>]) {
        let mut closed = BTreeSet::new();
        for done in done {
            match *done {
                Done::Close { peer, .. } => {
                    closed.insert(peer);
                    if let Standing::Inside(who) = self.standing(peer) {
                        self.vacate(who, peer);
                    }
                    self.set_standing(peer, Standing::Gone);
                }
                Done::Send { to, text, relayed } => {
                    let again = closed.contains(&to);
                    let link = self.link(to);
                    self.verdict.check(Promise::Closing, !again, || {
                        format!("link {link} was closed and then sent {}", short(text))
                    });
                    self.check_room(cause, to, text, relayed);
                    self.follow_exits(to, text);
                }
            }
        }
    }

    /// A text names nobody and nothing outside the room of whoever it reaches.
    fn check_room(&mut self, cause: Option<Key>, to: Key, text: &str, relayed: bool) {
        let inside = match self.standing(to) {
            Standing::Inside(who) => Some(who),
            _ => None,
        };
        let link = self.link(to);
        let may = inside.is_some() || TO_ANYBODY.contains(&kind(text)) && !relayed;
        self.verdict.check(Promise::Admission, may, || {
            format!("link {link} is in no room and was sent {}", short(text))
        });
        let foreign = names::all_in(text).find(|named| match (*named, inside) {
            (_, None) => true,
            (Named::Room(room), Some(who)) => room != who.0,
            // Who has left is named once more, and a room names the doctor and the patient that it had.
            (Named::User(user), Some(who)) => {
                !self.rooms.get(&who.0).is_some_and(|room| room.known.contains(&user))
            }
        });
        self.verdict.check(Promise::Rooms, foreign.is_none(), || {
            format!("link {link} in {inside:?} was sent {foreign:?} in {}", short(text))
        });
        let sender = cause.map(|cause| self.standing(cause));
        let same_room = !relayed || sender.and_then(Standing::room) == inside.map(|who| who.0);
        self.verdict.check(Promise::Rooms, same_room, || {
            format!("link {link} in {inside:?} was sent a message of {sender:?}")
        });
    }

    /// What a connection is told about who is there.
    fn follow_exits(&mut self, to: Key, text: &str) {
        let Some(peer) = self.peers.get_mut(&to) else { return };
        let user = field(text, "userId").and_then(names::read_user);
        let right = match (kind(text), user) {
            ("room-joined", _) => {
                peer.told = participants(text);
                true
            }
            ("peer-joined", Some(user)) => peer.told.insert(user),
            ("peer-left", Some(user)) => peer.told.remove(&user),
            ("peer-state" | "peer-stats", Some(user)) => peer.told.contains(&user),
            _ => true,
        };
        let (link, told) = (peer.link, &peer.told);
        self.verdict.check(Promise::Exits, right, || {
            format!("link {link}, which knows of {told:?}, was sent {}", short(text))
        });
    }
}

/// The users that a `room-joined` lists.
pub fn participants(text: &str) -> BTreeSet<u32> {
    let list = text.split_once(r#""participants":["#).and_then(|(_, rest)| rest.split_once(']'));
    let named = list.into_iter().flat_map(|(list, _)| names::all_in(list));
    named.filter_map(|name| if let Named::User(user) = name { Some(user) } else { None }).collect()
}

/// The type of a message, which both sides write first.
pub fn kind(text: &str) -> &str {
    let rest = text.strip_prefix(r#"{"type":""#).unwrap_or_default();
    rest.split_once('"').map_or("", |(kind, _)| kind)
}

/// A text field of a message, where it has no escapes.
pub fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let name = format!(r#""{name}":""#);
    let rest = &text[text.find(&name)? + name.len()..];
    rest.split_once('"').map(|(value, _)| value)
}

/// The close code that must follow an error, where it ends the connection.
pub fn close_code(code: &str) -> Option<u16> {
    Some(match code {
        "TOKEN_INVALID" | "TOKEN_EXPIRED" => 4401,
        "REPLACED" => 4409,
        "SESSION_ENDED" => 4410,
        "MESSAGE_TOO_LARGE" => 1009,
        "SERVER_SHUTDOWN" => 1012,
        _ => return None,
    })
}
