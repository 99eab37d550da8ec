//! The scene of the attacks: a server with a call that never stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration as StdDuration, Instant};

use autamedica_signaling::Config;
use serde_json::{Value, json};

use crate::common::program::Program;
use crate::common::raw::{CLOSE, PING, PONG, TEXT, frame};
#[cfg(feature = "tls")]
use crate::common::secure::{self, Pair};
use crate::common::{self, Client, Door, PATIENCE, Person, Raw, TestServer, couple};

/// No message of the call may be under way longer, whatever machine this is.
const DELAY_MAX: StdDuration = StdDuration::from_secs(5);

/// So many messages go each way before a row begins, and after it.
const EXCHANGES: u64 = 3;

/// How one speaks with the server. Each table is run for both, and nothing that it says may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Plain,
    #[cfg(feature = "tls")]
    Tls,
}

/// Makes of each table one test over plain sockets and one over TLS.
macro_rules! both_ways {
    ($($table:ident),+ $(,)?) => {
        mod plain {
            $(#[test]
            fn $table() {
                super::$table(super::Way::Plain);
            })+
        }

        #[cfg(feature = "tls")]
        mod over_tls {
            $(#[test]
            fn $table() {
                super::$table(super::Way::Tls);
            })+
        }
    };
}

/// A server whose limits on numbers stand back: what is tried here is what somebody says, not how often.
pub struct Hall {
    // The call ends before the server does.
    call: Beside,
    pub server: TestServer,
    way: Way,
    rows: u64,
}

/// Doctor and patient who exchange numbered messages without end, on a thread of their own.
struct Beside {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    exchanged: AtomicU64,
    stop: AtomicBool,
}

/// Tells which row it was that failed.
struct Named<'a>(&'a str);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("in the row: {}", self.0);
        }
    }
}

impl Way {
    fn start(self, change: impl FnOnce(&mut Config)) -> TestServer {
        match self {
            Self::Plain => TestServer::start_with(change),
            #[cfg(feature = "tls")]
            Self::Tls => secure::start(&Pair::new(), change),
        }
    }

    /// The program with these settings, and how one speaks with it.
    pub fn start_program(self, files: u32, settings: &[(&str, &str)]) -> (Program, Door) {
        match self {
            Self::Plain => {
                let program = Program::start(files, settings);
                let door = program.address.into();
                (program, door)
            }
            #[cfg(feature = "tls")]
            Self::Tls => {
                let pair = Pair::new();
                let [cert, key] =
                    [&pair.cert_file, &pair.key_file].map(|file| file.display().to_string());
                let tls = [("TLS_CERT", cert.as_str()), ("TLS_KEY", key.as_str())];
                let program = Program::start(files, &[settings, &tls].concat());
                let client = Arc::new(pair.client(rustls::ALL_VERSIONS));
                let door = Door::new(program.address, Some(client));
                (program, door)
            }
        }
    }
}

impl Hall {
    pub fn new(way: Way) -> Self {
        Self::with(way, |_| {})
    }

    /// The same with other settings.
    pub fn with(way: Way, change: impl FnOnce(&mut Config)) -> Self {
        Self::of(way.start(ready(change)), way)
    }

    /// One that speaks TLS and shows this pair.
    #[cfg(feature = "tls")]
    pub fn showing(pair: &Pair, change: impl FnOnce(&mut Config)) -> Self {
        Self::of(secure::start(pair, ready(change)), Way::Tls)
    }

    fn of(server: TestServer, way: Way) -> Self {
        Self { call: Beside::start(&server), server, way, rows: 0 }
    }

    /// Does what a row says, with the call beside it.
    pub fn row<T>(&mut self, name: &str, attack: impl FnOnce(&TestServer) -> T) -> T {
        let _named = Named(name);
        self.rows += 1;
        self.call.goes_on();
        let result = attack(&self.server);
        self.call.goes_on();
        result
    }

    /// The table is done. The call had its part in each row, and nobody is left but its two.
    pub fn close(self, what: &str) {
        let Self { call, server, way, rows } = self;
        let exchanged = call.shared.exchanged.load(Ordering::Acquire);
        assert!(exchanged >= rows * EXCHANGES, "{exchanged} messages each way beside {rows} rows");
        #[cfg(feature = "tls")]
        assert_eq!(server.counters().handshakes > 0, way == Way::Tls, "whether it was TLS");
        println!("{rows} rows of {what} ({way:?}), {exchanged} messages each way beside them");
        drop(call);
        server.wait_until_empty();
    }
}

impl Beside {
    fn start(server: &TestServer) -> Self {
        let (mut doctor, mut patient) = couple(server);
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            for number in 1.. {
                if theirs.stop.load(Ordering::Acquire) {
                    return;
                }
                exchange(&mut doctor, &mut patient, number);
                exchange(&mut patient, &mut doctor, number);
                theirs.exchanged.store(number, Ordering::Release);
                // The attackers shall have the machine, too.
                thread::sleep(StdDuration::from_millis(1));
            }
        });
        Self { shared, thread: Some(thread) }
    }

    /// Some more messages arrive, which were sent from now on.
    fn goes_on(&self) {
        let before = self.shared.exchanged.load(Ordering::Acquire);
        let start = Instant::now();
        while self.shared.exchanged.load(Ordering::Acquire) < before + EXCHANGES {
            let ended = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
            assert!(!ended, "the call beside was disturbed");
            assert!(start.elapsed() < PATIENCE, "the call beside stands still");
            thread::sleep(StdDuration::from_micros(200));
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !thread::panicking() {
                ended.expect("the call beside was not disturbed");
            }
        }
    }
}

/// One message; what arrives next is it and nothing else, and soon.
fn exchange(from: &mut Client, to: &mut Client, number: u64) {
    let text = json!({ "candidate": { "candidate": number.to_string() } });
    let message = from.message_to("ice-candidate", &to.person, text);
    let start = Instant::now();
    from.send(&message);
    assert_eq!(to.receive(), message);
    assert!(start.elapsed() < DELAY_MAX, "number {number} took {:?}", start.elapsed());
}

/// What somebody heard up to the end of its connection.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    pub texts: Vec<Value>,
    pub pongs: usize,
    /// The code of the close frame; `None` where the connection ended without one.
    pub code: Option<u16>,
}

impl Heard {
    /// The codes of the errors, and that there was nothing else.
    #[track_caller]
    pub fn errors(&self) -> Vec<&str> {
        assert!(self.texts.iter().all(|text| text["type"] == "error"), "{self:?}");
        self.texts.iter().filter_map(|text| text["code"].as_str()).collect()
    }
}

/// Listens until the close frame.
pub fn hear(raw: &mut Raw) -> Heard {
    let mut heard = Heard::default();
    while let Some(frame) = raw.next_frame() {
        match frame.opcode {
            TEXT => heard.texts.push(serde_json::from_slice(&frame.payload).expect("JSON")),
            PONG => heard.pongs += 1,
            PING => {}
            CLOSE => {
                heard.code = Some(frame.close_code());
                break;
            }
            other => panic!("opcode {other}"),
        }
    }
    heard
}

/// A text frame.
pub fn text(message: &Value) -> Vec<u8> {
    frame(TEXT, message.to_string().as_bytes())
}

/// What is tried is not how often somebody says something.
fn ready(change: impl FnOnce(&mut Config)) -> impl FnOnce(&mut Config) {
    |config| {
        common::as_fast_as_one_can(config);
        // Sockets move from one event loop to the other with what they have sent so far.
        config.threads = Some(2);
        config.auth_failures_max = usize::MAX;
        config.connections_per_user_max = usize::MAX;
        config.connections_per_address_max = usize::MAX;
        change(config);
    }
}

/// Something that would reach `to`, were it obeyed.
pub fn marker(from: &Person, to: &Person) -> Value {
    json!({
        "type": "ice-candidate", "sessionId": from.session, "fromUserId": from.user, "toUserId": to.user,
        "candidate": { "candidate": "the attacker was here" },
    })
}

/// Whether nothing has come for a client that it has not read: the answer to its ping is next.
#[track_caller]
pub fn is_undisturbed(client: &mut Client) {
    client.send(&json!({ "type": "ping", "id": "undisturbed" }));
    client.expect("pong");
    assert_eq!(client.expect("ack")["id"], "undisturbed");
}

/// Two in a room of their own, the first of them as bytes; neither has anything left to read.
pub fn attacker_and_partner(server: &TestServer) -> (Raw, Person, Client) {
    let (doctor, patient) = common::people();
    let mut partner = Client::join(server, &patient);
    let mut raw = Raw::connect(server);
    raw.join(&doctor);
    assert_eq!(raw.json()["type"], "room-status");
    partner.expect("peer-joined");
    partner.expect("room-status");
    (raw, doctor, partner)
}

/// The partner learns that the attacker has dropped, and of nothing that it said.
#[track_caller]
pub fn only_sees_it_drop(partner: &mut Client) {
    let state = partner.expect("peer-state");
    assert_eq!(state["connectionState"], "reconnecting", "{state}");
    is_undisturbed(partner);
}
