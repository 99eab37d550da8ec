//! Several event loops: an operator's commands reach all of them, and a loop that does not answer
//! is named.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use autamedica_signaling::{Entry, Journal};
use serde_json::{Value, json};

use crate::common::{self, Client, Raw, TestServer, couple, people};
use crate::support::{LOCAL, Managed, ask, deeds};

fn start() -> Managed {
    Managed::start_with(|config| config.threads = Some(3))
}

#[test]
fn rooms_of_all_loops_are_told_once_however_they_are_asked_for() {
    let managed = start();
    let couples: Vec<_> = (0..12).map(|_| couple(&managed.server)).collect();
    let ids = |rooms: &Value| {
        let rooms = rooms["rooms"].as_array().expect("rooms").iter();
        rooms.map(|room| room["session"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    let all = managed.get("/api/rooms").json();
    assert_eq!((all["total"].as_u64(), ids(&all).len()), (Some(12), 12));
    let mut parts = Vec::new();
    for skip in (0..12).step_by(5) {
        let part = managed.get(&format!("/api/rooms?skip={skip}&limit=5")).json();
        assert_eq!(part["total"], 12);
        parts.extend(ids(&part));
    }
    assert_eq!(parts, ids(&all), "each once, in the same order");
    assert_eq!(parts.iter().collect::<BTreeSet<_>>().len(), 12);
    assert_eq!(ids(&managed.get("/api/rooms?skip=12").json()), Vec::<String>::new());
    let stats = managed.stats();
    assert_eq!((&stats["activeConnections"], &stats["activeSessions"]), (&json!(24), &json!(12)));
    let health = managed.get("/health").json();
    assert_eq!(health["loops"].as_array().map(Vec::len), Some(3));
    drop(couples);
}

#[test]
fn a_deed_is_done_in_every_loop_and_told_to_the_log_once() {
    let managed = start();
    let (mut doctor, _patient) = couple(&managed.server);
    // The same person elsewhere, on connections of other loops.
    let user = autamedica_signaling::message::UserId::parse(&doctor.person.user).expect("an id");
    let role = autamedica_signaling::message::Role::Doctor;
    let mut others: Vec<_> = (0..6)
        .map(|_| common::Person::with(role, common::session(), user, &["room:*"]))
        .map(|person| Client::join(&managed.server, &person))
        .collect();
    managed.act(&format!("/api/revocations?user={}", doctor.person.user));
    for client in others.iter_mut().chain([&mut doctor]) {
        client.expect_error("FORBIDDEN");
        assert_eq!(client.expect_close(), 4403);
    }
    for _ in 0..6 {
        let person = common::Person::with(role, common::session(), user, &["room:*"]);
        assert_eq!(crate::acting::refused(&managed, &person), Some(403));
    }
    let told = managed.get("/api/revocations").json();
    assert_eq!(told["revocations"].as_array().map(Vec::len), Some(1));
    let metrics = String::from_utf8(managed.get("/metrics").body).expect("text");
    assert!(metrics.contains("\nsignaling_revocations 1\n"), "{metrics}");
    assert!(metrics.contains("\nsignaling_loop_responding{loop=\"2\"} 1\n"));
    let mut last = Client::join(&managed.server, &people().0);
    managed.act(&format!("/api/sessions/{}/end", last.person.session));
    assert_eq!(last.expect("room-status")["status"], "ended");
    let records = managed.stop_and_read();
    let actions: Vec<_> = deeds(&records).iter().map(|one| one["action"].clone()).collect();
    assert_eq!(actions, ["revoke", "end-session"]);
}

/// A log whose disk hangs as long as somebody holds the lock, and which does not know better than to wait.
struct Hanging(Arc<Mutex<()>>);

fn hold(disk: &Mutex<()>) -> MutexGuard<'_, ()> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Journal for Hanging {
    fn take(&mut self, _entry: &Entry<'_>) -> Option<u64> {
        drop(hold(&self.0));
        Some(0)
    }

    fn publish(&mut self, _awaited: bool) {}

    fn durable(&self) -> u64 {
        0
    }

    fn is_available(&self) -> bool {
        true
    }
}

#[test]
fn a_loop_that_hangs_is_named_and_well_again_when_it_goes_on() {
    let disk = Arc::new(Mutex::new(()));
    let mut server = common::bind(|config| config.admin = Some(LOCAL));
    server.keep_journals(|| Box::new(Hanging(Arc::clone(&disk))));
    let admin = server.admin_addr().expect("an address");
    let server = TestServer::run(server.handle(), move || server.run());
    let health = || ask(admin, "GET", "/health", "");
    assert_eq!(health().status, 200);
    let held = hold(&disk);
    let mut raw = Raw::connect(server.address());
    raw.send(common::raw::upgrade_request("").as_bytes());
    // Until it has read that, it answers.
    let stuck = loop {
        let told = health();
        if told.status != 200 {
            break told;
        }
    };
    assert_eq!((stuck.status, &stuck.json()["status"]), (503, &json!("stuck")));
    assert_eq!(stuck.json()["loops"], json!([{ "loop": 0, "responding": false }]));
    let refused = ask(admin, "POST", "/api/log-level?level=info", "X-Admin-Action: x\r\n");
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("STUCK")));
    drop(held);
    assert_eq!(health().status, 200);
    let events = ask(admin, "GET", "/api/overview", "").json()["events"].clone();
    let kinds: Vec<_> =
        events.as_array().expect("events").iter().map(|one| one["kind"].clone()).collect();
    assert_eq!(kinds[..2], [json!("loop-turns"), json!("loop-stuck")]);
}
