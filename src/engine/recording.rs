//! Effects that wait until their audit record is durable: nobody is told of an admission, or of the
//! end of a session, that a power failure could undo. Also the other entries for the audit log.

use super::effects::{Effects, Note, Ticket};
use super::join::Candidate;
use super::lifecycle::Ending;
use super::peers::Standing;
use super::{Engine, PeerId};
use crate::admission::Grant;
use crate::base::arena::Key;
use crate::base::limits::Limit;
use crate::base::time::{Now, WallTime};
use crate::message::SessionId;
use crate::message::problem::Problem;
use crate::message::record::{Event, Record, Subject, TokenWay};

/// A permitted action that continues once its record is durable.
#[derive(Debug)]
pub(super) enum Pending {
    /// Somebody enters a room.
    Join(Candidate),
    /// A session ends.
    End(Ending),
}

/// What the engine may expect of the audit log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recording {
    /// Nobody answers tickets, so nothing waits. Entries are still made.
    #[default]
    Off,
    /// Admissions and the ends of sessions wait until [`Engine::recorded`] says that their record
    /// is durable.
    Available,
    /// The log cannot be written: nobody is let in, and calls go on. Ends of sessions wait all the
    /// same, for a moment: there may be room for the record of them.
    Unavailable,
}

impl Engine {
    /// Reports the result of the record with this ticket: it is durable, or it cannot be written.
    /// Without the record nobody is let in; a session ends all the same.
    pub fn recorded(&mut self, ticket: Ticket, written: bool, now: Now, effects: &mut Effects) {
        let key = Key::from_parts(ticket.index, ticket.generation);
        if let Some(Pending::Join(candidate)) = self.pending.get(key) {
            // The user is known as long as the action waits.
            let before = candidate.held.map_or(Standing::Anonymous, Standing::Granted);
            self.set_standing(candidate.newcomer.peer, before);
        }
        match self.pending.remove(key) {
            Some(Pending::Join(candidate)) => self.go_on_joining(candidate, written, now, effects),
            Some(Pending::End(ending)) => self.go_on_ending(&ending, now, effects),
            // The action was given up meanwhile.
            None => {}
        }
    }

    /// Sets what the engine may expect of the audit log from now on.
    pub fn set_recording(&mut self, recording: Recording) {
        self.recording = recording;
    }

    /// What the engine expects of the audit log.
    pub const fn recording(&self) -> Recording {
        self.recording
    }

    /// Remembers sessions that ended before the start, each until when no token may open it.
    pub fn restore_ended(&mut self, sessions: &[(SessionId, WallTime)], now: WallTime) {
        for &(session, until) in sessions {
            self.ended.insert(session, until, now);
        }
    }

    pub(super) fn check_pending(&self) {
        let joining = |standing: &Standing| matches!(standing, Standing::Joining(_));
        let waiting = self.peers.connected().filter(|(_, standing)| joining(standing)).count();
        let joins = self.pending.iter().filter(|(_, one)| matches!(one, Pending::Join(_))).count();
        assert_eq!(waiting, joins, "who is about to enter waits for a record");
        let ending = self.rooms.all_rooms().filter(|(_, room)| room.ending).count();
        assert_eq!(self.pending.len() - joins, ending, "and so does a room that is about to end");
    }

    /// Lets an action wait, and returns its ticket.
    pub(super) fn wait(&mut self, pending: Pending) -> (Key<Pending>, Ticket) {
        let key = self.pending.insert(pending);
        (key, Ticket { index: key.index(), generation: key.generation() })
    }

    /// Records that a connection was refused something that it has no right to. Merely malformed
    /// messages do not concern auditors.
    pub(super) fn note_refusal(
        &self,
        peer: PeerId,
        problem: Problem,
        request: &'static str,
        effects: &mut Effects,
    ) {
        let matters = matches!(
            problem,
            Problem::Unauthorized
                | Problem::Forbidden
                | Problem::Expelled
                | Problem::TokenInvalid
                | Problem::TokenExpired
                | Problem::RoleTaken
                | Problem::RoomFull
                | Problem::SessionEnded
                | Problem::SdpRejected(_)
                | Problem::AuditUnavailable
        );
        if matters {
            let event = Event::Refusal { code: problem.code(), request };
            effects.note(Note::about(peer, Record { event, subject: self.subject_of(peer) }));
        }
    }

    /// Records that a connection reached a limit that ends it, or keeps it out.
    pub(super) fn note_limit(&self, peer: PeerId, limit: Limit, effects: &mut Effects) {
        let event = Event::Limit { name: limit.name() };
        effects.note(Note::about(peer, Record { event, subject: self.subject_of(peer) }));
    }

    /// Records the result of a token in a message.
    pub(super) fn note_token(
        &self,
        peer: PeerId,
        way: TokenWay,
        outcome: &Result<Grant, Problem>,
        effects: &mut Effects,
    ) {
        let (failure, subject) = match outcome {
            Ok(grant) => (None, grant.subject()),
            Err(problem) => (Some(problem.code()), self.subject_of(peer)),
        };
        let event = Event::Authentication { way, failure };
        effects.note(Note::about(peer, Record { event, subject }));
    }

    /// The user that the token of a connection names, and the session that it is in.
    pub(super) fn subject_of(&self, peer: PeerId) -> Subject {
        match self.peers.standing(peer) {
            Standing::Granted(grant) => grant.subject(),
            Standing::Joining(key) => match self.pending.get(key) {
                Some(Pending::Join(candidate)) => candidate.newcomer.subject(),
                _ => Subject::default(),
            },
            Standing::Inside(key) => {
                let Some(participant) = self.rooms.participant(key) else {
                    return Subject::default();
                };
                self.rooms.subject_of(participant)
            }
            Standing::Anonymous | Standing::Gone => Subject::default(),
        }
    }
}
