//! Thousands who behave badly, and the server's memory: it is a process of its own, which may open as many files as this one.

use std::ffi::OsString;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use autamedica_signaling::Config;
use autamedica_signaling::base::time::Duration;
use autamedica_signaling::config::memory;
use autamedica_signaling::message::{Role, UserId};
use autamedica_signaling::reactor::clock;
use serde_json::json;

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
fn start() -> (Program, usize) {
    let secret = String::from_utf8_lossy(common::SECRET).into_owned();
    let value = |name: &str| match name {
        "NODE_ENV" => Some("development".into()),
        "JWT_SECRET" => Some(OsString::from(&secret)),
        _ => SETTINGS.iter().find(|(given, _)| *given == name).map(|(_, value)| value.into()),
    };
    let sum = memory::sum(&Config::read(&value).expect("settings"));
    // It starts where there is just what the limits can need.
    let memory = sum.to_string();
    let settings: Vec<_> = SETTINGS.into_iter().chain([("MEMORY_MAX", &*memory)]).collect();
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

/// What was in memory at most so far is within the sum (proc_pid_status(5)).
fn check_memory(program: &Program, sum: usize) {
    let path = format!("/proc/{}/status", program.child.id());
    let text = fs::read_to_string(path).expect("a Linux system");
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    println!("{} bytes resident at most, the limits add up to {sum}", kib * 1_024);
    assert!(kib * 1_024 <= sum, "{kib} KiB of {sum} bytes");
}

fn from(number: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 9, (number % 10) as u8))
}

#[test]
fn ten_thousand_that_never_finish_their_request() {
    let _alone = alone();
    let (program, sum) = start();
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
    let (program, sum) = start();
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

#[test]
fn a_thousand_that_stop_reading() {
    const ROOMS: usize = 20;
    const READERS: usize = 50;
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
    let crowd = call.goes_on_beside(|| {
        let mut crowd = Vec::new();
        for _ in 0..ROOMS {
            let session = session();
            let mut doctor = Raw::connect(server.address());
            let person = Person::new(Role::Doctor, session);
            doctor.join(&person);
            let readers: Vec<_> = (0..READERS)
                .map(|_| {
                    let user = UserId::new(clock::random_uuid());
                    let reader = Person::with(Role::Observer, session, user, &["room:join"]);
                    let mut raw = Raw::connect_tiny(server.address());
                    raw.join(&reader);
                    (raw, reader.user)
                })
                .collect();
            crowd.push((doctor, person, readers));
        }
        let all = (ROOMS * READERS) as u64;
        let filler = "x".repeat(7_000);
        // Each in turn, until nobody can take more.
        'full: for _ in 0..2_000 {
            for (doctor, person, readers) in &mut crowd {
                for (_, user) in readers.iter() {
                    if server.counters().overrun == all {
                        break 'full;
                    }
                    let candidate = json!({
                        "type": "ice-candidate", "sessionId": person.session,
                        "fromUserId": person.user, "toUserId": user,
                        "candidate": { "candidate": filler },
                    });
                    doctor.send(&frame(TEXT, candidate.to_string().as_bytes()));
                    // What it hears of the others' coming and going.
                    while doctor.has_bytes() {
                        doctor.next_bytes();
                    }
                }
            }
        }
        server.wait_until("all to be given up", |now| now.overrun == all);
        crowd
    });
    // Whoever reads nothing does not read its close frame either, and has five seconds for it.
    server.wait_until("them to be gone", |now| now.connections == 2 + ROOMS as u64);
    (0..20).for_each(|_| call.exchange());
    drop(crowd);
    drop(call);
    server.wait_until_empty();
}
