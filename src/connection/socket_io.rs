//! A peer that speaks Socket.IO. Its events become messages as plain clients send them, and
//! messages to it become events. The code that reads and writes messages knows nothing of
//! Socket.IO.

use super::{Application, Connection, Message, Output, Progress, Stage};
use crate::base::time::Now;
use crate::engine::{Effects, PeerId};
use crate::message::problem::{Flaw, Problem, close};
use crate::message::request::{CallbackBuffer, MessageId};
use crate::message::{credentials::Credentials, notice};
use crate::wire::engine_io::{self, Carrier};
use crate::wire::frame::{self, CloseCode, Data, Header, OpCode};
use crate::wire::socket_io::{self, Packet, Plain};

/// The only namespace.
const NAMESPACE: &str = "/";

/// The longest name of another namespace that is answered.
const NAMESPACE_BYTES_MAX: usize = 64;

/// The additional state of a connection that speaks Socket.IO.
#[derive(Debug)]
pub(super) struct SocketIo {
    carrier: Carrier,
    /// It has presented its credentials and was admitted to the namespace.
    connected: bool,
    /// The mark of the ping that is still unanswered. There is at most one, because an answer does
    /// not say which ping it belongs to.
    asked: Option<u32>,
}

/// An outgoing message: a header, and the text in parts.
#[derive(Debug)]
pub struct Framed<'a> {
    header: Header,
    parts: [&'a [u8]; 6],
}

/// An outgoing ping.
#[derive(Clone, Copy, Debug)]
pub struct Ping {
    bytes: [u8; 10],
    len: u8,
}

impl<'a> Framed<'a> {
    /// All parts, in order.
    pub fn parts(&self) -> [&[u8]; 7] {
        let [a, b, c, d, e, f] = self.parts;
        [self.header.as_bytes(), a, b, c, d, e, f]
    }

    pub(super) const fn plain(header: Header, payload: &'a [u8]) -> Self {
        Self { header, parts: [payload, b"", b"", b"", b"", b""] }
    }
}

impl Ping {
    pub(super) fn new(frame: &[u8]) -> Self {
        let mut bytes = [0; 10];
        let len = frame.len().min(bytes.len());
        bytes[..len].copy_from_slice(&frame[..len]);
        Self { bytes, len: len as u8 }
    }
}

impl std::ops::Deref for Ping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl SocketIo {
    pub(super) const fn new(carrier: Carrier) -> Self {
        Self { carrier, connected: false, asked: None }
    }

    /// Uses this transport for everything from now on.
    pub(super) const fn travel_by(&mut self, carrier: Carrier) {
        self.carrier = carrier;
    }

    /// Whether a ping is unanswered.
    pub(super) const fn awaits_pong(&self) -> bool {
        self.asked.is_some()
    }

    /// A ping with this mark, unless one is already in flight: the answer to that one is enough.
    pub(super) fn ping(&mut self, mark: u32) -> Option<Ping> {
        if self.asked.is_some() {
            return None;
        }
        self.asked = Some(mark);
        Some(match self.carrier {
            // The header of a text frame with one byte.
            Carrier::WebSocket => Ping::new(b"\x81\x012"),
            Carrier::Polling => Ping::new(b"2\x1e"),
        })
    }

    /// A protocol message as an event, or as the answer that a callback waits for. `None` if the
    /// client has not been admitted to the namespace yet.
    pub(super) fn frame<'a>(&self, message: &'a str) -> Option<Framed<'a>> {
        let parts = self.connected.then(|| packet_of(message)).flatten()?;
        Some(self.carry(parts))
    }

    /// The packet made of `parts`, framed for the transport.
    fn carry<'a>(&self, parts: [&'a str; 5]) -> Framed<'a> {
        let [a, b, c, d, e] = parts.map(str::as_bytes);
        let len = parts.iter().map(|part| part.len()).sum();
        match self.carrier {
            Carrier::WebSocket => Framed {
                header: Header::new(OpCode::Data(Data::Text), len),
                parts: [a, b, c, d, e, b""],
            },
            // The separator after the last packet is left out when the body is sent.
            Carrier::Polling => Framed { header: Header::none(), parts: [a, b, c, d, e, b"\x1e"] },
        }
    }

    pub(super) fn say(&self, reply: &mut Vec<u8>, parts: [&str; 5]) {
        self.carry(parts).parts().iter().for_each(|part| reply.extend_from_slice(part));
    }

    /// Appends the final packets before a close with this code, in addition to what the application
    /// sends itself.
    pub(super) fn part(&self, code: CloseCode, reply: &mut Vec<u8>) {
        if let Some(problem) = unsaid(code) {
            let mut error = Vec::new();
            notice::error(&mut error, problem, None, None);
            self.tell(&error, reply);
        }
        // A client that is told to disconnect does not reconnect by itself; one whose connection
        // just ends does.
        if self.connected && !is_worth_another_try(code) {
            self.say(reply, ["41", "", "", "", ""]);
        }
        match self.carrier {
            Carrier::WebSocket => frame::write_close(reply, code),
            // The closing packet would overtake the packets that come before it in the same body:
            // see `Connection::last_words`.
            Carrier::Polling => {}
        }
    }

    /// Appends a message, if the client may receive one yet.
    pub(super) fn tell(&self, message: &[u8], reply: &mut Vec<u8>) {
        let framed = str::from_utf8(message).ok().and_then(|text| self.frame(text));
        if let Some(framed) = framed {
            framed.parts().iter().for_each(|part| reply.extend_from_slice(part));
        }
    }
}

/// The packet for a message: an event that is named by the message's `type` and has the whole
/// message as its argument, or the answer to a callback.
fn packet_of(message: &str) -> Option<[&str; 5]> {
    let kind = socket_io::kind_of(message)?;
    let answer = match kind {
        "\"ack\"" => message
            .strip_prefix("{\"type\":\"ack\",\"id\":[")
            .and_then(|rest| rest.strip_suffix("]}"))
            .map(|callback| ["43", callback, "[{\"ok\":true}]", "", ""]),
        "\"error\"" => message
            .strip_prefix("{\"type\":\"error\",")
            .and_then(|rest| rest.strip_suffix("]}")?.rsplit_once(",\"id\":["))
            .map(|(error, callback)| ["43", callback, "[{\"ok\":false,", error, "}]"]),
        _ => None,
    };
    answer.or(Some(["42[", kind, ",", message, "]"]))
}

/// The problem to report before a close with this code, if nothing was sent about it yet.
const fn unsaid(code: CloseCode) -> Option<Problem> {
    match code {
        CloseCode::Unsupported => Some(Problem::BadMessage(Flaw::Binary)),
        CloseCode::Protocol | CloseCode::Invalid => Some(Problem::BadMessage(Flaw::Protocol)),
        _ => None,
    }
}

/// Whether a client should reconnect by itself.
fn is_worth_another_try(code: CloseCode) -> bool {
    matches!(code, CloseCode::Restart | CloseCode::Error)
        || code == close::CANNOT_KEEP_UP
        || code == close::HEARTBEAT_TIMEOUT
}

impl Connection {
    /// Whether the peer's messages are Socket.IO packets.
    pub fn speaks_socket_io(&self) -> bool {
        self.socket_io().is_some()
    }

    /// Handles one packet of a peer that speaks Socket.IO.
    pub fn receive_packet<'a, A: Application>(
        &mut self,
        me: PeerId,
        packet: &'a str,
        now: Now,
        app: &mut A,
        out: &mut Output,
    ) -> Progress<'a> {
        let is_open = self.stage == Stage::Open;
        let Some(session) = self.socket_io_mut().filter(|_| is_open) else {
            return Progress::Handled(None);
        };
        match engine_io::parse(packet) {
            Ok(engine_io::Packet::Message(text)) => {
                return self.receive_socket_io(me, packet, text, now, app, out);
            }
            Ok(engine_io::Packet::Pong) => match session.asked.take() {
                Some(mark) => app.ponged(me, mark, now),
                None => drop(app.pinged(me, now, &mut out.effects)),
            },
            Ok(engine_io::Packet::Noop) => drop(app.pinged(me, now, &mut out.effects)),
            Ok(engine_io::Packet::Close) => self.hang_up(me, now, app, out),
            Ok(engine_io::Packet::Probe | engine_io::Packet::Upgrade)
            | Err(engine_io::Fault::Unknown) => {
                self.give_up(me, CloseCode::Protocol, now, app, out);
            }
            Err(engine_io::Fault::Binary) => {
                self.give_up(me, CloseCode::Unsupported, now, app, out);
            }
        }
        Progress::Handled(None)
    }

    /// Handles the text of a packet.
    fn receive_socket_io<'a, A: Application>(
        &mut self,
        me: PeerId,
        packet: &'a str,
        text: &'a str,
        now: Now,
        app: &mut A,
        out: &mut Output,
    ) -> Progress<'a> {
        let connected = self.socket_io().is_some_and(|session| session.connected);
        match socket_io::parse(text) {
            Ok(Packet::Event { namespace: NAMESPACE, callback, arguments }) if connected => {
                return receive_event(me, packet, (callback, arguments), now, app, out);
            }
            Ok(Packet::Connect { namespace: NAMESPACE, auth }) if !connected => {
                self.let_in(me, auth, now, app, out);
            }
            Ok(Packet::Disconnect { namespace: NAMESPACE }) => self.hang_up(me, now, app, out),
            Ok(Packet::Connect { namespace, .. })
                if namespace != NAMESPACE && namespace.len() <= NAMESPACE_BYTES_MAX =>
            {
                if let Some(session) = self.socket_io()
                    && app.pinged(me, now, &mut out.effects)
                {
                    let refusal = ",{\"message\":\"Invalid namespace\"}";
                    session.say(&mut out.reply, ["44", namespace, refusal, "", ""]);
                }
            }
            // An unsolicited answer, or a disconnect from a client that has not been admitted.
            Ok(Packet::Answer | Packet::Disconnect { .. }) => {
                app.pinged(me, now, &mut out.effects);
            }
            Ok(Packet::Event { .. } | Packet::Connect { .. }) | Err(socket_io::Fault::Unknown) => {
                self.give_up(me, CloseCode::Protocol, now, app, out);
            }
            Err(socket_io::Fault::Binary) => {
                self.give_up(me, CloseCode::Unsupported, now, app, out);
            }
        }
        Progress::Handled(None)
    }

    /// Handles a request to be admitted to the namespace, with credentials.
    fn let_in<A: Application>(
        &mut self,
        me: PeerId,
        auth: &str,
        now: Now,
        app: &mut A,
        out: &mut Output,
    ) {
        let shown = app.show_token(me, &Credentials::read(auth), now, &mut out.effects);
        let Some(session) = self.socket_io_mut() else { return };
        match shown {
            Ok(sid) => {
                session.connected = true;
                session.say(&mut out.reply, ["40{\"sid\":\"", sid.as_str(), "\"}", "", ""]);
            }
            Err(problem) => {
                let mut data = Vec::new();
                notice::connect_error(&mut data, problem);
                let data = str::from_utf8(&data).unwrap_or_default();
                session.say(&mut out.reply, ["44", data, "", "", ""]);
                if let Some(code) = problem.close_code() {
                    self.close(code, &mut out.reply);
                }
            }
        }
    }

    /// The client disconnects properly. Its place is kept as if the connection had dropped.
    fn hang_up<A: Application>(&mut self, me: PeerId, now: Now, app: &mut A, out: &mut Output) {
        if self.stage == Stage::Open {
            app.left(me, now, &mut out.effects);
            if let Some(session) = self.socket_io() {
                match session.carrier {
                    Carrier::WebSocket => frame::write_close(&mut out.reply, CloseCode::Normal),
                    // Answers the waiting request, if there is one.
                    Carrier::Polling => session.say(&mut out.reply, ["6", "", "", "", ""]),
                }
            }
            self.stage = Stage::Closing { passed: 0 };
        }
    }
}

/// Handles an event, or passes the whole packet to the reactor that has the room the client wants
/// to enter.
fn receive_event<'a, A: Application>(
    me: PeerId,
    packet: &'a str,
    (callback, arguments): (&str, &'a str),
    now: Now,
    app: &mut A,
    out: &mut Output,
) -> Progress<'a> {
    let mut buffer = CallbackBuffer::default();
    let id = MessageId::of_callback(callback, &mut buffer);
    let effects: &mut Effects = &mut out.effects;
    let plain = socket_io::to_plain(arguments, &mut out.rewritten);
    let text = match plain {
        Plain::Given(text) => text,
        Plain::Written => &out.rewritten,
    };
    if let Some(home) = app.home_of_message(me, Message::Text(text), now) {
        return Progress::Elsewhere(home, Some(Message::Text(packet)));
    }
    match plain {
        Plain::Given(text) => {
            app.receive_event(me, text, id, now, effects);
            Progress::Handled(Some(Message::Text(text)))
        }
        Plain::Written => {
            app.receive_event(me, &out.rewritten, id, now, effects);
            Progress::Rewritten
        }
    }
}
