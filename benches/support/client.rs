//! A blocking client that sends and receives bytes which were prepared before, so that it allocates nothing meanwhile.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use autamedica_signaling::base::time::WallTime;

use super::clinic::{Person, client_frame};

/// A test that waits longer than this for an answer has failed.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A WebSocket.
pub struct Client {
    socket: TcpStream,
    received: Vec<u8>,
}

impl Client {
    /// Connects with the person's token.
    pub fn connect(address: SocketAddr, person: &Person, now: WallTime) -> Self {
        let socket = TcpStream::connect(address).expect("the server listens");
        socket.set_nodelay(true).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let mut client = Self { socket, received: Vec::new() };
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

    /// Receives as many bytes, and they are these.
    pub fn expect(&mut self, bytes: &[u8]) {
        if self.received.len() < bytes.len() {
            self.received.resize(bytes.len(), 0);
        }
        let received = &mut self.received[..bytes.len()];
        self.socket.read_exact(received).expect("the server answers");
        assert!(*received == *bytes, "{}", String::from_utf8_lossy(received));
    }

    /// Receives one message, whose `type` is this.
    pub fn expect_message(&mut self, kind: &str) {
        let text = self.receive_message();
        assert!(text.starts_with(&format!(r#"{{"type":"{kind}","#)), "{text}");
    }

    fn receive_message(&mut self) -> String {
        let mut header = [0; 4];
        self.socket.read_exact(&mut header[..2]).expect("the server answers");
        let len = match header[1] {
            126 => {
                self.socket.read_exact(&mut header[2..]).expect("the rest of the header");
                usize::from(u16::from_be_bytes([header[2], header[3]]))
            }
            len => usize::from(len),
        };
        let mut payload = vec![0; len];
        self.socket.read_exact(&mut payload).expect("the rest of the message");
        String::from_utf8(payload).expect("a text message")
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
