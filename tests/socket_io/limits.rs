//! Limits, the audit log and the shutdown apply to these clients as to all others.

use std::sync::{Arc, Mutex};

use autamedica_signaling::base::limits::Limit;
use autamedica_signaling::base::time::Duration;
use autamedica_signaling::message::record::{Event, TokenWay};
use autamedica_signaling::{Entry, Journal};
use serde_json::json;

use crate::client::{
    Poller, answer_to, connect, connect_web_socket, event, event_of, heard, open_web_socket, text,
    turns,
};
use crate::common::raw::{TEXT, frame};
use crate::common::{Client, Raw, TestServer, as_fast_as_one_can, bind, http, people};

#[test]
fn who_shows_no_token_in_time_is_let_go() {
    let server = TestServer::start_with(|config| config.join_timeout = Duration::from_millis(300));
    let poller = Poller::open(&server);
    let mut raw = open_web_socket(&server);
    assert_eq!(raw.answer_close(), 4408);
    server.wait_until("the end of both", |now| now.limits.of(Limit::JoinTime) == 2);
    assert_eq!(poller.poll(), "1");
    server.wait_until_empty();
}

#[test]
fn a_session_counts_like_a_connection_and_a_user_has_so_many() {
    let server = TestServer::start_with(|config| {
        config.connections_per_address_max = 3;
        config.connections_per_user_max = 2;
    });
    let (doctor, _) = people();
    let _first = Poller::connect(&server, &doctor);
    let _second = connect_web_socket(&server, &doctor);
    let third = Poller::open(&server);
    third.post_ok(&connect(&doctor));
    assert!(third.poll().contains("\"code\":\"RATE_LIMITED\""));
    assert_eq!(third.poll(), "1");
    server.wait_until("room", |now| now.connections == 2);
    let _third = Poller::connect(&server, &people().0);
    let head = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n";
    http::check_refusal(&http::ask(&server, head), 429, "RATE_LIMITED");
}

#[test]
fn a_full_server_takes_no_session() {
    let server = TestServer::start_with(|config| config.connections_max = 1);
    let _only = connect_web_socket(&server, &people().0);
    let head = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n";
    http::check_refusal(&http::ask(&server, head), 503, "SERVER_FULL");
}

#[test]
fn sessions_do_not_pass_the_limit_by_the_requests_that_are_under_way() {
    let server = TestServer::start_with(|config| config.connections_max = 4);
    let head = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut heads: Vec<_> = (0..4).map(|_| Raw::connect(server.address())).collect();
    server.wait_until("four heads", |now| now.connections == 4);
    let mut begin = || {
        let mut one = heads.pop().expect("one more");
        one.send(head.as_bytes());
        one.read_response()
    };
    let three = || {
        turns(&server); // What was counted before is not what counts.
        server.wait_until("the request to be gone", |now| now.connections == 3);
    };
    // A session is one connection more than those four.
    http::check_refusal(&begin(), 503, "SERVER_FULL");
    for _ in 0..3 {
        three();
        assert_eq!(begin().status, 200);
    }
    three();
    http::check_refusal(&http::ask(&server, head), 503, "SERVER_FULL");
    server.wait_until("two refusals", |now| now.limits.of(Limit::Connections) == 2);
}

#[test]
fn failed_tokens_count() {
    let server = TestServer::start_with(|config| config.auth_failures_max = 3);
    let (mut doctor, _) = people();
    doctor.token.push('x');
    for n in 0..4 {
        let mut raw = open_web_socket(&server);
        raw.send(&frame(TEXT, connect(&doctor).as_bytes()));
        let code = if n < 3 { "TOKEN_INVALID" } else { "RATE_LIMITED" };
        assert!(text(&mut raw).contains(code), "{n}");
        assert_eq!(raw.answer_close(), if n < 3 { 4401 } else { 4429 });
    }
}

#[test]
fn who_fetches_nothing_is_let_go_and_keeps_its_place() {
    let server = TestServer::start_with(|config| {
        as_fast_as_one_can(config);
        config.message_bytes_max = 8_192;
        config.send_queue_bytes_max = 16 * 1_024;
    });
    let (doctor, patient) = people();
    let poller = Poller::join(&server, &doctor);
    let mut client = Client::join(&server, &patient);
    client.expect("room-status");
    let big = json!({
        "type": "ice-candidate", "sessionId": patient.session, "fromUserId": patient.user, "toUserId": doctor.user,
        "candidate": null, "more": "x".repeat(1_000)
    });
    (0..40).for_each(|_| client.send(&big));
    assert_eq!(client.expect("peer-state")["connectionState"], "reconnecting");
    server.wait_until("it to be counted", |now| now.overrun >= 1);
    let mut said = String::new();
    while said != "1" {
        said = poller.poll();
    }
}

#[test]
fn what_is_too_much_or_too_large_ends_as_everywhere() {
    let server = TestServer::start_with(|config| config.message_bytes_max = 8_192);
    let mut raw = connect_web_socket(&server, &people().0);
    raw.send(&frame(TEXT, &[b'4'; 8_193]));
    assert_eq!(heard(&mut raw).1["code"], "MESSAGE_TOO_LARGE");
    assert_eq!(text(&mut raw), "41");
    assert_eq!(raw.read_close(), 1009);
    let mut raw = connect_web_socket(&server, &people().0);
    let many: Vec<_> = (0..200).flat_map(|_| frame(TEXT, b"42[\"ping\"]")).collect();
    raw.send(&many);
    loop {
        match text(&mut raw).as_str() {
            "41" => break,
            packet => assert!(matches!(event_of(packet).0.as_str(), "pong" | "error")),
        }
    }
    assert_eq!(raw.answer_close(), 4429);
}

#[test]
fn at_the_end_of_the_server_everybody_is_told_to_come_again() {
    let server = TestServer::start();
    let mut raw = connect_web_socket(&server, &people().0);
    let poller = Poller::connect(&server, &people().0);
    let waiting = poller.begin_to_wait();
    server.handle().shutdown();
    let (name, error) = heard(&mut raw);
    assert_eq!((name.as_str(), &error["code"]), ("error", &json!("SERVER_SHUTDOWN")));
    // Without `41`, which would have the client stay away.
    assert_eq!(raw.answer_close(), 1012);
    let said = String::from_utf8(answer_to(waiting).body).expect("UTF-8");
    assert_eq!(event_of(&said).1["code"], "SERVER_SHUTDOWN");
    server.stop();
}

/// A log whose disk is quick, and that the test reads.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Event>>>);

impl Journal for Log {
    fn take(&mut self, entry: &Entry<'_>) -> Option<u64> {
        let mut events = self.0.lock().expect("no panic");
        events.push(entry.record.event);
        Some(events.len() as u64)
    }

    fn publish(&mut self, _awaited: bool) {}

    fn durable(&self) -> u64 {
        self.0.lock().expect("no panic").len() as u64
    }

    fn is_available(&self) -> bool {
        true
    }
}

#[test]
fn auditors_see_who_came_and_what_was_shown() {
    let log = Log::default();
    let mut server = bind(|_| {});
    server.keep_journals(|| Box::new(log.clone()));
    let server = TestServer::run(server.handle(), move || server.run());
    let (doctor, _) = people();
    let poller = Poller::open(&server);
    poller.post_ok(&format!("{}\x1e{}", connect(&doctor), event(&doctor.join_request())));
    let mut said = String::new();
    while !said.contains("room-joined") {
        said = poller.poll();
    }
    let events = log.0.lock().expect("no panic").clone();
    let connect = Event::Connect { refusal: None };
    let shown = Event::Authentication { way: TokenWay::Connect, failure: None };
    assert_eq!(events[..2], [connect, shown]);
    assert!(matches!(events[2], Event::Admission { .. }), "{events:?}");
}
