//! Runs many seeds, or one that failed.

use std::cell::{Cell, RefCell};
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};
use std::thread;

use super::draw;
use super::plan::Plan;
use super::promises::{Broken, Promise};
use super::shrink::shrink;
use super::transcript::Lines;
use super::world::{Tally, World};

/// How many failing seeds are named before the rest is not looked for.
const FAILURES_MAX: usize = 10;

/// How many lines of a transcript are shown; the end matters most.
const LINES_MAX: usize = 400;

/// The number in an environment variable.
pub fn wanted(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.trim().parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// What was broken.
    pub broken: Option<Broken>,
    /// What happened, where that was asked for.
    pub lines: Vec<String>,
    /// How much there was of it.
    pub tally: Tally,
}

/// Lets a plan happen. A panic of the server is a broken promise like any other.
pub fn run(plan: Plan, recorded: bool) -> Outcome {
    let lines = Lines::new();
    let written = recorded.then(|| lines.clone());
    hush_panics_in_runs();
    IN_A_RUN.set(true);
    let ran = panic::catch_unwind(AssertUnwindSafe(|| World::new(plan, written).run()));
    IN_A_RUN.set(false);
    let (broken, tally) = ran.unwrap_or_else(|_| {
        let how = PANIC.take();
        (Some(Broken { promise: Promise::Soundness, how }), Tally::default())
    });
    Outcome { broken, lines: lines.take(), tally }
}

/// Runs the seeds from 0 on, on all cores. What they came to.
pub fn all(seeds: u64) -> Tally {
    let first = wanted("SIMULATION_FIRST").unwrap_or(0);
    let next = AtomicU64::new(first);
    let found = Mutex::new((Tally::default(), Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let enough = || found.lock().map_or(true, |found| found.1.len() >= FAILURES_MAX);
            if seed >= first + seeds || enough() {
                return;
            }
            let outcome = run(draw::plan(seed), false);
            if let Ok(mut found) = found.lock() {
                found.0.add(&outcome.tally);
                found.1.extend(outcome.broken.map(|broken| (seed, broken)));
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    let (tally, mut failed) = found.into_inner().expect("no worker panics");
    println!("{seeds} seeds: {tally:?}");
    failed.sort_by_key(|(seed, _)| *seed);
    if let Some((seed, _)) = failed.first() {
        let mut list = String::new();
        for (seed, broken) in &failed {
            let _ = writeln!(list, "  seed {seed}: {broken}");
        }
        panic!("promises were broken\n{list}{}", explain(*seed));
    }
    tally
}

/// Runs one seed, and says what happened where it fails.
pub fn replay(seed: u64) {
    let outcome = run(draw::plan(seed), false);
    match outcome.broken {
        None => println!("seed {seed} keeps every promise: {:?}", outcome.tally),
        Some(broken) => panic!("seed {seed}: {broken}\n{}", explain(seed)),
    }
}

/// The shortest run that breaks the same promise, as a transcript.
fn explain(seed: u64) -> String {
    let plan = draw::plan(seed);
    let whole = run(plan.clone(), true).lines.join("\n");
    let path = format!("{}/simulation-{seed}.txt", env!("CARGO_TARGET_TMPDIR"));
    let written = fs::write(&path, whole).map_or_else(|error| error.to_string(), |()| path);
    let (small, runs) = shrink(&plan, |plan| run(plan.clone(), false).broken);
    let outcome = run(small.clone(), true);
    let broken = outcome.broken.map_or_else(String::new, |broken| broken.to_string());
    let left_out = outcome.lines.len().saturating_sub(LINES_MAX);
    let shown = outcome.lines[left_out..].join("\n");
    format!(
        "SIMULATION_SEED={seed} replays this; all of it is in {written}\n\
         Of its plan of {} parts, {} are enough ({runs} runs):\n{}\
         transcript ({left_out} lines before this left out):\n{shown}\n{broken}",
        plan.size(),
        small.size(),
        describe(&small),
    )
}

fn describe(plan: &Plan) -> String {
    let mut text = format!("{:?}\n", plan.settings);
    for person in &plan.people {
        let steps: Vec<_> = person.steps.iter().map(|step| (step.at, step.deed)).collect();
        let _ = writeln!(
            text,
            "{}-{} of room {}, user {}, {:?}, {:?}, {} s, {:?}: {steps:?}",
            person.role.as_str(),
            person.number,
            person.room,
            person.user,
            person.permissions,
            person.way,
            person.token_secs,
            person.weather,
        );
    }
    for fault in &plan.faults {
        let _ = writeln!(text, "{fault:?}");
    }
    let _ = writeln!(text, "calm at {}, {:?}", plan.calm_at, plan.ending);
    text
}

thread_local! {
    /// Whether a panic on this thread is a finding, which is told of in our own words.
    static IN_A_RUN: Cell<bool> = const { Cell::new(false) };
    /// What it said, and where.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

fn hush_panics_in_runs() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if IN_A_RUN.get() {
                PANIC.set(info.to_string());
            } else {
                before(info);
            }
        }));
    });
}
