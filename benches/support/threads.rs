//! Processor time of threads of this program, each by itself (proc(5)).

use std::collections::BTreeSet;
use std::fs;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Keeps this thread, and those that it starts, on one processor. Waking somebody on another one costs whoever wakes up to
/// three times as much, by chance and not by what the program does.
pub fn stay_on_one_processor() {
    let one = processors()[0];
    stay_on(one);
}

/// Those that this thread may use, one at least.
pub fn processors() -> Vec<usize> {
    let may = sched_getaffinity(None).expect("a Linux system");
    (0..CpuSet::MAX_CPU).filter(|cpu| may.is_set(*cpu)).collect()
}

/// Keeps this thread, and whatever it starts, on this processor.
pub fn stay_on(processor: usize) {
    let mut only = CpuSet::new();
    only.set(processor);
    sched_setaffinity(None, &only).expect("a processor that it may use");
}

/// Threads that are watched.
pub struct Threads {
    ids: Vec<u32>,
}

impl Threads {
    /// Those that `start` has begun and left running.
    pub fn begun_by<R>(start: impl FnOnce() -> R) -> (R, Self) {
        let before = ids();
        let result = start();
        let ids = ids().difference(&before).copied().collect();
        (result, Self { ids })
    }

    /// Nanoseconds that they have run, in the kernel too. Exact while they sleep; while one runs its last moments are missing.
    pub fn cpu_ns(&self) -> u64 {
        self.ids.iter().map(|id| cpu_ns(*id)).sum()
    }

    /// The same of each, by its name. One without a name of its own has that of the program: the first loop.
    pub fn each(&self) -> Vec<(String, u64)> {
        let program = fs::read_to_string("/proc/self/comm").expect("this program");
        let name = |id| {
            let name = fs::read_to_string(format!("/proc/self/task/{id}/comm"));
            let name = name.expect("a thread");
            if name == program { "loop 0".to_owned() } else { name.trim().to_owned() }
        };
        self.ids.iter().map(|id| (name(id), cpu_ns(*id))).collect()
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }
}

/// The same of all threads of another program that have not ended.
pub fn cpu_ns_of(process: u32) -> u64 {
    let tasks = format!("/proc/{process}/task");
    let texts = tasks_in(&tasks)
        .filter_map(|id| fs::read_to_string(format!("{tasks}/{id}/schedstat")).ok());
    texts.map(|text| first_ns(&text)).sum()
}

fn ids() -> BTreeSet<u32> {
    tasks_in("/proc/self/task").collect()
}

fn tasks_in(folder: &str) -> impl Iterator<Item = u32> + use<> {
    let tasks = fs::read_dir(folder).expect("a Linux system");
    tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok())
}

fn cpu_ns(id: u32) -> u64 {
    first_ns(&fs::read_to_string(format!("/proc/self/task/{id}/schedstat")).expect("a thread"))
}

fn first_ns(schedstat: &str) -> u64 {
    schedstat.split(' ').next().and_then(|ns| ns.parse().ok()).expect("nanoseconds")
}
