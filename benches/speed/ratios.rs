//! A piece of work compared with its floor.
//!
//! criterion gives the figures for each of them and remembers them. The ratio is measured
//! separately: the two take turns of about a millisecond, and for each the fastest tenth counts.
//! Anything else on the machine affects both, and only makes them slower.

use std::cell::Cell;
use std::fmt;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};

/// How many turns each of the two has.
const TURNS: usize = 200;

/// How long a turn takes.
const TURN: Duration = Duration::from_millis(1);

/// A criterion, and the table of its results.
pub struct Speed {
    criterion: Criterion,
    /// Whether figures are wanted. If not, everything just runs once.
    measures: bool,
    rows: Vec<Row>,
}

/// A comparison.
pub struct Pair<'a> {
    pub group: &'a str,
    pub name: &'a str,
    /// What the floor does.
    pub floor: &'a str,
    /// How many bytes both of them handle.
    pub bytes: usize,
}

struct Row {
    name: String,
    floor_name: String,
    work_ns: f64,
    floor_ns: f64,
}

impl Speed {
    /// As the command line says.
    pub fn from_args() -> Self {
        let has = |name: &str| std::env::args().any(|arg| arg == name);
        let criterion = Criterion::default()
            .sample_size(50)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2))
            .configure_from_args();
        // Cargo passes `--bench` if figures are wanted, and not if it only tests.
        Self { criterion, measures: has("--bench") && !has("--test"), rows: Vec::new() }
    }

    /// Measures both, unless the command line selects others.
    pub fn compare(&mut self, pair: &Pair<'_>, mut work: impl FnMut(), mut floor: impl FnMut()) {
        let chosen = Cell::new(false);
        let mut group = self.criterion.benchmark_group(pair.group);
        group.throughput(Throughput::Bytes(pair.bytes as u64));
        group.bench_function(pair.name, |bencher| {
            chosen.set(true);
            bencher.iter(&mut work);
        });
        group.bench_function(format!("{}, floor: {}", pair.name, pair.floor), |bencher| {
            bencher.iter(&mut floor);
        });
        group.finish();
        if self.measures && chosen.get() {
            self.rows.push(Row::measure(pair, work, floor));
        }
    }

    /// Prints the table.
    pub fn finish(self) {
        self.criterion.final_summary();
        if !self.rows.is_empty() {
            println!(
                "\n{:<44} {:>12} {:>12} {:>8}  floor",
                "the quickest tenth", "ns", "floor, ns", "ratio"
            );
        }
        self.rows.iter().for_each(|row| println!("{row}"));
    }
}

impl Row {
    fn measure(pair: &Pair<'_>, mut work: impl FnMut(), mut floor: impl FnMut()) -> Self {
        let (works, floors) = (runs_per_turn(&mut work), runs_per_turn(&mut floor));
        let mut turns: Vec<_> =
            (0..TURNS).map(|_| (ns_of(&mut work, works), ns_of(&mut floor, floors))).collect();
        let mut quick = |of: fn(&(f64, f64)) -> f64| {
            turns.sort_by(|a, b| of(a).total_cmp(&of(b)));
            of(&turns[TURNS / 10])
        };
        Self {
            name: format!("{}: {}", pair.group, pair.name),
            floor_name: pair.floor.to_owned(),
            work_ns: quick(|turn| turn.0),
            floor_ns: quick(|turn| turn.1),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, floor_name, work_ns, floor_ns } = self;
        let ratio = work_ns / floor_ns;
        write!(f, "{name:<44} {work_ns:>12.0} {floor_ns:>12.1} {ratio:>8.1}  {floor_name}")
    }
}

fn runs_per_turn(work: &mut impl FnMut()) -> u32 {
    let mut runs = 1;
    loop {
        let begun = Instant::now();
        (0..runs).for_each(|_| work());
        if begun.elapsed() >= TURN {
            return runs;
        }
        runs *= 2;
    }
}

fn ns_of(work: &mut impl FnMut(), runs: u32) -> f64 {
    let begun = Instant::now();
    (0..runs).for_each(|_| work());
    begun.elapsed().as_nanos() as f64 / f64::from(runs)
}
