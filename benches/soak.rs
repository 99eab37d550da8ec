//! Whether memory grows: the server as a separate process, with its audit log, through a million
//! messages, a hundred thousand people who join and leave, and a storm of connections that all
//! leave again.
//!
//! `cargo bench --bench soak` fails if memory after a phase exceeds the memory before it by more
//! than a table or the allocator may keep. `-- --test` does a hundredth of it.

#[path = "support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use autamedica_signaling::reactor::clock::wall_time;
use support::client::Client;
use support::clinic::{Kind, Person, client_frame, server_frame};
use support::process::Process;

/// How much memory may grow over a round that is the same as the previous one: nothing, except for
/// pages that the allocator has begun, and an open file of the log.
const GROWTH_KIB_MAX: u64 = 1_024;

/// How many rooms are set up at the same time.
const CALLERS: u32 = 25;

/// How many messages are in flight at once.
const TOGETHER: usize = 50;

fn main() -> ExitCode {
    let has = |name: &str| std::env::args().any(|arg| arg == name);
    let measures = has("--bench") && !has("--test");
    let scale = if measures { 1 } else { 100 };
    let server = Process::start("soak-bench");
    let mut grown = Vec::new();
    let mut soak = |what: &str, round: &mut dyn FnMut()| {
        let begun = Instant::now();
        // The first round pays for what is allocated once.
        round();
        let before = server.resident_bytes() / 1_024;
        round();
        let after = server.resident_bytes() / 1_024;
        println!(
            "{what:<52} {before:>7} KiB, {after:>7} KiB  ({:.0} s)",
            begun.elapsed().as_secs_f64()
        );
        if after > before + GROWTH_KIB_MAX {
            grown.push(what.to_owned());
        }
    };

    let mut pairs: Vec<_> = (0..8).map(|room| server.room(room)).collect();
    soak("a million messages, after half of them", &mut || {
        talk(&mut pairs, 500_000 / scale);
    });
    let mut room = 1_000;
    soak("100,000 people come and go, after half", &mut || {
        // Several at once, so that they share the writes of the log.
        let each = 25_000 / scale as u32 / CALLERS;
        thread::scope(|scope| {
            for first in (0..CALLERS).map(|caller| room + caller * each) {
                let server = &server;
                scope.spawn(move || {
                    (first..first + each).for_each(|room| come_and_go(server, room))
                });
            }
        });
        room += CALLERS * each;
    });
    let people = if measures { 9_000 } else { 200 };
    soak("a storm of 9,000 who drop, after they did so before", &mut || {
        let persons =
            (0..people as u32).map(|number| Person::new(1_000_000 + number / 2, number % 2));
        let join = |person| Client::join(server.address, &person, wall_time());
        let crowd: Vec<_> = persons.map(join).collect();
        drop(crowd);
        server.wait_until_files(pairs.len() * 2 + 60);
    });
    drop(pairs);
    if measures && !grown.is_empty() {
        eprintln!("memory has grown: {}", grown.join("; "));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Candidates in both directions, in every room in turn.
fn talk(pairs: &mut [[Client; 2]], messages: usize) {
    let texts: Vec<_> = (0..pairs.len() as u32)
        .map(|room| {
            let [doctor, patient] = [0, 1].map(|seat| Person::new(room, seat));
            [
                doctor.say(Kind::Candidate, &patient, None),
                patient.say(Kind::Candidate, &doctor, None),
            ]
        })
        .collect();
    let mut said = 0;
    while said < messages {
        for (pair, texts) in pairs.iter_mut().zip(&texts) {
            for way in 0..2 {
                let (frames, relayed) = (
                    client_frame(&texts[way]).repeat(TOGETHER),
                    server_frame(&texts[way]).repeat(TOGETHER),
                );
                pair[way].send(&frames);
                pair[1 - way].expect(&relayed);
                said += TOGETHER;
            }
        }
    }
}

/// A room of two from the first connection to the last: nothing remains of it but its records in
/// the log.
fn come_and_go(server: &Process, room: u32) {
    let [mut doctor, mut patient] = server.room(room);
    doctor.send(&client_frame(&Person::new(room, 0).leave()));
    patient.expect_message("peer-left");
    patient.send(&client_frame(&Person::new(room, 1).leave()));
}
