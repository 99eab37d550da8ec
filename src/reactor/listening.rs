//! Where a server listens: on an address of its own, on one that it shares with its successor, or
//! on a socket that was handed to it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// How many connections may wait to be accepted: a hospital whose clients all reconnect at once.
const BACKLOG: i32 = 4_096;

/// Where to listen.
#[derive(Clone, Debug)]
pub enum Listening {
    /// At this address, which nobody else may use. Port 0 takes any free port.
    Alone(SocketAddr),
    /// At this address, which another process of the same user may share (`SO_REUSEPORT`,
    /// socket(7)).
    Shared(SocketAddr),
    /// On a socket that another process has opened, and keeps for the next server.
    Inherited(Inherited),
}

/// A socket that is already listening.
#[derive(Clone, Debug)]
pub struct Inherited(pub(super) Arc<TcpListener>);

impl Inherited {
    /// The socket that systemd, or a compatible supervisor, has handed to this process:
    /// `LISTEN_PID`, `LISTEN_FDS` (sd_listen_fds(3)). `None` if there is none. Call it before there
    /// are other threads.
    ///
    /// # Errors
    /// If there are several, or it is not a listening TCP socket.
    pub fn from_environment() -> io::Result<Option<Self>> {
        let mut handed = ListenFd::from_env();
        if handed.len() > 1 {
            let what = "more than one socket was handed over (LISTEN_FDS), and one is served";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let listener = handed.take_tcp_listener(0)?;
        Ok(listener.map(|listener| Self(Arc::new(listener))))
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Listening {
    /// Whether others continue to listen there when this server has stopped.
    pub(super) const fn goes_on(&self) -> bool {
        matches!(self, Self::Shared(_) | Self::Inherited(_))
    }

    /// Whether the next server has a queue of its own there.
    pub(super) const fn is_shared(&self) -> bool {
        matches!(self, Self::Shared(_))
    }

    /// The socket. Only a shared or inherited one is already listening: see [`start`](Self::start).
    pub(super) fn open(&self) -> io::Result<Socket> {
        let (address, shared) = match self {
            Self::Inherited(inherited) => {
                let socket = Socket::from(inherited.0.try_clone()?);
                socket.set_nonblocking(true)?;
                return Ok(socket);
            }
            Self::Alone(address) => (*address, false),
            Self::Shared(address) => (*address, true),
        };
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A restart must not wait for the sockets of the last run.
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(shared)?;
        socket.set_nonblocking(true)?;
        // Small messages must not wait for the answer to earlier ones. On Linux, accepted sockets
        // inherit this.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&address.into())?;
        if shared {
            // The server that shares the address may be asked to leave before this one is ready.
            // Clients must not be refused meanwhile.
            socket.listen(BACKLOG)?;
        }
        Ok(socket)
    }

    /// Starts to listen: clients can connect from now on.
    pub(super) fn start(&self, socket: SockRef<'_>) -> io::Result<()> {
        match self {
            Self::Alone(_) => socket.listen(BACKLOG),
            Self::Shared(_) | Self::Inherited(_) => Ok(()),
        }
    }
}
