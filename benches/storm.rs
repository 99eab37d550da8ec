//! Everybody connects at once: thousands of people with tokens, the audit log written ahead, and a
//! call in progress. It measures how many people are let in per second and how the call is
//! affected, and checks that nobody is refused.
//!
//! If there are two processors, the server has one, and the clients the other. A message of the call
//! takes from when it is sent until it arrives at the patient's socket, as the kernel notes it: the
//! patient's program would have a machine of its own in reality, and not share its processor with
//! the clients of the storm. These have a lower priority, so that the call goes on sending.
//!
//! `cargo bench --bench storm` needs 19,100 open files; `-- --test` uses few clients and judges
//! nothing.

#[path = "support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use autamedica_signaling::reactor::clock::wall_time;
use support::client::Client;
use support::clinic::{Kind, Person, client_frame, server_frame};
use support::process::Process;
use support::threads::{processors, stay_on};

/// How many people connect at the same time.
const CROWD: u32 = 64;

/// The time between two messages of the call.
const PAUSE: Duration = Duration::from_micros(500);

fn main() -> ExitCode {
    let has = |name: &str| std::env::args().any(|arg| arg == name);
    let measures = has("--bench") && !has("--test");
    let (people, quiet) = if measures { (19_000, 3_000) } else { (200, 50) };
    let processors = processors();
    stay_on(processors[0]);
    let server = Process::start("storm-bench");
    stay_on(processors[processors.len() - 1]);
    let mut call = server.room(0);
    call[1].note_arrivals();
    let silence = talk(&mut call, |said| said < quiet);

    let (next, over) = (AtomicU32::new(2), AtomicBool::new(false));
    let begun = Instant::now();
    let (storm, inside) = thread::scope(|scope| {
        let call = scope.spawn(|| talk(&mut call, |_| !over.load(Ordering::Relaxed)));
        let come = || {
            // On Linux this affects only the current thread.
            rustix::process::nice(19).expect("to be less important is always allowed");
            let mut inside = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= people + 2 {
                    return inside;
                }
                // Anything but `room-joined` ends the bench.
                let person = Person::new(number / 2, number % 2);
                inside.push(Client::join(server.address, &person, wall_time()));
            }
        };
        let crowd: Vec<_> = (0..CROWD).map(|_| scope.spawn(come)).collect();
        let inside = crowd.into_iter().flat_map(|one| one.join().expect("they come in"));
        let inside: Vec<_> = inside.collect();
        over.store(true, Ordering::Relaxed);
        (call.join().expect("the call goes on"), inside)
    });
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{} people let in, none refused, {:.0} a second with the log written ahead",
        inside.len(),
        f64::from(people) / seconds
    );
    tell("the call, quiet", silence);
    tell("the call, in the storm", storm);
    ExitCode::SUCCESS
}

/// Sends one candidate after the other, as long as `goes_on` says, and returns how long each took
/// to arrive at the other's socket.
fn talk(pair: &mut [Client; 2], goes_on: impl Fn(usize) -> bool) -> Vec<Duration> {
    let [doctor, patient] = [0, 1].map(|seat| Person::new(0, seat));
    let text = doctor.say(Kind::Candidate, &patient, None);
    let (frame, relayed) = (client_frame(&text), server_frame(&text));
    let mut times = Vec::new();
    while goes_on(times.len()) {
        let begun = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock");
        pair[0].send(&frame);
        pair[1].expect(&relayed);
        // A clock that is set meanwhile would spoil a measurement, but is no error.
        times.extend(pair[1].arrived().map(|at| at.saturating_sub(begun)));
        thread::sleep(PAUSE);
    }
    times
}

fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at =
        |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
    println!(
        "{what:<24} {:>6} messages: p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms, longest {:.2} ms",
        times.len(),
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0)
    );
}
