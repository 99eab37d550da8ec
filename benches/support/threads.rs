//! CPU time of single threads of this program (proc(5)).

use std::collections::BTreeSet;
use std::fs;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Keeps this thread, and those that it starts, on one processor. Waking a thread on another
/// processor costs up to three times as much, depending on chance and not on the program.
pub fn stay_on_one_processor() {
    let one = processors()[0];
    stay_on(one);
}

/// The processors that this thread may use, at least one.
pub fn processors() -> Vec<usize> {
    let may = sched_getaffinity(None).expect("a Linux system");
    (0..CpuSet::MAX_CPU).filter(|cpu| may.is_set(*cpu)).collect()
}

/// Keeps this thread, and those that it starts, on this processor.
pub fn stay_on(processor: usize) {
    let mut only = CpuSet::new();
    only.set(processor);
    sched_setaffinity(None, &only).expect("a processor that it may use");
}

/// A set of threads to measure.
pub struct Threads {
    ids: Vec<u32>,
}

impl Threads {
    /// The threads that `start` has started and left running.
    pub fn begun_by<R>(start: impl FnOnce() -> R) -> (R, Self) {
        let before = ids();
        let result = start();
        let ids = ids().difference(&before).copied().collect();
        (result, Self { ids })
    }

    /// Their CPU time in nanoseconds, including the kernel. Exact while they sleep; for a running
    /// thread, its last moments are missing.
    pub fn cpu_ns(&self) -> u64 {
        self.ids.iter().map(|id| cpu_ns(*id)).sum()
    }

    /// The same for each thread, by name. A thread without a name of its own has that of the
    /// program: the first loop.
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

/// The same for all running threads of another process.
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
