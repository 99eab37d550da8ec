//! A client that sends arbitrary bytes, valid or not.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};

use serde_json::Value;

use super::wire::{Door, Wire};
use super::{PATIENCE, Person};

/// The nonce and the accept value of RFC 6455 1.3.
pub const NONCE: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Opcodes (RFC 6455 5.2).
pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xa;

/// A socket, and what was read from it and not looked at yet.
pub struct Raw {
    pub stream: Wire,
    read: Vec<u8>,
    buffer: Box<[u8]>,
}

/// A frame that the server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub fin: bool,
    pub opcode: u8,
    pub payload: Vec<u8>,
}

/// An HTTP response, its body up to the end of the connection.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Raw {
    pub fn connect(door: impl Into<Door>) -> Self {
        let door = door.into();
        Self::new(&door, TcpStream::connect(door.address).expect("a connection"))
    }

    fn new(door: &Door, stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self { stream: door.over(stream), read: Vec::new(), buffer: vec![0; 1 << 16].into() }
    }

    /// Connects a socket that was prepared.
    fn connect_with(door: &Door, prepare: impl FnOnce(&socket2::Socket)) -> Self {
        let domain = socket2::Domain::for_address(door.address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).expect("a socket");
        prepare(&socket);
        socket.connect(&door.address.into()).expect("a connection");
        Self::new(door, socket.into())
    }

    /// Connects from one of this machine's own addresses.
    pub fn connect_from(door: impl Into<Door>, from: IpAddr) -> Self {
        Self::connect_with(&door.into(), |socket| {
            socket.bind(&SocketAddr::new(from, 0).into()).expect("an address of this machine");
        })
    }

    /// The same for one of thousands, which has little to read.
    pub fn connect_lean(door: impl Into<Door>, from: IpAddr) -> Self {
        Self { buffer: vec![0; 1_024].into(), ..Self::connect_from(door, from) }
    }

    /// Connects with so small a receive buffer that the server notices early that nothing is read.
    pub fn connect_narrow(door: impl Into<Door>) -> Self {
        Self::connect_with(&door.into(), |socket| {
            socket.set_recv_buffer_size(4_096).expect("a receive buffer");
        })
    }

    /// The same for one of a thousand. The system lets unsent bytes for a peer grow to some segments, of which loopback has
    /// large ones: these are small.
    pub fn connect_tiny(door: impl Into<Door>) -> Self {
        Self::connect_with(&door.into(), |socket| {
            socket.set_tcp_mss(536).expect("a segment size");
            socket.set_recv_buffer_size(4_096).expect("a receive buffer");
        })
    }

    /// Reads faster from here on.
    pub fn widen(&self) {
        let socket = socket2::SockRef::from(&*self.stream);
        socket.set_recv_buffer_size(1 << 20).expect("a receive buffer");
    }

    /// Connects and upgrades `/ws`.
    pub fn upgrade(door: impl Into<Door>) -> Self {
        let mut raw = Self::connect(door);
        raw.send(upgrade_request("").as_bytes());
        raw.expect_upgrade();
        raw
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("sent");
    }

    /// Sends frame by frame with one write each.
    pub fn send_frames<'a>(&mut self, frames: impl IntoIterator<Item = &'a Vec<u8>>) {
        frames.into_iter().for_each(|frame| self.send(frame));
    }

    /// Says that nothing more comes.
    pub fn half_close(&mut self) {
        self.stream.half_close().expect("shut down");
    }

    /// Closes with a reset instead of an end (RFC 9293 3.5.2).
    pub fn reset(self) {
        let socket = socket2::Socket::from(self.stream.into_tcp());
        socket.set_linger(Some(std::time::Duration::ZERO)).expect("linger");
    }

    /// Upgrades with a token, and joins its room.
    pub fn join(&mut self, person: &Person) {
        let bearer = format!("Authorization: Bearer {}\r\n", person.token);
        self.send(upgrade_request(&bearer).as_bytes());
        self.expect_upgrade();
        self.send(&frame(TEXT, person.join_request().to_string().as_bytes()));
        assert_eq!(self.json()["type"], "room-joined");
    }

    /// Reads the head of the answer to an upgrade.
    pub fn expect_upgrade(&mut self) -> Response {
        let response = self.read_head();
        assert_eq!(response.status, 101, "{response:?}");
        response
    }

    /// Reads a response, and that the connection ends behind it.
    pub fn read_response(&mut self) -> Response {
        let mut response = self.read_head();
        while self.read_some() {}
        response.body = std::mem::take(&mut self.read);
        response
    }

    /// The status of the next response.
    pub fn read_status(&mut self) -> u16 {
        self.read_head().status
    }

    fn read_head(&mut self) -> Response {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|end| end == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.read_some(), "the end of a response head: {:?}", self.read);
        };
        let head: Vec<u8> = self.read.drain(..end).collect();
        Response::parse(&head)
    }

    /// The next frame.
    pub fn frame(&mut self) -> Frame {
        self.next_frame().expect("a frame, not the end of the connection")
    }

    /// The next frame; `None` where the connection ends instead, in whatever way.
    pub fn next_frame(&mut self) -> Option<Frame> {
        let (fin, opcode, header, len) = loop {
            match parse_header(&self.read) {
                Some(header) => break header,
                None if self.read_some() => {}
                None => {
                    assert!(self.read.is_empty(), "a cut frame: {:?}", self.read);
                    return None;
                }
            }
        };
        while self.read.len() < header + len {
            assert!(self.read_some(), "the connection ended within a frame");
        }
        let payload = self.read[header..header + len].to_vec();
        self.read.drain(..header + len);
        Some(Frame { fin, opcode, payload })
    }

    /// The next text frame as JSON.
    pub fn json(&mut self) -> Value {
        let frame = self.frame();
        assert_eq!((frame.fin, frame.opcode), (true, TEXT), "{frame:?}");
        serde_json::from_slice(&frame.payload).expect("JSON")
    }

    /// Passes over all but the close frame, and that the connection ends behind it; its code.
    pub fn read_close(&mut self) -> u16 {
        loop {
            let frame = self.frame();
            if frame.opcode == CLOSE {
                self.expect_end();
                return frame.close_code();
            }
        }
    }

    /// Passes over all but the close frame, answers it, and that the connection ends; its code.
    pub fn answer_close(&mut self) -> u16 {
        loop {
            let next = self.frame();
            if next.opcode == CLOSE {
                self.send(&frame(CLOSE, &next.payload));
                self.expect_end();
                return next.close_code();
            }
        }
    }

    /// Whatever comes next; `None` where the connection ends.
    pub fn next_bytes(&mut self) -> Option<Vec<u8>> {
        (!self.read.is_empty() || self.read_some()).then(|| std::mem::take(&mut self.read))
    }

    /// The connection ends here, with a FIN or a reset.
    pub fn expect_end(&mut self) {
        while self.read_some() {}
        assert!(self.read.is_empty(), "bytes behind the end: {:?}", self.read);
    }

    /// Whether something came that was not read yet.
    pub fn has_bytes(&self) -> bool {
        self.stream.set_nonblocking(true).expect("a flag");
        let some = !self.read.is_empty() || self.stream.peek(&mut [0]).is_ok_and(|len| len > 0);
        self.stream.set_nonblocking(false).expect("a flag");
        some
    }

    fn read_some(&mut self) -> bool {
        match self.stream.read(&mut self.buffer) {
            Ok(len) => {
                self.read.extend_from_slice(&self.buffer[..len]);
                len > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing came in time: {error}"),
        }
    }
}

impl Frame {
    /// The code of a close frame; 1005 where it has none.
    pub fn close_code(&self) -> u16 {
        assert_eq!(self.opcode, CLOSE, "{self:?}");
        self.payload.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]]))
    }
}

impl Response {
    /// Reads a head, and takes what follows for the body.
    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|end| end == b"\r\n\r\n").expect("a whole head");
        let head = String::from_utf8(bytes[..end].to_vec()).expect("ASCII");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let field = |line: &str| {
            let (name, value) = line.split_once(": ").expect("a field");
            (name.to_owned(), value.to_owned())
        };
        Self {
            status: status.expect("a status"),
            fields: lines.map(field).collect(),
            body: bytes[end + 4..].to_vec(),
        }
    }

    /// The value of a field that occurs once.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} twice: {self:?}");
        value
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// A request to upgrade `/ws`, with further field lines, each with its line end.
pub fn upgrade_request(fields: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {NONCE}\r\n{fields}\r\n"
    )
}

/// A whole frame as a client sends it, masked.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame_of(0x80 | opcode, payload)
}

/// A frame that others follow.
pub fn part(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame_of(opcode, payload)
}

/// A close frame with this code.
pub fn close(code: u16) -> Vec<u8> {
    frame(CLOSE, &code.to_be_bytes())
}

/// A masked frame with any first byte, its length in the shortest form.
pub fn frame_of(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// FIN, opcode, length of the header and of the payload; a server never masks and sets no reserved bit.
fn parse_header(bytes: &[u8]) -> Option<(bool, u8, usize, usize)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    assert_eq!((first & 0x70, second & 0x80), (0, 0), "reserved bits, mask");
    let (header, len) = match second {
        126 => (4, u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)),
        len => (2, u64::from(len)),
    };
    Some((first & 0x80 != 0, first & 0x0f, header, usize::try_from(len).ok()?))
}
