//! Sessions that are carried by requests, and the WebSocket that takes one over.

use autamedica_signaling::{Entry, Journal};
use serde_json::json;

use crate::client::{Poller, answer_to, event, event_of, heard, text};
use crate::common::raw::{TEXT, frame};
use crate::common::{Client, TestServer, bind, people};

/// A journal that has everything on disk when it is asked.
struct Log(u64);

impl Journal for Log {
    fn take(&mut self, _entry: &Entry<'_>) -> Option<u64> {
        self.0 += 1;
        Some(self.0)
    }

    fn publish(&mut self, _awaited: bool) {}

    fn durable(&self) -> u64 {
        self.0
    }

    fn is_available(&self) -> bool {
        true
    }
}

#[test]
fn what_is_said_while_nobody_asks_is_there_for_the_next_who_does() {
    let server = TestServer::start();
    let (doctor, patient) = people();
    let poller = Poller::join(&server, &doctor);
    let mut client = Client::join(&server, &patient);
    client.expect("room-status");
    for n in 0..20 {
        client.send(&json!({
            "type": "ice-candidate", "sessionId": patient.session, "fromUserId": patient.user, "toUserId": doctor.user,
            "candidate": null, "n": n
        }));
    }
    let mut seen = Vec::new();
    while seen.len() < 22 {
        seen.extend(poller.poll().split('\x1e').map(event_of));
    }
    let names: Vec<_> = seen.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[..2], ["peer-joined", "room-status"]);
    let numbers: Vec<_> = seen[2..].iter().map(|(_, message)| message["n"].as_i64()).collect();
    assert_eq!(numbers, (0..20).map(Some).collect::<Vec<_>>());
}

/// RFC 9110 10.1.1.
#[test]
fn whoever_sends_a_body_only_when_told_to_is_told_to() {
    let server = TestServer::start();
    let (doctor, _) = people();
    let poller = Poller::connect(&server, &doctor);
    let body = event(&doctor.join_request());
    let fields = format!("Content-Length: {}\r\nExpect: 100-Continue\r\n", body.len());
    let mut post = poller.begin(poller.head("POST", &fields).as_bytes());
    assert_eq!(post.read_status(), 100);
    post.send(body.as_bytes());
    let response = post.read_response();
    assert_eq!((response.status, &response.body[..]), (200, &b"ok"[..]), "{response:?}");
    assert_eq!(event_of(poller.poll().split('\x1e').next().unwrap_or_default()).0, "room-joined");

    // A refusal is the answer at once.
    let fields = format!("Content-Length: {}\r\nExpect: 100-continue\r\n", 64 * 1_024 + 1);
    let refused = poller.begin(poller.head("POST", &fields).as_bytes()).read_response();
    assert_eq!(refused.status, 413, "{refused:?}");
}

/// The end of a session waits for its record, and what follows in the same body waits for that.
#[test]
fn who_ends_the_session_and_leaves_at_once_is_told_that_it_ended() {
    let mut server = bind(|_| {});
    server.keep_journals(|| Box::new(Log(0)));
    let server = TestServer::run(server.handle(), move || server.run());
    let (doctor, _) = people();
    let poller = Poller::join(&server, &doctor);
    let whose = json!({ "sessionId": doctor.session, "userId": doctor.user });
    poller.post_ok(&format!("421[\"end-session\",{whose}]\x1e422[\"leave-room\",{whose}]"));
    let mut said = String::new();
    while !said.contains("\"ended\"") {
        said += &poller.poll();
    }
    assert!(said.contains("431[{\"ok\":true}]") && !said.contains("432["), "{said}");
}

#[test]
fn several_packets_in_one_body_are_handled_in_order() {
    let server = TestServer::start();
    let (doctor, _) = people();
    let poller = Poller::connect(&server, &doctor);
    let join = event(&doctor.join_request());
    poller.post_ok(&format!("{join}\x1e420[\"ping\",{{}}]\x1e421[\"nonsense\"]"));
    let mut said = String::new();
    while !said.contains("431") {
        said += &poller.poll();
        said.push('\x1e');
    }
    let at = |what: &str| said.find(what).unwrap_or_else(|| panic!("{what} in {said}"));
    assert!(at("room-joined") < at("pong") && at("pong") < at("430[{\"ok\":true}]"));
    assert!(at("430") < at("431[{\"ok\":false,\"code\":\"UNKNOWN_TYPE\""), "{said}");
}

#[test]
fn a_web_socket_takes_over_and_nothing_is_lost_in_between() {
    let server = TestServer::start();
    let (doctor, patient) = people();
    let poller = Poller::join(&server, &doctor);
    let waiting = poller.begin_to_wait();
    let mut socket = poller.upgrade();
    socket.expect_upgrade();
    socket.send(&frame(TEXT, b"2probe"));
    assert_eq!(text(&mut socket), "3probe");
    assert_eq!(answer_to(waiting).body, b"6", "whoever waits is sent away");
    assert_eq!(poller.poll(), "6", "and whoever comes meanwhile");
    // Something is said before the take-over.
    let mut client = Client::join(&server, &patient);
    client.expect("room-status");
    // What follows in the same write counts already.
    socket.send(&[frame(TEXT, b"5"), frame(TEXT, b"427[\"ping\"]")].concat());
    let mut names = Vec::new();
    while names.last().is_none_or(|name| name != "pong") {
        names.push(heard(&mut socket).0);
    }
    assert_eq!(names, ["peer-joined", "room-status", "pong"]);
    assert_eq!(text(&mut socket), "437[{\"ok\":true}]");
    let response = poller.ask("GET", "", b"");
    assert_eq!((response.status, response.json()["code"].as_u64()), (400, Some(3)));
    assert_eq!(poller.post(b"3").status, 400);
    socket.send(&frame(TEXT, b"41"));
    assert_eq!(socket.read_close(), 1000);
    client.expect("peer-state");
}

#[test]
fn whoever_asks_on_and_on_while_a_web_socket_is_about_to_take_over_waits_in_the_end() {
    let server = TestServer::start();
    let (doctor, patient) = people();
    let poller = Poller::join(&server, &doctor);
    let mut socket = poller.upgrade();
    socket.expect_upgrade();
    for _ in 0..8 {
        assert_eq!(poller.poll(), "6");
    }
    let waiting = poller.begin_to_wait();
    let mut client = Client::join(&server, &patient);
    let said = String::from_utf8(answer_to(waiting).body).expect("UTF-8");
    assert_eq!(event_of(said.split('\x1e').next().expect("a packet")).0, "peer-joined");
    // It takes over all the same.
    socket.send(&frame(TEXT, b"2probe"));
    assert_eq!(text(&mut socket), "3probe");
    socket.send(&[frame(TEXT, b"5"), frame(TEXT, b"427[\"ping\"]")].concat());
    while text(&mut socket) != "437[{\"ok\":true}]" {}
    client.expect("room-status");
}

#[test]
fn a_web_socket_that_waits_for_no_answer_takes_over_too() {
    let server = TestServer::start();
    let poller = Poller::connect(&server, &people().0);
    let mut socket = poller.upgrade();
    let packets = [&b"2probe"[..], b"5", b"420[\"ping\"]"].map(|packet| frame(TEXT, packet));
    socket.send(&packets.concat());
    socket.expect_upgrade();
    assert_eq!(text(&mut socket), "3probe");
    assert_eq!(heard(&mut socket).0, "pong");
    assert_eq!(text(&mut socket), "430[{\"ok\":true}]");
}

#[test]
fn the_client_that_says_good_bye_is_gone() {
    let server = TestServer::start();
    for last in ["41", "1"] {
        let poller = Poller::connect(&server, &people().0);
        let waiting = poller.begin_to_wait();
        poller.post_ok(last);
        assert_eq!(answer_to(waiting).body, b"6");
        server.wait_until_empty();
        assert!(!poller.is_known());
        server.wait_until_empty();
    }
}
