//! The server as a separate process, whose memory can be measured.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use autamedica_signaling::reactor::clock::wall_time;

use super::client::{Client, PATIENCE};
use super::clinic::{Person, SECRET};
use super::threads::cpu_ns_of;

/// The program.
pub const SERVER: &str = env!("CARGO_BIN_EXE_autamedica-signaling");

/// The server. It is stopped when this is dropped.
pub struct Process {
    child: Child,
    /// Kept open for the server to write to.
    _log: BufReader<ChildStdout>,
    pub address: SocketAddr,
}

impl Process {
    /// Starts it with an audit log in an empty folder of this name.
    pub fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    /// The same with more settings.
    pub fn start_with(name: &str, more: &[(&str, &str)]) -> Self {
        let settings = [
            ("HOST", "127.0.0.1"),
            ("PORT", "0"),
            ("ADMIN_ADDR", "off"),
            ("JWT_SECRET", SECRET),
            ("LOG_FORMAT", "json"),
            // All clients come from this machine, as fast as they can.
            ("CONNECTIONS_PER_ADDRESS_MAX", "unlimited"),
            ("ACCEPT_RATE", "unlimited"),
            ("SIGNAL_RATE", "1000000"),
            ("SIGNAL_BURST", "1000000"),
            ("BYTES_RATE", "1073741824"),
            ("BYTES_BURST", "1073741824"),
            // Dropped participants are soon removed.
            ("RECONNECT_GRACE", "1"),
            // The clients here answer no pings.
            ("HEARTBEAT", "3600"),
        ];
        let audit = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        // The log of an earlier run would be read at the start.
        let _ = fs::remove_dir_all(&audit);
        let mut child = Command::new(SERVER)
            .env_clear()
            .envs(settings)
            .envs(more.iter().copied())
            .env("AUDIT_DIR", audit.join("log"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut log = BufReader::new(child.stdout.take().expect("a pipe"));
        let address = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).expect("a line") > 0, "the server ended");
            if let Some((_, rest)) = line.split_once("listening on ") {
                let end = rest.find('"').expect("the end of the text");
                break rest[..end].parse().expect("an address");
            }
        };
        Self { child, _log: log, address }
    }

    /// Doctor and patient in a room, after they have received everything that belongs to joining.
    pub fn room(&self, number: u32) -> [Client; 2] {
        let now = wall_time();
        let [mut doctor, mut patient] =
            [0, 1].map(|seat| Client::join(self.address, &Person::new(number, seat), now));
        doctor.expect_message("peer-joined");
        doctor.expect_message("room-status");
        patient.expect_message("room-status");
        [doctor, patient]
    }

    /// Waits until the server has at most this many files open, including sockets.
    pub fn wait_until_files(&self, files_max: usize) {
        let begun = Instant::now();
        let folder = format!("/proc/{}/fd", self.child.id());
        loop {
            let files = fs::read_dir(&folder).expect("a Linux system").count();
            if files <= files_max {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{files} files are open");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// CPU time of its threads, in nanoseconds (proc_pid_schedstat(5)). For a running thread, its
    /// last moments are missing.
    pub fn cpu_ns(&self) -> u64 {
        cpu_ns_of(self.child.id())
    }

    /// The process's memory in RAM. The sum over its mappings: `VmRSS` lacks what each processor
    /// has not added to it yet (proc_pid_status(5)).
    pub fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = fs::read_to_string(path).expect("a Linux system");
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).expect("a sum");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * 1_024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; that has already been noticed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
