//! How participants and rooms end. Every exit is announced once.

use super::peers::Standing;
use super::policy::{self, Action};
use super::rooms::{Participant, Room};
use super::{Effects, Engine, GRACE, PeerId, acknowledge};
use crate::base::arena::Key;
use crate::base::limits::Limit;
use crate::base::time::Now;
use crate::message::notice::{self, LeaveReason, RoomStatus, StatusReason};
use crate::message::problem::{Problem, close};
use crate::message::request::{MessageId, Reason, Speaker};
use crate::wire::frame::CloseCode;

impl Engine {
    pub(super) fn leave(
        &mut self,
        peer: PeerId,
        speaker: Speaker,
        id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        let (key, _) = self.inside(peer, speaker)?;
        acknowledge(peer, id, effects);
        effects.close(peer, CloseCode::Normal);
        self.set_standing(peer, Standing::Gone);
        self.exit(key, LeaveReason::Left, now, effects);
        Ok(())
    }

    pub(super) fn end_session(
        &mut self,
        peer: PeerId,
        speaker: Speaker,
        reason: Option<Reason<'_>>,
        id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        let (_, participant) = self.inside(peer, speaker)?;
        policy::check(Action::EndSession, &participant.grant)?;
        let room = participant.room;
        acknowledge(peer, id, effects);
        self.end_room(room, reason.map(StatusReason::Given), now, effects);
        Ok(())
    }

    /// A connection is gone. A participant's place is kept for a while, and the others hear of it.
    pub(super) fn drop_peer(
        &mut self,
        peer: PeerId,
        absence: LeaveReason,
        now: Now,
        effects: &mut Effects,
    ) {
        let standing = self.peers.standing(peer);
        self.set_standing(peer, Standing::Gone);
        let Standing::Inside(key) = standing else { return };
        let Some(participant) = self.rooms.participant_mut(key) else { return };
        participant.peer = None;
        participant.probing = false;
        participant.absence = absence;
        self.places.arm(key.index(), GRACE, now.instant);
        self.tell_state(key, None, effects);
    }

    /// The time to return is over.
    pub(super) fn exit_absent(&mut self, key: Key<Participant>, now: Now, effects: &mut Effects) {
        let Some(participant) = self.rooms.participant(key) else { return };
        self.hits.add(Limit::Grace);
        self.exit(key, participant.absence, now, effects);
    }

    /// Due rooms: too old, or empty for too long.
    pub(super) fn advance_rooms(&mut self, now: Now, effects: &mut Effects) {
        while let Some((index, _)) = self.ages.take_due(now.instant) {
            if let Some(room) = self.rooms.room_at(index) {
                self.hits.add(Limit::RoomAge);
                self.end_room(room, Some(StatusReason::AgeLimit), now, effects);
            }
        }
        while let Some((index, _)) = self.empties.take_due(now.instant) {
            if let Some(room) = self.rooms.room_at(index) {
                self.hits.add(Limit::RoomEmpty);
                self.end_room(room, None, now, effects);
            }
        }
    }

    /// Takes a participant out of its room, and tells the others.
    fn exit(
        &mut self,
        key: Key<Participant>,
        reason: LeaveReason,
        now: Now,
        effects: &mut Effects,
    ) {
        self.places.cancel(key.index());
        let Some(participant) = self.rooms.remove(key, &mut self.retained) else { return };
        let Some(room) = self.rooms.room(participant.room) else { return };
        let user = participant.grant.user;
        let others = self.rooms.others(participant.room, None);
        effects.broadcast(others, |out| notice::peer_left(out, room.session, user, reason));
        if self.rooms.first(participant.room).is_none() {
            self.empties.arm(participant.room.index(), 0, now.instant);
        }
    }

    /// Ends a room for good: everybody inside hears of it and is closed, and no token opens it again.
    fn end_room(
        &mut self,
        key: Key<Room>,
        reason: Option<StatusReason<'_>>,
        now: Now,
        effects: &mut Effects,
    ) {
        let Some(room) = self.rooms.room(key) else { return };
        let session = room.session;
        let everybody = self.rooms.others(key, None);
        effects.broadcast(everybody, |out| {
            notice::room_status(out, session, RoomStatus::Ended, reason);
        });
        while let Some(first) = self.rooms.first(key) {
            self.places.cancel(first.index());
            if let Some(peer) = self.rooms.participant(first).and_then(|one| one.peer) {
                effects.close(peer, close::SESSION_ENDED);
                self.set_standing(peer, Standing::Gone);
            }
            if self.rooms.remove(first, &mut self.retained).is_none() {
                break;
            }
        }
        self.ages.cancel(key.index());
        self.empties.cancel(key.index());
        if let Some(room) = self.rooms.close(key) {
            let leeway = self.options.tokens.leeway();
            self.ended.insert(session, room.tokens_end_at.plus(leeway), now.wall);
        }
    }
}
