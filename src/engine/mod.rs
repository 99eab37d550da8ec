//! Floor 4: rooms, their participants, and what may pass between them. Pure: an input and the time in, effects out.
//!
//! ```text
//!   connected ─┐
//!   receive ───┼─→ Engine ─→ Effects: send this to that peer, close that peer
//!   left ──────┤
//!   advance ───┘
//! ```
//!
//! Who brings a transport of their own names each connection by a [`PeerId`] with a small, dense index, calls these four
//! and carries out the effects in their order. The engine asks nothing back.

mod effects;
mod join;
pub mod policy;
mod rooms;

use crate::admission::Grant;
use crate::admission::tokens::Tokens;
use crate::base::arena::Key;
use crate::base::deadlines::Deadlines;
use crate::base::time::{Duration, Instant, Now};
use crate::message::notice::{self, LeaveReason};
use crate::message::problem::{Problem, close};
use crate::message::request::{self, MessageId, Relay, Request, Speaker};

pub use effects::{Effect, Effects, Payload};
use policy::Action;
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
#[derive(Debug)]
pub struct Options {
    /// Judges the tokens in `join-room`.
    pub tokens: Tokens,
    /// How long a connection without a token may take to join.
    pub join_timeout: Duration,
    /// Time between the transport's pings: told to clients.
    pub heartbeat: Duration,
    /// How many participants a room may have, doctor and patient included.
    pub participants_max: usize,
}

/// All rooms of one reactor.
#[derive(Debug)]
pub struct Engine {
    options: Options,
    peers: Vec<Peer>,
    rooms: Rooms,
    joins: Deadlines<1>,
}

#[derive(Clone, Copy, Debug)]
struct Peer {
    generation: u32,
    standing: Standing,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug)]
enum Standing {
    /// Not connected, or told to close: whatever it still says does not count.
    Gone,
    /// Connected without a token.
    Anonymous,
    /// Connected with a token.
    Granted(Grant),
    /// In its room.
    Inside(Key<Participant>),
}

impl Engine {
    /// An engine without rooms.
    pub fn new(options: Options) -> Self {
        let joins = Deadlines::new([options.join_timeout]);
        Self { options, peers: Vec::new(), rooms: Rooms::default(), joins }
    }

    /// A connection was opened, with what its token grants where it presented one.
    pub fn connected(&mut self, peer: PeerId, grant: Option<Grant>, now: Now) {
        let index = peer.index as usize;
        if index >= self.peers.len() {
            self.peers.resize(index + 1, Peer { generation: 0, standing: Standing::Gone });
        }
        let standing = grant.map_or(Standing::Anonymous, Standing::Granted);
        self.peers[index] = Peer { generation: peer.generation, standing };
        if grant.is_none() {
            self.joins.arm(peer.index, 0, now.instant);
        }
    }

    /// A connection sent a message. A refusal is its answer, and disturbs nobody else.
    pub fn receive(&mut self, peer: PeerId, text: &str, now: Now, effects: &mut Effects) {
        if matches!(self.standing(peer), Standing::Gone) {
            return;
        }
        let message = request::parse(text);
        let handled = message
            .request
            .and_then(|request| self.handle(peer, &request, message.id, now, effects));
        if let Err(problem) = handled {
            self.refuse(peer, problem, message.id, now, effects);
        }
    }

    /// A connection can no longer be spoken to: it closed, broke, or was too slow. Calling it again changes nothing.
    pub fn left(&mut self, peer: PeerId, now: Now, effects: &mut Effects) {
        self.depart(peer, LeaveReason::Disconnected, now, effects);
    }

    /// Refuses something that a connection sent, on behalf of the floors above.
    pub fn refuse(
        &mut self,
        peer: PeerId,
        problem: Problem,
        id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) {
        effects.send(peer, |out| notice::error(out, problem, id, None));
        if let Some(code) = problem.close_code() {
            effects.close(peer, code);
            self.depart(peer, LeaveReason::Disconnected, now, effects);
        }
    }

    /// Does what is due at `now`.
    pub fn advance(&mut self, now: Now, effects: &mut Effects) {
        while let Some((index, _)) = self.joins.take_due(now.instant) {
            let peer = PeerId { index, generation: self.peers[index as usize].generation };
            effects.close(peer, close::JOIN_TIMEOUT);
            self.depart(peer, LeaveReason::Disconnected, now, effects);
        }
    }

    /// When [`Engine::advance`] has something to do next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.joins.next()
    }

    /// Tells everybody that the server shuts down, and closes every connection. Rooms end without further notices.
    pub fn shut_down(&mut self, effects: &mut Effects) {
        for (index, peer) in self.peers.iter_mut().enumerate() {
            if matches!(peer.standing, Standing::Gone) {
                continue;
            }
            peer.standing = Standing::Gone;
            let id = PeerId { index: index as u32, generation: peer.generation };
            // Spread out, so that they do not all come back at once.
            let wait = Duration::from_millis(500 + u64::from(id.index).wrapping_mul(7_919) % 4_500);
            effects.send(id, |out| notice::error(out, Problem::ServerShutdown, None, Some(wait)));
            effects.close(id, crate::wire::frame::CloseCode::Restart);
        }
        self.rooms = Rooms::default();
        self.joins = Deadlines::new([self.options.join_timeout]);
    }

    /// Judges tokens by the rules that this engine was given.
    pub fn tokens(&self) -> &Tokens {
        &self.options.tokens
    }

    /// How many rooms there are.
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// Panics where what the engine holds contradicts itself. For tests, simulations and fuzzers.
    pub fn check_invariants(&self) {
        self.rooms.check_invariants();
        let inside =
            self.peers.iter().enumerate().filter_map(|(index, peer)| match peer.standing {
                Standing::Inside(key) => Some((index as u32, peer.generation, key)),
                _ => None,
            });
        let mut count = 0;
        for (index, generation, key) in inside {
            let participant = self.rooms.participant(key).expect("who is inside has a place");
            assert_eq!(participant.peer, PeerId { index, generation });
            count += 1;
        }
        assert_eq!(count, self.rooms.participant_count(), "every place has its connection");
        for (index, peer) in self.peers.iter().enumerate() {
            let awaited = self.joins.queue_of(index as u32).is_some();
            assert_eq!(
                awaited,
                matches!(peer.standing, Standing::Anonymous),
                "who must still join"
            );
        }
    }

    fn handle(
        &mut self,
        peer: PeerId,
        request: &Request<'_>,
        id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        match request {
            // Acknowledges by itself: before the notices that follow from it.
            Request::Join(join) => return self.join(peer, join, id, now, effects),
            Request::Leave(speaker) => return self.leave(peer, *speaker, id, now, effects),
            Request::Relay(relay) => self.relay(peer, relay, effects)?,
            Request::Ping => effects.send(peer, |out| notice::pong(out, now.wall)),
        }
        acknowledge(peer, id, effects);
        Ok(())
    }

    fn leave(
        &mut self,
        peer: PeerId,
        speaker: Speaker,
        id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        self.inside(peer, speaker)?;
        acknowledge(peer, id, effects);
        effects.close(peer, crate::wire::frame::CloseCode::Normal);
        self.depart(peer, LeaveReason::Left, now, effects);
        Ok(())
    }

    /// The message goes on as it came. Its sender, room and addressee are checked first, so its bytes can be trusted.
    fn relay(&mut self, peer: PeerId, relay: &Relay, effects: &mut Effects) -> Result<(), Problem> {
        let sender = self.inside(peer, relay.speaker)?;
        policy::check(Action::Signal, &sender.grant)?;
        let room = sender.room;
        let to = self.rooms.find(room, relay.to).ok_or(Problem::PeerNotFound)?;
        let to = self.rooms.participant(to).ok_or(Problem::PeerNotFound)?;
        debug_assert_eq!(to.room, room);
        if to.peer == peer {
            return Err(Problem::PeerNotFound);
        }
        effects.relay(to.peer);
        Ok(())
    }

    /// The participant that speaks, where it is who it says and where it says.
    fn inside(&self, peer: PeerId, speaker: Speaker) -> Result<&Participant, Problem> {
        let Standing::Inside(key) = self.standing(peer) else { return Err(Problem::NotInRoom) };
        let participant = self.rooms.participant(key).ok_or(Problem::NotInRoom)?;
        if (participant.grant.session, participant.grant.user) != (speaker.session, speaker.user) {
            return Err(Problem::Forbidden);
        }
        Ok(participant)
    }

    /// Takes a connection out of everything, and tells the others where it was in a room.
    fn depart(&mut self, peer: PeerId, reason: LeaveReason, _now: Now, effects: &mut Effects) {
        let standing = self.standing(peer);
        self.set_standing(peer, Standing::Gone);
        let Standing::Inside(key) = standing else { return };
        let Some(participant) = self.rooms.remove(key) else { return };
        let (session, user) = (participant.grant.session, participant.grant.user);
        let others = self.rooms.peers(participant.room);
        effects.broadcast(others, |out| notice::peer_left(out, session, user, reason));
    }

    fn standing(&self, peer: PeerId) -> Standing {
        match self.peers.get(peer.index as usize) {
            Some(entry) if entry.generation == peer.generation => entry.standing,
            _ => Standing::Gone,
        }
    }

    fn set_standing(&mut self, peer: PeerId, standing: Standing) {
        match self.peers.get_mut(peer.index as usize) {
            Some(entry) if entry.generation == peer.generation => entry.standing = standing,
            _ => return,
        }
        if !matches!(standing, Standing::Anonymous) {
            self.joins.cancel(peer.index);
        }
    }
}

fn acknowledge(peer: PeerId, id: Option<MessageId<'_>>, effects: &mut Effects) {
    if let Some(id) = id {
        effects.send(peer, |out| notice::ack(out, id));
    }
}
