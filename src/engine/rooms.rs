//! The rooms and the places in them.

use std::collections::BTreeMap;
use std::iter;

use super::PeerId;
use crate::admission::Grant;
use crate::base::arena::{Arena, Key};
use crate::base::time::WallTime;
use crate::message::notice::{self, MedicalRoom, RoomStatus};
use crate::message::problem::Problem;
use crate::message::request::Media;
use crate::message::{Role, RoomType, SessionId, UserId};

/// A room. Its participants are linked through their places, in the order in which they came.
#[derive(Debug)]
pub(super) struct Room {
    session: SessionId,
    doctor: Option<UserId>,
    patient: Option<UserId>,
    room_type: RoomType,
    created_at: WallTime,
    status: RoomStatus,
    first: Option<Key<Participant>>,
}

/// A place in a room.
#[derive(Debug)]
pub(super) struct Participant {
    pub(super) peer: PeerId,
    pub(super) room: Key<Room>,
    pub(super) grant: Grant,
    pub(super) media: Media,
    pub(super) joined_at: WallTime,
    next: Option<Key<Participant>>,
}

/// Who wants a place.
#[derive(Debug)]
pub(super) struct Newcomer {
    pub(super) peer: PeerId,
    pub(super) grant: Grant,
    pub(super) media: Media,
    /// What the room is for, where the newcomer has a say in it.
    pub(super) room_type: Option<RoomType>,
    pub(super) joined_at: WallTime,
}

/// Every room, by its session.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    // Ordered, not hashed: the same inputs give the same effects in every run, and no seed is needed.
    by_session: BTreeMap<SessionId, Key<Room>>,
    rooms: Arena<Room>,
    participants: Arena<Participant>,
}

impl Rooms {
    /// Whether there is a place for this user; decided before anything changes.
    pub(super) fn check_seat(&self, grant: &Grant, participants_max: usize) -> Result<(), Problem> {
        let Some(&room) = self.by_session.get(&grant.session) else { return Ok(()) };
        let same_role =
            self.members(room).filter(|(_, other)| other.grant.role == grant.role).count();
        match grant.role {
            Role::Doctor | Role::Patient if same_role > 0 => Err(Problem::RoleTaken),
            Role::Doctor | Role::Patient => Ok(()),
            // The seats of doctor and patient stay free for them.
            Role::Observer if same_role + 2 >= participants_max => Err(Problem::RoomFull),
            Role::Observer => Ok(()),
        }
    }

    /// Gives the newcomer a place, in a new room where there is none yet.
    pub(super) fn admit(&mut self, newcomer: Newcomer) -> Key<Participant> {
        let Newcomer { peer, grant, media, room_type, joined_at } = newcomer;
        let room_key = match self.by_session.get(&grant.session) {
            Some(&key) => key,
            None => self.open(grant.session, joined_at),
        };
        let place = Participant { peer, room: room_key, grant, media, joined_at, next: None };
        let key = self.participants.insert(place);
        match self.members(room_key).last().map(|(last, _)| last) {
            Some(last) => {
                if let Some(last) = self.participants.get_mut(last) {
                    last.next = Some(key);
                }
            }
            None => {
                if let Some(room) = self.rooms.get_mut(room_key) {
                    room.first = Some(key);
                }
            }
        }
        if let Some(room) = self.rooms.get_mut(room_key) {
            match grant.role {
                Role::Doctor => room.doctor = Some(grant.user),
                Role::Patient => room.patient = Some(grant.user),
                Role::Observer => {}
            }
            room.room_type = room_type.unwrap_or(room.room_type);
        }
        key
    }

    /// Makes the room `active` once doctor and patient are both inside. Whether that changed it.
    pub(super) fn activate(&mut self, room: Key<Room>) -> bool {
        let present = |role| self.members(room).any(|(_, member)| member.grant.role == role);
        let both = present(Role::Doctor) && present(Role::Patient);
        match self.rooms.get_mut(room) {
            Some(room) if both && room.status == RoomStatus::Waiting => {
                room.status = RoomStatus::Active;
                true
            }
            _ => false,
        }
    }

    /// Frees a place, and the room where it was the last one.
    pub(super) fn remove(&mut self, key: Key<Participant>) -> Option<Participant> {
        let room_key = self.participants.get(key)?.room;
        let before = self.members(room_key).find(|(_, member)| member.next == Some(key));
        let before = before.map(|(before, _)| before);
        let removed = self.participants.remove(key)?;
        match before.and_then(|before| self.participants.get_mut(before)) {
            Some(before) => before.next = removed.next,
            None => {
                let room = self.rooms.get_mut(room_key)?;
                room.first = removed.next;
                if room.first.is_none() {
                    self.by_session.remove(&room.session);
                    self.rooms.remove(room_key);
                }
            }
        }
        Some(removed)
    }

    /// The place of a user in a room.
    pub(super) fn find(&self, room: Key<Room>, user: UserId) -> Option<Key<Participant>> {
        self.members(room).find(|(_, member)| member.grant.user == user).map(|(key, _)| key)
    }

    /// The place of a user in the room of a session.
    pub(super) fn find_in_session(
        &self,
        session: SessionId,
        user: UserId,
    ) -> Option<Key<Participant>> {
        self.find(*self.by_session.get(&session)?, user)
    }

    pub(super) fn participant(&self, key: Key<Participant>) -> Option<&Participant> {
        self.participants.get(key)
    }

    pub(super) fn participant_mut(&mut self, key: Key<Participant>) -> Option<&mut Participant> {
        self.participants.get_mut(key)
    }

    /// The connections of everybody in a room.
    pub(super) fn peers(&self, room: Key<Room>) -> impl Iterator<Item = PeerId> {
        self.members(room).map(|(_, member)| member.peer)
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

    pub(super) fn len(&self) -> usize {
        self.rooms.len()
    }

    pub(super) fn participant_count(&self) -> usize {
        self.participants.len()
    }

    pub(super) fn check_invariants(&self) {
        assert_eq!(self.by_session.len(), self.rooms.len());
        let mut places = 0;
        for (session, &key) in &self.by_session {
            let room = self.rooms.get(key).expect("a session's room exists");
            assert_eq!(room.session, *session);
            assert!(room.first.is_some(), "no room without participants");
            for role in [Role::Doctor, Role::Patient] {
                let seated = self.members(key).filter(|(_, member)| member.grant.role == role);
                assert!(seated.count() <= 1, "one doctor, one patient");
            }
            for (member_key, member) in self.members(key) {
                assert_eq!(member.room, key, "a place belongs to the room that lists it");
                assert_eq!(member.grant.session, *session, "a token opens its own room only");
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
            created_at: now,
            status: RoomStatus::default(),
            first: None,
        });
        self.by_session.insert(session, key);
        key
    }

    fn members(
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

impl Participant {
    pub(super) fn describe(&self) -> notice::Participant {
        notice::Participant {
            user: self.grant.user,
            role: self.grant.role,
            connection_state: "connected",
            media: self.media,
            joined_at: self.joined_at,
        }
    }
}
