//! The world: people, their machines, the network, the server, and one clock for all.

#[path = "world/calm.rs"]
mod calm;
#[path = "world/deeds.rs"]
mod deeds;
#[path = "world/hearing.rs"]
mod hearing;
#[path = "world/log.rs"]
mod log;
#[path = "world/mishaps.rs"]
mod mishaps;
#[path = "world/network.rs"]
mod network;
#[path = "world/packets.rs"]
mod packets;
#[path = "world/people.rs"]
mod people;
#[path = "world/restart.rs"]
mod restart;
#[path = "world/tabs.rs"]
mod tabs;

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::rc::Rc;

use autamedica_signaling::admission::door::Door;
use autamedica_signaling::admission::gate::GateLimits;
use autamedica_signaling::admission::{Addresses, Origins, TokenRules, Tokens};
use autamedica_signaling::base::time::{Duration, Instant, Now, WallTime};
use autamedica_signaling::connection::{NoPages, Signaling, SocketIoService};
use autamedica_signaling::engine::{self, Engine, IceOptions, Logins};
use autamedica_signaling::wire::ice_url::IceUrl;
use autamedica_signaling::wire::jwt::Key as Secret;
use autamedica_signaling::wire::turn::Minter;

use super::book::Book;
use super::disk::{Disk, Log};
use super::link::{Micros, SharedLink};
use super::plan::{ENTRIES_ENOUGH, Plan, Settings};
use super::promises::{Broken, Promise};
use super::random::Random;
use super::reactor::{Options, Reactor};
use super::transcript::{Lines, Transcript};
use super::witness::Witness;

use people::Individual;
use tabs::Tab;

/// When every run begins, by the wall clock.
const NOON: i64 = 1_800_000_000_000;

/// The secret that signs the tokens, the one before it, and one that signs nothing of ours.
const SECRETS: [&[u8]; 3] = [
    b"a secret for simulated hospitals only",
    b"the secret of last year, soon to be forgotten",
    b"a secret of somebody who knows no other",
];

/// In which units letters are retained.
const CHUNK_BYTES: usize = 1_024;

/// How many turns a server may take without any time passing.
const TURNS_AT_ONCE_MAX: u32 = 10_000;

/// A run.
pub struct World {
    plan: Plan,
    now: Micros,
    /// By how much the server's wall clock is wrong, in milliseconds.
    wall_offset: i64,
    events: BinaryHeap<Reverse<(Micros, u64, Event)>>,
    event_count: u64,
    server: Reactor<Witness>,
    disk: Disk,
    disk_random: Random,
    /// Until when nothing becomes durable, and until when nothing can be written.
    disk_stuck_until: Micros,
    disk_broken_until: Micros,
    /// When the server takes its next turn.
    turn_at: Option<Micros>,
    /// How many turns it has taken without any time passing.
    turns_at_once: u32,
    /// Until when the server stands still.
    stalled_until: Micros,
    /// Connections that nobody has accepted yet.
    knocking: VecDeque<usize>,
    links: Vec<SharedLink>,
    touched: Rc<RefCell<Vec<usize>>>,
    tabs: Vec<Tab>,
    people: Vec<Individual>,
    random: Random,
    secrets: [Secret; 3],
    /// How many chunks hold letters, after the last turn.
    retained_chunks: usize,
    phase: Phase,
    /// Nobody comes any more.
    settled: bool,
    /// What was counted before the server was started anew.
    before: Tally,
    /// Nobody listens: the server was told to shut down.
    stopped: bool,
}

/// How far the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Anything may happen.
    Trouble,
    /// Nothing more goes wrong; everybody gets to where they want to be.
    Calm,
    /// Everybody goes.
    Farewell,
    /// Nobody is there.
    Night,
}

/// Something that happens at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A person takes a step of its plan.
    Step(usize, usize),
    /// Something goes wrong.
    Mishap(usize),
    /// A connection reaches the server.
    Knock(usize),
    /// What was being written to the disk is durable.
    Written,
    /// The disk can be written again.
    Mended,
    /// Bytes reach the server.
    AtServer(usize),
    /// Bytes reach the client.
    AtClient(usize),
    /// An end hears that the connection is broken.
    ServerHears(usize),
    /// An end hears that the connection is broken.
    ClientHears(usize),
    /// The network is as quick as before.
    LagEnds(usize, Micros),
    /// A person reads again.
    Wakes(usize),
    /// The server is there again.
    Starts,
    /// A person tries again to get into the room.
    Retries(usize),
    /// A person says again that it leaves, since that was one message too many.
    Leaves(usize),
    /// A tab looks whether the server is still there.
    Watches(usize),
    /// The next phase begins.
    Phase(Phase),
    /// Letters are sent to see whether they arrive.
    Probe,
}

/// How much there was of everything in a run, or in many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Turns of the server.
    pub turns: u64,
    /// Connections.
    pub connections: u64,
    /// Letters that were written, acknowledged, and delivered.
    pub letters: [u64; 3],
    /// Peers that did not read.
    pub overrun: u64,
    /// Peers for whose cut messages there was no memory.
    pub starved: u64,
    /// Records of the audit log, and of these the admissions that were told and those that were withdrawn.
    pub records: [u64; 3],
    /// Messages that were refused for their number, and connections that were closed for that.
    pub refused: u64,
    pub flooded: u64,
    /// Connections that said nothing and gave their place to others.
    pub gave_way: u64,
    /// Connections by Socket.IO that were let in.
    pub packets: u64,
    /// Simulated seconds.
    pub seconds: u64,
}

impl World {
    /// The world before anything has happened.
    pub fn new(plan: Plan, lines: Option<Lines>) -> Self {
        let random = Random::new(plan.seed, &[3]);
        let people = plan.people.iter().map(|person| Individual::new(plan.seed, person)).collect();
        let secrets = SECRETS.map(|secret| Secret::new(secret).expect("long enough"));
        let disk = Disk::new(plan.settings.audit.map_or(ENTRIES_ENOUGH, |audit| audit.room));
        let book = Book::new(plan.settings.clone(), disk.clone());
        let keys = secrets[..2].to_vec();
        let server = server(&plan.settings, keys, book, Transcript::new(lines), &disk);
        let mut world = Self {
            now: 0,
            wall_offset: 0,
            events: BinaryHeap::new(),
            event_count: 0,
            server,
            disk,
            disk_random: Random::new(plan.seed, &[10]),
            disk_stuck_until: 0,
            disk_broken_until: 0,
            turn_at: None,
            turns_at_once: 0,
            stalled_until: 0,
            knocking: VecDeque::new(),
            links: Vec::new(),
            touched: Rc::default(),
            tabs: Vec::new(),
            people,
            random,
            secrets,
            retained_chunks: 0,
            phase: Phase::Trouble,
            settled: false,
            before: Tally::default(),
            stopped: false,
            plan,
        };
        world.schedule_plan();
        world
    }

    /// Lets everything happen, up to the end or to the first promise that is broken.
    pub fn run(mut self) -> (Option<Broken>, Tally) {
        while self.server.app.book.verdict.is_good() && self.step() {}
        (self.server.app.book.verdict.get().cloned(), self.tally())
    }

    /// The next event, or the server's next turn; `false`: nothing more happens.
    fn step(&mut self) -> bool {
        let event_at = self.events.peek().map(|Reverse((at, ..))| *at);
        let turn_at = self.turn_at.map(|at| at.max(self.stalled_until));
        let Some(at) = event_at.into_iter().chain(turn_at).min() else { return false };
        if at > self.now {
            self.turns_at_once = 0;
        }
        self.now = self.now.max(at);
        self.server.app.transcript.at(self.now);
        if event_at.is_some_and(|event_at| turn_at.is_none_or(|turn_at| event_at <= turn_at)) {
            if let Some(Reverse((_, _, event))) = self.events.pop() {
                self.happen(event);
            }
        } else {
            self.take_turn();
        }
        self.dispatch_touched();
        true
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Step(person, step) => self.take_step(person, step),
            Event::Mishap(fault) => self.befall(fault),
            Event::Knock(link) => self.knock(link),
            Event::Written => self.end_writing(),
            Event::Mended => self.mend_disk(),
            Event::AtServer(link) => self.arrive_at_server(link),
            Event::AtClient(link) => self.arrive_at_client(link),
            Event::ServerHears(link) => self.break_at_server(link),
            Event::ClientHears(link) => self.break_at_client(link),
            Event::LagEnds(link, by) => self.end_lag(link, by),
            Event::Starts => self.start_anew(),
            Event::Wakes(person) => self.wake(person),
            Event::Retries(person) => self.retry(person),
            Event::Leaves(person) => self.leave_again(person),
            Event::Watches(tab) => self.watch(tab),
            Event::Phase(phase) => self.enter(phase),
            Event::Probe => self.probe(),
        }
    }

    fn schedule_plan(&mut self) {
        for person in 0..self.plan.people.len() {
            for step in 0..self.plan.people[person].steps.len() {
                self.at(self.plan.people[person].steps[step].at, Event::Step(person, step));
            }
        }
        for fault in 0..self.plan.faults.len() {
            self.at(self.plan.faults[fault].at, Event::Mishap(fault));
        }
        self.at(self.plan.calm_at, Event::Phase(Phase::Calm));
    }

    fn at(&mut self, at: Micros, event: Event) {
        self.event_count += 1;
        self.events.push(Reverse((at, self.event_count, event)));
    }

    fn after(&mut self, wait: Micros, event: Event) {
        self.at(self.now + wait, event);
    }

    /// Both clocks, as the server sees them.
    fn server_now(&self) -> Now {
        let instant = Instant::from_micros(self.now);
        Now { instant, wall: WallTime::from_millis(self.true_millis() + self.wall_offset) }
    }

    /// The wall clock of everybody else.
    fn true_millis(&self) -> i64 {
        NOON + (self.now / 1_000) as i64
    }

    fn take_turn(&mut self) {
        let now = self.server_now();
        if !self.stopped {
            self.admit_knocking(now);
        }
        self.turns_at_once += 1;
        let rests = self.turns_at_once < TURNS_AT_ONCE_MAX;
        let verdict = &mut self.server.app.book.verdict;
        verdict.check(Promise::Soundness, rests, || "the loop turns and turns".to_owned());
        self.server.turn(now, &mut Random::new(self.plan.seed, &[7, self.now]));
        self.check_turn();
        self.begin_writing();
        self.turn_at = None;
        self.plan_turn();
    }

    /// The next turn comes when something is due, or when the server is told of something.
    fn plan_turn(&mut self) {
        let due = self.server.next_turn(self.server_now()).map(|due| due.as_micros().max(self.now));
        self.turn_at = [self.turn_at, due].into_iter().flatten().min();
    }

    /// The server is told of something; a loop that is busy with others takes a moment to see it.
    fn wake_server(&mut self) {
        // Drawn from the time alone, so that leaving somebody out changes little for the others.
        let soon = self.now
            + Random::new(self.plan.seed, &[6, self.now]).below(self.plan.settings.latency + 1);
        self.turn_at = Some(self.turn_at.map_or(soon, |at| at.min(soon)));
    }

    fn check_turn(&mut self) {
        self.server.app.app().engine().check_invariants();
        let settings = &self.plan.settings;
        let (lent, peers) = (self.server.lent_bytes(), self.server.peer_count());
        let engine = self.server.app.app().engine();
        let (rooms, chunks) = (engine.room_count(), engine.retained_chunks());
        let kept = match std::mem::replace(&mut self.retained_chunks, chunks) == chunks {
            true => usize::MAX,
            false => self.server.app.book.kept_bytes_max(CHUNK_BYTES),
        };
        let now = self.server_now();
        // Else the next turn comes at once.
        let is_over = self.server.next_turn(now).is_none_or(|at| at > now.instant);
        let book = &mut self.server.app.book;
        book.check_kept();
        book.check_waiting(now, is_over);
        let known = book.room_count();
        let verdict = &mut book.verdict;
        let most = [settings.cut_bytes_max, settings.unsent_bytes_max];
        verdict.check(Promise::Memory, lent[0] <= most[0] && lent[1] <= most[1], || {
            format!("{lent:?} bytes of blocks on loan, of {most:?}")
        });
        let retained = chunks * CHUNK_BYTES;
        verdict.check(Promise::Memory, retained <= settings.retained_total_max.min(kept), || {
            format!("{retained} bytes are retained, of {} and {kept}", settings.retained_total_max)
        });
        let peers_max = settings.connections_max + super::reactor::TURNED_AWAY_MAX;
        verdict.check(Promise::Memory, peers <= peers_max, || format!("{peers} connections"));
        verdict.check(Promise::Exits, rooms == known, || format!("{rooms} rooms, not {known}"));
    }

    fn tally(&self) -> Tally {
        let counters = self.server.counters();
        let (written, acked, delivered) = self.server.app.book.ledger.counts();
        Tally {
            turns: self.before.turns + counters.turns,
            connections: self.before.connections + counters.accepted,
            letters: [written as u64, acked as u64, delivered as u64],
            overrun: self.before.overrun + counters.overrun,
            starved: self.before.starved + counters.starved,
            records: self.server.app.book.record_counts(),
            refused: self.server.app.book.refused,
            flooded: self.server.app.book.flooded,
            gave_way: self.server.app.book.gave_way,
            packets: self.server.app.book.let_in,
            seconds: self.now / super::plan::SECOND,
        }
    }
}

impl Tally {
    /// Whether there was some of everything.
    pub fn has_everything(&self) -> bool {
        let rare = [self.overrun, self.starved, self.refused, self.flooded, self.gave_way];
        let all = rare.into_iter().chain([self.packets]).chain(self.letters).chain(self.records);
        all.into_iter().all(|count| count > 0)
    }

    /// Adds another run.
    pub fn add(&mut self, other: &Self) {
        self.turns += other.turns;
        self.connections += other.connections;
        let mine = self.letters.iter_mut().chain(&mut self.records);
        for (all, more) in mine.zip(other.letters.iter().chain(&other.records)) {
            *all += more;
        }
        self.overrun += other.overrun;
        self.starved += other.starved;
        self.refused += other.refused;
        self.flooded += other.flooded;
        self.gave_way += other.gave_way;
        self.packets += other.packets;
        self.seconds += other.seconds;
    }
}

/// A TURN server whose credentials end.
fn ice(lifetime: Duration) -> IceOptions {
    let minter = Minter::new(&[1; 32], &[2; 32]).expect("long enough");
    let turn = vec![IceUrl::parse("turn:turn.example").expect("an address")];
    IceOptions { stun: Vec::new(), turn, logins: Logins::Limited { minter, lifetime } }
}

/// The server of these settings, as `src/server.rs` puts it together.
fn server(
    settings: &Settings,
    keys: Vec<Secret>,
    book: Book,
    transcript: Transcript,
    disk: &Disk,
) -> Reactor<Witness> {
    let leeway = Duration::from_secs(settings.leeway_secs);
    let rules = TokenRules { keys, issuer: None, audience: None, leeway };
    let heartbeat = Duration::from_secs(settings.heartbeat_secs);
    let engine = Engine::new(engine::Options {
        join_timeout: Duration::from_secs(settings.join_timeout_secs),
        heartbeat,
        reconnect_grace: Duration::from_secs(settings.grace_secs),
        room_max_age: Duration::from_secs(settings.room_age_secs),
        room_empty_timeout: Duration::from_secs(settings.room_empty_secs),
        participants_max: settings.participants_max,
        retained_bytes_max: settings.retained_bytes_max,
        retained_bytes_total_max: settings.retained_total_max,
        emergency_access: settings.emergency_access,
        gate: GateLimits::UNLIMITED,
        rates: settings.rates,
        ice: ice(Duration::from_secs(settings.turn_ttl_secs)),
        ..engine::Options::new(Tokens::new(rules))
    });
    let (origins, addresses) = (Origins::Listed(Vec::new()), Addresses::default());
    let door = Door { origins, origin_required: false, addresses };
    let mut signaling = Signaling::new(engine, door, settings.message_bytes_max, Box::new(NoPages));
    signaling.speak_socket_io(SocketIoService::new(&[5; 32], 0, heartbeat));
    if settings.audit.is_some() {
        // What ended before the start is never open again: no token lasts as long.
        signaling.restore_ended(&disk.ended(), WallTime::default());
    }
    let witness = Witness::new(signaling, book, transcript);
    let options = Options {
        connections_max: settings.connections_max,
        head_timeout: Duration::from_secs(settings.head_timeout_secs),
        heartbeat,
        send_queue_bytes_max: settings.send_queue_bytes_max,
        bytes_rate: settings.bytes_rate,
        cut_bytes_max: settings.cut_bytes_max,
        unsent_bytes_max: settings.unsent_bytes_max,
        read_bytes: settings.read_bytes,
    };
    let mut reactor = Reactor::new(options, witness);
    if settings.audit.is_some() {
        reactor.keep_journal(Box::new(Log(disk.clone())));
    }
    reactor
}
