//! A reactor without sockets: real connections, the real application, invented time, and a client at each other end that
//! hears every byte at once.

use std::collections::BTreeSet;

use autamedica_signaling::admission::Origins;
use autamedica_signaling::admission::door::Door;
use autamedica_signaling::base::arena::{Arena, Key};
use autamedica_signaling::base::deadlines::Deadlines;
use autamedica_signaling::base::time::{Duration, Instant, Now};
use autamedica_signaling::connection::{
    Application, Connection, Message, NoPages, Output, Progress, Signaling,
};
use autamedica_signaling::engine::{self, Effect, Engine, Payload, PeerId};
use autamedica_signaling::message::problem::close;
use autamedica_signaling::wire::frame::{CloseCode, Cursor};

use crate::client::{Client, Heard};
use crate::inbound::Inbound;
use crate::json;
use crate::people::{self, Person};

/// A message has at most so many bytes: enough for every honest one, little enough to be passed.
pub const MESSAGE_BYTES_MAX: usize = 1_024;

const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const HEARTBEAT: Duration = Duration::from_secs(25);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The server and everybody who is connected to it.
pub struct Hall {
    app: Signaling,
    visitors: Arena<Visitor>,
    deadlines: Deadlines<3>,
    now: Now,
    output: Output,
    /// Messages that have reached somebody, by their ids.
    delivered: BTreeSet<u64>,
    /// Messages that must reach somebody before they are acknowledged.
    relays: BTreeSet<u64>,
    is_stopped: bool,
}

/// Names a connection.
pub type Place = Key<Visitor>;

/// A connection and its two ends.
pub struct Visitor {
    connection: Connection,
    inbound: Inbound,
    client: Client,
    /// How many bytes arrive at a time; 0: all of them.
    step: usize,
    /// A token came with the upgrade, and no other counts.
    is_granted: bool,
}

impl Hall {
    /// An empty house.
    pub fn new() -> Self {
        let engine = Engine::new(engine::Options {
            tokens: people::tokens(),
            join_timeout: Duration::from_secs(10),
            heartbeat: HEARTBEAT,
            participants_max: 5,
        });
        let door = Door { origins: Origins::Any, origin_required: false };
        Self {
            app: Signaling::new(engine, door, MESSAGE_BYTES_MAX, Box::new(NoPages)),
            visitors: Arena::new(),
            deadlines: Deadlines::new([HEAD_TIMEOUT, HEARTBEAT, CLOSE_TIMEOUT]),
            now: Now { instant: Instant::default(), wall: people::NOON },
            output: Output::default(),
            delivered: BTreeSet::new(),
            relays: BTreeSet::new(),
            is_stopped: false,
        }
    }

    /// Somebody connects; `None` where the server no longer listens.
    pub fn connect(&mut self, full: bool) -> Option<Place> {
        if self.is_stopped {
            return None;
        }
        let key = self.visitors.insert(Visitor {
            connection: Connection::new(full),
            inbound: Inbound::default(),
            client: Client::new(),
            step: 0,
            is_granted: false,
        });
        self.settle(key);
        Some(key)
    }

    /// From now on the bytes of this connection arrive in pieces of `step`.
    pub fn cut(&mut self, key: Place, step: usize) {
        if let Some(visitor) = self.visitors.get_mut(key) {
            visitor.step = step;
        }
    }

    /// The client shows a token: with the upgrade, or in a message.
    pub fn show(&mut self, key: Place, person: Person, with_upgrade: bool) {
        let Some(visitor) = self.visitors.get_mut(key) else { return };
        let in_time = visitor.client.is_open() != with_upgrade;
        if in_time && !visitor.is_granted && visitor.client.inside.is_none() {
            visitor.client.shown = Some(person);
            visitor.is_granted = with_upgrade;
        }
    }

    /// A message of this id is to be relayed.
    pub fn expect_relay(&mut self, id: u64) {
        self.relays.insert(id);
    }

    /// Bytes arrive.
    pub fn send(&mut self, key: Place, bytes: &[u8]) {
        let Some(visitor) = self.visitors.get_mut(key) else { return };
        let step = if visitor.step == 0 { bytes.len().max(1) } else { visitor.step };
        let mut inbound = std::mem::take(&mut visitor.inbound);
        for chunk in bytes.chunks(step) {
            inbound.read(chunk, |bytes, at| self.process(key, bytes, at));
        }
        if let Some(visitor) = self.visitors.get_mut(key) {
            visitor.inbound = inbound;
        }
        self.settle(key);
    }

    /// What the client answers of its own accord arrives.
    pub fn send_answers(&mut self, key: Place) {
        let answers = self.visitors.get_mut(key).map(|visitor| visitor.client.answers());
        self.send(key, &answers.unwrap_or_default());
    }

    /// The connection breaks.
    pub fn lose(&mut self, key: Place) {
        let Some(visitor) = self.visitors.get_mut(key) else { return };
        let me = peer_id(key);
        visitor.connection.end(me, self.now, &mut self.app, &mut self.output.effects);
        self.apply(None, None);
        self.settle(key);
    }

    /// The peer has not read for too long.
    pub fn give_up(&mut self, key: Place) {
        let Some(visitor) = self.visitors.get_mut(key) else { return };
        let (me, code) = (peer_id(key), close::CANNOT_KEEP_UP);
        visitor.connection.give_up(me, code, self.now, &mut self.app, &mut self.output);
        self.apply(Some(key), None);
        self.settle(key);
    }

    /// Time passes: in one leap, as for a machine that slept, or from one deadline to the next.
    pub fn wait(&mut self, duration: Duration, in_one_leap: bool) {
        let end = self.now.instant + duration;
        loop {
            let next = [self.deadlines.next(), self.app.next_deadline()].into_iter().flatten().min();
            let next = next.filter(|next| *next < end && !in_one_leap).unwrap_or(end);
            let passed = next.since(self.now.instant);
            self.now = Now {
                instant: self.now.instant + passed,
                wall: self.now.wall.plus(passed),
            };
            self.pass_deadlines();
            if next == end {
                return;
            }
        }
    }

    /// Somebody sets the wall clock back.
    pub fn set_clock_back(&mut self, duration: Duration) {
        self.now.wall = self.now.wall.minus(duration);
    }

    /// The server stops. Everybody hears of it.
    pub fn stop(&mut self) {
        self.is_stopped = true;
        self.app.shut_down(&mut self.output.effects);
        self.apply(None, None);
        let keys: Vec<_> = self.visitors.iter().map(|(key, _)| key).collect();
        for key in keys {
            let Some(visitor) = self.visitors.get(key) else { continue };
            assert!(!visitor.connection.is_open(), "someone was not told");
            match visitor.connection.is_head() {
                true => self.lose(key),
                false => self.settle(key),
            }
        }
    }

    /// Everybody goes, and nothing stays.
    pub fn empty(&mut self) {
        let keys: Vec<_> = self.visitors.iter().map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.lose(key));
        self.check();
        assert!(self.visitors.is_empty());
        assert_eq!(self.app.engine().room_count(), 0, "a room without anybody");
        assert_eq!(self.app.next_deadline(), None, "a deadline for nobody");
    }

    /// What must hold whenever nothing is being done.
    pub fn check(&self) {
        self.app.engine().check_invariants();
        let mut truth = [BTreeSet::new(), BTreeSet::new()];
        for (_, visitor) in self.visitors.iter() {
            assert_eq!(visitor.client.is_open(), visitor.connection.is_open(), "who is open");
            if let (Some(inside), Some(person)) = (&visitor.client.inside, &visitor.client.shown) {
                assert!(truth[inside.session].insert(person.user()), "in a room twice");
            }
        }
        for (_, visitor) in self.visitors.iter() {
            if let Some(inside) = &visitor.client.inside {
                assert_eq!(inside.users, truth[inside.session], "who is in the room");
            }
        }
        let rooms = truth.iter().filter(|users| !users.is_empty()).count();
        assert_eq!(self.app.engine().room_count(), rooms);
    }

    fn process(&mut self, key: Place, bytes: &mut [u8], at: &mut Cursor) {
        let mut steps_left = bytes.len() + 2;
        while let Some(visitor) = self.visitors.get_mut(key) {
            let (app, output) = (&mut self.app, &mut self.output);
            match visitor.connection.receive(peer_id(key), bytes, at, self.now, app, output) {
                Progress::More => return,
                Progress::Handled(message) => self.apply(Some(key), message),
            }
            steps_left = steps_left.checked_sub(1).expect("more steps than bytes");
        }
    }

    /// Carries out what a call put out, in the order of the reactor.
    fn apply(&mut self, from: Option<Place>, received: Option<Message<'_>>) {
        let mut output = std::mem::take(&mut self.output);
        if let Some(key) = from.filter(|_| !output.reply.is_empty()) {
            self.deliver(key, &output.reply, None);
        }
        let message = received.map(Message::as_bytes).unwrap_or_default();
        for effect in output.effects.iter() {
            match effect {
                Effect::Send { to, payload } => {
                    let text = output.effects.text(payload, message);
                    let sender = from.filter(|_| payload == Payload::Received);
                    self.deliver_text(peer_key(to), text, sender);
                }
                Effect::Close { peer, code } => self.close(peer_key(peer), code),
            }
        }
        output.reply.clear();
        output.effects.clear();
        self.output = output;
    }

    fn deliver_text(&mut self, to: Place, text: &[u8], sender: Option<Place>) {
        let visitor = self.visitors.get(to);
        let header = visitor.and_then(|visitor| visitor.connection.header(false, text.len()));
        if let Some(header) = header {
            self.deliver(to, &[header.as_bytes(), text].concat(), sender);
        }
    }

    fn close(&mut self, key: Place, code: CloseCode) {
        let Some(visitor) = self.visitors.get_mut(key) else { return };
        let mut frame = Vec::new();
        visitor.connection.close(code, &mut frame);
        if !frame.is_empty() {
            self.deliver(key, &frame, None);
        }
        self.settle(key);
    }

    /// The client hears it. `sender`: who has sent this message, where it is passed on.
    fn deliver(&mut self, to: Place, bytes: &[u8], sender: Option<Place>) {
        let session_of = |visitor: &Visitor| visitor.client.inside.as_ref().map(|i| i.session);
        let sender = sender.and_then(|key| self.visitors.get(key)).and_then(session_of);
        let Some(visitor) = self.visitors.get_mut(to) else { return };
        for heard in visitor.client.receive(bytes) {
            match heard {
                Heard::Relayed(text) => {
                    assert!(sender.is_some(), "passed on for someone who is in no room");
                    assert_eq!(sender, session_of(visitor), "passed on to another session");
                    assert!(bytes.ends_with(text.as_bytes()), "not byte for byte");
                    let id = json::read(&text).and_then(|json| json.member("id")?.integer());
                    self.delivered.extend(id);
                }
                Heard::Ack(id) => {
                    let kept = !self.relays.contains(&id) || self.delivered.contains(&id);
                    assert!(kept, "acknowledged, but it reached nobody");
                }
                Heard::Close(code) => assert!(matches!(code, 1000..=1012 | 4000..=4999)),
            }
        }
    }

    fn pass_deadlines(&mut self) {
        while let Some((index, _)) = self.deadlines.take_due(self.now.instant) {
            let Some(key) = self.visitors.key_at(index) else { continue };
            let Some(visitor) = self.visitors.get_mut(key) else { continue };
            let (app, output) = (&mut self.app, &mut self.output);
            visitor.connection.deadline_passed(peer_id(key), self.now, app, output);
            self.apply(Some(key), None);
            self.settle(key);
        }
        self.app.advance(self.now, &mut self.output.effects);
        self.apply(None, None);
    }

    /// After anything that may have changed what the connection waits for.
    fn settle(&mut self, key: Place) {
        let Some(visitor) = self.visitors.get(key) else { return };
        if visitor.connection.is_ended() {
            self.visitors.remove(key);
            self.deadlines.cancel(key.index());
            return;
        }
        let wait = visitor.connection.waits_for() as usize;
        if self.deadlines.queue_of(key.index()) != Some(wait) {
            self.deadlines.arm(key.index(), wait, self.now.instant);
        }
    }
}

impl Default for Hall {
    fn default() -> Self {
        Self::new()
    }
}

fn peer_id(key: Place) -> PeerId {
    PeerId { index: key.index(), generation: key.generation() }
}

fn peer_key(id: PeerId) -> Place {
    Place::from_parts(id.index, id.generation)
}
