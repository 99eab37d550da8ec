//! Whole call set-ups: two connections with tokens, two joins, offer, answer, twenty candidates,
//! two leaves. First one after the other; then many at the same time, which share what can be
//! shared. The floor plays one after the other.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use autamedica_signaling::reactor::clock::wall_time;

use crate::crowd;
use crate::forwarder::{self, Step};
use crate::print_row;
use crate::support::client::{Client, upgrade};
use crate::support::clinic::{Kind, Person, client_frame, server_frame};
use crate::support::server::Running;
use crate::support::threads::Threads;

/// Calls in a turn.
const CALLS: u32 = 20;

/// Candidates of both together.
pub const CANDIDATES: usize = 20;

/// A loop that plays steps, and its thread.
struct Floor {
    address: SocketAddr,
    threads: Threads,
}

impl Floor {
    fn start(steps: &[Step], log: Option<File>) -> Self {
        let (address, threads) = Threads::begun_by(|| forwarder::play(steps.to_vec(), log));
        assert_eq!(threads.len(), 1);
        Self { address, threads }
    }
}

pub fn bench(measures: bool) {
    let turns = if measures { 50 } else { 1 };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("floor-bench");
    // It exists only if an earlier run was interrupted.
    let _ = fs::remove_dir_all(&folder);
    for (name, together, is_durable) in [
        ("call set-up, without an audit log", 1, false),
        ("call set-up, audit log written ahead", 1, true),
        ("16 at a time, without an audit log", 16, false),
        ("16 at a time, audit log written ahead", 16, true),
    ] {
        bench_calls(name, together, is_durable.then_some(&*folder), turns);
    }
    let _ = fs::remove_dir_all(folder);
}

/// If there is a folder, the server keeps its audit log in it, and a second floor writes as many
/// bytes to disk.
fn bench_calls(name: &str, together: u32, folder: Option<&Path>, turns: u32) {
    let (server, ours) = Threads::begun_by(|| {
        let server = match folder {
            Some(folder) => Running::start_with_log(&folder.join("audit")),
            None => Running::start(),
        };
        call(server.address(), 1_000_000);
        server
    });
    let steps = call(server.address(), 0);
    let mut floors = vec![Floor::start(&steps, None)];
    if let Some(folder) = folder {
        let log = File::create(folder.join("floor")).expect("the folder is there");
        floors.push(Floor::start(&steps, Some(log)));
    }
    let mut number = 0;
    let mut rows = vec![Vec::new(); floors.len()];
    for _ in 0..turns {
        let calls = CALLS.max(together);
        let before = ours.cpu_ns();
        for _ in 0..calls / together {
            match together {
                1 => drop(call(server.address(), number + 1)),
                _ => crowd::calls(server.address(), number + 1..number + 1 + together),
            }
            number += together;
        }
        let server_us = (ours.cpu_ns() - before) as f64 / 1e3 / f64::from(calls);
        for (floor, rows) in floors.iter().zip(&mut rows) {
            let before = floor.threads.cpu_ns();
            (0..CALLS).for_each(|_| floor_call(floor.address, &steps));
            let floor_us = (floor.threads.cpu_ns() - before) as f64 / 1e3 / f64::from(CALLS);
            rows.push([server_us, floor_us]);
        }
    }
    for (name, rows) in [name, "  beside a floor that also writes ahead"].into_iter().zip(rows) {
        print_row(name, rows);
    }
    for (thread, ns) in ours.each() {
        println!("  of it the thread {thread}: {:.1}", ns as f64 / 1e3 / f64::from(number));
    }
}

/// Plays a call with a server, and returns the steps that it consisted of.
fn call(address: SocketAddr, number: u32) -> Vec<Step> {
    let now = wall_time();
    let [doctor, patient] = [0, 1].map(|seat| Person::new(number, seat));
    let mut steps = Vec::new();
    let mut step = |from, len, answers, is_durable| {
        steps.push(Step { from, len, answers, closes: false, is_durable })
    };

    let mut first = Client::connect(address, &doctor, now);
    step(0, upgrade(&doctor.token(now)).len(), [first.received(), 0], false);
    let join = client_frame(&doctor.join());
    let before = first.received();
    first.send(&join);
    first.expect_message("room-joined");
    step(0, join.len(), [first.received() - before, 0], true);

    let mut second = Client::connect(address, &patient, now);
    step(1, upgrade(&patient.token(now)).len(), [0, second.received()], false);
    let join = client_frame(&patient.join());
    let before = [first.received(), second.received()];
    second.send(&join);
    second.expect_message("room-joined");
    second.expect_message("room-status");
    first.expect_message("peer-joined");
    first.expect_message("room-status");
    step(1, join.len(), [first.received() - before[0], second.received() - before[1]], true);

    let mut relay = |from: usize, text: &str| {
        let (sent, relayed) = (client_frame(text), server_frame(text));
        let (speaks, hears) =
            if from == 0 { (&mut first, &mut second) } else { (&mut second, &mut first) };
        speaks.send(&sent);
        hears.expect(&relayed);
        let mut answers = [0; 2];
        answers[1 - from] = relayed.len();
        step(from, sent.len(), answers, false);
    };
    relay(0, &doctor.say(Kind::Offer, &patient, None));
    relay(1, &patient.answer(&doctor));
    for _ in 0..CANDIDATES / 2 {
        relay(0, &doctor.say(Kind::Candidate, &patient, None));
        relay(1, &patient.say(Kind::Candidate, &doctor, None));
    }
    leave(first, second, [&doctor, &patient], &mut steps);
    steps
}

/// Both leave, the first one first.
fn leave(mut first: Client, mut second: Client, people: [&Person; 2], steps: &mut Vec<Step>) {
    /// The payload of a close frame that has only a code.
    const CLOSE_BYTES: usize = 4;
    let leaves = people.map(|person| client_frame(&person.leave()));
    let before = second.received();
    first.send(&leaves[0]);
    second.expect_message("peer-left");
    let mut step = |from, len, answers, closes| {
        steps.push(Step { from, len, answers, closes, is_durable: false })
    };
    step(0, leaves[0].len(), [CLOSE_BYTES, second.received() - before], false);
    step(0, first.expect_close(), [0; 2], true);
    second.send(&leaves[1]);
    step(1, leaves[1].len(), [0, CLOSE_BYTES], false);
    step(1, second.expect_close(), [0; 2], true);
}

/// Plays the same steps with the floor.
fn floor_call(address: SocketAddr, steps: &[Step]) {
    let mut sockets: [Option<TcpStream>; 2] = [None, None];
    let mut buffer = vec![0x20; 1 << 16];
    for Step { from, len, answers, closes, .. } in steps {
        let socket = sockets[*from].get_or_insert_with(|| {
            let socket = TcpStream::connect(address).expect("the floor listens");
            socket.set_nodelay(true).expect("a socket");
            socket
        });
        socket.write_all(&buffer[..*len]).expect("the floor reads");
        for (socket, len) in sockets.iter_mut().zip(answers) {
            if let Some(socket) = socket {
                socket.read_exact(&mut buffer[..*len]).expect("the floor writes");
            }
        }
        if *closes {
            let mut socket = sockets[*from].take().expect("it is open");
            assert_eq!(socket.read(&mut buffer).expect("an end"), 0);
        }
    }
}
