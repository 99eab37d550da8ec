//! Tabs: one connection each, from the request to the end, as seen by a browser or an app.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use super::super::frames;
use super::super::link::{Link, Micros};
use super::super::plan::{SECOND, Way};
use super::super::promises::Promise;
use super::super::random::Random;
use super::super::says;
use super::packets::Packets;
use super::{Event, World};

/// A connection as its client sees it. Its number is that of its link.
#[derive(Debug)]
pub struct Tab {
    /// Whose.
    pub person: usize,
    /// How far it is.
    pub stage: Stage,
    /// What the server's log calls it: which server, and the number of the connection.
    pub connection: Option<(usize, u64)>,
    /// What it is for.
    pub purpose: Purpose,
    /// Whether it was told that it is in the room.
    pub admitted: bool,
    /// A newer tab goes on where this one was: what still comes here counts no more.
    pub frozen: bool,
    /// Messages without an answer, by their ids.
    pub asked: BTreeMap<u64, Asked>,
    /// It speaks Socket.IO.
    pub packets: Option<Packets>,
    /// Who hears of it when the wire is cut: server, client.
    pub cut_heard: (bool, bool),
    inbox: Vec<u8>,
    pub(super) outbox: VecDeque<u8>,
    heard_at: Micros,
}

/// How far a tab is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The request is on its way.
    Asking,
    /// A WebSocket.
    Open,
    /// Over.
    Closed,
}

/// What a tab is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To join.
    Join(Memory),
    /// To be there and say nothing.
    Loiter,
}

/// What a person knows of what was received before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Nothing: it begins anew.
    None,
    /// How much it was.
    Right,
    /// More than there ever was.
    Wrong,
    /// Nothing, and not even a token: only one that somebody else has signed.
    Forged,
}

impl Memory {
    /// Right, or none.
    pub const fn of(resumes: bool) -> Self {
        if resumes { Self::Right } else { Self::None }
    }
}

/// What an answer is awaited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `join-room`
    Join,
    /// A letter.
    Letter(usize),
    /// Anything else.
    Other,
}

/// How often a tab looks whether the server is still there.
const WATCHED_EVERY: Micros = 5 * SECOND;

/// After how long an attempt to get into a room is given up at the latest.
pub const ATTEMPT_MAX: Micros = 20 * SECOND;

/// The answer to the key in the request (RFC 6455 1.3).
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

impl World {
    /// Opens a tab in which a person joins the room.
    pub(super) fn connect(&mut self, person: usize, memory: Memory) {
        let token = self.token(person, memory);
        let way = self.people[person].plan.way;
        let number = self.open(person, Purpose::Join(memory));
        let request = request(way, &token);
        self.tabs[number].outbox.extend(request.bytes());
        match way {
            Way::Header | Way::Subprotocol => self.server.app.book.note_presented(number, token),
            Way::Join => {}
            Way::Connect => self.tabs[number].packets = Some(Packets::new(token)),
        }
        self.people[person].tab = Some(number);
        self.people[person].joined = false;
        if self.people[person].random.chance(30) {
            // In the same packet as the request: these bytes are the first frames.
            self.show_token(number);
            self.say_join(number);
        }
        self.pump(number);
    }

    /// Opens a tab that joins nothing: a whole request, or a part of one.
    pub(super) fn connect_idly(&mut self, person: usize, whole: bool) {
        let number = self.open(person, Purpose::Loiter);
        let request = request(Way::Join, "");
        let len = match whole {
            true => request.len(),
            false => self.people[person].random.below(request.len() as u64) as usize,
        };
        self.tabs[number].outbox.extend(request.bytes().take(len));
        self.pump(number);
    }

    fn open(&mut self, person: usize, purpose: Purpose) -> usize {
        let number = self.links.len();
        let weather = self.people[person].plan.weather;
        let random = Random::new(self.people[person].random.next(), &[5]);
        self.links.push(Rc::new(Link::new(number, weather, random).into()));
        self.tabs.push(Tab {
            person,
            stage: Stage::Asking,
            connection: None,
            purpose,
            admitted: false,
            frozen: false,
            asked: BTreeMap::new(),
            packets: None,
            cut_heard: (true, true),
            inbox: Vec::new(),
            outbox: VecDeque::new(),
            heard_at: self.now,
        });
        self.people[person].tabs.push(number);
        let name = self.people[person].name();
        self.server.app.transcript.line(|| format!("{name} opens link {number}, {purpose:?}"));
        self.after(weather.delay, Event::Knock(number));
        self.after(WATCHED_EVERY, Event::Watches(number));
        number
    }

    /// Says `join-room`; what other tabs of the person still receive counts no more where this one goes on from them.
    pub(super) fn say_join(&mut self, number: usize) {
        let Tab { person, purpose, .. } = self.tabs[number];
        let Purpose::Join(memory) = purpose else { return };
        let token = (self.people[person].plan.way == Way::Join).then(|| self.token(person, memory));
        let individual = &mut self.people[person];
        let resume = match memory {
            Memory::Right => individual.has_joined.then_some(individual.received),
            Memory::Wrong => Some(individual.received + 1_000_000),
            Memory::None | Memory::Forged => None,
        };
        let id = individual.take_id();
        let media = individual.random.chance(30).then(|| individual.random.chance(50));
        let (plan, others) = (&individual.plan, individual.tabs.clone());
        let stream = individual.stream.filter(|_| plan.names_stream);
        let join = says::Join { token: token.as_deref(), resume, stream, media };
        let text = says::join(plan, id, &join);
        if resume.is_some() {
            self.freeze_others(&others, number);
        }
        self.tabs[number].asked.insert(id, Asked::Join);
        self.say(number, &text);
    }

    fn token(&mut self, person: usize, memory: Memory) -> String {
        if memory == Memory::Forged { self.forge(person) } else { self.mint(person) }
    }

    pub(super) fn freeze_others(&mut self, tabs: &[usize], but: usize) {
        for &other in tabs.iter().filter(|other| **other != but) {
            self.tabs[other].frozen = true;
        }
    }

    /// Puts a text on its way.
    pub(super) fn say(&mut self, number: usize, text: &str) {
        let tab = &mut self.tabs[number];
        if tab.packets.is_some() {
            return self.say_event(number, text);
        }
        frames::write_text(&mut tab.outbox, text, &mut self.people[tab.person].random);
    }

    /// Puts a frame of any kind on its way.
    pub(super) fn say_frame(&mut self, number: usize, opcode: u8, payload: &[u8]) {
        let tab = &mut self.tabs[number];
        let random = &mut self.people[tab.person].random;
        frames::write(&mut tab.outbox, true, opcode, payload, random);
    }

    /// Puts bytes on their way that are no frame.
    pub(super) fn say_bytes(&mut self, number: usize, bytes: &[u8]) {
        self.tabs[number].outbox.extend(bytes);
    }

    /// Sends as much as the network takes.
    pub(super) fn pump(&mut self, number: usize) {
        let tab = &mut self.tabs[number];
        if tab.stage != Stage::Closed {
            self.links[number].borrow_mut().client_write(&mut tab.outbox);
        }
        self.dispatch(number);
    }

    /// Reads what has arrived, unless the person's machine does not read now.
    pub(super) fn read_tab(&mut self, number: usize) {
        let individual = &self.people[self.tabs[number].person];
        if self.tabs[number].stage == Stage::Closed {
            return self.refuse_arrival(number);
        }
        if individual.slow_until > self.now || individual.asleep_until > self.now {
            return;
        }
        let tab = &mut self.tabs[number];
        tab.heard_at = self.now;
        let ended = self.links[number].borrow_mut().client_read(&mut tab.inbox);
        while self.read_once(number) {}
        if ended && self.tabs[number].stage != Stage::Closed {
            self.lose_tab(number, None);
        }
        self.pump(number);
    }

    /// Reads a response or a frame; `false`: there is no whole one, or the tab is over.
    fn read_once(&mut self, number: usize) -> bool {
        let tab = &mut self.tabs[number];
        match tab.stage {
            Stage::Asking => self.read_response(number),
            Stage::Open => match frames::read(&mut tab.inbox) {
                Ok(None) => false,
                Ok(Some(frame)) => {
                    self.hear_frame(number, frame.opcode, &frame.payload);
                    true
                }
                Err(how) => {
                    self.server.app.book.verdict.broken(Promise::Wire, how);
                    false
                }
            },
            Stage::Closed => false,
        }
    }

    fn read_response(&mut self, number: usize) -> bool {
        let tab = &mut self.tabs[number];
        let end = tab.inbox.windows(4).position(|window| window == b"\r\n\r\n");
        let Some(end) = end else { return false };
        let head = String::from_utf8_lossy(&tab.inbox[..end + 4]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
        let right = match status {
            Some(101) => head.contains(ACCEPT) && !head.contains("bearer"),
            Some(401 | 408 | 503) => head.contains("Content-Length: "),
            _ => false,
        };
        self.server.app.book.verdict.check(Promise::Wire, right, || head.clone());
        if status != Some(101) {
            self.lose_tab(number, status);
            return false;
        }
        tab.inbox.drain(..end + 4);
        tab.stage = Stage::Open;
        let has_joined = tab.asked.values().any(|asked| *asked == Asked::Join);
        match (tab.purpose, has_joined) {
            // It shows who it is first, once it has heard of its session.
            _ if tab.packets.is_some() => {}
            // A newer tab is on its way: nobody looks at this one any more.
            (Purpose::Join(_), false) if self.people[tab.person].tab != Some(number) => {
                self.close_tab(number);
            }
            (Purpose::Join(_), false) => self.say_join(number),
            _ => {}
        }
        true
    }

    fn hear_frame(&mut self, number: usize, opcode: u8, payload: &[u8]) {
        match opcode {
            frames::TEXT => match str::from_utf8(payload) {
                Ok(text) if self.tabs[number].packets.is_some() => self.hear_packet(number, text),
                Ok(text) => self.hear(number, text),
                Err(error) => {
                    let how = format!(
                        "link {number} hears no UTF-8, {error}: {:?}",
                        String::from_utf8_lossy(payload)
                    );
                    self.server.app.book.verdict.broken(Promise::Wire, how);
                }
            },
            frames::PING => self.say_frame(number, frames::PONG, payload),
            frames::PONG => {}
            frames::CLOSE => {
                let code = payload.get(..2).map(|code| u16::from_be_bytes([code[0], code[1]]));
                self.say_frame(number, frames::CLOSE, payload.get(..2).unwrap_or_default());
                self.pump(number);
                self.links[number].borrow_mut().client_finish();
                self.dispatch(number);
                self.lose_tab(number, code);
            }
            _ => self.server.app.book.verdict.broken(Promise::Wire, "a binary frame"),
        }
    }

    /// Says good-bye as a browser does when a page is closed.
    pub(super) fn close_tab(&mut self, number: usize) {
        if self.tabs[number].stage == Stage::Open {
            self.say_disconnect(number);
            self.say_frame(number, frames::CLOSE, &1001_u16.to_be_bytes());
        }
        self.pump(number);
        self.links[number].borrow_mut().client_finish();
        self.dispatch(number);
        self.end_tab(number);
    }

    /// Ends the connection without a word; the server hears of the reset, or of nothing at all.
    pub(super) fn drop_tab(&mut self, number: usize, heard: bool) {
        let due = self.links[number].borrow().last_due_at_server(self.now);
        if heard {
            self.at(due, Event::ServerHears(number));
        } else {
            self.links[number].borrow_mut().swallow(true, true);
        }
        self.end_tab(number);
    }

    fn end_tab(&mut self, number: usize) {
        self.keep_unanswered(number);
        let tab = &mut self.tabs[number];
        tab.stage = Stage::Closed;
        (tab.inbox, tab.outbox) = (Vec::new(), VecDeque::new());
        let individual = &mut self.people[tab.person];
        individual.tabs.retain(|open| *open != number);
        if individual.tab == Some(number) {
            (individual.tab, individual.joined) = (None, false);
        }
    }

    /// The connection is over: by a close frame or a response with this code, or just so.
    pub(super) fn lose_tab(&mut self, number: usize, code: Option<u16>) {
        if self.tabs[number].stage == Stage::Closed {
            return;
        }
        let person = self.tabs[number].person;
        let name = self.people[person].name();
        self.server.app.transcript.line(|| format!("{name} loses link {number}: {code:?}"));
        let was_current = self.people[person].tab == Some(number);
        self.end_tab(number);
        if was_current {
            self.come_back_later(person);
        }
    }

    /// Remembers what has no answer yet.
    fn keep_unanswered(&mut self, number: usize) {
        let tab = &mut self.tabs[number];
        let letters =
            std::mem::take(&mut tab.asked).into_iter().filter_map(|(id, asked)| match asked {
                Asked::Letter(letter) => Some((id, letter)),
                Asked::Join | Asked::Other => None,
            });
        let individual = &mut self.people[tab.person];
        if individual.tab == Some(number) {
            individual.unanswered.extend(letters);
        }
    }

    /// Bytes for a closed socket are answered with a reset.
    fn refuse_arrival(&mut self, number: usize) {
        let mut link = self.links[number].borrow_mut();
        if !std::mem::replace(&mut link.client_closed, true) {
            let delay = link.weather.delay;
            drop(link);
            self.after(delay, Event::ServerHears(number));
        }
    }

    /// Looks whether the server is still there.
    pub(super) fn watch(&mut self, number: usize) {
        let Tab { person, stage, purpose, admitted, heard_at, .. } = self.tabs[number];
        if stage == Stage::Closed {
            return;
        }
        let heartbeat = self.plan.settings.heartbeat_secs * SECOND;
        let patience = match (admitted, purpose) {
            (true, _) => heartbeat * 5 / 2 + 10 * SECOND,
            (false, Purpose::Loiter) => 40 * SECOND,
            (false, Purpose::Join(_)) => ATTEMPT_MAX - WATCHED_EVERY,
        };
        let asleep = self.people[person].asleep_until > self.now;
        if !asleep && heard_at + patience < self.now {
            let name = self.people[person].name();
            self.server.app.transcript.line(|| format!("{name} gives link {number} up"));
            let was_current = self.people[person].tab == Some(number);
            self.drop_tab(number, true);
            if was_current {
                self.come_back_later(person);
            }
            return;
        }
        self.after(WATCHED_EVERY, Event::Watches(number));
    }
}

/// The request for an upgrade.
fn request(way: Way, token: &str) -> String {
    let path = if way == Way::Connect { "/socket.io/?EIO=4&transport=websocket" } else { "/ws" };
    let request = "HTTP/1.1\r\nHost: calls.example\r\nUpgrade: websocket\r\n\
                       Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut request = format!("GET {path} {request}");
    request += &match way {
        Way::Header => format!("Authorization: Bearer {token}\r\n"),
        Way::Subprotocol => {
            format!("Sec-WebSocket-Protocol: autamedica.v1, bearer.{token}\r\n")
        }
        Way::Join => "Sec-WebSocket-Protocol: autamedica.v1\r\n".to_owned(),
        Way::Connect => String::new(),
    };
    request + "\r\n"
}
