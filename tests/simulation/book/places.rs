//! Rooms, the places in them, and who has them.

use std::collections::{BTreeMap, BTreeSet};

use autamedica_signaling::base::time::{Instant, Now};
use autamedica_signaling::engine::Recording;
use autamedica_signaling::message::Role;
use autamedica_signaling::message::record::{Event, ExitReason};

use super::super::ledger::Who;
use super::admission::Bearer;
use super::expected::Expected;
use super::{Book, Key, Standing, records};

/// How many messages, and how many beginnings, a mark can tell apart.
pub(super) const SENT_MAX: usize = 1 << 20;
pub(super) const TOLD_MAX: u32 = 1 << 12;

/// A room that has not ended.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) places: BTreeMap<u32, Place>,
    pub(super) active: bool,
    /// Its end waits for the record of it.
    pub(super) ending: bool,
    /// Who sat last in the two seats.
    pub(super) doctor: Option<u32>,
    pub(super) patient: Option<u32>,
    pub(super) opened_at: Instant,
    /// Since when nobody has a place in it.
    pub(super) empty_since: Option<Instant>,
}

/// Somebody's place.
#[derive(Debug)]
pub(super) struct Place {
    /// The connection; `None` while the participant is away.
    pub(super) peer: Option<Key>,
    pub(super) away_since: Instant,
    /// Why the participant is away.
    pub(super) absence: &'static str,
    pub(super) bearer: Bearer,
    pub(super) media: [bool; 3],
    pub(super) state: &'static str,
    /// Whether the log knows its certificate. Everybody has the same here, and keeps it.
    pub(super) fingerprint_noted: bool,
    pub(super) stream: usize,
    /// What the server calls it.
    pub(super) stream_name: u64,
    /// Whose beginning the participant may not have heard of, with whether it was told of it.
    pub(super) unheard: BTreeMap<u32, bool>,
    /// How often it was told of one, as far as a ping says it, and how many letters had been accepted for it then.
    pub(super) told: u32,
    pub(super) told_at: usize,
    /// How many letters of the stream need not be kept: they are known to have arrived, or there was no room for them.
    pub(super) released: usize,
    /// Bytes of those that are kept.
    pub(super) kept_bytes: usize,
}

impl Room {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            places: BTreeMap::new(),
            active: false,
            ending: false,
            doctor: None,
            patient: None,
            opened_at: now,
            empty_since: None,
        }
    }
}

impl Book {
    /// Who is in a room, by user.
    pub fn users_in(&self, room: u32) -> BTreeSet<u32> {
        self.rooms.get(&room).into_iter().flat_map(|room| room.places.keys().copied()).collect()
    }

    /// How many rooms have not ended.
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// How many participants are away.
    pub fn away_count(&self) -> usize {
        let places = self.rooms.values().flat_map(|room| room.places.values());
        places.filter(|place| place.peer.is_none()).count()
    }

    /// Whether the session of a room is over, or about to be.
    pub fn has_ended(&self, room: u32) -> bool {
        self.ended.contains(&room) || self.rooms.get(&room).is_some_and(|room| room.ending)
    }

    /// Whether it was told that a room is over though that could not be written.
    pub fn ended_unwritten(&self, room: u32) -> bool {
        self.unwritten_ends.contains(&room)
    }

    /// The stream that a participant is in.
    pub fn stream_of_user(&self, who: Who) -> Option<usize> {
        Some(self.place(who)?.stream)
    }

    /// How many bytes the letters take that must be kept, at most: in chunks of `chunk` bytes, with 4 bytes a letter.
    pub fn kept_bytes_max(&self, chunk: usize) -> usize {
        let places = self.rooms.values().flat_map(|room| room.places.values());
        places
            .map(|place| {
                let letters = self.ledger.stream(place.stream).letters.len() - place.released;
                // The first chunk may begin with what need not be kept any more.
                let bytes = place.kept_bytes + 4 * letters;
                if letters == 0 { 0 } else { bytes.next_multiple_of(chunk) + chunk }
            })
            .sum()
    }

    pub(super) fn place(&self, who: Who) -> Option<&Place> {
        self.rooms.get(&who.0)?.places.get(&who.1)
    }

    pub(super) fn place_mut(&mut self, who: Who) -> Option<&mut Place> {
        self.rooms.get_mut(&who.0)?.places.get_mut(&who.1)
    }

    /// The connections of those in a room who are not away, but for one user.
    pub(super) fn others(&self, room: u32, but: u32) -> Vec<Key> {
        let places = self.rooms.get(&room).into_iter().flat_map(|room| &room.places);
        places.filter(|(user, _)| **user != but).filter_map(|(_, place)| place.peer).collect()
    }

    /// Gives a participant a place. Whether the room has become active by that.
    pub(super) fn seat_down(
        &mut self,
        from: Key,
        bearer: Bearer,
        media: [Option<bool>; 3],
        now: Now,
    ) -> bool {
        let (room, user) = bearer.who;
        self.known.insert(bearer.who);
        let stream = self.ledger.begin(bearer.who);
        let mut place = Place {
            peer: Some(from),
            away_since: now.instant,
            absence: "disconnected",
            bearer,
            media: [true, true, false],
            state: "connected",
            fingerprint_noted: false,
            stream,
            stream_name: 0,
            unheard: BTreeMap::new(),
            told: 0,
            told_at: 0,
            released: 0,
            kept_bytes: 0,
        };
        place.change_media(media);
        self.rooms_quiet_until = Instant::default();
        let room = self.rooms.entry(room).or_insert_with(|| Room::new(now.instant));
        room.places.insert(user, place);
        room.empty_since = None;
        match bearer.seat() {
            Some(Role::Doctor) => room.doctor = Some(user),
            Some(_) => room.patient = Some(user),
            None => {}
        }
        let seated = |role| room.places.values().any(|place| place.bearer.seat() == Some(role));
        let activated = !room.active && seated(Role::Doctor) && seated(Role::Patient);
        room.active |= activated;
        self.set_standing(from, Standing::Inside(bearer.who));
        self.streams.insert(self.link(from), stream);
        self.begin_anew(bearer.who);
        activated
    }

    /// The others in the room are to hear that a participant begins anew: those who are there do, unless their connection is
    /// dead already.
    pub(super) fn begin_anew(&mut self, who: Who) {
        let Some(room) = self.rooms.get_mut(&who.0) else { return };
        for (user, place) in &mut room.places {
            if *user == who.1 {
                place.unheard.clear();
                place.told_at = 0;
                continue;
            }
            place.unheard.insert(who.1, place.peer.is_some());
            if place.peer.is_some() {
                place.told = (place.told + 1) % TOLD_MAX;
                place.told_at = self.ledger.stream(place.stream).letters.len();
            }
        }
    }

    /// Who goes on where it was hears of those whose beginning it may not have heard of.
    pub(super) fn tell_beginnings(&mut self, who: Who, expected: &mut Expected) {
        let users = self.users_in(who.0);
        let Some(stream) = self.stream_of_user(who) else { return };
        let letters = self.ledger.stream(stream).letters.len();
        let Some(place) = self.place_mut(who) else { return };
        place.unheard.retain(|user, _| users.contains(user));
        let news: Vec<u32> = place.unheard.keys().copied().collect();
        if !news.is_empty() {
            place.told = (place.told + 1) % TOLD_MAX;
            place.told_at = letters;
        }
        place.unheard.values_mut().for_each(|told| *told = true);
        let peer: Vec<Key> = place.peer.into_iter().collect();
        news.into_iter().for_each(|user| expected.tell(peer.clone(), "peer-state", user));
    }

    /// Takes a participant out of the room; the others hear of it.
    pub(super) fn vacate(
        &mut self,
        who: Who,
        reason: &'static str,
        now: Now,
        expected: &mut Expected,
    ) {
        if let Some(place) = self.place(who) {
            let subject = records::subject(who, place.bearer.token.role);
            expected.record(place.peer, records::exit(reason), subject);
        }
        let Some(room) = self.rooms.get_mut(&who.0) else { return };
        room.places.remove(&who.1);
        if room.places.is_empty() {
            room.empty_since = Some(now.instant);
            self.rooms_quiet_until = Instant::default();
        }
        expected.tell(self.others(who.0, who.1), "peer-left", who.1);
    }

    /// A connection is gone: whoever was in a room over it is away now, and the others hear of it.
    pub(super) fn drop_connection(
        &mut self,
        key: Key,
        absence: &'static str,
        now: Now,
        expected: &mut Expected,
    ) {
        self.withdraw(key, "GONE", expected);
        let Standing::Inside(who) = self.standing(key) else { return };
        let subject = self.subject(key);
        if let Some(place) = self.place_mut(who).filter(|place| place.peer == Some(key)) {
            (place.peer, place.away_since, place.absence) = (None, now.instant, absence);
            self.rooms_quiet_until = Instant::default();
            expected.tell(self.others(who.0, who.1), "peer-state", who.1);
            let event = Event::Absence { reason: records::leave_reason(absence) };
            expected.record(Some(key), event, subject);
        }
    }

    /// A room is about to be over: it is at once, where nothing waits for the record of that.
    pub(super) fn begin_to_end(
        &mut self,
        room: u32,
        by: Option<(Key, &str)>,
        reason: Option<&str>,
        now: Now,
        expected: &mut Expected,
    ) {
        self.note_end(room, by, reason, now, expected);
        if self.recording() == Recording::Off {
            return self.end(room, expected);
        }
        if let Some(room) = self.rooms.get_mut(&room) {
            room.ending = true;
        }
    }

    /// A room is over: everybody inside hears of it and is closed.
    pub(super) fn end(&mut self, room: u32, expected: &mut Expected) {
        let event = Event::Leave { reason: ExitReason::SessionEnded };
        for (user, place) in self.rooms.get(&room).into_iter().flat_map(|room| &room.places) {
            let subject = records::subject((room, *user), place.bearer.token.role);
            expected.record(place.peer, event, subject);
        }
        let everybody = self.others(room, u32::MAX);
        expected.tell(everybody.clone(), "room-status", 0);
        for key in everybody {
            expected.close(key, 4410);
        }
        if !self.is_end_durable(room) {
            self.unwritten_ends.insert(room);
        }
        self.rooms.remove(&room);
        self.ended.insert(room);
    }

    /// A letter for a participant is accepted: kept as far as there is room, the oldest let go for it.
    pub(super) fn keep(&mut self, who: Who, letter: usize) {
        let max = self.settings.retained_bytes_max;
        let Some(stream) = self.stream_of_user(who) else { return };
        self.ledger.accept(letter, stream, &mut self.verdict);
        let bytes = &self.ledger.stream(stream).bytes;
        let place = self.rooms.get_mut(&who.0).and_then(|room| room.places.get_mut(&who.1));
        let Some(place) = place else { return };
        place.kept_bytes += bytes.last().copied().unwrap_or(0);
        while place.peer.is_some() && place.kept_bytes > max {
            place.kept_bytes -= bytes[place.released];
            place.released += 1;
        }
    }

    /// The letters for a participant are known to have arrived up to a number.
    pub(super) fn release(&mut self, who: Who, arrived: usize) {
        let Some(stream) = self.stream_of_user(who) else { return };
        let bytes = &self.ledger.stream(stream).bytes;
        let place = self.rooms.get_mut(&who.0).and_then(|room| room.places.get_mut(&who.1));
        let Some(place) = place else { return };
        while place.released < arrived.min(bytes.len()) {
            place.kept_bytes -= bytes[place.released];
            place.released += 1;
        }
    }
}

impl Place {
    pub(super) fn change_media(&mut self, change: [Option<bool>; 3]) {
        for (now, change) in self.media.iter_mut().zip(change) {
            *now = change.unwrap_or(*now);
        }
    }

    /// The state that the others see.
    pub(super) fn shown_state(&self) -> &'static str {
        if self.peer.is_some() { self.state } else { "reconnecting" }
    }
}
