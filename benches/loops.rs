//! What a relayed message costs the server in processor time with one event loop and with two: rooms stay on their loop, so
//! that a message that comes alone should cost the same. As fast as they can, a single loop finds more to do each time that it
//! wakes, and so each message costs it less. First everything stays on one processor, where nothing but the program differs;
//! then all may be anywhere, and what it costs to wake somebody on another processor is in it.
//!
//! `cargo bench --bench loops`; `-- --test` says little and judges nothing.

#[path = "support/mod.rs"]
mod support;

use std::thread;
use std::time::Duration;

use support::client::Client;
use support::clinic::{Kind, Person, client_frame, server_frame};
use support::process::Process;
use support::threads::stay_on_one_processor;

/// So many rooms talk at the same time.
const ROOMS: u32 = 8;

/// Runs by turns, the median of which counts.
const RUNS: usize = 7;

/// Time between two messages of a room, where they come alone.
const PAUSE: Duration = Duration::from_millis(1);

fn main() {
    let has = |name: &str| std::env::args().any(|arg| arg == name);
    let measures = has("--bench") && !has("--test");
    println!("on one processor:");
    let alone = || {
        stay_on_one_processor();
        compare(measures);
    };
    thread::scope(|scope| scope.spawn(alone).join().expect("it ends"));
    println!("on all of them:");
    compare(measures);
}

fn compare(measures: bool) {
    let runs = if measures { RUNS } else { 1 };
    for (how, pause, messages) in
        [("one at a time", PAUSE, 2_000), ("as fast as they can", Duration::ZERO, 10_000)]
    {
        let messages = if measures { messages } else { 50 };
        for kind in [Kind::Candidate, Kind::Offer] {
            let mut costs = [1, 2].map(|_| Vec::new());
            for _ in 0..runs {
                for (loops, costs) in [1, 2].into_iter().zip(&mut costs) {
                    costs.push(cost(loops, kind, messages, pause));
                }
            }
            let [one, two] = costs.map(|mut costs| {
                costs.sort_by(f64::total_cmp);
                costs[costs.len() / 2]
            });
            println!(
                "{kind:?}, {how}: {one:.2} µs with one loop, {two:.2} µs with two, {:.2} of that",
                two / one
            );
        }
    }
}

/// Processor time of the server for a message, in microseconds.
fn cost(loops: u32, kind: Kind, messages: usize, pause: Duration) -> f64 {
    let server = Process::start_with("loops-bench", &[("THREADS", &loops.to_string())]);
    let pairs: Vec<_> = (0..ROOMS).map(|room| server.room(room)).collect();
    let before = server.cpu_ns();
    thread::scope(|scope| {
        for (room, mut pair) in (0..ROOMS).zip(pairs) {
            scope.spawn(move || talk(room, &mut pair, kind, messages, pause));
        }
    });
    (server.cpu_ns() - before) as f64 / 1e3 / (messages * ROOMS as usize) as f64
}

fn talk(room: u32, pair: &mut [Client; 2], kind: Kind, messages: usize, pause: Duration) {
    let [doctor, patient] = [0, 1].map(|seat| Person::new(room, seat));
    let text = doctor.say(kind, &patient, None);
    let (frame, relayed) = (client_frame(&text), server_frame(&text));
    for _ in 0..messages {
        pair[0].send(&frame);
        pair[1].expect(&relayed);
        if !pause.is_zero() {
            thread::sleep(pause);
        }
    }
}
