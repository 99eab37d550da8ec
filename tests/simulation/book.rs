//! A model of who is where, derived only from the server's inputs and outputs. It knows the
//! protocol and nothing of the server's code: the result of each input is computed here a second
//! time, in the simplest way.

#[path = "book/admission.rs"]
mod admission;
#[path = "book/crowd.rs"]
mod crowd;
#[path = "book/effects.rs"]
mod effects;
#[path = "book/expected.rs"]
mod expected;
#[path = "book/judgement.rs"]
mod judgement;
#[path = "book/logins.rs"]
mod logins;
#[path = "book/places.rs"]
mod places;
#[path = "book/rates.rs"]
mod rates;
#[path = "book/records.rs"]
mod records;
#[path = "book/requests.rs"]
mod requests;
#[path = "book/timers.rs"]
mod timers;
#[path = "book/waiting.rs"]
mod waiting;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use autamedica_signaling::base::time::{Instant, Now, WallTime};
use autamedica_signaling::engine::PeerId;

use autamedica_signaling::message::record::{Event, ExitReason};

use super::disk::Disk;
use super::ledger::{Ledger, Who};
use super::plan::Settings;
use super::promises::{Promise, Verdict};
use super::register::Register;

pub use admission::Token;
pub use crowd::Newcomer;
pub use effects::{Done, field, kind, participants, plain};
use expected::Expected;
use logins::Logins;
use places::Room;
pub use records::Noted;
use waiting::{Candidate, Waiting};

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
    /// Where the audit log is.
    disk: Disk,
    /// The audit log as somebody reads it.
    register: Register,
    /// What it was told: what was not looked at yet, what was not compared with the disk yet, and how much it was.
    notes: Vec<Noted>,
    unread: Vec<Noted>,
    note_count: usize,
    waiting: Vec<Waiting>,
    /// Rooms whose end was told though it could not be written.
    unwritten_ends: BTreeSet<u32>,
    /// What the log says of everybody's certificate.
    fingerprint: Option<[u8; 32]>,
    settings: Settings,
    /// Every token that was ever made.
    tokens: BTreeMap<String, Token>,
    /// The token that a connection presents with its request, by the number of its link.
    presented: BTreeMap<usize, String>,
    /// Broken messages, and the code that each must be refused with.
    babble: BTreeMap<String, &'static str>,
    peers: BTreeMap<Key, Peer>,
    /// Who must still join, and whose token must be watched.
    anonymous: BTreeSet<Key>,
    watched: BTreeSet<Key>,
    rooms: BTreeMap<u32, Room>,
    /// The stream of letters that comes over a link.
    streams: BTreeMap<usize, usize>,
    /// What the server called the stream that began last.
    last_stream_name: u64,
    /// Everybody who ever had a place in a room.
    known: BTreeSet<Who>,
    /// Rooms whose session is over.
    ended: BTreeSet<u32>,
    /// Before these times no token, and no place or room, is due.
    tokens_quiet_until: WallTime,
    rooms_quiet_until: Instant,
    /// The logins of TURN servers.
    logins: Logins,
    /// When the server last stood still, which excuses what comes late.
    stalled: (Instant, Instant),
    /// When the wall clock last jumped, which is seen only now and then.
    jumped_at: Instant,
    /// It says good-bye, and lets nobody in any more.
    stopping: bool,
    /// How many messages were refused for their number, how many connections were closed for that, and how many clients of
    /// Socket.IO were let in.
    pub refused: u64,
    pub flooded: u64,
    pub let_in: u64,
    /// How many gave their place to somebody else.
    pub gave_way: u64,
}

/// A connection.
#[derive(Debug)]
struct Peer {
    link: usize,
    /// Its number in the log.
    number: u64,
    since: Instant,
    standing: Standing,
    /// Its token, since when, and whether it was told that this is about to end.
    token: Option<Token>,
    token_since: Instant,
    warned: bool,
    /// Who is about to enter over it.
    candidate: Option<Candidate>,
    /// Whom it knows to be in its room, by what it was told.
    told: BTreeSet<u32>,
    /// How much it has said: signals, and everything else.
    used: [rates::Used; 2],
    /// When it was last told that it was too much.
    refusals: VecDeque<Instant>,
    /// From where it came, and whether all places were taken then.
    address: u32,
    full: bool,
    /// Whether it is still there, and whether it has ever shown a good token.
    present: bool,
    known: bool,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It has not asked for an upgrade yet.
    New,
    /// A WebSocket without a token.
    Anonymous,
    /// A WebSocket with a token.
    Granted,
    /// About to enter: waits for the record of it.
    Joining,
    /// In its room.
    Inside(Who),
    /// It was closed, or has gone.
    Gone,
}

impl Book {
    /// An empty book of a server with these settings.
    pub fn new(settings: Settings, disk: Disk) -> Self {
        Self {
            verdict: Verdict::default(),
            ledger: Ledger::default(),
            disk,
            register: Register::default(),
            notes: Vec::new(),
            unread: Vec::new(),
            note_count: 0,
            waiting: Vec::new(),
            unwritten_ends: BTreeSet::new(),
            fingerprint: None,
            settings,
            tokens: BTreeMap::new(),
            presented: BTreeMap::new(),
            babble: BTreeMap::new(),
            peers: BTreeMap::new(),
            anonymous: BTreeSet::new(),
            watched: BTreeSet::new(),
            rooms: BTreeMap::new(),
            streams: BTreeMap::new(),
            last_stream_name: 0,
            known: BTreeSet::new(),
            ended: BTreeSet::new(),
            tokens_quiet_until: WallTime::default(),
            rooms_quiet_until: Instant::default(),
            logins: Logins::default(),
            stalled: Default::default(),
            jumped_at: Instant::default(),
            stopping: false,
            refused: 0,
            flooded: 0,
            let_in: 0,
            gave_way: 0,
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

    /// The server stands still from then to then.
    pub fn note_stall(&mut self, from: Instant, until: Instant) {
        self.stalled = (from, until);
    }

    /// The server's wall clock has jumped.
    pub fn note_jump(&mut self, at: Instant) {
        self.jumped_at = at;
    }

    /// The server has accepted a connection.
    pub fn accepted(&mut self, peer: PeerId, newcomer: Newcomer, now: Now) {
        let Newcomer { link, number, address, full } = newcomer;
        let entry = Peer {
            link,
            number,
            address,
            full,
            present: true,
            known: false,
            refusals: VecDeque::new(),
            since: now.instant,
            standing: Standing::New,
            token: None,
            token_since: now.instant,
            warned: false,
            candidate: None,
            told: BTreeSet::new(),
            used: Default::default(),
        };
        self.peers.insert(key(peer), entry);
    }

    /// The stream of the letters that come over a link.
    pub fn stream_of(&self, link: usize) -> Option<usize> {
        self.streams.get(&link).copied()
    }

    /// Whoever can no longer be spoken to is away, or gone.
    pub fn left(&mut self, peer: PeerId, now: Now, done: &[Done<'_>]) {
        let key = key(peer);
        let mut expected = Expected::default();
        self.drop_connection(key, "disconnected", now, &mut expected);
        self.set_standing(key, Standing::Gone);
        self.carry_out(None, now, done, &expected);
    }

    /// The server has said good-bye to everybody.
    pub fn shut_down(&mut self, now: Now, done: &[Done<'_>]) {
        let mut expected = Expected::default();
        self.stopping = true;
        self.note_farewell(&mut expected);
        self.check_records(now, &expected);
        let left = self.register.count();
        self.verdict.check(Promise::Records, left == 0, || {
            format!("the server stops, and of {left} people the log does not say that they go")
        });
        self.waiting.clear();
        let open = |peer: &Peer| !matches!(peer.standing, Standing::New | Standing::Gone);
        let open = self.peers.iter().filter(|(_, peer)| open(peer)).map(|(key, _)| *key);
        let untold = open.filter(|key| !done.contains(&Done::Close { peer: *key, code: 1012 }));
        let untold: Vec<usize> = untold.map(|key| self.link(key)).collect();
        self.verdict.check(Promise::Closing, untold.is_empty(), || {
            format!("links {untold:?} were not told that the server shuts down")
        });
        self.rooms.clear();
        let all: Vec<Key> = self.peers.keys().copied().collect();
        all.into_iter().for_each(|key| self.set_standing(key, Standing::Gone));
    }

    /// Another server has taken the place of the one before: it knows nobody, and nothing that was accepted counts.
    pub fn started_anew(&mut self, ended: BTreeSet<u32>) {
        self.rooms.clear();
        self.peers.clear();
        self.anonymous.clear();
        self.watched.clear();
        let open: Vec<u32> = self.ended.difference(&ended).copied().collect();
        let lost = open.iter().find(|room| !self.unwritten_ends.contains(room));
        let kept = lost.is_none() || self.settings.audit.is_none();
        self.verdict.check(Promise::WrittenAhead, kept, || {
            format!("room {lost:?} was over, and is not after a restart")
        });
        self.ended = ended;
        self.stopping = false;
        self.register.forget();
        self.last_stream_name = 0;
        self.waiting.clear();
        self.unread.clear();
        self.note_count = 0;
        // In this play every server counts its logins from the beginning.
        self.logins = Logins::default();
    }

    /// Everybody leaves, and nobody enters any more.
    fn note_farewell(&mut self, expected: &mut Expected) {
        let event = Event::Leave { reason: ExitReason::ServerStopped };
        for (room, entry) in &self.rooms {
            for (user, place) in &entry.places {
                let subject = records::subject((*room, *user), place.bearer.token.role);
                expected.record(place.peer, event, subject);
            }
        }
        let all: Vec<Key> = self.peers.keys().copied().collect();
        for key in all {
            self.withdraw(key, "SERVER_SHUTDOWN", expected);
        }
    }

    fn standing(&self, key: Key) -> Standing {
        self.peers.get(&key).map_or(Standing::Gone, |peer| peer.standing)
    }

    fn set_standing(&mut self, key: Key, standing: Standing) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.standing = standing;
        peer.known |= !matches!(standing, Standing::New | Standing::Anonymous | Standing::Gone);
        self.anonymous.remove(&key);
        // Who waits with a token of its own is still watched.
        if standing != Standing::Joining {
            self.watched.remove(&key);
        }
        match standing {
            Standing::Anonymous => drop(self.anonymous.insert(key)),
            Standing::Granted | Standing::Inside(_) => drop(self.watched.insert(key)),
            Standing::New | Standing::Joining | Standing::Gone => {}
        }
    }

    fn set_token(&mut self, key: Key, token: Token, now: Now) {
        if let Some(peer) = self.peers.get_mut(&key) {
            (peer.token, peer.token_since, peer.warned) = (Some(token), now.instant, false);
            self.tokens_quiet_until = WallTime::default();
        }
    }

    fn link(&self, key: Key) -> usize {
        self.peers.get(&key).map_or(usize::MAX, |peer| peer.link)
    }

    /// Nothing comes late, unless the server stood still when it was due.
    fn check_punctual(&mut self, due: Instant, now: Instant, what: impl FnOnce() -> String) {
        let (from, until) = self.stalled;
        let excused = due <= until && now >= from;
        self.verdict.check(Promise::Closing, due >= now || excused, || {
            format!("{} was due {} µs ago", what(), now.since(due).as_micros())
        });
    }
}
