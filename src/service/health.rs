//! Asks a running server on this machine whether it is healthy (the command `healthcheck`).

#[cfg(feature = "tls")]
mod anybody;
#[cfg(feature = "tls")]
mod tls;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time;

use crate::base::redacted::Redacted;
use crate::base::time::Duration;

/// The timeout for each step: connecting, writing, reading.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// The length of `HTTP/1.1 200`.
const STATUS_BYTES: usize = 12;

/// Where and how to ask for `GET /health`.
#[derive(Clone, Debug)]
pub struct Question {
    /// Where the server listens.
    pub address: SocketAddr,
    /// The administrator's token to present; empty for none.
    pub token: Redacted<Vec<u8>>,
    /// Whether a PROXY header must be sent first.
    pub proxy_header: bool,
    /// Whether the server uses TLS there.
    pub tls: bool,
}

/// Why there is no status.
#[derive(Debug)]
pub enum Silence {
    /// Nobody listens there.
    NobodyListens,
    /// It took too long.
    TimedOut,
    /// The connection was closed before an answer.
    Closed,
    /// The answer is not HTTP, or not TLS.
    Senseless,
    /// Another error of the system.
    Failed(io::Error),
}

/// The status code of the answer.
///
/// # Errors
/// [`Silence`] if there is none.
pub fn ask(question: &Question) -> Result<u16, Silence> {
    let patience = time::Duration::from_micros(PATIENCE.as_micros());
    let mut stream = TcpStream::connect_timeout(&question.address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    if question.proxy_header {
        stream.write_all(b"PROXY UNKNOWN\r\n")?;
    }
    let request = request(question);
    if question.tls { over_tls(stream, &request) } else { exchange(&mut stream, &request) }
}

#[cfg(feature = "tls")]
fn over_tls(stream: TcpStream, request: &[u8]) -> Result<u16, Silence> {
    exchange(&mut tls::client(stream)?, request)
}

#[cfg(not(feature = "tls"))]
fn over_tls(_stream: TcpStream, _request: &[u8]) -> Result<u16, Silence> {
    Err(Silence::Failed(io::ErrorKind::Unsupported.into()))
}

fn request(question: &Question) -> Vec<u8> {
    let mut request = format!("GET /health HTTP/1.1\r\nHost: {}\r\n", question.address);
    request.push_str("Connection: close\r\n");
    let mut request = request.into_bytes();
    let token = question.token.reveal();
    if !token.is_empty() {
        request.extend_from_slice(b"Authorization: Bearer ");
        request.extend_from_slice(token);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    request
}

fn exchange(stream: &mut (impl Read + Write), request: &[u8]) -> Result<u16, Silence> {
    stream.write_all(request)?;
    stream.flush()?;
    let mut head = [0; STATUS_BYTES];
    stream.read_exact(&mut head)?;
    status(&head).ok_or(Silence::Senseless)
}

fn status(head: &[u8; STATUS_BYTES]) -> Option<u16> {
    let text = std::str::from_utf8(head).ok()?;
    text.strip_prefix("HTTP/1.1 ")?.parse().ok()
}

impl From<io::Error> for Silence {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::NobodyListens,
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Self::TimedOut,
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => Self::Closed,
            io::ErrorKind::InvalidData => Self::Senseless,
            _ => Self::Failed(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_of_what_is_http_and_of_nothing_else() {
        assert_eq!(status(b"HTTP/1.1 200"), Some(200));
        assert_eq!(status(b"HTTP/1.1 503"), Some(503));
        for senseless in [b"HTTP/1.1 2x0", b"SSH-2.0-Open", b"\x15\x03\x03\0\x02\x02\x46\0\0\0\0\0"]
        {
            assert_eq!(status(senseless), None);
        }
    }
}
