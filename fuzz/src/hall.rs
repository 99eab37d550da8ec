//! A reactor without sockets: real connections, the real application, invented time, and a client at each other end that
//! hears every byte at once.

use autamedica_signaling::admission::door::Door;
use autamedica_signaling::admission::gate::GateLimits;
use autamedica_signaling::admission::{Addresses, Origins};
use autamedica_signaling::base::arena::{Arena, Key};
use autamedica_signaling::base::deadlines::Deadlines;
use autamedica_signaling::base::time::{Duration, Instant, Now, WallTime};
use autamedica_signaling::connection::{
    Application, Arrival, Connection, Message, NoPages, Output, PONG_TIMEOUT, Progress, Signaling,
    SocketIoService,
};
use autamedica_signaling::engine::{self, Effect, Engine, Payload, PeerId, Rates};
use autamedica_signaling::message::problem::close;
use autamedica_signaling::wire::frame::{CloseCode, Cursor};

use crate::client::Client;
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
    pub(crate) app: Signaling,
    pub(crate) visitors: Arena<Visitor>,
    deadlines: Deadlines<4>,
    pub(crate) now: Now,
    pub(crate) output: Output,
    /// What was relayed, to whom.
    pub(crate) histories: Histories,
    /// When everybody was told that a session is over, by the latest that the wall clock ever showed.
    pub(crate) ended: [Option<WallTime>; 2],
    pub(crate) latest: WallTime,
    pub(crate) everybody_answers: bool,
    is_stopped: bool,
    /// The session that a request has opened.
    pub(crate) opened: Option<Place>,
    /// A WebSocket that takes a session over.
    pub(crate) taking_over: Option<(Place, Place)>,
}

/// Names a connection.
pub type Place = Key<Visitor>;

/// A connection and its two ends.
pub struct Visitor {
    pub(crate) connection: Connection,
    pub(crate) inbound: Inbound,
    pub(crate) client: Client,
    /// What waits for a request to fetch it; `None` where there is a socket.
    pub(crate) unfetched: Option<Vec<u8>>,
    /// How many bytes arrive at a time; 0: all of them.
    pub(crate) step: usize,
    /// A token came with the upgrade, and no other counts.
    is_granted: bool,
    /// How many messages it says that it has received, in the `join-room` on its way.
    pub(crate) claim: Option<usize>,
    /// Has sent anything at all, and perhaps the beginning of a frame.
    pub(crate) is_odd: bool,
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
        let mut app = Signaling::new(engine, door, MESSAGE_BYTES_MAX, Box::new(NoPages));
        app.speak_socket_io(SocketIoService::new(&[3; 32], 0, HEARTBEAT));
        Self {
            app,
            visitors: Arena::new(),
            deadlines: Deadlines::new([HEAD_TIMEOUT, HEARTBEAT, CLOSE_TIMEOUT, PONG_TIMEOUT]),
            now: Now { instant: Instant::default(), wall: people::NOON },
            output: Output::default(),
            histories: Histories::default(),
            ended: [None; 2],
            latest: people::NOON,
            everybody_answers: false,
            is_stopped: false,
            opened: None,
            taking_over: None,
        }
    }

    /// Somebody connects; `None` where the server no longer listens.
    pub fn connect(&mut self, full: bool) -> Option<Place> {
        if self.is_stopped {
            return None;
        }
        let connection = Connection::new(Arrival { full, ..Arrival::LOCAL });
        let key = self.visitors.insert(Visitor::new(connection, Client::new(), None));
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
        let is_let_in = visitor.client.packets().is_some_and(|packets| packets.is_connected);
        let in_time = visitor.client.is_open() != with_upgrade && !is_let_in;
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

    /// Bytes arrive. Those for a session that requests carry are brought by one.
    pub fn send(&mut self, key: Place, bytes: &[u8]) {
        if self.is_carried(key) {
            return self.post(key, bytes);
        }
        let Some(visitor) = self.visitors.get(key) else { return };
        let step = if visitor.step == 0 { bytes.len().max(1) } else { visitor.step };
        let mut key = key;
        for chunk in bytes.chunks(step) {
            let Some(visitor) = self.visitors.get_mut(key) else { break };
            let mut inbound = std::mem::take(&mut visitor.inbound);
            inbound.read(chunk, |bytes, at| self.process(key, bytes, at));
            if let Some(visitor) = self.visitors.get_mut(key) {
                visitor.inbound = inbound;
            }
            if let Some((from, to)) = self.taking_over.take() {
                self.take_over(from, to);
                key = to;
            }
        }
        self.settle(key);
        self.flush();
    }

    /// Bytes arrive that need not be a message, or a frame.
    pub fn send_anything(&mut self, key: Place, bytes: &[u8]) {
        if let Some(visitor) = self.visitors.get_mut(key) {
            visitor.is_odd = true;
        }
        self.may_repeat(key);
        self.send(key, bytes);
    }

    /// What the client says from now on may have any number, also one that it has used.
    pub fn may_repeat(&mut self, key: Place) {
        if let Some(visitor) = self.visitors.get_mut(key) {
            visitor.client.repeat();
        }
    }

    /// What the client answers of its own accord arrives.
    pub fn send_answers(&mut self, key: Place) {
        if self.is_carried(key) && self.app.waiting_poll(peer_id(key)).is_none() {
            self.poll(key);
        }
        let answers = self.visitors.get_mut(key).map(|visitor| visitor.client.answers());
        let answers = answers.filter(|answers| !answers.is_empty());
        answers.into_iter().for_each(|answers| self.send(key, &answers));
    }

    /// The connection breaks.
    pub fn lose(&mut self, key: Place) {
        let Some(visitor) = self.visitors.get_mut(key) else { return };
        let me = peer_id(key);
        visitor.connection.end(me, self.now, &mut self.app, &mut self.output.effects);
        self.apply(None, None);
        self.settle(key);
        self.flush();
    }

    /// The peer has not read for too long.
    pub fn give_up(&mut self, key: Place) {
        let Some(visitor) = self.visitors.get_mut(key) else { return };
        let (me, code) = (peer_id(key), close::CANNOT_KEEP_UP);
        visitor.connection.give_up(me, code, self.now, &mut self.app, &mut self.output);
        self.apply(Some(key), None);
        self.settle(key);
        self.flush();
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
        self.flush();
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

    pub(crate) fn places(&self) -> Vec<Place> {
        self.visitors.iter().map(|(key, _)| key).collect()
    }

    pub(crate) fn process(&mut self, key: Place, bytes: &mut [u8], at: &mut Cursor) {
        let mut steps_left = bytes.len() + 2;
        while let Some(visitor) = self.visitors.get_mut(key) {
            let (app, output) = (&mut self.app, &mut self.output);
            match visitor.connection.receive(peer_id(key), bytes, at, self.now, app, output) {
                Progress::More => return,
                Progress::Handled(message) => self.apply(Some(key), message),
                Progress::Rewritten => self.apply_rewritten(key),
                Progress::Elsewhere(..) => unreachable!("one engine has all rooms"),
                Progress::Packet { session, packet } => {
                    self.bring(key, peer_key(session), packet);
                }
                Progress::TakeOver { session } => {
                    self.taking_over = Some((key, peer_key(session)));
                    return;
                }
            }
            steps_left = steps_left.checked_sub(1).expect("more steps than bytes");
        }
    }

    pub(crate) fn apply_rewritten(&mut self, key: Place) {
        let text = std::mem::take(&mut self.output.rewritten);
        self.apply(Some(key), Some(Message::Text(&text)));
        self.output.rewritten = text;
    }

    /// Carries out what a call put out, in the order of the reactor.
    pub(crate) fn apply(&mut self, from: Option<Place>, received: Option<Message<'_>>) {
        let mut output = std::mem::take(&mut self.output);
        let order = output.order.take();
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
                // Here everybody says one thing at a time.
                Effect::Hold { .. } | Effect::Resume { .. } => {}
                Effect::Close { peer, code } => self.close(peer_key(peer), code),
            }
        }
        output.reply.clear();
        output.effects.clear();
        self.output = output;
        if let Some(order) = order {
            self.carry_out(order);
        }
    }

    fn deliver_text(&mut self, to: Place, text: &[u8], sender: Option<Place>) {
        let visitor = self.visitors.get(to);
        let framed = visitor.and_then(|visitor| visitor.connection.frame(false, text));
        if let Some(bytes) = framed.map(|framed| framed.parts().concat()) {
            self.deliver(to, &bytes, sender);
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
            self.settle(key);
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
        self.flush();
        let next = self.app.next_deadline(self.now);
        assert!(next.is_none_or(|next| next > self.now.instant), "due, but not done");
    }

    /// After anything that may have changed what the connection waits for.
    pub(crate) fn settle(&mut self, key: Place) {
        let Some(visitor) = self.visitors.get_mut(key) else { return };
        if visitor.unfetched.is_some() && !visitor.connection.is_open() {
            visitor.client.hang_up();
        }
        if visitor.connection.is_ended() {
            self.visitors.remove(key);
            self.app.departed(peer_id(key));
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
    pub(crate) fn new(connection: Connection, client: Client, unfetched: Option<Vec<u8>>) -> Self {
        Self {
            connection,
            inbound: Inbound::default(),
            client,
            unfetched,
            step: 0,
            is_granted: false,
            claim: None,
            is_odd: false,
        }
    }

    /// Where it is, and as whom.
    pub(crate) fn seat(&self) -> Option<(usize, String)> {
        let inside = self.client.inside.as_ref()?;
        self.client.shown.map(|person| (inside.session, person.user()))
    }
}

impl Default for Hall {
    fn default() -> Self {
        Self::new()
    }
}

pub(crate) fn peer_id(key: Place) -> PeerId {
    PeerId { index: key.index(), generation: key.generation() }
}

pub(crate) fn peer_key(id: PeerId) -> Place {
    Place::from_parts(id.index, id.generation)
}
