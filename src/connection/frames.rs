//! An open WebSocket: frames in, messages to the application, and the close frames with which it
//! ends.

use super::{Application, Connection, Message, Output, Progress, Stage};
use crate::base::limits::Limit;
use crate::base::time::Now;
use crate::engine::PeerId;
use crate::wire::frame::{self, CloseCode, Control, Cursor, Decoded};

/// So many frames are passed over in search of the peer's close frame. What was under way when it heard ours is less; a
/// flood is not worth taking apart frame by frame, in turns for which others wait.
const PASSED_MAX: u8 = 64;

impl Connection {
    /// Handles the next frame.
    pub(super) fn receive_frame<'a, A: Application>(
        &mut self,
        me: PeerId,
        bytes: &'a mut [u8],
        at: &mut Cursor,
        now: Now,
        app: &mut A,
        out: &mut Output,
    ) -> Progress<'a> {
        let message = match self.decoder.decode(bytes, at, app.limits(me)) {
            Ok(Decoded::More) => return Progress::More,
            Ok(Decoded::Text(text)) if self.socket_io().is_some() => {
                return self.receive_packet(me, text, now, app, out);
            }
            Ok(Decoded::Text(text)) => Message::Text(text),
            Ok(Decoded::Binary(bytes)) => Message::Binary(bytes),
            Ok(Decoded::Ping(payload)) => {
                if app.pinged(me, now, &mut out.effects) {
                    frame::write_control(&mut out.reply, Control::Pong, payload);
                }
                return Progress::Handled(None);
            }
            Ok(Decoded::Pong(payload)) => {
                match self.heartbeat.answered(payload) {
                    Some(mark) => app.ponged(me, mark, now),
                    None => {
                        app.pinged(me, now, &mut out.effects);
                    }
                }
                return Progress::Handled(None);
            }
            Ok(Decoded::Close(code)) => {
                frame::write_close(&mut out.reply, app.close_reply(code));
                self.end(me, now, app, &mut out.effects);
                return Progress::Handled(None);
            }
            Err(fault) => {
                self.fail(me, fault, now, app, out);
                return Progress::Handled(None);
            }
        };
        if let Some(home) = app.home_of_message(me, message, now) {
            return Progress::Elsewhere(home, Some(message));
        }
        app.receive(me, message, now, &mut out.effects);
        Progress::Handled(Some(message))
    }

    /// Fails the connection (RFC 6455 7.1.7): these bytes cannot be read any further.
    fn fail<A: Application>(
        &mut self,
        me: PeerId,
        fault: frame::Fault,
        now: Now,
        app: &mut A,
        out: &mut Output,
    ) {
        if fault == frame::Fault::TooLarge {
            out.hits.add(Limit::MessageBytes);
        }
        self.write_farewell(app, fault.close_code(), out);
        self.write_close(fault.close_code(), &mut out.reply);
        app.left(me, now, &mut out.effects);
        self.stage = Stage::Draining;
    }

    /// Passes over what still comes until the peer's close frame.
    pub(super) fn await_close<'a, A: Application>(
        &mut self,
        me: PeerId,
        passed: u8,
        bytes: &'a mut [u8],
        at: &mut Cursor,
        app: &A,
    ) -> Progress<'a> {
        self.stage = match self.decoder.decode(bytes, at, app.limits(me)) {
            Ok(Decoded::More) => return Progress::More,
            Ok(Decoded::Close(_)) => Stage::Ended,
            Ok(_) if passed < PASSED_MAX => Stage::Closing { passed: passed + 1 },
            Ok(_) | Err(_) => Stage::Draining,
        };
        Progress::Handled(None)
    }

    /// Appends what closes the connection.
    pub(super) fn write_close(&self, code: CloseCode, reply: &mut Vec<u8>) {
        match self.socket_io() {
            Some(session) => session.part(code, reply),
            None => frame::write_close(reply, code),
        }
    }

    /// Appends the application's last message before a close with `code`, if it has one.
    pub(super) fn write_farewell<A: Application>(
        &self,
        app: &A,
        code: CloseCode,
        out: &mut Output,
    ) {
        let mut farewell = Vec::new();
        if let Some(told) = app.farewell(code, &mut farewell) {
            out.effects.count_error(told);
        }
        let framed = if farewell.is_empty() { None } else { self.frame(false, &farewell) };
        let parts = framed.iter().flat_map(|framed| framed.parts());
        parts.for_each(|part| out.reply.extend_from_slice(part));
    }
}
