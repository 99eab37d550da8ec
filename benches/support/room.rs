//! A room without sockets: the connections of its participants and the engine behind them, from
//! bytes to bytes.

use autamedica_signaling::admission::door::Door;
use autamedica_signaling::admission::{Addresses, Origins, TokenRules, Tokens};
use autamedica_signaling::base::time::{Duration, Instant, Now, WallTime};
use autamedica_signaling::connection::{
    Arrival, Connection, Message, NoPages, Output, Progress, Signaling,
};
use autamedica_signaling::engine::{self, Effect, Engine, PeerId, Rates};
use autamedica_signaling::wire::frame::Cursor;
use autamedica_signaling::wire::jwt::Key;

use super::client::upgrade;
use super::clinic::{Kind, Person, SECRET, client_frame, server_frame};

/// The time of everything here.
pub const NOW: Now =
    Now { instant: Instant::from_micros(0), wall: WallTime::from_secs(1_800_000_000) };

/// People in a room, and the unsent bytes to each.
pub struct Room {
    app: Signaling,
    pub seats: Vec<Seat>,
    /// Of the connections.
    generation: u32,
    buffer: Vec<u8>,
    output: Output,
}

/// A person in it.
pub struct Seat {
    pub person: Person,
    connection: Connection,
    /// Unsent bytes.
    pub outbound: Vec<u8>,
}

impl Room {
    /// Everybody is connected, and nobody has sent anything.
    pub fn empty(people: usize) -> Self {
        let seat = |number| Seat {
            person: Person::new(1, number),
            connection: Connection::new(Arrival::LOCAL),
            outbound: Vec::with_capacity(1 << 16),
        };
        let seats = (0..people as u32).map(seat).collect();
        let (buffer, output) = (vec![0; 1 << 16], Output::default());
        Self { app: signaling(), seats, generation: 0, buffer, output }
    }

    /// Everybody has left, and connects again.
    pub fn begin_anew(&mut self) {
        self.generation += 1;
        for seat in &mut self.seats {
            seat.connection = Connection::new(Arrival::LOCAL);
            seat.outbound.clear();
        }
    }

    /// Everybody has upgraded and joined, by regular requests.
    pub fn new(people: usize) -> Self {
        let mut room = Self::empty(people);
        for from in 0..people {
            let person = room.seats[from].person;
            room.receive(from, upgrade(&person.token(NOW.wall)).as_bytes());
            room.receive(from, &client_frame(&person.join()));
        }
        room.seats.iter_mut().for_each(|seat| seat.outbound.clear());
        room.check(people - 1);
        room
    }

    /// Checks that a relay to the addressee is measured.
    fn check(&mut self, to: usize) {
        let frame = self.say(Kind::Offer, to);
        self.receive(0, &frame);
        let text = self.seats[0].person.say(Kind::Offer, &self.seats[to].person, None);
        assert_eq!(self.seats[to].outbound, server_frame(&text));
        self.seats[to].outbound.clear();
    }

    /// A message from the first person to another.
    pub fn say(&self, kind: Kind, to: usize) -> Vec<u8> {
        client_frame(&self.seats[0].person.say(kind, &self.seats[to].person, None))
    }

    /// Does what a transport does after a read.
    pub fn receive(&mut self, from: usize, bytes: &[u8]) {
        self.buffer[..bytes.len()].copy_from_slice(bytes);
        let bytes = &mut self.buffer[..bytes.len()];
        let mut at = Cursor::new(0, bytes.len());
        let me = PeerId { index: from as u32, generation: self.generation };
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
    // The clock stands still, so a rate limit would be reached.
    let options =
        engine::Options { rates: Rates::UNLIMITED, ..engine::Options::new(Tokens::new(rules)) };
    let engine = Engine::new(options);
    let addresses = Addresses::default();
    let door = Door { origins: Origins::Any, origin_required: false, addresses };
    Signaling::new(engine, door, 65_536, Box::new(NoPages))
}
