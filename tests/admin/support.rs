//! A server with an administrator's listener and an audit log of its own.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration as StdDuration, Instant};

use autamedica_signaling::Config;
use autamedica_signaling::base::redacted::Redacted;
use serde_json::Value;

use crate::common::raw::Response;
use crate::common::{self, PATIENCE, Raw, TestServer};

pub const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub const TOKEN: &str = "what only the administrator of these tests can know";

/// The server and where its administrator asks.
pub struct Managed {
    pub server: TestServer,
    pub admin: SocketAddr,
    pub folder: PathBuf,
}

impl Managed {
    /// With an audit log and without a token.
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = common::scratch("admin");
        let audit_dir = folder.join("audit");
        let server = common::bind(|config| {
            config.admin = Some(LOCAL);
            config.audit_log = true;
            config.audit_dir = audit_dir;
            change(config);
        });
        let admin = server.admin_addr().expect("an administrator's listener");
        Self { server: TestServer::run(server.handle(), move || server.run()), admin, folder }
    }

    pub fn guarded() -> Self {
        Self::start_with(|config| config.admin_token = Redacted::new(TOKEN.as_bytes().to_vec()))
    }

    pub fn get(&self, path: &str) -> Response {
        ask(self.admin, "GET", path, "")
    }

    /// An action, with the field that shows that it is meant.
    pub fn post(&self, path: &str) -> Response {
        ask(self.admin, "POST", path, "X-Admin-Action: test\r\n")
    }

    /// An action that is done and whose record is on the disk.
    #[track_caller]
    pub fn act(&self, path: &str) {
        let response = self.post(path);
        assert_eq!(response.status, 200, "{path}: {response:?}");
        assert_eq!(
            response.json(),
            serde_json::json!({ "done": true, "recorded": true }),
            "{path}"
        );
    }

    pub fn stats(&self) -> Value {
        let response = self.get("/stats");
        assert_eq!(response.status, 200, "{response:?}");
        response.json()
    }

    /// Waits until what `path` answers is as it should be.
    pub fn wait_for(&self, path: &str, mut holds: impl FnMut(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let told = self.get(path).json();
            if holds(&told) {
                return told;
            }
            assert!(start.elapsed() < PATIENCE, "{path}: {told}");
            thread::sleep(StdDuration::from_millis(20));
        }
    }

    /// Stops it, and returns what the audit log says, opened; the log verifies.
    pub fn stop_and_read(self) -> Vec<Value> {
        self.server.stop();
        let records = read_log(&self.folder);
        verify(&self.folder);
        records
    }
}

pub fn ask(address: SocketAddr, method: &str, path: &str, fields: &str) -> Response {
    let mut raw = Raw::connect(address);
    raw.send(format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{fields}\r\n").as_bytes());
    raw.read_response()
}

/// Every record of the log in this folder, in order: what may be read without its keys.
pub fn read_log(folder: &Path) -> Vec<Value> {
    let files = fs::read_dir(folder.join("audit")).expect("the log");
    let mut segments: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    segments.retain(|path| path.extension().is_some_and(|end| end == "jsonl"));
    segments.sort();
    let texts = segments.iter().map(|path| fs::read_to_string(path).expect("a segment"));
    let lines: Vec<_> =
        texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The independent verifier finds nothing wrong.
pub fn verify(folder: &Path) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/verify_audit.py");
    let output = Command::new("python3")
        .arg(script)
        .args([folder.join("audit"), folder.join("audit.key")])
        .output()
        .expect("Python runs");
    assert!(output.status.success(), "{output:?}");
}

/// The records of what operators did, in order.
pub fn deeds(records: &[Value]) -> Vec<&Value> {
    records.iter().filter(|record| record["event"] == "operator").collect()
}
