//! The listening socket: accepts newcomers at a bounded rate.

use std::io::{self, Read, Write};
use std::iter;
use std::net::{IpAddr, SocketAddr};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use socket2::{Domain, SockRef, Socket, Type};

use super::Listening;
use crate::admission::door::Refusal;
use crate::base::bucket::{Bucket, Rate};
use crate::base::time::{Duration, Instant, Now};
use crate::service::process;

/// How many connections are accepted in one turn, so that newcomers cannot starve those in a call.
pub(super) const BATCH: usize = 64;

/// How many times the accept rate is accepted per second, to wait here for their turn. The rest of
/// a flood stays in the system's queue: accepted as fast as it arrives, it would take up a whole
/// processor.
const TIMES: u64 = 5;

/// The minimum of that, if the accept rate is low. So a client behind a flood in the system's
/// queue, which holds 4,096, waits for less than a second.
const ACCEPTS_MIN: u64 = 5_000;

/// How long accepting pauses when the process has no file descriptor left, unless a connection
/// closes earlier.
const PAUSE: Duration = Duration::from_millis(500);

/// The listening socket, and what is known about its queue.
#[derive(Debug)]
pub(super) struct Listener {
    socket: TcpListener,
    /// The queue may not be empty: mio tells only once.
    pending: bool,
    paused_until: Option<Instant>,
    /// How many may still be accepted to wait.
    accepts: Bucket,
    put_off_until: Option<Instant>,
    /// Whether all that it accepts have inherited TCP_NODELAY: see [`Listening::open`].
    hands_down: bool,
    /// Given up to answer one newcomer when there is no file descriptor left.
    reserve: Option<Socket>,
}

/// The result of a look at the queue.
#[derive(Debug)]
pub(super) enum Accepted {
    Socket(TcpStream, IpAddr),
    /// The queue is empty.
    Nobody,
    /// No file descriptor or memory for another one: try later.
    Exhausted(io::Error),
}

impl Listener {
    /// Takes the address for `count` reactors. All share one queue, so that no connection is left in the
    /// queue of a busy reactor while another one has time.
    pub(super) fn bind(listening: &Listening, count: usize) -> io::Result<Vec<Self>> {
        let socket = listening.open()?;
        let copies = (1..count).map(|_| socket.try_clone()).collect::<io::Result<Vec<_>>>()?;
        Ok(iter::once(socket).chain(copies).map(|socket| Self::new(socket, listening)).collect())
    }

    /// From now on somebody can connect, to this one and its copies.
    pub(super) fn start(&self, listening: &Listening) -> io::Result<()> {
        listening.start(SockRef::from(&self.socket))
    }

    fn new(socket: Socket, listening: &Listening) -> Self {
        Self {
            socket: TcpListener::from_std(socket.into()),
            pending: true,
            paused_until: None,
            accepts: Bucket::default(),
            put_off_until: None,
            // Those that were already in its queue have inherited nothing.
            hands_down: !matches!(listening, Listening::Inherited(_)),
            reserve: open_reserve(),
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE)
    }

    pub(super) fn deregister(&mut self, registry: &Registry) {
        // It fails only where it is not there.
        let _ = registry.deregister(&mut self.socket);
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Has the system make room for the descriptors of this many connections.
    pub(super) fn reserve_descriptors(&self, count: usize) {
        process::reserve_descriptors(&self.socket, count);
    }

    /// mio reports that the queue is not empty.
    pub(super) fn knocked(&mut self) {
        self.pending = true;
    }

    /// Whether to look at the queue now.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        let pauses = [self.paused_until, self.put_off_until];
        self.pending && pauses.into_iter().flatten().all(|until| until <= now)
    }

    /// When a pause ends, if one is still running.
    pub(super) fn resumes_at(&self, now: Instant) -> Option<Instant> {
        self.paused_until.max(self.put_off_until).filter(|until| self.pending && *until > now)
    }

    /// A connection was closed: there is a file descriptor again.
    pub(super) fn resume(&mut self) {
        self.paused_until = None;
    }

    /// Whether one more connection may be accepted to wait. If not, it stays in the system's queue
    /// for a moment.
    pub(super) fn takes_one_to_wait(&mut self, accept_rate: &Rate, now: Instant) -> bool {
        let most = accept_rate.per_second.max(ACCEPTS_MIN / TIMES).saturating_mul(TIMES);
        let rate = Rate { per_second: most, burst: BATCH as u64 };
        let takes = self.accepts.take(1, &rate, now);
        if !takes {
            self.put_off_until = Some(now + self.accepts.time_until(BATCH as u64 / 2, &rate, now));
        }
        takes
    }

    pub(super) fn accept(&mut self) -> Accepted {
        loop {
            return match self.socket.accept() {
                // The newcomer left before its turn.
                Ok((socket, _)) if !self.hands_down && socket.set_nodelay(true).is_err() => {
                    continue;
                }
                Ok((socket, from)) => Accepted::Socket(socket, from.ip().to_canonical()),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        self.pending = false;
                        Accepted::Nobody
                    }
                    // The newcomer left before its turn.
                    io::ErrorKind::Interrupted
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::ConnectionReset => continue,
                    _ => Accepted::Exhausted(error),
                },
            };
        }
    }

    /// Stops accepting for a while. The reserved descriptor serves to tell one of the waiting
    /// clients; the others stay in the queue. A client that expects TLS is not told, since that
    /// would be in the clear.
    pub(super) fn pause(&mut self, now: Now, tls: bool) {
        self.paused_until = Some(now.instant + PAUSE);
        if self.reserve.take().is_some()
            && let Ok((mut socket, _)) = self.socket.accept()
            && !tls
        {
            turn_away(&mut socket, Refusal::Full, now);
        }
        self.reserve = open_reserve();
    }
}

/// Sends a refusal, as a best effort: an empty socket buffer takes the answer, and the socket is
/// closed either way.
pub(super) fn turn_away(socket: &mut TcpStream, refusal: Refusal, now: Now) {
    // Unread input must be gone when the socket is closed: a reset would overtake the answer.
    match socket.read(&mut [0; 4_096]) {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => return, // It has gone.
        _ => {}
    }
    let mut answer = Vec::new();
    refusal.write(&mut answer, now.wall, false);
    let _ = socket.write(&answer);
}

/// A descriptor that can be spared: a socket that is never used.
fn open_reserve() -> Option<Socket> {
    Socket::new(Domain::IPV4, Type::STREAM, None).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_times_as_many_are_accepted_to_wait_as_may_come_in_and_some_thousands_at_least() {
        for (may_come_in, accepted) in [(40, 5_000), (1_000, 5_000), (10_000, 50_000)] {
            let alone = Listening::Alone(SocketAddr::from(([127, 0, 0, 1], 0)));
            let mut listener = Listener::bind(&alone, 1).expect("a port").remove(0);
            let rate = Rate { per_second: may_come_in, burst: may_come_in };
            let mut now = Now::default().instant;
            let end = now + Duration::from_secs(1);
            let mut count = 0;
            while now < end {
                count +=
                    std::iter::from_fn(|| listener.takes_one_to_wait(&rate, now).then_some(()))
                        .count();
                assert!(!listener.is_ready(now), "it is put off");
                now = listener.resumes_at(now).expect("not for ever");
            }
            let most = accepted + BATCH;
            assert!((accepted..=most).contains(&count), "{may_come_in}: {count}");
        }
    }

    #[test]
    fn what_is_sent_on_an_accepted_socket_does_not_wait_for_answers() {
        let inherited = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = inherited.local_addr().expect("an address");
        let _queued = std::net::TcpStream::connect(address).expect("it listens");
        let inherited = Listening::Inherited(super::super::Inherited(inherited.into()));
        for listening in [Listening::Alone(SocketAddr::from(([127, 0, 0, 1], 0))), inherited] {
            let mut listener = Listener::bind(&listening, 1).expect("a port").remove(0);
            listener.start(&listening).expect("it listens");
            let address = listener.local_addr().expect("an address");
            let _client = std::net::TcpStream::connect(address).expect("it listens");
            let Accepted::Socket(socket, _) = listener.accept() else { panic!("a connection") };
            assert!(socket.nodelay().expect("a socket"), "{listening:?}");
        }
    }

    #[test]
    fn a_pause_that_is_over_wakes_nobody() {
        let alone = Listening::Alone(SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut listener = Listener::bind(&alone, 1).expect("a port").remove(0);
        let start = Now::default();
        assert!(listener.is_ready(start.instant));
        listener.pause(start, false);
        let end = start.instant + PAUSE;
        assert_eq!(
            (listener.is_ready(start.instant), listener.resumes_at(start.instant)),
            (false, Some(end))
        );
        // Also where the reactor does not accept then, being full: it would turn and turn.
        assert_eq!((listener.is_ready(end), listener.resumes_at(end)), (true, None));
        listener.pause(start, false);
        listener.resume();
        assert_eq!(
            (listener.is_ready(start.instant), listener.resumes_at(start.instant)),
            (true, None)
        );
    }
}
