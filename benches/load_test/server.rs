//! A server that the load test starts itself.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;

use autamedica_signaling::reactor::clock::random_uuid;
use rustix::process::{Pid, Signal, kill_process};

/// The server is stopped, and its audit log removed, when this is dropped.
pub struct Server {
    child: Child,
    folder: PathBuf,
    pub address: SocketAddr,
}

impl Server {
    /// Starts it in production mode, on a free port of this machine, with a log in a folder of its
    /// own.
    pub fn start(
        program: &Path,
        secret: &str,
        settings: &[(String, String)],
    ) -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("load-test-{}", random_uuid()));
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs([
                ("NODE_ENV", "production"),
                ("HOST", "127.0.0.1"),
                ("PORT", "0"),
                ("ADMIN_ADDR", "off"),
            ])
            .envs([("JWT_SECRET", secret), ("LOG_FORMAT", "json")])
            // All clients come from this machine.
            .envs([("CONNECTIONS_PER_ADDRESS_MAX", "unlimited")])
            .env("AUDIT_DIR", folder.join("audit"))
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            // Ctrl-C in a terminal is for the load test, which still has to query the server.
            .process_group(0);
        let name = program.display();
        let mut child = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!("{name}: there is no such program; make build makes it"),
            _ => format!("{name}: {error}"),
        })?;
        let out = child.stdout.take().map(BufReader::new);
        let mut server = Self { child, folder, address: SocketAddr::from(([0; 4], 0)) };
        let (address, rest) = out.and_then(listening).ok_or(format!("{name} does not start"))?;
        server.address = address;
        // Its output must be read.
        thread::spawn(move || rest.lines().map_while(Result::ok).for_each(drop));
        Ok(server)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if pid.is_none_or(|pid| kill_process(pid, Signal::TERM).is_err()) {
            // It may have ended by itself.
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Reads its output up to its address.
fn listening(mut out: BufReader<ChildStdout>) -> Option<(SocketAddr, BufReader<ChildStdout>)> {
    loop {
        let mut line = String::new();
        if out.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some((_, rest)) = line.split_once("listening on ") {
            let address = rest.split('"').next()?.parse().ok()?;
            return Some((address, out));
        }
    }
}
