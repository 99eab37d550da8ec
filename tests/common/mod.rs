//! Shared by the integration tests: a server inside the test, people with tokens, and two clients:
//! one that speaks the protocol through tungstenite, and one that sends raw bytes.
//!
//! ```text
//!   let server = TestServer::start();                  // or start_with(|config| config.connections_max = 2)
//!   let (doctor, patient) = people();                  // of one session
//!   let mut doctor = Client::join(&server, &doctor);   // has read its `room-joined`
//! ```

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod client;
pub mod gatekeeper;
pub mod http;
pub mod program;
pub mod programs;
pub mod raw;
#[cfg(feature = "tls")]
pub mod secure;
pub mod socket_io;
pub mod wire;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration as StdDuration, Instant};
use std::{io, mem};

use autamedica_signaling::admission::mint::{Ticket, mint};
use autamedica_signaling::base::time::Duration;
use autamedica_signaling::message::{Role, SessionId, UserId};
use autamedica_signaling::reactor::{Snapshot, clock};

use autamedica_signaling::wire::jwt::Key;
use autamedica_signaling::{Config, Handle, Server};
use serde_json::{Value, json};

pub use client::Client;
pub use raw::Raw;
pub use wire::Door;

/// What signs the tokens of the tests.
pub const SECRET: &[u8] = b"a secret that only the tests know";

/// How long a test waits for what must come, before it fails.
pub const PATIENCE: StdDuration = StdDuration::from_secs(20);

/// A server on a thread of its own and on a free port. Stops, and tells of a panic, when it is dropped.
pub struct TestServer {
    handle: Handle,
    thread: Option<JoinHandle<io::Result<()>>>,
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl TestServer {
    /// With the defaults of development.
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// With the defaults of development, changed.
    pub fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let server = bind(change);
        Self::run(server.handle(), move || server.run())
    }

    /// Runs anything that a handle can stop.
    pub fn run(handle: Handle, run: impl FnOnce() -> io::Result<()> + Send + 'static) -> Self {
        Self { handle, thread: Some(thread::spawn(run)), tls: None }
    }

    pub fn address(&self) -> SocketAddr {
        self.handle.local_addr()
    }

    /// How one speaks with it.
    pub fn door(&self) -> Door {
        Door::new(self.address(), self.tls.clone())
    }

    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    pub fn counters(&self) -> Snapshot {
        self.handle.counters()
    }

    /// Waits until the counters are as they should be.
    pub fn wait_until(&self, what: &str, mut holds: impl FnMut(&Snapshot) -> bool) {
        let start = Instant::now();
        while !holds(&self.counters()) {
            assert!(start.elapsed() < PATIENCE, "waited for {what}: {:?}", self.counters());
            thread::sleep(StdDuration::from_millis(5));
        }
    }

    /// Waits until nobody is connected, and checks that they left nothing behind.
    pub fn wait_until_empty(&self) {
        self.wait_until("the last connection and block to be freed", |now| {
            (now.connections, now.block_bytes) == (0, 0)
        });
    }

    /// Shuts it down, and waits until it has ended.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.handle.shutdown();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !thread::panicking() {
                ended.expect("the server does not panic").expect("the server ends well");
            }
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.end();
    }
}

/// Lets everybody be as fast as they can, for tests of something else.
pub fn as_fast_as_one_can(config: &mut Config) {
    config.signal_rate = usize::MAX;
    config.state_rate = usize::MAX;
    config.bytes_rate = usize::MAX;
    config.accept_rate = usize::MAX;
    config.join_rate = usize::MAX;
}

/// A server that listens but does not run yet: what clients do until then comes all at once.
pub fn bind(change: impl FnOnce(&mut Config)) -> Server {
    let mut config = Config::development(SECRET);
    config.port = 0;
    // As on a small machine, whatever this one is. Those that are about several say so.
    config.threads = Some(1);
    // Those that are about it keep one, in a folder of their own.
    config.audit_log = false;
    change(&mut config);
    Server::bind(config).expect("a server")
}

/// An empty folder that no other test uses, nor another run.
pub fn scratch(name: &str) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("{name}-{}-{number}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // There is one only where a process of the same number ran here before.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Someone with a token.
#[derive(Clone, Debug)]
pub struct Person {
    pub user: String,
    pub role: &'static str,
    pub session: String,
    pub token: String,
}

impl Person {
    /// Somebody new, with all ordinary permissions in this session.
    pub fn new(role: Role, session: SessionId) -> Self {
        Self::with(role, session, UserId::new(clock::random_uuid()), &["room:*"])
    }

    pub fn with(role: Role, session: SessionId, user: UserId, permissions: &[&str]) -> Self {
        let now = clock::wall_time();
        let ticket = Ticket {
            user,
            role,
            session,
            permissions,
            room_type: None,
            issued_at: now,
            lifetime: Duration::from_secs(3_600),
            issuer: None,
            audience: None,
            id: None,
        };
        Self {
            user: user.reveal().to_string(),
            role: role.as_str(),
            session: session.reveal().to_string(),
            token: mint(&key(), &ticket),
        }
    }

    /// The message with which this person enters the room.
    pub fn join_request(&self) -> Value {
        let Self { user, role, session, .. } = self;
        json!({ "type": "join-room", "sessionId": session, "userId": user, "userType": role })
    }

    /// The same person with a token that ended long ago.
    pub fn expired(mut self) -> Self {
        let id = |text: &str| text.parse().expect("a UUID");
        let ticket = Ticket {
            user: UserId::new(id(&self.user)),
            role: Role::parse(self.role).expect("a role"),
            session: SessionId::new(id(&self.session)),
            permissions: &["room:*"],
            room_type: None,
            issued_at: clock::wall_time().minus(Duration::from_secs(7_200)),
            lifetime: Duration::from_secs(60),
            issuer: None,
            audience: None,
            id: None,
        };
        self.token = mint(&key(), &ticket);
        self
    }
}

/// The key that the tokens of the tests are signed with.
pub fn key() -> Key {
    Key::new(SECRET).expect("32 bytes")
}

/// A session that nobody else is in.
pub fn session() -> SessionId {
    SessionId::new(clock::random_uuid())
}

/// A doctor and a patient of one session.
pub fn people() -> (Person, Person) {
    let session = session();
    (Person::new(Role::Doctor, session), Person::new(Role::Patient, session))
}

/// Both in their room, with nothing left to read.
pub fn couple(server: &TestServer) -> (Client, Client) {
    let (doctor, patient) = people();
    let mut doctor = Client::join(server, &doctor);
    let mut patient = Client::join(server, &patient);
    for (client, kinds) in
        [(&mut doctor, &["peer-joined", "room-status"][..]), (&mut patient, &["room-status"])]
    {
        kinds.iter().for_each(|kind| mem::drop(client.expect(kind)));
    }
    (doctor, patient)
}
