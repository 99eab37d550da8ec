//! The program as a separate process.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

/// The program itself, with few files and a standard output that nobody reads beyond the first line.
pub struct Program {
    pub child: Child,
    pub address: SocketAddr,
    pub out: BufReader<ChildStdout>,
}

impl Program {
    /// Starts it with so many files and with these settings beside those of development; its audit log is its own.
    pub fn start(files: u32, environment: &[(&str, &str)]) -> Self {
        Self::start_after(&format!("ulimit -n {files}"), environment)
    }

    /// Starts it from a shell that has done something before.
    pub fn start_after(before: &str, environment: &[(&str, &str)]) -> Self {
        Self::start_with_args(&format!("{before} && set --"), environment)
    }

    /// The same from a shell that has set its arguments, which are passed on.
    pub fn start_with_args(before: &str, environment: &[(&str, &str)]) -> Self {
        let limited = format!("{before} && exec \"$0\" \"$@\"");
        let mut child = Command::new("sh")
            .args(["-c", &limited, env!("CARGO_BIN_EXE_autamedica-signaling")])
            .env_clear()
            .envs([("NODE_ENV", "development"), ("PORT", "0"), ("ADMIN_ADDR", "off")])
            .env("AUDIT_DIR", super::scratch("program").join("audit"))
            .env("JWT_SECRET", String::from_utf8_lossy(super::SECRET).as_ref())
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        // The log writes on a thread of its own, and may be quicker.
        let address = loop {
            let mut line = String::new();
            assert!(out.read_line(&mut line).expect("a line") > 0, "it has ended");
            let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
            if let Some(address) = address.and_then(|address| address.parse().ok()) {
                break address;
            }
        };
        Self { child, address, out }
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Processor time used so far, in hundredths of a second (proc(5)).
    pub fn processor_time(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("stat");
        let times = stat.rsplit(')').next().into_iter().flat_map(str::split_whitespace);
        times.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks")).sum()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Fails where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
