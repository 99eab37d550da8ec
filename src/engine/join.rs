//! Entering a room: who is it, may it, is there a place, and who must hear of it.

use super::peers::Standing;
use super::policy::{self, Action};
use super::rooms::{Newcomer, Participant};
use super::{Effects, Engine, PeerId, acknowledge};
use crate::admission::Grant;
use crate::admission::tokens::TokenFault;
use crate::base::arena::Key;
use crate::base::limits::Limit;
use crate::base::time::Now;
use crate::message::notice::{self, Welcome};
use crate::message::problem::{Excess, Flaw, Problem, close};
use crate::message::request::{ConnectionState, Join, Media, MessageId};
use crate::message::{Permissions, Role};

impl Engine {
    pub(super) fn join(
        &mut self,
        peer: PeerId,
        join: &Join<'_>,
        id: Option<MessageId<'_>>,
        text: &str,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        let grant = self.authenticate(peer, join, now)?;
        // Whoever came with its token was counted at the door.
        if self.is_stranger(peer) && !self.gate.admits_user(grant.user) {
            self.hits.add(Limit::UserConnections);
            return Err(Problem::RateLimited(Excess::Attempts));
        }
        let emergency = self.authorise(&grant, join)?;
        let session = join.speaker.session;
        if self.ended.contains(session, self.options.tokens.ends_at(&grant)) {
            return Err(Problem::SessionEnded);
        }
        let has_say = grant.role == Role::Doctor && !emergency;
        let newcomer = Newcomer {
            peer,
            session,
            grant,
            token_is_new: join.token.is_some(),
            emergency,
            media: Media::default().changed(join.media),
            // The token's word counts before the doctor's, and nobody else has a say.
            room_type: grant
                .room_type
                .filter(|_| !emergency)
                .or(join.room_type.filter(|_| has_say)),
            joined_at: now.wall,
        };
        let room = self.rooms.find_room(session);
        match room.and_then(|room| self.rooms.find(room, grant.user)) {
            Some(place) if self.is_held(place, &grant, emergency) => {
                self.ask_older(place, peer, text, now, effects)
            }
            Some(place) => self.come_back(place, newcomer, join, id, now, effects),
            None => self.enter(newcomer, id, now, effects),
        }
    }

    /// What the connection's token grants, or the one that comes with the message.
    fn authenticate(&mut self, peer: PeerId, join: &Join<'_>, now: Now) -> Result<Grant, Problem> {
        let held = match self.peers.standing(peer) {
            Standing::Inside(_) => return Err(Problem::AlreadyJoined),
            Standing::Granted(grant) => Some(grant),
            Standing::Anonymous | Standing::Gone => None,
        };
        let presented = join.token.as_ref().map(|token| self.check(peer, token, now)).transpose();
        let presented = presented.map_err(|fault| fault.when(Excess::Attempts))?;
        let tokens = &self.options.tokens;
        match (held, presented) {
            (None, None) => Err(Problem::Unauthorized),
            (None, Some(grant)) => Ok(grant),
            (Some(grant), None) if now.wall >= tokens.ends_at(&grant) => Err(Problem::TokenExpired),
            (Some(grant), None) => Ok(grant),
            (Some(held), Some(new)) if held.is_same_bearer(&new) => Ok(new),
            (Some(_), Some(_)) => Err(Problem::Forbidden),
        }
    }

    /// What a token grants. One that is not valid counts against the address; one that has ended was ours, and guesses
    /// nothing.
    pub(super) fn check(&mut self, peer: PeerId, token: &str, now: Now) -> Result<Grant, Failure> {
        self.options.tokens.check(token, now.wall).map_err(|fault| match fault {
            TokenFault::Expired => Failure::Expired,
            TokenFault::Invalid if self.gate.failed_at(peer.index, now.instant).is_some() => {
                self.hits.add(Limit::AuthFailures);
                Failure::TooMany
            }
            TokenFault::Invalid => Failure::Invalid,
        })
    }

    /// Whether the message claims what the token says, and the token opens this room. `true`: by emergency access.
    fn authorise(&self, grant: &Grant, join: &Join<'_>) -> Result<bool, Problem> {
        if (join.speaker.user, join.role) != (grant.user, grant.role) {
            return Err(Problem::Forbidden);
        }
        policy::check(Action::Join, grant)?;
        if join.speaker.session == grant.session {
            return Ok(false);
        }
        let entitled = self.options.emergency_access
            && grant.role == Role::Doctor
            && grant.permissions.contains(Permissions::EMERGENCY);
        match join.reason {
            _ if !entitled => Err(Problem::Forbidden),
            None => Err(Flaw::Missing("reason").into()),
            Some(_) => Ok(true),
        }
    }

    fn enter(
        &mut self,
        newcomer: Newcomer,
        id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        self.rooms.check_seat(&newcomer, self.options.participants_max)?;
        let is_known = self.rooms.find_room(newcomer.session).is_some();
        if !is_known && self.rooms.len() >= self.options.rooms_max {
            return Err(Problem::ServerFull);
        }
        let peer = newcomer.peer;
        let (place, room, is_new) = self.rooms.admit(newcomer);
        if is_new {
            self.ages.arm(room.index(), 0, now.instant);
        }
        self.empties.cancel(room.index());
        let changed = self.rooms.activate(room);
        self.welcome(place, newcomer.token_is_new, false, now, effects);
        acknowledge(peer, id, effects);
        if let Some(participant) = self.rooms.participant(place) {
            let state = participant.describe();
            let others = self.rooms.others(room, Some(peer));
            effects.broadcast(others, |out| notice::peer_joined(out, newcomer.session, &state));
        }
        if let Some(status) = changed {
            let everybody = self.rooms.others(room, None);
            effects.broadcast(everybody, |out| {
                notice::room_status(out, newcomer.session, status, None);
            });
        }
        Ok(())
    }

    /// The same user comes again: after a drop, or from elsewhere. The place is the newer connection's.
    fn come_back(
        &mut self,
        place: Key<Participant>,
        newcomer: Newcomer,
        join: &Join<'_>,
        id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        let Newcomer { peer, grant, emergency, .. } = newcomer;
        let Some(participant) = self.rooms.participant_mut(place) else { return Ok(()) };
        if !participant.is_same(&grant, emergency) {
            return Err(Problem::RoleTaken);
        }
        let received = join.received.filter(|&count| participant.queue.can_resume(count));
        match received {
            Some(count) => participant.queue.release(count, &mut self.retained),
            None => participant.queue.reset(&mut self.retained),
        }
        let older = participant.peer.replace(peer);
        participant.grant = grant;
        participant.probing = false;
        participant.connection_state = ConnectionState::Connected;
        // What it says nothing about is as it was.
        participant.media = participant.media.changed(join.media);
        let room = participant.room;
        self.rooms.note_token(room, &grant);
        self.places.cancel(place.index());
        if let Some(older) = older {
            self.set_standing(older, Standing::Gone);
            effects.send(older, |out| notice::error(out, Problem::Replaced, None, None));
            effects.close(older, close::REPLACED);
        }
        self.welcome(place, newcomer.token_is_new, received.is_some(), now, effects);
        acknowledge(peer, id, effects);
        if let Some(participant) = self.rooms.participant(place) {
            participant.queue.replay(&self.retained, |write| effects.send(peer, |out| write(out)));
        }
        self.ask_for_arrival(place, now);
        self.tell_state(place, Some(received.is_some()), effects);
        Ok(())
    }

    /// Lets the connection in and tells it what it finds.
    fn welcome(
        &mut self,
        place: Key<Participant>,
        token_is_new: bool,
        resumed: bool,
        now: Now,
        effects: &mut Effects,
    ) {
        let Some(participant) = self.rooms.participant(place) else { return };
        let Some(room) = self.rooms.describe(participant.room) else { return };
        let Some(peer) = participant.peer else { return };
        let participants = self.rooms.describe_participants(participant.room);
        let welcome = Welcome {
            polite: participant.grant.role != Role::Doctor,
            resumed,
            heartbeat: self.options.heartbeat,
            server_time: now.wall,
        };
        effects.send(peer, |out| notice::room_joined(out, &room, participants, &welcome));
        let grant = participant.grant;
        self.set_standing(peer, Standing::Inside(place));
        if token_is_new {
            self.peers.watch_token(peer, &grant);
        }
    }
}

/// What is wrong with a token that came in a message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Failure {
    Expired,
    Invalid,
    /// It is not valid, and too many such came from the same address.
    TooMany,
}

impl Failure {
    /// What the client hears; `excess` says whether one too many ends the connection.
    pub(super) const fn when(self, excess: Excess) -> Problem {
        match self {
            Self::Expired => Problem::TokenExpired,
            Self::Invalid => Problem::TokenInvalid,
            Self::TooMany => Problem::RateLimited(excess),
        }
    }
}
