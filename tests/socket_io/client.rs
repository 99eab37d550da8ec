//! A Socket.IO client that does what a test says.

use autamedica_signaling::base::time::Duration;
use autamedica_signaling::engine::Command;
use serde_json::{Value, json};

use crate::common::raw::{NONCE, Response, TEXT, frame};
use crate::common::{Person, Raw, TestServer};

/// A session that is carried by requests.
pub struct Poller<'a> {
    server: &'a TestServer,
    pub sid: String,
    /// Further fields of every request, each with its line end.
    pub fields: String,
}

impl<'a> Poller<'a> {
    pub fn open(server: &'a TestServer) -> Self {
        Self::open_with(server, "")
    }

    pub fn open_with(server: &'a TestServer, fields: &str) -> Self {
        let mut poller = Self { server, sid: String::new(), fields: fields.to_owned() };
        let opening = poller.poll();
        let opening: Value = serde_json::from_str(&opening[1..]).expect("JSON");
        assert_eq!(opening["upgrades"], json!(["websocket"]));
        poller.sid = format!("&sid={}", opening["sid"].as_str().expect("a name"));
        poller
    }

    /// In the namespace, as somebody.
    pub fn connect(server: &'a TestServer, person: &Person) -> Self {
        let poller = Self::open(server);
        poller.post_ok(&connect(person));
        assert!(poller.poll().starts_with("40{\"sid\":"));
        poller
    }

    /// In the room.
    pub fn join(server: &'a TestServer, person: &Person) -> Self {
        let poller = Self::connect(server, person);
        poller.post_ok(&event(&person.join_request()));
        let welcome = poller.poll();
        assert!(welcome.starts_with("42[\"room-joined\",{\"type\":\"room-joined\""), "{welcome}");
        poller
    }

    /// The head of a request for this session.
    pub fn head(&self, method: &str, fields: &str) -> String {
        let Self { sid, fields: own, .. } = self;
        format!(
            "{method} /socket.io/?EIO=4&transport=polling{sid} HTTP/1.1\r\nHost: localhost\r\n{own}{fields}\r\n"
        )
    }

    /// Sends a request, and does not wait for its answer.
    pub fn begin(&self, bytes: &[u8]) -> Raw {
        let mut raw = Raw::connect(self.server.address());
        raw.send(bytes);
        raw
    }

    /// A request that waits, and has been seen.
    pub fn begin_to_wait(&self) -> Raw {
        let raw = self.begin(self.head("GET", "").as_bytes());
        settle(self.server);
        raw
    }

    /// The answer to a request.
    pub fn ask(&self, method: &str, fields: &str, body: &[u8]) -> Response {
        self.begin(&[self.head(method, fields).as_bytes(), body].concat()).read_response()
    }

    /// Waits for what there is to be said.
    pub fn poll(&self) -> String {
        let response = self.ask("GET", "", b"");
        assert_eq!(response.status, 200, "{response:?}");
        String::from_utf8(response.body).expect("UTF-8")
    }

    /// Brings something.
    pub fn post(&self, body: &[u8]) -> Response {
        self.ask("POST", &format!("Content-Length: {}\r\n", body.len()), body)
    }

    pub fn post_ok(&self, body: &str) {
        let response = self.post(body.as_bytes());
        assert_eq!((response.status, &response.body[..]), (200, &b"ok"[..]), "{response:?}");
    }

    /// The request with which a WebSocket comes for this session.
    pub fn upgrade(&self) -> Raw {
        let head = self.head("GET", &upgrade_fields()).replace("polling", "websocket");
        self.begin(head.as_bytes())
    }

    /// Whether the server knows the session.
    pub fn is_known(&self) -> bool {
        // Another method is refused for another reason, and disturbs nobody.
        let response = self.ask("PUT", "", b"");
        assert_eq!(response.status, 400);
        response.json()["code"] != 1
    }
}

/// The answer to a request; the connection is closed then.
pub fn answer_to(mut request: Raw) -> Response {
    request.read_response()
}

/// What was sent before has been read: so has a request behind it.
pub fn settle(server: &TestServer) {
    let head = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(crate::common::http::ask(server, head).status, 200);
}

/// Each event loop has had several turns since: what was sent before is where it belongs.
pub fn turns(server: &TestServer) {
    for _ in 0..10 {
        for asked in server.handle().ask(|_| Command::Look) {
            assert!(asked.answer(Duration::from_secs(20)).is_some(), "a loop that turns");
        }
    }
}

pub fn upgrade_fields() -> String {
    format!(
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {NONCE}\r\n"
    )
}

/// A WebSocket from the start, whose first packet was read.
pub fn open_web_socket(server: &TestServer) -> Raw {
    let mut raw = Raw::connect(server.address());
    let request = format!(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
        upgrade_fields()
    );
    raw.send(request.as_bytes());
    raw.expect_upgrade();
    assert!(text(&mut raw).starts_with("0{\"sid\":"));
    raw
}

/// The same in the namespace.
pub fn connect_web_socket(server: &TestServer, person: &Person) -> Raw {
    let mut raw = open_web_socket(server);
    raw.send(&frame(TEXT, connect(person).as_bytes()));
    assert!(text(&mut raw).starts_with("40{\"sid\":"));
    raw
}

/// The next packet on a WebSocket.
pub fn text(raw: &mut Raw) -> String {
    let frame = raw.frame();
    assert_eq!(frame.opcode, TEXT, "{frame:?}");
    String::from_utf8(frame.payload).expect("UTF-8")
}

/// The next event on a WebSocket: its name and what it says.
pub fn heard(raw: &mut Raw) -> (String, Value) {
    event_of(&text(raw))
}

pub fn event_of(packet: &str) -> (String, Value) {
    let event = packet.strip_prefix("42").unwrap_or_else(|| panic!("no event: {packet}"));
    let event: Value = serde_json::from_str(event).expect("JSON");
    (event[0].as_str().expect("a name").to_owned(), event[1].clone())
}

/// The packet that shows who somebody is.
pub fn connect(person: &Person) -> String {
    format!("40{}", json!({ "token": person.token, "sessionId": person.session }))
}

/// A message as an event.
pub fn event(message: &Value) -> String {
    let mut message = message.clone();
    let kind = message.as_object_mut().expect("an object").remove("type");
    format!("42{}", json!([kind, message]))
}
