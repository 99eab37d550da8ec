//! A socket with or without TLS, like the server's, so that a test need not know.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::Deref;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// Where a server listens, and how one speaks with it. An address alone is spoken with plainly.
#[derive(Clone, Debug)]
pub struct Door {
    pub address: SocketAddr,
    pub tls: Option<Arc<ClientConfig>>,
}

/// One end of a connection.
pub struct Wire {
    tcp: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Door {
    /// Speaks TLS where there is a configuration for it.
    pub const fn new(address: SocketAddr, tls: Option<Arc<ClientConfig>>) -> Self {
        Self { address, tls }
    }

    /// Speaks through a connection that stands.
    pub fn over(&self, tcp: TcpStream) -> Wire {
        let tls = self.tls.as_ref().map(|config| {
            let name = ServerName::try_from("localhost").expect("a name");
            Box::new(ClientConnection::new(Arc::clone(config), name).expect("a client"))
        });
        Wire { tcp, tls }
    }
}

impl From<SocketAddr> for Door {
    fn from(address: SocketAddr) -> Self {
        Self::new(address, None)
    }
}

impl From<&super::TestServer> for Door {
    fn from(server: &super::TestServer) -> Self {
        server.door()
    }
}

impl Wire {
    /// The connection below, without what TLS knows of it.
    pub fn into_tcp(self) -> TcpStream {
        self.tcp
    }

    /// Nothing more comes: TLS says so first (RFC 8446 6.1).
    pub fn half_close(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            send(tls, &mut self.tcp)?;
        }
        self.tcp.shutdown(Shutdown::Write)
    }
}

/// What waits goes out, as much of it as there is in one write.
fn send(tls: &mut ClientConnection, tcp: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(tcp)?;
    }
    Ok(())
}

/// Reads once, and makes of it what it is; `false`: the connection has ended.
fn receive(tls: &mut ClientConnection, tcp: &mut TcpStream) -> io::Result<bool> {
    let came = tls.read_tls(tcp)? > 0;
    tls.process_new_packets().map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
    Ok(came)
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.tcp.read(buffer) };
        loop {
            send(tls, &mut self.tcp)?;
            match tls.reader().read(buffer) {
                // Nothing is there yet.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => return other,
            }
            if !receive(tls, &mut self.tcp)? && !tls.wants_write() {
                return match tls.reader().read(buffer) {
                    // An end without a word: whoever reads tells from the frames whether it came at a good place.
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
                    other => other,
                };
            }
        }
    }
}

impl Write for Wire {
    /// All that is given leaves in one write of the socket where it can. An error of the kind of a timeout says that what was
    /// taken before has not left yet.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.tcp.write(bytes) };
        while tls.is_handshaking() {
            send(tls, &mut self.tcp)?;
            if tls.is_handshaking() && !receive(tls, &mut self.tcp)? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        send(tls, &mut self.tcp)?;
        tls.set_buffer_limit(None);
        let len = tls.writer().write(bytes)?;
        match send(tls, &mut self.tcp) {
            Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(error)
            }
            _ => Ok(len),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => send(tls, &mut self.tcp),
            None => self.tcp.flush(),
        }
    }
}

/// Timeouts, addresses and such are those of the connection below.
impl Deref for Wire {
    type Target = TcpStream;

    fn deref(&self) -> &TcpStream {
        &self.tcp
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, TLS: {}", self.tcp, self.tls.is_some())
    }
}
