//! A book of who is where, kept beside the server from what goes into it and comes out of it. It knows the contract and
//! nothing of the server's code: what an input must lead to is worked out here a second time, in the simplest way.

#[path = "book/admission.rs"]
mod admission;
#[path = "book/effects.rs"]
mod effects;
#[path = "book/requests.rs"]
mod requests;

use std::collections::{BTreeMap, BTreeSet};

use autamedica_signaling::base::time::{Duration, Instant, Now};
use autamedica_signaling::engine::PeerId;
use autamedica_signaling::message::Role;

use super::ledger::{Ledger, Who};
use super::plan::Settings;
use super::promises::{Promise, Verdict};

pub use admission::Token;
pub use effects::{Done, field, kind, participants};

/// A connection, as the server names it.
pub type Key = (u32, u32);

/// The names of a [`PeerId`].
pub fn key(peer: PeerId) -> Key {
    (peer.index, peer.generation)
}

/// What there is to know about all connections and rooms.
pub struct Book {
    /// What is wrong so far.
    pub verdict: Verdict,
    /// The letters.
    pub ledger: Ledger,
    settings: Settings,
    /// Every token that was ever made.
    tokens: BTreeMap<String, Token>,
    /// The token that a connection presents with its request, by the number of its link.
    presented: BTreeMap<usize, String>,
    /// Broken messages, and the code that each must be refused with.
    babble: BTreeMap<String, &'static str>,
    peers: BTreeMap<Key, Peer>,
    /// Who must still join.
    anonymous: BTreeSet<Key>,
    rooms: BTreeMap<u32, Room>,
}

/// A connection.
#[derive(Debug)]
struct Peer {
    link: usize,
    since: Instant,
    standing: Standing,
    /// Whom it knows to be in its room, by what it was told.
    told: BTreeSet<u32>,
    /// The stream of letters that it receives.
    stream: Option<usize>,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It has not asked for an upgrade yet.
    New,
    /// A WebSocket without a token.
    Anonymous,
    /// A WebSocket with a token.
    Granted(Token),
    /// In its room.
    Inside(Who),
    /// It was closed, or has gone.
    Gone,
}

/// A room with somebody in it.
#[derive(Debug, Default)]
struct Room {
    places: BTreeMap<u32, Place>,
    /// Everybody who ever had a place in it.
    known: BTreeSet<u32>,
    active: bool,
}

/// Somebody's place.
#[derive(Debug)]
struct Place {
    peer: Key,
    role: Role,
    token: Token,
    stream: usize,
}

impl Book {
    /// An empty book of a server with these settings.
    pub fn new(settings: Settings) -> Self {
        Self {
            verdict: Verdict::default(),
            ledger: Ledger::default(),
            settings,
            tokens: BTreeMap::new(),
            presented: BTreeMap::new(),
            babble: BTreeMap::new(),
            peers: BTreeMap::new(),
            anonymous: BTreeSet::new(),
            rooms: BTreeMap::new(),
        }
    }

    /// A token was made.
    pub fn note_token(&mut self, text: String, token: Token) {
        self.tokens.insert(text, token);
    }

    /// A connection will present this token with its request.
    pub fn note_presented(&mut self, link: usize, token: String) {
        self.presented.insert(link, token);
    }

    /// Somebody says something broken.
    pub fn note_babble(&mut self, text: String, code: &'static str) {
        self.babble.insert(text, code);
    }

    /// The server has accepted a connection.
    pub fn accepted(&mut self, peer: PeerId, link: usize, now: Now) {
        let (standing, told) = (Standing::New, BTreeSet::new());
        let entry = Peer { link, since: now.instant, standing, told, stream: None };
        self.peers.insert(key(peer), entry);
    }

    /// The stream of the letters that come over a link.
    pub fn stream_of(&self, key: Key) -> Option<usize> {
        self.peers.get(&key)?.stream
    }

    /// Who is in a room, by user.
    pub fn users_in(&self, room: u32) -> BTreeSet<u32> {
        self.rooms.get(&room).into_iter().flat_map(|room| room.places.keys().copied()).collect()
    }

    /// How many rooms have somebody in them.
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// The stream that a participant is in.
    pub fn stream_of_user(&self, who: Who) -> Option<usize> {
        Some(self.place(who)?.stream)
    }

    /// Whoever can no longer be spoken to is out.
    pub fn left(&mut self, peer: PeerId, done: &[Done<'_>]) {
        let key = key(peer);
        let standing = self.standing(key);
        self.set_standing(key, Standing::Gone);
        if let Standing::Inside(who) = standing {
            self.vacate(who, key);
        }
        self.carry_out(Some(key), done);
        self.check_told(standing.room());
    }

    /// What was due has been done.
    pub fn advanced(&mut self, now: Now, done: &[Done<'_>]) {
        let timeout = Duration::from_secs(self.settings.join_timeout_secs);
        for done in done {
            let Done::Close { peer, code } = *done else { continue };
            let Some(entry) = self.peers.get(&peer) else { continue };
            let late = entry.since + timeout <= now.instant;
            let right = code == 4408 && entry.standing == Standing::Anonymous && late;
            self.verdict.check(Promise::Closing, right, || {
                format!("link {} was closed with {code}: {:?}", entry.link, entry.standing)
            });
        }
        self.carry_out(None, done);
        let anonymous = self.anonymous.iter().filter_map(|key| self.peers.get(key));
        let overdue = anonymous.filter(|peer| peer.since + timeout <= now.instant).last();
        if let Some(peer) = overdue {
            let how = format!("link {} has not joined in time and is still there", peer.link);
            self.verdict.broken(Promise::Closing, how);
        }
    }

    /// The server has said good-bye to everybody.
    pub fn shut_down(&mut self, done: &[Done<'_>]) {
        let open: Vec<Key> = self.open_peers().collect();
        for key in open {
            let closed = done.contains(&Done::Close { peer: key, code: 1012 });
            let link = self.link(key);
            self.verdict.check(Promise::Closing, closed, || {
                format!("link {link} was not told that the server shuts down")
            });
        }
        self.rooms.clear();
        self.anonymous.clear();
        for peer in self.peers.values_mut() {
            peer.standing = Standing::Gone;
        }
    }

    fn open_peers(&self) -> impl Iterator<Item = Key> {
        let open = |peer: &Peer| !matches!(peer.standing, Standing::New | Standing::Gone);
        self.peers.iter().filter(move |(_, peer)| open(peer)).map(|(key, _)| *key)
    }

    fn standing(&self, key: Key) -> Standing {
        self.peers.get(&key).map_or(Standing::Gone, |peer| peer.standing)
    }

    fn set_standing(&mut self, key: Key, standing: Standing) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.standing = standing;
        match standing {
            Standing::Anonymous => self.anonymous.insert(key),
            _ => self.anonymous.remove(&key),
        };
    }

    fn link(&self, key: Key) -> usize {
        self.peers.get(&key).map_or(usize::MAX, |peer| peer.link)
    }

    fn place(&self, who: Who) -> Option<&Place> {
        self.rooms.get(&who.0)?.places.get(&who.1)
    }

    /// Takes a participant out of the room, unless another connection has the place.
    fn vacate(&mut self, who: Who, key: Key) {
        let Some(room) = self.rooms.get_mut(&who.0) else { return };
        if room.places.get(&who.1).is_some_and(|place| place.peer == key) {
            room.places.remove(&who.1);
        }
        if room.places.is_empty() {
            self.rooms.remove(&who.0);
        }
    }

    /// Everybody in the room knows of just those who are in it.
    fn check_told(&mut self, room: Option<u32>) {
        let Some(number) = room else { return };
        let users = self.users_in(number);
        let Some(room) = self.rooms.get(&number) else { return };
        for (user, place) in &room.places {
            let told = self.peers.get(&place.peer).map(|peer| &peer.told);
            if told != Some(&users) {
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
