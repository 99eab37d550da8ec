//! Floor 4: rooms, their participants, and what may pass between them. Pure: an input and the time in, effects out.
//!
//! ```text
//!   connected ─┐
//!   receive ───┤                ┌─→ send this to that peer
//!   ponged ────┼─→ Engine ─→ Effects ─→ ping that peer
//!   left ──────┤                └─→ close that peer
//!   advance ───┘
//! ```
//!
//! Who brings a transport of their own names each connection by a [`PeerId`] with a small, dense index, calls these five
//! and carries out the effects in their order. The engine asks nothing back.

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
use crate::message::request::{MessageId, Reader, Speaker};
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

/// Names one connection. The index is dense (the engine keeps a table by it); the generation tells its uses apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerId {
    /// Where it stands in the tables.
    pub index: u32,
    /// Which use of the index this is.
    pub generation: u32,
}

/// What the engine needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// Judges the tokens in `join-room` and `refresh-token`.
    pub tokens: Tokens,
    /// How long a connection without a token may take to join.
    pub join_timeout: Duration,
    /// Time between the transport's pings: told to clients.
    pub heartbeat: Duration,
    /// How long the place of a dropped participant is kept.
    pub reconnect_grace: Duration,
    /// How old a room may become.
    pub room_max_age: Duration,
    /// How long a room may stand empty.
    pub room_empty_timeout: Duration,
    /// How many participants a room may have, doctor and patient included.
    pub participants_max: usize,
    /// How many bytes of relayed messages are kept for one participant.
    pub retained_bytes_max: usize,
    /// How many of them are kept for all participants together.
    pub retained_bytes_total_max: usize,
    /// Whether `room:emergency` in a token opens other sessions.
    pub emergency_access: bool,
    /// How many may come in by address and by user.
    pub gate: GateLimits,
    /// For how many connections tables are made at once, so that they need not be moved to grow. The memory is taken from the
    /// system only as it is used.
    pub connections_planned: usize,
    /// How many engines share the sessions among them.
    pub homes: Homes,
    /// How fast a connection may speak.
    pub rates: Rates,
    /// How many rooms there may be. An empty one stays for a while, so it is not the connections that bound them.
    pub rooms_max: usize,
    /// What happens to a user who joins twice.
    pub duplicates: Duplicates,
    /// Whether media goes through relays only: told to clients, and no other candidate passes.
    pub relay_only: bool,
    /// Where there are any, the only networks that candidates may name.
    pub candidate_allowlist: Networks,
    /// Networks that no candidate may name.
    pub candidate_blocklist: Networks,
    /// The STUN and TURN servers that clients are told of.
    pub ice: IceOptions,
}

impl Options {
    /// The ordinary limits of a server.
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
    /// How many rooms have ended.
    rooms_ended: u64,
    /// What waits for its record.
    pending: Arena<Pending>,
    recording: Recording,
    /// The server is about to stop.
    farewell: Option<Farewell>,
    retained: retention::Pool,
    gate: Gate,
    meters: Meters,
    reader: Reader,
    last_hash: LastHash,
    waiting: Vec<duplicates::Waiting>,
    hits: Hits,
    /// The number of the stream that began last.
    last_stream: u64,
    /// Connections that must still join.
    joins: Deadlines<1>,
    /// Participants that are away, and those whose messages are to be proved arrived.
    places: Deadlines<2>,
    /// Rooms by their age, and those that stand empty.
    ages: Deadlines<1>,
    empties: Deadlines<1>,
    /// Participants whose TURN credentials are to be renewed.
    logins: Deadlines<1>,
    /// How many of those were ever given out: no two are the same.
    logins_issued: u64,
    /// Other engines have something to do.
    calls_others: bool,
}

/// Queues of [`Engine::places`].
const GRACE: usize = 0;
const PROBE: usize = 1;

/// How long after a relayed message its arrival is asked for, so that an idle room need not wait for the heartbeat.
const PROBE_AFTER: Duration = Duration::from_secs(1);

/// How often tokens are looked at where only a jump of the wall clock could make one due.
const WALL_CLOCK_CHECK: Duration = Duration::from_secs(15);

impl Engine {
    /// An engine without rooms.
    pub fn new(options: Options) -> Self {
        let gate = Gate::new(options.gate);
        Self::with_gate(options, gate)
    }

    /// An engine without rooms, whose connections are counted together with those of other engines.
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
            reader: Reader::default(),
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

    /// A connection was opened, with what its token grants where it presented one.
    pub fn connected(&mut self, peer: PeerId, grant: Option<Grant>, now: Now) {
        self.meters.reset(peer.index);
        // Whoever stood there before has gone, whether that was said or not.
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

    /// A connection answered a ping that was sent when [`Engine::ping_mark`] said `mark`.
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

    /// A connection can no longer be spoken to: it closed, broke, or was too slow. Calling it again changes nothing.
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
            // Looked at now and then all the same: the wall clock may jump.
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

    /// Whether engines whose connections are counted together with this one's ([`Engine::with_gate`]) are to
    /// [advance](Engine::advance) now; says so once. There are more rooms than may be, and only another one has an empty one to forget.
    pub fn calls_others(&mut self) -> bool {
        std::mem::take(&mut self.calls_others)
    }

    /// Stands for the DTLS fingerprints in the last offer or answer of this connection's participant that was accepted and
    /// had some: the first half of a [`FingerprintHash`](crate::wire::sdp::FingerprintHash).
    pub fn fingerprint(&self, peer: PeerId) -> Option<Redacted<[u8; 16]>> {
        let Standing::Inside(key) = self.peers.standing(peer) else { return None };
        self.rooms.participant(key)?.fingerprint()
    }

    /// Who is inside by address and by user: to be asked and told by whoever opens connections.
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

    /// Has tokens judged by other rules from now on. Who is inside stays until its token ends.
    pub fn use_tokens(&mut self, tokens: Tokens) {
        self.options.tokens = tokens;
    }

    /// Judges tokens by the rules that this engine was given.
    pub fn tokens(&self) -> &Tokens {
        &self.options.tokens
    }

    /// How many rooms there are.
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// How many bytes hold relayed messages that may have to be sent again, rounded up to whole chunks.
    pub fn retained_chunks(&self) -> usize {
        self.retained.chunks_used()
    }

    /// How many ended sessions are remembered.
    pub fn ended_count(&self) -> usize {
        self.ended.len()
    }

    /// The place of whoever speaks, where it is who it says and where it says.
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

    /// Notes how far a connection has come. Who had a place still has it at that time, so that its user is known.
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
