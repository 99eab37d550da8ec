//! HTTP requests to the public port: what is served, and what is refused and how.

mod common;

use common::http::{ask, check_fields, check_refusal, production};
use common::raw::{ACCEPT, NONCE, upgrade_request};
use common::{Raw, TestServer, people};

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
            "Sec-WebSocket-Protocol: other\r\nSec-WebSocket-Protocol: autamedica.v1\r\n\
             Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
                .to_owned(),
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
