//! What is to be done, in a list that the caller owns and uses again.

use super::PeerId;
use crate::wire::frame::CloseCode;

/// One thing to do. To be carried out in the order of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a text message.
    Send {
        /// To whom.
        to: PeerId,
        /// Which.
        payload: Payload,
    },
    /// Send a ping, with what [`super::Engine::ping_mark`] says then.
    Ping {
        /// To whom.
        peer: PeerId,
    },
    /// Close the connection, behind what was sent to it. The engine has forgotten it already.
    Close {
        /// Whose.
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

/// A list of effects, and the bytes of the messages that the server writes.
#[derive(Debug, Default)]
pub struct Effects {
    list: Vec<Effect>,
    bytes: Vec<u8>,
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
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The effects, in order.
    pub fn iter(&self) -> impl Iterator<Item = Effect> {
        self.list.iter().copied()
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

    /// Passes the received message on.
    pub fn relay(&mut self, to: PeerId) {
        self.list.push(Effect::Send { to, payload: Payload::Received });
    }

    /// Asks a peer whether what was sent to it has arrived.
    pub fn ping(&mut self, peer: PeerId) {
        self.list.push(Effect::Ping { peer });
    }

    /// Closes a connection behind what was sent to it.
    pub fn close(&mut self, peer: PeerId, code: CloseCode) {
        self.list.push(Effect::Close { peer, code });
    }
}
