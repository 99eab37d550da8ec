//! Requests that carry a Socket.IO session, and the WebSocket that takes it over.

use super::Extra;
use super::socket_io::SocketIo;
use super::{Application, Connection, Order, Output, Progress, Stage, Verdict, ask_for_tls};
use crate::admission::door::Refusal;
use crate::base::limits::Limit;
use crate::base::time::Now;
use crate::engine::PeerId;
use crate::wire::engine_io::{Carrier, SEPARATOR};
use crate::wire::frame::{
    self, CloseCode, Control, Cursor, Data, Decoded, Decoder, Header, Limits, OpCode,
};
use crate::wire::http;

/// The only message on a WebSocket before it takes over.
const PROBE: &str = "2probe";
const PROBE_ANSWER: &str = "3probe";
const TAKE_OVER: &str = "5";

/// Nothing else is read from it.
const PROBE_LIMITS: Limits = Limits { message_bytes_max: 16, fragments_max: 4, binary: false };

/// What a connection does for a session that requests carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Waits for something to be sent.
    Wait,
    /// Brings something.
    Bring,
    /// May take it over.
    Probe,
}

/// The stage of a request that was not answered at once.
pub(super) fn stage_of(verdict: Verdict, encrypted: bool) -> Stage {
    match verdict {
        Verdict::Poll { session } => Stage::Polling { session, encrypted },
        Verdict::Body { session, len } => {
            Stage::Body { session, left: len as u32, begun: false, encrypted }
        }
        Verdict::Probe { session } => Stage::Probing { session, known: false },
        Verdict::Upgraded | Verdict::SocketIo => Stage::Open,
        Verdict::Answered => Stage::Draining,
    }
}

impl Connection {
    /// A session that is carried by requests: it has no socket.
    pub fn polled() -> Self {
        Self {
            stage: Stage::Open,
            extra: Some(Box::new(Extra::SocketIo(SocketIo::new(Carrier::Polling)))),
            decoder: Decoder::default(),
            heartbeat: Default::default(),
        }
    }

    /// The final packet of a session that closes, sent after everything else and only to the next
    /// request. Clients read a body to its end before they turn it into events, and a packet that
    /// closes the connection would undo the others in the same body.
    pub fn last_words(&self) -> Option<&'static [u8]> {
        (matches!(self.stage, Stage::Closing { .. })).then_some(b"1\x1e")
    }

    /// This body of the session was fetched.
    pub fn delivered(&mut self, body: &[u8]) {
        if matches!(self.stage, Stage::Closing { .. }) && matches!(body, b"1" | b"6") {
            self.stage = Stage::Ended;
        }
    }

    /// This waiting request has its answer in `reply`.
    pub fn answered(&mut self, reply: &mut Vec<u8>) {
        if let Stage::Polling { encrypted, .. } | Stage::Body { encrypted, .. } = self.stage {
            ask_for_tls(reply, 0, encrypted);
            self.stage = Stage::Draining;
        }
    }

    /// Whether this is a request that waits for this session.
    pub fn waits_for_session(&self, wanted: PeerId) -> bool {
        matches!(self.stage, Stage::Polling { session, .. } if session == wanted)
    }

    /// What this connection does for a session that requests carry.
    pub const fn errand(&self) -> Option<Errand> {
        match self.stage {
            Stage::Polling { .. } => Some(Errand::Wait),
            Stage::Body { .. } => Some(Errand::Bring),
            Stage::Probing { .. } => Some(Errand::Probe),
            _ => None,
        }
    }

    /// The session that this connection does something for.
    pub const fn session(&self) -> Option<PeerId> {
        match self.stage {
            Stage::Polling { session, .. }
            | Stage::Body { session, .. }
            | Stage::Probing { session, .. } => Some(session),
            _ => None,
        }
    }

    /// The session has moved to another place.
    pub const fn rebind(&mut self, place: PeerId) {
        if let Stage::Polling { session, .. }
        | Stage::Body { session, .. }
        | Stage::Probing { session, .. } = &mut self.stage
        {
            *session = place;
        }
    }

    /// The session that this request brings something for ends: the rest of the body is ignored.
    pub fn bring_no_more(&mut self) {
        if let Stage::Body { left, begun: true, .. } = &mut self.stage {
            *left = 0;
        }
    }

    /// From now on a WebSocket carries this session. Appends, in frames, everything that requests
    /// have not fetched.
    pub fn move_to_web_socket(&mut self, unsent: &[u8], out: &mut Vec<u8>) {
        let Some(session) = self.socket_io_mut() else { return };
        session.travel_by(Carrier::WebSocket);
        let unsent = str::from_utf8(unsent).unwrap_or_default();
        for packet in unsent.split_terminator(SEPARATOR) {
            session.say(out, [packet, "", "", "", ""]);
        }
        if matches!(self.stage, Stage::Closing { .. }) {
            frame::write_close(out, CloseCode::Normal);
        }
    }

    /// An empty packet, with which a waiting request is answered.
    pub fn nudge(&self) -> &'static [u8] {
        b"6\x1e"
    }

    /// Handles one packet after the other, once the whole body has arrived.
    pub(super) fn receive_body<'a, A: Application>(
        &mut self,
        bytes: &'a mut [u8],
        at: &mut Cursor,
        now: Now,
        app: &mut A,
        out: &mut Output,
    ) -> Progress<'a> {
        let Stage::Body { session, left, begun, encrypted } = self.stage else {
            return Progress::More;
        };
        let (unread, left) = (at.unread(), left as usize);
        if !begun && unread.len() < left {
            return Progress::More;
        }
        if left == 0 {
            let start = out.reply.len();
            app.answer_post(session, now, &mut out.reply);
            ask_for_tls(&mut out.reply, start, encrypted);
            self.stage = Stage::Draining;
            return Progress::Handled(None);
        }
        let body = &bytes[unread.start..unread.start + left];
        let end = body.iter().position(|&byte| byte == SEPARATOR as u8);
        let packet = &body[..end.unwrap_or(left)];
        let taken = end.map_or(left, |end| end + 1);
        at.skip(taken);
        let left = (left - taken) as u32;
        self.stage = Stage::Body { session, left, begun: true, encrypted };
        // Invalid UTF-8 is no packet; neither is the empty text.
        let packet = str::from_utf8(packet).unwrap_or_default();
        Progress::Packet { session, packet }
    }

    /// Handles the first message on a WebSocket that may take over.
    pub(super) fn receive_probe<'a>(
        &mut self,
        session: PeerId,
        known: bool,
        bytes: &'a mut [u8],
        at: &mut Cursor,
        out: &mut Output,
    ) -> Progress<'a> {
        match self.decoder.decode(bytes, at, &PROBE_LIMITS) {
            Ok(Decoded::More) => return Progress::More,
            Ok(Decoded::Text(PROBE)) if !known => {
                let header = Header::new(OpCode::Data(Data::Text), PROBE_ANSWER.len());
                out.reply.extend_from_slice(header.as_bytes());
                out.reply.extend_from_slice(PROBE_ANSWER.as_bytes());
                self.stage = Stage::Probing { session, known: true };
                out.order = Some(Order::Nudge(session));
            }
            Ok(Decoded::Text(TAKE_OVER)) if known => return Progress::TakeOver { session },
            Ok(Decoded::Ping(payload)) => {
                frame::write_control(&mut out.reply, Control::Pong, payload);
            }
            Ok(Decoded::Pong(_)) => {}
            Ok(Decoded::Close(_)) => {
                frame::write_close(&mut out.reply, CloseCode::Normal);
                self.stage = Stage::Ended;
            }
            Ok(Decoded::Text(_) | Decoded::Binary(_)) | Err(_) => {
                frame::write_close(&mut out.reply, CloseCode::Protocol);
                self.stage = Stage::Draining;
            }
        }
        Progress::Handled(None)
    }

    /// A request has waited, or its body has been arriving, for too long; or a WebSocket has not
    /// taken over in time.
    pub(super) fn request_took_long<A: Application>(
        &mut self,
        now: Now,
        app: &mut A,
        out: &mut Output,
    ) {
        let start = out.reply.len();
        let encrypted = match self.stage {
            Stage::Polling { session, encrypted } => {
                app.answer_poll(session, b"6", now, &mut out.reply);
                encrypted
            }
            Stage::Body { session, encrypted, .. } => {
                app.post_abandoned(session);
                out.hits.add(Limit::HeadTime);
                Refusal::HeadTimeout.write(&mut out.reply, now.wall, false);
                http::add_fields(&mut out.reply, start, &app.fields_of(session));
                out.effects.count_error(Refusal::HeadTimeout.code());
                encrypted
            }
            _ => {
                frame::write_close(&mut out.reply, CloseCode::Protocol);
                false
            }
        };
        ask_for_tls(&mut out.reply, start, encrypted);
        self.stage = Stage::Draining;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Arrival, Message, Wait};
    use super::*;
    use crate::engine::Effects;
    use crate::wire::http::Request;

    /// Serves nothing, and hears who has left.
    #[derive(Default)]
    struct Nobody {
        left: usize,
    }

    impl Application for Nobody {
        fn limits(&self, _peer: PeerId) -> &Limits {
            &PROBE_LIMITS
        }

        fn request(
            &mut self,
            _peer: PeerId,
            _arrival: Arrival,
            _request: &Request<'_>,
            _now: Now,
            _out: &mut Output,
        ) -> Verdict {
            Verdict::Answered
        }

        fn receive(&mut self, _: PeerId, _: Message<'_>, _: Now, _: &mut Effects) {}

        fn left(&mut self, _peer: PeerId, _now: Now, _effects: &mut Effects) {
            self.left += 1;
        }

        fn shut_down(&mut self, _effects: &mut Effects) {}
    }

    #[test]
    fn a_session_that_does_not_answer_its_ping_ends_and_one_that_does_goes_on() {
        const ME: PeerId = PeerId { index: 0, generation: 0 };
        let (now, mut app, mut out) = (Now::default(), Nobody::default(), Output::default());
        let mut session = Connection::polled();
        for _ in 0..3 {
            assert_eq!(session.waits_for(), Wait::Heartbeat);
            session.deadline_passed(ME, now, &mut app, &mut out);
            assert_eq!(std::mem::take(&mut out.reply), b"2\x1e");
            assert_eq!(session.waits_for(), Wait::Pong);
            assert!(session.ping(7).is_none(), "one at a time");
            session.receive_packet(ME, "3", now, &mut app, &mut out);
        }
        session.deadline_passed(ME, now, &mut app, &mut out);
        session.deadline_passed(ME, now, &mut app, &mut out);
        assert_eq!((session.waits_for(), app.left), (Wait::Close, 1));
        assert_eq!(out.hits.of(Limit::Heartbeat), 1);
        assert!(session.last_words().is_some() && session.ping(7).is_none());
        session.deadline_passed(ME, now, &mut app, &mut out);
        assert!(session.is_ended(), "whether anybody fetched its last words or not");
    }
}
