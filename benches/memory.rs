//! What a participant who says nothing costs the server in memory: the server as a process of its own, with thousands of
//! connections that have joined their rooms, two in each.
//!
//! `cargo bench --bench memory` fails where it is more than 512 bytes. `-- --test` opens fewer connections and judges nothing.

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::process::ExitCode;

use support::process::{Process, SERVER};

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

    let server = Process::start("memory-bench");
    println!(
        "binary                       {:>10} KiB",
        fs::metadata(SERVER).map_or(0, |file| file.len()) / 1_024
    );
    println!("resident, idle               {:>10} KiB", server.resident_bytes() / 1_024);
    let mut clients = Vec::new();
    let [before, after] = [some, many].map(|connections| {
        while clients.len() < connections {
            clients.extend(server.room(clients.len() as u32));
        }
        let bytes = server.resident_bytes();
        println!("resident, {connections:>6} connections {:>10} KiB", bytes / 1_024);
        bytes as f64
    });
    let each = (after - before) / (many - some) as f64;
    println!("each idle joined connection  {each:>10.0} B, at most {BYTES_MAX} B");
    if measures && each > BYTES_MAX { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn open_files_max() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").expect("a Linux system");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()).expect("a limit");
    soft.parse().unwrap_or(usize::MAX)
}
