//! The resources that this process uses (proc(5)). Values that the system does not provide are left
//! out.

use std::fs;
use std::os::fd::AsFd;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::time::{ClockId, clock_gettime};

use crate::base::time::WallTime;

/// Ticks per second in `/proc/self/stat`. The kernel's own timer may be faster; this is the unit
/// that programs see.
const TICKS: u64 = 100;

/// The resources that the process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of all threads, in microseconds.
    pub cpu_micros: u64,
    /// Resident memory.
    pub resident_bytes: Option<u64>,
    /// Virtual memory.
    pub virtual_bytes: Option<u64>,
    /// The number of threads.
    pub threads: Option<u64>,
}

impl Usage {
    /// Reads the current values. Costs two system calls and a small file.
    pub fn read() -> Self {
        let cpu_micros = micros(ClockId::ProcessCPUTime);
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        Self {
            cpu_micros,
            resident_bytes: number("VmRSS:").map(|kib| kib * 1_024),
            virtual_bytes: number("VmSize:").map(|kib| kib * 1_024),
            threads: number("Threads:"),
        }
    }
}

/// Microseconds since the machine was switched on, whether it was suspended meanwhile or not.
pub fn since_boot_micros() -> u64 {
    // Linux alone needs a clock of its own for that.
    #[cfg(target_os = "linux")]
    let clock = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = ClockId::Monotonic;
    micros(clock)
}

fn micros(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let secs = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    secs * 1_000_000 + nanos / 1_000
}

/// How many file descriptors are open.
pub fn open_files() -> Option<u64> {
    let folder = fs::metadata("/proc/self/fd").ok()?;
    // Since Linux 6.2 the length of the folder is their number, and nothing has to be counted.
    match folder.len() {
        0 => Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64),
        len => Some(len),
    }
}

/// How many file descriptors may be open.
pub fn open_files_max() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// When the process was started.
pub fn started_at() -> Option<WallTime> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The fields are counted from after the name, which may contain anything: field 22 is the 20th.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: u64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    let boot = fs::read_to_string("/proc/stat").ok()?;
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse::<u64>();
    let millis = boot.ok()? * 1_000 + ticks * 1_000 / TICKS;
    Some(WallTime::from_millis(i64::try_from(millis).ok()?))
}

/// Has the system allocate the process's table of descriptors for `count` of them at once, with the
/// help of any open one. In a process with several threads, each doubling of that table stops the
/// thread that opens the next descriptor for 10 to 20 ms (`expand_fdtable` in Linux waits until no
/// processor can see the old table). Past the limit of open files, nothing is reserved.
pub fn reserve_descriptors(open: impl AsFd, count: usize) {
    if let Ok(least) = i32::try_from(count) {
        // The duplicate is closed at once. The table stays as it is.
        drop(fcntl_dupfd_cloexec(open, least));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_system_says_what_is_used() {
        let usage = Usage::read();
        assert!(usage.resident_bytes.is_some_and(|bytes| bytes > 1_000_000), "{usage:?}");
        assert!(usage.virtual_bytes >= usage.resident_bytes && usage.threads >= Some(1));
        assert!(open_files().is_some_and(|count| count >= 3));
        assert!(started_at().is_some_and(|time| time.as_secs() > 1_700_000_000));
    }
}
