//! The engine's output: what is to be done, in a list that the caller owns and reuses.

use std::net::IpAddr;

use super::PeerId;
use crate::base::redacted::Redacted;
use crate::base::time::Duration;
use crate::message::errors::Errors;
use crate::message::notice;
use crate::message::problem::Problem;
use crate::message::record::Record;
use crate::message::request::MessageId;
use crate::wire::frame::CloseCode;

/// One thing to do. Effects must be carried out in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a text message.
    Send {
        /// The recipient.
        to: PeerId,
        /// The message.
        payload: Payload,
    },
    /// Send a ping, with the mark that [`super::Engine::ping_mark`] returns at that time.
    Ping {
        /// The recipient.
        peer: PeerId,
    },
    /// Pass on nothing that this connection sends, until [`Effect::Resume`].
    Hold {
        /// The connection.
        peer: PeerId,
    },
    /// Pass on again what it sends, and first what it has sent meanwhile. It may be gone.
    Resume {
        /// The connection.
        peer: PeerId,
    },
    /// Close the connection, after everything that was sent to it. The engine has already forgotten
    /// it.
    Close {
        /// The connection.
        peer: PeerId,
        /// The code of the close frame.
        code: CloseCode,
    },
}

/// Where the text of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Among the bytes that the server wrote: see [`Effects::text`].
    Written {
        /// Where it begins.
        start: u32,
        /// How long it is.
        len: u32,
    },
    /// The message that was just received, byte for byte.
    Received,
}

/// An entry for the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// The connection that it is about, if there is one.
    pub peer: Option<PeerId>,
    /// What happened.
    pub record: Record,
    /// The address of the connection, if it is recorded.
    pub address: Option<Redacted<IpAddr>>,
    /// The reason that a person gave: [`Effects::reason`] has the text.
    pub reason: Option<Payload>,
    /// The engine continues only when [`super::Engine::recorded`] tells it the result of this
    /// record.
    pub ticket: Option<Ticket>,
}

/// Identifies something that waits for its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// A list of effects, the bytes of the messages that the server writes, and notes for the audit
/// log.
#[derive(Debug, Default)]
pub struct Effects {
    list: Vec<Effect>,
    bytes: Vec<u8>,
    notes: Vec<Note>,
    /// How often each error was sent since the start; [`Effects::clear`] keeps it. It is boxed
    /// because this list is moved for each message, and errors are rare.
    errors: Option<Box<Errors>>,
}

impl Note {
    /// A note about a connection.
    pub const fn about(peer: PeerId, record: Record) -> Self {
        Self { peer: Some(peer), record, address: None, reason: None, ticket: None }
    }

    /// A note about no connection in particular.
    pub const fn of(record: Record) -> Self {
        Self { peer: None, record, address: None, reason: None, ticket: None }
    }
}

impl Effects {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything but keeps the memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.bytes.clear();
        self.notes.clear();
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.notes.is_empty()
    }

    /// The recipient of the received message, if relaying it is all there is to do. This is the
    /// case for nearly every message in a call.
    pub fn only_relay(&self) -> Option<PeerId> {
        match self.list[..] {
            [Effect::Send { to, payload: Payload::Received }] if self.notes.is_empty() => Some(to),
            _ => None,
        }
    }

    /// The effects, in order.
    pub fn iter(&self) -> impl Iterator<Item = Effect> {
        self.list.iter().copied()
    }

    /// The entries for the audit log, in order. A caller without a log may ignore them, except for
    /// the tickets.
    pub fn notes(&self) -> impl Iterator<Item = Note> {
        self.notes.iter().copied()
    }

    /// The reason that somebody gave: a JSON string.
    pub fn reason(&self, note: &Note) -> Option<&str> {
        let bytes = self.text(note.reason?, &[]);
        str::from_utf8(bytes).ok()
    }

    /// The text of a message; `received` is what was passed to `receive`.
    pub fn text<'a>(&'a self, payload: Payload, received: &'a [u8]) -> &'a [u8] {
        match payload {
            Payload::Written { start, len } => {
                let start = start as usize;
                self.bytes.get(start..start + len as usize).unwrap_or_default()
            }
            Payload::Received => received,
        }
    }

    /// Sends what `write` writes to one peer.
    pub fn send(&mut self, to: PeerId, write: impl FnOnce(&mut Vec<u8>)) {
        self.broadcast([to], write);
    }

    /// Sends what `write` writes, once, to each of `peers`.
    pub fn broadcast(
        &mut self,
        peers: impl IntoIterator<Item = PeerId>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let mut peers = peers.into_iter().peekable();
        if peers.peek().is_none() {
            return;
        }
        let start = self.bytes.len() as u32;
        write(&mut self.bytes);
        let payload = Payload::Written { start, len: self.bytes.len() as u32 - start };
        self.list.extend(peers.map(|to| Effect::Send { to, payload }));
    }

    /// Reports a problem to a peer, and counts it.
    pub fn refuse(
        &mut self,
        to: PeerId,
        problem: Problem,
        id: Option<MessageId<'_>>,
        retry_after: Option<Duration>,
    ) {
        self.count_error(problem.code());
        self.send(to, |out| notice::error(out, problem, id, retry_after));
    }

    /// Counts an error that is reported in another way.
    pub fn count_error(&mut self, code: &str) {
        self.errors.get_or_insert_default().add(code);
    }

    /// How often each error was sent.
    pub fn errors(&self) -> &Errors {
        self.errors.as_deref().unwrap_or(&Errors::NONE)
    }

    /// Relays the received message.
    pub fn relay(&mut self, to: PeerId) {
        self.list.push(Effect::Send { to, payload: Payload::Received });
    }

    /// Sends a ping, to learn whether everything sent before it has arrived.
    pub fn ping(&mut self, peer: PeerId) {
        self.list.push(Effect::Ping { peer });
    }

    /// Passes on nothing that a connection sends.
    pub fn hold(&mut self, peer: PeerId) {
        self.list.push(Effect::Hold { peer });
    }

    /// Passes on again what it sends.
    pub fn resume(&mut self, peer: PeerId) {
        self.list.push(Effect::Resume { peer });
    }

    /// Adds an entry for the audit log.
    pub fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    /// Adds an entry for the audit log, with the reason that a person gave (a JSON string).
    pub fn note_with(&mut self, note: Note, reason: Option<&str>) {
        let reason = reason.map(|text| {
            let start = self.bytes.len() as u32;
            self.bytes.extend_from_slice(text.as_bytes());
            Payload::Written { start, len: text.len() as u32 }
        });
        self.notes.push(Note { reason, ..note });
    }

    /// The engine continues with `ticket` when the last entry is durable.
    pub(super) fn wait_with(&mut self, ticket: Ticket) {
        if let Some(note) = self.notes.last_mut() {
            note.ticket = Some(ticket);
        }
    }

    /// Closes a connection after everything that was sent to it.
    pub fn close(&mut self, peer: PeerId, code: CloseCode) {
        self.list.push(Effect::Close { peer, code });
    }
}
