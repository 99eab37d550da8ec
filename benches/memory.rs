//! What a participant who says nothing costs the server in memory: the server as a process of its own, with thousands of
//! connections that have joined their rooms, two in each.
//!
//! `cargo bench --bench memory` fails where it is more than 512 bytes. `-- --test` opens fewer connections and judges nothing.

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};

use autamedica_signaling::reactor::clock::wall_time;
use support::client::Client;
use support::clinic::{Person, SECRET};

const SERVER: &str = env!("CARGO_BIN_EXE_autamedica-signaling");

/// What an idle connection that has joined may take of the server's own memory, sockets in the kernel apart.
const BYTES_MAX: f64 = 512.0;

/// Files that both processes have open beside the connections, and some to spare.
const OTHER_FILES: usize = 100;

fn main() -> ExitCode {
    let has = |name: &str| std::env::args().any(|arg| arg == name);
    // Cargo says `--bench` where it wants figures, and not where it only tests.
    let measures = has("--bench") && !has("--test");
    let files = open_files_max();
    // The first thousands pay for what is there once: the buffers, the tables' first pages, the allocator's own.
    let all = files.saturating_sub(OTHER_FILES).min(19_000) / 2 * 2;
    let (some, many) = if measures { (2_000, all.max(10_000)) } else { (100, 500) };
    if files < many + OTHER_FILES {
        eprintln!(
            "{many} connections need {} open files, the limit is {files}: ulimit -n",
            many + OTHER_FILES
        );
        return ExitCode::FAILURE;
    }

    let server = Process::start();
    println!(
        "binary                       {:>10} KiB",
        fs::metadata(SERVER).map_or(0, |file| file.len()) / 1_024
    );
    println!("resident, idle               {:>10} KiB", server.resident_bytes() / 1_024);
    let mut clients = Vec::new();
    let [before, after] = [some, many].map(|connections| {
        server.fill(&mut clients, connections);
        let bytes = server.resident_bytes();
        println!("resident, {connections:>6} connections {:>10} KiB", bytes / 1_024);
        bytes as f64
    });
    let each = (after - before) / (many - some) as f64;
    println!("each idle joined connection  {each:>10.0} B, at most {BYTES_MAX} B");
    if measures && each > BYTES_MAX { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The server. Ends when it is dropped.
struct Process {
    child: Child,
    /// Held open for the server to write to.
    _log: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Process {
    fn start() -> Self {
        let settings = [
            ("HOST", "127.0.0.1"),
            ("PORT", "0"),
            ("JWT_SECRET", SECRET),
            ("LOG_FORMAT", "json"),
            // All come from here, and as fast as they can.
            ("CONNECTIONS_PER_ADDRESS_MAX", "unlimited"),
            ("ACCEPT_RATE", "unlimited"),
            // Nobody answers pings here.
            ("HEARTBEAT", "3600"),
        ];
        let audit = Path::new(env!("CARGO_TARGET_TMPDIR")).join("memory-bench");
        // What an earlier run has left would be read at the start.
        let _ = fs::remove_dir_all(&audit);
        let mut child = Command::new(SERVER)
            .env_clear()
            .envs(settings)
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

    /// Opens rooms of two until there are so many connections.
    fn fill(&self, clients: &mut Vec<Client>, connections: usize) {
        let now = wall_time();
        while clients.len() < connections {
            let room = clients.len() as u32;
            let [mut doctor, mut patient] =
                [0, 1].map(|seat| Client::join(self.address, &Person::new(room, seat), now));
            doctor.expect_message("peer-joined");
            doctor.expect_message("room-status");
            patient.expect_message("room-status");
            clients.extend([doctor, patient]);
        }
    }

    /// Memory of the process that is in RAM. The sum over its mappings: `VmRSS` is off by what each processor has not
    /// added to it yet (proc_pid_status(5)).
    fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = fs::read_to_string(path).expect("a Linux system");
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).expect("a sum");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * 1_024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, and that has shown already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn open_files_max() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").expect("a Linux system");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()).expect("a limit");
    soft.parse().unwrap_or(usize::MAX)
}
