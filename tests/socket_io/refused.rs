//! Refused requests, and the consequences for their session.

use autamedica_signaling::base::time::Duration;
use serde_json::json;

use crate::client::{Poller, answer_to, connect, event_of, settle, text};
use crate::common::raw::{CLOSE, TEXT, frame};
use crate::common::{Raw, TestServer, couple, http, people};

#[test]
fn the_errors_are_those_that_the_clients_know() {
    let server = TestServer::start();
    let unknown = "EIO=4&transport=polling&sid=AAbcdefghijklmnopqrstu";
    for (method, query, code, message) in [
        ("GET", "", 0, "Transport unknown"),
        ("GET", "EIO=4&transport=pigeon", 0, "Transport unknown"),
        ("GET", unknown, 1, "Session ID unknown"),
        ("POST", unknown, 1, "Session ID unknown"),
        ("GET", "EIO=4&transport=polling&sid=x", 1, "Session ID unknown"),
        ("GET", "EIO=4&transport=websocket&sid=x", 1, "Session ID unknown"),
        ("POST", "EIO=4&transport=polling", 2, "Bad handshake method"),
        ("GET", "EIO=4&transport=polling&sid=x&sid=y", 3, "Bad request"),
        ("GET", "EIO=3&transport=polling", 5, "Unsupported protocol version"),
        ("GET", "EIO=3&transport=websocket", 5, "Unsupported protocol version"),
    ] {
        let head = format!("{method} /socket.io/?{query} HTTP/1.1\r\nHost: x\r\n\r\n");
        let response = http::ask(&server, &head);
        assert_eq!(response.status, 400, "{query}");
        assert_eq!(response.json(), json!({ "code": code, "message": message }), "{query}");
        http::check_fields(&response);
    }
    let head = "GET /socket.io/?EIO=4&transport=polling&token=x HTTP/1.1\r\nHost: x\r\n\r\n";
    http::check_refusal(&http::ask(&server, head), 400, "BAD_REQUEST");
    // Without an upgrade there is no WebSocket.
    let head = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n\r\n";
    http::check_refusal(&http::ask(&server, head), 426, "UPGRADE_REQUIRED");
}

#[test]
fn a_session_belongs_to_the_page_that_began_it() {
    let server = TestServer::start();
    let mut mine = Poller::open_with(&server, "Origin: https://clinic.example\r\n");
    let forbidden = json!({ "code": 4, "message": "Forbidden" });
    for fields in
        ["Origin: https://evil.example\r\n", "Origin: null\r\n", "Sec-Fetch-Mode: no-cors\r\n"]
    {
        mine.fields = fields.to_owned();
        for (method, more) in [("GET", ""), ("POST", "Content-Length: 2\r\n")] {
            let response = mine.ask(method, more, b"40");
            assert_eq!((response.status, response.json()), (403, forbidden.clone()), "{fields}");
        }
        assert_eq!(mine.upgrade().read_response().status, 403);
    }
    // A page of this server names itself only where it posts, and from then on nobody else may.
    let mut own = Poller::open(&server);
    own.fields = "Origin: https://clinic.example\r\n".to_owned();
    own.post_ok(&connect(&people().0));
    own.fields = "Origin: https://evil.example\r\n".to_owned();
    assert_eq!(own.ask("GET", "", b"").status, 403);
    own.fields.clear();
    assert!(own.poll().starts_with("40"));
    mine.fields = "Origin: https://clinic.example\r\n".to_owned();
    mine.post_ok(&connect(&people().0));
    assert!(mine.poll().starts_with("40"), "nothing was taken away");
}

#[test]
fn in_production_only_listed_pages_come_in_and_are_told_so_by_name() {
    let server = TestServer::start_with(http::production);
    let poller = Poller::open_with(&server, "Origin: https://clinic.example\r\n");
    poller.post_ok(&connect(&people().0));
    let response = poller.ask("GET", "", b"");
    let allowed = |name| response.field(name).map(str::to_owned);
    assert_eq!(allowed("Access-Control-Allow-Origin").as_deref(), Some("https://clinic.example"));
    assert_eq!(allowed("Access-Control-Allow-Credentials").as_deref(), Some("true"));
    assert_eq!(allowed("Vary").as_deref(), Some("Origin"));
    let preflight = |origin: &str| {
        let head = format!(
            "OPTIONS /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-app\r\n\r\n"
        );
        http::ask(&server, &head)
    };
    let response = preflight("https://clinic.example");
    assert_eq!(response.status, 204);
    for (name, value) in [
        ("Access-Control-Allow-Origin", "https://clinic.example"),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Allow-Methods", "GET, POST"),
        ("Access-Control-Allow-Headers", "x-app"),
    ] {
        assert_eq!(response.field(name), Some(value));
    }
    assert_eq!(preflight("https://evil.example").status, 403);
    let head = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\n\r\n";
    let response = http::ask(&server, head);
    assert_eq!(response.json(), json!({ "code": 4, "message": "Forbidden" }));
    assert_eq!(response.field("Access-Control-Allow-Origin"), None);
}

#[test]
fn whoever_asks_twice_at_once_loses_the_session() {
    let server = TestServer::start();
    let poller = Poller::connect(&server, &people().0);
    let first = poller.begin_to_wait();
    let second = poller.ask("GET", "", b"");
    assert_eq!((second.status, second.json()["code"].as_u64()), (400, Some(3)));
    let said = String::from_utf8(answer_to(first).body).expect("UTF-8");
    assert!(said.contains("BAD_MESSAGE") && said.ends_with("\x1e41"), "{said}");
    assert_eq!(poller.poll(), "1");
    server.wait_until("the end of the session", |_| !poller.is_known());
    server.wait_until_empty();
}

#[test]
fn before_it_is_let_in_whoever_waits_hears_at_once_that_the_session_is_over() {
    let server = TestServer::start_with(|config| {
        // Nobody waits for that here.
        config.heartbeat = Duration::from_secs(3_600);
    });
    let huge = format!("Content-Length: {}\r\n", 64 * 1_024 + 1);
    // Asks again, brings too much, brings nothing, or says what is no packet.
    for (method, fields, body, status) in [
        ("GET", "", &b""[..], 400),
        ("POST", huge.as_str(), b"", 413),
        ("POST", "Content-Length: 0\r\n", b"", 400),
        ("POST", "Content-Length: 1\r\n", b"x", 200),
    ] {
        let poller = Poller::open(&server);
        let first = poller.begin_to_wait();
        assert_eq!(poller.ask(method, fields, body).status, status, "{method} {fields}");
        assert_eq!(answer_to(first).body, b"1", "{method} {fields}");
        server.wait_until("the end of the session", |_| !poller.is_known());
    }
    server.wait_until_empty();
}

#[test]
fn who_is_not_let_in_in_time_hears_at_once_that_the_session_is_over() {
    let server = TestServer::start_with(|config| {
        config.join_timeout = Duration::from_millis(300);
        config.heartbeat = Duration::from_secs(3_600);
    });
    let poller = Poller::open(&server);
    assert_eq!(poller.poll(), "1");
    server.wait_until_empty();
}

#[test]
fn what_is_wrong_with_a_body_ends_the_session_or_is_refused_and_nobody_else_notices() {
    let server = TestServer::start();
    let (_doctor, _patient) = couple(&server);
    let huge = format!("Content-Length: {}\r\n", 64 * 1_024 + 1);
    for (fields, body, status) in [
        ("", &b"40"[..], 400),
        ("Content-Length: 0\r\n", b"", 400),
        (huge.as_str(), b"", 413),
        ("Content-Length: 99999999999999999999999\r\n", b"", 413),
        // The rest of these are taken, and are no packets.
        ("Content-Length: 1\r\n", b"x", 200),
        ("Content-Length: 2\r\n", b"4\xff", 200),
        ("Content-Length: 1\r\n", b"\x1e", 200),
        ("Content-Length: 1\r\n", b"2", 200),
        ("Content-Length: 6\r\n", b"2probe", 200),
        ("Content-Length: 1\r\n", b"5", 200),
        ("Content-Length: 5\r\n", b"bAQID", 200),
        ("Content-Length: 11\r\n", b"451-[\"a\",1]", 200),
        ("Content-Length: 6\r\n", b"40null", 200),
        ("Content-Length: 7\r\n", b"40{}\x1e40", 200),
    ] {
        let poller = Poller::connect(&server, &people().0);
        assert_eq!(poller.ask("POST", fields, body).status, status, "{fields}");
        // Last words, then the end.
        let said = poller.poll();
        if said != "1" {
            let (event, _) = said.split_once('\x1e').expect("an event, then the end");
            assert_eq!(event_of(event).0, "error");
            assert!(said.ends_with("\x1e41"), "{said}");
            assert_eq!(poller.poll(), "1");
        }
        server.wait_until("the end of the session", |_| !poller.is_known());
    }
    for fields in [
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 2\r\nContent-Length: 2\r\n",
        "Content-Length: -1\r\n",
    ] {
        let poller = Poller::connect(&server, &people().0);
        assert_eq!(poller.ask("POST", fields, b"40").status, 400, "{fields}");
        assert!(poller.is_known(), "nobody knows whose it was");
        poller.post_ok("1");
    }
}

#[test]
fn a_second_body_while_the_first_still_comes_ends_the_session() {
    let server = TestServer::start();
    let poller = Poller::connect(&server, &people().0);
    let head = poller.head("POST", "Content-Length: 100\r\n");
    let _slow = poller.begin(&[head.as_bytes(), b"42[\"ping\""].concat());
    settle(&server);
    assert_eq!(poller.post(b"3").status, 400);
    assert!(poller.poll().contains("error"));
}

#[test]
fn a_body_that_takes_too_long_is_not_waited_for() {
    let server = TestServer::start_with(|config| config.head_timeout = Duration::from_millis(300));
    let mut poller = Poller::connect(&server, &people().0);
    poller.fields = "Origin: https://clinic.example\r\n".to_owned();
    let head = poller.head("POST", "Content-Length: 100\r\n");
    let mut slow = poller.begin(&[head.as_bytes(), b"42[\"ping\""].concat());
    let response = slow.read_response();
    http::check_refusal(&response, 408, "REQUEST_TIMEOUT");
    let allowed = response.field("Access-Control-Allow-Origin");
    assert_eq!(allowed, Some("https://clinic.example"), "its page may read that");
    // Nor is a client that cuts it off.
    drop(slow);
    let cut = poller.begin(head.as_bytes());
    settle(&server);
    drop(cut);
    server.wait_until("the end of the request", |now| now.connections == 1);
    poller.post_ok("42[\"ping\"]");
    assert_eq!(event_of(&poller.poll()).0, "pong");
}

#[test]
fn a_web_socket_that_does_not_take_over_leaves_the_session_as_it_was() {
    let server = TestServer::start_with(|config| config.head_timeout = Duration::from_millis(500));
    let poller = Poller::connect(&server, &people().0);
    // It says nothing, or only that it might.
    for said in [None, Some("2probe")] {
        let mut probe = poller.upgrade();
        probe.expect_upgrade();
        assert_eq!(poller.upgrade().read_response().status, 400, "one at a time");
        if let Some(said) = said {
            probe.send(&frame(TEXT, said.as_bytes()));
            assert_eq!(text(&mut probe), "3probe");
        }
        assert_eq!(probe.read_close(), 1002);
        server.wait_until("the end of the probe", |now| now.connections == 1);
    }
    // It says something else.
    for said in ["5", "2", "40", "2probe2", "42[\"ping\"]"] {
        let mut probe = poller.upgrade();
        probe.expect_upgrade();
        probe.send(&frame(TEXT, said.as_bytes()));
        assert_eq!(probe.read_close(), 1002, "{said}");
        drop(probe);
        server.wait_until("the end of the probe", |now| now.connections == 1);
    }
    let mut probe = poller.upgrade();
    probe.expect_upgrade();
    probe.send(&frame(CLOSE, &[]));
    probe.read_close();
    server.wait_until("the end of the probe", |now| now.connections == 1);
    poller.post_ok("42[\"ping\"]");
    assert_eq!(event_of(&poller.poll()).0, "pong");
}

#[test]
fn what_follows_a_request_is_not_another_one() {
    let server = TestServer::start();
    let poller = Poller::connect(&server, &people().0);
    let one = [poller.head("POST", "Content-Length: 1\r\n").as_bytes(), b"3"].concat();
    let mut raw = Raw::connect(server.address());
    raw.send(&[&one[..], &one[..]].concat());
    let response = raw.read_response();
    assert_eq!((response.status, &response.body[..]), (200, &b"ok"[..]), "and nothing behind it");
}
