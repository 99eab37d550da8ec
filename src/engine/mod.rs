//! Floor 4: rooms, their participants, and what may pass between them. Pure: takes an input and the
//! time, and returns effects.
//!
//! ```text
//!   connected ─┐
//!   receive ───┤                ┌─→ send this to that peer
//!   ponged ────┼─→ Engine ─→ Effects ─→ ping that peer
//!   left ──────┤                └─→ close that peer
//!   advance ───┘
//! ```
//!
//! To use it with a transport of your own, name each connection by a [`PeerId`] with a small, dense
//! index, call these five methods, and carry out the effects in order. The engine needs no results
//! back.

mod commands;
mod credentials;
mod draining;
mod duplicates;
mod effects;
mod ended;
mod fingerprints;
mod homes;
mod ice;
mod invariants;
mod join;
mod lifecycle;
mod peers;
pub mod policy;
mod rates;
mod receiving;
mod recording;
mod relay;
mod retention;
mod revocations;
mod rooms;
mod streams;
mod token_life;

use crate::admission::Grant;
use crate::admission::gate::{Gate, GateLimits};
use crate::admission::tokens::Tokens;
use crate::base::arena::Arena;
use crate::base::cidr::Networks;
use crate::base::deadlines::Deadlines;
use crate::base::limits::{Hits, Limit};
use crate::base::redacted::Redacted;
use crate::base::time::{Duration, Instant, Now};
use crate::message::UserId;
use crate::message::notice;
use crate::message::problem::{Problem, close};
use crate::message::request::{MessageId, Readers, Speaker};
use crate::wire::sdp::{CandidateRules, LastHash};

pub use commands::{Answer, Command, Gauges, Member, Outline};
use draining::Farewell;
pub use duplicates::Duplicates;
pub use effects::{Effect, Effects, Note, Payload, Ticket};
use ended::EndedSessions;
pub use homes::{Homes, Traveller};
pub use ice::{IceOptions, Logins};
use peers::{Peers, Standing};
use rates::Meters;
pub use rates::Rates;
use recording::Pending;
pub use recording::Recording;
use revocations::Revocations;
use rooms::{Participant, Rooms};

/// Identifies one connection. The index is dense (the engine keeps a table by it); the generation
/// distinguishes successive uses of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerId {
    /// Its position in the tables.
    pub index: u32,
    /// Which use of the index this is.
    pub generation: u32,
}

/// The settings of the engine.
#[derive(Clone, Debug)]
pub struct Options {
    /// Checks the tokens in `join-room` and `refresh-token`.
    pub tokens: Tokens,
    /// How long a connection without a token may take to join.
    pub join_timeout: Duration,
    /// Time between the transport's pings: told to clients.
    pub heartbeat: Duration,
    /// How long the place of a dropped participant is kept.
    pub reconnect_grace: Duration,
    /// The maximum age of a room.
    pub room_max_age: Duration,
    /// How long a room may be empty.
    pub room_empty_timeout: Duration,
    /// How many participants a room may have, doctor and patient included.
    pub participants_max: usize,
    /// How many bytes of relayed messages are kept for one participant.
    pub retained_bytes_max: usize,
    /// How many of them are kept for all participants together.
    pub retained_bytes_total_max: usize,
    /// Whether `room:emergency` in a token opens other sessions.
    pub emergency_access: bool,
    /// How many connections are let in by address and by user.
    pub gate: GateLimits,
    /// For how many connections tables are allocated in advance, so that they need not be moved to
    /// grow. The system provides the memory only as it is used.
    pub connections_planned: usize,
    /// How many engines the sessions are distributed over.
    pub homes: Homes,
    /// The rate limits for the messages of one connection.
    pub rates: Rates,
    /// The maximum number of rooms. An empty room stays for a while, so the number of connections
    /// does not bound them.
    pub rooms_max: usize,
    /// What happens to a user who joins twice.
    pub duplicates: Duplicates,
    /// Whether media goes through TURN relays only. Clients are told so, and other candidates are
    /// not relayed.
    pub relay_only: bool,
    /// If not empty, the only networks that candidates may name.
    pub candidate_allowlist: Networks,
    /// Networks that no candidate may name.
    pub candidate_blocklist: Networks,
    /// The STUN and TURN servers that clients are told of.
    pub ice: IceOptions,
}

impl Options {
    /// The default limits of a server.
    pub const fn new(tokens: Tokens) -> Self {
        Self {
            tokens,
            join_timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(25),
            reconnect_grace: Duration::from_secs(60),
            room_max_age: Duration::from_secs(14_400),
            room_empty_timeout: Duration::from_secs(300),
            participants_max: 8,
            retained_bytes_max: 64 * 1024,
            retained_bytes_total_max: 16 * 1024 * 1024,
            emergency_access: false,
            gate: GateLimits::ORDINARY,
            connections_planned: 0,
            homes: Homes::ONE,
            rates: Rates::ORDINARY,
            rooms_max: 10_000,
            duplicates: Duplicates::Replace,
            relay_only: false,
            candidate_allowlist: Networks::none(),
            candidate_blocklist: Networks::none(),
            ice: IceOptions { stun: Vec::new(), turn: Vec::new(), logins: Logins::None },
        }
    }

    const fn candidate_rules(&self) -> CandidateRules<'_> {
        CandidateRules {
            relay_only: self.relay_only,
            allowed: &self.candidate_allowlist,
            blocked: &self.candidate_blocklist,
        }
    }
}

/// All rooms of one reactor.
#[derive(Debug)]
pub struct Engine {
    options: Options,
    peers: Peers,
    rooms: Rooms,
    ended: EndedSessions,
    revoked: Revocations,
    /// How many rooms have ended since the start.
    rooms_ended: u64,
    /// Effects that wait until their audit record is durable.
    pending: Arena<Pending>,
    recording: Recording,
    /// Set while the server is about to stop.
    farewell: Option<Farewell>,
    retained: retention::Pool,
    gate: Gate,
    meters: Meters,
    readers: Readers,
    last_hash: LastHash,
    waiting: Vec<duplicates::Waiting>,
    hits: Hits,
    /// The number of the stream that began last.
    last_stream: u64,
    /// Connections that must still join.
    joins: Deadlines<1>,
    /// Participants that are away, and those whose messages still have to be confirmed as received.
    places: Deadlines<2>,
    /// Rooms by their age.
    ages: Deadlines<1>,
    empties: Deadlines<1>,
    /// Participants whose TURN credentials have to be renewed.
    logins: Deadlines<1>,
    /// How many of those were ever issued: no two are the same.
    logins_issued: u64,
    /// Set when other engines have something to do.
    calls_others: bool,
}

/// Queues of [`Engine::places`].
const GRACE: usize = 0;
const PROBE: usize = 1;

/// How long after a relayed message a ping asks whether it has arrived, so that an idle room need
/// not wait for the heartbeat.
const PROBE_AFTER: Duration = Duration::from_secs(1);

/// How often tokens are checked when only a jump of the wall clock could make one due.
const WALL_CLOCK_CHECK: Duration = Duration::from_secs(15);

impl Engine {
    /// An engine without rooms.
    pub fn new(options: Options) -> Self {
        let gate = Gate::new(options.gate);
        Self::with_gate(options, gate)
    }

    /// An engine without rooms. Its connections are counted together with those of other engines.
    pub fn with_gate(options: Options, gate: Gate) -> Self {
        let planned = options.connections_planned;
        Self {
            peers: Peers::with_capacity(planned),
            rooms: Rooms::with_capacity(planned / 2),
            ended: EndedSessions::default(),
            revoked: Revocations::default(),
            rooms_ended: 0,
            pending: Arena::new(),
            recording: Recording::Off,
            farewell: None,
            retained: retention::Pool::new(options.retained_bytes_total_max),
            gate,
            meters: Meters::with_capacity(planned),
            readers: Readers::default(),
            last_hash: LastHash::default(),
            waiting: Vec::new(),
            hits: Hits::NONE,
            last_stream: 0,
            joins: Deadlines::with_capacity([options.join_timeout], planned),
            places: Deadlines::with_capacity([options.reconnect_grace, PROBE_AFTER], planned),
            ages: Deadlines::with_capacity([options.room_max_age], planned / 2),
            empties: Deadlines::new([options.room_empty_timeout]),
            logins: Deadlines::with_capacity([options.ice.renewal()], planned),
            logins_issued: 0,
            calls_others: false,
            options,
        }
    }

    /// Call this when a connection was opened, with what its token grants if it presented one.
    pub fn connected(&mut self, peer: PeerId, grant: Option<Grant>, now: Now) {
        self.meters.reset(peer.index);
        // The previous user of the index has gone, whether we were told or not.
        if let Some(before) = self.peers.at(peer.index) {
            self.set_standing(before, Standing::Gone);
        }
        match grant {
            Some(grant) => {
                self.gate.add_user(grant.user);
                self.peers.insert(peer, Standing::Granted(grant));
                self.peers.watch_token(peer, &grant);
            }
            None => {
                self.peers.insert(peer, Standing::Anonymous);
                self.joins.arm(peer.index, 0, now.instant);
            }
        }
    }

    /// Call this when a connection answered a ping that was sent when [`Engine::ping_mark`]
    /// returned `mark`.
    pub fn ponged(&mut self, peer: PeerId, mark: u32, now: Now) {
        let Standing::Inside(key) = self.peers.standing(peer) else { return };
        self.note_answer(peer);
        self.arrived(key, mark, now);
    }

    /// What to remember with a ping to this connection, for [`Engine::ponged`].
    pub fn ping_mark(&self, peer: PeerId) -> u32 {
        match self.peers.standing(peer) {
            Standing::Inside(key) => {
                self.rooms.participant(key).map_or(0, |p| p.hearing.mark(p.queue.sent()))
            }
            _ => 0,
        }
    }

    /// Call this when nothing can be sent to a connection any more: it closed, broke, or was too
    /// slow. Calling it again changes nothing.
    pub fn left(&mut self, peer: PeerId, now: Now, effects: &mut Effects) {
        self.drop_peer(peer, notice::LeaveReason::Disconnected, now, effects);
    }

    /// Does what is due at `now`.
    pub fn advance(&mut self, now: Now, effects: &mut Effects) {
        while let Some((index, _)) = self.joins.take_due(now.instant) {
            let Some(peer) = self.peers.at(index) else { continue };
            self.hits.add(Limit::JoinTime);
            effects.close(peer, close::JOIN_TIMEOUT);
            self.drop_peer(peer, notice::LeaveReason::Disconnected, now, effects);
        }
        self.advance_tokens(now, effects);
        self.advance_waiting(now, effects);
        self.advance_places(now, effects);
        self.advance_rooms(now, effects);
        self.advance_logins(now, effects);
        self.advance_farewell(now, effects);
    }

    /// When [`Engine::advance`] has something to do next.
    pub fn next_deadline(&self, now: Now) -> Option<Instant> {
        let token = self.peers.next_token_due().map(|due| {
            let millis = due.as_millis().saturating_sub(now.wall.as_millis()).max(0) as u64;
            // They are checked now and then all the same: the wall clock may jump.
            now.instant + Duration::from_millis(millis).min(WALL_CLOCK_CHECK)
        });
        let is_asked = self.empties.len(0) > 0 && self.has_surplus();
        let rooms = [
            is_asked.then_some(now.instant),
            self.ages.next(),
            self.empties.next(),
            self.next_decision(now.instant),
            self.next_farewell(),
        ];
        let people = [self.joins.next(), self.places.next(), self.logins.next(), token];
        rooms.into_iter().chain(people).flatten().min()
    }

    /// Whether the engines whose connections are counted together with this one's
    /// ([`Engine::with_gate`]) have to [advance](Engine::advance) now. Returns true only once. The
    /// reason: there are too many rooms, and only another engine has an empty one to forget.
    pub fn calls_others(&mut self) -> bool {
        std::mem::take(&mut self.calls_others)
    }

    /// Stands for the DTLS fingerprints of this connection's participant: the first half of a
    /// [`FingerprintHash`](crate::wire::sdp::FingerprintHash) of the last accepted offer or answer
    /// that had any.
    pub fn fingerprint(&self, peer: PeerId) -> Option<Redacted<[u8; 16]>> {
        let Standing::Inside(key) = self.peers.standing(peer) else { return None };
        self.rooms.participant(key)?.fingerprint()
    }

    /// Counts the connections inside, by address and by user. Code that opens connections must
    /// consult it and report to it.
    pub fn gate(&mut self) -> &mut Gate {
        &mut self.gate
    }

    /// Whether a connection has shown no token yet.
    pub fn is_stranger(&self, peer: PeerId) -> bool {
        matches!(self.peers.standing(peer), Standing::Anonymous)
    }

    /// Whether a connection is in a room.
    pub fn is_inside(&self, peer: PeerId) -> bool {
        matches!(self.peers.standing(peer), Standing::Inside(_))
    }

    /// How often each limit was hit.
    pub fn hits(&self) -> &Hits {
        &self.hits
    }

    /// Replaces the rules by which tokens are checked. Participants that are inside stay until
    /// their token expires.
    pub fn use_tokens(&mut self, tokens: Tokens) {
        self.options.tokens = tokens;
    }

    /// Checks tokens by the rules that this engine was given.
    pub fn tokens(&self) -> &Tokens {
        &self.options.tokens
    }

    /// How many rooms there are.
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// How many bytes are used for relayed messages that may have to be sent again, rounded up to
    /// whole chunks.
    pub fn retained_chunks(&self) -> usize {
        self.retained.chunks_used()
    }

    /// How many ended sessions are remembered.
    pub fn ended_count(&self) -> usize {
        self.ended.len()
    }

    /// The place of the sender, if the message's user and session are the sender's own.
    fn inside(
        &self,
        peer: PeerId,
        speaker: Speaker,
    ) -> Result<(crate::base::arena::Key<Participant>, &Participant), Problem> {
        let Standing::Inside(key) = self.peers.standing(peer) else {
            return Err(Problem::NotInRoom);
        };
        let participant = self.rooms.participant(key).ok_or(Problem::NotInRoom)?;
        let session = self.rooms.room(participant.room).map(|room| room.session);
        if (session, participant.grant.user) != (Some(speaker.session), speaker.user) {
            return Err(Problem::Forbidden);
        }
        Ok((key, participant))
    }

    fn user_of(&self, standing: Standing) -> Option<UserId> {
        match standing {
            Standing::Granted(grant) => Some(grant.user),
            Standing::Inside(key) => self.rooms.participant(key).map(|place| place.grant.user),
            Standing::Joining(key) => match self.pending.get(key) {
                Some(Pending::Join(candidate)) => Some(candidate.newcomer.grant.user),
                _ => None,
            },
            Standing::Anonymous | Standing::Gone => None,
        }
    }

    /// Records the new standing of a connection. If it had a place, it still has it at this moment,
    /// so that its user is known.
    fn set_standing(&mut self, peer: PeerId, standing: Standing) {
        let [before, after] = [self.peers.standing(peer), standing].map(|one| self.user_of(one));
        if before != after {
            before.into_iter().for_each(|user| self.gate.lose_user(user));
            after.into_iter().for_each(|user| self.gate.add_user(user));
        }
        self.peers.set_standing(peer, standing);
        if !matches!(standing, Standing::Anonymous) && self.peers.at(peer.index) == Some(peer) {
            self.joins.cancel(peer.index);
        }
    }
}

fn acknowledge(peer: PeerId, id: Option<MessageId<'_>>, effects: &mut Effects) {
    if let Some(id) = id {
        effects.send(peer, |out| notice::ack(out, id));
    }
}
