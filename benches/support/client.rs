//! A blocking client that sends and expects prepared bytes, so that it allocates nothing meanwhile.

use std::io::{self, IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use autamedica_signaling::base::time::WallTime;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Socket, Type};

use super::clinic::{Person, client_frame, event};

/// A test that waits longer than this for an answer has failed.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The longest frame that it receives.
const FRAME_BYTES_MAX: usize = 8 * 1_024;

/// First bytes of control frames (RFC 6455 5.5).
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const CLOSE: u8 = 0x88;

/// A Socket.IO ping as the server sends it, and the answer with a mask of zeros.
const TEXT_PING: [u8; 3] = [0x81, 1, b'2'];
const TEXT_PONG: [u8; 7] = [0x81, 0x81, 0, 0, 0, 0, b'3'];

/// Connects from a few addresses of this machine in turn. With thousands of connections from one
/// address, the system takes ever longer to find a free port, and that would be measured.
fn connect(address: SocketAddr) -> TcpStream {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    let from = Ipv4Addr::new(127, 0, 0, 2 + NEXT.fetch_add(1, Ordering::Relaxed) % 8);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((from, 0)).into()).expect("an address of this machine");
    socket.connect(&address.into()).expect("the server listens");
    socket.into()
}

/// A WebSocket.
pub struct Client {
    socket: TcpStream,
    buffer: Vec<u8>,
    /// The received bytes of the buffer that were not examined yet.
    unread: Range<usize>,
    pongs: u64,
    /// The total number of received bytes.
    received: usize,
    /// When the last of them arrived, and room for the kernel to say so, if it is to be noted.
    arrived: Option<Duration>,
    space: Option<Vec<u8>>,
}

impl Client {
    /// Connects with the person's token.
    pub fn connect(address: SocketAddr, person: &Person, now: WallTime) -> Self {
        Self::upgrade(address, &upgrade(&person.token(now)))
    }

    /// Connects with Socket.IO, presents the person's token and joins the room.
    pub fn join_by_socket_io(address: SocketAddr, person: &Person, now: WallTime) -> Self {
        let path = "/socket.io/?EIO=4&transport=websocket";
        let mut client = Self::upgrade(address, &request(path, ""));
        assert!(client.receive_message().starts_with("0{"));
        let (token, session) = (person.token(now), person.session.reveal());
        let connect = format!(r#"40{{"token":"{token}","sessionId":"{session}"}}"#);
        client.send(&client_frame(&connect));
        assert!(client.receive_message().starts_with("40{"));
        client.send(&client_frame(&event(&person.join())));
        client.expect_event("room-joined");
        client
    }

    fn upgrade(address: SocketAddr, request: &str) -> Self {
        let socket = connect(address);
        socket.set_nodelay(true).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let buffer = vec![0; FRAME_BYTES_MAX];
        let mut client = Self {
            socket,
            buffer,
            unread: 0..0,
            pongs: 0,
            received: 0,
            arrived: None,
            space: None,
        };
        client.send(request.as_bytes());
        let head = client.receive_head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        client
    }

    /// Connects and joins the room. Participants who are already inside are told so.
    pub fn join(address: SocketAddr, person: &Person, now: WallTime) -> Self {
        let mut client = Self::connect(address, person, now);
        client.send(&client_frame(&person.join()));
        client.expect_message("room-joined");
        client
    }

    /// Sends these bytes, in one system call if the kernel accepts them.
    pub fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("the server reads");
    }

    /// Receives exactly these bytes, which are whole frames. Pings between them are answered.
    pub fn expect(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let frame = self.receive_frame();
            let received = &self.buffer[frame];
            let rest = bytes.strip_prefix(received);
            bytes = rest.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(received)));
        }
    }

    /// From now on the system notes when something arrives, for [`Client::arrived`].
    pub fn note_arrivals(&mut self) {
        self.space = Some(nix::cmsg_space!(TimeSpec));
        setsockopt(&self.socket, sockopt::ReceiveTimestampns, &true).expect("a Linux system");
    }

    /// When the last bytes that were read had arrived at this socket, as a time since 1970. It does
    /// not matter how much later this thread was woken. `None`: the system did not note it yet.
    pub fn arrived(&self) -> Option<Duration> {
        self.arrived
    }

    /// Receives one message with this `type`.
    pub fn expect_message(&mut self, kind: &str) {
        let text = self.receive_message();
        assert!(text.starts_with(&format!(r#"{{"type":"{kind}","#)), "{text}");
    }

    /// Receives one event with this name.
    pub fn expect_event(&mut self, name: &str) {
        let text = self.receive_message();
        assert!(text.starts_with(&format!(r#"42["{name}",{{"type":"{name}""#)), "{text}");
    }

    /// Waits until one more ping has been answered. Nothing else may arrive before.
    pub fn expect_ping(&mut self) {
        let before = self.pongs;
        while self.pongs == before {
            let ping = self.next_frame();
            assert!(self.answers(ping), "a ping");
        }
    }

    /// Receives the close frame, answers it, and waits for the end of the connection. Returns the
    /// length of the answer in bytes.
    pub fn expect_close(mut self) -> usize {
        let frame = self.receive_frame();
        assert_eq!(self.buffer[frame.start], CLOSE);
        let mut answer = vec![CLOSE, 0x80 | (frame.len() - 2) as u8, 0, 0, 0, 0];
        answer.extend_from_slice(&self.buffer[frame][2..]);
        self.send(&answer);
        let ended = self.socket.read(&mut self.buffer).expect("an end");
        assert_eq!(ended, 0, "the end");
        answer.len()
    }

    /// How many bytes it has received.
    pub fn received(&self) -> usize {
        self.received
    }

    /// How many pings it has answered.
    pub fn pongs(&self) -> u64 {
        self.pongs
    }

    fn receive_message(&mut self) -> String {
        let frame = self.receive_frame();
        let header = header_len(&self.buffer[frame.clone()]);
        String::from_utf8(self.buffer[frame][header..].to_vec()).expect("a text message")
    }

    /// Receives a frame that is not a ping. Returns its place in the buffer, which is valid until
    /// the next one is received.
    fn receive_frame(&mut self) -> Range<usize> {
        loop {
            let frame = self.next_frame();
            if !self.answers(frame.clone()) {
                return frame;
            }
        }
    }

    fn next_frame(&mut self) -> Range<usize> {
        loop {
            let unread = &self.buffer[self.unread.clone()];
            if let Some(len) = frame_len(unread).filter(|len| *len <= unread.len()) {
                let frame = self.unread.start..self.unread.start + len;
                self.unread.start = frame.end;
                return frame;
            }
            self.fill();
        }
    }

    /// Answers a ping. Returns whether the frame is one.
    fn answers(&mut self, frame: Range<usize>) -> bool {
        match &self.buffer[frame.clone()] {
            [PING, ..] => self.answer(frame),
            ping if ping == TEXT_PING => {
                self.send(&TEXT_PONG);
                self.pongs += 1;
            }
            _ => return false,
        }
        true
    }

    /// The answer to a ping has its payload, with a mask of zeros.
    fn answer(&mut self, ping: Range<usize>) {
        let payload = &self.buffer[ping][2..];
        let mut pong = [0; 2 + 4 + 125];
        pong[..2].copy_from_slice(&[PONG, 0x80 | payload.len() as u8]);
        pong[6..6 + payload.len()].copy_from_slice(payload);
        let len = 6 + payload.len();
        self.send(&pong[..len]);
        self.pongs += 1;
    }

    /// One read, after the bytes that are already there.
    fn fill(&mut self) {
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        let len = match self.space.take() {
            None => self.socket.read(&mut self.buffer[self.unread.end..]),
            Some(space) => self.receive_with_time(space),
        };
        let len = len.expect("the server answers");
        assert!(len > 0, "the server closed, or its frame is over {FRAME_BYTES_MAX} bytes");
        self.unread.end += len;
        self.received += len;
    }

    /// The same as a read; it also sets when the bytes arrived, if the system noted it.
    fn receive_with_time(&mut self, mut space: Vec<u8>) -> io::Result<usize> {
        let mut room = [IoSliceMut::new(&mut self.buffer[self.unread.end..])];
        let fd = self.socket.as_raw_fd();
        let read = recvmsg::<()>(fd, &mut room, Some(&mut space), MsgFlags::empty())?;
        self.arrived = None;
        for message in read.cmsgs()? {
            if let ControlMessageOwned::ScmTimestampns(time) = message {
                self.arrived = Some(time.into());
            }
        }
        let len = read.bytes;
        self.space = Some(space);
        Ok(len)
    }

    fn receive_head(&mut self) -> String {
        loop {
            self.fill();
            let received = &self.buffer[self.unread.clone()];
            if let Some(end) = received.windows(4).position(|end| end == b"\r\n\r\n") {
                let head = String::from_utf8(received[..end].to_vec()).expect("ASCII");
                self.unread.start += end + 4;
                return head;
            }
        }
    }
}

/// The length of the frame that begins here, once enough of its header has arrived.
fn frame_len(bytes: &[u8]) -> Option<usize> {
    match *bytes {
        [_, 126, high, low, ..] => Some(4 + usize::from(u16::from_be_bytes([high, low]))),
        [_, len @ ..126, ..] => Some(2 + usize::from(len)),
        _ => None,
    }
}

fn header_len(frame: &[u8]) -> usize {
    if frame[1] == 126 { 4 } else { 2 }
}

/// A client's upgrade request.
pub fn upgrade(token: &str) -> String {
    let fields =
        format!("Sec-WebSocket-Protocol: autamedica.v1\r\nAuthorization: Bearer {token}\r\n");
    request("/ws", &fields)
}

fn request(path: &str, fields: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: clinic.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    )
}
