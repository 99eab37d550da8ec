//! HTTP at the front door: what is served, what is refused and how, and what a slow or odd client gets.

mod common;

use std::time::{Duration as StdDuration, Instant};

use autamedica_signaling::Config;
use autamedica_signaling::admission::Origins;
use autamedica_signaling::base::time::Duration;
use autamedica_signaling::config::Environment;

use common::raw::{ACCEPT, NONCE, Response, TEXT, frame, upgrade_request};
use common::{Raw, TestServer, people};

/// As in production: one page is allowed, and there is no demo.
fn production(config: &mut Config) {
    config.environment = Environment::Production;
    config.origins = Origins::Listed(vec!["https://clinic.example".to_owned()]);
}

fn ask(server: &TestServer, request: &str) -> Response {
    let mut raw = Raw::connect(server.address());
    raw.send(request.as_bytes());
    raw.read_response()
}

fn check_fields(response: &Response) {
    for (name, value) in [
        ("Connection", "close"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
    ] {
        let found = response.field(name).unwrap_or_default();
        assert!(found.split(", ").any(|element| element == value), "{name}: {response:?}");
    }
    let policy = response.field("Content-Security-Policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(response.field("Date").is_some_and(|date| date.ends_with(" GMT")));
    assert_eq!(response.field("Server"), None, "nobody needs to know what runs here");
}

#[track_caller]
fn check_refusal(response: &Response, status: u16, code: &str) {
    assert_eq!(response.status, status, "{response:?}");
    check_fields(response);
    assert_eq!(response.field("Content-Type"), Some("application/json"));
    assert_eq!(response.field("Content-Length"), Some(response.body.len().to_string().as_str()));
    let body = response.json();
    assert_eq!(body["code"], code, "{body}");
    assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    assert_eq!(body.as_object().map(|members| members.len()), Some(2), "{body}");
}

#[test]
fn health_is_served_to_everyone() {
    let server = TestServer::start_with(production);
    let response = ask(&server, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(response.status, 200);
    check_fields(&response);
    assert_eq!(response.json()["status"], "ok");
    let head = ask(&server, "HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.field("Content-Length"), response.field("Content-Length"));
    let old = ask(&server, "GET /health HTTP/1.0\r\n\r\n");
    assert_eq!(old.status, 200, "a simple check of a load balancer");
    let absolute = ask(&server, "GET http://x/health?a=b HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(absolute.status, 200);
}

#[test]
fn heads_that_two_readers_could_take_differently_are_refused() {
    let server = TestServer::start();
    for head in [
        "GET /health HTTP/1.1\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET /health HTTP/1.1\nHost: a\n\n",
        "GET /health HTTP/1.1\r\nHost: a\n\r\n",
        "\nGET /health HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n",
        "GET  /health HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /health\r\n\r\n",
        "GET /health HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET /health HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET health HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /health#x HTTP/1.1\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03 a TLS client \r\n\r\n",
    ] {
        check_refusal(&ask(&server, head), 400, "BAD_REQUEST");
    }
}

#[test]
fn requests_that_lead_nowhere() {
    let server = TestServer::start_with(production);
    for (line, status, code) in [
        ("GET /nope", 404, "NOT_FOUND"),
        ("GET /WS", 404, "NOT_FOUND"),
        ("GET /ws/", 404, "NOT_FOUND"),
        ("GET //", 404, "NOT_FOUND"),
        ("GET /../ws", 404, "NOT_FOUND"),
        ("GET /%77s", 404, "NOT_FOUND"),
        ("POST /health", 405, "METHOD_NOT_ALLOWED"),
        ("OPTIONS /health", 405, "METHOD_NOT_ALLOWED"),
        ("POST /ws", 405, "METHOD_NOT_ALLOWED"),
        ("DELETE /", 405, "METHOD_NOT_ALLOWED"),
        ("get /health", 405, "METHOD_NOT_ALLOWED"),
        ("GET /", 426, "UPGRADE_REQUIRED"),
        ("GET /ws", 426, "UPGRADE_REQUIRED"),
    ] {
        let response = ask(&server, &format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n"));
        check_refusal(&response, status, code);
        if status == 405 {
            assert!(response.field("Allow").is_some_and(|allowed| allowed.starts_with("GET")));
        }
        if status == 426 {
            assert_eq!(response.field("Sec-WebSocket-Version"), Some("13"));
            assert_eq!(response.field("Upgrade"), Some("websocket"));
            let options = response.field("Connection").unwrap_or_default();
            assert!(options.to_ascii_lowercase().contains("upgrade"), "RFC 9110 7.8: {options}");
        }
    }
}

#[test]
fn what_answers_get_answers_head_without_a_body() {
    let server = TestServer::start_with(production);
    for (path, status) in [("/", 426), ("/ws", 426), ("/nope", 404), ("/health", 200)] {
        let head = ask(&server, &format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!((head.status, head.body.len()), (status, 0), "{path}");
        check_fields(&head);
    }
}

#[test]
fn a_body_changes_nothing_but_can_never_become_frames() {
    let server = TestServer::start_with(production);
    let body = "Content-Length: 2\r\n\r\n{}";
    let post = ask(&server, &format!("POST /health HTTP/1.1\r\nHost: x\r\n{body}"));
    check_refusal(&post, 405, "METHOD_NOT_ALLOWED");
    check_refusal(&ask(&server, &upgrade_request(body)), 400, "BAD_REQUEST");
}

#[test]
fn only_a_whole_handshake_of_version_13_is_one() {
    let server = TestServer::start_with(production);
    let request = upgrade_request("");
    let changed = |from: &str, to: &str| {
        assert!(request.contains(from));
        ask(&server, &request.replace(from, to))
    };
    for (from, to) in [
        ("Upgrade: websocket\r\n", ""),
        ("Upgrade: websocket\r\n", "Upgrade: h2c\r\n"),
        ("Connection: Upgrade\r\n", ""),
        ("Connection: Upgrade\r\n", "Connection: keep-alive\r\n"),
        ("Sec-WebSocket-Version: 13\r\n", ""),
        ("Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Version: 8\r\n"),
        // RFC 9110 7.8: an upgrade in HTTP/1.0 is to be ignored.
        ("HTTP/1.1", "HTTP/1.0"),
    ] {
        check_refusal(&changed(from, to), 426, "UPGRADE_REQUIRED");
    }
    let key = format!("Sec-WebSocket-Key: {NONCE}\r\n");
    for to in [
        String::new(),
        "Sec-WebSocket-Key:\r\n".to_owned(),
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ\r\n".to_owned(),
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZTE=\r\n".to_owned(),
        "Sec-WebSocket-Key: ????????????????????????\r\n".to_owned(),
        key.repeat(2),
    ] {
        check_refusal(&changed(&key, &to), 400, "BAD_REQUEST");
    }
    check_refusal(&changed("GET", "POST"), 405, "METHOD_NOT_ALLOWED");
    check_refusal(&changed("/ws", "/health2"), 404, "NOT_FOUND");
}

#[test]
fn tokens_in_the_address_are_refused_however_they_are_spelled() {
    let server = TestServer::start();
    let (doctor, _) = people();
    for name in
        ["token", "access_token", "authToken", "TOKEN", "%74oken", "x=1&authtoken", "a;token"]
    {
        for path in ["/ws", "/", "/health", "/nope", "/development/token"] {
            let request =
                upgrade_request("").replace("/ws", &format!("{path}?{name}={}", doctor.token));
            check_refusal(&ask(&server, &request), 400, "BAD_REQUEST");
        }
    }
    let mut fine = Raw::connect(server.address());
    fine.send(upgrade_request("").replace("/ws", "/ws?tokens=1&lang=es").as_bytes());
    fine.expect_upgrade();
}

#[test]
fn tokens_are_judged_before_the_upgrade() {
    let server = TestServer::start();
    let (doctor, patient) = people();
    let expired = patient.clone().expired().token;
    let (good, other) = (&doctor.token, &patient.token);
    for (fields, status, code) in [
        ("Authorization: Bearer x\r\n".to_owned(), 401, "TOKEN_INVALID"),
        (format!("Authorization: Bearer {good}x\r\n"), 401, "TOKEN_INVALID"),
        (format!("Authorization: Bearer {expired}\r\n"), 401, "TOKEN_EXPIRED"),
        ("Sec-WebSocket-Protocol: bearer.x\r\n".to_owned(), 401, "TOKEN_INVALID"),
        (
            format!("Sec-WebSocket-Protocol: autamedica.v1, bearer.{expired}\r\n"),
            401,
            "TOKEN_EXPIRED",
        ),
        (format!("Sec-WebSocket-Protocol: bearer.{good}, bearer.{other}\r\n"), 400, "BAD_REQUEST"),
        (
            format!("Authorization: Bearer {good}\r\nSec-WebSocket-Protocol: bearer.{other}\r\n"),
            400,
            "BAD_REQUEST",
        ),
        (
            format!("Authorization: Bearer {good}\r\nAuthorization: Bearer {good}\r\n"),
            400,
            "BAD_REQUEST",
        ),
    ] {
        let response = ask(&server, &upgrade_request(&fields));
        check_refusal(&response, status, code);
        let challenge = response.field("WWW-Authenticate");
        assert_eq!(challenge.is_some_and(|text| text.starts_with("Bearer")), status == 401);
    }
}

#[test]
fn the_handshake_selects_our_subprotocol_and_nothing_else() {
    let server = TestServer::start();
    let (doctor, _) = people();
    let bearer = format!("bearer.{}", doctor.token);
    for (offer, selected) in [
        (String::new(), None),
        ("Sec-WebSocket-Protocol: autamedica.v1\r\n".to_owned(), Some("autamedica.v1")),
        (format!("Sec-WebSocket-Protocol: {bearer}, autamedica.v1\r\n"), Some("autamedica.v1")),
        (
            format!(
                "Sec-WebSocket-Protocol: other\r\nSec-WebSocket-Protocol: autamedica.v1\r\n\
                 Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
            ),
            Some("autamedica.v1"),
        ),
        (format!("Sec-WebSocket-Protocol: {bearer}\r\n"), None),
        ("Sec-WebSocket-Protocol: AUTAMEDICA.V1, autamedica.v2\r\n".to_owned(), None),
    ] {
        let mut raw = Raw::connect(server.address());
        raw.send(upgrade_request(&offer).as_bytes());
        let response = raw.expect_upgrade();
        assert_eq!(response.field("Sec-WebSocket-Accept"), Some(ACCEPT));
        assert_eq!(response.field("Sec-WebSocket-Protocol"), selected, "{offer}");
        assert_eq!(response.field("Sec-WebSocket-Extensions"), None);
        assert!(!format!("{response:?}").contains("bearer"), "{response:?}");
    }
}

#[test]
fn field_names_options_and_schemes_are_read_in_any_case() {
    let server = TestServer::start();
    let (doctor, _) = people();
    let request = upgrade_request(&format!("aUTHORIZATION: bEARER {}\r\n", doctor.token))
        .replace("Upgrade: websocket", "uPGRADE: foo/1, WebSocket")
        .replace("Connection: Upgrade", "cONNECTION: keep-alive,\t uPGRADE");
    let mut raw = Raw::connect(server.address());
    raw.send(request.as_bytes());
    raw.expect_upgrade();
}

#[test]
fn pages_from_elsewhere_are_refused() {
    let server = TestServer::start_with(production);
    for origin in
        ["https://evil.example", "null", "http://clinic.example", "https://clínic.example", ""]
    {
        let response = ask(&server, &upgrade_request(&format!("Origin: {origin}\r\n")));
        check_refusal(&response, 403, "FORBIDDEN");
    }
    for fields in ["", "Origin: https://clinic.example\r\n"] {
        let mut raw = Raw::connect(server.address());
        raw.send(upgrade_request(fields).as_bytes());
        raw.expect_upgrade();
    }
    let strict = TestServer::start_with(|config| {
        production(config);
        config.origin_required = true;
    });
    check_refusal(&ask(&strict, &upgrade_request("")), 403, "FORBIDDEN");
}

#[test]
fn production_has_no_demo() {
    let server = TestServer::start_with(production);
    for path in ["/development/token", "/demo.js", "/demo.css", "/signaling-client.js"] {
        let response = ask(&server, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        check_refusal(&response, 404, "NOT_FOUND");
    }
    let desk = TestServer::start();
    let response = ask(&desk, "GET /development/token HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(response.status, 200, "at a desk there is one: {response:?}");
}

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
    let server = TestServer::start_with(|config| config.connections_max = 2);
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
