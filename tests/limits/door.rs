//! Connections and attempts at admission.

use std::net::{IpAddr, Ipv4Addr};

use autamedica_signaling::base::limits::Limit;
use autamedica_signaling::message::{Role, UserId};
use serde_json::json;

use crate::beside::Call;
use crate::common::http::check_refusal;
use crate::common::raw::{PING, Response, TEXT, close, frame, upgrade_request};
use crate::common::{Person, Raw, TestServer, people, session};

/// Loopback has sixteen million addresses.
fn here(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 7, number))
}

fn bearer(token: &str) -> String {
    upgrade_request(&format!("Authorization: Bearer {token}\r\n"))
}

/// The answer to an upgrade that is refused.
fn refused(mut raw: Raw, request: &str) -> Response {
    raw.send(request.as_bytes());
    raw.read_response()
}

#[track_caller]
fn check_limited(response: &Response) -> u64 {
    check_refusal(response, 429, "RATE_LIMITED");
    let seconds = response.field("Retry-After").and_then(|seconds| seconds.parse().ok());
    seconds.filter(|seconds| (1..=600).contains(seconds)).expect("when to try again")
}

#[test]
fn an_address_has_so_many_connections_and_others_have_theirs() {
    let server = TestServer::start_with(|config| config.connections_per_address_max = 3);
    let mut call = Call::new(&server); // from 127.0.0.1
    let mine: Vec<_> = (0..3).map(|_| open_from(&server, here(1))).collect();
    call.goes_on_beside(|| {
        for _ in 0..300 {
            check_limited(&refused(
                Raw::connect_from(server.address(), here(1)),
                &upgrade_request(""),
            ));
        }
    });
    server.wait_until("300 refusals", |now| now.limits.of(Limit::AddressConnections) == 300);
    open_from(&server, here(2));
    drop(mine);
    server.wait_until("room for new ones", |now| now.connections == 2);
    open_from(&server, here(1));
}

#[test]
fn who_holds_answered_requests_open_keeps_nobody_else_out() {
    let server = TestServer::start_with(|config| config.connections_per_address_max = 3);
    let ask = |from| {
        let mut raw = Raw::connect_from(server.address(), from);
        raw.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
        let status = raw.read_response().status;
        (raw, status)
    };
    let held: Vec<_> = (0..3).map(|_| ask(here(1))).collect();
    assert!(held.iter().all(|(_, status)| *status == 200));
    // While those wait for it to close them, too.
    assert_eq!(ask(here(1)).1, 429);
    assert_eq!(ask(here(2)).1, 200);
    server.wait_until("the refusal", |now| now.limits.of(Limit::AddressHeads) == 1);
    drop(held);
    server.wait_until_empty();
    assert_eq!(ask(here(1)).1, 200);
}

fn open_from(server: &TestServer, address: IpAddr) -> Raw {
    let mut raw = Raw::connect_from(server.address(), address);
    raw.send(upgrade_request("").as_bytes());
    raw.expect_upgrade();
    raw
}

#[test]
fn an_address_has_so_many_requests_under_way() {
    let server = TestServer::start_with(|config| config.connections_per_address_max = 3);
    let mut call = Call::new(&server);
    let slow: Vec<_> = (0..3).map(|_| Raw::connect_from(server.address(), here(1))).collect();
    server.wait_until("three more", |now| now.connections == 5);
    call.goes_on_beside(|| {
        for _ in 0..100 {
            // Without a word: nobody waits to hear it.
            let mut raw = Raw::connect_from(server.address(), here(1));
            check_limited(&raw.read_response());
        }
    });
    server.wait_until("100 refusals", |now| now.limits.of(Limit::AddressHeads) == 100);
    open_from(&server, here(2));
    // Whoever has said what it wants no longer counts.
    for mut raw in slow {
        raw.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(raw.read_response().status, 200);
    }
    open_from(&server, here(1));
}

#[test]
fn a_user_has_so_many_connections_however_the_token_comes() {
    let server = TestServer::start_with(|config| config.connections_per_user_max = 2);
    let mut call = Call::new(&server);
    let (doctor, patient) = people();
    let open = |person: &Person| {
        let mut raw = Raw::connect(server.address());
        raw.send(bearer(&person.token).as_bytes());
        raw.expect_upgrade();
        raw
    };
    let mine = [open(&doctor), open(&doctor)];
    call.goes_on_beside(|| {
        for _ in 0..50 {
            check_limited(&refused(Raw::connect(server.address()), &bearer(&doctor.token)));
            let mut raw = Raw::upgrade(server.address());
            let mut join = doctor.join_request();
            join["authToken"] = doctor.token.as_str().into();
            join["id"] = 7.into();
            raw.send(&frame(TEXT, join.to_string().as_bytes()));
            let error = raw.json();
            assert_eq!((&error["code"], &error["id"]), (&"RATE_LIMITED".into(), &7.into()));
            assert_eq!(raw.answer_close(), 4429);
        }
    });
    server.wait_until("100 refusals", |now| now.limits.of(Limit::UserConnections) == 100);
    open(&patient);
    drop(mine);
    server.wait_until("room for the user", |now| now.connections == 2);
    open(&doctor);
}

#[test]
fn bad_tokens_lock_out_nobody_but_those_who_show_them() {
    let server = TestServer::start_with(|config| config.auth_failures_max = 20);
    let mut call = Call::new(&server);
    let (doctor, patient) = people();
    let bad = format!("{}x", doctor.token);
    let join = |token: &str| {
        let mut join = doctor.join_request();
        join["authToken"] = token.into();
        frame(TEXT, join.to_string().as_bytes())
    };
    call.goes_on_beside(|| {
        for _ in 0..10 {
            let response = refused(Raw::connect(server.address()), &bearer(&bad));
            check_refusal(&response, 401, "TOKEN_INVALID");
            let mut raw = Raw::upgrade(server.address());
            raw.send(&join(&bad));
            assert_eq!(raw.json()["code"], "TOKEN_INVALID");
            assert_eq!(raw.answer_close(), 4401);
        }
        for _ in 0..200 {
            let seconds = check_limited(&refused(Raw::connect(server.address()), &bearer(&bad)));
            assert!(seconds > 500, "ten minutes from the first on: {seconds}");
        }
        let mut raw = Raw::upgrade(server.address());
        raw.send(&join(&bad));
        assert_eq!(raw.json()["code"], "RATE_LIMITED");
        assert_eq!(raw.answer_close(), 4429);
    });
    server.wait_until("201 refusals", |now| now.limits.of(Limit::AuthFailures) == 201);
    // From the same address: a good token in each way, and one that was good.
    let mut raw = Raw::connect(server.address());
    raw.join(&doctor);
    let mut other = Raw::upgrade(server.address());
    let mut message = patient.join_request();
    message["authToken"] = patient.token.as_str().into();
    other.send(&frame(TEXT, message.to_string().as_bytes()));
    assert_eq!(other.json()["type"], "room-joined");
    let expired = patient.clone().expired();
    let response = refused(Raw::connect(server.address()), &bearer(&expired.token));
    check_refusal(&response, 401, "TOKEN_EXPIRED");
    // A bad one in place of a good one ends nothing.
    raw.send(&frame(
        TEXT,
        json!({ "type": "refresh-token", "authToken": bad, "id": 1 }).to_string().as_bytes(),
    ));
    let errors = std::iter::repeat_with(|| raw.json()).find(|message| message["type"] == "error");
    assert_eq!(errors.expect("an answer")["code"], "RATE_LIMITED");
    raw.send(&frame(TEXT, json!({ "type": "ping", "id": 2 }).to_string().as_bytes()));
    assert_eq!(raw.json()["type"], "pong");
    // Nobody else is at this address.
    let response = refused(Raw::connect_from(server.address(), here(9)), &bearer(&bad));
    check_refusal(&response, 401, "TOKEN_INVALID");
}

#[test]
fn who_is_closed_again_and_again_for_what_they_send_waits_until_the_minute_is_over() {
    let server = TestServer::start_with(|config| config.closes_per_user_max = 3);
    let mut call = Call::new(&server);
    let (doctor, patient) = people();
    let mut elsewhere = Raw::connect(server.address());
    let user = UserId::new(doctor.user.parse().expect("a UUID"));
    elsewhere.join(&Person::with(Role::Doctor, session(), user, &["room:*"]));
    call.goes_on_beside(|| {
        for _ in 0..3 {
            let mut raw = Raw::connect(server.address());
            raw.join(&doctor);
            raw.send(&frame(PING, b"").repeat(140));
            assert_eq!(raw.answer_close(), 4429);
        }
        for _ in 0..200 {
            let response = refused(Raw::connect(server.address()), &bearer(&doctor.token));
            let seconds = check_limited(&response);
            assert!((30..=60).contains(&seconds), "a minute from the first on: {seconds}");
        }
        let mut raw = Raw::upgrade(server.address());
        let mut join = doctor.join_request();
        join["authToken"] = doctor.token.as_str().into();
        raw.send(&frame(TEXT, join.to_string().as_bytes()));
        assert_eq!(raw.json()["code"], "RATE_LIMITED");
        assert_eq!(raw.answer_close(), 4429);
    });
    server.wait_until("201 refusals", |now| now.limits.of(Limit::UserCloses) == 201);
    // Others at this address come in, and what the same user has open goes on.
    Raw::connect(server.address()).join(&patient);
    elsewhere.send(&frame(TEXT, json!({ "type": "ping", "id": 1 }).to_string().as_bytes()));
    let pong =
        std::iter::repeat_with(|| elsewhere.json()).find(|message| message["type"] == "pong");
    assert!(pong.is_some());
}

#[test]
fn who_comes_in_again_and_again_has_to_wait_whatever_ended_it_before() {
    let server = TestServer::start_with(|config| {
        config.join_rate = 1;
        config.join_burst = 8;
    });
    let mut call = Call::new(&server);
    let (doctor, patient) = people();
    let ends: [fn(Raw) -> Option<Raw>; 4] = [
        |raw| drop_raw(raw, &[]),
        |raw| drop_raw(raw, &close(1000)),
        |raw| drop_raw(raw, &frame(3, b"no such frame")),
        // It stays until the next one takes over.
        Some,
    ];
    call.goes_on_beside(|| {
        let mut open = Vec::new();
        let mut joined = 0;
        // Until it is refused: on a slow machine the second may be over in which one may not.
        loop {
            let mut raw = Raw::connect(server.address());
            raw.send(bearer(&doctor.token).as_bytes());
            let status = raw.read_status();
            if status != 101 {
                assert_eq!(status, 429);
                break;
            }
            raw.send(&frame(TEXT, doctor.join_request().to_string().as_bytes()));
            assert_eq!(raw.json()["type"], "room-joined");
            open.extend(ends[joined % 4](raw));
            joined += 1;
        }
        assert!(joined >= 8, "the burst: {joined}");
        let mut join = doctor.join_request();
        join["authToken"] = doctor.token.as_str().into();
        loop {
            let mut raw = Raw::upgrade(server.address());
            raw.send(&frame(TEXT, join.to_string().as_bytes()));
            let answer = raw.json();
            if answer["type"] != "room-joined" {
                assert_eq!(answer["code"], "RATE_LIMITED");
                assert_eq!(raw.answer_close(), 4429);
                break;
            }
        }
    });
    server.wait_until("both to be counted", |now| now.limits.of(Limit::UserJoins) == 2);
    // Others in the same session come in.
    Raw::connect(server.address()).join(&patient);
}

/// Says something and is gone.
fn drop_raw(mut raw: Raw, last_words: &[u8]) -> Option<Raw> {
    raw.send(last_words);
    None
}

#[test]
fn a_bad_token_in_a_message_counts_for_the_address() {
    let server = TestServer::start_with(|config| config.auth_failures_max = 1);
    let (doctor, _) = people();
    let mut raw = Raw::connect(server.address());
    raw.join(&doctor);
    for (id, code) in [(1, "TOKEN_INVALID"), (2, "RATE_LIMITED")] {
        let refresh = json!({ "type": "refresh-token", "authToken": "x.y.z", "id": id });
        raw.send(&frame(TEXT, refresh.to_string().as_bytes()));
        let error = raw.json();
        assert_eq!((&error["code"], &error["id"]), (&code.into(), &id.into()));
        let text = error["message"].as_str().expect("a text");
        assert!(text.contains("token") && !text.contains("message"), "it was the token: {text}");
    }
    // A good one still does.
    let refresh = json!({ "type": "refresh-token", "authToken": doctor.token, "id": 3 });
    raw.send(&frame(TEXT, refresh.to_string().as_bytes()));
    assert_eq!(raw.json(), json!({ "type": "ack", "id": 3 }));
    check_limited(&refused(Raw::connect(server.address()), &bearer("x.y.z")));
}

#[test]
fn behind_a_proxy_an_address_says_nothing() {
    let server = TestServer::start_with(|config| {
        config.behind_proxy = true;
        config.connections_per_address_max = 1;
        config.auth_failures_max = 1;
    });
    let open: Vec<_> = (0..5).map(|_| Raw::upgrade(server.address())).collect();
    for _ in 0..5 {
        check_refusal(&refused(Raw::connect(server.address()), &bearer("x")), 401, "TOKEN_INVALID");
    }
    drop(open);
}

#[test]
fn who_comes_faster_than_is_accepted_waits_and_is_served() {
    let server = TestServer::start_with(|config| config.accept_rate = 40);
    let mut call = Call::new(&server);
    let address = server.address();
    call.goes_on_beside(move || {
        let mut crowd: Vec<_> = (0..100).map(|_| Raw::connect(address)).collect();
        for raw in &mut crowd {
            raw.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
        }
        for raw in &mut crowd {
            assert_eq!(raw.read_response().status, 200);
        }
    });
    let counters = server.counters();
    assert!(counters.limits.of(Limit::AcceptRate) > 0, "{counters:?}");
    assert_eq!(counters.accepted, 102);
    // It slept meanwhile: a turn for each that came and went, some for the call, a few to look whether there is room.
    assert!(counters.turns < 5_000, "{counters:?}");
}

#[test]
fn slow_and_large_requests_are_counted() {
    let server = TestServer::start_with(|config| {
        config.head_timeout = autamedica_signaling::base::time::Duration::from_millis(50);
    });
    let mut silent = Raw::connect(server.address());
    silent.expect_end();
    let mut slow = Raw::connect(server.address());
    slow.send(b"GET / HTTP/1.1\r\n");
    check_refusal(&slow.read_response(), 408, "REQUEST_TIMEOUT");
    let mut large = Raw::connect(server.address());
    large.send(format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(9_000)).as_bytes());
    check_refusal(&large.read_response(), 431, "HEAD_TOO_LARGE");
    server.wait_until("all three", |now| {
        (now.limits.of(Limit::HeadTime), now.limits.of(Limit::HeadBytes)) == (2, 1)
    });
}
