//! The layer between a socket and the bytes of a connection: nothing, or TLS; and before either,
//! possibly a PROXY header.

use std::io::{self, Read, Write};
use std::mem;
use std::net::Shutdown;

use mio::net::TcpStream;

use super::counters::Snapshot;
use super::tls::{Session, Tls};
use crate::wire::proxy_header::{self, Header};

/// A socket and the layers on it.
#[derive(Debug)]
pub(super) struct Transport {
    pub(super) socket: TcpStream,
    /// `None`: plain bytes.
    layer: Option<Box<Layer>>,
}

/// A TLS handshake and the bytes of it that have arrived. They can be [processed](Handshake::work)
/// on another thread.
#[derive(Debug)]
pub(super) struct Handshake {
    layer: Box<Layer>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
#[cfg_attr(feature = "tls", expect(clippy::large_enum_variant, reason = "it is boxed as a whole"))]
enum Layer {
    Tls(Session),
    /// A header of the PROXY protocol comes first.
    Preamble(Preamble),
    /// A TLS handshake that is being worked on elsewhere. Nothing is read or written meanwhile.
    Away,
}

/// Waits for the PROXY header.
#[derive(Debug)]
struct Preamble {
    /// The part that has arrived; empty if the header arrives in one piece.
    seen: Vec<u8>,
    /// What follows it.
    next: Option<Box<Layer>>,
}

/// The result of a read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Filled {
    /// This many bytes of a TLS handshake arrived, at the beginning of the buffer. Nothing is read
    /// or written until [`Transport::take_handshake`] and [`Transport::give_handshake`].
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "nobody speaks TLS"))]
    Handshake { came: usize },
    /// This many bytes of content arrived, possibly none. `more`: the room is used up, so there may
    /// be others.
    Bytes {
        len: usize,
        /// How many bytes were read from the socket, whether content or not.
        came: usize,
        more: bool,
    },
    /// Nothing there now.
    Drained,
    /// The peer sends no more, or the connection broke.
    End,
    /// HTTP instead of the expected TLS. From here on the connection is plain text.
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "nobody expects TLS"))]
    InTheClear,
    /// Broken input, described without anything that the peer has sent. The connection cannot
    /// continue.
    Broken(&'static str),
}

impl Transport {
    /// `None`: there is no memory or no entropy for TLS.
    pub(super) fn new(socket: TcpStream, tls: Option<&Tls>, proxy_header: bool) -> Option<Self> {
        let mut layer = match tls {
            Some(tls) => Some(Box::new(Layer::Tls(tls.session()?))),
            None => None,
        };
        if proxy_header {
            let preamble = Preamble { seen: Vec::new(), next: layer };
            layer = Some(Box::new(Layer::Preamble(preamble)));
        }
        Some(Self { socket, layer })
    }

    /// Takes the handshake out, together with the bytes that a read has brought.
    pub(super) fn take_handshake(&mut self, bytes: &[u8]) -> Option<Handshake> {
        let layer = mem::replace(self.layer.as_deref_mut()?, Layer::Away);
        Some(Handshake { layer: Box::new(layer), bytes: bytes.to_vec() })
    }

    /// Puts the handshake back after the work on it.
    pub(super) fn give_handshake(&mut self, handshake: Handshake, counters: &mut Snapshot) {
        self.layer = Some(handshake.layer);
        counters.handshakes += u64::from(!self.is_handshaking());
    }

    /// Whether it is in the costly TLS handshake.
    pub(super) fn is_handshaking(&self) -> bool {
        match self.layer.as_deref() {
            Some(Layer::Tls(session)) => session.is_handshaking(),
            Some(Layer::Preamble(preamble)) => preamble.next.is_some(),
            Some(Layer::Away) => true,
            None => false,
        }
    }

    /// Whether it has bytes of its own to send, or encrypted ones that the socket did not accept.
    pub(super) fn wants_write(&self) -> bool {
        matches!(self.layer.as_deref(), Some(Layer::Tls(session)) if session.wants_write())
    }

    /// Does one read of the socket into `buffer`, and counts the calls. `said` is set to the
    /// content of a PROXY header, once it is complete.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        said: &mut Option<Header>,
        counters: &mut Snapshot,
    ) -> Filled {
        let filled = match self.layer.as_deref_mut() {
            Some(Layer::Away) => return Filled::Drained,
            Some(Layer::Tls(session)) => session.read(&mut self.socket, buffer, counters),
            None | Some(Layer::Preamble(_)) => read_plain(&mut self.socket, buffer, counters),
        };
        let filled = match (filled, self.layer.as_deref()) {
            (Filled::Bytes { len, more, .. }, Some(Layer::Preamble(_))) => {
                self.read_preamble(buffer, len, more, said, counters)
            }
            (filled, _) => filled,
        };
        match filled {
            Filled::InTheClear => self.layer = None,
            // The reason for the end is sent if the socket accepts it; there is no second try.
            Filled::Broken(_) => drop(self.send(&mut counters.writes)),
            _ => {}
        }
        filled
    }

    /// Writes as much as possible, and counts the calls.
    pub(super) fn write(&mut self, bytes: &[u8], calls: &mut u64) -> io::Result<usize> {
        match self.layer.as_deref_mut() {
            Some(Layer::Tls(session)) => session.write(&mut self.socket, bytes, calls),
            Some(Layer::Away) => Err(io::ErrorKind::WouldBlock.into()),
            None | Some(Layer::Preamble(_)) => {
                *calls += 1;
                self.socket.write(bytes)
            }
        }
    }

    /// Sends the layer's own bytes. Returns `true` if none are left.
    pub(super) fn send(&mut self, calls: &mut u64) -> io::Result<bool> {
        match self.layer.as_deref_mut() {
            Some(Layer::Tls(session)) => session.send(&mut self.socket, calls),
            Some(Layer::Away) => Ok(false),
            None | Some(Layer::Preamble(_)) => Ok(true),
        }
    }

    /// Shuts the sending side down. Returns `false` if earlier bytes are not sent yet.
    pub(super) fn shut_down(&mut self, calls: &mut u64) -> io::Result<bool> {
        let said = match self.layer.as_deref_mut() {
            Some(Layer::Tls(session)) => session.close(&mut self.socket, calls)?,
            Some(Layer::Away) => false,
            None | Some(Layer::Preamble(_)) => true,
        };
        if said {
            self.socket.shutdown(Shutdown::Write)?;
        }
        Ok(said)
    }

    /// The final action: sends the layer's own closing message, if it has one and the socket
    /// accepts it.
    pub(super) fn part(&mut self, calls: &mut u64) {
        if let Some(Layer::Tls(session)) = self.layer.as_deref_mut()
            && !session.is_handshaking()
        {
            drop(session.close(&mut self.socket, calls));
        }
    }

    /// Removes the PROXY header from the `len` bytes that arrived. The bytes after it belong to the
    /// next layer.
    fn read_preamble(
        &mut self,
        buffer: &mut [u8],
        len: usize,
        more: bool,
        said: &mut Option<Header>,
        counters: &mut Snapshot,
    ) -> Filled {
        let Some(Layer::Preamble(preamble)) = self.layer.as_deref_mut() else {
            return Filled::Drained;
        };
        let before = preamble.seen.len();
        preamble.seen.extend_from_slice(&buffer[..len]);
        let (header, header_len) = match proxy_header::parse(&preamble.seen) {
            Ok(Some(found)) => found,
            Ok(None) => return Filled::Bytes { len: 0, came: len, more },
            Err(_) => {
                counters.proxy_headers_bad += 1;
                return Filled::Broken("no PROXY header, or a broken one");
            }
        };
        *said = Some(header);
        // All earlier bytes belong to the header, or it would have been complete then.
        let own = header_len.saturating_sub(before).min(len);
        self.layer = preamble.next.take();
        buffer.copy_within(own..len, 0);
        let (len, came) = (len - own, len);
        match self.layer.as_deref_mut() {
            Some(Layer::Tls(session)) if len > 0 => session.begin(&buffer[..len], counters),
            _ => Filled::Bytes { len, came, more },
        }
    }
}

impl Handshake {
    /// Processes the bytes: a key exchange and a signature, about 0.15 ms.
    pub(super) fn work(&mut self) {
        if let Layer::Tls(session) = &mut *self.layer {
            session.shake(&self.bytes);
        }
    }
}

fn read_plain(socket: &mut impl Read, buffer: &mut [u8], counters: &mut Snapshot) -> Filled {
    loop {
        counters.reads += 1;
        return match socket.read(buffer) {
            Ok(0) => Filled::End,
            Ok(len) => Filled::Bytes { len, came: len, more: len == buffer.len() },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Filled::Drained,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => Filled::End,
        };
    }
}
