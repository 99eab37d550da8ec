//! A simulated socket and its state: `src/reactor/peer.rs` with another kind of socket.

use std::io::{self, Read, Write};

use autamedica_signaling::admission::door::Refusal;
use autamedica_signaling::admission::gate::Network;
use autamedica_signaling::base::bucket::Bucket;
use autamedica_signaling::base::time::Now;
use autamedica_signaling::connection::Connection;

use super::super::link::Socket;
use super::blocks::Pool;
use super::counters::Snapshot;
use super::entrance::Counted;
use super::inbound::Inbound;
use super::outbound::Outbound;

/// A connected socket.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) socket: Socket,
    pub(super) connection: Connection,
    pub(super) inbound: Option<Inbound>,
    pub(super) outbound: Outbound,
    pub(super) flags: Flags,
    pub(super) bytes: Bucket,
    pub(super) network: Option<Network>,
    pub(super) counted: Counted,
    pub(super) number: u64,
}

/// In which lists of the turn the peer stands, and what is done already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub(super) dirty: bool,
    pub(super) ready: bool,
    pub(super) overrun: bool,
    pub(super) doomed: bool,
    pub(super) resting: bool,
    pub(super) rested: bool,
    pub(super) shut: bool,
    pub(super) end_announced: bool,
    pub(super) read_closed: bool,
    pub(super) waiting: bool,
    pub(super) resumed: bool,
}

/// What came of a read. A simulated socket speaks no TLS, is never in the clear where TLS was expected, and never broken in its own way.
#[derive(Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the real files know them")]
pub(super) enum Filled {
    Bytes { len: usize, came: usize, more: bool },
    Handshake { came: usize },
    Drained,
    End,
    InTheClear,
    Broken(&'static str),
}

impl Peer {
    pub(super) fn new(
        socket: Socket,
        connection: Connection,
        network: Network,
        counted: Counted,
        number: u64,
    ) -> Self {
        Self {
            socket,
            connection,
            inbound: None,
            outbound: Outbound::default(),
            flags: Flags::default(),
            bytes: Bucket::default(),
            network: Some(network),
            counted,
            number,
        }
    }

    pub(super) fn write_at_once(&mut self, parts: &[&[u8]], calls: &mut u64) -> io::Result<()> {
        let whole = parts.concat();
        *calls += 1;
        match self.socket.write(&whole)? {
            len if len == whole.len() => Ok(()),
            _ => {
                // Nothing may follow half a message.
                self.socket.finish();
                Err(io::ErrorKind::WriteZero.into())
            }
        }
    }

    pub(super) fn turn_away(&mut self, refusal: Refusal, now: Now) -> bool {
        turn_away(&mut self.socket, refusal, now);
        true
    }

    pub(super) fn has_socket(&self) -> bool {
        true
    }

    pub(super) fn may_be_served(&self) -> bool {
        !self.flags.read_closed && !self.flags.waiting
    }

    pub(super) fn fill(&mut self, buffer: &mut [u8], counters: &mut Snapshot) -> Filled {
        counters.reads += 1;
        match self.socket.read(buffer) {
            Ok(0) => Filled::End,
            Ok(len) => Filled::Bytes { len, came: len, more: len == buffer.len() },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Filled::Drained,
            Err(_) => Filled::End,
        }
    }

    pub(super) fn write_out(&mut self, pool: &mut Pool, calls: &mut u64) -> io::Result<bool> {
        let write = |bytes: &[u8]| {
            *calls += 1;
            self.socket.write(bytes)
        };
        self.outbound.flush(write, pool)
    }

    pub(super) fn flush(&mut self, pool: &mut Pool, calls: &mut u64) -> io::Result<bool> {
        let flushed = self.write_out(pool, calls)?;
        if flushed && self.connection.is_draining() && !self.flags.shut {
            self.flags.shut = true;
            self.socket.finish();
        }
        Ok(flushed)
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.outbound.is_empty()
    }

    pub(super) fn wants_flush(&self) -> bool {
        self.connection.is_draining() && !self.flags.shut
    }

    pub(super) fn take_behind(&mut self) -> bool {
        std::mem::take(&mut self.flags.rested) || self.flags.resting || self.flags.ready
    }

    pub(super) fn is_done(&self) -> bool {
        self.connection.is_ended() && !self.has_unsent()
    }

    pub(super) fn is_handshaking(&self) -> bool {
        false
    }
}

/// Sends a refusal where the system would.
pub(super) fn turn_away(socket: &mut Socket, refusal: Refusal, now: Now) {
    let _ = socket.read(&mut [0; 4_096]);
    let mut answer = Vec::new();
    refusal.write(&mut answer, now.wall, false);
    let _ = socket.write(&answer);
}
