//! The server's outputs: to whom it may send, about whom, with which content, and when no more.

use std::collections::BTreeSet;

use autamedica_signaling::base::time::Now;
use serde_json::Value;

use super::super::names::{self, Named};
use super::super::promises::Promise;
use super::super::transcript::short;
use super::expected::Expected;
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
    /// It asked whether what it sent has arrived.
    Ping {
        /// Whom.
        peer: Key,
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
            Self::Ping { .. } | Self::Close { .. } => None,
        }
    }
}

/// What whoever has not been admitted may hear.
const TO_ANYBODY: [&str; 5] = ["error", "ack", "pong", "room-joined", "token-expiring"];

impl Book {
    /// Follows what the server did, in its order; `cause` is who said something.
    pub(super) fn carry_out(
        &mut self,
        cause: Option<Key>,
        now: Now,
        done: &[Done<'_>],
        expected: &Expected,
    ) {
        self.check_records(now, expected);
        let mut touched = BTreeSet::new();
        for (position, one) in done.iter().enumerate() {
            match *one {
                Done::Close { .. } => {}
                Done::Ping { peer } => {
                    let inside = matches!(self.standing(peer), Standing::Inside(_));
                    let link = self.link(peer);
                    self.verdict.check(Promise::Closing, inside, || format!("a ping to {link}"));
                }
                Done::Send { to, text, relayed } => {
                    let closed =
                        |one: &Done<'_>| matches!(one, Done::Close { peer, .. } if *peer == to);
                    let link = self.link(to);
                    self.verdict.check(
                        Promise::Closing,
                        !done[..position].iter().any(closed),
                        || format!("link {link} was closed and then sent {}", short(text)),
                    );
                    touched.extend(self.standing(to).room());
                    self.check_room(cause, to, text, relayed);
                    self.follow_exits(to, text);
                    self.check_shown(to, text);
                }
            }
        }
        self.check_expected(done, expected);
        for one in done {
            if let Done::Close { peer, .. } = *one {
                self.set_standing(peer, Standing::Gone);
            }
        }
        touched.into_iter().for_each(|room| self.check_told(room));
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
            (Named::User(user), Some(who)) => !self.known.contains(&(who.0, user)),
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
                return self.check_stream_name(to, text);
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

    /// Each stream has a name of its own, which stays the same as long as it goes on; later ones have larger names.
    fn check_stream_name(&mut self, to: Key, text: &str) {
        let Standing::Inside(who) = self.standing(to) else { return };
        let named = plain(text, "stream").and_then(|name| name.parse::<u64>().ok());
        let resumed = plain(text, "resumed") == Some("true");
        let last = self.last_stream_name;
        let Some(place) = self.place_mut(who) else { return };
        let right = named.is_some_and(|named| match resumed {
            true => named == place.stream_name,
            false => named > last,
        });
        place.stream_name = named.unwrap_or(0);
        self.last_stream_name = last.max(named.unwrap_or(0));
        self.verdict.check(Promise::Answers, right, || {
            format!("{who:?} is told of stream {named:?}, {resumed}; the last was {last}")
        });
    }

    /// What is said of a participant is so.
    fn check_shown(&mut self, to: Key, text: &str) {
        let Standing::Inside((room, _)) = self.standing(to) else { return };
        let shown: Vec<Value> = match kind(text) {
            "peer-state" => serde_json::from_str(text).into_iter().collect(),
            "peer-joined" => return self.check_emergency_shown(room, text),
            "room-joined" => match serde_json::from_str::<Value>(text) {
                Ok(value) => value["participants"].as_array().cloned().unwrap_or_default(),
                Err(_) => return self.verdict.broken(Promise::Wire, short(text)),
            },
            _ => return,
        };
        for shown in shown {
            let user = shown["userId"].as_str().and_then(names::read_user).unwrap_or(u32::MAX);
            let Some(place) = self.place((room, user)) else { continue };
            let [audio, video, screen] = place.media;
            let right = shown["connectionState"] == place.shown_state()
                && shown["audio"] == audio
                && shown["video"] == video
                && shown["screen"] == screen
                && (kind(text) == "peer-state"
                    || shown["emergency"] == shows(place.bearer.emergency));
            let how = format!("user {user} is {:?} {:?}", place.shown_state(), place.media);
            self.verdict.check(Promise::Answers, right, || format!("{how}, not {shown}"));
        }
    }

    /// Everybody hears of it where somebody comes by emergency access.
    fn check_emergency_shown(&mut self, room: u32, text: &str) {
        let user = field(text, "userId").and_then(names::read_user).unwrap_or(u32::MAX);
        let emergency = self.place((room, user)).is_some_and(|place| place.bearer.emergency);
        let shown = text.contains(r#""emergency":true"#);
        self.verdict.check(Promise::Admission, shown == emergency, || short(text));
    }

    /// Everybody in the room knows of just those who have a place in it.
    fn check_told(&mut self, number: u32) {
        let users = self.users_in(number);
        let Some(room) = self.rooms.get(&number) else { return };
        for (user, place) in &room.places {
            let Some(peer) = place.peer.and_then(|key| self.peers.get(&key)) else { continue };
            if peer.told != users {
                let told = &peer.told;
                let how = format!("user {user} of room {number} knows of {told:?}, not {users:?}");
                return self.verdict.broken(Promise::Exits, how);
            }
        }
    }
}

impl Standing {
    fn room(self) -> Option<u32> {
        match self {
            Self::Inside((room, _)) => Some(room),
            _ => None,
        }
    }
}

/// What is shown only where it is so.
fn shows(is_so: bool) -> Value {
    if is_so { Value::Bool(true) } else { Value::Null }
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

/// A number or a truth value of a message.
pub fn plain<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let name = format!(r#""{name}":"#);
    let rest = &text[text.find(&name)? + name.len()..];
    Some(&rest[..rest.find([',', '}'])?])
}
