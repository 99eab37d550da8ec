//! Thousands of misbehaving clients, and the server's memory: the server is a separate process,
//! which may open as many files as this one.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use autamedica_signaling::Config;
use autamedica_signaling::base::time::Duration;
use autamedica_signaling::config::memory;
use autamedica_signaling::message::{Role, UserId};
use autamedica_signaling::reactor::clock;
use serde_json::{Value, json};

use crate::beside::Call;
use crate::common::program::Program;
use crate::common::raw::{TEXT, frame, part, upgrade_request};
use crate::common::{self, Client, Person, Raw, TestServer, people, session};

/// So many bad clients at once, from ten addresses.
const CROWD: usize = 10_000;

/// Nobody in the crowd may be sent away for its number, and all come at once.
const SETTINGS: [(&str, &str); 5] = [
    ("CONNECTIONS_MAX", "12000"),
    ("CONNECTIONS_PER_ADDRESS_MAX", "unlimited"),
    ("ACCEPT_RATE", "unlimited"),
    ("HEAD_TIMEOUT", "120"),
    ("JOIN_TIMEOUT", "300"),
];

/// All of them together would open more files than a process may.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server of these settings, with what its limits add up to.
fn start(settings: &[(&str, &str)]) -> (Program, usize) {
    let secret = String::from_utf8_lossy(common::SECRET).into_owned();
    let value = |name: &str| match name {
        "NODE_ENV" => Some("development".into()),
        "JWT_SECRET" => Some(OsString::from(&secret)),
        _ => settings.iter().find(|(given, _)| *given == name).map(|(_, value)| value.into()),
    };
    let sum = memory::sum(&Config::read(&value).expect("settings"));
    // It starts where there is just what the limits can need.
    let memory = sum.to_string();
    let settings: Vec<_> = settings.iter().copied().chain([("MEMORY_MAX", &*memory)]).collect();
    (Program::start(15_000, &settings), sum)
}

fn call(program: &Program) -> Call {
    let (doctor, patient) = people();
    let mut doctor = Client::join_at(program.address, &doctor);
    let mut patient = Client::join_at(program.address, &patient);
    doctor.expect("peer-joined");
    doctor.expect("room-status");
    patient.expect("room-status");
    Call::of(doctor, patient)
}

/// What the system says of the process (proc_pid_status(5)).
fn status(program: &Program, name: &str) -> usize {
    let path = format!("/proc/{}/status", program.child.id());
    let text = fs::read_to_string(path).expect("a Linux system");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// What was in memory at most so far is within the sum.
fn check_memory(program: &Program, sum: usize) {
    let kib = status(program, "VmHWM:");
    println!("{} bytes resident at most, the limits add up to {sum}", kib * 1_024);
    assert!(kib * 1_024 <= sum, "{kib} KiB of {sum} bytes");
}

fn from(number: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 9, (number % 10) as u8))
}

/// To make it larger would stop the event loop for 10 to 20 ms, each time that the connections double.
#[test]
fn the_table_of_open_files_is_as_large_from_the_start_as_it_will_be() {
    let _alone = alone();
    let (program, _) = start(&SETTINGS);
    let at_first = status(&program, "FDSize:");
    assert!(at_first >= 12_000, "{at_first}");
    let mut crowd: Vec<_> =
        (0..3_000).map(|n| Raw::connect_lean(program.address, from(n))).collect();
    for raw in &mut crowd {
        raw.send(upgrade_request("").as_bytes());
        raw.expect_upgrade();
    }
    assert_eq!(status(&program, "FDSize:"), at_first);
}

#[test]
fn a_thousand_who_leave_together_leave_nothing_behind() {
    let _alone = alone();
    let (program, _) = start(&SETTINGS);
    let mut call = call(&program);
    let files = || {
        let path = format!("/proc/{}/fd", program.child.id());
        fs::read_dir(path).expect("a Linux system").count()
    };
    let before = files();
    for _ in 0..3 {
        call.goes_on_beside(|| {
            let mut crowd: Vec<_> =
                (0..1_000).map(|n| Raw::connect_lean(program.address, from(n))).collect();
            for raw in &mut crowd {
                raw.send(upgrade_request("").as_bytes());
                raw.expect_upgrade();
            }
            assert_eq!(files(), before + 1_000);
            drop(crowd);
            while files() > before {
                thread::yield_now();
            }
        });
    }
}

#[test]
fn ten_thousand_that_never_finish_their_request() {
    let _alone = alone();
    let (program, sum) = start(&SETTINGS);
    let mut call = call(&program);
    let beginning = format!("GET /ws HTTP/1.1\r\nHost: x\r\nX: {}", "x".repeat(3_000));
    let crowd = call.goes_on_beside(|| {
        let mut crowd = Vec::new();
        for number in 0..CROWD {
            let mut raw = Raw::connect_lean(program.address, from(number));
            raw.send(beginning.as_bytes());
            crowd.push(raw);
        }
        for raw in &mut crowd {
            // Some have been sent away: there is no memory for all of them.
            let _ = std::io::Write::write_all(&mut raw.stream, b"x");
        }
        crowd
    });
    (0..20).for_each(|_| call.exchange());
    // Whoever is known has memory left: this is cut, and comes together.
    let (doctor, _) = people();
    let mut known = Raw::connect(program.address);
    known.join(&doctor);
    known.send(&part(TEXT, &[b' '; 30_000]));
    (0..5).for_each(|_| call.exchange());
    known.send(&frame(0, br#"{"type":"ping"}"#));
    assert_eq!(known.json()["type"], "pong");
    check_memory(&program, sum);
    drop(crowd);
}

#[test]
fn ten_thousand_that_never_say_who_they_are() {
    let _alone = alone();
    let (program, sum) = start(&SETTINGS);
    let mut call = call(&program);
    let unfinished = [part(TEXT, &[b' '; 7_000]), part(0, &[b' '; 500])].concat();
    let crowd = call.goes_on_beside(|| {
        let mut crowd = Vec::new();
        for number in 0..CROWD {
            let mut raw = Raw::connect_lean(program.address, from(number));
            raw.send(upgrade_request("").as_bytes());
            raw.expect_upgrade();
            raw.send(&frame(TEXT, br#"{"type":"ping"}"#));
            // Some are closed: there is no memory for all of them.
            let _ = std::io::Write::write_all(&mut raw.stream, &unfinished);
            crowd.push(raw);
        }
        crowd
    });
    (0..20).for_each(|_| call.exchange());
    check_memory(&program, sum);
    drop(crowd);
}

const ROOMS: usize = 20;
const READERS: usize = 50;

/// Somebody who stops reading: the connection, the user, and what the doctor sends there.
type Reader = (Raw, String, Vec<u8>);

/// A doctor, and observers who will not read what it sends to them.
struct DeafRoom {
    doctor: Raw,
    readers: Vec<Reader>,
    /// Those of whom the doctor has heard that they have dropped.
    given_up: HashSet<String>,
}

impl DeafRoom {
    fn new(address: SocketAddr) -> Self {
        let session = session();
        let mut doctor = Raw::connect(address);
        let person = Person::new(Role::Doctor, session);
        doctor.join(&person);
        let reader = |_| {
            let user = UserId::new(clock::random_uuid());
            let reader = Person::with(Role::Observer, session, user, &["room:join"]);
            let mut raw = Raw::connect_tiny(address);
            raw.join(&reader);
            let candidate = json!({
                "type": "ice-candidate", "sessionId": person.session,
                "fromUserId": person.user, "toUserId": reader.user,
                "candidate": { "candidate": "x".repeat(7_000) },
            });
            (raw, reader.user, frame(TEXT, candidate.to_string().as_bytes()))
        };
        let readers = (0..READERS).map(reader).collect();
        Self { doctor, readers, given_up: HashSet::new() }
    }

    /// Sends something large to each reader, and hears of those who were given up.
    fn fill(&mut self) {
        let Self { doctor, readers, given_up } = self;
        for (_, user, message) in readers.iter() {
            if !given_up.contains(user) {
                doctor.send(message);
            }
        }
        while doctor.has_bytes() {
            let frame = doctor.frame();
            if frame.opcode == TEXT {
                let heard: Value = serde_json::from_slice(&frame.payload).expect("JSON");
                if heard["connectionState"] == "reconnecting" {
                    given_up.insert(heard["userId"].as_str().expect("a user").to_owned());
                }
            }
        }
    }
}

/// Rooms full of people who stop reading, each sent more and more until the server has given it up.
fn a_thousand_deaf(address: SocketAddr) -> Vec<DeafRoom> {
    let mut rooms: Vec<_> = (0..ROOMS).map(|_| DeafRoom::new(address)).collect();
    for _ in 0..2_000 {
        rooms.iter_mut().for_each(DeafRoom::fill);
        if rooms.iter().all(|room| room.given_up.len() == READERS) {
            return rooms;
        }
    }
    panic!("some are not given up whatever is sent to them");
}

#[test]
fn a_thousand_that_stop_reading() {
    let _alone = alone();
    let server = TestServer::start_with(|config| {
        common::as_fast_as_one_can(config);
        config.connections_max = 1_200;
        config.connections_per_address_max = usize::MAX;
        config.room_participants_max = 64;
        config.message_bytes_max = 8_192;
        config.send_queue_bytes_max = 16_384;
        config.heartbeat = Duration::from_secs(600);
    });
    let mut call = Call::new(&server);
    let crowd = call.goes_on_beside(|| a_thousand_deaf(server.address()));
    assert_eq!(server.counters().overrun, (ROOMS * READERS) as u64, "and nobody else");
    // Whoever reads nothing does not read its close frame either, and has five seconds for it.
    server.wait_until("them to be gone", |now| now.connections == 2 + ROOMS as u64);
    (0..20).for_each(|_| call.exchange());
    drop(crowd);
    drop(call);
    server.wait_until_empty();
}

#[test]
fn the_memory_that_a_thousand_who_stop_reading_take() {
    let _alone = alone();
    let (program, sum) = start(&[
        ("CONNECTIONS_MAX", "1200"),
        ("CONNECTIONS_PER_ADDRESS_MAX", "unlimited"),
        ("ACCEPT_RATE", "unlimited"),
        ("SIGNAL_RATE", "unlimited"),
        ("BYTES_RATE", "unlimited"),
        ("ROOM_PARTICIPANTS_MAX", "64"),
        ("MESSAGE_BYTES_MAX", "8192"),
        ("SEND_QUEUE_BYTES_MAX", "16384"),
    ]);
    let mut call = call(&program);
    let crowd = call.goes_on_beside(|| a_thousand_deaf(program.address));
    (0..20).for_each(|_| call.exchange());
    check_memory(&program, sum);
    drop(crowd);
}
