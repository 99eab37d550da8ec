//! The server's CPU time and memory, if its process is on this machine (proc(5)).

use std::fs;

/// A process.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    pid: u32,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// CPU time of all its threads.
    pub cpu_ns: u64,
    pub resident_bytes: u64,
}

impl Watch {
    pub fn new(pid: u32) -> Result<Self, String> {
        let watch = Self { pid };
        let why = "its /proc cannot be read: is it there, on this Linux machine, and yours?";
        watch.sample().map(|_| watch).ok_or_else(|| format!("process {pid}: {why}"))
    }

    pub fn sample(self) -> Option<Sample> {
        Some(Sample { cpu_ns: self.cpu_ns()?, resident_bytes: self.resident_bytes()? })
    }

    /// In nanoseconds, a precision that `stat` does not have.
    fn cpu_ns(self) -> Option<u64> {
        let mut sum = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid)).ok()? {
            let path = task.ok()?.path().join("schedstat");
            // A thread that has ended meanwhile.
            let Ok(text) = fs::read_to_string(path) else { continue };
            sum += text.split(' ').next()?.parse::<u64>().ok()?;
        }
        Some(sum)
    }

    /// The sum over its mappings: the value in `status` lacks what each processor has not added to
    /// it yet.
    fn resident_bytes(self) -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:"))?;
        Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1_024)
    }
}
