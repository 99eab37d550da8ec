//! What ends by itself: rooms, places, connections; and what is kept until then.

use std::time::{Duration as StdDuration, Instant};

use autamedica_signaling::base::limits::Limit;
use autamedica_signaling::base::time::Duration;
use serde_json::json;

use crate::beside::Call;
use crate::common::raw::{CLOSE, PING, PONG, TEXT, frame};
use crate::common::{Client, Raw, TestServer, couple, people};

/// Short enough to wait for, and longer than anything takes that must come before.
const SHORT: Duration = Duration::from_millis(1_500);
const SHORT_STD: StdDuration = StdDuration::from_millis(1_500);

#[test]
fn a_room_that_has_become_too_old_ends_and_does_not_come_back() {
    let server = TestServer::start_with(|config| config.room_max_age = SHORT);
    let start = Instant::now();
    let (mut doctor, mut patient) = couple(&server);
    for client in [&mut doctor, &mut patient] {
        assert_eq!(client.expect("room-status")["status"], "ended");
        assert_eq!(client.expect_close(), 4410);
    }
    assert!(start.elapsed() >= SHORT_STD, "not before its time");
    server.wait_until("it to be counted", |now| now.limits.of(Limit::RoomAge) == 1);
    let mut late = Client::connect(&server, &doctor.person);
    late.send(&doctor.person.join_request());
    late.expect_error("SESSION_ENDED");
    assert_eq!(late.expect_close(), 4410);
    drop((doctor, patient, late));
    server.wait_until_empty();
}

#[test]
fn a_room_that_stands_empty_ends_and_one_with_people_in_it_does_not() {
    let server = TestServer::start_with(|config| config.room_empty_timeout = SHORT);
    let mut call = Call::new(&server);
    let (doctor, patient) = people();
    let mut first = Client::join(&server, &doctor);
    let leave = json!({ "type": "leave-room", "sessionId": doctor.session, "userId": doctor.user });
    first.send(&leave);
    assert_eq!(first.expect_close(), 1000);
    call.goes_on_beside(|| {
        server.wait_until("it to be counted", |now| now.limits.of(Limit::RoomEmpty) == 1);
    });
    let mut late = Client::connect(&server, &patient);
    late.send(&patient.join_request());
    late.expect_error("SESSION_ENDED");
    assert_eq!(late.expect_close(), 4410);
}

#[test]
fn who_does_not_come_back_within_the_grace_has_left() {
    let server = TestServer::start_with(|config| config.reconnect_grace = SHORT);
    let mut call = Call::new(&server);
    let (doctor, patient) = people();
    let mut stays = Client::join(&server, &doctor);
    let mut raw = Raw::connect(server.address());
    raw.join(&patient);
    stays.expect("peer-joined");
    stays.expect("room-status");
    let start = Instant::now();
    raw.reset();
    call.goes_on_beside(|| {
        assert_eq!(stays.expect("peer-state")["connectionState"], "reconnecting");
        let left = stays.expect("peer-left");
        assert_eq!(
            (&left["userId"], &left["reason"]),
            (&json!(patient.user), &json!("disconnected"))
        );
    });
    assert!(start.elapsed() >= SHORT_STD, "not before its time");
    assert_eq!(server.counters().limits.of(Limit::Grace), 1);
    // The seat is free for whoever has a token for it.
    Client::join(&server, &patient);
}

#[test]
fn who_answers_no_ping_is_closed_and_who_does_is_not() {
    let server = TestServer::start_with(|config| config.heartbeat = Duration::from_millis(400));
    let mut call = Call::new(&server);
    let mut deaf = Raw::connect(server.address());
    deaf.join(&people().0);
    let (code, pings) = call.goes_on_beside(|| {
        let mut pings = 0;
        loop {
            let frame = deaf.frame();
            match frame.opcode {
                PING => pings += 1,
                CLOSE => break (frame.close_code(), pings),
                _ => {}
            }
        }
    });
    assert_eq!((code, pings), (4480, 2), "two may be missed");
    server.wait_until("it to be counted", |now| now.limits.of(Limit::Heartbeat) == 1);
}

#[test]
fn who_answers_behind_bytes_that_wait_is_not_given_up_and_who_then_falls_silent_is() {
    let server = TestServer::start_with(|config| {
        config.heartbeat = Duration::from_millis(400);
        (config.bytes_rate, config.bytes_burst) = (16 * 1024, 16 * 1024);
    });
    let mut raw = Raw::connect(server.address());
    raw.join(&people().0);
    // Three seconds of bytes, and the answers to the pings of that time lie behind them.
    let large = json!({ "type": "ping", "padding": "x".repeat(60_000) });
    raw.send(&frame(TEXT, large.to_string().as_bytes()));
    let mut pings = 0;
    loop {
        let heard = raw.frame();
        match heard.opcode {
            PING => {
                pings += 1;
                raw.send(&frame(PONG, &heard.payload));
            }
            TEXT => break,
            _ => panic!("{heard:?} after {pings} pings"),
        }
    }
    assert!(pings > 2, "{pings}: it is asked all the time");
    assert!(server.counters().limits.of(Limit::BytesRate) > 0);
    // It has all its time for the pings that follow, and not for ever.
    let last = loop {
        let heard = raw.frame();
        if heard.opcode != PING {
            break heard;
        }
    };
    assert_eq!(last.close_code(), 4480);
    server.wait_until("it to be counted", |now| now.limits.of(Limit::Heartbeat) == 1);
}

#[test]
fn who_has_shown_no_token_in_time_is_closed() {
    let server = TestServer::start_with(|config| config.join_timeout = SHORT);
    let mut call = Call::new(&server);
    let mut stranger = Raw::upgrade(server.address());
    call.goes_on_beside(|| {
        // To be busy does not help.
        stranger.send(&frame(TEXT, br#"{"type":"ping"}"#));
        assert_eq!(stranger.json()["type"], "pong");
        assert_eq!(stranger.answer_close(), 4408);
    });
    server.wait_until("it to be counted", |now| now.limits.of(Limit::JoinTime) == 1);
}

#[test]
fn so_much_is_kept_for_somebody_who_is_away_and_its_sender_hears_of_the_rest() {
    let server = TestServer::start_with(|config| config.retained_bytes_max = 16 * 1_024);
    let mut call = Call::new(&server);
    let (doctor, patient) = people();
    let mut doctor = Client::join(&server, &doctor);
    let mut raw = Raw::connect(server.address());
    raw.join(&patient);
    for kind in ["peer-joined", "room-status"] {
        doctor.expect(kind);
    }
    raw.reset();
    doctor.expect("peer-state");
    let mut kept = Vec::new();
    call.goes_on_beside(|| {
        for number in 0..20 {
            let fields = json!({ "candidate": null, "id": number, "padding": "x".repeat(1_000) });
            let message = doctor.message_to("ice-candidate", &patient, fields);
            doctor.send(&message);
            let answer = doctor.receive();
            assert_eq!(answer["id"], number, "{answer}");
            match answer["type"].as_str() {
                Some("ack") => kept.push(message),
                _ => assert_eq!(answer["code"], "PEER_UNREACHABLE", "{answer}"),
            }
        }
    });
    assert!((8..=16).contains(&kept.len()), "{} of 1.2 KB", kept.len());
    let refused = 20 - kept.len() as u64;
    server.wait_until("each to be counted", |now| now.limits.of(Limit::Retained) == refused);
    // What was accepted arrives, in order, and nothing else.
    let mut back = Client::connect(&server, &patient);
    let mut join = patient.join_request();
    join["resume"] = json!({ "received": 0 });
    back.send(&join);
    assert_eq!(back.expect("room-joined")["resumed"], true);
    for message in kept {
        assert_eq!(back.receive(), message);
    }
    back.send(&json!({ "type": "ping" }));
    back.expect("pong");
}

#[test]
fn messages_past_the_shape_are_refused_and_counted() {
    let server = TestServer::start();
    let mut client = Client::join(&server, &people().0);
    let deep = format!(r#"{{"type":"ping","x":{}{}}}"#, "[".repeat(17), "]".repeat(17));
    let members: String = (0..64).map(|number| format!(r#","m{number}":1"#)).collect();
    for text in [deep, format!(r#"{{"type":"ping"{members}}}"#)] {
        client.send_text(text);
        client.expect_error("BAD_MESSAGE");
    }
    server.wait_until("both to be counted", |now| now.limits.of(Limit::MessageShape) == 2);
}

#[test]
fn one_connection_too_many_is_told_so() {
    let server = TestServer::start_with(|config| config.connections_max = 3);
    let mut call = Call::new(&server);
    let third = Raw::upgrade(server.address());
    call.goes_on_beside(|| {
        for _ in 0..20 {
            let mut raw = Raw::connect(server.address());
            raw.send(crate::common::raw::upgrade_request("").as_bytes());
            let response = raw.read_response();
            crate::common::http::check_refusal(&response, 503, "SERVER_FULL");
            assert!(response.field("Retry-After").is_some(), "{response:?}");
        }
    });
    server.wait_until("each to be counted", |now| now.limits.of(Limit::Connections) == 20);
    drop(third);
    server.wait_until("room for another", |now| now.connections == 2);
    Raw::upgrade(server.address());
}
