//! Floor 6: sockets, clock and entropy. One thread, one `mio::Poll`, one slab of peers.

mod accept;
mod blocks;
pub mod clock;
mod commands;
mod counters;
mod crowding;
mod ending;
mod entrance;
mod handle;
mod handling;
mod handshakes;
mod inbound;
mod journal;
mod leaving;
mod listening;
mod mail;
mod measure;
mod moving;
mod newcomers;
mod outbound;
mod peer;
mod places;
mod polling;
mod reading;
mod settle;
mod signals;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;
mod transport;
mod turn;
mod waiting;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex};

use mio::net::TcpStream;
use mio::{Events, Poll, Token, Waker};

use crate::admission::Addresses;
use crate::base::arena::{Arena, Key};
use crate::base::bucket::Rate;
use crate::base::deadlines::Deadlines;
use crate::base::limits::Hits;
use crate::base::time::{Duration, Instant};
use crate::connection::{Application, Output, PONG_TIMEOUT};
use crate::engine::{PeerId, Recording};

use accept::Listener;
use blocks::Pool;
use clock::Clock;
pub use commands::Asked;
use commands::Mailbox;
pub use counters::{Counters, Snapshot};
use ending::Ending;
use entrance::Entrance;
pub use handle::Handle;
use handle::{End, Lane, Shared};
use handshakes::Handshakes;
use journal::Records;
pub use journal::{Entry, Journal};
pub use listening::{Inherited, Listening};
use mail::Mail;
use moving::Departure;
use newcomers::Step;
use peer::Peer;
use places::PlaceAskedFor;
pub use signals::outlive_limit_of_files;
pub use tls::{BadPair, Tls};
use transport::Transport;
use waiting::WaitingRoom;

/// The socket settings of a server's reactors. Limits apply to all reactors together.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen.
    pub listening: Listening,
    /// The maximum duration of a graceful shutdown, during which clients are told to come back.
    pub drain: Duration,
    /// The maximum number of connections; one more is answered with 503.
    pub connections_max: usize,
    /// How long a request head may take.
    pub head_timeout: Duration,
    /// Time between pings.
    pub heartbeat: Duration,
    /// How many bytes may wait for a peer that does not read.
    pub send_queue_bytes_max: usize,
    /// How many connections of one address may be sending their request head.
    pub heads_per_address_max: u64,
    /// How many connections are let in per second. The others wait, and the networks that they come
    /// from take turns.
    pub accept_rate: Rate,
    /// How many bytes per second are read from one peer; the others wait in the system's buffers.
    pub bytes_rate: Rate,
    /// The maximum number of bytes for partial heads and messages over all connections, in blocks
    /// of up to twice their size. Connections without a token may use half of it.
    pub cut_bytes_max: usize,
    /// The same for unsent bytes. It is a separate pool, so that a client that sends partial
    /// messages cannot silence the others.
    pub unsent_bytes_max: usize,
    /// What happens before the request.
    pub edge: Edge,
}

/// What happens on a connection before its request: TLS, the PROXY protocol, the check of the
/// address. By default nothing.
#[derive(Clone, Debug, Default)]
pub struct Edge {
    /// The certificate to show; without one, nothing is encrypted.
    pub tls: Option<Tls>,
    /// Whether every connection begins with a header of the PROXY protocol, which only trusted proxies may send.
    pub proxy_protocol: bool,
    /// Which addresses may connect at all. Requests are judged by the application.
    pub addresses: Addresses,
}

/// How long a peer may take to answer our close frame, or to read our last bytes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How many connections over the limit are accepted, only to be told so.
const TURNED_AWAY_MAX: usize = 64;

/// One read: a message of the default limit with its header, so that ordinary reads are whole.
const READ_BYTES: usize = 64 * 1024 + 64;

/// How many bytes of free blocks each pool keeps for reuse. More than that is given back to the
/// system.
const FREE_BLOCKS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The maximum number of socket events per turn. The remaining ones are in the next turn, which
/// follows at once.
const EVENTS_MAX: usize = 64;

/// Up to this number of connections, tables are allocated in advance; beyond it they grow as
/// needed.
const CONNECTIONS_PLANNED_MAX: usize = 131_072;

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
const SIGNALS: Token = Token(2);
const FIRST_PEER: usize = 3;

/// An event loop: owns the sockets, reads the clock, and drives an [`Application`]. A server has
/// one or several.
pub struct Reactor<A> {
    app: A,
    /// Its number among the reactors of the server.
    index: usize,
    options: Options,
    poll: Poll,
    events: Option<Events>,
    signals: Option<signal_hook_mio::v1_0::Signals>,
    on_reload: Option<Box<dyn FnMut() + Send>>,
    listener: Option<Listener>,
    /// Connections that arrived faster than the rate allows.
    waiting: WaitingRoom<(TcpStream, IpAddr)>,
    clock: Clock,
    peers: Arena<Peer>,
    deadlines: Deadlines<4>,
    /// Counts that are shared with the other reactors.
    entrance: Arc<Entrance>,
    mail: Mail,
    /// Blocks for partial messages.
    cut: Pool,
    /// Blocks for unsent bytes.
    unsent: Pool,
    /// One read buffer for all peers: only one can use it at a time.
    read_buffer: Box<[u8]>,
    output: Output,
    lists: Lists,
    /// How many bytes of one peer are handled per turn.
    peer_bytes: usize,
    /// How many bytes of the same read are still unhandled: they probably go to the same peer as the present message.
    ahead: usize,
    /// When the time for newcomers in this turn is over.
    newcomers_until: Instant,
    /// How much time that is.
    newcomers_time: Duration,
    /// What this turn begins with for newcomers.
    next_step: Step,
    records: Records,
    /// The thread that processes TLS handshakes, if the server speaks TLS.
    handshakes: Option<Handshakes>,
    counters: Snapshot,
    /// The limits that the reactor itself keeps.
    hits: Hits,
    shared: Arc<Shared>,
    mailbox: Mailbox,
    /// When the previous turn began.
    measured_at: Option<Instant>,
    stopping: Option<Instant>,
    /// While it stops, how long connections without a request keep it.
    heads_until: Option<Instant>,
}

/// What a reactor shares with the server that it is a part of.
struct Place {
    index: usize,
    poll: Poll,
    listener: Listener,
    mail: Mail,
    mailbox: Mailbox,
    shared: Arc<Shared>,
    entrance: Arc<Entrance>,
}

/// Work of this turn, by peer. A flag in the peer keeps each list free of duplicates.
#[derive(Debug, Default)]
struct Lists {
    /// Peers with unsent bytes, to be flushed at the end of the turn.
    dirty: Vec<Key<Peer>>,
    /// Peers that have used up their bytes for this turn; they continue in the next.
    ready: Vec<Key<Peer>>,
    /// Peers that have sent too much, and when each is read again.
    resting: VecDeque<(Instant, Key<Peer>)>,
    /// Peers that are not in a room yet and have sent something, or have just been let in.
    newcomers: VecDeque<Key<Peer>>,
    /// Peers that do not read what is sent to them.
    overrun: Vec<Key<Peer>>,
    /// WebSockets that take over a session.
    takeovers: Vec<(Key<Peer>, PeerId)>,
    /// Peers that belong to another reactor.
    departures: Vec<Departure>,
    /// Places that other reactors have asked for.
    asked_for: Vec<PlaceAskedFor>,
    /// Peers to be freed at the end of the turn.
    doomed: Vec<Key<Peer>>,
    /// Sockets of freed peers, to be closed.
    parting: VecDeque<Transport>,
}

impl<A: Application> Reactor<A> {
    /// Binds the address and prepares everything, but serves nobody yet.
    pub fn bind(options: Options, app: A) -> io::Result<Self> {
        let reactor = Self::prepare(options, app)?;
        reactor.listen()?;
        Ok(reactor)
    }

    /// The same for several reactors, one for each application, in the same order. They listen on
    /// one address, and each must run on a separate thread. A connection moves to another reactor
    /// if [`Application::home_of_request`] or [`Application::home_of_message`] says so.
    pub fn bind_all(options: Options, apps: Vec<A>) -> io::Result<Vec<Self>> {
        let reactors = Self::prepare_all(options, apps)?;
        reactors.iter().take(1).try_for_each(Self::listen)?;
        Ok(reactors)
    }

    /// As [`bind`](Self::bind), but nobody can connect yet, unless others listen there as well: see [`listen`](Self::listen).
    pub(crate) fn prepare(options: Options, app: A) -> io::Result<Self> {
        let mut alone = Self::prepare_all(options, vec![app])?;
        alone.pop().ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    /// The same for several.
    pub(crate) fn prepare_all(options: Options, apps: Vec<A>) -> io::Result<Vec<Self>> {
        let count = apps.len().max(1);
        let listeners = Listener::bind(&options.listening, count)?;
        let local_addr = listeners.first().map_or_else(nowhere, Listener::local_addr)?;
        if let Some(listener) = listeners.first() {
            listener.reserve_descriptors(options.connections_max.min(CONNECTIONS_PLANNED_MAX));
        }
        let polls = (0..count).map(|_| Poll::new()).collect::<io::Result<Vec<_>>>()?;
        let (letters, mailboxes): (Vec<_>, Vec<_>) = (0..count).map(|_| Mailbox::new()).unzip();
        let lane = |(poll, letters): (&Poll, _)| {
            let waker = Waker::new(poll.registry(), WAKER)?;
            Ok(Lane {
                waker,
                tls: Mutex::new(None),
                rules: Mutex::new(None),
                counters: Counters::default(),
                letters,
            })
        };
        let shared = Arc::new(Shared {
            lanes: polls.iter().zip(letters).map(lane).collect::<io::Result<_>>()?,
            stop: AtomicBool::new(false),
            signals: AtomicU32::new(0),
            ending: Ending::of(count),
            reload: AtomicBool::new(false),
            local_addr,
        });
        let entrance = Arc::new(Entrance::default());
        let options = Options {
            cut_bytes_max: options.cut_bytes_max / count,
            unsent_bytes_max: options.unsent_bytes_max / count,
            ..options
        };
        let mail = Mail::between(count).into_iter().zip(mailboxes);
        let places = polls.into_iter().zip(listeners).zip(mail).enumerate();
        let places = places.map(|(index, ((poll, mut listener), (mail, mailbox)))| {
            listener.register(poll.registry(), LISTENER)?;
            let (shared, entrance) = (Arc::clone(&shared), Arc::clone(&entrance));
            Ok(Place { index, poll, listener, mail, mailbox, shared, entrance })
        });
        let reactor = |(app, place): (A, io::Result<Place>)| Self::new(app, &options, place?);
        apps.into_iter().zip(places).map(reactor).collect()
    }

    fn new(app: A, options: &Options, place: Place) -> io::Result<Self> {
        // The system provides memory only as it is used. A table that is large from the start need
        // not be moved to grow.
        let planned = options.connections_max.min(CONNECTIONS_PLANNED_MAX);
        let start = || Handshakes::start(place.index, &place.shared);
        let handshakes = options.edge.tls.as_ref().map(|_| start()).transpose()?;
        Ok(Self {
            app,
            index: place.index,
            poll: place.poll,
            events: Some(Events::with_capacity(EVENTS_MAX)),
            signals: None,
            on_reload: None,
            listener: Some(place.listener),
            waiting: WaitingRoom::default(),
            clock: Clock::new(),
            peers: Arena::with_capacity(planned),
            deadlines: Deadlines::with_capacity(
                [
                    options.head_timeout,
                    // A duration of zero would be due again at once, for ever.
                    options.heartbeat.max(Duration::from_millis(1)),
                    CLOSE_TIMEOUT,
                    PONG_TIMEOUT,
                ],
                planned,
            ),
            entrance: place.entrance,
            mail: place.mail,
            cut: Pool::new(options.cut_bytes_max, FREE_BLOCKS_BYTES_MAX),
            unsent: Pool::new(options.unsent_bytes_max, FREE_BLOCKS_BYTES_MAX),
            read_buffer: vec![0; READ_BYTES].into_boxed_slice(),
            output: Output::default(),
            lists: Lists::default(),
            peer_bytes: 0,
            ahead: 0,
            newcomers_until: Instant::default(),
            newcomers_time: Duration::default(),
            next_step: Step::default(),
            records: Records::default(),
            handshakes,
            counters: Snapshot::default(),
            hits: Hits::NONE,
            mailbox: place.mailbox,
            measured_at: None,
            shared: place.shared,
            stopping: None,
            heads_until: None,
            options: options.clone(),
        })
    }

    /// From now on somebody can connect, and waits until the reactor runs. One speaks for all of a server.
    pub(crate) fn listen(&self) -> io::Result<()> {
        self.listener.as_ref().map_or(Ok(()), |listener| listener.start(&self.options.listening))
    }

    /// A handle for other threads.
    pub fn handle(&self) -> Handle {
        Handle { shared: Arc::clone(&self.shared) }
    }

    /// Sets what SIGHUP and [`Handle::reload`] call. The call happens between two packets of a
    /// medical call: it must return at once, and leave the reading to another thread.
    pub fn on_reload(&mut self, reload: impl FnMut() + Send + 'static) {
        self.on_reload = Some(Box::new(reload));
    }

    /// The application that it drives.
    pub fn app_mut(&mut self) -> &mut A {
        &mut self.app
    }

    /// Writes an audit log from now on.
    pub fn keep_journal(&mut self, journal: Box<dyn Journal>) {
        self.records = Records::new(journal);
        self.app.set_recording(Recording::Available);
    }

    /// Lets SIGTERM and SIGINT shut the reactor down (a second one ends it at once), and SIGHUP reload.
    pub fn watch_signals(&mut self) -> io::Result<()> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let mut signals = signal_hook_mio::v1_0::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        self.poll.registry().register(&mut signals, SIGNALS, mio::Interest::READABLE)?;
        self.signals = Some(signals);
        Ok(())
    }

    /// Serves until it is told to stop. If it ends for another reason, including a panic, the other
    /// reactors of the server stop.
    pub fn run(mut self) -> io::Result<()> {
        let _end = End { shared: Arc::clone(&self.shared), index: self.index };
        let ended = loop {
            match self.turn() {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        while self.close_socket() {}
        self.dismiss_waiting();
        self.receive_last();
        ended
    }
}

fn nowhere() -> io::Result<SocketAddr> {
    Err(io::ErrorKind::InvalidInput.into())
}

fn peer_token(key: Key<Peer>) -> Token {
    Token(((key.generation() as usize) << 32) | (key.index() as usize + FIRST_PEER))
}

fn peer_key(token: Token) -> Key<Peer> {
    Key::from_parts((token.0 as u32).wrapping_sub(FIRST_PEER as u32), (token.0 >> 32) as u32)
}

fn peer_id(key: Key<Peer>) -> PeerId {
    PeerId { index: key.index(), generation: key.generation() }
}

fn peer_key_of(id: PeerId) -> Key<Peer> {
    Key::from_parts(id.index, id.generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_carry_index_and_generation() {
        for key in [Key::from_parts(0, 0), Key::from_parts(70_000, u32::MAX)] {
            assert_eq!(peer_key(peer_token(key)), key);
            assert_eq!(peer_key_of(peer_id(key)), key);
        }
    }
}
