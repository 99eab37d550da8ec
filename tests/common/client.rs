//! A client that speaks the protocol, on tungstenite's WebSocket.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::client::{ClientHandshake, Response};
use tungstenite::http::{HeaderValue, StatusCode};
use tungstenite::{Error, HandshakeError, Message, WebSocket};

use super::wire::{Door, Wire};
use super::{PATIENCE, Person, TestServer};

/// A connected client; reading waits as long as a test has patience.
pub struct Client<S = Wire> {
    pub socket: WebSocket<S>,
    pub person: Person,
}

impl Client {
    /// Connects with the token in `Authorization`, and joins the room.
    pub fn join(server: &TestServer, person: &Person) -> Self {
        Self::join_at(server, person)
    }

    pub fn join_at(door: impl Into<Door>, person: &Person) -> Self {
        let mut client = Self::connect_at(door, person);
        client.send(&person.join_request());
        client.expect("room-joined");
        client
    }

    /// Connects with the token in `Authorization`.
    pub fn connect(server: &TestServer, person: &Person) -> Self {
        Self::connect_at(server, person)
    }

    pub fn connect_at(door: impl Into<Door>, person: &Person) -> Self {
        let bearer = format!("Bearer {}", person.token);
        Self::upgraded(&door.into(), &[("Authorization", &bearer)], person)
    }

    /// Connects without a token.
    pub fn anonymous(server: &TestServer, person: &Person) -> Self {
        Self::upgraded(&server.door(), &[], person)
    }

    fn upgraded(door: &Door, fields: &[(&'static str, &str)], person: &Person) -> Self {
        let wire = door.over(connect(door.address));
        let upgraded = upgrade_over(wire, &door.address.to_string(), "/ws", fields);
        let (socket, _) = upgraded.expect("an upgrade");
        Self { socket, person: person.clone() }
    }
}

impl<S: Read + Write> Client<S> {
    /// Upgrades a stream to `host` with the token in `Authorization`, and joins the room.
    pub fn join_over(stream: S, host: &str, person: &Person) -> Self {
        let bearer = format!("Bearer {}", person.token);
        let upgraded = upgrade_over(stream, host, "/ws", &[("Authorization", &bearer)]);
        let (socket, _) = upgraded.expect("an upgrade");
        let mut client = Self { socket, person: person.clone() };
        client.send(&person.join_request());
        client.expect("room-joined");
        client
    }

    /// A message of this kind to someone else in the room, with the sender's fields filled in.
    pub fn message_to(&self, kind: &str, to: &Person, mut fields: Value) -> Value {
        fields["type"] = kind.into();
        fields["sessionId"] = self.person.session.as_str().into();
        fields["fromUserId"] = self.person.user.as_str().into();
        fields["toUserId"] = to.user.as_str().into();
        fields
    }

    /// An offer whose SDP is so many bytes long, or as many as one has at least.
    pub fn offer_to(&self, to: &Person, sdp_bytes: usize) -> Value {
        let fingerprint = ["4A"; 32].join(":");
        let mut sdp = format!(
            "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 {fingerprint}\r\n\
             m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=setup:actpass\r\na=sendrecv\r\na=x-padding:"
        );
        let missing = sdp_bytes.saturating_sub(sdp.len() + 2);
        sdp.push_str(&"x".repeat(missing));
        sdp.push_str("\r\n");
        self.message_to("offer", to, json!({ "sdp": { "type": "offer", "sdp": sdp } }))
    }

    pub fn send(&mut self, message: &Value) {
        self.send_text(message.to_string());
    }

    pub fn send_text(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).expect("sent");
    }

    /// The next text.
    pub fn receive_text(&mut self) -> String {
        loop {
            match self.socket.read().expect("a message") {
                Message::Text(text) => return text.as_str().to_owned(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("not a text: {other:?}"),
            }
        }
    }

    /// The next message.
    pub fn receive(&mut self) -> Value {
        serde_json::from_str(&self.receive_text()).expect("JSON")
    }

    /// The next message, which is of this `type`.
    pub fn expect(&mut self, kind: &str) -> Value {
        let message = self.receive();
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    /// The next message, which is an `error` with this code.
    pub fn expect_error(&mut self, code: &str) -> Value {
        let message = self.expect("error");
        assert_eq!(message["code"], code, "{message}");
        message
    }

    /// The code of the close frame that comes next; the closing is completed.
    pub fn expect_close(&mut self) -> u16 {
        let code = loop {
            match self.socket.read().expect("a close frame") {
                Message::Close(frame) => break frame.map_or(1005, |frame| frame.code.into()),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("not a close frame: {other:?}"),
            }
        };
        let ended = self.socket.read();
        assert!(matches!(ended, Err(Error::ConnectionClosed)), "{ended:?}");
        code
    }

    /// Closes in good order.
    pub fn close(mut self) {
        self.socket.close(None).expect("a close frame is sent");
        while self.socket.read().is_ok() {}
    }
}

/// Opens a WebSocket with these further request fields, or tells with what status it was refused.
pub fn upgrade(
    address: SocketAddr,
    path: &str,
    fields: &[(&'static str, &str)],
) -> Result<(WebSocket<TcpStream>, Response), StatusCode> {
    upgrade_over(connect(address), &address.to_string(), path, fields)
}

/// A connection that waits as long as a test has patience.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    stream
}

/// The same as [`upgrade`] over any stream.
pub fn upgrade_over<S: Read + Write>(
    stream: S,
    host: &str,
    path: &str,
    fields: &[(&'static str, &str)],
) -> Result<(WebSocket<S>, Response), StatusCode> {
    try_upgrade_over(stream, host, path, fields).map_err(|error| match error {
        HandshakeError::Failure(Error::Http(response)) => response.status(),
        other => panic!("neither upgraded nor refused: {other}"),
    })
}

/// The same where it may also break.
#[allow(clippy::result_large_err, reason = "it is tungstenite's")]
pub fn try_upgrade_over<S: Read + Write>(
    stream: S,
    host: &str,
    path: &str,
    fields: &[(&'static str, &str)],
) -> Result<(WebSocket<S>, Response), HandshakeError<ClientHandshake<S>>> {
    let mut request = format!("ws://{host}{path}").into_client_request().expect("a request");
    for (name, value) in fields {
        request.headers_mut().insert(*name, HeaderValue::from_str(value).expect("a field value"));
    }
    tungstenite::client(request, stream)
}
