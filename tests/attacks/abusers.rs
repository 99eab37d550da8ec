//! One abuser for each limit, as fast as it can, beside ten calls. Every message of the calls
//! arrives, in order. How long a message takes is measured with and without the abuser alternately,
//! and printed, because that depends on the machine.
//!
//! `ABUSE_SECONDS` makes each measurement longer, `ABUSER` selects a single abuser.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration as StdDuration, Instant};

use serde_json::json;

use crate::common::program::Program;
use crate::common::raw::{CLOSE, CONTINUATION, PING, TEXT, frame, part, upgrade_request};
use crate::common::{Client, Door, Person, Raw, people};

use super::hall::{Way, text};

/// Bytes are made before, so that an abuser costs little but what it makes the server do.
const BUFFER_BYTES: usize = 64 * 1024;

const CALLS: usize = 10;

/// Connections accepted in a second where it is about them: few enough for any machine to be faster, over TLS too.
const ACCEPT_RATE: u64 = 100;

/// Each call says 40 messages a second, which is within its limits.
const PAUSE: StdDuration = StdDuration::from_micros(2_500);

/// Quiet and abused alternate, so that what the machine does meanwhile is in both.
const TURNS: u32 = 4;

/// Those who were not accepted in time are still waiting for it.
const AFTERWARDS: StdDuration = StdDuration::from_millis(100);

/// Does something bad until it is told to stop; how often a limit was hit, and how often it was tried.
type Abuse = fn(&Door, &AtomicBool) -> (u64, u64);

/// The limit, what the server is set to, and the abuse.
type Abuser = (&'static str, &'static [(&'static str, &'static str)], Abuse);

const ABUSERS: [Abuser; 9] = [
    ("messages that are refused", &[], |at, stop| {
        flood(at, stop, &text(&json!({ "type": "ping" })))
    }),
    ("pings", &[], |at, stop| flood(at, stop, &frame(PING, b"are you there"))),
    ("fragments of nothing", &[], |at, stop| flood(at, stop, &fragments())),
    ("bytes", &[("SIGNAL_RATE", "unlimited")], bytes),
    ("connections", &[("ACCEPT_RATE", "100")], connections),
    ("connections that stay", &[], connections_that_stay),
    ("failed authentications", &[], failed_authentications),
    ("reconnects", &[("ACCEPT_RATE", "100")], reconnects),
    ("a peer that does not read", &[], deaf),
];

/// The abuser is a machine of its own.
const ITS_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 8, 1));

/// Joins in one write; `false` where it was not let in.
fn join(raw: &mut Raw, person: &Person) -> bool {
    let bearer = format!("Authorization: Bearer {}\r\n", person.token);
    let said = [upgrade_request(&bearer).into_bytes(), text(&person.join_request())].concat();
    raw.stream.write_all(&said).is_ok() && raw.read_status() == 101
}

/// A message in as many frames as one may have.
fn fragments() -> Vec<u8> {
    let rest = part(CONTINUATION, b"").repeat(1_022);
    [part(TEXT, b"{}"), rest, frame(CONTINUATION, b"")].concat()
}

/// The same frame until the connection is closed for it, and that again.
fn flood(door: &Door, stop: &AtomicBool, one: &[u8]) -> (u64, u64) {
    let (person, _) = people();
    let frames = one.repeat(BUFFER_BYTES / one.len());
    let (mut hits, mut tries) = (0, 0);
    while !stop.load(Ordering::Acquire) || hits == 0 {
        tries += 1;
        let mut raw = Raw::connect_from(door.clone(), ITS_ADDRESS);
        // Refused already, once it was closed for it too often.
        if !join(&mut raw, &person) {
            raw.reset();
            continue;
        }
        while raw.stream.write_all(&frames).is_ok() && !closed(&mut raw) {}
        hits += 1;
    }
    (hits, tries)
}

/// Reads what is there; whether the connection is at its end.
fn closed(raw: &mut Raw) -> bool {
    let mut answers = [0; 16_384];
    raw.stream.set_nonblocking(true).expect("a flag");
    let end = loop {
        match raw.stream.read(&mut answers) {
            Ok(0) => break true,
            // The close frame is the last that comes.
            Ok(len) if answers[..len].ends_with(&[0x80 | CLOSE, 2, 0x11, 0x4d]) => break true,
            Ok(_) => {}
            Err(error) => break error.kind() != std::io::ErrorKind::WouldBlock,
        }
    };
    raw.stream.set_nonblocking(false).expect("a flag");
    end
}

/// Large messages that all would be relayed. A hit is a write that had to wait.
fn bytes(door: &Door, stop: &AtomicBool) -> (u64, u64) {
    let (doctor, patient) = people();
    let mut raw = Raw::connect_from(door.clone(), ITS_ADDRESS);
    raw.join(&doctor);
    let mut partner = Raw::connect_from(door.clone(), ITS_ADDRESS);
    partner.join(&patient);
    let large = json!({
        "type": "ice-candidate", "sessionId": doctor.session, "fromUserId": doctor.user, "toUserId": patient.user,
        "candidate": null, "padding": "x".repeat(60_000),
    });
    let large = text(&large);
    raw.stream.set_write_timeout(Some(StdDuration::from_millis(20))).expect("a timeout");
    let (mut hits, mut tries, mut at) = (0, 0, 0);
    while !stop.load(Ordering::Acquire) || hits == 0 {
        tries += 1;
        match raw.stream.write(&large[at..]) {
            Ok(len) => at = (at + len) % large.len(),
            Err(_) => hits += 1,
        }
        assert!(!closed(&mut raw) && !closed(&mut partner), "nobody is closed for it");
    }
    (hits, tries)
}

/// How many of these had to wait until they were accepted. One second's worth may come at once, the rest over time.
fn waited(tries: u64, start: Instant) -> u64 {
    tries.saturating_sub(start.elapsed().as_secs() * ACCEPT_RATE)
}

/// One after the other, without a word. More than are accepted in a second wait: a hit is one beyond that.
fn connections(door: &Door, stop: &AtomicBool) -> (u64, u64) {
    let start = Instant::now();
    let mut tries: u64 = 0;
    while !stop.load(Ordering::Acquire) || tries <= ACCEPT_RATE * 3 / 2 {
        tries += 1;
        // A reset, so that this machine does not run out of ports.
        Raw::connect_from(door.clone(), ITS_ADDRESS).reset();
    }
    (waited(tries, start), tries)
}

/// As many as it may have, and then more.
fn connections_that_stay(door: &Door, stop: &AtomicBool) -> (u64, u64) {
    let mut open = Vec::new();
    let (mut hits, mut tries) = (0, 0);
    while !stop.load(Ordering::Acquire) || hits == 0 {
        tries += 1;
        let mut raw = Raw::connect_lean(door.clone(), ITS_ADDRESS);
        // It may have been refused before it said anything.
        let _ = raw.stream.write_all(upgrade_request("").as_bytes());
        match raw.read_status() {
            101 => open.push(raw),
            429 => hits += 1,
            other => panic!("{other}"),
        }
    }
    (hits, tries)
}

fn failed_authentications(door: &Door, stop: &AtomicBool) -> (u64, u64) {
    let request = upgrade_request(&format!("Authorization: Bearer {}x\r\n", people().0.token));
    let (mut hits, mut tries) = (0, 0);
    while !stop.load(Ordering::Acquire) || hits == 0 {
        tries += 1;
        let mut raw = Raw::connect_lean(door.clone(), ITS_ADDRESS);
        raw.send(request.as_bytes());
        match raw.read_status() {
            401 => {}
            429 => hits += 1,
            other => panic!("{other}"),
        }
        raw.reset();
    }
    (hits, tries)
}

/// Joins and is cut off, again and again. A hit is one that had to wait until it was accepted.
fn reconnects(door: &Door, stop: &AtomicBool) -> (u64, u64) {
    let (person, _) = people();
    let start = Instant::now();
    let mut tries: u64 = 0;
    while !stop.load(Ordering::Acquire) || tries <= ACCEPT_RATE * 3 / 2 {
        tries += 1;
        let mut raw = Raw::connect_lean(door.clone(), ITS_ADDRESS);
        join(&mut raw, &person);
        raw.reset();
    }
    (waited(tries, start), tries)
}

/// Somebody sends all it may to somebody who reads nothing. A hit is the end of the latter, who comes back at once.
fn deaf(door: &Door, stop: &AtomicBool) -> (u64, u64) {
    let (doctor, patient) = people();
    let message = json!({
        "type": "ice-candidate", "sessionId": doctor.session, "fromUserId": doctor.user, "toUserId": patient.user,
        "candidate": null, "padding": "x".repeat(8_000),
    });
    // As much as it may send at once.
    let messages = text(&message).repeat(120);
    let (mut hits, mut tries) = (0, 0);
    while !stop.load(Ordering::Acquire) || hits == 0 {
        tries += 1;
        let mut deaf = Raw::connect_tiny(door.clone());
        // Refused already, once it was closed for it too often.
        if !join(&mut deaf, &patient) {
            deaf.reset();
            continue;
        }
        assert_eq!(deaf.json()["type"], "room-joined");
        let mut raw = Raw::connect_from(door.clone(), ITS_ADDRESS);
        raw.join(&doctor);
        raw.send(&messages);
        let mut heard = Vec::new();
        while !heard.windows(12).any(|word| word == b"reconnecting") {
            heard.extend(raw.next_bytes().expect("whoever sends is not closed"));
        }
        hits += 1;
    }
    (hits, tries)
}

/// Calls, and how many messages each has exchanged.
struct Calls(Vec<(Client, Client, u64)>);

impl Calls {
    fn new(door: &Door) -> Self {
        let call = |_| {
            let (doctor, patient) = people();
            let mut doctor = Client::join_at(door.clone(), &doctor);
            let mut patient = Client::join_at(door.clone(), &patient);
            doctor.expect("peer-joined");
            doctor.expect("room-status");
            patient.expect("room-status");
            (doctor, patient, 0)
        };
        Self((0..CALLS).map(call).collect())
    }

    /// Exchanges messages for so long: each arrives, and nothing else. How long each took. It goes on with the call that is
    /// next: were it always the first few, they would say more than they may.
    fn go_on(&mut self, time: StdDuration) -> Vec<StdDuration> {
        let start = Instant::now();
        let mut took = Vec::new();
        while start.elapsed() <= time {
            let (doctor, patient, number) = &mut self.0[0];
            *number += 1;
            let candidate = json!({ "candidate": { "candidate": number.to_string() } });
            let message = doctor.message_to("ice-candidate", &patient.person, candidate);
            let sent = Instant::now();
            doctor.send(&message);
            assert_eq!(patient.receive(), message);
            took.push(sent.elapsed());
            self.0.rotate_left(1);
            thread::sleep(PAUSE);
        }
        took
    }
}

/// How long messages took while nobody does anything bad, and beside the abuser.
#[derive(Default)]
struct Measured {
    quiet: Vec<StdDuration>,
    beside: Vec<StdDuration>,
    hits: u64,
    tries: u64,
    /// Processor time of the server beside the abuser, and the time that passed.
    busy: (u64, StdDuration),
}

impl Measured {
    /// A turn without the abuser, one with it, and one in which the server finishes what it has left behind.
    fn turn(
        &mut self,
        program: &Program,
        calls: &mut Calls,
        abuse: &(impl Fn(&AtomicBool) -> (u64, u64) + Sync),
        time: StdDuration,
    ) {
        self.quiet.extend(calls.go_on(time));
        let stop = AtomicBool::new(false);
        let (before, start) = (program.processor_time(), Instant::now());
        let (hits, tries) = thread::scope(|scope| {
            let abuser = scope.spawn(|| {
                // It has a machine of its own, as it were: the server and the calls never wait for it to be given the processor
                // back. On Linux this is the thread's alone.
                rustix::process::nice(19).expect("to be less important is always allowed");
                abuse(&stop)
            });
            self.beside.extend(calls.go_on(time));
            stop.store(true, Ordering::Release);
            // It may need longer until it has hit its limit for the first time: on a slow machine, too, all goes on.
            while !abuser.is_finished() {
                self.beside.extend(calls.go_on(PAUSE * 4));
            }
            abuser.join().expect("the abuser")
        });
        self.hits += hits;
        self.tries += tries;
        self.busy.0 += program.processor_time() - before;
        self.busy.1 += start.elapsed();
        // And it goes on afterwards.
        calls.go_on(AFTERWARDS);
    }

    fn print(&mut self, name: &str) {
        let [quiet, beside] = [&mut self.quiet, &mut self.beside].map(|took| {
            took.sort_unstable();
            [500, 900, 990].map(|part| took[(took.len() - 1) * part / 1_000].as_micros())
        });
        let columns = |of: [u128; 3]| of.map(|took| format!("{took:>8}")).concat();
        println!(
            "{name:<28}{:>8}{:>8}{}{}{:>8.2}{:>8.0} %",
            self.tries,
            self.hits,
            columns(quiet),
            columns(beside),
            beside[2] as f64 / quiet[2] as f64,
            self.busy.0 as f64 / self.busy.1.as_secs_f64(),
        );
    }
}

both_ways! {
    one_abuser_at_full_speed_and_calls_that_lose_nothing,
}

fn one_abuser_at_full_speed_and_calls_that_lose_nothing(way: Way) {
    let seconds = std::env::var("ABUSE_SECONDS").ok().and_then(|text| text.parse().ok());
    let time = StdDuration::from_secs_f64(seconds.unwrap_or(1.0)) / TURNS;
    println!(
        "{way:?}\n{:<28}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>10}",
        "abuser", "tries", "hits", "quiet50", "90", "99", "with50", "90", "99", "99:99", "busy"
    );
    let only = std::env::var("ABUSER").ok();
    for (name, settings, abuse) in ABUSERS {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let (program, door) = way.start_program(4_096, settings);
        let mut calls = Calls::new(&door);
        let mut measured = Measured::default();
        for _ in 0..TURNS {
            measured.turn(&program, &mut calls, &|stop| abuse(&door, stop), time);
        }
        measured.print(name);
        assert!(measured.hits > 0, "{name}: the limit was not hit");
    }
}
