//! Third-party programs that tests use together with the server.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration as StdDuration, Instant};

use super::PATIENCE;

/// A command for a program, wherever the system keeps it; fails in words where it is missing.
pub fn command(name: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    // Servers stand where ordinary users do not look.
    let mut folders = path.split(':').chain(["/usr/sbin", "/usr/local/sbin", "/sbin"]);
    let found =
        folders.find_map(|folder| Some(Path::new(folder).join(name)).filter(|at| at.is_file()));
    let Some(found) = found else {
        panic!("{name} is not installed, and this test needs it: `bash .ci/programs.sh` gets it");
    };
    Command::new(found)
}

/// Runs a program with this input until it ends.
pub fn run(name: &str, args: &[&str], input: &[u8]) -> Output {
    let mut child = command(name)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // It may end without reading.
    let _ = child.stdin.take().expect("its input").write_all(input);
    child.wait_with_output().expect("the program ends")
}

/// All that a program said.
pub fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

/// A server that somebody else wrote, with a folder of its own; ends when it is dropped.
pub struct Beside {
    child: Child,
    folder: PathBuf,
}

impl Beside {
    /// Starts it with `config` in a file, which stands in `args` as `CONFIG`, and waits until it listens on `port`.
    pub fn start(name: &str, args: &[&str], config: &str, port: u16) -> Self {
        let folder = folder(&format!("{name}-{port}"));
        let file = folder.join("config");
        let config = config.replace("FOLDER", &folder.display().to_string());
        fs::write(&file, config).expect("a configuration");
        let args = args.iter().map(|arg| arg.replace("CONFIG", &file.display().to_string()));
        let args = args.map(|arg| arg.replace("FOLDER", &folder.display().to_string()));
        let log = fs::File::create(folder.join("log")).expect("a log");
        let child = command(name)
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let mut beside = Self { child, folder };
        let start = Instant::now();
        while TcpStream::connect((local(), port)).is_err() {
            let ended = beside.child.try_wait().expect("a child");
            assert!(ended.is_none() && start.elapsed() < PATIENCE, "{name}: {}", beside.log());
            std::thread::sleep(StdDuration::from_millis(10));
        }
        beside
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // In good order, so that it ends its own children too.
        if matches!(self.child.try_wait(), Ok(None)) {
            let id = self.child.id().to_string();
            let _ = Command::new("kill").args(["-TERM", &id]).status();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(SocketAddr::new(local(), 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

/// An example file of the project with some of its texts replaced; each must be there.
pub fn example(file: &str, changes: &[(&str, &str)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file);
    let text = fs::read_to_string(&path).expect("an example");
    changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{file} has no {from:?}");
        text.replace(from, to)
    })
}

fn folder(name: &str) -> PathBuf {
    let path =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    fs::create_dir_all(&path).expect("a folder");
    path
}

fn local() -> std::net::IpAddr {
    std::net::Ipv4Addr::LOCALHOST.into()
}
