//! Stopping and updating the program: connected clients are told to come back, and find the next
//! server.

mod common;

use std::io::{BufReader, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::Message;

use common::program::Program;
use common::raw::{TEXT, frame, upgrade_request};
use common::{Client, PATIENCE, Person, Raw, client, people, scratch};

/// So many rooms are there all the time, and so often the server is updated.
const ROOMS: usize = 12;
const UPDATES: u64 = 10;

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn start(port: u16, folder: &Path) -> Program {
    let (port, audit) = (port.to_string(), folder.join("audit"));
    let settings = [
        ("PORT", port.as_str()),
        ("TAKE_OVER", "true"),
        ("AUDIT_DIR", audit.to_str().expect("UTF-8")),
        ("LOG_LEVEL", "warn"),
        ("THREADS", "2"),
    ];
    Program::start(1_000, &settings)
}

fn wait_for_end(child: &mut Child, patience: Duration) -> Option<i32> {
    let begun = Instant::now();
    while begun.elapsed() < patience {
        if let Some(status) = child.try_wait().expect("a status") {
            return Some(status.code().expect("it ended by itself"));
        }
        thread::sleep(Duration::from_millis(10));
    }
    None
}

/// Somebody who comes back whenever told to.
struct Visitor {
    address: SocketAddr,
    person: Person,
    refused: Arc<AtomicU64>,
}

impl Visitor {
    /// Comes in, however often that takes.
    fn come(&self) -> Client<TcpStream> {
        loop {
            match self.try_to_come() {
                Some(client) => return client,
                None => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    fn try_to_come(&self) -> Option<Client<TcpStream>> {
        let stream = match TcpStream::connect(self.address) {
            Ok(stream) => stream,
            Err(error) => {
                // Somebody listens at any time.
                let refused = u64::from(error.kind() == ErrorKind::ConnectionRefused);
                self.refused.fetch_add(refused, Ordering::Relaxed);
                return None;
            }
        };
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let bearer = format!("Bearer {}", self.person.token);
        let fields = [("Authorization", bearer.as_str())];
        let upgraded = client::try_upgrade_over(stream, "localhost", "/ws", &fields);
        let (mut socket, _) = upgraded.ok()?;
        socket.send(Message::text(self.person.join_request().to_string())).ok()?;
        match next(&mut socket)? {
            joined if joined["type"] == "room-joined" => {
                Some(Client { socket, person: self.person.clone() })
            }
            // One that is about to leave.
            other => {
                assert_eq!(other["code"], "SERVER_SHUTDOWN", "{other}");
                None
            }
        }
    }
}

/// The next message; `None`: the connection is over.
fn next(socket: &mut tungstenite::WebSocket<TcpStream>) -> Option<Value> {
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).expect("JSON")),
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            Ok(Message::Close(frame)) => {
                let code = frame.map_or(1005, |frame| u16::from(frame.code));
                assert_eq!(code, 1012);
                // The answer to it goes out with the next read.
                let _ = socket.read();
                return None;
            }
            Ok(other) => panic!("{other:?}"),
            Err(_) => return None,
        }
    }
}

/// The patient answers whatever it hears.
fn answer(patient: &Visitor, doctor: &Person, done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        let mut client = patient.come();
        while let Some(message) = next(&mut client.socket) {
            if message["type"] != "offer" {
                continue;
            }
            let fields = json!({ "sdp": { "type": "answer", "sdp": message["sdp"]["sdp"] } });
            let answer = client.message_to("answer", doctor, fields);
            if client.socket.send(Message::text(answer.to_string())).is_err() {
                break;
            }
        }
    }
}

/// The doctor makes an offer over and over; each answer is a session that is there.
fn offer(doctor: &Visitor, patient: &Person, done: &AtomicBool, met: &AtomicU64) {
    while !done.load(Ordering::Relaxed) {
        let mut client = doctor.come();
        let offer = client.offer_to(patient, 600).to_string();
        while !done.load(Ordering::Relaxed) {
            if client.socket.send(Message::text(offer.as_str())).is_err() {
                break;
            }
            match next_of_interest(&mut client) {
                None => break,
                Some(message) if message["type"] == "answer" => {
                    met.fetch_add(1, Ordering::Relaxed);
                }
                Some(_) => {}
            }
            // As fast as one may.
            thread::sleep(Duration::from_millis(40));
        }
    }
}

/// The answer, or what says that another offer is worth a try; `None`: the connection is over.
fn next_of_interest(client: &mut Client<TcpStream>) -> Option<Value> {
    loop {
        let message = next(&mut client.socket)?;
        match message["type"].as_str() {
            Some("answer" | "peer-joined") => return Some(message),
            // The patient is not there yet, or has been told to go.
            Some("error") => {
                let code = message["code"].as_str();
                let known = ["PEER_NOT_FOUND", "SERVER_SHUTDOWN"];
                assert!(code.is_some_and(|code| known.contains(&code)), "{message}");
                return Some(message);
            }
            _ => {}
        }
    }
}

#[test]
fn ten_updates_of_a_server_in_use_lose_no_session_and_turn_nobody_away() {
    let (port, folder) = (free_port(), scratch("updates"));
    let mut running = start(port, &folder);
    let refused = Arc::new(AtomicU64::new(0));
    let done = AtomicBool::new(false);
    let met: Vec<_> = (0..ROOMS).map(|_| AtomicU64::new(0)).collect();
    let begin = Barrier::new(2 * ROOMS + 1);
    thread::scope(|scope| {
        for met in &met {
            let (doctor, patient) = people();
            let [doctor, patient] = [doctor, patient].map(|person| Visitor {
                address: running.address,
                person,
                refused: Arc::clone(&refused),
            });
            let (doctor_id, patient_id) = (doctor.person.clone(), patient.person.clone());
            let (done, begin) = (&done, &begin);
            scope.spawn(move || {
                begin.wait();
                answer(&patient, &doctor_id, done);
            });
            scope.spawn(move || {
                begin.wait();
                offer(&doctor, &patient_id, done, met);
            });
        }
        begin.wait();
        let all_meet = |what: &str| {
            let before: Vec<_> = met.iter().map(|met| met.load(Ordering::Relaxed)).collect();
            let begun = Instant::now();
            while met
                .iter()
                .zip(&before)
                .any(|(met, before)| met.load(Ordering::Relaxed) < before + 2)
            {
                assert!(begun.elapsed() < PATIENCE, "{what}: some session is lost");
                thread::sleep(Duration::from_millis(10));
            }
        };
        all_meet("at the start");
        for update in 1..=UPDATES {
            let next = start(port, &folder);
            let mut before = std::mem::replace(&mut running, next);
            assert_eq!(wait_for_end(&mut before.child, PATIENCE), Some(0), "update {update}");
            all_meet(&format!("after update {update}"));
        }
        done.store(true, Ordering::Relaxed);
        running.terminate();
        assert_eq!(wait_for_end(&mut running.child, PATIENCE), Some(0));
    });
    assert_eq!(refused.load(Ordering::Relaxed), 0, "somebody listened at any time");
}

#[test]
fn whoever_is_inside_is_told_when_to_come_back_and_nobody_is_let_in_any_more() {
    let mut program = Program::start(256, &[("DRAIN_SECONDS", "15")]);
    let pairs: Vec<_> = (0..4)
        .map(|_| {
            let (doctor, patient) = people();
            [doctor, patient].map(|person| Client::join_at(program.address, &person))
        })
        .collect();
    // One who does not answer keeps it from ending at once.
    let mut silent = Raw::connect(program.address);
    let (doctor, _) = people();
    let bearer = format!("Authorization: Bearer {}\r\n", doctor.token);
    silent.send(upgrade_request(&bearer).as_bytes());
    silent.expect_upgrade();
    let begun = Instant::now();
    program.terminate();
    assert_eq!(silent.json()["code"], "SERVER_SHUTDOWN");

    let ready = ask(program.address, "GET /ready HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((ready.status, ready.json()["draining"].as_bool()), (503, Some(true)));
    let refused = ask(program.address, &upgrade_request(&bearer));
    assert_eq!((refused.status, refused.json()["code"].as_str()), (503, Some("SERVER_SHUTDOWN")));
    assert_eq!(refused.field("Retry-After"), Some("1"));

    let mut waits = Vec::new();
    for pair in pairs {
        let told = pair.map(|mut client| {
            let end = loop {
                let message = client.receive();
                if message["type"] == "error" {
                    break message;
                }
            };
            assert_eq!(end["code"], "SERVER_SHUTDOWN");
            assert_eq!(client.expect_close(), 1012);
            end["retryAfterMs"].as_u64().expect("a time to wait")
        });
        assert!(told[0].abs_diff(told[1]) < 500, "who belongs together comes back together");
        waits.push(told[0]);
    }
    assert!(waits.iter().all(|wait| (500..5_000).contains(wait)), "{waits:?}");
    waits.dedup();
    assert!(waits.len() > 1, "not all at once");
    assert_eq!(wait_for_end(&mut program.child, Duration::from_secs(15)), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(15));
}

fn ask(address: SocketAddr, request: &str) -> common::raw::Response {
    let mut raw = Raw::connect(address);
    raw.send(request.as_bytes());
    raw.read_response()
}

#[test]
fn nobody_is_told_to_leave_for_a_server_without_the_keys_of_the_audit_log() {
    let (folder, other) = (scratch("keys"), scratch("other-keys"));
    drop(start(0, &other));
    let mut program = start(0, &folder);
    let (doctor, patient) = people();
    let mut inside = Client::join_at(program.address, &doctor);
    for (key_file, said) in [
        (folder.join("nowhere/audit.key"), "does not exist, but there is an audit log"),
        (other.join("audit.key"), "is not the one of this audit log"),
    ] {
        let next = Command::new(env!("CARGO_BIN_EXE_autamedica-signaling"))
            .env_clear()
            .envs([("NODE_ENV", "development"), ("PORT", "0"), ("TAKE_OVER", "true")])
            .envs([("AUDIT_DIR", folder.join("audit")), ("AUDIT_KEY_FILE", key_file)])
            .env("JWT_SECRET", String::from_utf8_lossy(common::SECRET).as_ref())
            .output()
            .expect("it ends");
        let error = String::from_utf8_lossy(&next.stderr);
        assert_eq!(next.status.code(), Some(78), "{error}");
        assert!(error.contains(said), "{error}");
    }
    // Had it been told to leave, nobody would be let in now, and nobody would be left inside.
    let mut other = Client::join_at(program.address, &patient);
    other.send(&other.offer_to(&doctor, 1_000));
    while inside.receive()["type"] != "offer" {}
    program.terminate();
    inside.expect_error("SERVER_SHUTDOWN");
    assert_eq!(wait_for_end(&mut program.child, PATIENCE), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut program = Program::start(256, &[("DRAIN_SECONDS", "600")]);
    let mut silent = Raw::upgrade(program.address);
    program.terminate();
    assert_eq!(silent.json()["code"], "SERVER_SHUTDOWN");
    program.terminate();
    // Long before the five seconds that a client has to answer.
    assert_eq!(wait_for_end(&mut program.child, Duration::from_secs(4)), Some(0));
}

#[test]
fn a_signal_after_an_operator_has_asked_for_it_does_not_cut_anybody_off() {
    let server = common::TestServer::start_with(|config| {
        config.threads = Some(3);
        config.drain = autamedica_signaling::base::time::Duration::from_secs(15);
    });
    let clients: Vec<_> = (0..6).map(|_| Client::join(&server, &people().0)).collect();
    let mut silent: Vec<_> = (0..6).map(|_| Raw::upgrade(server.address())).collect();
    server.handle().shutdown();
    server.handle().shutdown();
    for mut client in clients {
        client.expect_error("SERVER_SHUTDOWN");
        assert_eq!(client.expect_close(), 1012);
    }
    // Who comes now hears so, whichever loop it comes to and belongs to.
    for _ in 0..12 {
        let bearer = format!("Authorization: Bearer {}\r\n", people().0.token);
        assert_eq!(ask(server.address(), &upgrade_request(&bearer)).status, 503);
    }
    silent.iter_mut().for_each(|raw| assert_eq!(raw.answer_close(), 1012));
    server.stop();
}

#[test]
fn a_second_signal_still_tells_everybody() {
    // So many rooms that they are told one after the other.
    let mut program = Program::start(1_000, &[("DRAIN_SECONDS", "600"), ("THREADS", "2")]);
    let mut clients: Vec<_> =
        (0..200).map(|_| Client::join_at(program.address, &people().0)).collect();
    program.terminate();
    // Some have been told, and the others would be within minutes.
    thread::sleep(Duration::from_millis(50));
    program.terminate();
    for client in &mut clients {
        client.expect_error("SERVER_SHUTDOWN");
    }
    assert_eq!(wait_for_end(&mut program.child, Duration::from_secs(4)), Some(0));
}

#[test]
fn a_socket_that_is_handed_down_is_served_and_who_comes_between_two_servers_waits() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let folder = scratch("handed-down");
    let start = || {
        let socket: OwnedFd = listener.try_clone().expect("a copy").into();
        // As systemd does it: the socket is number 3, and the process is named.
        let script = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\"";
        Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_autamedica-signaling")])
            .env_clear()
            .envs([("NODE_ENV", "development"), ("PORT", "1"), ("ADMIN_ADDR", "off")])
            .env("AUDIT_DIR", folder.join("audit"))
            .env("JWT_SECRET", String::from_utf8_lossy(common::SECRET).as_ref())
            .stdin(Stdio::from(socket))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts")
    };
    let mut first = start();
    let _log = BufReader::new(first.stdout.take().expect("its output"));
    let (doctor, patient) = people();
    let mut inside = Client::join_at(address, &doctor);
    kill(&first);
    inside.expect_error("SERVER_SHUTDOWN");
    assert_eq!(inside.expect_close(), 1012);
    assert_eq!(wait_for_end(&mut first, PATIENCE), Some(0));

    // Nobody serves now, and nobody is refused.
    let mut early = Raw::connect(address);
    let bearer = format!("Authorization: Bearer {}\r\n", patient.token);
    early.send(upgrade_request(&bearer).as_bytes());
    let mut second = start();
    let _log = BufReader::new(second.stdout.take().expect("its output"));
    early.expect_upgrade();
    early.send(&frame(TEXT, patient.join_request().to_string().as_bytes()));
    assert_eq!(early.json()["type"], "room-joined");
    let mut back = Client::join_at(address, &doctor);
    assert_eq!(back.expect("room-status")["status"], "active");
    kill(&second);
    drop((early, back));
    assert_eq!(wait_for_end(&mut second, PATIENCE), Some(0));
}

fn kill(child: &Child) {
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}
