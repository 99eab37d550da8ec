//! Processor time of threads of this program, each by itself (proc(5)).

use std::collections::BTreeSet;
use std::fs;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Keeps this thread, and those that it starts, on one processor. Waking somebody on another one costs whoever wakes up to
/// three times as much, by chance and not by what the program does.
pub fn stay_on_one_processor() {
    let may = sched_getaffinity(None).expect("a Linux system");
    let one = (0..CpuSet::MAX_CPU).find(|cpu| may.is_set(*cpu)).expect("a processor");
    let mut only = CpuSet::new();
    only.set(one);
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

    /// The same of each, by its name.
    pub fn each(&self) -> Vec<(String, u64)> {
        let name = |id| fs::read_to_string(format!("/proc/self/task/{id}/comm"));
        self.ids
            .iter()
            .map(|id| (name(id).expect("a thread").trim().to_owned(), cpu_ns(*id)))
            .collect()
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }
}

fn ids() -> BTreeSet<u32> {
    let tasks = fs::read_dir("/proc/self/task").expect("a Linux system");
    tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok()).collect()
}

fn cpu_ns(id: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/self/task/{id}/schedstat")).expect("a thread");
    text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("nanoseconds")
}
