//! How participants and rooms end. Every exit is announced once.

use super::effects::{Effects, Note};
use super::peers::Standing;
use super::policy::{self, Action};
use super::recording::{Pending, Recording};
use super::rooms::{Participant, Room};
use super::{Engine, GRACE, PeerId, acknowledge};
use crate::base::arena::Key;
use crate::base::limits::Limit;
use crate::base::time::{Instant, Now, WallTime};
use crate::message::RoomType;
use crate::message::notice::{self, LeaveReason, RoomStatus, StatusReason};
use crate::message::problem::{Problem, close};
use crate::message::record::{Event, ExitReason, Record, Subject};
use crate::message::request::{KeptId, KeptReason, MessageId, Reason, Speaker};
use crate::wire::frame::CloseCode;

/// A session whose end waits until its record is durable.
#[derive(Debug)]
pub(super) struct Ending {
    room: Key<Room>,
    cause: Cause,
    /// Who else asked for it meanwhile, with which message.
    also: Vec<(PeerId, KeptId)>,
}

/// Why a session ends.
#[derive(Debug)]
enum Cause {
    /// The doctor ended it: which connection, the `id` of its message, and the reason.
    Asked { by: PeerId, id: Option<KeptId>, reason: Option<KeptReason> },
    /// It reached the maximum age.
    Age,
    /// It was empty for too long.
    Empty,
    /// An operator ended it.
    Operator,
}

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
        self.exit(key, ExitReason::Left(LeaveReason::Left), now, effects);
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
        let (room, subject) = (participant.room, self.rooms.subject_of(participant));
        if let Some(ending) = self.ending_of(room) {
            ending.also.extend(id.map(|id| (peer, id.keep())));
            return Ok(());
        }
        let (id, reason) = (id.map(MessageId::keep), reason.map(Reason::keep));
        let cause = Cause::Asked { by: peer, id, reason };
        self.begin_to_end(room, cause, subject, now, effects);
        Ok(())
    }

    /// The record of a session's end is durable, or cannot be written. The session ends in either
    /// case.
    pub(super) fn go_on_ending(&mut self, ending: &Ending, now: Now, effects: &mut Effects) {
        let (first, reason) = match &ending.cause {
            Cause::Asked { by, id, reason } => {
                let reason = reason.as_ref().map(|reason| StatusReason::Given(reason.as_reason()));
                (id.as_ref().map(|id| (by, id)), reason)
            }
            Cause::Age => (None, Some(StatusReason::AgeLimit)),
            Cause::Empty | Cause::Operator => (None, None),
        };
        for (by, id) in first.into_iter().chain(ending.also.iter().map(|(by, id)| (by, id))) {
            // The doctor may have left meanwhile.
            if matches!(self.peers.standing(*by), Standing::Inside(_)) {
                acknowledge(*by, Some(id.as_id()), effects);
            }
        }
        self.end_room(ending.room, reason, now, effects);
    }

    /// A connection is gone. A participant's place is kept for a while, and the others are told.
    pub(super) fn drop_peer(
        &mut self,
        peer: PeerId,
        absence: LeaveReason,
        now: Now,
        effects: &mut Effects,
    ) {
        let standing = self.peers.standing(peer);
        let subject = self.subject_of(peer);
        self.set_standing(peer, Standing::Gone);
        if let Standing::Joining(key) = standing {
            self.pending.remove(key);
            let event = Event::Withdrawal { code: "GONE" };
            effects.note(Note::about(peer, Record { event, subject }));
        }
        let Standing::Inside(key) = standing else { return };
        let Some(participant) = self.rooms.participant_mut(key) else { return };
        participant.peer = None;
        participant.probing = false;
        participant.absence = absence;
        self.logins.cancel(key.index());
        self.places.arm(key.index(), GRACE, now.instant);
        self.tell_state(key, None, effects);
        if let Some(participant) = self.rooms.participant(key) {
            let subject = self.rooms.subject_of(participant);
            let event = Event::Absence { reason: absence };
            effects.note(Note::about(peer, Record { event, subject }));
        }
    }

    /// The grace period of an absent participant is over.
    pub(super) fn exit_absent(&mut self, key: Key<Participant>, now: Now, effects: &mut Effects) {
        let Some(participant) = self.rooms.participant(key) else { return };
        self.hits.add(Limit::Grace);
        self.exit(key, ExitReason::Left(participant.absence), now, effects);
    }

    /// Handles rooms that are due: too old, empty for too long, or empty while another engine needs
    /// the place.
    pub(super) fn advance_rooms(&mut self, now: Now, effects: &mut Effects) {
        self.forget_surplus(effects);
        while let Some((index, _)) = self.ages.take_due(now.instant) {
            if let Some(room) = self.rooms.room_at(index) {
                self.hits.add(Limit::RoomAge);
                self.begin_to_end(room, Cause::Age, Subject::default(), now, effects);
            }
        }
        while let Some((index, _)) = self.empties.take_due(now.instant) {
            if let Some(room) = self.rooms.room_at(index) {
                self.hits.add(Limit::RoomEmpty);
                self.begin_to_end(room, Cause::Empty, Subject::default(), now, effects);
            }
        }
    }

    /// Ends a session on an operator's command.
    pub(super) fn end_for_operator(&mut self, room: Key<Room>, now: Now, effects: &mut Effects) {
        self.begin_to_end(room, Cause::Operator, Subject::default(), now, effects);
    }

    /// Counts a new room. If that exceeds the maximum number of rooms, the room that has been empty
    /// the longest is forgotten. If this engine has no empty room, another engine forgets one of
    /// its own ([`Engine::calls_others`]).
    pub(super) fn make_place_for_room(&mut self, effects: &mut Effects) {
        self.gate.rooms.add();
        self.forget_surplus(effects);
        self.calls_others |= self.has_surplus();
    }

    /// Forgets empty rooms, as long as there are more rooms than allowed. Their sessions are not
    /// over: a participant who comes back gets a new room. Otherwise, an empty room could keep
    /// somebody else from getting one.
    pub(super) fn forget_surplus(&mut self, effects: &mut Effects) {
        while self.empties.len(0) > 0 && self.gate.rooms.lose_above(self.options.rooms_max) {
            let oldest = self.empties.take_due(Instant::from_micros(u64::MAX));
            self.gate.rooms.set_empty(self.empties.len(0));
            let Some(key) = oldest.and_then(|(index, _)| self.rooms.room_at(index)) else { return };
            self.ages.cancel(key.index());
            let Some(room) = self.rooms.close(key) else { return };
            self.hits.add(Limit::Rooms);
            let event = Event::Limit { name: Limit::Rooms.name() };
            let subject = Subject { session: Some(room.session), ..Subject::default() };
            effects.note(Note::of(Record { event, subject }));
        }
    }

    /// Whether there are more rooms than allowed, over all engines.
    pub(super) fn has_surplus(&self) -> bool {
        self.gate.rooms.count() > self.options.rooms_max
    }

    /// Notes that a room is empty from now on.
    fn stand_empty(&mut self, room: Key<Room>, now: Now) {
        self.empties.arm(room.index(), 0, now.instant);
        self.gate.rooms.set_empty(self.empties.len(0));
    }

    /// Notes that a room is not empty any more, or has been closed.
    pub(super) fn stand_empty_no_more(&mut self, room: Key<Room>) {
        self.empties.cancel(room.index());
        self.gate.rooms.set_empty(self.empties.len(0));
    }

    /// Takes a participant out of its room, and tells the others.
    pub(super) fn exit(
        &mut self,
        key: Key<Participant>,
        reason: ExitReason,
        now: Now,
        effects: &mut Effects,
    ) {
        self.places.cancel(key.index());
        self.logins.cancel(key.index());
        let Some(participant) = self.rooms.remove(key, &mut self.retained) else { return };
        let Some(room) = self.rooms.room(participant.room) else { return };
        let user = participant.grant.user;
        let others = self.rooms.others(participant.room, None);
        let told = match reason {
            ExitReason::Left(told) => told,
            ExitReason::Removed => LeaveReason::Removed,
            ExitReason::SessionEnded | ExitReason::ServerStopped => LeaveReason::Left,
        };
        effects.broadcast(others, |out| notice::peer_left(out, room.session, user, told));
        let subject = self.rooms.subject_of(&participant);
        let event = Event::Leave { reason };
        effects.note(Note { peer: participant.peer, ..Note::of(Record { event, subject }) });
        if self.rooms.first(participant.room).is_none() && !room.ending {
            self.stand_empty(participant.room, now);
        }
    }

    /// Lets nobody in any more, and ends the room once the record of its end is durable.
    fn begin_to_end(
        &mut self,
        room: Key<Room>,
        cause: Cause,
        subject: Subject,
        now: Now,
        effects: &mut Effects,
    ) {
        self.rooms.set_ending(room);
        self.ages.cancel(room.index());
        self.stand_empty_no_more(room);
        let Some(found) = self.rooms.room(room) else { return };
        let closed_until = self.closed_until(found, now);
        let event = self.status_event(room, RoomStatus::Ended, Some(closed_until));
        let subject = Subject { session: Some(found.session), ..subject };
        let record = Record { event, subject };
        let note = match &cause {
            // What it sends meanwhile is obeyed afterwards.
            Cause::Asked { by, .. } => Note::about(*by, record),
            Cause::Age | Cause::Empty | Cause::Operator => Note::of(record),
        };
        let reason = match &cause {
            Cause::Asked { reason, .. } => {
                reason.as_ref().map(|reason| reason.as_reason().as_json())
            }
            Cause::Age => Some("\"age-limit\""),
            Cause::Empty => Some("\"empty\""),
            Cause::Operator => Some("\"operator\""),
        };
        effects.note_with(note, reason);
        let ending = Ending { room, cause, also: Vec::new() };
        if self.recording == Recording::Off {
            self.go_on_ending(&ending, now, effects);
        } else {
            let (_, ticket) = self.wait(Pending::End(ending));
            effects.wait_with(ticket);
        }
    }

    /// The end of this room that waits for its record.
    fn ending_of(&mut self, room: Key<Room>) -> Option<&mut Ending> {
        let is_of =
            |pending: &Pending| matches!(pending, Pending::End(ending) if ending.room == room);
        let key = self.pending.iter().find(|(_, pending)| is_of(pending))?.0;
        match self.pending.get_mut(key) {
            Some(Pending::End(ending)) => Some(ending),
            _ => None,
        }
    }

    /// Until when no token opens this room's session again.
    fn closed_until(&self, room: &Room, now: Now) -> WallTime {
        let leeway = self.options.tokens.leeway();
        super::ended::closed_until(room.tokens_end_at.plus(leeway), now.wall)
    }

    /// Records the status of a room in the audit log.
    pub(super) fn note_status(
        &self,
        room: Key<Room>,
        status: RoomStatus,
        closed_until: Option<WallTime>,
        effects: &mut Effects,
    ) {
        let session = self.rooms.room(room).map(|room| room.session);
        let event = self.status_event(room, status, closed_until);
        let subject = Subject { session, ..Subject::default() };
        effects.note(Note::of(Record { event, subject }));
    }

    fn status_event(
        &self,
        room: Key<Room>,
        status: RoomStatus,
        closed_until: Option<WallTime>,
    ) -> Event {
        let known = self.rooms.describe(room);
        Event::RoomStatus {
            status,
            room_type: known.as_ref().map_or_else(RoomType::default, |room| room.room_type),
            doctor: known.as_ref().and_then(|room| room.doctor),
            patient: known.as_ref().and_then(|room| room.patient),
            closed_until,
        }
    }

    /// Records in the audit log that everybody leaves and nobody enters any more.
    pub(super) fn note_shutdown(&self, effects: &mut Effects) {
        for (_, participant) in self.rooms.all() {
            let subject = self.rooms.subject_of(participant);
            let event = Event::Leave { reason: ExitReason::ServerStopped };
            effects.note(Note { peer: participant.peer, ..Note::of(Record { event, subject }) });
        }
        for (_, pending) in self.pending.iter() {
            if let Pending::Join(candidate) = pending {
                let event = Event::Withdrawal { code: Problem::ServerShutdown.code() };
                let subject = candidate.newcomer.subject();
                effects.note(Note::about(candidate.newcomer.peer, Record { event, subject }));
            }
        }
    }

    /// Ends a room for good: every participant is told and disconnected, and no token opens its
    /// session again.
    fn end_room(
        &mut self,
        key: Key<Room>,
        reason: Option<StatusReason<'_>>,
        now: Now,
        effects: &mut Effects,
    ) {
        let Some(room) = self.rooms.room(key) else { return };
        let (session, closed_until) = (room.session, self.closed_until(room, now));
        let everybody = self.rooms.others(key, None);
        effects.broadcast(everybody, |out| {
            notice::room_status(out, session, RoomStatus::Ended, reason);
        });
        while let Some(first) = self.rooms.first(key) {
            self.places.cancel(first.index());
            self.logins.cancel(first.index());
            // The user is known only as long as its place exists.
            let peer = self.rooms.participant(first).and_then(|participant| participant.peer);
            peer.into_iter().for_each(|peer| self.set_standing(peer, Standing::Gone));
            let Some(participant) = self.rooms.remove(first, &mut self.retained) else { break };
            let event = Event::Leave { reason: ExitReason::SessionEnded };
            let subject = self.rooms.subject_of(&participant);
            effects.note(Note { peer: participant.peer, ..Note::of(Record { event, subject }) });
            if let Some(peer) = participant.peer {
                effects.close(peer, close::SESSION_ENDED);
            }
        }
        self.ages.cancel(key.index());
        self.stand_empty_no_more(key);
        if self.rooms.close(key).is_some() {
            self.rooms_ended += 1;
            self.gate.rooms.lose();
            self.ended.insert(session, closed_until, now.wall);
        }
    }
}
