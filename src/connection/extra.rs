//! State that most connections do not need most of the time. It is kept apart to keep the others
//! small.

use super::socket_io::SocketIo;
use super::{Arrival, Connection};

/// One of the two kinds of extra state.
#[derive(Debug)]
pub(super) enum Extra {
    /// As long as the stage is [`super::Stage::Head`].
    Head(Head),
    /// For a connection that speaks Socket.IO.
    SocketIo(SocketIo),
}

/// A request head that is arriving.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// How many bytes have been examined.
    pub(super) seen: u16,
    /// How often it has moved to another reactor.
    pub(super) hops: u8,
    pub(super) arrival: Arrival,
}

impl Connection {
    pub(super) fn head(&self) -> Option<&Head> {
        match self.extra.as_deref() {
            Some(Extra::Head(head)) => Some(head),
            _ => None,
        }
    }

    pub(super) fn head_mut(&mut self) -> Option<&mut Head> {
        match self.extra.as_deref_mut() {
            Some(Extra::Head(head)) => Some(head),
            _ => None,
        }
    }

    pub(super) fn socket_io(&self) -> Option<&SocketIo> {
        match self.extra.as_deref() {
            Some(Extra::SocketIo(session)) => Some(session),
            _ => None,
        }
    }

    pub(super) fn socket_io_mut(&mut self) -> Option<&mut SocketIo> {
        match self.extra.as_deref_mut() {
            Some(Extra::SocketIo(session)) => Some(session),
            _ => None,
        }
    }
}
