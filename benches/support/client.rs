//! A blocking client that sends and receives bytes which were prepared before, so that it allocates nothing meanwhile.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::Duration;

use autamedica_signaling::base::time::WallTime;

use super::clinic::{Person, client_frame};

/// A test that waits longer than this for an answer has failed.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A WebSocket.
pub struct Client {
    socket: TcpStream,
    received: Vec<u8>,
    pongs: u64,
}

impl Client {
    /// Connects with the person's token.
    pub fn connect(address: SocketAddr, person: &Person, now: WallTime) -> Self {
        let socket = TcpStream::connect(address).expect("the server listens");
        socket.set_nodelay(true).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let mut client = Self { socket, received: Vec::new(), pongs: 0 };
        client.send(upgrade(&person.token(now)).as_bytes());
        let head = client.receive_head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        client
    }

    /// Connects and enters the room. Whoever is inside already is told so.
    pub fn join(address: SocketAddr, person: &Person, now: WallTime) -> Self {
        let mut client = Self::connect(address, person, now);
        client.send(&client_frame(&person.join()));
        client.expect_message("room-joined");
        client
    }

    /// Sends these bytes, in one system call where the kernel takes them.
    pub fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("the server reads");
    }

    /// Receives as many bytes, which are whole frames, and they are these. Pings between them are answered.
    pub fn expect(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let len = self.receive_frame();
            let (frame, rest) = bytes.split_at(len.min(bytes.len()));
            let received = &self.received[..len];
            assert!(*received == *frame, "{}", String::from_utf8_lossy(received));
            bytes = rest;
        }
    }

    /// Receives one message, whose `type` is this.
    pub fn expect_message(&mut self, kind: &str) {
        let text = self.receive_message();
        assert!(text.starts_with(&format!(r#"{{"type":"{kind}","#)), "{text}");
    }

    /// How many pings it has answered.
    pub fn pongs(&self) -> u64 {
        self.pongs
    }

    fn receive_message(&mut self) -> String {
        let len = self.receive_frame();
        let header = if self.received[1] == 126 { 4 } else { 2 };
        String::from_utf8(self.received[header..len].to_vec()).expect("a text message")
    }

    /// Receives a frame that is not a ping; its length with its header.
    fn receive_frame(&mut self) -> usize {
        loop {
            self.receive(0..2);
            let (header, len) = match self.received[1] {
                126 => {
                    self.receive(2..4);
                    (4, usize::from(u16::from_be_bytes([self.received[2], self.received[3]])))
                }
                len => (2, usize::from(len)),
            };
            self.receive(header..header + len);
            if self.received[0] != 0x89 {
                return header + len;
            }
            // The answer to a ping has its payload, under a mask of zeros.
            let mut pong = [0; 2 + 4 + 125];
            pong[..2].copy_from_slice(&[0x8a, 0x80 | len as u8]);
            pong[6..6 + len].copy_from_slice(&self.received[2..2 + len]);
            self.send(&pong[..6 + len]);
            self.pongs += 1;
        }
    }

    fn receive(&mut self, at: Range<usize>) {
        if self.received.len() < at.end {
            self.received.resize(at.end, 0);
        }
        self.socket.read_exact(&mut self.received[at]).expect("the server answers");
    }

    fn receive_head(&mut self) -> String {
        // Nothing follows the head before the client has asked for something.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut some = [0; 1_024];
            let len = self.socket.read(&mut some).expect("the server answers");
            assert!(len > 0, "the server closed: {}", String::from_utf8_lossy(&head));
            head.extend_from_slice(&some[..len]);
        }
        String::from_utf8(head).expect("ASCII")
    }
}

/// The request with which a client comes.
pub fn upgrade(token: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: clinic.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: autamedica.v1\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
}
