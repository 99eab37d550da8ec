//! Write-ahead logging: nobody is told of an admission, or of the end of a session, before its
//! record is durable; and what happens if it cannot be written. The test simulates the disk,
//! everything else is real.

mod common;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use autamedica_signaling::base::time::Duration;
use autamedica_signaling::message::record::{self, Event};
use autamedica_signaling::{Config, Entry, Handle, Journal};
use serde_json::{Value, json};

use common::raw::{TEXT, frame};
use common::{Client, PATIENCE, Person, Raw, TestServer, bind, couple, http, people};

/// A disk whose moods are the test's.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    entries: Vec<(u64, Event)>,
    published: u64,
    durable: u64,
    /// Nothing more becomes durable.
    stuck: bool,
    broken: bool,
    reactor: Option<Handle>,
}

struct Log(Disk);

impl Journal for Log {
    fn take(&mut self, entry: &Entry<'_>) -> Option<u64> {
        let mut state = self.0.0.lock().expect("no panic");
        state.entries.push((entry.connection, entry.record.event));
        Some(state.entries.len() as u64)
    }

    fn publish(&mut self, _awaited: bool) {
        let mut state = self.0.0.lock().expect("no panic");
        state.published = state.entries.len() as u64;
        if !state.stuck && !state.broken {
            state.durable = state.published;
        }
    }

    fn durable(&self) -> u64 {
        self.0.0.lock().expect("no panic").durable
    }

    fn is_available(&self) -> bool {
        !self.0.0.lock().expect("no panic").broken
    }
}

impl Disk {
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.lock().expect("no panic");
        change(&mut state);
        if let Some(reactor) = &state.reactor {
            reactor.wake();
        }
    }

    /// Everything that was published becomes durable at once.
    fn sync(&self) {
        self.change(|state| {
            state.stuck = false;
            state.durable = state.published;
        });
    }

    /// Waits until so many like this were handed to the log.
    fn wait_for(&self, what: &str, count: usize, is: impl Fn(&Event) -> bool) {
        let start = Instant::now();
        while self.count(&is) < count {
            assert!(start.elapsed() < PATIENCE, "waited for {what}");
            std::thread::yield_now();
        }
    }

    fn count(&self, is: impl Fn(&Event) -> bool) -> usize {
        self.0.lock().expect("no panic").entries.iter().filter(|(_, event)| is(event)).count()
    }
}

fn start() -> (TestServer, Disk) {
    start_with(|_| {})
}

fn start_with(change: impl FnOnce(&mut Config)) -> (TestServer, Disk) {
    let mut server = bind(change);
    let disk = Disk::default();
    disk.change(|state| state.reactor = Some(server.handle()));
    server.keep_journals(|| Box::new(Log(disk.clone())));
    (TestServer::run(server.handle(), move || server.run()), disk)
}

const fn is_admission(event: &Event) -> bool {
    matches!(event, Event::Admission { .. })
}

/// Relays some messages from one to the other: whatever else was to come by then has come.
fn talk(from: &mut Client, to: &mut Client) {
    for number in 0..20 {
        let candidate = from.message_to(
            "ice-candidate",
            &to.person,
            json!({ "candidate": null, "number": number }),
        );
        from.send(&candidate);
        assert_eq!(to.expect("ice-candidate")["number"], number);
    }
}

#[test]
fn nobody_hears_of_an_admission_before_its_record_is_durable() {
    let (server, disk) = start();
    let (doctor, patient) = people();
    let mut doctor = Client::join(&server, &doctor);
    let (mut other_doctor, mut other_patient) = couple(&server);
    let mut newcomer = Raw::upgrade(server.address());
    disk.change(|state| state.stuck = true);
    let mut request = patient.join_request();
    request["authToken"] = patient.token.as_str().into();
    request["id"] = 1.into();
    newcomer.send(&frame(TEXT, request.to_string().as_bytes()));
    disk.wait_for("the admission", 4, is_admission);
    talk(&mut other_doctor, &mut other_patient);
    doctor.send(&json!({ "type": "ping" }));
    doctor.expect("pong");
    assert!(!newcomer.has_bytes(), "the newcomer has heard something already");
    disk.sync();
    assert_eq!(newcomer.json()["type"], "room-joined");
    assert_eq!(newcomer.json()["type"], "ack");
    doctor.expect("peer-joined");
}

#[test]
fn who_waits_for_its_record_is_not_taken_for_dead() {
    let (server, disk) = start_with(|config| {
        common::as_fast_as_one_can(config);
        config.heartbeat = Duration::from_millis(100);
    });
    let (doctor, patient) = people();
    let mut doctor = Client::join(&server, &doctor);
    let mut newcomer = Client::connect(&server, &patient);
    disk.change(|state| state.stuck = true);
    newcomer.send(&patient.join_request());
    disk.wait_for("the admission", 2, is_admission);
    // Many more than would end the connection of somebody who does not answer. The doctor does.
    let pings = server.counters().pings;
    while server.counters().pings < pings + 10 {
        doctor.send(&json!({ "type": "ping" }));
        doctor.expect("pong");
    }
    disk.sync();
    newcomer.expect("room-joined");
    doctor.expect("peer-joined");
}

#[test]
fn what_a_newcomer_says_meanwhile_is_handled_afterwards_and_in_order() {
    for cut in [0, 1, 7, 300, 5_000] {
        let (server, disk) = start();
        let (doctor, patient) = people();
        let mut doctor = Client::join(&server, &doctor);
        let mut newcomer = Raw::upgrade(server.address());
        disk.change(|state| state.stuck = true);
        let mut request = patient.join_request();
        request["authToken"] = patient.token.as_str().into();
        let mut bytes = frame(TEXT, request.to_string().as_bytes());
        for number in 0..30 {
            let candidate = json!({ "type": "ice-candidate", "sessionId": patient.session, "fromUserId": patient.user,
                "toUserId": doctor.person.user, "candidate": null, "number": number });
            bytes.extend(frame(TEXT, candidate.to_string().as_bytes()));
        }
        let (early, late) = bytes.split_at(bytes.len() - cut);
        newcomer.send(early);
        disk.wait_for("the admission", 2, is_admission);
        newcomer.send(late);
        doctor.send(&json!({ "type": "ping" }));
        doctor.expect("pong");
        disk.sync();
        doctor.expect("peer-joined");
        doctor.expect("room-status");
        for number in 0..30 {
            assert_eq!(
                doctor.expect("ice-candidate")["number"],
                number,
                "cut {cut} before the end"
            );
        }
    }
}

#[test]
fn while_the_log_cannot_be_written_nobody_is_let_in_and_calls_go_on() {
    let (server, disk) = start();
    let (mut doctor, mut patient) = couple(&server);
    let (newcomer, _) = people();
    disk.change(|state| state.broken = true);
    let mut newcomer = Client::connect(&server, &newcomer);
    let request = newcomer.person.join_request();
    for _ in 0..3 {
        newcomer.send(&request);
        newcomer.expect_error("AUDIT_UNAVAILABLE");
        talk(&mut doctor, &mut patient);
    }
    disk.change(|state| state.broken = false);
    newcomer.send(&request);
    newcomer.expect("room-joined");
}

#[test]
fn ready_says_whether_the_log_can_be_written_and_health_does_not_care() {
    let (server, disk) = start();
    let ask = |path: &str| http::ask(&server, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
    let ready = |is: bool| {
        // The loop hears of a change in its next turn.
        let start = Instant::now();
        loop {
            let response = ask("/ready");
            if (response.status == 200) == is {
                return response.json();
            }
            assert!(start.elapsed() < PATIENCE, "{}", response.json());
        }
    };
    let good = json!({ "status": "ready", "audit": "ok", "connections": "ok", "draining": false });
    assert_eq!(ready(true), good);
    disk.change(|state| state.broken = true);
    let bad = json!({ "status": "unavailable", "audit": "unavailable", "connections": "ok", "draining": false });
    assert_eq!(ready(false), bad);
    assert_eq!(ask("/health").status, 200);
    disk.change(|state| state.broken = false);
    assert_eq!(ready(true), good);
}

#[test]
fn an_admission_whose_record_fails_is_withdrawn() {
    let (server, disk) = start();
    let (doctor, patient) = people();
    let mut doctor = Client::join(&server, &doctor);
    let mut newcomer = Client::connect(&server, &patient);
    disk.change(|state| state.stuck = true);
    newcomer.send(&patient.join_request());
    disk.wait_for("the admission", 2, is_admission);
    disk.change(|state| state.broken = true);
    newcomer.expect_error("AUDIT_UNAVAILABLE");
    disk.wait_for("its withdrawal", 1, |event| {
        matches!(event, Event::Withdrawal { code: "AUDIT_UNAVAILABLE" })
    });
    disk.change(|state| (state.broken, state.stuck) = (false, false));
    newcomer.send(&patient.join_request());
    newcomer.expect("room-joined");
    doctor.expect("peer-joined");
}

#[test]
fn who_goes_away_while_waiting_was_never_there() {
    let (server, disk) = start();
    let (doctor, patient) = people();
    let mut doctor = Client::join(&server, &doctor);
    let newcomer = Client::connect(&server, &patient);
    disk.change(|state| state.stuck = true);
    let mut newcomer = newcomer;
    newcomer.send(&patient.join_request());
    disk.wait_for("the admission", 2, is_admission);
    drop(newcomer);
    disk.sync();
    // It was let in and its connection was found to be gone, or it was found before: whoever hears of the one hears of the other.
    server.wait_until("it to go", |now| now.connections == 1);
    let come = disk.count(|event| matches!(event, Event::Withdrawal { code: "GONE" }));
    let gone = disk.count(|event| matches!(event, Event::Absence { .. }));
    assert_eq!(come + gone, 1, "its admission has an end");
    doctor.send(&json!({ "type": "ping" }));
    let mut heard: Vec<Value> = Vec::new();
    while heard.last().is_none_or(|message| message["type"] != "pong") {
        heard.push(doctor.receive());
    }
    let kinds: Vec<_> = heard.iter().filter_map(|message| message["type"].as_str()).collect();
    match gone {
        0 => assert_eq!(kinds, ["pong"]),
        _ => assert_eq!(kinds, ["peer-joined", "room-status", "peer-state", "pong"]),
    }
}

#[test]
fn the_end_of_a_session_is_told_once_its_record_is_durable() {
    let (server, disk) = start();
    let (mut doctor, mut patient) = couple(&server);
    disk.change(|state| state.stuck = true);
    let Person { session, user, .. } = doctor.person.clone();
    let end = json!({ "type": "end-session", "sessionId": session, "userId": user, "id": 7 });
    doctor.send(&end);
    disk.wait_for(
        "the end",
        1,
        |event| matches!(event, Event::RoomStatus { status, .. } if status.as_str() == "ended"),
    );
    // What it says meanwhile is obeyed afterwards, so there is nobody left to say good-bye.
    for kind in ["end-session", "leave-room"] {
        doctor.send(&json!({ "type": kind, "sessionId": session, "userId": user, "id": 8 }));
    }
    talk(&mut patient, &mut doctor);
    let mut late = Client::connect(&server, &patient.person);
    late.send(&patient.person.join_request());
    late.expect_error("SESSION_ENDED");
    assert_eq!(late.expect_close(), 4410);
    disk.sync();
    assert_eq!(doctor.expect("ack")["id"], 7);
    for client in [&mut doctor, &mut patient] {
        assert_eq!(client.expect("room-status")["status"], "ended");
        assert_eq!(client.expect_close(), 4410);
    }
    let left = disk
        .count(|event| matches!(event, Event::Leave { reason: record::ExitReason::SessionEnded }));
    assert_eq!(left, 2);
}

#[test]
fn a_session_can_be_ended_while_the_log_cannot_be_written() {
    let (server, disk) = start();
    let (mut doctor, mut patient) = couple(&server);
    disk.change(|state| state.broken = true);
    // The reactor knows once it refuses somebody.
    let (newcomer, _) = people();
    let mut newcomer = Client::connect(&server, &newcomer);
    newcomer.send(&newcomer.person.join_request());
    newcomer.expect_error("AUDIT_UNAVAILABLE");
    let Person { session, user, .. } = doctor.person.clone();
    doctor.send(&json!({ "type": "end-session", "sessionId": session, "userId": user }));
    for client in [&mut doctor, &mut patient] {
        assert_eq!(client.expect("room-status")["status"], "ended");
        assert_eq!(client.expect_close(), 4410);
    }
}

#[test]
fn while_the_log_cannot_be_written_the_end_of_a_session_is_told_once_its_record_is_durable_all_the_same()
 {
    let (server, disk) = start();
    let (mut doctor, mut patient) = couple(&server);
    // A full disk takes nothing but this, and takes its time.
    disk.change(|state| (state.broken, state.stuck) = (true, true));
    let (newcomer, _) = people();
    let mut newcomer = Client::connect(&server, &newcomer);
    newcomer.send(&newcomer.person.join_request());
    newcomer.expect_error("AUDIT_UNAVAILABLE");
    let Person { session, user, .. } = doctor.person.clone();
    let asked = Instant::now();
    doctor.send(&json!({ "type": "end-session", "sessionId": session, "userId": user, "id": 7 }));
    disk.wait_for(
        "the end",
        1,
        |event| matches!(event, Event::RoomStatus { status, .. } if status.as_str() == "ended"),
    );
    let pong = json!({ "type": "ping" });
    patient.send(&pong);
    let heard = patient.receive();
    // On a slow machine the server may have waited long enough by now.
    assert!(heard["type"] == "pong" || asked.elapsed().as_millis() > 900, "{heard}");
    disk.sync();
    assert_eq!(doctor.expect("ack")["id"], 7);
    for client in [&mut doctor, &mut patient] {
        assert_eq!(client.expect("room-status")["status"], "ended");
        assert_eq!(client.expect_close(), 4410);
    }
    newcomer.send(&newcomer.person.join_request());
    newcomer.expect_error("AUDIT_UNAVAILABLE");
}

#[test]
fn whoever_is_closed_for_talking_too_fast_stands_in_the_log() {
    let (server, disk) = start_with(|config| (config.state_rate, config.state_burst) = (1, 1));
    let (doctor, _) = people();
    let mut doctor = Client::join(&server, &doctor);
    for _ in 0..110 {
        if doctor.socket.send(tungstenite::Message::text(r#"{"type":"ping"}"#)).is_err() {
            break;
        }
    }
    disk.wait_for("the limit", 1, |event| {
        matches!(event, Event::Limit { name: "refused_messages" })
    });
    assert_eq!(disk.count(|event| matches!(event, Event::Limit { .. })), 1, "once, not each time");
}
