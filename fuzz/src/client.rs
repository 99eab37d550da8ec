//! Whoever sits at the other end: takes what the server sends to one connection and objects to what must not be there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, ErrorKind, Read, Write};

use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message};

use crate::json::{self, Json};
use crate::people::{self, MARKS, Person, SESSIONS};

/// The head of a response.
#[derive(Debug)]
pub struct Response<'a> {
    /// The status code.
    pub code: u16,
    fields: Vec<httparse::Header<'a>>,
}

impl Response<'_> {
    /// The value of a field that occurs once at most.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut named = self.fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        let field = named.next()?;
        assert!(named.next().is_none(), "{name} twice");
        Some(str::from_utf8(field.value).expect("ASCII"))
    }
}

/// Reads a response and what follows its head; `None` where the head is not whole.
pub fn read_response(bytes: &[u8]) -> Option<(Response<'_>, &[u8])> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut fields);
    match head.parse(bytes).expect("a response as in RFC 9112") {
        httparse::Status::Partial => None,
        httparse::Status::Complete(len) => {
            let code = head.code.expect("a status");
            Some((Response { code, fields: head.headers.to_vec() }, &bytes[len..]))
        }
    }
}

/// One end of a connection.
#[derive(Debug)]
pub struct Client {
    stage: Stage,
    /// The token that it showed last.
    pub shown: Option<Person>,
    /// The session that it is in, and who it knows to be there.
    pub inside: Option<Inside>,
    /// The user name that opens the TURN server, as it was told last.
    login: Option<String>,
    /// Acknowledged and refused messages.
    answered: BTreeSet<u64>,
    /// Whether it may have used a number twice, and is then answered twice.
    repeats: bool,
    /// What it answers of its own accord, not sent yet: frames, or packets of Socket.IO in a body.
    answers: Vec<u8>,
    /// It speaks Socket.IO.
    packets: Option<Packets>,
    /// The body of the answer to a request that was none for a WebSocket.
    pub body: Vec<u8>,
    /// A text has come.
    begun: bool,
}

/// What a participant knows.
#[derive(Debug, PartialEq, Eq)]
pub struct Inside {
    /// Which session.
    pub session: usize,
    /// The `userId` of everybody in the room, and whether they are away.
    pub users: BTreeMap<String, bool>,
}

/// What somebody who speaks Socket.IO knows.
#[derive(Debug, Default)]
pub struct Packets {
    /// The name of its session.
    pub sid: Option<String>,
    /// It was let into the namespace.
    pub is_connected: bool,
    /// It was told that it need not come again: nothing more is said.
    is_dismissed: bool,
    /// What it knows already of what comes next.
    known: VecDeque<Vec<u8>>,
}

#[derive(Debug)]
enum Stage {
    /// The answer to the request is awaited; what has come of it.
    Head(Vec<u8>),
    /// Frames.
    Open(Box<WebSocket<Pipe>>),
    /// Packets, which requests fetch.
    Polled,
    /// The server has said its last.
    Over,
}

/// Something that came, as far as others are concerned.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is in a room now, and has missed nothing or is to begin anew.
    Joined {
        /// `resumed`.
        resumed: bool,
    },
    /// A message was accepted.
    Ack(u64),
    /// A message that someone else sent.
    Relayed(String),
    /// The session is over.
    Ended,
    /// The server closes.
    Close(u16),
}

impl Client {
    /// A connection on which nothing was said yet.
    pub fn new() -> Self {
        Self {
            stage: Stage::Head(Vec::new()),
            shown: None,
            inside: None,
            login: None,
            answered: BTreeSet::new(),
            repeats: false,
            answers: Vec::new(),
            packets: None,
            body: Vec::new(),
            begun: false,
        }
    }

    /// A session of Socket.IO that requests carry.
    pub fn polled() -> Self {
        Self { stage: Stage::Polled, packets: Some(Packets::default()), ..Self::new() }
    }

    /// Whether it speaks Socket.IO, and has been let in there.
    pub fn packets(&self) -> Option<&Packets> {
        self.packets.as_ref()
    }

    /// A session that requests have carried is over.
    pub fn hang_up(&mut self) {
        self.inside = None;
        self.stage = Stage::Over;
    }

    /// A WebSocket carries it from now on. These packets were not fetched yet, and come again there.
    pub fn move_to(&mut self, other: &mut Self, unsent: &[u8]) {
        self.stage = std::mem::replace(&mut other.stage, Stage::Over);
        // What it has answered is lost with the requests that would have brought it.
        self.answers = std::mem::take(&mut other.answers);
        let packets = split(unsent).map(<[u8]>::to_vec).collect();
        self.packets.get_or_insert_default().known = packets;
    }

    /// Whether a WebSocket is open to both sides, as far as one can tell from here.
    pub const fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_) | Stage::Polled)
    }

    /// Takes what the server sent.
    pub fn receive(&mut self, bytes: &[u8]) -> Vec<Heard> {
        match &mut self.stage {
            Stage::Head(so_far) => {
                so_far.extend_from_slice(bytes);
                let so_far = std::mem::take(so_far);
                self.read_head(so_far)
            }
            Stage::Open(socket) => {
                socket.get_mut().incoming.extend_from_slice(bytes);
                self.read_frames()
            }
            Stage::Polled => {
                let texts = split(bytes).map(|text| str::from_utf8(text).expect("UTF-8"));
                texts.filter_map(|text| self.read_packet(text)).collect()
            }
            Stage::Over => panic!("{} bytes after the end", bytes.len()),
        }
    }

    /// From now on it says anything, with any number.
    pub fn repeat(&mut self) {
        self.repeats = true;
    }

    /// What it has answered of its own accord (pongs, the end of the closing), masked.
    pub fn answers(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.answers)
    }

    fn read_head(&mut self, bytes: Vec<u8>) -> Vec<Heard> {
        let (response, rest) = read_response(&bytes).expect("a head in one piece");
        if response.code == 101 {
            let pipe = Pipe { incoming: rest.to_vec(), outgoing: Vec::new() };
            let config = WebSocketConfig::default().read_buffer_size(512).write_buffer_size(0);
            let socket = WebSocket::from_raw_socket(pipe, Role::Client, Some(config));
            self.stage = Stage::Open(Box::new(socket));
            return self.read_frames();
        }
        let length = response.field("content-length").expect("a length");
        let length: usize = length.parse().expect("digits");
        assert!(rest.is_empty() || rest.len() == length, "the answer, and nothing but the answer");
        assert_eq!(response.field("connection"), Some("close"));
        self.body = rest.to_vec();
        self.stage = Stage::Over;
        Vec::new()
    }

    fn read_frames(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        while let Stage::Open(socket) = &mut self.stage {
            let read = socket.read();
            // A client has no reason to fail at that: its pipe takes everything.
            socket.flush().expect("a pipe that takes everything");
            self.answers.append(&mut socket.get_mut().outgoing);
            match read {
                Ok(Message::Text(text)) => heard.extend(self.hear(&text)),
                Ok(Message::Ping(_)) => {}
                Ok(Message::Pong(_)) => {}
                Ok(Message::Close(frame)) => {
                    assert!(socket.get_ref().incoming.is_empty(), "bytes behind the close frame");
                    let code = frame.map_or(1005, |frame| frame.code.into());
                    heard.push(Heard::Close(code));
                    self.inside = None;
                    self.stage = Stage::Over;
                }
                Ok(other) => panic!("the server never sends {other:?}"),
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("not what a server may send: {error}"),
            }
        }
        heard
    }

    fn hear(&mut self, text: &str) -> Option<Heard> {
        if !std::mem::replace(&mut self.begun, true) && self.packets.is_none() {
            if text == "3probe" {
                self.begun = false;
                return None;
            }
            self.packets = text.starts_with('0').then(Packets::default);
        }
        match &mut self.packets {
            Some(packets) if !packets.known.is_empty() => {
                assert_eq!(
                    packets.known.pop_front().as_deref(),
                    Some(text.as_bytes()),
                    "as it was"
                );
                None
            }
            Some(_) => self.read_packet(text),
            None => self.read_text(text),
        }
    }

    /// Answers a ping of Engine.IO, by whatever way there is.
    fn pong(&mut self) {
        match &mut self.stage {
            Stage::Open(socket) => {
                socket.send(Message::text("3")).expect("a pipe that takes everything");
                self.answers.append(&mut socket.get_mut().outgoing);
            }
            _ if self.answers.is_empty() => self.answers.push(b'3'),
            _ => self.answers.extend_from_slice(b"\x1e3"),
        }
    }

    /// A packet of Engine.IO, and within it one of Socket.IO.
    fn read_packet(&mut self, packet: &str) -> Option<Heard> {
        let packets = self.packets.as_mut().expect("packets are for who speaks Socket.IO");
        assert!(!packets.is_dismissed, "{packet} behind the last packet");
        let json = |text: &str| json::read(text).expect("the server writes JSON");
        match packet.as_bytes() {
            [b'0', ..] => {
                let opening = json(&packet[1..]);
                let sid = opening.member("sid").and_then(Json::text).expect("a sid");
                assert!(packets.sid.replace(sid).is_none(), "opened twice");
                None
            }
            b"2" => {
                self.pong();
                None
            }
            b"6" => None,
            [b'4', b'0', ..] => {
                assert!(!std::mem::replace(&mut packets.is_connected, true), "let in twice");
                assert!(json(&packet[2..]).member("sid").is_some());
                None
            }
            [b'4', b'4', ..] => {
                let refusal = packet.find('{').map(|at| json(&packet[at..])).expect("why");
                assert!(refusal.member("message").is_some(), "{packet}");
                None
            }
            b"41" => {
                packets.is_dismissed = true;
                None
            }
            [b'4', b'2', ..] => {
                assert!(packets.is_connected, "an event for who was not let in");
                let event = json(&packet[2..]);
                let [name, object] = event.elements() else { panic!("{packet}") };
                assert_eq!(name.text(), object.member("type").and_then(Json::text), "{packet}");
                let start = packet.find("\",{").expect("an object") + 2;
                self.read_text(&packet[start..packet.len() - 1])
            }
            [b'4', b'3', ..] => {
                let start = packet.find('[').expect("an answer");
                let id = packet[2..start].parse().expect("the number of a callback");
                assert!(self.answered.insert(id) || self.repeats, "answered twice");
                let answer = json(&packet[start..]);
                let [answer] = answer.elements() else { panic!("{packet}") };
                let ok = answer.member("ok") == Some(&Json::Boolean(true));
                assert_eq!(ok, answer.member("code").is_none(), "{packet}");
                ok.then_some(Heard::Ack(id))
            }
            _ => panic!("the server never sends {packet}"),
        }
    }

    fn read_text(&mut self, text: &str) -> Option<Heard> {
        let message = json::read(text).expect("the server writes JSON");
        let kind = message.member("type").and_then(Json::text).expect("a type");
        let id = message.member("id").and_then(Json::integer);
        let mut heard = None;
        match kind.as_str() {
            "ack" | "error" => {
                let is_new = id.is_none_or(|id| self.answered.insert(id));
                assert!(is_new || self.repeats, "answered twice");
                heard = id.filter(|_| kind == "ack").map(Heard::Ack);
            }
            "pong" => {}
            "token-expiring" => assert!(self.shown.is_some(), "whose token?"),
            "room-joined" => {
                self.learn_login(&message);
                heard = Some(self.joined(&message));
            }
            "ice-servers" => {
                assert!(self.inside.is_some(), "servers are told to those inside");
                self.learn_login(&message);
            }
            "offer" | "answer" | "ice-candidate" | "media-control" => {
                let inside = self.inside.as_ref().expect("nothing is relayed to outsiders");
                let session = message.member("sessionId").and_then(Json::text);
                let session = session.and_then(|id| session_of(&id.to_lowercase()));
                assert_eq!(session, Some(inside.session), "{kind} of another session");
                heard = Some(Heard::Relayed(text.to_owned()));
            }
            _ => heard = self.noticed(&kind, &message),
        }
        self.check_marks(text);
        heard
    }

    /// Each time it is another one.
    fn learn_login(&mut self, message: &Json) {
        let servers = message.member("iceServers").expect("servers").elements();
        let [server] = servers else { panic!("one server was set up") };
        let username = server.member("username").and_then(Json::text).expect("a user name");
        assert_ne!(self.login.as_ref(), Some(&username), "told twice");
        self.login = Some(username);
    }

    fn joined(&mut self, message: &Json) -> Heard {
        let person = self.shown.expect("whoever is in a room has shown a token");
        assert!(self.inside.is_none(), "already inside");
        let session = message.member("sessionId").and_then(Json::text);
        let session = session.and_then(|id| session_of(&id)).expect("a session");
        check_ids(message, session);
        let participants = message.member("participants").expect("participants").elements();
        let users: BTreeMap<_, _> =
            participants.iter().map(|one| (user_of(one), is_away(one))).collect();
        assert_eq!(users.len(), participants.len(), "someone is there twice");
        assert_eq!(users.get(&person.user()), Some(&false), "oneself is there too");
        self.inside = Some(Inside { session, users });
        Heard::Joined { resumed: message.member("resumed") == Some(&Json::Boolean(true)) }
    }

    fn noticed(&mut self, kind: &str, message: &Json) -> Option<Heard> {
        let inside = self.inside.as_mut().expect("notices are for those inside");
        check_ids(message, inside.session);
        match kind {
            "peer-joined" => {
                assert_eq!(inside.users.insert(user_of(message), false), None, "came twice");
            }
            "peer-left" => {
                assert!(inside.users.remove(&user_of(message)).is_some(), "left before it came");
            }
            "peer-state" => {
                let away = inside.users.get_mut(&user_of(message)).expect("no stranger");
                *away = is_away(message);
            }
            "peer-stats" => assert!(inside.users.contains_key(&user_of(message)), "of a stranger"),
            "room-status" => {
                let status = message.member("status").and_then(Json::text);
                return (status.as_deref() == Some("ended")).then_some(Heard::Ended);
            }
            _ => panic!("what is {kind}?"),
        }
        None
    }

    /// What was sent in the other session is not here.
    fn check_marks(&self, text: &str) {
        for (session, mark) in MARKS.iter().enumerate() {
            let own = self.inside.as_ref().is_some_and(|inside| inside.session == session);
            assert!(own || !text.contains(mark), "{mark}, which is not for here");
        }
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

/// The packets of a body, each with its separator behind it or none behind the last.
fn split(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split(|byte| *byte == 0x1e).filter(|packet| !packet.is_empty())
}

fn user_of(json: &Json) -> String {
    json.member("userId").and_then(Json::text).expect("a userId")
}

fn is_away(json: &Json) -> bool {
    json.member("connectionState").and_then(Json::text).expect("a state") == "reconnecting"
}

fn session_of(id: &str) -> Option<usize> {
    SESSIONS.iter().position(|session| *session == id)
}

/// Every id in what the server writes is of this session.
fn check_ids(json: &Json, session: usize) {
    for (name, value) in json.members() {
        match (name.to_text().expect("no surrogates").as_str(), value.text()) {
            ("sessionId", Some(id)) => assert_eq!(session_of(&id), Some(session)),
            ("userId" | "doctorId" | "patientId", Some(id)) => {
                assert!(people::may_be_in(&id, session), "a user of another session");
            }
            _ => check_ids(value, session),
        }
    }
    json.elements().iter().for_each(|element| check_ids(element, session));
}

/// Both directions of a socket, in memory.
#[derive(Debug, Default)]
struct Pipe {
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.incoming.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let len = buffer.len().min(self.incoming.len());
        buffer[..len].copy_from_slice(&self.incoming[..len]);
        self.incoming.drain(..len);
        Ok(len)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
