//! An operator's commands to the rooms. Each reactor answers for its own rooms.

use super::effects::{Effects, Note};
use super::peers::Standing;
use super::recording::Pending;
use super::{Engine, GRACE, PeerId};
use crate::admission::Grant;
use crate::base::arena::Key;
use crate::base::time::{Now, WallTime};
use crate::message::notice::{LeaveReason, RoomStatus};
use crate::message::problem::{Problem, close};
use crate::message::record::{Deed, Event, ExitReason, Record, Revocation, Revoked, Subject};
use crate::message::{Role, RoomType, SessionId, UserId};

use super::rooms::Participant;

/// How many rooms one answer lists at most.
const OUTLINES_MAX: usize = 1_000;

/// An operator's command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Check that the engine answers.
    Look,
    /// List the rooms.
    Rooms {
        /// How many to skip.
        skip: usize,
        /// How many to list at most.
        most: usize,
    },
    /// List the revocations.
    Revocations,
    /// End a session.
    EndSession(SessionId),
    /// Remove a participant from a session.
    Remove(SessionId, UserId),
    /// Revoke tokens. Exactly one of the reactors must `tell` the audit log.
    Revoke {
        /// Which tokens, and until when.
        revocation: Revocation,
        /// Whether to enter it in the audit log.
        tell: bool,
    },
    /// Enter an action in the audit log that is carried out elsewhere.
    Note(Deed),
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done, or will be once its record is durable.
    Done,
    /// It does not exist here.
    NotFound,
    /// The table is full.
    Full,
    /// This application knows no commands.
    Unknown,
    /// The rooms, and how many there are in all.
    Rooms(Vec<Outline>, usize),
    /// The revocations.
    Revocations(Vec<Revocation>),
}

/// A room as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Its session.
    pub session: SessionId,
    /// Its type.
    pub room_type: RoomType,
    /// Its status.
    pub status: RoomStatus,
    /// When it was opened.
    pub created_at: WallTime,
    /// Its participants.
    pub members: Vec<Member>,
}

/// A participant as an operator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The user.
    pub user: UserId,
    /// The role.
    pub role: Role,
    /// The reported state of its media connection; `reconnecting` while it is away.
    pub connection_state: &'static str,
    /// Since when.
    pub joined_at: WallTime,
    /// By emergency access.
    pub emergency: bool,
}

/// The sizes of the engine's tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Rooms whose doctor or patient has not joined yet.
    pub rooms_waiting: u64,
    /// Rooms where both have joined.
    pub rooms_active: u64,
    /// Rooms that have ended since the start.
    pub rooms_ended: u64,
    /// Places in rooms, including those of absent participants.
    pub participants: u64,
    /// Places that are kept for dropped participants.
    pub absent: u64,
    /// Bytes of relayed messages that may have to be sent again.
    pub retained_bytes: u64,
    /// Revocations that are remembered.
    pub revocations: u64,
}

impl Engine {
    /// Carries out an operator's command.
    pub fn command(&mut self, command: &Command, now: Now, effects: &mut Effects) -> Answer {
        match command {
            Command::Look => Answer::Done,
            Command::Rooms { skip, most } => {
                Answer::Rooms(self.outlines(*skip, *most), self.rooms.len())
            }
            Command::Revocations => Answer::Revocations(self.revoked.list(now.wall)),
            Command::EndSession(session) => self.command_end(*session, now, effects),
            Command::Remove(session, user) => self.command_remove(*session, *user, now, effects),
            Command::Revoke { revocation, tell } => self.revoke(*revocation, *tell, now, effects),
            Command::Note(deed) => {
                note_deed(*deed, Subject::default(), effects);
                Answer::Done
            }
        }
    }

    /// The sizes of its tables.
    pub fn gauges(&self) -> Gauges {
        let (waiting, places) = self.rooms.sizes();
        Gauges {
            rooms_waiting: waiting as u64,
            rooms_active: (self.rooms.len() - waiting) as u64,
            rooms_ended: self.rooms_ended,
            participants: places as u64,
            absent: self.places.len(GRACE) as u64,
            retained_bytes: self.retained.bytes_used() as u64,
            revocations: self.revoked.len() as u64,
        }
    }

    /// Whether an operator has revoked the token of a grant.
    pub fn is_revoked(&self, grant: &Grant, now: WallTime) -> bool {
        self.revoked.contains(grant, now)
    }

    /// Remembers tokens that were revoked before the start.
    pub fn restore_revoked(&mut self, revocations: &[Revocation], now: WallTime) {
        for revocation in revocations {
            self.revoked.insert(*revocation, now);
        }
    }

    fn outlines(&self, skip: usize, most: usize) -> Vec<Outline> {
        let rooms = self.rooms.in_order().skip(skip).take(most.min(OUTLINES_MAX));
        let outline = |(session, key)| {
            let room = self.rooms.describe(key)?;
            let members = self.rooms.describe_participants(key).map(|one| Member {
                user: one.user,
                role: one.role,
                connection_state: one.connection_state,
                joined_at: one.joined_at,
                emergency: one.emergency,
            });
            Some(Outline {
                session,
                room_type: room.room_type,
                status: room.status,
                created_at: room.created_at,
                members: members.collect(),
            })
        };
        rooms.filter_map(outline).collect()
    }

    fn command_end(&mut self, session: SessionId, now: Now, effects: &mut Effects) -> Answer {
        let Some(room) = self.rooms.find_room(session) else { return Answer::NotFound };
        let subject = Subject { session: Some(session), ..Subject::default() };
        note_deed(Deed::EndSession, subject, effects);
        if !self.rooms.room(room).is_some_and(|room| room.ending) {
            self.end_for_operator(room, now, effects);
        }
        Answer::Done
    }

    fn command_remove(
        &mut self,
        session: SessionId,
        user: UserId,
        now: Now,
        effects: &mut Effects,
    ) -> Answer {
        let room = self.rooms.find_room(session);
        let place = room.and_then(|room| self.rooms.find(room, user));
        let Some(place) = place else { return Answer::NotFound };
        let subject = Subject { session: Some(session), user: Some(user), role: None };
        note_deed(Deed::Remove, subject, effects);
        self.expel(place, now, effects);
        Answer::Done
    }

    /// Revoked tokens are invalid from now on, and connections that use them are closed.
    fn revoke(
        &mut self,
        revocation: Revocation,
        tell: bool,
        now: Now,
        effects: &mut Effects,
    ) -> Answer {
        if !self.revoked.insert(revocation, now.wall) {
            return Answer::Full;
        }
        if tell {
            note_deed(Deed::Revoke(revocation), revocation.what.subject(), effects);
        }
        if revocation.until <= now.wall {
            return Answer::Done;
        }
        let places: Vec<Key<Participant>> = self
            .rooms
            .all()
            .filter(|(_, place)| covers(revocation.what, &place.grant))
            .map(|(key, _)| key)
            .collect();
        places.into_iter().for_each(|place| self.expel(place, now, effects));
        let outside: Vec<PeerId> = self
            .peers
            .connected()
            .filter(|(_, standing)| {
                self.outside_grant(*standing).is_some_and(|grant| covers(revocation.what, &grant))
            })
            .map(|(peer, _)| peer)
            .collect();
        for peer in outside {
            effects.refuse(peer, Problem::Expelled, None, None);
            effects.close(peer, close::FORBIDDEN);
            self.drop_peer(peer, LeaveReason::Disconnected, now, effects);
        }
        Answer::Done
    }

    /// The grant of a connection that has not entered a room.
    fn outside_grant(&self, standing: Standing) -> Option<Grant> {
        match standing {
            Standing::Granted(grant) => Some(grant),
            Standing::Joining(key) => match self.pending.get(key)? {
                Pending::Join(candidate) => Some(candidate.newcomer.grant),
                Pending::End(_) => None,
            },
            Standing::Inside(_) | Standing::Anonymous | Standing::Gone => None,
        }
    }

    /// Removes a participant from its room for good.
    fn expel(&mut self, place: Key<Participant>, now: Now, effects: &mut Effects) {
        let peer = self.rooms.participant(place).and_then(|participant| participant.peer);
        if let Some(peer) = peer {
            effects.refuse(peer, Problem::Expelled, None, None);
            effects.close(peer, close::FORBIDDEN);
            self.set_standing(peer, Standing::Gone);
        }
        self.exit(place, ExitReason::Removed, now, effects);
    }
}

fn covers(what: Revoked, grant: &Grant) -> bool {
    match what {
        Revoked::User(user) => grant.user == user,
        Revoked::Session(session) => grant.session == session,
        Revoked::Token(token) => grant.token == Some(token),
    }
}

fn note_deed(deed: Deed, subject: Subject, effects: &mut Effects) {
    effects.note(Note::of(Record { event: Event::Operator { deed }, subject }));
}
