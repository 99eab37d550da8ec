//! A reactor without sockets: real connections, the real application, invented time, and a client at each other end that
//! hears every byte at once.

use std::collections::{BTreeMap, BTreeSet};

use autamedica_signaling::admission::door::Door;
use autamedica_signaling::admission::gate::GateLimits;
use autamedica_signaling::admission::{Addresses, Origins};
use autamedica_signaling::base::arena::{Arena, Key};
use autamedica_signaling::base::deadlines::Deadlines;
use autamedica_signaling::base::time::{Duration, Instant, Now, WallTime};
use autamedica_signaling::connection::{
    Application, Arrival, Connection, Message, NoPages, Output, PONG_TIMEOUT, Progress, Signaling,
};
use autamedica_signaling::engine::{self, Effect, Engine, Payload, PeerId, Rates};
use autamedica_signaling::message::problem::close;
use autamedica_signaling::wire::frame::{CloseCode, Cursor};

use crate::client::{Client, Heard};
use crate::history::Histories;
use crate::inbound::Inbound;
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
    deadlines: Deadlines<4>,
    now: Now,
    output: Output,
    /// What was relayed, to whom.
    histories: Histories,
    /// When everybody was told that a session is over, by the latest that the wall clock ever showed.
    ended: [Option<WallTime>; 2],
    latest: WallTime,
    everybody_answers: bool,
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
    /// How many messages it says that it has received, in the `join-room` on its way.
    claim: Option<usize>,
    /// Has sent anything at all, and perhaps the beginning of a frame.
    is_odd: bool,
}

impl Hall {
    /// An empty house.
    pub fn new() -> Self {
        let engine = Engine::new(engine::Options {
            participants_max: 5,
            retained_bytes_max: 1_500,
            retained_bytes_total_max: 6 * 1_024,
            emergency_access: true,
            // Sooner or later every play would be over a limit, and show nothing else.
            gate: GateLimits::UNLIMITED,
            rates: Rates::UNLIMITED,
            ice: people::ice(),
            ..engine::Options::new(people::tokens())
        });
        let addresses = Addresses::default();
        let door = Door { origins: Origins::Any, origin_required: false, addresses };
        Self {
            app: Signaling::new(engine, door, MESSAGE_BYTES_MAX, Box::new(NoPages)),
            visitors: Arena::new(),
            deadlines: Deadlines::new([HEAD_TIMEOUT, HEARTBEAT, CLOSE_TIMEOUT, PONG_TIMEOUT]),
            now: Now { instant: Instant::default(), wall: people::NOON },
            output: Output::default(),
            histories: Histories::default(),
            ended: [None; 2],
            latest: people::NOON,
            everybody_answers: false,
            is_stopped: false,
        }
    }

    /// Somebody connects; `None` where the server no longer listens.
    pub fn connect(&mut self, full: bool) -> Option<Place> {
        if self.is_stopped {
            return None;
        }
        let key = self.visitors.insert(Visitor {
            connection: Connection::new(Arrival { full, ..Arrival::LOCAL }),
            inbound: Inbound::default(),
            client: Client::new(),
            step: 0,
            is_granted: false,
            claim: None,
            is_odd: false,
        });
        self.settle(key);
        Some(key)
    }

    /// Whether a connection is still there.
    pub fn has(&self, key: Place) -> bool {
        self.visitors.get(key).is_some()
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

    /// The client is about to join, having received what it has, or `off` by some.
    pub fn claim(&mut self, key: Place, person: Person, off: Option<isize>) -> Option<usize> {
        let position = self.histories.position(person.session, &person.user());
        let claim = off.map(|off| position.saturating_add_signed(off));
        if let Some(visitor) = self.visitors.get_mut(key) {
            visitor.claim = claim;
        }
        claim
    }

    /// A message is to be relayed to a user.
    pub fn expect_relay(&mut self, id: u64, to: String, text: String) {
        self.histories.expect(id, to, text);
    }

    /// What the wall clock shows.
    pub const fn wall(&self) -> WallTime {
        self.now.wall
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

    /// Bytes arrive that need not be a message, or a frame.
    pub fn send_anything(&mut self, key: Place, bytes: &[u8]) {
        if let Some(visitor) = self.visitors.get_mut(key) {
            visitor.is_odd = true;
        }
        self.send(key, bytes);
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
        while self.now.instant < end {
            let next = [self.deadlines.next(), self.app.next_deadline(self.now)];
            let next = next.into_iter().flatten().min().filter(|_| !in_one_leap);
            let next = next.map_or(end, |next| next.max(self.now.instant).min(end));
            let passed = next.since(self.now.instant);
            self.now = Now { instant: next, wall: self.now.wall.plus(passed) };
            self.latest = self.latest.max(self.now.wall);
            self.pass_deadlines();
        }
    }

    /// Time passes, and everybody answers pings.
    pub fn live(&mut self, duration: Duration) {
        const STEP: Duration = Duration::from_secs(5);
        let end = self.now.instant + duration;
        self.everybody_answers = true;
        while self.now.instant < end {
            self.places().into_iter().for_each(|key| self.send_answers(key));
            self.wait(STEP.min(end.since(self.now.instant)), false);
        }
        self.everybody_answers = false;
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
        for key in self.places() {
            let Some(visitor) = self.visitors.get(key) else { continue };
            assert!(!visitor.connection.is_open(), "someone was not told");
            match visitor.connection.is_head() {
                true => self.lose(key),
                false => self.settle(key),
            }
        }
    }

    /// Everybody goes, and after a while nothing stays.
    pub fn empty(&mut self) {
        self.places().into_iter().for_each(|key| self.lose(key));
        self.check();
        assert!(self.visitors.is_empty());
        self.wait(Duration::from_secs(600), false);
        self.check();
        let engine = self.app.engine();
        assert_eq!(engine.room_count(), 0, "a room without anybody");
        assert_eq!(engine.retained_chunks(), 0, "kept for nobody");
        assert_eq!(engine.next_deadline(self.now), None, "a deadline for nobody");
    }

    /// What must hold whenever nothing is being done.
    pub fn check(&self) {
        self.app.engine().check_invariants();
        let mut present = [BTreeSet::new(), BTreeSet::new()];
        for (_, visitor) in self.visitors.iter() {
            assert_eq!(visitor.client.is_open(), visitor.connection.is_open(), "who is open");
            if let Some((session, user)) = visitor.seat() {
                self.histories.check_is_whole(session, &user);
                assert!(present[session].insert(user), "in a room twice");
            }
        }
        let mut known: [Option<&BTreeMap<_, _>>; 2] = [None; 2];
        for inside in self.visitors.iter().filter_map(|(_, one)| one.client.inside.as_ref()) {
            let others = known[inside.session].get_or_insert(&inside.users);
            assert_eq!(*others, &inside.users, "all know the same");
            for (user, is_away) in &inside.users {
                assert_eq!(*is_away, !present[inside.session].contains(user), "who is away");
            }
            assert!(present[inside.session].iter().all(|user| inside.users.contains_key(user)));
        }
        let rooms = present.iter().filter(|users| !users.is_empty()).count();
        assert!((rooms..=2).contains(&self.app.engine().room_count()));
    }

    fn places(&self) -> Vec<Place> {
        self.visitors.iter().map(|(key, _)| key).collect()
    }

    fn process(&mut self, key: Place, bytes: &mut [u8], at: &mut Cursor) {
        let mut steps_left = bytes.len() + 2;
        while let Some(visitor) = self.visitors.get_mut(key) {
            let (app, output) = (&mut self.app, &mut self.output);
            match visitor.connection.receive(peer_id(key), bytes, at, self.now, app, output) {
                Progress::More => return,
                Progress::Handled(message) => self.apply(Some(key), message),
                Progress::Rewritten => {
                    let text = std::mem::take(&mut self.output.rewritten);
                    self.apply(Some(key), Some(Message::Text(&text)));
                    self.output.rewritten = text;
                }
                Progress::Elsewhere(..) => unreachable!("one engine has all rooms"),
                Progress::Packet { .. } | Progress::TakeOver { .. } => {
                    unreachable!("nobody speaks Socket.IO here")
                }
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
                Effect::Ping { peer } => self.ping(peer_key(peer)),
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

    fn ping(&mut self, key: Place) {
        let mark = self.app.ping_mark(peer_id(key));
        let ping = self.visitors.get_mut(key).and_then(|visitor| visitor.connection.ping(mark));
        if let Some(ping) = ping {
            self.deliver(key, &ping, None);
        }
    }

    /// The client hears it. `sender`: who has sent this message, where it is passed on.
    fn deliver(&mut self, to: Place, bytes: &[u8], sender: Option<Place>) {
        let sender = sender.and_then(|key| self.visitors.get(key)?.seat());
        let Some(visitor) = self.visitors.get_mut(to) else { return };
        // Who closes is told so first.
        let before = visitor.seat();
        for heard in visitor.client.receive(bytes) {
            let seat = self.visitors.get(to).and_then(Visitor::seat).or(before.clone());
            match (heard, seat) {
                (Heard::Relayed(text), Some((session, user))) => {
                    assert!(bytes.ends_with(text.as_bytes()), "not byte for byte");
                    if let Some((from, _)) = &sender {
                        assert_eq!(*from, session, "passed on to another session");
                    }
                    self.histories.heard(session, &user, text, sender.is_some());
                }
                (Heard::Ack(id), Some((session, _))) => {
                    if let Some((addressee, text)) = self.histories.accepted(id) {
                        let is_present = self.is_present(session, &addressee);
                        assert!(!is_present, "acknowledged, but it reached nobody");
                        self.histories.kept(session, &addressee, text);
                    }
                }
                (Heard::Joined { resumed }, Some((session, user))) => {
                    self.joined(to, session, &user, resumed);
                }
                (Heard::Ended, Some((session, _))) => self.ended[session] = Some(self.latest),
                (Heard::Close(code), _) => {
                    assert!(matches!(code, 1000..=1012 | 4000..=4999));
                    let is_odd = self.visitors.get(to).is_none_or(|visitor| visitor.is_odd);
                    assert!(code != 4480 || is_odd || !self.everybody_answers, "it had answered");
                }
                (Heard::Ack(_), None) => {}
                (heard, None) => panic!("{heard:?} outside of a room"),
            }
        }
    }

    fn joined(&mut self, key: Place, session: usize, user: &str, resumed: bool) {
        const DAY: Duration = Duration::from_secs(24 * 3_600);
        let is_over = self.ended[session].is_some_and(|at| self.latest < at.plus(DAY));
        assert!(!is_over, "in a session that has ended");
        let is_held = self.visitors.iter().any(|(other, visitor)| {
            let inside = visitor.client.inside.as_ref().filter(|_| other != key);
            inside.is_some_and(|i| i.session == session && i.users.contains_key(user))
        });
        let claim = self.visitors.get_mut(key).and_then(|visitor| visitor.claim.take());
        self.histories.joined(session, user, claim, resumed, is_held);
    }

    fn is_present(&self, session: usize, user: &str) -> bool {
        let seat = Some((session, user.to_owned()));
        self.visitors.iter().any(|(_, visitor)| visitor.seat() == seat)
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
        let next = self.app.next_deadline(self.now);
        assert!(next.is_none_or(|next| next > self.now.instant), "due, but not done");
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

impl Visitor {
    /// Where it is, and as whom.
    fn seat(&self) -> Option<(usize, String)> {
        let inside = self.client.inside.as_ref()?;
        self.client.shown.map(|person| (inside.session, person.user()))
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
