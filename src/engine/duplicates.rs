//! A user joins while an older connection has the place, and the setting says not to replace it.
//! The older connection is pinged. If it answers, the newcomer is refused. If it does not answer
//! within [`ANSWER_TIMEOUT`], it is given up, and the waiting `join-room` is obeyed as if it had
//! just arrived.

use super::peers::Standing;
use super::rooms::{Newcomer, Participant};
use super::{Effects, Engine, PeerId};
use crate::base::arena::Key;
use crate::base::limits::Limit;
use crate::base::time::{Duration, Instant, Now};
use crate::message::notice::LeaveReason;
use crate::message::problem::{Problem, close};
use crate::message::request::{KeptId, MessageId};

/// What happens to a user who joins while an older connection of the same user has the place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// The older connection is closed.
    #[default]
    Replace,
    /// The newer one is refused, as long as the older one answers.
    Reject,
}

/// How long the older connection may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// How many may wait at the same time. One more is refused at once, as is a second one for the same
/// place.
const WAITING_MAX: usize = 64;

/// A `join-room` that waits for an older connection to answer.
#[derive(Debug)]
pub(super) struct Waiting {
    newer: PeerId,
    older: PeerId,
    place: Key<Participant>,
    text: Box<str>,
    id: Option<KeptId>,
    until: Instant,
    answered: bool,
}

impl Engine {
    /// Asks the connection that has the place, and lets the newcomer wait.
    pub(super) fn ask_older(
        &mut self,
        newcomer: &Newcomer,
        text: &str,
        id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        let (newer, user) = (newcomer.peer, newcomer.grant.user);
        let room = self.rooms.find_room(newcomer.session);
        let Some(place) = room.and_then(|room| self.rooms.find(room, user)) else {
            return Err(Problem::Internal);
        };
        let older = self.rooms.participant(place).and_then(|participant| participant.peer);
        let asked = self.waiting.iter().any(|one| one.place == place || one.newer == newer);
        let Some(older) = older.filter(|_| !asked && self.waiting.len() < WAITING_MAX) else {
            self.hits.add(Limit::Duplicate);
            return Err(Problem::AlreadyJoined);
        };
        let until = now.instant + ANSWER_TIMEOUT;
        self.waiting.push(Waiting {
            newer,
            older,
            place,
            text: text.into(),
            id: id.map(MessageId::keep),
            until,
            answered: false,
        });
        effects.ping(older);
        // What it sends behind its `join-room` is meant for the room.
        effects.hold(newer);
        Ok(())
    }

    /// Notes that a connection has answered a ping.
    pub(super) fn note_answer(&mut self, peer: PeerId) {
        self.waiting.iter_mut().filter(|one| one.older == peer).for_each(|one| one.answered = true);
    }

    /// When the next waiting `join-room` must be decided.
    pub(super) fn next_decision(&self, now: Instant) -> Option<Instant> {
        let due = |one: &Waiting| if self.is_decided(one) { now } else { one.until };
        self.waiting.iter().map(due).min()
    }

    /// Decides the waiting `join-room`s whose older connection has answered, has left, or has run
    /// out of time.
    pub(super) fn advance_waiting(&mut self, now: Now, effects: &mut Effects) {
        let is_ready =
            |engine: &Self, one: &Waiting| engine.is_decided(one) || one.until <= now.instant;
        while let Some(at) = self.waiting.iter().position(|one| is_ready(self, one)) {
            let one = self.waiting.remove(at);
            effects.resume(one.newer);
            if matches!(self.peers.standing(one.newer), Standing::Gone) {
                continue;
            }
            let holds = self.holds(&one);
            if holds && one.answered {
                self.hits.add(Limit::Duplicate);
                let id = one.id.as_ref().map(KeptId::as_id);
                effects.refuse(one.newer, Problem::AlreadyJoined, id, None);
                continue;
            }
            if holds {
                effects.close(one.older, close::HEARTBEAT_TIMEOUT);
                self.drop_peer(one.older, LeaveReason::Disconnected, now, effects);
            }
            let id = one.id.as_ref().map(KeptId::as_id);
            self.obey(one.newer, &one.text, id, now, effects);
        }
    }

    /// Whether a waiting `join-room` can be decided before its time is up.
    fn is_decided(&self, one: &Waiting) -> bool {
        let has_gone = matches!(self.peers.standing(one.newer), Standing::Gone);
        one.answered || has_gone || !self.holds(one)
    }

    /// Whether the older connection still has the place.
    fn holds(&self, one: &Waiting) -> bool {
        self.rooms.participant(one.place).is_some_and(|place| place.peer == Some(one.older))
    }
}
