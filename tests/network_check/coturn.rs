//! A real TURN server: coturn, with the configuration in `deploy/`.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use autamedica_signaling::wire::stun::{Method, Request};

/// No step of starting it, or of waiting for what it says, takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server on a free port of the loopback interface. It ends with the test.
pub struct Coturn {
    child: Child,
    address: SocketAddr,
    lines: Receiver<String>,
}

impl Coturn {
    /// Starts it with `deploy/coturn.conf` and these arguments besides.
    pub fn start(arguments: &[&str]) -> Self {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/coturn.conf");
        Self::start_with(&["-c", shipped.to_str().expect("UTF-8")], arguments)
    }

    /// Starts it with these arguments and no configuration.
    pub fn start_bare(arguments: &[&str]) -> Self {
        Self::start_with(&["-n", "--no-cli", "--log-file=stdout"], arguments)
    }

    fn start_with(configuration: &[&str], arguments: &[&str]) -> Self {
        let address = free_address();
        let own =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("coturn-{}", address.port()));
        let file = |what: &str| format!("--{what}={}.{what}", own.display());
        let program = std::env::var("TURNSERVER").unwrap_or_else(|_| "turnserver".to_owned());
        let mut child = Command::new(&program)
            .args(configuration)
            .args(["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--no-tls", "--no-dtls"])
            .args(["--allow-loopback-peers", "--verbose", "--min-port=40000", "--max-port=40400"])
            .arg(format!("--listening-port={}", address.port()))
            .args([file("userdb"), file("pidfile")])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "{program} cannot be started ({error}): this test needs coturn. `make test` installs it, or \
                     `apt-get install coturn`; TURNSERVER names one that stands elsewhere."
                )
            });
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let (sender, lines) = channel();
        // Ends with the output. Nobody may be listening any more.
        thread::spawn(move || {
            out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let mut started = Self { child, address, lines };
        started.wait_until_it_listens();
        started
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Waits until it has said a line with all of these in it.
    pub fn wait_for_line(&self, words: &[&str]) -> String {
        let begin = Instant::now();
        let mut said = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE.saturating_sub(begin.elapsed())) {
            if words.iter().all(|word| line.contains(word)) {
                return line;
            }
            said.push(line);
        }
        panic!("coturn never said {words:?}, but\n{}", said.join("\n"));
    }

    /// Over UDP as well, which is its last.
    fn wait_until_it_listens(&mut self) {
        let begin = Instant::now();
        while TcpStream::connect(self.address).is_err() || !answers(self.address) {
            let ended = self.child.try_wait().expect("its state");
            assert!(ended.is_none(), "coturn ended with {ended:?}");
            assert!(begin.elapsed() < PATIENCE, "coturn does not listen on {}", self.address);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        // Fails where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether something comes back for a STUN request.
fn answers(address: SocketAddr) -> bool {
    let request = Request::new(Method::Binding, [7; 12]).finish();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.connect(address).expect("an address of this machine");
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a limit");
    socket.send(&request).is_ok() && socket.recv(&mut [0; 512]).is_ok()
}

/// A port that nobody has, of either kind.
pub fn free_address() -> SocketAddr {
    loop {
        let datagrams = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = datagrams.local_addr().expect("an address");
        // Where coturn relays: there it would find its own port taken.
        let is_free =
            TcpListener::bind(address).is_ok() && !(40_000..=40_400).contains(&address.port());
        if is_free {
            return address;
        }
    }
}
