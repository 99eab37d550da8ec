//! A request and its response: over datagrams that are repeated until they are answered, or over a
//! stream.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time;

use crate::base::time::{Duration, Instant};
use crate::wire::ice_url::Transport;
use crate::wire::stun::{self, Class, Frame, Message};

/// How long to wait for an answer before a datagram is sent again. The time doubles with each
/// attempt (RFC 8489 6.2.1).
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The maximum length of an answer.
const ANSWER_BYTES_MAX: usize = 4_096;

/// Why no answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Nothing came in time.
    TimedOut,
    /// The machine exists, but nothing listens on that port.
    NobodyListens,
    /// The connection was closed before an answer, or the answer was not STUN.
    NotStun,
    /// Another error of the system, for example that there is no route.
    Unreachable(io::ErrorKind),
}

/// A connection to one server, with a deadline for everything.
pub struct Channel<'a> {
    socket: Socket,
    until: Instant,
    now: &'a dyn Fn() -> Instant,
}

enum Socket {
    Datagrams(UdpSocket),
    Stream(TcpStream),
}

impl<'a> Channel<'a> {
    /// Opens a connection to `address` that lasts for `patience`.
    ///
    /// # Errors
    ///
    /// [`Silence`] if that fails.
    pub fn open(
        address: SocketAddr,
        transport: Transport,
        patience: Duration,
        now: &'a dyn Fn() -> Instant,
    ) -> Result<Self, Silence> {
        let until = now() + patience;
        let socket = match transport {
            Transport::Udp => Socket::Datagrams(connected_datagrams(address)?),
            Transport::Tcp => {
                Socket::Stream(TcpStream::connect_timeout(&address, std_time(patience))?)
            }
        };
        Ok(Self { socket, until, now })
    }

    /// Sends a STUN request, and returns the complete message that answers it.
    ///
    /// # Errors
    ///
    /// [`Silence`] if no answer comes.
    pub fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, Silence> {
        match &mut self.socket {
            Socket::Datagrams(socket) => {
                let answers = |bytes: &[u8]| answers(request, bytes).then(|| bytes.to_vec());
                ask_datagrams(socket, request, answers, self.until, self.now)
            }
            Socket::Stream(stream) => ask_stream(stream, request, self.until, self.now),
        }
    }
}

/// A socket that receives only from `address`, and is told if nothing listens there.
pub(super) fn connected_datagrams(address: SocketAddr) -> Result<UdpSocket, Silence> {
    let socket = match address {
        SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?,
        SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?,
    };
    socket.connect(address)?;
    Ok(socket)
}

/// Sends a datagram repeatedly, until `read` returns a value for a datagram that comes back.
/// Datagrams for which it returns none are not for us, or forged, and are ignored (RFC 8489 6.3).
pub(super) fn ask_datagrams<T>(
    socket: &UdpSocket,
    request: &[u8],
    read: impl Fn(&[u8]) -> Option<T>,
    until: Instant,
    now: &dyn Fn() -> Instant,
) -> Result<T, Silence> {
    let mut buffer = [0; ANSWER_BYTES_MAX];
    let mut wait = FIRST_WAIT;
    loop {
        socket.send(request)?;
        let again_at = (now() + wait).min(until);
        while let Some(left) = left(again_at, now) {
            socket.set_read_timeout(Some(left))?;
            let length = match socket.recv(&mut buffer) {
                Ok(length) => length,
                Err(error) if is_timeout(&error) => break,
                // A signal, or the process was stopped for a while: wait for the remaining time.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            if let Some(answer) = read(&buffer[..length]) {
                return Ok(answer);
            }
        }
        if left(until, now).is_none() {
            return Err(Silence::TimedOut);
        }
        wait = Duration::from_micros(wait.as_micros() * 2);
    }
}

fn ask_stream(
    stream: &mut TcpStream,
    request: &[u8],
    until: Instant,
    now: &dyn Fn() -> Instant,
) -> Result<Vec<u8>, Silence> {
    stream.set_write_timeout(Some(left(until, now).ok_or(Silence::TimedOut)?))?;
    stream.write_all(request)?;
    let mut received = Vec::new();
    let mut buffer = [0; ANSWER_BYTES_MAX];
    loop {
        match stun::frame(&received) {
            Frame::Whole(length) => {
                let answer: Vec<u8> = received.drain(..length).collect();
                if answers(request, &answer) {
                    return Ok(answer);
                }
            }
            Frame::More if received.len() <= ANSWER_BYTES_MAX => {
                stream.set_read_timeout(Some(left(until, now).ok_or(Silence::TimedOut)?))?;
                match stream.read(&mut buffer) {
                    Ok(0) => return Err(Silence::NotStun),
                    Ok(length) => received.extend_from_slice(&buffer[..length]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Frame::More | Frame::Broken => return Err(Silence::NotStun),
        }
    }
}

/// Whether these bytes are the answer to that request.
fn answers(request: &[u8], bytes: &[u8]) -> bool {
    let (Ok(request), Ok(answer)) = (Message::parse(request), Message::parse(bytes)) else {
        return false;
    };
    let is_answer = matches!(answer.class(), Class::Success | Class::Error);
    is_answer
        && answer.method() == request.method()
        && answer.transaction() == request.transaction()
        && answer.has_fingerprint() != Some(false)
}

/// The time until the deadline, if any is left. A socket does not accept a timeout of zero.
fn left(until: Instant, now: &dyn Fn() -> Instant) -> Option<time::Duration> {
    let left = std_time(until.since(now()));
    (!left.is_zero()).then_some(left)
}

fn std_time(duration: Duration) -> time::Duration {
    time::Duration::from_micros(duration.as_micros())
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

impl From<io::Error> for Silence {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            _ if is_timeout(&error) => Self::TimedOut,
            io::ErrorKind::ConnectionRefused => Self::NobodyListens,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Self::NotStun,
            kind => Self::Unreachable(kind),
        }
    }
}
