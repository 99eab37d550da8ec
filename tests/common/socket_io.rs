//! A Socket.IO client over any stream: first polling, then a WebSocket that takes over.

use std::io::{Read, Write};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use super::client::upgrade_over;
use super::raw::Response;
use super::{Client, Person, people};

/// Where the requests go, whatever is in between.
pub const HOST: &str = "localhost";

/// A session that is carried by requests, each on a stream of its own.
pub struct App<C> {
    connect: C,
    query: String,
}

impl<S: Read + Write, C: Fn() -> S> App<C> {
    /// Begins a session.
    pub fn open(connect: C) -> Self {
        let mut app = Self { connect, query: "EIO=4&transport=polling".to_owned() };
        let opening = app.poll();
        let opening: Value = serde_json::from_str(&opening[1..]).expect("JSON");
        app.query += &format!("&sid={}", opening["sid"].as_str().expect("a name"));
        app
    }

    /// The same, and enters the namespace as somebody.
    pub fn connect(connect: C, person: &Person) -> Self {
        let app = Self::open(connect);
        app.post(&token_of(person));
        assert!(app.poll().starts_with("40{\"sid\":"));
        app
    }

    /// The same, and enters the room.
    pub fn join(connect: C, person: &Person) -> Self {
        let app = Self::connect(connect, person);
        app.post(&event("", &person.join_request()));
        let welcome = app.poll();
        assert!(welcome.starts_with("42[\"room-joined\","), "{welcome}");
        app
    }

    /// Sends a request; its answer can be waited for.
    pub fn begin(&self, method: &str, body: &str) -> S {
        let mut stream = (self.connect)();
        let (query, len) = (&self.query, body.len());
        let head = format!(
            "{method} /socket.io/?{query} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n"
        );
        let fields =
            if method == "POST" { format!("Content-Length: {len}\r\n") } else { String::new() };
        stream.write_all(format!("{head}{fields}\r\n{body}").as_bytes()).expect("sent");
        stream.flush().expect("sent");
        stream
    }

    /// Brings packets.
    pub fn post(&self, body: &str) {
        assert_eq!(answer(self.begin("POST", body)), "ok");
    }

    /// Waits for packets.
    pub fn poll(&self) -> String {
        answer(self.begin("GET", ""))
    }

    /// Polls until an event of this name has come, which is the last one.
    pub fn poll_for(&self, name: &str) -> Value {
        loop {
            let packets = self.poll();
            let (last, message) = event_of(packets.rsplit('\x1e').next().unwrap_or_default());
            if last == name {
                return message;
            }
        }
    }

    /// A WebSocket that the server knows, and that has not taken over yet.
    pub fn probe(&self) -> WebSocket<S> {
        let path = format!("/socket.io/?{}", self.query.replace("polling", "websocket"));
        let (mut socket, _) = upgrade_over((self.connect)(), HOST, &path, &[]).expect("an upgrade");
        socket.send(Message::text("2probe")).expect("sent");
        assert_eq!(text(&mut socket), "3probe");
        socket
    }
}

/// The packets of an answer.
pub fn answer(mut stream: impl Read) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an answer and a proper end");
    let response = Response::parse(&bytes);
    assert_eq!(response.status, 200, "{response:?}");
    String::from_utf8(response.body).expect("UTF-8")
}

/// The packet that shows who somebody is.
pub fn token_of(person: &Person) -> String {
    format!("40{}", json!({ "token": person.token, "sessionId": person.session }))
}

/// A message as an event, with the number of a callback or none.
pub fn event(callback: &str, message: &Value) -> String {
    let mut message = message.clone();
    let kind = message.as_object_mut().expect("an object").remove("type");
    format!("42{callback}{}", json!([kind, message]))
}

/// The name of an event and what it says.
pub fn event_of(packet: &str) -> (String, Value) {
    let event = packet.strip_prefix("42").unwrap_or_else(|| panic!("no event: {packet}"));
    let event: Value = serde_json::from_str(event).expect("JSON");
    (event[0].as_str().expect("a name").to_owned(), event[1].clone())
}

/// The next packet on a WebSocket.
pub fn text(socket: &mut WebSocket<impl Read + Write>) -> String {
    match socket.read().expect("a packet") {
        Message::Text(text) => text.as_str().to_owned(),
        other => panic!("not a text: {other:?}"),
    }
}

/// A call between a doctor whose app speaks Socket.IO and a patient who speaks the plain protocol.
pub fn call<S: Read + Write>(connect: impl Fn() -> S) {
    let (doctor, patient) = people();
    let app = App::join(&connect, &doctor);
    let waiting = app.begin("GET", "");
    let mut plain = Client::join_over(connect(), HOST, &patient);
    plain.expect("room-status");
    let heard = answer(waiting);
    if !heard.contains("room-status") {
        app.poll_for("room-status");
    }
    for size in [100, 5_700, 30_000] {
        let offer = plain.offer_to(&doctor, size);
        let waiting = app.begin("GET", "");
        plain.send(&offer);
        assert_eq!(event_of(&answer(waiting)), ("offer".to_owned(), offer), "{size} bytes");
    }
    let candidate = |number: usize| {
        let candidate =
            json!({ "candidate": format!("candidate:{number} 1 udp 1 192.0.2.1 9 typ host") });
        plain.message_to("ice-candidate", &doctor, json!({ "candidate": candidate }))
    };
    let (before, after) = (candidate(1), candidate(2));
    let mut socket = app.probe();
    plain.send(&before);
    socket.send(Message::text("5")).expect("sent");
    plain.send(&after);
    for expected in [before, after] {
        assert_eq!(event_of(&text(&mut socket)), ("ice-candidate".to_owned(), expected));
    }
    let state = json!({
        "type": "media-state", "sessionId": doctor.session, "userId": doctor.user, "audio": true, "video": false,
    });
    socket.send(Message::text(event("7", &state))).expect("sent");
    assert_eq!(plain.expect("peer-state")["video"], false);
    assert_eq!(text(&mut socket), "437[{\"ok\":true}]");
    socket.send(Message::text("41")).expect("sent");
    assert_eq!(plain.expect("peer-state")["connectionState"], "reconnecting");
    assert!(matches!(socket.read(), Ok(Message::Close(_))));
}
