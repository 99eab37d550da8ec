//! The program itself, with a certificate.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use crate::common;
use crate::common::secure::Pair;

/// The program, with its log.
pub struct Program {
    child: Child,
    pub address: SocketAddr,
    log: Mutex<BufReader<std::process::ChildStdout>>,
}

impl Program {
    pub fn start(pair: &Pair) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_autamedica-signaling"))
            .env_clear()
            .envs([
                ("NODE_ENV", "production"),
                ("PORT", "0"),
                ("ADMIN_ADDR", "off"),
                ("LOG_FORMAT", "text"),
            ])
            .env("AUDIT_DIR", common::scratch("tls").join("audit"))
            .env("JWT_SECRET", String::from_utf8_lossy(common::SECRET).as_ref())
            .env("TLS_CERT", &pair.cert_file)
            .env("TLS_KEY", &pair.key_file)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let log = Mutex::new(BufReader::new(child.stdout.take().expect("its output")));
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut program = Self { child, address, log };
        let line = program.wait_for("listening on");
        let port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok());
        program.address.set_port(port.expect("a port"));
        program
    }

    /// Sends SIGHUP.
    pub fn hang_up(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &id]).status().expect("kill runs").success());
    }

    /// The resident set in bytes (proc(5)).
    pub fn resident(&self) -> f64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("a status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
        let kib = line.trim().split(' ').next().and_then(|text| text.parse::<f64>().ok());
        1_024.0 * kib.expect("a number")
    }

    /// For how long its threads of this name have had a processor, in nanoseconds (proc_pid_schedstat(5)).
    pub fn time_of(&self, thread: &str) -> u64 {
        let tasks = format!("/proc/{}/task", self.child.id());
        let read = |task: &std::fs::DirEntry, what: &str| {
            std::fs::read_to_string(task.path().join(what)).unwrap_or_default()
        };
        let tasks =
            std::fs::read_dir(tasks).expect("a Linux system").map(|task| task.expect("one"));
        let named = tasks.filter(|task| read(task, "comm").trim() == thread);
        let time = |task| read(&task, "schedstat").split(' ').next().and_then(|ns| ns.parse().ok());
        named.map(|task| time(task).unwrap_or(0)).sum()
    }

    /// The next line of the log that says this.
    pub fn wait_for(&self, text: &str) -> String {
        let mut log = self.log.lock().expect("the log");
        loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).expect("the log") > 0, "it ended without {text:?}");
            if line.contains(text) {
                return line;
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
