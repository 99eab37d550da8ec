//! The program under a service manager: what it reports, and what `healthcheck` finds. The manager
//! is a datagram socket.

#![cfg(target_os = "linux")]

mod common;

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use autamedica_signaling::base::time::Duration;
use autamedica_signaling::engine::Command;
use autamedica_signaling::service::supervisor::{Manager, Pulse, Supervised, Watch};
use autamedica_signaling::{Entry, Handle, Journal};

use common::program::Program;
use common::{Client, PATIENCE, TestServer, people};

/// A service manager, as far as it listens.
struct Listener {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Listener {
    fn new(socket: UnixDatagram) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { socket, heard: Vec::new() }
    }

    /// With a path as its address.
    fn at_a_path() -> (Self, String) {
        // A path of a socket is short, and that of the tests' own folder may not be.
        let path = std::env::temp_dir().join(format!("notify-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).expect("a socket");
        (Self::new(socket), path.display().to_string())
    }

    /// With an abstract address.
    fn in_the_abstract(name: &str) -> (Self, String) {
        let name = format!("{name}-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("an address");
        let socket = UnixDatagram::bind_addr(&address).expect("a socket");
        (Self::new(socket), format!("@{name}"))
    }

    fn next(&mut self) -> String {
        let mut bytes = [0; 256];
        let count = self.socket.recv(&mut bytes).expect("something is told");
        let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
        self.heard.push(text.clone());
        text
    }

    fn wait_for(&mut self, wanted: &str) {
        let start = Instant::now();
        while self.next() != wanted {
            assert!(start.elapsed() < PATIENCE, "waited for {wanted}: {:?}", self.heard);
        }
    }

    /// Takes what waits, until nothing comes for so long.
    fn wait_for_silence(&mut self, silence: std::time::Duration) {
        let start = Instant::now();
        self.socket.set_read_timeout(Some(silence)).expect("a timeout");
        let mut bytes = [0; 256];
        while self.socket.recv(&mut bytes).is_ok() {
            assert!(start.elapsed() < PATIENCE, "signs of life go on");
        }
        self.socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    }
}

#[test]
fn a_manager_hears_of_readiness_life_people_and_the_end() {
    let (mut manager, address) = Listener::at_a_path();
    let program = Program::start(
        1_000,
        &[("NOTIFY_SOCKET", &address), ("WATCHDOG_USEC", "400000"), ("THREADS", "2")],
    );
    assert_eq!(manager.next(), "READY=1");
    let (doctor, _) = people();
    let _doctor = Client::join_at(program.address, &doctor);
    manager.wait_for("WATCHDOG=1");
    manager.wait_for("STATUS=serving, 1 connections");
    manager.wait_for("WATCHDOG=1");
    program.terminate();
    manager.wait_for("STOPPING=1");
    std::fs::remove_file(address).expect("removed");
}

#[test]
fn an_abstract_address_does_as_well_and_without_a_watchdog_nothing_is_said_of_life() {
    let (mut manager, address) = Listener::in_the_abstract("notify");
    let program = Program::start(1_000, &[("NOTIFY_SOCKET", &address)]);
    assert_eq!(manager.next(), "READY=1");
    program.terminate();
    manager.wait_for("STOPPING=1");
    assert!(!manager.heard.contains(&"WATCHDOG=1".to_owned()), "{:?}", manager.heard);
}

#[test]
fn what_was_meant_for_another_process_and_a_manager_that_is_not_there_change_nothing() {
    let (mut manager, address) = Listener::in_the_abstract("other");
    let other = [("WATCHDOG_USEC", "100000"), ("WATCHDOG_PID", "1"), ("NOTIFY_SOCKET", &address)];
    let program = Program::start(1_000, &other);
    assert_eq!(manager.next(), "READY=1");
    program.terminate();
    manager.wait_for("STOPPING=1");
    assert!(!manager.heard.contains(&"WATCHDOG=1".to_owned()), "{:?}", manager.heard);

    for nowhere in ["/nonexistent/notify", "@nobody-listens-here", "neither"] {
        let mut program = Program::start(1_000, &[("NOTIFY_SOCKET", nowhere)]);
        Client::join_at(program.address, &people().0).close();
        program.terminate();
        assert!(program.child.wait().expect("it ends").success(), "{nowhere}");
    }
}

/// A log whose disk holds up whoever publishes, as none may.
struct StuckJournal(Arc<Mutex<()>>);

impl Journal for StuckJournal {
    fn take(&mut self, _: &Entry<'_>) -> Option<u64> {
        let _held: MutexGuard<'_, ()> = self.0.lock().expect("nobody panics");
        Some(1)
    }

    fn publish(&mut self, _awaited: bool) {}

    fn durable(&self) -> u64 {
        1
    }

    fn is_available(&self) -> bool {
        true
    }
}

struct Running(Handle);

impl Supervised for Running {
    fn pulses(&mut self, patience: Duration) -> Vec<Pulse> {
        self.0.ask(|_| Command::Look).iter().map(|one| one.pulse(patience)).collect()
    }

    fn is_stopping(&self) -> bool {
        self.0.is_stopping()
    }

    fn connections(&self) -> u64 {
        self.0.counters().connections
    }
}

#[test]
fn a_stuck_event_loop_gives_no_sign_of_life_until_it_turns_again() {
    let (mut manager, address) = Listener::in_the_abstract("stuck");
    let disk = Arc::new(Mutex::new(()));
    let mut server = common::bind(|_| {});
    server.keep_journals(|| Box::new(StuckJournal(Arc::clone(&disk))));
    let handle = server.handle();
    let server = TestServer::run(handle.clone(), move || -> io::Result<()> { server.run() });
    let manager_there = Manager::at(address.as_ref()).expect("an address");
    let watchdog = Some(Duration::from_millis(200));
    let watch = Watch::begin(manager_there, watchdog, Running(handle)).expect("a thread");
    manager.wait_for("READY=1");
    manager.wait_for("WATCHDOG=1");

    let (doctor, _) = people();
    let mut doctor = Client::connect(&server, &doctor);
    let held = disk.lock().expect("nobody panics");
    doctor.send(&doctor.person.join_request());
    // As long as several signs would take.
    manager.wait_for_silence(std::time::Duration::from_millis(1_000));
    drop(held);
    manager.wait_for("WATCHDOG=1");
    doctor.expect("room-joined");
    drop(watch);
    manager.wait_for("STOPPING=1");
}
