//! Entering a room: who is it, may it, is there a place, and who must hear of it.

use super::policy::{self, Action};
use super::rooms::{Newcomer, Participant};
use super::{Effects, Engine, PeerId, Standing, acknowledge};
use crate::admission::Grant;
use crate::admission::tokens::TokenFault;
use crate::base::arena::Key;
use crate::base::time::Now;
use crate::message::Role;
use crate::message::notice::{self, Welcome};
use crate::message::problem::{Problem, close};
use crate::message::request::{Join, MessageId};

impl Engine {
    pub(super) fn join(
        &mut self,
        peer: PeerId,
        join: &Join<'_>,
        id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        let grant = self.authenticate(peer, join, now)?;
        authorise(&grant, join)?;
        let newcomer = Newcomer {
            peer,
            grant,
            media: join.media,
            // The token's word counts before the doctor's, and nobody else has a say.
            room_type: grant.room_type.or(join.room_type.filter(|_| grant.role == Role::Doctor)),
            joined_at: now.wall,
        };
        match self.rooms.find_in_session(grant.session, grant.user) {
            Some(place) => self.take_over(place, newcomer, id, now, effects),
            None => self.enter(newcomer, id, now, effects),
        }
    }

    /// What the connection's token grants, or the one that comes with the message.
    fn authenticate(&self, peer: PeerId, join: &Join<'_>, now: Now) -> Result<Grant, Problem> {
        let held = match self.standing(peer) {
            Standing::Inside(_) => return Err(Problem::AlreadyJoined),
            Standing::Granted(grant) => Some(grant),
            Standing::Anonymous | Standing::Gone => None,
        };
        let presented = join.token.as_ref().map(|token| self.options.tokens.check(token, now.wall));
        match (held, presented.transpose().map_err(Problem::from)?) {
            (None, None) => Err(Problem::Unauthorized),
            (None, Some(grant)) => Ok(grant),
            (Some(grant), None) if now.wall >= self.options.tokens.ends_at(&grant) => {
                Err(Problem::TokenExpired)
            }
            (Some(grant), None) => Ok(grant),
            (Some(held), Some(new)) if held.is_same_bearer(&new) => Ok(new),
            (Some(_), Some(_)) => Err(Problem::Forbidden),
        }
    }

    fn enter(
        &mut self,
        newcomer: Newcomer,
        id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        let Newcomer { peer, grant, .. } = newcomer;
        self.rooms.check_seat(&grant, self.options.participants_max)?;
        let place = self.rooms.admit(newcomer);
        let Some(room) = self.rooms.participant(place).map(|participant| participant.room) else {
            return Ok(());
        };
        let activated = self.rooms.activate(room);
        self.welcome(peer, place, now, effects);
        acknowledge(peer, id, effects);
        let others = self.rooms.peers(room).filter(|other| *other != peer);
        let (session, user, role) = (grant.session, grant.user, grant.role);
        effects.broadcast(others, |out| notice::peer_joined(out, session, user, role));
        if let Some(room_now) = self.rooms.describe(room).filter(|_| activated) {
            let everybody = self.rooms.peers(room);
            effects.broadcast(everybody, |out| notice::room_status(out, session, room_now.status));
        }
        Ok(())
    }

    /// The same user comes from elsewhere: the place is the newer connection's.
    fn take_over(
        &mut self,
        place: Key<Participant>,
        newcomer: Newcomer,
        id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        let Newcomer { peer, grant, media, .. } = newcomer;
        let Some(participant) = self.rooms.participant_mut(place) else { return Ok(()) };
        if participant.grant.role != grant.role {
            return Err(Problem::RoleTaken);
        }
        let older = std::mem::replace(&mut participant.peer, peer);
        (participant.grant, participant.media) = (grant, media);
        let (room, state) = (participant.room, participant.describe());
        self.set_standing(older, Standing::Gone);
        effects.send(older, |out| notice::error(out, Problem::Replaced, None, None));
        effects.close(older, close::REPLACED);
        self.welcome(peer, place, now, effects);
        acknowledge(peer, id, effects);
        let others = self.rooms.peers(room).filter(|other| *other != peer);
        effects
            .broadcast(others, |out| notice::peer_state(out, grant.session, &state, Some(false)));
        Ok(())
    }

    fn welcome(&mut self, peer: PeerId, place: Key<Participant>, now: Now, effects: &mut Effects) {
        self.set_standing(peer, Standing::Inside(place));
        let Some(participant) = self.rooms.participant(place) else { return };
        let Some(room) = self.rooms.describe(participant.room) else { return };
        let participants = self.rooms.describe_participants(participant.room);
        let welcome = Welcome {
            polite: participant.grant.role != Role::Doctor,
            resumed: false,
            heartbeat: self.options.heartbeat,
            server_time: now.wall,
        };
        effects.send(peer, |out| notice::room_joined(out, &room, participants, &welcome));
    }
}

/// Whether the message claims what the token says, and the token opens a room at all.
fn authorise(grant: &Grant, join: &Join<'_>) -> Result<(), Problem> {
    let claimed = (join.speaker.session, join.speaker.user, join.role);
    if claimed != (grant.session, grant.user, grant.role) {
        return Err(Problem::Forbidden);
    }
    policy::check(Action::Join, grant)
}

impl From<TokenFault> for Problem {
    fn from(fault: TokenFault) -> Self {
        match fault {
            TokenFault::Invalid => Self::TokenInvalid,
            TokenFault::Expired => Self::TokenExpired,
        }
    }
}
