//! The program is killed at any moment, again and again: everybody who was let in is in the audit
//! log, the log is intact, and a session that had ended stays ended.
//!
//! `CRASHES=200 cargo test --test crashes` kills it more often.

mod common;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use autamedica_signaling::service::audit::{Keys, history};
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use common::client::upgrade;
use common::program::Program;
use common::{Client, Person, people, scratch};

/// How often, where nothing else is asked for.
const CRASHES: u64 = 20;

/// So many people come at the same time.
const CROWD: usize = 4;

fn start(folder: &Path) -> Program {
    let audit = folder.join("audit");
    let audit = audit.to_str().expect("UTF-8");
    Program::start(1_000, &[("AUDIT_DIR", audit), ("LOG_LEVEL", "off")])
}

/// Everything that a client does until it is let in; `None` where the server has gone meanwhile.
fn be_let_in(address: SocketAddr, person: &Person) -> Option<WebSocket<TcpStream>> {
    // The port may be closed already.
    TcpStream::connect(address).ok()?;
    let bearer = format!("Bearer {}", person.token);
    let connected = || upgrade(address, "/ws", &[("Authorization", &bearer)]);
    let (mut socket, _) = std::panic::catch_unwind(connected).ok()?.ok()?;
    socket.send(Message::text(person.join_request().to_string())).ok()?;
    let answer: Value = match socket.read().ok()? {
        Message::Text(text) => serde_json::from_str(&text).expect("JSON"),
        _ => return None,
    };
    assert_eq!(answer["type"], "room-joined", "{answer}");
    Some(socket)
}

/// Users of whom the log says that they were let in.
fn admitted(folder: &Path) -> BTreeSet<String> {
    let keys = Keys::read(&folder.join("audit.key")).expect("keys");
    let mut users = BTreeSet::new();
    history::read(&folder.join("audit"), &keys, |record| {
        if record.event == "admission" {
            users.insert(record.member("user").expect("a user").to_owned());
        }
    })
    .expect("the log can be read");
    users
}

fn check_log(folder: &Path) {
    let verified = Command::new(env!("CARGO_BIN_EXE_autamedica-signaling"))
        .args(["audit", "verify"])
        .env_clear()
        .env("AUDIT_DIR", folder.join("audit"))
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(verified.status.success(), "{said}{}", String::from_utf8_lossy(&verified.stderr));
}

#[test]
fn whoever_was_let_in_is_in_the_log_whenever_the_power_goes() {
    let crashes = std::env::var("CRASHES").ok().and_then(|text| text.parse().ok());
    let folder = scratch("crashes");
    let let_in = Arc::new(Mutex::new(Vec::new()));
    for crash in 0..crashes.unwrap_or(CRASHES) {
        let mut program = start(&folder);
        let address = program.address;
        // Another number each time, and no clock: so many have come in when the power goes.
        let enough = 1 + crash * 37 % 53;
        let count = Arc::new(AtomicU64::new(0));
        let crowd: Vec<_> = (0..CROWD)
            .map(|_| {
                let (let_in, count) = (Arc::clone(&let_in), Arc::clone(&count));
                thread::spawn(move || {
                    // Kept open, so that there is something to lose.
                    let mut sockets = Vec::new();
                    loop {
                        let (person, _) = people();
                        let Some(socket) = be_let_in(address, &person) else { return };
                        sockets.push(socket);
                        let_in.lock().expect("no panic").push(person.user);
                        count.fetch_add(1, Ordering::Release);
                    }
                })
            })
            .collect();
        while count.load(Ordering::Acquire) < enough {
            thread::yield_now();
        }
        program.child.kill().expect("SIGKILL");
        program.child.wait().expect("its end");
        crowd.into_iter().for_each(|client| client.join().expect("no panic"));
    }
    // The last start finds the last tear.
    drop(start(&folder));
    check_log(&folder);
    let (let_in, admitted) = (let_in.lock().expect("no panic"), admitted(&folder));
    let missing = let_in.iter().filter(|user| !admitted.contains(*user)).count();
    assert_eq!(missing, 0, "of {} who were let in", let_in.len());
    assert!(let_in.len() > 100, "enough came to tell");
}

#[test]
fn a_session_that_ended_stays_ended_when_the_power_goes() {
    let folder = scratch("ended");
    let mut program = start(&folder);
    let (doctor, patient) = people();
    let mut client = Client::join_at(program.address, &doctor);
    let end = json!({ "type": "end-session", "sessionId": doctor.session, "userId": doctor.user });
    client.send(&end);
    assert_eq!(client.expect("room-status")["status"], "ended");
    program.child.kill().expect("SIGKILL");
    program.child.wait().expect("its end");
    for _ in 0..3 {
        let mut program = start(&folder);
        for person in [&doctor, &patient] {
            let mut client = Client::connect_at(program.address, person);
            client.send(&person.join_request());
            client.expect_error("SESSION_ENDED");
            assert_eq!(client.expect_close(), 4410);
        }
        program.child.kill().expect("SIGKILL");
        program.child.wait().expect("its end");
    }
    drop(start(&folder));
    check_log(&folder);
}
