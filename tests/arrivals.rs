//! How requests arrive: large, in pieces, slowly, many at once, or with more bytes after them.

mod common;

use std::time::{Duration as StdDuration, Instant};

use autamedica_signaling::base::time::Duration;
use serde_json::json;

use common::http::{ask, check_refusal};
use common::raw::{TEXT, frame, upgrade_request};
use common::{Client, Raw, TestServer, people};

#[test]
fn a_head_has_8_kib_and_64_fields() {
    let server = TestServer::start();
    let padded = |len: usize| {
        let bare = upgrade_request("X-Padding: \r\n").len();
        upgrade_request(&format!("X-Padding: {}\r\n", "x".repeat(len - bare)))
    };
    let mut largest = Raw::connect(server.address());
    largest.send(padded(8 * 1024).as_bytes());
    largest.expect_upgrade();
    check_refusal(&ask(&server, &padded(8 * 1024 + 1)), 431, "HEAD_TOO_LARGE");
    check_refusal(&ask(&server, &padded(1 << 20)), 431, "HEAD_TOO_LARGE");
    check_refusal(&ask(&server, &upgrade_request(&"X: y\r\n".repeat(64))), 431, "HEAD_TOO_LARGE");
    let mut endless = Raw::connect(server.address());
    endless.send("x".repeat(8 * 1024).as_bytes());
    check_refusal(&endless.read_response(), 431, "HEAD_TOO_LARGE");
}

#[test]
fn frames_may_follow_the_upgrade_in_the_same_packet() {
    let server = TestServer::start();
    let mut together = upgrade_request("").into_bytes();
    together.extend(frame(TEXT, br#"{"type":"ping","id":1}"#));
    together.extend(frame(TEXT, br#"{"type":"ping","id":2}"#));
    // All of it, and cut at every byte of the first frame's header and a little on.
    let request_len = upgrade_request("").len();
    for cut in (request_len - 2..request_len + 12).chain([together.len()]) {
        let mut raw = Raw::connect(server.address());
        raw.send(&together[..cut]);
        if cut >= request_len {
            raw.expect_upgrade();
            raw.send(&together[cut..]);
        } else {
            raw.send(&together[cut..]);
            raw.expect_upgrade();
        }
        for id in [1, 2] {
            assert_eq!(raw.json()["type"], "pong");
            assert_eq!(raw.json()["id"], id);
        }
    }
}

/// Whoever comes in and speaks in the same packet is served when newcomers are, and what it says counts like anything else.
#[test]
fn who_joins_and_speaks_at_once_is_heard_and_counted() {
    let server = TestServer::start();
    let (doctor, patient) = people();
    let mut patient = Client::join(&server, &patient);
    let candidate = json!({
        "type": "ice-candidate", "sessionId": doctor.session, "fromUserId": doctor.user,
        "toUserId": patient.person.user, "candidate": null,
    });
    let bearer = format!("Authorization: Bearer {}\r\n", doctor.token);
    let mut together = upgrade_request(&bearer).into_bytes();
    for message in [&doctor.join_request(), &candidate] {
        together.extend(frame(TEXT, message.to_string().as_bytes()));
    }
    let mut raw = Raw::connect(server.address());
    raw.send(&together);
    patient.expect("peer-joined");
    patient.expect("room-status");
    assert_eq!(patient.receive(), candidate);
    server.wait_until("its delay to be written down", |now| {
        now.relayed == 1 && now.relays.count() == 1
    });
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = TestServer::start();
    let mut raw = Raw::connect(server.address());
    for byte in upgrade_request("").bytes() {
        raw.send(&[byte]);
    }
    raw.expect_upgrade();
}

#[test]
fn a_second_request_on_the_connection_is_not_served() {
    let server = TestServer::start();
    let twice = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2);
    let response = ask(&server, &twice);
    assert_eq!(response.json()["status"], "ok", "one body only: {response:?}");
}

#[test]
fn who_only_reads_after_its_request_is_answered() {
    let server = TestServer::start();
    let mut raw = Raw::connect(server.address());
    raw.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    raw.half_close();
    assert_eq!(raw.read_response().status, 200);
}

#[test]
fn a_head_that_does_not_end_in_time_is_refused_and_silence_is_cut() {
    let timeout = StdDuration::from_secs(1);
    let server = TestServer::start_with(|config| config.head_timeout = Duration::from_secs(1));
    let start = Instant::now();
    let mut silent = Raw::connect(server.address());
    let mut slow = Raw::connect(server.address());
    // Each byte comes well in time; the head does not.
    let request = upgrade_request("");
    for byte in request.bytes().take(12) {
        slow.send(&[byte]);
        std::thread::sleep(StdDuration::from_millis(100));
    }
    check_refusal(&slow.read_response(), 408, "REQUEST_TIMEOUT");
    silent.expect_end();
    assert!(start.elapsed() >= timeout && start.elapsed() < 4 * timeout, "{:?}", start.elapsed());
    // Whoever made it has no head timeout any more.
    let mut upgraded = Raw::upgrade(server.address());
    std::thread::sleep(timeout + timeout / 2);
    upgraded.send(&frame(TEXT, br#"{"type":"ping"}"#));
    assert_eq!(upgraded.json()["type"], "pong");
}

#[test]
fn past_the_limit_of_connections_one_is_told_so() {
    let server = TestServer::start_with(|config| config.connections_max = 2);
    let inside: Vec<_> = (0..2).map(|_| Raw::upgrade(server.address())).collect();
    for _ in 0..100 {
        let response = ask(&server, &upgrade_request(""));
        check_refusal(&response, 503, "SERVER_FULL");
        assert!(response.field("Retry-After").is_some_and(|wait| wait.parse::<u32>().is_ok()));
    }
    let health = ask(&server, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(health.status, 200, "the supervisor must not kill a full server");
    drop(inside);
    server.wait_until("the seats to be free", |now| now.connections == 0);
    Raw::upgrade(server.address());
}

#[test]
fn far_more_than_the_limit_wait_and_are_served_when_there_is_room() {
    let server = TestServer::start_with(|config| {
        config.connections_max = 2;
        // Nobody knows whether they are all of one client.
        config.behind_proxy = true;
    });
    // More than are accepted to be turned away, and none says what it wants.
    let silent: Vec<_> = (0..200).map(|_| Raw::connect(server.address())).collect();
    server.wait_until("the listener to stop", |now| now.connections == 2 + 64);
    let turns = server.counters().turns;
    std::thread::sleep(StdDuration::from_millis(200));
    assert!(server.counters().turns < turns + 20, "it sleeps, and does not spin");
    drop(silent);
    server.wait_until("all to be gone", |now| now.connections == 0 && now.accepted == 200);
    Raw::upgrade(server.address());
}
