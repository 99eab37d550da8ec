//! Thousands who behave badly, and the server's memory: it is a process of its own, which may open as many files as this one.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use autamedica_signaling::Config;
use autamedica_signaling::base::time::Duration;
use autamedica_signaling::config::memory;
use autamedica_signaling::message::{Role, UserId};
use autamedica_signaling::reactor::clock;
use serde_json::json;

use crate::beside::Call;
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

struct Program {
    child: Child,
    _out: BufReader<ChildStdout>,
    address: SocketAddr,
    /// What its limits add up to.
    sum: usize,
}

impl Program {
    fn start() -> Self {
        let secret = String::from_utf8_lossy(common::SECRET).into_owned();
        let mut environment = SETTINGS.to_vec();
        environment.extend([("NODE_ENV", "development"), ("PORT", "0"), ("JWT_SECRET", &secret)]);
        let value = |name: &str| {
            environment.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).into())
        };
        let sum = memory::sum(&Config::read(&value).expect("settings"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_autamedica-signaling"))
            .env_clear()
            .envs(environment)
            // It starts with no less than the limits can need.
            .env("MEMORY_MAX", sum.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        out.read_line(&mut line).expect("a first line");
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        let address = address.and_then(|address| address.parse().ok()).expect("an address");
        Self { child, _out: out, address, sum }
    }

    fn call(&self) -> Call {
        let (doctor, patient) = people();
        let mut doctor = Client::join_at(self.address, &doctor);
        let mut patient = Client::join_at(self.address, &patient);
        doctor.expect("peer-joined");
        doctor.expect("room-status");
        patient.expect("room-status");
        Call::of(doctor, patient)
    }

    /// What of it is in memory, its highest so far (proc_pid_status(5)).
    fn resident_bytes_max(&self) -> usize {
        let path = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(path).expect("a Linux system");
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
        let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * 1_024
    }

    fn check_memory(&self) {
        let resident = self.resident_bytes_max();
        println!("{resident} bytes resident at most, the limits add up to {}", self.sum);
        assert!(resident <= self.sum, "{resident} of {}", self.sum);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Fails where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn from(number: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 9, (number % 10) as u8))
}

#[test]
fn ten_thousand_that_never_finish_their_request() {
    let _alone = alone();
    let program = Program::start();
    let mut call = program.call();
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
    program.check_memory();
    drop(crowd);
}

#[test]
fn ten_thousand_that_never_say_who_they_are() {
    let _alone = alone();
    let program = Program::start();
    let mut call = program.call();
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
    program.check_memory();
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
