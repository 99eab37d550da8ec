//! The server's memory per connection: the server as a separate process, with thousands of
//! connections that have joined their rooms, two in each. First they are idle, and then each pair
//! sets up a call.
//!
//! `cargo bench --bench memory` fails if a connection needs more than the limit. `-- --test` opens
//! fewer connections and judges nothing.

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::process::ExitCode;

use support::client::Client;
use support::clinic::{Kind, Person, client_frame, server_frame};
use support::process::{Process, SERVER};

/// The number of the room, doctor and patient.
type Room = (u32, [Client; 2]);

/// The most memory of the server that an idle joined connection may use, without sockets in the
/// kernel.
const CONNECTION_BYTES_MAX: f64 = 512.0;

/// The same for two people in a call.
const SESSION_BYTES_MAX: f64 = 2_048.0;

/// How many rooms set up a call at the same time.
const ROOMS_AT_A_TIME: usize = 250;

/// Candidates of each of the two.
const CANDIDATES: usize = 10;

/// Files that both processes have open besides the connections, and some to spare.
const OTHER_FILES: usize = 100;

fn main() -> ExitCode {
    let has = |name: &str| std::env::args().any(|arg| arg == name);
    // Cargo passes `--bench` if figures are wanted, and not if it only tests.
    let measures = has("--bench") && !has("--test");
    let files = open_files_max();
    // The first thousands pay for what exists once: the buffers, the tables' first pages, the
    // allocator's own data.
    let all = files.saturating_sub(OTHER_FILES).min(19_000) / 2 * 2;
    let (some, many) = if measures { (2_000, all.max(10_000)) } else { (100, 500) };
    if files < many + OTHER_FILES {
        eprintln!(
            "{many} connections need {} open files, the limit is {files}: ulimit -n",
            many + OTHER_FILES
        );
        return ExitCode::FAILURE;
    }

    println!(
        "binary                        {:>9} KiB",
        fs::metadata(SERVER).map_or(0, |file| file.len()) / 1_024
    );
    let connection = slope("idle", [some, many], |_| ());
    println!("each idle joined connection   {connection:>9.0} B, at most {CONNECTION_BYTES_MAX} B");
    let session = 2.0 * slope("active", [some, many], call);
    println!("each active session of two    {session:>9.0} B, at most {SESSION_BYTES_MAX} B");
    let is_within = connection <= CONNECTION_BYTES_MAX && session <= SESSION_BYTES_MAX;
    if measures && !is_within { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What each connection adds to the resident set of a server, between two numbers of connections.
/// They join a few rooms at a time, and then run `then`.
fn slope(name: &str, counts: [usize; 2], then: impl Fn(&mut [Room])) -> f64 {
    let server = Process::start("memory-bench");
    println!("resident, empty               {:>9} KiB", server.resident_bytes() / 1_024);
    let mut rooms = Vec::<Room>::new();
    let [before, after] = counts.map(|connections| {
        while rooms.len() * 2 < connections {
            let new = rooms.len();
            let some = ROOMS_AT_A_TIME.min(connections / 2 - new);
            rooms.extend((new..new + some).map(|room| (room as u32, server.room(room as u32))));
            then(&mut rooms[new..]);
        }
        let bytes = server.resident_bytes();
        println!("resident, {connections:>6} {name:<6} {:>15} KiB", bytes / 1_024);
        bytes as f64
    });
    (after - before) / (counts[1] - counts[0]) as f64
}

/// Every pair sets up a call, and receives all of it. What was retained for a replay is released
/// once a later ping is answered.
fn call(rooms: &mut [Room]) {
    for (room, pair) in &mut *rooms {
        let [doctor, patient] = [0, 1].map(|seat| Person::new(*room, seat));
        let mut relay = |from: usize, text: &str| {
            pair[from].send(&client_frame(text));
            pair[1 - from].expect(&server_frame(text));
        };
        relay(0, &doctor.say(Kind::Offer, &patient, None));
        relay(1, &patient.answer(&doctor));
        for _ in 0..CANDIDATES {
            relay(0, &doctor.say(Kind::Candidate, &patient, None));
            relay(1, &patient.say(Kind::Candidate, &doctor, None));
        }
    }
    for (_, pair) in rooms {
        pair.iter_mut().for_each(Client::expect_ping);
    }
}

fn open_files_max() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").expect("a Linux system");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()).expect("a limit");
    soft.parse().unwrap_or(usize::MAX)
}
