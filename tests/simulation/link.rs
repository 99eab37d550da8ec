//! A TCP connection: two pipes with a bounded buffer, a delay, segments of any size, and everything
//! that can happen to them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::rc::Rc;

use super::random::Random;

/// Microseconds since the start of the run.
pub type Micros = u64;

/// A link as both of its ends hold it.
pub type SharedLink = Rc<RefCell<Link>>;

/// What a network between two machines is like.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// How long a byte takes at least.
    pub delay: Micros,
    /// How much longer it may take; order is kept.
    pub jitter: Micros,
    /// The longest segment.
    pub segment_bytes_max: usize,
    /// How many bytes can be under way or unread in one direction before the writer must wait.
    pub buffer_bytes: usize,
}

/// One direction.
#[derive(Debug, Default)]
pub struct Pipe {
    written: VecDeque<u8>,
    flying: VecDeque<Segment>,
    arrived: VecDeque<u8>,
    /// Bytes that were written and not read; those that vanished stay in the writer's buffer for good.
    held: usize,
    end_written: bool,
    end_sent: bool,
    ended: bool,
    last_due: Micros,
    passed: u64,
    cut_at: Option<u64>,
    swallows: bool,
}

#[derive(Debug)]
struct Segment {
    due: Micros,
    bytes: Vec<u8>,
    end: bool,
}

/// What came of a look at the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// Bytes or the end came out at the other side.
    pub something: bool,
    /// The wire was cut at this byte.
    pub cut: bool,
}

impl Pipe {
    fn room(&self, buffer_bytes: usize) -> usize {
        buffer_bytes.saturating_sub(self.held)
    }

    /// Sends what was written on its way; returns when the parts are due.
    fn dispatch(&mut self, now: Micros, weather: Weather, random: &mut Random) -> Vec<Micros> {
        let mut dues = Vec::new();
        if self.swallows {
            self.written.clear();
            return dues;
        }
        let end = self.end_written && !self.end_sent;
        while !self.written.is_empty() || (end && !self.end_sent) {
            let max = self.written.len().min(weather.segment_bytes_max.max(1));
            let len = if random.chance(60) { max } else { random.below(max as u64) as usize };
            let bytes: Vec<u8> = self.written.drain(..len.max(max.min(1))).collect();
            let last = self.written.is_empty() && end;
            let due = now + weather.delay + random.below(weather.jitter + 1);
            let due = due.max(self.last_due);
            self.last_due = due;
            self.end_sent |= last;
            self.flying.push_back(Segment { due, bytes, end: last });
            dues.push(due);
        }
        dues.dedup();
        dues
    }

    /// Lets what is due come out.
    fn arrive(&mut self, now: Micros) -> Arrival {
        let mut arrival = Arrival::default();
        while self.flying.front().is_some_and(|segment| segment.due <= now) {
            let Some(segment) = self.flying.pop_front() else { break };
            if self.swallows {
                continue;
            }
            let left = self.cut_at.map_or(u64::MAX, |cut_at| cut_at.saturating_sub(self.passed));
            let len = segment.bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.arrived.extend(&segment.bytes[..len]);
            self.passed += len as u64;
            arrival.something |= len > 0;
            if self.cut_at.is_some_and(|cut_at| self.passed >= cut_at) {
                (self.cut_at, self.swallows) = (None, true);
                arrival.cut = true;
                continue;
            }
            self.ended |= segment.end;
            arrival.something |= segment.end;
        }
        arrival
    }

    fn write(&mut self, bytes: impl Iterator<Item = u8>) {
        let before = self.written.len();
        self.written.extend(bytes);
        self.held += self.written.len() - before;
    }

    fn take(&mut self, buffer: &mut [u8]) -> usize {
        let len = buffer.len().min(self.arrived.len());
        for (to, byte) in buffer.iter_mut().zip(self.arrived.drain(..len)) {
            *to = byte;
        }
        self.held -= len;
        len
    }
}

/// Both directions and both ends.
#[derive(Debug)]
pub struct Link {
    /// Which one: its number in the run.
    pub number: usize,
    /// What the network between is like now.
    pub weather: Weather,
    /// From the client to the server.
    pub to_server: Pipe,
    /// From the server to the client.
    pub to_client: Pipe,
    /// The server's key of it, once it was accepted.
    pub key: Option<(u32, u32)>,
    /// The server's end hears that the connection is broken.
    pub server_broken: bool,
    /// The client's end hears that the connection is broken.
    pub client_broken: bool,
    /// The server has closed its end.
    pub server_closed: bool,
    /// The client has closed its end.
    pub client_closed: bool,
    /// The server closed it with a reset, of which the client is to hear.
    pub reset_by_server: bool,
    /// The server wanted to write more than there was room for.
    pub server_waits: bool,
    random: Random,
}

impl Link {
    /// A fresh connection.
    pub fn new(number: usize, weather: Weather, random: Random) -> Self {
        Self {
            number,
            weather,
            to_server: Pipe::default(),
            to_client: Pipe::default(),
            key: None,
            server_broken: false,
            client_broken: false,
            server_closed: false,
            client_closed: false,
            reset_by_server: false,
            server_waits: false,
            random,
        }
    }

    /// Sends what both ends wrote on its way; returns when parts are due, at the server and at the client.
    pub fn dispatch(&mut self, now: Micros) -> (Vec<Micros>, Vec<Micros>) {
        let to_server = self.to_server.dispatch(now, self.weather, &mut self.random);
        let to_client = self.to_client.dispatch(now, self.weather, &mut self.random);
        (to_server, to_client)
    }

    /// Lets what is due come out at the server.
    pub fn arrive_at_server(&mut self, now: Micros) -> Arrival {
        self.to_server.arrive(now)
    }

    /// Lets what is due come out at the client.
    pub fn arrive_at_client(&mut self, now: Micros) -> Arrival {
        self.to_client.arrive(now)
    }

    /// Cuts the wire once so many more bytes have passed to the server, or to the client.
    pub fn cut_after(&mut self, to_server: bool, bytes: u64) {
        let pipe = if to_server { &mut self.to_server } else { &mut self.to_client };
        pipe.cut_at = Some(pipe.passed + bytes);
    }

    /// No cut is to come any more.
    pub fn spare(&mut self) {
        (self.to_server.cut_at, self.to_client.cut_at) = (None, None);
    }

    /// From now on bytes vanish without a word.
    pub fn swallow(&mut self, to_server: bool, to_client: bool) {
        self.to_server.swallows |= to_server;
        self.to_client.swallows |= to_client;
    }

    /// The client's end learns that the connection is broken; what it has not read yet is gone.
    pub fn break_client(&mut self) {
        self.client_broken = true;
        self.swallow(true, true);
        self.to_client.arrived.clear();
    }

    /// The server's end learns that the connection is broken; what it has not read yet is gone.
    pub fn break_server(&mut self) {
        self.server_broken = true;
        self.swallow(true, true);
        self.to_server.arrived.clear();
    }

    /// The client writes as much as there is room for.
    pub fn client_write(&mut self, bytes: &mut VecDeque<u8>) {
        let room = self.to_server.room(self.weather.buffer_bytes);
        let len = room.min(bytes.len());
        self.to_server.write(bytes.drain(..len));
    }

    /// The client reads everything; whether the server has closed behind it.
    pub fn client_read(&mut self, into: &mut Vec<u8>) -> bool {
        self.to_client.held -= self.to_client.arrived.len();
        into.extend(self.to_client.arrived.drain(..));
        self.to_client.ended
    }

    /// The client sends no more.
    pub fn client_finish(&mut self) {
        self.to_server.end_written = true;
    }

    /// When everything that is on its way to the server will be there.
    pub fn last_due_at_server(&self, now: Micros) -> Micros {
        self.to_server.last_due.max(now + self.weather.delay)
    }

    /// Whether something is there for the server to read.
    pub fn has_news_for_server(&self) -> bool {
        self.server_broken || !self.to_server.arrived.is_empty() || self.to_server.ended
    }

    /// Whether the server is told that an end or an error stands behind what can be read.
    pub fn ends_for_server(&self) -> bool {
        self.server_broken || self.to_server.ended
    }

    /// Whether the server has room to write where it had none before.
    pub fn take_server_room(&mut self) -> bool {
        let room = self.to_client.room(self.weather.buffer_bytes) > 0;
        room && std::mem::take(&mut self.server_waits)
    }
}

/// The server's end, as the reactor's code uses a socket.
#[derive(Debug)]
pub struct Socket {
    link: SharedLink,
    /// Links on which the server did something.
    touched: Rc<RefCell<Vec<usize>>>,
}

impl Socket {
    /// The server's end of a link; it notes in `touched` when it was used.
    pub fn new(link: SharedLink, touched: Rc<RefCell<Vec<usize>>>) -> Self {
        Self { link, touched }
    }

    /// Sends no more.
    pub fn finish(&mut self) {
        let mut link = self.link.borrow_mut();
        link.to_client.end_written = true;
        self.touched.borrow_mut().push(link.number);
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut link = self.link.borrow_mut();
        if link.server_broken {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if link.to_server.arrived.is_empty() && !link.to_server.ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.touched.borrow_mut().push(link.number);
        Ok(link.to_server.take(buffer))
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut link = self.link.borrow_mut();
        if link.server_broken || link.to_client.end_written {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let len = link.to_client.room(link.weather.buffer_bytes).min(bytes.len());
        link.server_waits |= len < bytes.len();
        if len == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        link.to_client.write(bytes[..len].iter().copied());
        self.touched.borrow_mut().push(link.number);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Socket {
    /// Closing with unread bytes is a reset, which destroys what the other end has not read yet (RFC 1122 4.2.2.13).
    fn drop(&mut self) {
        let mut link = self.link.borrow_mut();
        link.server_closed = true;
        if link.to_server.arrived.is_empty() {
            link.to_client.end_written = true;
        } else {
            link.swallow(true, true);
            link.reset_by_server = true;
        }
        self.touched.borrow_mut().push(link.number);
    }
}
