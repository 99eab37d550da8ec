//! A message's whole way through connection and rooms, without sockets: from the bytes of one participant to the bytes for
//! another, beside two copies of the same bytes, in and out. What is kept to be sent again is as much as there may be.

use std::hint::black_box;

use autamedica_signaling::admission::door::Door;
use autamedica_signaling::admission::{Addresses, Origins, TokenRules, Tokens};
use autamedica_signaling::base::time::{Duration, Instant, Now, WallTime};
use autamedica_signaling::connection::{
    Arrival, Connection, Message, NoPages, Output, Progress, Signaling,
};
use autamedica_signaling::engine::{self, Effect, Engine, PeerId};
use autamedica_signaling::wire::frame::Cursor;
use autamedica_signaling::wire::jwt::Key;

use crate::ratios::{Pair, Speed};
use crate::support::client::upgrade;
use crate::support::clinic::{Kind, Person, SECRET, client_frame, server_frame};

const NOW: Now = Now { instant: Instant::from_micros(0), wall: WallTime::from_secs(1_800_000_000) };

pub fn bench(speed: &mut Speed) {
    for (kind_name, kind) in [("offer", Kind::Offer), ("candidate", Kind::Candidate)] {
        for others in [1, 7] {
            let mut room = Room::new(others + 1);
            let frames: Vec<_> = (1..=others).map(|to| room.say(kind, to)).collect();
            let bytes = frames.iter().map(Vec::len).sum();
            let floor_frames = frames.clone();
            let work = || {
                frames.iter().for_each(|frame| room.receive(0, black_box(frame)));
                room.seats.iter_mut().for_each(|seat| black_box(&mut seat.outbound).clear());
            };
            let (mut buffer, mut outbound) = (vec![0; 1 << 16], Vec::with_capacity(1 << 16));
            let floor = || {
                for frame in black_box(&floor_frames) {
                    buffer[..frame.len()].copy_from_slice(frame);
                    outbound.extend_from_slice(black_box(&buffer[..frame.len()]));
                }
                black_box(&mut outbound).clear();
            };
            let name = format!("{kind_name}, 1 to {others}");
            let pair = Pair { group: "relay", name: &name, floor: "memcpy in and out", bytes };
            speed.compare(&pair, work, floor);
        }
    }
}

/// People in a room, and what is on its way to each.
struct Room {
    app: Signaling,
    seats: Vec<Seat>,
    buffer: Vec<u8>,
    output: Output,
}

struct Seat {
    person: Person,
    connection: Connection,
    outbound: Vec<u8>,
}

impl Room {
    /// Everybody upgraded and joined, through the front door.
    fn new(people: usize) -> Self {
        let seat = |number| Seat {
            person: Person::new(1, number),
            connection: Connection::new(Arrival::LOCAL),
            outbound: Vec::with_capacity(1 << 16),
        };
        let seats = (0..people as u32).map(seat).collect();
        let (buffer, output) = (vec![0; 1 << 16], Output::default());
        let mut room = Self { app: signaling(), seats, buffer, output };
        for from in 0..people {
            let person = room.seats[from].person;
            room.receive(from, upgrade(&person.token(NOW.wall)).as_bytes());
            room.receive(from, &client_frame(&person.join()));
        }
        room.seats.iter_mut().for_each(|seat| seat.outbound.clear());
        room.check(people - 1);
        room
    }

    /// What is measured is a relay, to the one that is addressed.
    fn check(&mut self, to: usize) {
        let frame = self.say(Kind::Offer, to);
        self.receive(0, &frame);
        let text = self.seats[0].person.say(Kind::Offer, &self.seats[to].person, None);
        assert_eq!(self.seats[to].outbound, server_frame(&text));
        self.seats[to].outbound.clear();
    }

    fn say(&self, kind: Kind, to: usize) -> Vec<u8> {
        client_frame(&self.seats[0].person.say(kind, &self.seats[to].person, None))
    }

    /// What a transport does with a read.
    fn receive(&mut self, from: usize, bytes: &[u8]) {
        self.buffer[..bytes.len()].copy_from_slice(bytes);
        let bytes = &mut self.buffer[..bytes.len()];
        let mut at = Cursor::new(0, bytes.len());
        let me = PeerId { index: from as u32, generation: 0 };
        loop {
            let seat = &mut self.seats[from];
            let (app, output) = (&mut self.app, &mut self.output);
            let progress = seat.connection.receive(me, bytes, &mut at, NOW, app, output);
            let Progress::Handled(message) = progress else { return };
            seat.outbound.append(&mut self.output.reply);
            deliver(&mut self.output, message, &mut self.seats);
        }
    }
}

fn deliver(output: &mut Output, message: Option<Message<'_>>, seats: &mut [Seat]) {
    let received = message.map(Message::as_bytes).unwrap_or_default();
    for effect in output.effects.iter() {
        let Effect::Send { to, payload } = effect else { continue };
        let text = output.effects.text(payload, received);
        let seat = &mut seats[to.index as usize];
        if let Some(header) = seat.connection.header(false, text.len()) {
            seat.outbound.extend_from_slice(header.as_bytes());
            seat.outbound.extend_from_slice(text);
        }
    }
    output.effects.clear();
}

fn signaling() -> Signaling {
    let key = Key::new(SECRET.as_bytes()).expect("a secret that is long enough");
    let leeway = Duration::from_secs(60);
    let rules = TokenRules { keys: vec![key], issuer: None, audience: None, leeway };
    let engine = Engine::new(engine::Options::new(Tokens::new(rules)));
    let addresses = Addresses::default();
    let door = Door { origins: Origins::Any, origin_required: false, addresses };
    Signaling::new(engine, door, 65_536, Box::new(NoPages))
}
