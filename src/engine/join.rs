//! Entering a room: who the client is, whether it may enter, whether there is a place, and who must
//! be told.

use super::duplicates::Duplicates;
use super::effects::{Effects, Note};
use super::peers::Standing;
use super::policy::{self, Action};
use super::recording::{Pending, Recording};
use super::rooms::{Newcomer, Participant};
use super::{Engine, PeerId, acknowledge};
use crate::admission::Grant;
use crate::admission::tokens::TokenFault;
use crate::base::arena::Key;
use crate::base::limits::Limit;
use crate::base::redacted::Redacted;
use crate::base::time::Now;
use crate::message::notice::{self, RoomStatus, Welcome};
use crate::message::problem::{Excess, Flaw, Problem, close};
use crate::message::record::{Entry, Event, Record, TokenWay};
use crate::message::request::{ConnectionState, Join, KeptId, MessageId};
use crate::message::{Permissions, Role};

/// A client that may enter and waits for its audit record.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) newcomer: Newcomer,
    /// The grant of the connection's own token, if it presented one.
    pub(super) held: Option<Grant>,
    /// The `id` of the `join-room`.
    id: Option<KeptId>,
}

impl Engine {
    /// Handles `join-room`: it is judged now, and carried out once its record is durable.
    pub(super) fn join(
        &mut self,
        peer: PeerId,
        join: &Join<'_>,
        id: Option<MessageId<'_>>,
        text: &str,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        let newcomer = self.recognise(peer, join, now, effects)?;
        if self.is_draining() {
            return Err(Problem::ServerShutdown);
        }
        // A client that presented its token in the upgrade was already checked at admission.
        if self.is_stranger(peer) {
            self.check_bearer(peer, &newcomer.grant, now, effects)?;
        }
        // Its own empty room may have been forgotten already.
        self.forget_surplus(effects);
        let entry = self.find_way_in(&newcomer, now)?;
        if entry == Entry::Takeover && self.options.duplicates == Duplicates::Reject {
            return self.ask_older(&newcomer, text, id, now, effects);
        }
        self.gate.joined(&newcomer.grant, now.instant);
        let event = Event::Admission { entry, emergency: newcomer.emergency };
        // If many connections arrived, the record of this one may have been left out.
        let address = self.gate.origin(peer.index).map(|origin| Redacted::new(origin.address()));
        let record = Record { event, subject: newcomer.subject() };
        let note = Note { address, ..Note::about(peer, record) };
        let reason = join.reason.filter(|_| newcomer.emergency).map(|reason| reason.as_json());
        match self.recording {
            Recording::Off => {
                effects.note_with(note, reason);
                return self.admit(newcomer, id, now, effects);
            }
            Recording::Unavailable => return Err(Problem::AuditUnavailable),
            Recording::Available => {}
        }
        let held = self.held_grant(peer);
        let candidate = Candidate { newcomer, held, id: id.map(MessageId::keep) };
        let (key, ticket) = self.wait(Pending::Join(candidate));
        self.set_standing(peer, Standing::Joining(key));
        effects.note_with(note, reason);
        effects.wait_with(ticket);
        Ok(())
    }

    /// The record of an admission is durable, or cannot be written. The room may have changed
    /// meanwhile.
    pub(super) fn go_on_joining(
        &mut self,
        candidate: Candidate,
        written: bool,
        now: Now,
        effects: &mut Effects,
    ) {
        let Candidate { newcomer, held, id } = candidate;
        let (peer, id) = (newcomer.peer, id.as_ref().map(KeptId::as_id));
        if held.is_none() {
            self.joins.arm(peer.index, 0, now.instant);
        }
        self.forget_surplus(effects);
        let admitted = match written.then(|| self.find_way_in(&newcomer, now)) {
            None => Err(Problem::AuditUnavailable),
            Some(_) if self.is_draining() => Err(Problem::ServerShutdown),
            // Another connection of the same user was faster.
            Some(Ok(Entry::Takeover)) if self.options.duplicates == Duplicates::Reject => {
                self.hits.add(Limit::Duplicate);
                Err(Problem::AlreadyJoined)
            }
            Some(Ok(_)) => self.admit(newcomer, id, now, effects),
            Some(Err(problem)) => Err(problem),
        };
        if let Err(problem) = admitted {
            let event = Event::Withdrawal { code: problem.code() };
            effects.note(Note::about(peer, Record { event, subject: newcomer.subject() }));
            self.refuse(peer, problem, id, true, now, effects);
        }
    }

    /// Identifies the client that wants to enter, checked against its token.
    fn recognise(
        &mut self,
        peer: PeerId,
        join: &Join<'_>,
        now: Now,
        effects: &mut Effects,
    ) -> Result<Newcomer, Problem> {
        let grant = self.authenticate(peer, join, now, effects)?;
        let emergency = self.authorise(&grant, join)?;
        let has_say = grant.role == Role::Doctor && !emergency;
        Ok(Newcomer {
            peer,
            session: join.speaker.session,
            grant,
            token_is_new: join.token.is_some(),
            emergency,
            media: join.media,
            received: join.received,
            stream: join.stream,
            // The token's room type takes precedence over the doctor's; other participants cannot
            // choose it.
            room_type: grant
                .room_type
                .filter(|_| !emergency)
                .or(join.room_type.filter(|_| has_say)),
            joined_at: now.wall,
        })
    }

    /// Whether the session is open and has a place, and how the newcomer gets it. Changes nothing.
    fn find_way_in(&mut self, newcomer: &Newcomer, now: Now) -> Result<Entry, Problem> {
        let Newcomer { session, grant, emergency, .. } = *newcomer;
        let token_ends_at = self.options.tokens.ends_at(&grant);
        let room = self.rooms.find_room(session);
        let ending = room.and_then(|room| self.rooms.room(room)).is_some_and(|room| room.ending);
        // It may have ended while the record was written.
        if now.wall >= token_ends_at {
            return Err(Problem::TokenExpired);
        }
        if ending || self.ended.contains(session, token_ends_at) {
            return Err(Problem::SessionEnded);
        }
        let place = room.and_then(|room| self.rooms.find(room, grant.user));
        let Some(participant) = place.and_then(|place| self.rooms.participant(place)) else {
            self.rooms.check_seat(newcomer, self.options.participants_max)?;
            if room.is_none() && !self.gate.rooms.admits(self.options.rooms_max) {
                return Err(Problem::ServerFull);
            }
            return Ok(Entry::New);
        };
        if (participant.grant.role, participant.emergency) != (grant.role, emergency) {
            return Err(Problem::RoleTaken);
        }
        Ok(if participant.peer.is_some() { Entry::Takeover } else { Entry::Return })
    }

    fn admit(
        &mut self,
        newcomer: Newcomer,
        id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        let room = self.rooms.find_room(newcomer.session);
        match room.and_then(|room| self.rooms.find(room, newcomer.grant.user)) {
            Some(place) => self.come_back(place, newcomer, id, now, effects),
            None => self.enter(newcomer, id, now, effects),
        }
        Ok(())
    }

    /// What the connection's own token grants, if it presented one and has not joined.
    fn held_grant(&self, peer: PeerId) -> Option<Grant> {
        match self.peers.standing(peer) {
            Standing::Granted(grant) => Some(grant),
            _ => None,
        }
    }

    /// What the connection's token grants, or the one in the message.
    fn authenticate(
        &mut self,
        peer: PeerId,
        join: &Join<'_>,
        now: Now,
        effects: &mut Effects,
    ) -> Result<Grant, Problem> {
        let held = match self.peers.standing(peer) {
            Standing::Inside(_) | Standing::Joining(_) => return Err(Problem::AlreadyJoined),
            Standing::Granted(grant) => Some(grant),
            Standing::Anonymous | Standing::Gone => None,
        };
        let presented = join.token.as_ref();
        let presented =
            presented.map(|token| self.check(peer, token, TokenWay::Join, now, effects));
        let presented = presented.transpose()?;
        let tokens = &self.options.tokens;
        match (held, presented) {
            (None, None) => Err(Problem::Unauthorized),
            (None, Some(grant)) => Ok(grant),
            (Some(grant), None) if now.wall >= tokens.ends_at(&grant) => Err(Problem::TokenExpired),
            // The token may have been revoked while the connection moved here from another engine.
            (Some(grant), None) if self.is_revoked(&grant, now.wall) => Err(Problem::Expelled),
            (Some(grant), None) => Ok(grant),
            (Some(held), Some(new)) if held.is_same_bearer(&new) => Ok(new),
            (Some(_), Some(_)) => Err(Problem::Forbidden),
        }
    }

    /// Whether a connection that has not presented a token yet may use one with this grant.
    pub(super) fn check_bearer(
        &mut self,
        peer: PeerId,
        grant: &Grant,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        self.gate.check_bearer(grant, now.instant).map_err(|(limit, _)| {
            self.hits.add(limit);
            self.note_limit(peer, limit, effects);
            Problem::RateLimited(Excess::Attempts)
        })
    }

    /// What a token in a message grants. An invalid token counts as a failure of the address. An
    /// expired one does not: it was signed with our key, so it was not guessed.
    pub(super) fn check(
        &mut self,
        peer: PeerId,
        token: &str,
        way: TokenWay,
        now: Now,
        effects: &mut Effects,
    ) -> Result<Grant, Problem> {
        let outcome = self.options.tokens.check(token, now.wall).map_err(|fault| match fault {
            TokenFault::Expired => Problem::TokenExpired,
            TokenFault::Invalid if self.gate.failed_at(peer.index, now.instant).is_some() => {
                self.hits.add(Limit::AuthFailures);
                self.note_limit(peer, Limit::AuthFailures, effects);
                // A client with a valid token keeps that token and its connection.
                let is_new = way != TokenWay::Refresh;
                let excess = if is_new { Excess::Attempts } else { Excess::Tokens };
                Problem::RateLimited(excess)
            }
            TokenFault::Invalid => Problem::TokenInvalid,
        });
        let outcome = outcome.and_then(|grant| match self.is_revoked(&grant, now.wall) {
            true => Err(Problem::Expelled),
            false => Ok(grant),
        });
        self.note_token(peer, way, &outcome, effects);
        outcome
    }

    /// Whether the message agrees with the token, and the token opens this room. Returns `true` if
    /// by emergency access.
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
    ) {
        let peer = newcomer.peer;
        if self.rooms.find_room(newcomer.session).is_none() {
            self.make_place_for_room(effects);
        }
        let (place, room, is_new) = self.rooms.admit(newcomer);
        if is_new {
            self.ages.arm(room.index(), 0, now.instant);
        }
        self.stand_empty_no_more(room);
        self.begin_stream(place, now);
        let changed = self.rooms.activate(room);
        if is_new {
            self.note_status(room, RoomStatus::Waiting, None, effects);
        }
        if let Some(status) = changed {
            self.note_status(room, status, None, effects);
        }
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
    }

    /// The same user joins again: after a drop, or from elsewhere. The newer connection gets the
    /// place.
    fn come_back(
        &mut self,
        place: Key<Participant>,
        newcomer: Newcomer,
        id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) {
        let Newcomer { peer, grant, .. } = newcomer;
        let Some(participant) = self.rooms.participant_mut(place) else { return };
        let same_stream =
            newcomer.stream.is_none_or(|stream| stream == participant.hearing.stream());
        let received =
            newcomer.received.filter(|&count| same_stream && participant.queue.can_resume(count));
        match received {
            Some(count) => {
                participant.queue.release(count, &mut self.retained);
                participant.hearing.prove_received(count);
            }
            None => participant.queue.reset(&mut self.retained),
        }
        let older = participant.peer.replace(peer);
        participant.grant = grant;
        participant.probing = false;
        participant.connection_state = ConnectionState::Connected;
        // Media that the message does not mention stay as they were.
        participant.media = participant.media.changed(newcomer.media);
        let room = participant.room;
        self.rooms.note_token(room, &grant);
        self.places.cancel(place.index());
        if received.is_none() {
            self.begin_stream(place, now);
        }
        if let Some(older) = older {
            self.set_standing(older, Standing::Gone);
            effects.refuse(older, Problem::Replaced, None, None);
            effects.close(older, close::REPLACED);
        }
        self.welcome(place, newcomer.token_is_new, received.is_some(), now, effects);
        acknowledge(peer, id, effects);
        if let Some(participant) = self.rooms.participant(place) {
            participant.queue.replay(&self.retained, |write| effects.send(peer, |out| write(out)));
        }
        if received.is_some() {
            self.tell_beginnings(place, effects);
        }
        self.ask_for_arrival(place, now);
        self.tell_state(place, Some(received.is_some()), effects);
    }

    /// Lets the connection in and tells it the state of the room.
    fn welcome(
        &mut self,
        place: Key<Participant>,
        token_is_new: bool,
        resumed: bool,
        now: Now,
        effects: &mut Effects,
    ) {
        let login = self.issue_login(place, now);
        let Some(participant) = self.rooms.participant(place) else { return };
        let Some(room) = self.rooms.describe(participant.room) else { return };
        let Some(peer) = participant.peer else { return };
        let participants = self.rooms.describe_participants(participant.room);
        let welcome = Welcome {
            polite: participant.grant.role != Role::Doctor,
            ice_servers: self.options.ice.servers(login.as_ref()),
            relay_only: self.options.relay_only,
            resumed,
            stream: participant.hearing.stream(),
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
