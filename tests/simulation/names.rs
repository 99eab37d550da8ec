//! Ids that show a reader the room and the person, and that can be found in any text.

use std::net::{IpAddr, Ipv4Addr};

use autamedica_signaling::message::{SessionId, UserId};

/// What stands in the middle of every id of a run, and in nothing else.
const MARK: &str = "-0000-4000-8000-";

/// The first eight digits of a session id, and of a user id.
const SESSION: &str = "5e551000";
const USER: &str = "05e50000";

/// What an id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// The session of this room.
    Room(u32),
    /// The user of this number.
    User(u32),
}

/// The session id of a room.
pub fn session(room: u32) -> String {
    format!("{SESSION}{MARK}{room:012}")
}

/// A user id.
pub fn user(number: u32) -> String {
    format!("{USER}{MARK}{number:012}")
}

/// [`session`] as the server's code wants it.
pub fn session_id(room: u32) -> SessionId {
    SessionId::parse(&session(room)).expect("a uuid")
}

/// [`user`] as the server's code wants it.
pub fn user_id(number: u32) -> UserId {
    UserId::parse(&user(number)).expect("a uuid")
}

/// The address of this number.
pub fn address(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number))
}

/// The number of a user id.
pub fn read_user(id: &str) -> Option<u32> {
    id.strip_prefix(USER)?.strip_prefix(MARK)?.parse().ok()
}

/// The number of a session id.
pub fn read_session(id: &str) -> Option<u32> {
    id.strip_prefix(SESSION)?.strip_prefix(MARK)?.parse().ok()
}

/// Every id in a text, wherever it stands.
pub fn all_in(text: &str) -> impl Iterator<Item = Named> {
    text.match_indices(MARK).filter_map(|(at, _)| {
        let id = text.get(at.checked_sub(8)?..at + MARK.len() + 12)?;
        read_user(id).map(Named::User).or_else(|| read_session(id).map(Named::Room))
    })
}
