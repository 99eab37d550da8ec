//! A socket, with or without TLS.

use std::io::{self, Read, Write};
use std::mem;
use std::net::{Shutdown, SocketAddr};

use mio::net::TcpStream;
use rustls::ClientConnection;

/// A connection to the server that does not block.
pub struct Link {
    pub stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// Bytes to be sent.
    pub out: Vec<u8>,
    /// Bytes that were received but not examined.
    pub unread: Vec<u8>,
    /// Bytes on the socket, including TLS, since the last query.
    traffic: Traffic,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    pub received: u64,
    pub sent: u64,
}

impl Link {
    pub fn connect(address: SocketAddr, tls: Option<ClientConnection>) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        let (out, unread) = (Vec::new(), Vec::new());
        Ok(Self { stream, tls: tls.map(Box::new), out, unread, traffic: Traffic::default() })
    }

    /// Reads everything available. Returns whether more may come.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        loop {
            let len = match self.stream.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.traffic.received += len as u64;
            let bytes = &buffer[..len];
            match &mut self.tls {
                None => self.unread.extend_from_slice(bytes),
                Some(tls) => decrypt(tls, bytes, &mut self.unread)?,
            }
        }
    }

    /// Sends as much as the kernel accepts.
    pub fn flush(&mut self) -> io::Result<()> {
        let result = match &mut self.tls {
            None => send(&mut self.stream, &mut self.out, &mut self.traffic),
            Some(tls) => send_tls(tls, &mut self.stream, &mut self.out, &mut self.traffic),
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            // Not connected yet.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            other => other,
        }
    }

    /// Whether the kernel has accepted everything.
    pub fn is_flushed(&self) -> bool {
        self.out.is_empty() && self.tls.as_ref().is_none_or(|tls| !tls.wants_write())
    }

    /// Sends nothing more, as if the network had failed, but everything sent before still arrives.
    pub fn cut(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    pub fn take_traffic(&mut self) -> Traffic {
        mem::take(&mut self.traffic)
    }
}

fn decrypt(tls: &mut ClientConnection, mut bytes: &[u8], unread: &mut Vec<u8>) -> io::Result<()> {
    while !bytes.is_empty() {
        tls.read_tls(&mut bytes)?;
        tls.process_new_packets().map_err(io::Error::other)?;
        match tls.reader().read_to_end(unread) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn send(stream: &mut TcpStream, out: &mut Vec<u8>, traffic: &mut Traffic) -> io::Result<()> {
    while !out.is_empty() {
        let len = stream.write(out)?;
        traffic.sent += len as u64;
        out.drain(..len);
    }
    Ok(())
}

fn send_tls(
    tls: &mut ClientConnection,
    stream: &mut TcpStream,
    out: &mut Vec<u8>,
    traffic: &mut Traffic,
) -> io::Result<()> {
    while !out.is_empty() || tls.wants_write() {
        if !out.is_empty() {
            let len = tls.writer().write(out)?;
            out.drain(..len);
        }
        while tls.wants_write() {
            traffic.sent += tls.write_tls(stream)? as u64;
        }
        if tls.is_handshaking() {
            // The bytes are sent after the handshake.
            return Ok(());
        }
    }
    Ok(())
}
