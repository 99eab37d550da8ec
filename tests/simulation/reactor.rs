//! The reactor without its operating system. The simulation provides the events of a poll; the path
//! of a message, the buffers and queues, and everything else in a turn are the real files.

#[path = "../../src/reactor/blocks.rs"]
#[allow(dead_code, reason = "the real file serves the real reactor too")]
mod blocks;
#[path = "../../src/reactor/counters.rs"]
#[allow(dead_code, reason = "the real file serves the real reactor too")]
mod counters;
#[path = "../../src/reactor/crowding.rs"]
mod crowding;
#[path = "../../src/reactor/entrance.rs"]
#[allow(dead_code, reason = "nobody waits at the door of a simulation, and there is one loop")]
mod entrance;
#[path = "../../src/reactor/handling.rs"]
mod handling;
#[path = "../../src/reactor/inbound.rs"]
#[allow(dead_code, reason = "there is one loop, and nobody goes to another")]
mod inbound;
#[path = "../../src/reactor/journal.rs"]
#[allow(dead_code, reason = "the real file serves the real reactor too")]
mod journal;
#[path = "../../src/reactor/newcomers.rs"]
mod newcomers;
#[path = "../../src/reactor/outbound.rs"]
#[allow(dead_code, reason = "there is one loop, and nobody goes to another")]
mod outbound;
#[path = "peer.rs"]
mod peer;
#[path = "polling.rs"]
mod polling;
#[path = "../../src/reactor/reading.rs"]
mod reading;
#[path = "../../src/reactor/settle.rs"]
mod settle;

use std::collections::VecDeque;
use std::net::IpAddr;

use autamedica_signaling::admission::door::Refusal;
use autamedica_signaling::admission::gate::Network;
use autamedica_signaling::base::arena::{Arena, Key};
use autamedica_signaling::base::bucket::Rate;
use autamedica_signaling::base::deadlines::Deadlines;
use autamedica_signaling::base::limits::Hits;
use autamedica_signaling::base::time::{Duration, Instant, Now};
use autamedica_signaling::connection::{
    Application, Arrival, Connection, Message, Output, PONG_TIMEOUT, Wait,
};
use autamedica_signaling::engine::{PeerId, Recording};

use super::link::Socket;
use super::random::Random;
use blocks::Pool;
pub use counters::Snapshot;
use entrance::{Counted, Entrance};
use journal::Records;
pub use journal::{Entry, Journal};
use newcomers::Step;
use peer::Peer;

/// What the real reactor's options say of one connection and of all.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many connections there may be; one more is answered with 503.
    pub connections_max: usize,
    /// How long a request head may take.
    pub head_timeout: Duration,
    /// Time between pings.
    pub heartbeat: Duration,
    /// How many bytes may wait for a peer that does not read.
    pub send_queue_bytes_max: usize,
    /// How many bytes of one peer are read a second.
    pub bytes_rate: Rate,
    /// How many bytes of cut messages there may be, over all connections.
    pub cut_bytes_max: usize,
    /// How many bytes of messages on their way out there may be, over all connections.
    pub unsent_bytes_max: usize,
    /// How large the shared read buffer is.
    pub read_bytes: usize,
}

/// How long a peer may take to answer our close frame, or to read our last bytes.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How many connections over the limit are accepted, to be told so.
pub const TURNED_AWAY_MAX: usize = 64;

/// No turn has time for as many newcomers.
const NEWCOMERS_END: u64 = 8;

/// The loop, told by the simulation what a poll would have told it.
pub struct Reactor<A> {
    /// What it serves.
    pub app: A,
    options: Options,
    peers: Arena<Peer>,
    deadlines: Deadlines<4>,
    entrance: Entrance,
    cut: Pool,
    unsent: Pool,
    read_buffer: Box<[u8]>,
    output: Output,
    lists: Lists,
    peer_bytes: usize,
    ahead: usize,
    /// How many more newcomers there is time for in this turn.
    newcomers_left: u64,
    next_step: Step,
    records: Records,
    counters: Snapshot,
    hits: Hits,
    news: Vec<(Key<Peer>, News)>,
}

/// What a poll says of one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Readable,
    Writable,
}

#[derive(Debug, Default)]
struct Lists {
    dirty: Vec<Key<Peer>>,
    ready: Vec<Key<Peer>>,
    resting: VecDeque<(Instant, Key<Peer>)>,
    newcomers: VecDeque<Key<Peer>>,
    overrun: Vec<Key<Peer>>,
    doomed: Vec<Key<Peer>>,
}

impl<A: Application> Reactor<A> {
    /// A loop without peers.
    pub fn new(options: Options, app: A) -> Self {
        Self {
            app,
            peers: Arena::new(),
            deadlines: Deadlines::new([
                options.head_timeout,
                options.heartbeat,
                CLOSE_TIMEOUT,
                PONG_TIMEOUT,
            ]),
            entrance: Entrance::default(),
            cut: Pool::new(options.cut_bytes_max, options.cut_bytes_max),
            unsent: Pool::new(options.unsent_bytes_max, options.unsent_bytes_max),
            read_buffer: vec![0; options.read_bytes].into_boxed_slice(),
            output: Output::default(),
            lists: Lists::default(),
            peer_bytes: 0,
            ahead: 0,
            newcomers_left: 0,
            next_step: Step::default(),
            records: Records::default(),
            counters: Snapshot::default(),
            hits: Hits::NONE,
            news: Vec::new(),
            options,
        }
    }

    /// Keeps an audit log from now on.
    pub fn keep_journal(&mut self, journal: Box<dyn Journal>) {
        self.records = Records::new(journal);
        self.app.set_recording(Recording::Available);
    }

    /// Whether there is room for a newcomer, if only to be told that there is no place.
    pub fn admits(&self) -> bool {
        self.peers.len() < self.options.connections_max.saturating_add(TURNED_AWAY_MAX)
    }

    /// Takes a newcomer in, as in `src/reactor/turn.rs`, if it is not told at once that there is no
    /// place; and who gives way to it.
    pub fn welcome(
        &mut self,
        mut socket: Socket,
        address: IpAddr,
        now: Now,
    ) -> (Option<PeerId>, Option<PeerId>) {
        let network = Network::of(address);
        let crowd = self.give_way_to(network);
        if crowd.is_none() && self.is_over_crowded() && !self.see_off_answered(network) {
            peer::turn_away(&mut socket, Refusal::Full, now);
            return (None, None);
        }
        self.counters.accepted += 1;
        let number = self.counters.accepted;
        let gone = self.lists.doomed.len();
        let has_place = crowd.is_some_and(|crowd| self.take_place_from(crowd, now));
        let gone = self.lists.doomed.get(gone).filter(|_| has_place).map(|key| peer_id(*key));
        let counted = self.entrance.enter(network, self.options.connections_max, has_place);
        let arrival = Arrival { address, full: counted.over, ..Arrival::LOCAL };
        let connection = Connection::new(arrival);
        let key = self.peers.insert(Peer::new(socket, connection, network, counted, number));
        self.deadlines.arm(key.index(), Wait::Head as usize, now.instant);
        (Some(peer_id(key)), gone)
    }

    /// Something is there to be read, with the end or an error behind it or not.
    pub fn readable(&mut self, key: (u32, u32), ends: bool) {
        if let Some(peer) = self.peers.get_mut(Key::from_parts(key.0, key.1)) {
            peer.flags.end_announced |= ends;
        }
        self.hear(key, News::Readable);
    }

    /// There is room to write.
    pub fn writable(&mut self, key: (u32, u32)) {
        self.hear(key, News::Writable);
    }

    /// One turn, as in `src/reactor/turn.rs`. The sockets are served in an order that `random` decides.
    pub fn turn(&mut self, now: Now, random: &mut Random) {
        self.heed_journal();
        let carried_over = std::mem::take(&mut self.lists.ready);
        let mut news = std::mem::take(&mut self.news);
        random.shuffle(&mut news);
        self.share_turn(news.len() + carried_over.len());
        for (key, what) in news {
            match what {
                News::Readable => self.serve(key, now),
                News::Writable => self.mark_writable(key),
            }
        }
        for key in carried_over {
            self.go_on(key, now);
        }
        self.wake_rested(now);
        self.flush(now);
        self.newcomers_left = random.below(NEWCOMERS_END);
        self.heed_newcomers(now);
        self.wind_up(now);
        self.free_doomed();
        self.counters.turns += 1;
    }

    /// The simulation brings newcomers.
    fn accept(&self, _now: Now) -> bool {
        true
    }

    /// What a clock decides elsewhere.
    fn is_time_left(&mut self) -> bool {
        self.newcomers_left = self.newcomers_left.saturating_sub(1);
        self.newcomers_left > 0
    }

    /// When a turn is due without news.
    pub fn next_turn(&self, now: Now) -> Option<Instant> {
        let lists = &self.lists;
        let busy =
            !(lists.ready.is_empty() && lists.newcomers.is_empty() && lists.overrun.is_empty());
        if busy || !self.news.is_empty() || self.records.answer(now).is_some() {
            return Some(Instant::default());
        }
        let rested = self.lists.resting.front().map(|(until, _)| *until);
        let next = [
            self.deadlines.next(),
            self.app.next_deadline(now),
            self.records.next_deadline(),
            rested,
        ];
        next.into_iter().flatten().min()
    }

    /// Says good-bye to everybody.
    pub fn stop(&mut self, now: Now) {
        self.app.shut_down(&mut self.output.effects);
        self.apply(None, None, now);
        let heads: Vec<_> = self.peers.iter().map(|(key, _)| key).collect();
        for key in heads {
            if self.peers.get(key).is_some_and(|peer| peer.connection.is_head()) {
                self.doom(key);
            }
        }
    }

    /// How many connections there are.
    pub fn peer_count(&self) -> usize {
        self.peers.len()
    }

    /// How many bytes of blocks are on loan: for what was cut, and for what is unsent.
    pub fn lent_bytes(&self) -> [usize; 2] {
        [self.cut.lent_bytes(), self.unsent.lent_bytes()]
    }

    /// What was counted.
    pub fn counters(&self) -> &Snapshot {
        &self.counters
    }

    /// There is one loop, so nobody belongs elsewhere.
    fn move_on(&mut self, _key: Key<Peer>, to: u32, _message: Option<Message<'_>>) {
        unreachable!("loop {to} does not exist");
    }

    /// Simulated sockets speak no TLS.
    fn begin_handshake(&mut self, _key: Key<Peer>, _bytes: &[u8], _now: Now) {}

    fn put_off_handshake(&self, _key: Key<Peer>) -> bool {
        false
    }

    fn speaks_tls(&self) -> bool {
        false
    }

    /// There is no proxy before them.
    fn tells_networks_apart(&self) -> bool {
        true
    }

    fn ask_others_for_place(&self, _crowd: Network) -> bool {
        false
    }

    fn hear(&mut self, key: (u32, u32), what: News) {
        let key = Key::from_parts(key.0, key.1);
        if self.peers.get(key).is_some() && !self.news.contains(&(key, what)) {
            self.news.push((key, what));
        }
    }

    fn free_doomed(&mut self) {
        let mut doomed = std::mem::take(&mut self.lists.doomed);
        for key in doomed.drain(..) {
            let Some(mut peer) = self.peers.remove(key) else { continue };
            self.app.departed(peer_id(key));
            self.deadlines.cancel(key.index());
            self.entrance.leave();
            if let Some(network) = peer.network {
                self.entrance.count_less(network, &mut peer.counted, Counted::default());
            }
            peer.outbound.clear(&mut self.unsent);
            if let Some(inbound) = peer.inbound.take() {
                inbound.give_back(&mut self.cut);
            }
        }
        self.lists.doomed = doomed;
    }
}

fn peer_id(key: Key<Peer>) -> PeerId {
    PeerId { index: key.index(), generation: key.generation() }
}

fn peer_key_of(id: PeerId) -> Key<Peer> {
    Key::from_parts(id.index, id.generation)
}
