//! A server that runs on a thread of this program.

use std::net::SocketAddr;
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use autamedica_signaling::reactor::Snapshot;
use autamedica_signaling::reactor::clock::wall_time;
use autamedica_signaling::{Config, Handle, Server};

use super::client::{Client, PATIENCE};
use super::clinic::{Person, SECRET};

/// Runs until it is dropped.
pub struct Running {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts one on a free port, with the default limits, except for rate limits.
    pub fn start() -> Self {
        Self::start_with(Config { audit_log: false, ..Config::development(SECRET) })
    }

    /// The same with this many event loops.
    pub fn start_with_threads(threads: usize) -> Self {
        let config = Config { audit_log: false, ..Config::development(SECRET) };
        Self::start_with(Config { threads: Some(threads), ..config })
    }

    /// The same with an audit log in `folder`.
    pub fn start_with_log(folder: &Path) -> Self {
        Self::start_with(Config { audit_dir: folder.to_owned(), ..Config::development(SECRET) })
    }

    fn start_with(config: Config) -> Self {
        let threads = config.threads.unwrap_or(1);
        let config = Config {
            port: 0,
            threads: Some(threads),
            signal_rate: usize::MAX,
            state_rate: usize::MAX,
            bytes_rate: usize::MAX,
            accept_rate: usize::MAX,
            connections_max: 15_000,
            connections_per_address_max: usize::MAX,
            ..config
        };
        let server = Server::bind(config).expect("an address");
        let handle = server.handle();
        let thread = thread::spawn(move || server.run().expect("the loop runs"));
        let running = Self { handle, thread: Some(thread) };
        // Each loop has checked once for work. From now on, it turns only when somebody connects.
        running.counters_when(|now| now.turns >= threads as u64);
        running
    }

    pub fn address(&self) -> SocketAddr {
        self.handle.local_addr()
    }

    /// Doctor and patient in a room, after they have received everything that belongs to joining.
    /// If it is the first room, the counters do not change any more.
    pub fn room(&self, number: u32) -> [Client; 2] {
        let [mut doctor, mut patient] = [0, 1]
            .map(|seat| Client::join(self.address(), &Person::new(number, seat), wall_time()));
        doctor.expect_message("peer-joined");
        doctor.expect_message("room-status");
        patient.expect_message("room-status");
        self.counters_when(|now| now.received >= 2 && now.sent >= 5);
        [doctor, patient]
    }

    /// The same; the seats that say so use Socket.IO.
    pub fn mixed_room(&self, number: u32, by_socket_io: [bool; 2]) -> [Client; 2] {
        let person = |seat: usize| Person::new(number, seat as u32);
        let [mut doctor, mut patient] = [0, 1].map(|seat| {
            let join = if by_socket_io[seat] { Client::join_by_socket_io } else { Client::join };
            join(self.address(), &person(seat), wall_time())
        });
        let expect =
            by_socket_io.map(|is| if is { Client::expect_event } else { Client::expect_message });
        expect[0](&mut doctor, "peer-joined");
        expect[0](&mut doctor, "room-status");
        expect[1](&mut patient, "room-status");
        [doctor, patient]
    }

    /// The counters, once they satisfy the condition.
    pub fn counters_when(&self, is_so: impl Fn(&Snapshot) -> bool) -> Snapshot {
        let begun = Instant::now();
        loop {
            let counters = self.handle.counters();
            if is_so(&counters) {
                return counters;
            }
            assert!(begun.elapsed() < PATIENCE, "{counters:?}");
            thread::yield_now();
        }
    }

    /// The counters of the last turn.
    pub fn counters(&self) -> Snapshot {
        self.handle.counters()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.shutdown();
        if let Some(thread) = self.thread.take() {
            // A loop that failed has reported it; in a drop there is nobody to tell.
            let _ = thread.join();
        }
    }
}
