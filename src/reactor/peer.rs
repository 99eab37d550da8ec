//! One socket and its state.

use std::io;

use super::accept;
use super::blocks::Pool;
use super::counters::Snapshot;
use super::entrance::Counted;
use super::inbound::Inbound;
use super::outbound::Outbound;
pub(super) use super::transport::Filled;
use super::transport::Transport;
use crate::admission::door::Refusal;
use crate::admission::gate::Network;
use crate::base::bucket::Bucket;
use crate::base::time::Now;
use crate::connection::Connection;
use crate::wire::proxy_header::Header;

/// A connected socket, or a session that is carried by requests. An idle one holds no buffer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) transport: Option<Transport>,
    pub(super) connection: Connection,
    pub(super) inbound: Option<Inbound>,
    pub(super) outbound: Outbound,
    pub(super) flags: Flags,
    /// How many bytes may still be read from it.
    pub(super) bytes: Bucket,
    /// The network that it comes from.
    pub(super) network: Option<Network>,
    /// What it counts for there.
    pub(super) counted: Counted,
    /// Identifies the connection in logs. It reveals nothing about the patient.
    pub(super) number: u64,
}

/// A socket that moves from one peer to another.
#[derive(Debug)]
pub(super) struct Carried {
    transport: Transport,
    inbound: Option<Inbound>,
    flags: Flags,
}

/// The lists of the turn that the peer is in, and what has already been done.
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
    /// Nothing from it is handled before a record is durable.
    pub(super) waiting: bool,
    /// It has waited: its kept input is handled before anything is read.
    pub(super) resumed: bool,
    /// The sending side was shut down.
    pub(super) shut: bool,
    /// The kernel has reported, which it does only once, that an end or an error follows the
    /// readable bytes.
    pub(super) end_announced: bool,
    /// The end was read: the peer sends nothing more.
    pub(super) read_closed: bool,
}

impl Peer {
    pub(super) fn new(
        transport: Transport,
        connection: Connection,
        network: Network,
        counted: Counted,
        number: u64,
    ) -> Self {
        Self {
            transport: Some(transport),
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

    /// A session that is carried by requests, from this network.
    pub(super) fn without_socket(
        connection: Connection,
        network: Option<Network>,
        number: u64,
    ) -> Self {
        Self {
            transport: None,
            connection,
            inbound: None,
            outbound: Outbound::default(),
            flags: Flags::default(),
            bytes: Bucket::default(),
            network,
            counted: Counted { unknown: network.is_some(), ..Counted::default() },
            number,
        }
    }

    /// Whether it has a socket of its own.
    pub(super) fn has_socket(&self) -> bool {
        self.transport.is_some()
    }

    /// Gives its socket to another peer, with the input that was read and not handled.
    pub(super) fn give_socket(&mut self) -> Option<Carried> {
        let transport = self.transport.take()?;
        Some(Carried { transport, inbound: self.inbound.take(), flags: self.flags })
    }

    /// Takes over a socket.
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

    /// Writes as much of the queue as possible; returns `true` if nothing is left. `Err` if the
    /// connection is broken.
    pub(super) fn write_out(&mut self, pool: &mut Pool, calls: &mut u64) -> io::Result<bool> {
        let Some(transport) = &mut self.transport else { return Ok(self.outbound.is_empty()) };
        let written = self.outbound.flush(|bytes| transport.write(bytes, calls), pool)?;
        Ok(written && transport.send(calls)?)
    }

    /// The same, and shuts the sending side down after the last bytes.
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

    /// Whether there is more to do than to send the queue: an end to announce, or TLS's own
    /// messages.
    pub(super) fn wants_flush(&self) -> bool {
        (self.connection.is_draining() && !self.flags.shut)
            || self.transport.as_ref().is_some_and(Transport::wants_write)
    }

    /// Writes a message without queueing it; the queue must be empty. An error if the socket does
    /// not accept all of it at once.
    pub(super) fn write_at_once(&mut self, parts: &[&[u8]], calls: &mut u64) -> io::Result<()> {
        let Some(transport) = &mut self.transport else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let whole = parts.concat();
        let len = transport.write(&whole, calls)?;
        if len == whole.len() {
            // TLS keeps what the socket did not accept.
            transport.send(calls)?;
            return Ok(());
        }
        // There is no place to keep the rest. Nothing may follow a partial message.
        transport.shut_down(calls)?;
        Err(io::ErrorKind::WriteZero.into())
    }

    /// Answers a request that is still arriving, in plain text, past everything else. Returns
    /// whether it has a socket of its own.
    pub(super) fn turn_away(&mut self, refusal: Refusal, now: Now) -> bool {
        let Some(transport) = &mut self.transport else { return false };
        accept::turn_away(&mut transport.socket, refusal, now);
        true
    }

    /// Whether its input may be read and handled now.
    pub(super) fn may_be_served(&self) -> bool {
        !self.flags.read_closed && !self.flags.waiting
    }

    /// Whether some of its input may have been left unread at some time since the last call.
    pub(super) fn take_behind(&mut self) -> bool {
        std::mem::take(&mut self.flags.rested) || self.flags.resting || self.flags.ready
    }

    /// Whether nothing is left to be read or written.
    pub(super) fn is_done(&self) -> bool {
        self.connection.is_ended() && !self.has_unsent()
    }

    /// Whether serving it may take long: the expensive part of a connection is its beginning.
    pub(super) fn is_handshaking(&self) -> bool {
        self.transport.as_ref().is_some_and(Transport::is_handshaking)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_pays_for_is_small() {
        // It is smaller in a build without debug assertions, where mio keeps only the descriptor.
        assert!(size_of::<Peer>() <= 152, "{}", size_of::<Peer>());
    }
}
