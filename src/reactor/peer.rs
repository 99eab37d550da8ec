//! One socket and what belongs to it.

use std::io::{self, Read};
use std::net::Shutdown;

use mio::net::TcpStream;

use super::blocks::Pool;
use super::inbound::Inbound;
use super::outbound::Outbound;
use crate::admission::gate::Network;
use crate::base::bucket::Bucket;
use crate::connection::Connection;

/// A connected socket. Idle, it holds no buffer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) socket: TcpStream,
    pub(super) connection: Connection,
    pub(super) inbound: Option<Inbound>,
    pub(super) outbound: Outbound,
    pub(super) flags: Flags,
    /// What may still be read of it.
    pub(super) bytes: Bucket,
    /// Where it comes from, as long as its request head counts there.
    pub(super) head: Option<Network>,
    /// Names the connection in logs: nothing about the patient can be told from it.
    pub(super) number: u64,
}

/// In which lists of the turn the peer stands, and what is done already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub(super) dirty: bool,
    pub(super) ready: bool,
    pub(super) overrun: bool,
    pub(super) doomed: bool,
    /// It has sent too much, and is not read for a while.
    pub(super) resting: bool,
    /// Nothing of it is handled before a record is durable.
    pub(super) waiting: bool,
    /// It has waited: what was kept of it is handled before anything is read.
    pub(super) resumed: bool,
    /// The sending side was shut down.
    pub(super) shut: bool,
    /// The kernel said, and says only once, that an end or an error stands behind what can be read.
    pub(super) end_announced: bool,
    /// The end was read: the peer sends no more.
    pub(super) read_closed: bool,
}

/// What came of a read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Filled {
    /// So many bytes came.
    Bytes(usize),
    /// Nothing there now.
    Drained,
    /// The peer sends no more, or the connection broke.
    End,
}

impl Peer {
    pub(super) fn new(
        socket: TcpStream,
        connection: Connection,
        network: Network,
        number: u64,
    ) -> Self {
        Self {
            socket,
            connection,
            inbound: None,
            outbound: Outbound::default(),
            flags: Flags::default(),
            bytes: Bucket::default(),
            head: Some(network),
            number,
        }
    }

    /// One read into `buffer`. Counts the calls.
    pub(super) fn fill(&mut self, buffer: &mut [u8], calls: &mut u64) -> Filled {
        loop {
            *calls += 1;
            return match self.socket.read(buffer) {
                Ok(0) => Filled::End,
                Ok(len) => Filled::Bytes(len),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Filled::Drained,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => Filled::End,
            };
        }
    }

    /// Writes what it can; `Err` where the connection is broken. Shuts the sending side down behind the last bytes.
    pub(super) fn flush(&mut self, pool: &mut Pool, calls: &mut u64) -> io::Result<bool> {
        let flushed = self.outbound.flush(&mut self.socket, pool, calls)?;
        if flushed && self.connection.is_draining() && !self.flags.shut {
            self.flags.shut = true;
            self.socket.shutdown(Shutdown::Write)?;
        }
        Ok(flushed)
    }

    /// Whether something of it may be read and handled now.
    pub(super) fn may_be_served(&self) -> bool {
        !self.flags.read_closed && !self.flags.waiting
    }

    /// Whether nothing is to be read or written any more.
    pub(super) fn is_done(&self) -> bool {
        self.connection.is_ended() && self.outbound.is_empty()
    }
}
