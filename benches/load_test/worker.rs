//! One thread of the load test: its sockets, its schedule, and its sessions.

use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;

use super::alarm::Alarm;
use super::frames::{self, CLOSE, PING, PONG, TEXT};
use super::link::Link;
use super::options::Options;
use super::people::{self, Signer};
use super::schedule::{Due, Schedule};
use super::session::{Action, Heard, Moment, Session};
use super::stats::Stats;
use super::target::Target;

/// How often it reports its statistics.
const TELL_MICROS: u64 = 1_000_000;

/// How long messages in flight may take at the end.
const DRAIN_MICROS: u64 = 5_000_000;

/// How long a client waits before it reconnects after a lost connection.
const AGAIN_MICROS: u64 = 1_000_000;

const WAKER: Token = Token(usize::MAX);

/// What all threads share.
pub struct Common {
    pub options: Options,
    pub target: Target,
    pub signer: Signer,
    pub begun: Instant,
    /// Set if the run must stop now.
    pub stop: Arc<AtomicBool>,
}

pub struct Worker {
    common: Arc<Common>,
    poll: Poll,
    alarm: Alarm,
    alarm_at: u64,
    schedule: Schedule,
    sessions: Vec<Session>,
    /// The connection of each seat.
    places: Vec<[Option<usize>; 2]>,
    clients: Slab<Client>,
    /// Connections that have ended. Their slots are kept until all events of a turn were handled.
    dead: Vec<usize>,
    actions: Vec<Action>,
    stats: Stats,
    buffer: Vec<u8>,
    masks: u64,
}

struct Client {
    link: Link,
    session: usize,
    seat: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Upgrading,
    Upgraded,
    /// Dropped, or to be dropped once everything is sent.
    Cut,
    CutDone,
    Dead,
}

impl Worker {
    /// A worker for some of all rooms.
    pub fn new(common: Arc<Common>, rooms: &[usize]) -> io::Result<Self> {
        let poll = Poll::new()?;
        let alarm = Alarm::new(Waker::new(poll.registry(), WAKER)?);
        let options = &common.options;
        let session = |room: &usize| Session::new(options.mode, *room >= options.sessions);
        Ok(Self {
            schedule: Schedule::new(options, rooms),
            sessions: rooms.iter().map(session).collect(),
            places: vec![[None; 2]; rooms.len()],
            poll,
            alarm,
            alarm_at: 0,
            clients: Slab::new(),
            dead: Vec::new(),
            actions: Vec::new(),
            stats: Stats::default(),
            buffer: vec![0; 1 << 16],
            masks: common.begun.elapsed().as_nanos() as u64 | 1,
            common,
        })
    }

    /// Runs until everything that was due is done; if it must stop, until everything due by then is
    /// done. Reports its statistics meanwhile.
    pub fn run(mut self, told: &Sender<Stats>) -> io::Result<()> {
        let mut events = Events::with_capacity(1_024);
        let mut tell_at = TELL_MICROS;
        let mut end = self.schedule.measured_until;
        loop {
            let now = self.now();
            if now < end && self.common.stop.load(Ordering::Relaxed) {
                self.schedule.stop();
                end = now;
            }
            if now >= end && self.is_over(now, end) {
                break;
            }
            if now >= tell_at {
                self.tell(told);
                tell_at += TELL_MICROS;
            }
            self.set_alarm(tell_at.min(self.schedule.next().unwrap_or(u64::MAX)));
            match self.poll.poll(&mut events, Some(Duration::from_millis(100))) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                if event.token() != WAKER {
                    self.ready(event.token().0);
                }
            }
            self.do_what_is_due();
            self.dead.drain(..).for_each(|key| drop(self.clients.remove(key)));
        }
        for session in &self.sessions {
            let (on_their_way, undone) = session.open();
            self.stats.counts.lost += on_their_way;
            self.stats.counts.undone += undone;
        }
        self.tell(told);
        Ok(())
    }

    fn is_over(&self, now: u64, end: u64) -> bool {
        now >= end + DRAIN_MICROS || self.sessions.iter().all(|session| session.open() == (0, 0))
    }

    fn tell(&mut self, told: &Sender<Stats>) {
        for (_, client) in &mut self.clients {
            let traffic = client.link.take_traffic();
            self.stats.counts.bytes_received += traffic.received;
            self.stats.counts.bytes_sent += traffic.sent;
        }
        let seats = self.sessions.iter().flat_map(|session| [0, 1].map(|seat| (session, seat)));
        let inside = seats.filter(|(session, seat)| session.is_inside(*seat)).count();
        self.stats.counts.inside = inside as u64;
        // The receiver is gone only if the whole program is about to end.
        let _ = told.send(mem::take(&mut self.stats));
    }

    fn now(&self) -> u64 {
        self.common.begun.elapsed().as_micros() as u64
    }

    fn set_alarm(&mut self, at: u64) {
        if at != self.alarm_at {
            self.alarm_at = at;
            self.alarm.set(self.common.begun + Duration::from_micros(at));
        }
    }

    fn do_what_is_due(&mut self) {
        loop {
            let now = self.now();
            let Some((at, due)) = self.schedule.pop(now) else { return };
            let away = self.common.options.away.as_micros() as u64;
            match due {
                Due::Begin(session, _) => self.with(session, |s, moment| s.begin(at, moment)),
                Due::Trickle(session, _) => self.with(session, |s, moment| s.trickle(at, moment)),
                Due::Cut(session, seat) => {
                    if self.with(session, |s, moment| s.cut(seat, moment)) {
                        self.schedule.add(now + away, Due::Return(session, seat));
                    }
                }
                Due::Return(session, seat) => {
                    self.with(session, |s, moment| s.connect(seat, moment));
                }
            }
        }
    }

    /// Lets a session decide, and carries out its actions.
    fn with<R>(
        &mut self,
        index: usize,
        decide: impl FnOnce(&mut Session, &mut Moment<'_>) -> R,
    ) -> R {
        let now = self.now();
        let (measured_from, stats) = (self.schedule.measured_from, &mut self.stats);
        let mut moment = Moment { now, measured_from, stats, actions: &mut self.actions };
        let decided = decide(&mut self.sessions[index], &mut moment);
        let mut actions = mem::take(&mut self.actions);
        for action in actions.drain(..) {
            self.act(index, action);
        }
        self.actions = actions;
        for key in self.places[index].into_iter().flatten() {
            self.flush(key);
        }
        decided
    }

    fn act(&mut self, session: usize, action: Action) {
        match action {
            Action::Connect(seat) => {
                if let Err(error) = self.connect(session, seat) {
                    self.stats.error(format!("connect: {error}"));
                    self.schedule.add(self.now() + AGAIN_MICROS, Due::Return(session, seat));
                }
            }
            Action::Say(seat, text) => {
                if let Some(key) = self.places[session][seat] {
                    self.write(key, TEXT, text.as_bytes());
                }
            }
            Action::Cut(seat) => {
                if let Some(key) = self.places[session][seat].take() {
                    self.clients[key].state = State::Cut;
                    self.flush(key);
                }
            }
            Action::Abandon(seat) => {
                if let Some(key) = self.places[session][seat].take() {
                    self.bury(key);
                }
            }
        }
    }

    fn connect(&mut self, session: usize, seat: usize) -> io::Result<()> {
        let common = Arc::clone(&self.common);
        let tls = common.target.tls().map_err(io::Error::other)?;
        let mut link = Link::connect(common.target.address, tls)?;
        let person = self.sessions[session].person(seat);
        let request = people::upgrade(&common.target, &common.signer, person);
        link.out.extend_from_slice(request.as_bytes());
        let entry = self.clients.vacant_entry();
        let (token, interest) = (Token(entry.key()), Interest::READABLE | Interest::WRITABLE);
        self.poll.registry().register(&mut link.stream, token, interest)?;
        self.places[session][seat] = Some(entry.key());
        entry.insert(Client { link, session, seat, state: State::Upgrading });
        Ok(())
    }

    fn write(&mut self, key: usize, opcode: u8, payload: &[u8]) {
        // xorshift: a mask need not be secret here.
        self.masks ^= self.masks << 13;
        self.masks ^= self.masks >> 7;
        self.masks ^= self.masks << 17;
        let [a, b, c, d, ..] = self.masks.to_le_bytes();
        frames::write(&mut self.clients[key].link.out, opcode, payload, [a, b, c, d]);
    }

    fn flush(&mut self, key: usize) {
        let Some(client) = self.clients.get_mut(key) else { return };
        if matches!(client.state, State::Dead | State::CutDone) {
            return;
        }
        let mut result = client.link.flush();
        if client.state == State::Cut && client.link.is_flushed() {
            client.state = State::CutDone;
            result = result.and_then(|()| client.link.cut());
        }
        if let Err(error) = result {
            self.end(key, &format!("send: {error}"));
        }
    }

    /// Handles an event of a socket.
    fn ready(&mut self, key: usize) {
        let Some(client) = self.clients.get_mut(key) else { return };
        if client.state == State::Dead {
            return;
        }
        let read = client.link.read(&mut self.buffer);
        let understood = self.take(key);
        match (understood, read) {
            (Err(why), _) => self.end(key, &why),
            (_, Err(error)) => self.end(key, &format!("receive: {error}")),
            (_, Ok(false)) => self.end(key, "the server hung up"),
            (_, Ok(true)) => self.flush(key),
        }
    }

    /// Handles received bytes. The error says why the connection has ended.
    fn take(&mut self, key: usize) -> Result<(), String> {
        let client = &mut self.clients[key];
        let (session, seat) = (client.session, client.seat);
        let unread = mem::take(&mut client.link.unread);
        let mut at = 0;
        if client.state == State::Upgrading {
            let Some(head) = unread.windows(4).position(|end| end == b"\r\n\r\n") else {
                client.link.unread = unread;
                return Ok(());
            };
            if !unread.starts_with(b"HTTP/1.1 101 ") {
                let line = String::from_utf8_lossy(&unread);
                return Err(format!("refused: {}", line.lines().next().unwrap_or_default()));
            }
            at = head + 4;
            client.state = State::Upgraded;
            let join = self.sessions[session].join(seat);
            self.write(key, TEXT, join.as_bytes());
        }
        while self.clients[key].state == State::Upgraded {
            let Some(frame) = frames::read(&unread, at)? else { break };
            at = frame.end;
            let payload = &unread[frame.payload];
            match frame.opcode {
                TEXT => self.heard(session, seat, payload)?,
                PING => self.write(key, PONG, payload),
                CLOSE => {
                    let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                    self.write(key, CLOSE, payload);
                    self.flush(key);
                    return Err(format!("closed with {code}"));
                }
                _ => {}
            }
        }
        self.clients[key].link.unread = unread;
        self.clients[key].link.unread.drain(..at);
        Ok(())
    }

    fn heard(&mut self, session: usize, seat: usize, payload: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(payload).map_err(|_| "a text that is not UTF-8")?;
        let heard: Heard<'_> =
            serde_json::from_str(text).map_err(|error| format!("JSON: {error}"))?;
        self.with(session, |s, moment| s.heard(seat, &heard, moment));
        Ok(())
    }

    /// A connection has ended; its user may reconnect.
    fn end(&mut self, key: usize, why: &str) {
        let Client { session, seat, .. } = self.clients[key];
        self.bury(key);
        if self.places[session][seat] != Some(key) {
            return;
        }
        self.places[session][seat] = None;
        if self.with(session, |s, moment| s.ended(seat, why, moment)) {
            self.schedule.add(self.now() + AGAIN_MICROS, Due::Return(session, seat));
        }
    }

    fn bury(&mut self, key: usize) {
        let client = &mut self.clients[key];
        if client.state != State::Dead {
            client.state = State::Dead;
            let traffic = client.link.take_traffic();
            self.stats.counts.bytes_received += traffic.received;
            self.stats.counts.bytes_sent += traffic.sent;
            self.dead.push(key);
        }
    }
}
