//! The server's CPU time for a relayed message, with one event loop and with two. Rooms stay on
//! their loop, so a message that arrives alone should cost the same. When the rooms talk at the same
//! time, a single loop finds more work each time that it wakes, so each message costs less.
//! First everything stays on one processor, so that only the program differs; then all processors
//! may be used, and the results include the cost of waking a thread on another processor.
//!
//! `cargo bench --bench loops`; `-- --test` sends few messages and judges nothing.

#[path = "support/mod.rs"]
mod support;

use std::thread;

use support::client::Client;
use support::clinic::{Kind, Person, client_frame, server_frame};
use support::process::Process;
use support::threads::stay_on_one_processor;

/// How many rooms there are.
const ROOMS: u32 = 8;

/// The number of alternating runs, whose median counts.
const RUNS: usize = 7;

/// How the rooms talk.
#[derive(Clone, Copy)]
enum How {
    /// In turns: there is never more than one message under way.
    InTurns,
    /// All at the same time.
    Together,
}

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
    for (name, how, messages) in
        [("one at a time", How::InTurns, 2_000), ("as fast as they can", How::Together, 10_000)]
    {
        let messages = if measures { messages } else { 50 };
        for kind in [Kind::Candidate, Kind::Offer] {
            let mut costs = [1, 2].map(|_| Vec::new());
            for _ in 0..runs {
                for (loops, costs) in [1, 2].into_iter().zip(&mut costs) {
                    costs.push(cost(loops, kind, messages, how));
                }
            }
            let [one, two] = costs.map(|mut costs| {
                costs.sort_by(f64::total_cmp);
                costs[costs.len() / 2]
            });
            println!(
                "{kind:?}, {name}: {one:.2} µs with one loop, {two:.2} µs with two, {:.2} of that",
                two / one
            );
        }
    }
}

/// The server's CPU time for a message, in microseconds.
fn cost(loops: u32, kind: Kind, messages: usize, how: How) -> f64 {
    let server = Process::start_with("loops-bench", &[("THREADS", &loops.to_string())]);
    let mut pairs: Vec<_> = (0..ROOMS).map(|room| server.room(room)).collect();
    let texts: Vec<_> = (0..ROOMS).map(|room| text(room, kind)).collect();
    let before = server.cpu_ns();
    match how {
        How::InTurns => {
            for _ in 0..messages {
                pairs.iter_mut().zip(&texts).for_each(|(pair, text)| say(pair, text));
            }
        }
        How::Together => thread::scope(|scope| {
            for (pair, text) in pairs.iter_mut().zip(&texts) {
                scope.spawn(move || (0..messages).for_each(|_| say(pair, text)));
            }
        }),
    }
    (server.cpu_ns() - before) as f64 / 1e3 / (messages * ROOMS as usize) as f64
}

/// What a doctor sends, and what the patient receives.
fn text(room: u32, kind: Kind) -> [Vec<u8>; 2] {
    let [doctor, patient] = [0, 1].map(|seat| Person::new(room, seat));
    let text = doctor.say(kind, &patient, None);
    [client_frame(&text), server_frame(&text)]
}

fn say(pair: &mut [Client; 2], [sent, relayed]: &[Vec<u8>; 2]) {
    pair[0].send(sent);
    pair[1].expect(relayed);
}
