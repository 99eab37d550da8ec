//! The rooms and the places in them.

use std::collections::BTreeSet;
use std::iter;

use super::PeerId;
use super::fingerprints::Fingerprints;
use super::retention::{Pool, Queue};
use super::streams::Hearing;
use crate::admission::Grant;
use crate::base::arena::{Arena, Key};
use crate::base::redacted::Redacted;
use crate::base::time::WallTime;
use crate::message::notice::{self, LeaveReason, MedicalRoom, RoomStatus};
use crate::message::problem::Problem;
use crate::message::record::Subject;
use crate::message::request::{ConnectionState, Media, MediaChange};
use crate::message::{Role, RoomType, SessionId, UserId};

/// A room. Its participants form a linked list through their places, in the order in which they
/// joined.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) session: SessionId,
    doctor: Option<UserId>,
    patient: Option<UserId>,
    room_type: RoomType,
    /// The room type comes from a token, which takes precedence over a doctor's request.
    type_is_claimed: bool,
    created_at: WallTime,
    status: RoomStatus,
    /// The latest `exp` of the tokens that opened it.
    pub(super) tokens_end_at: WallTime,
    first: Option<Key<Participant>>,
    /// Its end waits for the audit record: nobody enters any more.
    pub(super) ending: bool,
}

/// A place in a room. It is kept for a while when its participant drops.
#[derive(Debug)]
pub(super) struct Participant {
    /// The connection; `None` while the participant is away.
    pub(super) peer: Option<PeerId>,
    pub(super) room: Key<Room>,
    pub(super) grant: Grant,
    pub(super) media: Media,
    pub(super) connection_state: ConnectionState,
    pub(super) joined_at: WallTime,
    /// Joined by emergency access: takes no seat.
    pub(super) emergency: bool,
    /// A ping that proves which messages have arrived is in flight.
    pub(super) probing: bool,
    /// The reason that the others are told if an absence becomes final.
    pub(super) absence: LeaveReason,
    /// The certificates in its offers and answers.
    pub(super) fingerprints: Fingerprints,
    /// Which stream of messages it receives, and what it knows of the streams of the others.
    pub(super) hearing: Hearing,
    /// Relayed messages that may have to be sent again.
    pub(super) queue: Queue,
    next: Option<Key<Participant>>,
}

/// A participant that wants a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newcomer {
    pub(super) peer: PeerId,
    pub(super) session: SessionId,
    pub(super) grant: Grant,
    /// The token came with `join-room`, not with the connection.
    pub(super) token_is_new: bool,
    pub(super) emergency: bool,
    /// The media that it sends from the start, or what it changes on a return.
    pub(super) media: MediaChange,
    /// How many relayed messages it has received, if it wants the rest.
    pub(super) received: Option<u64>,
    /// The stream that `received` refers to, if the client names it.
    pub(super) stream: Option<u64>,
    /// The type of the room, if the newcomer may choose it.
    pub(super) room_type: Option<RoomType>,
    pub(super) joined_at: WallTime,
}

/// All rooms, by session.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    // Ordered, not hashed: the same inputs give the same effects in every run, and no seed is
    // needed. The key is 64 bits of the session; the room holds the complete id.
    by_session: BTreeSet<(u64, u32, u32)>,
    rooms: Arena<Room>,
    participants: Arena<Participant>,
    /// How many of the rooms are waiting.
    waiting: usize,
}

/// The position of a room in the order of sessions.
fn place_of(session: SessionId, key: Key<Room>) -> (u64, u32, u32) {
    (fold(session), key.index(), key.generation())
}

fn fold(session: SessionId) -> u64 {
    let bits = session.reveal().as_u128();
    (bits >> 64) as u64 ^ bits as u64
}

impl Rooms {
    /// No rooms, with memory for `rooms` of them and twice as many participants.
    pub(super) fn with_capacity(rooms: usize) -> Self {
        Self {
            by_session: BTreeSet::new(),
            rooms: Arena::with_capacity(rooms),
            participants: Arena::with_capacity(rooms.saturating_mul(2)),
            waiting: 0,
        }
    }

    /// Whether there is a place. This is decided before anything changes.
    pub(super) fn check_seat(
        &self,
        newcomer: &Newcomer,
        participants_max: usize,
    ) -> Result<(), Problem> {
        let room = self.find_room(newcomer.session);
        let mut seats =
            room.into_iter().flat_map(|room| self.members(room)).map(|(_, it)| it.seat());
        if let Some(seat) = seat(newcomer.grant.role, newcomer.emergency) {
            let taken = seats.any(|other| other == Some(seat));
            return if taken { Err(Problem::RoleTaken) } else { Ok(()) };
        }
        let seatless = seats.filter(Option::is_none).count();
        // The seats of doctor and patient stay free for them.
        if seatless + 2 >= participants_max { Err(Problem::RoomFull) } else { Ok(()) }
    }

    /// Gives the newcomer a place, in a new room if there is none yet. Returns `true` if the room
    /// is new.
    pub(super) fn admit(&mut self, newcomer: Newcomer) -> (Key<Participant>, Key<Room>, bool) {
        let known = self.find_room(newcomer.session);
        let room_key = known.unwrap_or_else(|| self.open(newcomer.session, newcomer.joined_at));
        let key = self.participants.insert(Participant {
            peer: Some(newcomer.peer),
            room: room_key,
            grant: newcomer.grant,
            media: Media::default().changed(newcomer.media),
            connection_state: ConnectionState::Connected,
            joined_at: newcomer.joined_at,
            emergency: newcomer.emergency,
            probing: false,
            absence: LeaveReason::Disconnected,
            fingerprints: Fingerprints::default(),
            hearing: Hearing::default(),
            queue: Queue::new(),
            next: None,
        });
        let last = self.members(room_key).last().map(|(last, _)| last);
        if let Some(last) = last.and_then(|last| self.participants.get_mut(last)) {
            last.next = Some(key);
        } else if let Some(room) = self.rooms.get_mut(room_key) {
            room.first = Some(key);
        }
        if let Some(room) = self.rooms.get_mut(room_key) {
            match seat(newcomer.grant.role, newcomer.emergency) {
                Some(Role::Doctor) => room.doctor = Some(newcomer.grant.user),
                Some(_) => room.patient = Some(newcomer.grant.user),
                None => {}
            }
            let claims_type = newcomer.grant.room_type.is_some() && !newcomer.emergency;
            if let Some(room_type) = newcomer.room_type
                && (claims_type || !room.type_is_claimed)
            {
                room.room_type = room_type;
                room.type_is_claimed |= claims_type;
            }
            room.tokens_end_at = room.tokens_end_at.max(newcomer.grant.expires_at);
        }
        (key, room_key, known.is_none())
    }

    /// Makes the room `active` once doctor and patient have both joined. Returns the status if that
    /// changed it.
    pub(super) fn activate(&mut self, room: Key<Room>) -> Option<RoomStatus> {
        let held = |role| self.members(room).any(|(_, member)| member.seat() == Some(role));
        let both = held(Role::Doctor) && held(Role::Patient);
        let room = self.rooms.get_mut(room)?;
        if !both || room.status != RoomStatus::Waiting {
            return None;
        }
        room.status = RoomStatus::Active;
        self.waiting -= 1;
        Some(room.status)
    }

    /// Frees a place. The memory of its retained messages goes back to the pool.
    pub(super) fn remove(&mut self, key: Key<Participant>, pool: &mut Pool) -> Option<Participant> {
        let room_key = self.participants.get(key)?.room;
        let before = self.members(room_key).find(|(_, member)| member.next == Some(key));
        let before = before.map(|(before, _)| before);
        let mut removed = self.participants.remove(key)?;
        removed.queue.reset(pool);
        if let Some(before) = before.and_then(|before| self.participants.get_mut(before)) {
            before.next = removed.next;
        } else if let Some(room) = self.rooms.get_mut(room_key) {
            room.first = removed.next;
        }
        Some(removed)
    }

    /// Removes an empty room.
    pub(super) fn close(&mut self, key: Key<Room>) -> Option<Room> {
        let room = self.rooms.remove(key)?;
        debug_assert!(room.first.is_none());
        self.waiting -= usize::from(room.status == RoomStatus::Waiting);
        self.by_session.remove(&place_of(room.session, key));
        Some(room)
    }

    pub(super) fn find_room(&self, session: SessionId) -> Option<Key<Room>> {
        let fold = fold(session);
        let alike = self.by_session.range((fold, 0, 0)..=(fold, u32::MAX, u32::MAX));
        let mut alike = alike.map(|(_, index, generation)| Key::from_parts(*index, *generation));
        alike.find(|key| self.rooms.get(*key).is_some_and(|room| room.session == session))
    }

    /// The place of a user in a room.
    pub(super) fn find(&self, room: Key<Room>, user: UserId) -> Option<Key<Participant>> {
        self.members(room).find(|(_, member)| member.grant.user == user).map(|(key, _)| key)
    }

    pub(super) fn room(&self, key: Key<Room>) -> Option<&Room> {
        self.rooms.get(key)
    }

    pub(super) fn room_at(&self, index: u32) -> Option<Key<Room>> {
        self.rooms.key_at(index)
    }

    pub(super) fn note_token(&mut self, key: Key<Room>, grant: &Grant) {
        if let Some(room) = self.rooms.get_mut(key) {
            room.tokens_end_at = room.tokens_end_at.max(grant.expires_at);
        }
    }

    pub(super) fn participant(&self, key: Key<Participant>) -> Option<&Participant> {
        self.participants.get(key)
    }

    pub(super) fn participant_mut(&mut self, key: Key<Participant>) -> Option<&mut Participant> {
        self.participants.get_mut(key)
    }

    pub(super) fn participant_at(&self, index: u32) -> Option<Key<Participant>> {
        self.participants.key_at(index)
    }

    /// The first place of a room.
    pub(super) fn first(&self, room: Key<Room>) -> Option<Key<Participant>> {
        self.rooms.get(room)?.first
    }

    /// The next place in the same room.
    pub(super) fn next(&self, key: Key<Participant>) -> Option<Key<Participant>> {
        self.participants.get(key)?.next
    }

    /// The connections of everybody in a room who is present, except one.
    pub(super) fn others(
        &self,
        room: Key<Room>,
        but: Option<PeerId>,
    ) -> impl Iterator<Item = PeerId> {
        self.members(room)
            .filter_map(|(_, member)| member.peer)
            .filter(move |peer| Some(*peer) != but)
    }

    /// The room as clients see it.
    pub(super) fn describe(&self, room: Key<Room>) -> Option<MedicalRoom> {
        let room = self.rooms.get(room)?;
        Some(MedicalRoom {
            session: room.session,
            doctor: room.doctor,
            patient: room.patient,
            room_type: room.room_type,
            created_at: room.created_at,
            status: room.status,
        })
    }

    /// The participants as clients see them.
    pub(super) fn describe_participants(
        &self,
        room: Key<Room>,
    ) -> impl Iterator<Item = notice::Participant> + Clone {
        self.members(room).map(|(_, member)| member.describe())
    }

    /// The subject for the audit log. The session is that of the room, also after emergency access.
    pub(super) fn subject_of(&self, participant: &Participant) -> Subject {
        let session = self.room(participant.room).map(|room| room.session);
        Subject { session, ..participant.grant.subject() }
    }

    /// Marks a room as ending: nobody is let in any more.
    pub(super) fn set_ending(&mut self, room: Key<Room>) {
        if let Some(room) = self.rooms.get_mut(room) {
            room.ending = true;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rooms.len()
    }

    /// How many rooms are waiting, and how many places all rooms have.
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.waiting, self.participants.len())
    }

    /// The rooms, in an order that is stable while rooms come and go.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (SessionId, Key<Room>)> {
        let keys =
            self.by_session.iter().map(|(_, index, number)| Key::from_parts(*index, *number));
        keys.filter_map(|key| Some((self.rooms.get(key)?.session, key)))
    }

    /// Every place, with the session of its room.
    pub(super) fn all(&self) -> impl Iterator<Item = (Key<Participant>, &Participant)> {
        self.participants.iter()
    }

    pub(super) fn all_rooms(&self) -> impl Iterator<Item = (Key<Room>, &Room)> {
        self.rooms.iter()
    }

    pub(super) fn check_invariants(&self, participants_max: usize) {
        assert_eq!(self.by_session.len(), self.rooms.len());
        let waiting = self.rooms.iter().filter(|(_, room)| room.status == RoomStatus::Waiting);
        assert_eq!(self.waiting, waiting.count(), "the rooms that wait are counted");
        let mut places = 0;
        for (session, key) in &self.in_order().collect::<Vec<_>>() {
            let key = *key;
            assert_eq!(self.find_room(*session), Some(key), "a session's room");
            for role in [Role::Doctor, Role::Patient] {
                let seated = self.members(key).filter(|(_, member)| member.seat() == Some(role));
                assert!(seated.count() <= 1, "one doctor, one patient");
            }
            let seatless = self.members(key).filter(|(_, member)| member.seat().is_none()).count();
            assert!(seatless + 2 <= participants_max.max(2), "no more than the limit");
            for (member_key, member) in self.members(key) {
                assert_eq!(member.room, key, "a place belongs to the room that lists it");
                let entitled = member.emergency || member.grant.session == *session;
                assert!(entitled, "a token opens its own room only");
                assert_eq!(self.find(key, member.grant.user), Some(member_key), "one place a user");
                places += 1;
            }
        }
        assert_eq!(places, self.participants.len(), "every place is in a room");
    }

    fn open(&mut self, session: SessionId, now: WallTime) -> Key<Room> {
        let key = self.rooms.insert(Room {
            session,
            doctor: None,
            patient: None,
            room_type: RoomType::default(),
            type_is_claimed: false,
            created_at: now,
            status: RoomStatus::default(),
            tokens_end_at: WallTime::default(),
            first: None,
            ending: false,
        });
        self.by_session.insert(place_of(session, key));
        self.waiting += 1;
        key
    }

    pub(super) fn members(
        &self,
        room: Key<Room>,
    ) -> impl Iterator<Item = (Key<Participant>, &Participant)> + Clone {
        let step = |key: Option<Key<Participant>>| {
            let key = key?;
            self.participants.get(key).map(|member| (key, member))
        };
        let first = step(self.rooms.get(room).and_then(|room| room.first));
        iter::successors(first, move |(_, member)| step(member.next))
    }
}

impl Newcomer {
    /// The subject for the audit log.
    pub(super) fn subject(&self) -> Subject {
        Subject { session: Some(self.session), ..self.grant.subject() }
    }
}

impl Participant {
    pub(super) fn describe(&self) -> notice::Participant {
        let connection_state = match self.peer {
            Some(_) => self.connection_state.as_str(),
            None => "reconnecting",
        };
        notice::Participant {
            user: self.grant.user,
            role: self.grant.role,
            connection_state,
            media: self.media,
            joined_at: self.joined_at,
            emergency: self.emergency,
        }
    }

    /// Stands for the fingerprints in its last offer or answer that had any: the first half of
    /// their hash.
    pub(super) fn fingerprint(&self) -> Option<Redacted<[u8; 16]>> {
        self.fingerprints.last()
    }

    fn seat(&self) -> Option<Role> {
        seat(self.grant.role, self.emergency)
    }
}

/// Which of the two seats of a room a participant takes, if any.
fn seat(role: Role, emergency: bool) -> Option<Role> {
    (!emergency && role != Role::Observer).then_some(role)
}
