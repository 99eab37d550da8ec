//! TLS 1.2 and 1.3 (RFC 5246, 8446) on top of a socket.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{Error, ServerConfig, ServerConnection};

use super::counters::Snapshot;
use super::transport::Filled;
use crate::base::time::WallTime;
use crate::wire::x509;

/// The protocol within TLS; a client that insists on another one is refused (RFC 7301 3.2).
const PROTOCOL: &[u8] = b"http/1.1";

/// How many bytes may arrive without a single byte of content before the connection is closed: a
/// whole record (RFC 8446 5.2), or the handshake of any existing client. This bounds what a
/// stranger can make us keep.
const BARREN_BYTES_MAX: usize = 18 * 1024;

/// How many bytes of a handshake are read at once. Content that follows it in the same read is
/// decrypted with it, and fits into the TLS library's own buffer of 16 KiB.
const HANDSHAKE_READ_MAX: usize = 8 * 1024;

/// How many bytes are encrypted ahead of what the socket accepts.
const UNSENT_BYTES_MAX: usize = 64 * 1024;

/// The certificate and key that newcomers are shown. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<ServerConfig>,
    not_after: Option<WallTime>,
}

/// Why a certificate and a key are unusable. Reveals nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPair {
    /// The first file holds no certificate, or one that cannot be read.
    Certificate,
    /// The second file holds no private key, or one that is encrypted or cannot be read.
    Key,
    /// They do not belong together.
    Mismatch,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Session {
    connection: ServerConnection,
    /// Bytes that have arrived since the last content.
    barren_bytes: usize,
    /// Whether anything has arrived.
    begun: bool,
    /// The peer has announced its end of input (RFC 8446 6.1).
    peer_closed: bool,
    /// We have announced ours.
    closed: bool,
    /// The fault that followed the last valid content. It is reported once that content has been
    /// taken.
    fault: Option<Fault>,
}

/// What is wrong with bytes of a peer, and whether they were part of a handshake.
#[derive(Clone, Copy, Debug)]
struct Fault {
    name: &'static str,
    handshaking: bool,
}

impl Tls {
    /// From a certificate chain, the server's own certificate first, and its private key (PKCS #8, PKCS #1 or SEC 1), both
    /// as PEM.
    ///
    /// # Errors
    /// If either cannot be read, or they do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, BadPair> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| BadPair::Certificate)?;
        if chain.is_empty() {
            return Err(BadPair::Certificate);
        }
        let not_after = chain.first().and_then(|own| x509::not_after(own));
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| BadPair::Key)?;
        let key = ring::sign::any_supported_type(&key).map_err(|_| BadPair::Key)?;
        let pair = rustls::sign::CertifiedKey::new(chain, key);
        pair.keys_match().map_err(|error| match error {
            Error::InconsistentKeys(_) => BadPair::Mismatch,
            _ => BadPair::Certificate,
        })?;
        let resolver = Arc::new(rustls::sign::SingleCertAndKey::from(pair));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| BadPair::Key)?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        // A client that returns after a drop is spared the costly half of a handshake, and the
        // server stores nothing for it. A new pair has tickets of its own: nobody can resume a
        // session that began under another certificate.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        if let Ok(ticketer) = ring::Ticketer::new() {
            config.ticketer = ticketer;
        }
        config.send_tls13_tickets = 1;
        // Early data could be replayed (RFC 8446 8).
        config.max_early_data_size = 0;
        Ok(Self { config: Arc::new(config), not_after })
    }

    /// The expiry of the server's own certificate, if it can be read.
    pub const fn not_after(&self) -> Option<WallTime> {
        self.not_after
    }

    /// The state of a newcomer; `None` if there is no memory or no entropy for it.
    pub(super) fn session(&self) -> Option<Session> {
        let mut connection = ServerConnection::new(Arc::clone(&self.config)).ok()?;
        connection.set_buffer_limit(Some(UNSENT_BYTES_MAX));
        let (barren_bytes, begun, peer_closed, closed) = (0, false, false, false);
        Some(Session { connection, barren_bytes, begun, peer_closed, closed, fault: None })
    }
}

impl Session {
    /// Whether the handshake is still in progress.
    pub(super) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether something encrypted waits to be sent.
    pub(super) fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Returns the rest of earlier reads, then does one read of the socket.
    pub(super) fn read(
        &mut self,
        socket: &mut impl Read,
        buffer: &mut [u8],
        counters: &mut Snapshot,
    ) -> Filled {
        let len = self.take(buffer);
        if len > 0 {
            // It may have arrived with the end of the handshake.
            self.barren_bytes = 0;
        }
        if len == buffer.len() {
            return Filled::Bytes { len, came: 0, more: true };
        }
        if let Some(fault) = self.fault {
            return self.end_by(fault, len, 0, counters);
        }
        if self.peer_closed {
            return if len > 0 { Filled::Bytes { len, came: 0, more: true } } else { Filled::End };
        }
        let handshaking = self.is_handshaking();
        let room = if handshaking { HANDSHAKE_READ_MAX.min(buffer.len()) } else { buffer.len() };
        let came = loop {
            counters.reads += 1;
            match socket.read(&mut buffer[len..room]) {
                Ok(0) => break None,
                Ok(came) => break Some(came),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::WouldBlock if len == 0 => return Filled::Drained,
                    io::ErrorKind::WouldBlock => {
                        return Filled::Bytes { len, came: 0, more: false };
                    }
                    _ => break None,
                },
            }
        };
        match came {
            None if len > 0 => Filled::Bytes { len, came: 0, more: true },
            None => Filled::End,
            Some(came) if handshaking => self.begin(&buffer[..came], counters),
            Some(came) => self.decrypt(buffer, len, came, counters),
        }
    }

    /// Looks at the first byte: that of HTTP is an uppercase letter, a record of TLS begins with a
    /// number below 32 (RFC 8446 5.1). If it may be TLS, these bytes are to be
    /// [processed](Session::shake).
    pub(super) fn begin(&mut self, came: &[u8], counters: &mut Snapshot) -> Filled {
        let first = came.first().filter(|_| !self.begun);
        self.begun = true;
        if first.is_some_and(u8::is_ascii_uppercase) {
            counters.handshakes_failed += 1;
            return Filled::InTheClear;
        }
        Filled::Handshake { came: came.len() }
    }

    /// Processes these bytes of a handshake, which takes up to a few tenths of a millisecond. The
    /// answer is sent, and content is taken, by later calls.
    pub(super) fn shake(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while at < bytes.len() && !self.peer_closed && self.fault.is_none() {
            match self.digest(&bytes[at..]) {
                Ok(taken) => at += taken,
                Err(name) => self.fail(name),
            }
        }
        self.barren_bytes += bytes.len();
        self.check_barren();
    }

    /// Decrypts `came` bytes at `start`, in place. What they hold follows what stands before `start`: content is shorter than
    /// the record around it, so that it never runs into what is not decrypted yet; and where an earlier read has left the
    /// beginning of a record, at most that much content waits for room.
    fn decrypt(
        &mut self,
        buffer: &mut [u8],
        start: usize,
        came: usize,
        counters: &mut Snapshot,
    ) -> Filled {
        let (mut len, mut at, end) = (start, start, start + came);
        while at < end && !self.peer_closed && self.fault.is_none() {
            match self.digest(&buffer[at..end]) {
                Ok(taken) => at += taken,
                Err(name) => {
                    self.fail(name);
                    at = end;
                }
            }
            len += self.take(&mut buffer[len..at]);
        }
        let room = buffer.len();
        len += self.take(&mut buffer[len..room]);
        self.barren_bytes = if len > start { 0 } else { self.barren_bytes + came };
        self.check_barren();
        if let Some(fault) = self.fault {
            return self.end_by(fault, len, came, counters);
        }
        let more = end == room || len == room || self.peer_closed;
        Filled::Bytes { len, came, more }
    }

    /// Encrypts and sends. Returns how many bytes it took. It takes none before everything it took
    /// earlier is sent.
    pub(super) fn write(
        &mut self,
        socket: &mut impl Write,
        bytes: &[u8],
        calls: &mut u64,
    ) -> io::Result<usize> {
        if self.closed || self.fault.is_some() {
            // Nothing follows an end, or a fatal alert (RFC 8446 6).
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if !self.send(socket, calls)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = self.connection.writer().write(bytes)?;
        self.send(socket, calls)?;
        Ok(taken)
    }

    /// Sends what is already encrypted. Returns `true` if all of it was sent.
    pub(super) fn send(&mut self, socket: &mut impl Write, calls: &mut u64) -> io::Result<bool> {
        while self.connection.wants_write() {
            *calls += 1;
            match self.connection.write_tls(socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Announces the end of output, so that the peer can tell it from a broken connection. Returns
    /// `true` once it is sent.
    pub(super) fn close(&mut self, socket: &mut impl Write, calls: &mut u64) -> io::Result<bool> {
        if !self.closed {
            self.closed = true;
            self.connection.send_close_notify();
        }
        self.send(socket, calls)
    }

    /// Takes as much decrypted content as is available and fits.
    fn take(&mut self, buffer: &mut [u8]) -> usize {
        let mut len = 0;
        while len < buffer.len() {
            // An end is known from `peer_closed`, and a broken connection from the socket.
            match self.connection.reader().read(&mut buffer[len..]) {
                Ok(0) | Err(_) => break,
                Ok(taken) => len += taken,
            }
        }
        len
    }

    /// Decrypts some of these bytes. Returns how many.
    fn digest(&mut self, mut bytes: &[u8]) -> Result<usize, &'static str> {
        let taken = match self.connection.read_tls(&mut bytes) {
            Ok(taken @ 1..) => taken,
            _ => return Err("too long a message"),
        };
        let state = self.connection.process_new_packets().map_err(|error| name(&error))?;
        self.peer_closed = state.peer_has_closed();
        Ok(taken)
    }

    /// Records a fault, after which nothing more is read. Only the first one is reported.
    fn fail(&mut self, name: &'static str) {
        self.fault = self.fault.or(Some(Fault { name, handshaking: self.is_handshaking() }));
    }

    fn check_barren(&mut self) {
        if self.barren_bytes > BARREN_BYTES_MAX {
            self.fail("much and no content");
        }
    }

    /// Valid content before a fault counts, even if it arrived together with the fault: a peer that
    /// sends a message and then breaks off has sent it.
    fn end_by(&mut self, fault: Fault, len: usize, came: usize, counters: &mut Snapshot) -> Filled {
        if len > 0 {
            return Filled::Bytes { len, came, more: true };
        }
        self.closed = true;
        counters.handshakes_failed += u64::from(fault.handshaking);
        Filled::Broken(fault.name)
    }
}

/// The kind of a fault, in words that hold nothing of what the peer has sent.
fn name(error: &Error) -> &'static str {
    match error {
        Error::PeerIncompatible(_) => "no version, cipher or key exchange in common",
        Error::NoApplicationProtocol => "no application protocol in common",
        Error::AlertReceived(_) => "the peer refused",
        Error::DecryptError => "bytes that were changed on the way",
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. } => "not TLS, or a message out of place",
        Error::PeerMisbehaved(_) => "a broken implementation",
        Error::PeerSentOversizedRecord => "too large a record",
        _ => "another fault",
    }
}

impl BadPair {
    /// Whether the key is to blame rather than the certificate.
    pub const fn is_about_key(self) -> bool {
        !matches!(self, Self::Certificate)
    }
}

impl fmt::Display for BadPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "holds no certificate that can be read",
            Self::Key => {
                "holds no private key that can be read (one that asks for a pass phrase cannot)"
            }
            Self::Mismatch => "is not the key of the first certificate in TLS_CERT",
        })
    }
}

impl std::error::Error for BadPair {}
