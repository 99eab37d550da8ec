//! One socket and its state.

use std::io;

use super::blocks::Pool;
use super::counters::Snapshot;
use super::inbound::Inbound;
use super::outbound::Outbound;
pub(super) use super::transport::Filled;
use super::transport::Transport;
use crate::admission::gate::Network;
use crate::base::bucket::Bucket;
use crate::connection::Connection;
use crate::wire::proxy_header::Header;

/// A connected socket, or a session that requests carry. Idle, it holds no buffer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) transport: Option<Transport>,
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

/// A socket on its way from one to another.
#[derive(Debug)]
pub(super) struct Carried {
    transport: Transport,
    inbound: Option<Inbound>,
    flags: Flags,
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
    /// It has rested since its last regular ping.
    pub(super) rested: bool,
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

impl Peer {
    pub(super) fn new(
        transport: Transport,
        connection: Connection,
        network: Network,
        number: u64,
    ) -> Self {
        Self {
            transport: Some(transport),
            connection,
            inbound: None,
            outbound: Outbound::default(),
            flags: Flags::default(),
            bytes: Bucket::default(),
            head: Some(network),
            number,
        }
    }

    /// A session that requests carry.
    pub(super) fn without_socket(connection: Connection, number: u64) -> Self {
        Self {
            transport: None,
            connection,
            inbound: None,
            outbound: Outbound::default(),
            flags: Flags::default(),
            bytes: Bucket::default(),
            head: None,
            number,
        }
    }

    /// Whether it has a socket of its own.
    pub(super) fn has_socket(&self) -> bool {
        self.transport.is_some()
    }

    /// Its socket, for somebody else, with what was read and not handled.
    pub(super) fn give_socket(&mut self) -> Option<Carried> {
        let transport = self.transport.take()?;
        Some(Carried { transport, inbound: self.inbound.take(), flags: self.flags })
    }

    /// From now on this socket is its own.
    pub(super) fn take_socket(&mut self, carried: Carried) {
        self.transport = Some(carried.transport);
        self.inbound = carried.inbound;
        self.flags.resumed = self.inbound.is_some();
        self.flags.end_announced = carried.flags.end_announced;
        self.flags.read_closed = carried.flags.read_closed;
    }

    /// One read into `buffer`. Counts the calls.
    pub(super) fn fill(&mut self, buffer: &mut [u8], counters: &mut Snapshot) -> Filled {
        let mut header = None;
        let Some(transport) = &mut self.transport else { return Filled::Drained };
        let filled = transport.read(buffer, &mut header, counters);
        if let Some(Header { source }) = header {
            self.connection.comes_from(source);
        }
        filled
    }

    /// Writes what it can of what is queued; `true`: all of it. `Err` where the connection is broken.
    pub(super) fn write_out(&mut self, pool: &mut Pool, calls: &mut u64) -> io::Result<bool> {
        let Some(transport) = &mut self.transport else { return Ok(self.outbound.is_empty()) };
        let written = self.outbound.flush(|bytes| transport.write(bytes, calls), pool)?;
        Ok(written && transport.send(calls)?)
    }

    /// The same, and shuts the sending side down behind the last bytes.
    pub(super) fn flush(&mut self, pool: &mut Pool, calls: &mut u64) -> io::Result<bool> {
        let flushed = self.write_out(pool, calls)?;
        if flushed
            && self.connection.is_draining()
            && !self.flags.shut
            && let Some(transport) = &mut self.transport
        {
            self.flags.shut = transport.shut_down(calls)?;
            return Ok(self.flags.shut);
        }
        Ok(flushed)
    }

    /// Whether something is to be sent to it.
    pub(super) fn has_unsent(&self) -> bool {
        !self.outbound.is_empty() || self.transport.as_ref().is_some_and(Transport::wants_write)
    }

    /// Whether there is more to do than to send what is queued: an end to tell of, or TLS's own messages.
    pub(super) fn wants_flush(&self) -> bool {
        (self.connection.is_draining() && !self.flags.shut)
            || self.transport.as_ref().is_some_and(Transport::wants_write)
    }

    /// Writes a message past the queue, which is empty; an error where the socket does not take all of it at once.
    pub(super) fn write_at_once(&mut self, parts: &[&[u8]], calls: &mut u64) -> io::Result<()> {
        let Some(transport) = &mut self.transport else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let whole = parts.concat();
        let len = transport.write(&whole, calls)?;
        if len == whole.len() {
            // What TLS has of it beyond that it keeps.
            transport.send(calls)?;
            return Ok(());
        }
        // The rest has no place to wait. Nothing may follow half a message.
        transport.shut_down(calls)?;
        Err(io::ErrorKind::WriteZero.into())
    }

    /// Whether something of it may be read and handled now.
    pub(super) fn may_be_served(&self) -> bool {
        !self.flags.read_closed && !self.flags.waiting
    }

    /// Whether it may have sent what we left unread at some time since the last call.
    pub(super) fn take_behind(&mut self) -> bool {
        std::mem::take(&mut self.flags.rested) || self.flags.resting || self.flags.ready
    }

    /// Whether nothing is to be read or written any more.
    pub(super) fn is_done(&self) -> bool {
        self.connection.is_ended() && !self.has_unsent()
    }

    /// Whether serving it may take long: what is costly in a connection is its beginning.
    pub(super) fn is_handshaking(&self) -> bool {
        self.transport.as_ref().is_some_and(Transport::is_handshaking)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_pays_for_is_small() {
        // Less in a build without debugging checks: mio knows then only the descriptor.
        assert!(size_of::<Peer>() <= 152, "{}", size_of::<Peer>());
    }
}
