//! What must hold whatever peers and the system do: no connection outlives its client, and nobody's
//! trouble affects others.

mod common;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration as StdDuration, Instant};

use autamedica_signaling::base::time::Duration;
use serde_json::{Value, json};

use common::raw::{CLOSE, CONTINUATION, PING, PONG, TEXT, close, frame, part, upgrade_request};
use common::{Client, Person, Raw, TestServer, bind, couple, people};

/// Long enough that nothing in a test ends by a timeout of the server, and with room for whoever says much.
fn patient(config: &mut autamedica_signaling::Config) {
    common::as_fast_as_one_can(config);
    config.head_timeout = Duration::from_secs(120);
    config.join_timeout = Duration::from_secs(120);
    config.heartbeat = Duration::from_secs(120);
}

/// A request of somebody who may say much: who has no token may not.
fn upgrade_with_token() -> String {
    upgrade_request(&format!("Authorization: Bearer {}\r\n", people().0.token))
}

#[test]
fn who_speaks_and_goes_at_once_is_gone() {
    let server = bind(patient);
    let address = server.handle().local_addr();
    // Everything is there before the server looks: each socket becomes ready once, with bytes and their end.
    let mut upgraded = upgrade_request("").into_bytes();
    upgraded.extend(frame(TEXT, br#"{"type":"ping"}"#));
    let said = [
        &b""[..],
        b"GET",
        b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
        upgrade_request("").as_bytes(),
        &upgraded,
        &upgraded[..upgraded.len() - 3],
    ]
    .map(<[u8]>::to_vec);
    let here: Vec<_> = said
        .iter()
        .map(|bytes| {
            let mut raw = Raw::connect(address);
            raw.send(bytes);
            raw.half_close();
            raw
        })
        .collect();
    let server = TestServer::run(server.handle(), move || server.run());
    server.wait_until("all to be accepted", |now| now.accepted == said.len() as u64);
    let start = Instant::now();
    server.wait_until_empty();
    assert!(start.elapsed() < StdDuration::from_secs(3), "no timeout was needed");
    drop(here);
}

#[test]
fn pings_from_who_does_not_read_the_pongs_take_no_more_memory_than_messages() {
    let server = TestServer::start_with(patient);
    let mut raw = Raw::connect_narrow(server.address());
    raw.send(upgrade_with_token().as_bytes());
    raw.expect_upgrade();
    let pings = frame(PING, &[7; 125]).repeat(1_000);
    let mut most = 0;
    // More than the buffers of both kernels and the queue hold.
    for _ in 0..500 {
        if raw.stream.write_all(&pings).is_err() {
            break;
        }
        most = most.max(server.counters().block_bytes);
    }
    assert!(most <= 1 << 20, "{most} bytes wait for one peer");
    server.wait_until("the deaf to be given up", |now| now.overrun == 1);
    drop(raw);
    server.wait_until_empty();
}

#[test]
fn a_slow_reader_is_cut_alone_and_what_it_got_has_no_gap() {
    let server = TestServer::start_with(|config| {
        patient(config);
        config.closes_per_user_max = 1;
    });
    let (doctor, slow) = people();
    let mut doctor = Client::join(&server, &doctor);
    let mut deaf = Raw::connect_narrow(server.address());
    deaf.join(&slow);
    assert_eq!(deaf.json()["type"], "room-status");
    doctor.expect("peer-joined");
    doctor.expect("room-status");
    let (mut other_doctor, mut other_patient) = couple(&server);

    // Large and small in turns: the small ones would still find room where a large one did not.
    let mut number = 0;
    while server.counters().overrun == 0 {
        let padding = "x".repeat(if number % 2 == 0 { 50_000 } else { 10 });
        let candidate = json!({ "candidate": { "candidate": padding }, "number": number });
        doctor.send(&doctor.message_to("ice-candidate", &slow, candidate));
        number += 1;
        assert!(number < 10_000, "nobody noticed");
    }
    let lost = doctor.expect("peer-state");
    assert_eq!(lost["userId"], slow.user.as_str(), "{lost}");
    assert_eq!(lost["connectionState"], "reconnecting", "{lost}");

    let offer = other_doctor.offer_to(&other_patient.person, 5_000);
    other_doctor.send(&offer);
    assert_eq!(other_patient.receive(), offer, "others go on");

    deaf.widen();
    let mut expected = 0;
    let code = loop {
        let frame = deaf.frame();
        match frame.opcode {
            CLOSE => break frame.close_code(),
            PING => continue,
            _ => {}
        }
        let message: Value = serde_json::from_slice(&frame.payload).expect("JSON");
        assert_eq!(message["number"], expected, "in order and without a gap");
        expected += 1;
    };
    assert_eq!(code, 4413);
    deaf.send(&close(4413));
    deaf.expect_end();

    // Whoever has used up how often that may happen in a minute is not let in again at once.
    let mut again = Raw::connect(server.address());
    let bearer = format!("Authorization: Bearer {}\r\n", slow.token);
    again.send(upgrade_request(&bearer).as_bytes());
    assert_eq!(again.read_status(), 429);
    drop((doctor, other_doctor, other_patient, deaf));
    server.wait_until_empty();
}

#[test]
fn who_says_much_at_once_and_reads_the_answers_is_not_slow() {
    let server = bind(patient);
    let address = server.handle().local_addr();
    // All of it is there before the server looks, and the answers are more than a send queue holds.
    let count = 10_000;
    let mut raw = Raw::connect(address);
    let mut said = upgrade_with_token().into_bytes();
    said.extend(frame(TEXT, br#"{"type":"ping","id":1}"#).repeat(count));
    raw.send(&said);
    let server = TestServer::run(server.handle(), move || server.run());
    raw.expect_upgrade();
    for _ in 0..count {
        assert_eq!(raw.json()["type"], "pong");
        assert_eq!(raw.json()["type"], "ack");
    }
    drop(raw);
    server.wait_until_empty();
    assert_eq!(server.counters().overrun, 0);
    // Read in large pieces, although nearly each of them ends within a message.
    let pieces = said.len() as u64 / 16_384;
    assert!(server.counters().reads < pieces, "{:?} for {} bytes", server.counters(), said.len());
}

/// Brings a new connection into some state.
type Bring = fn(SocketAddr) -> Raw;

/// Every state that a connection can be in, from the first byte to the last.
const STATES: [(&str, Bring); 12] = [
    ("silent", Raw::connect),
    ("within its request", |at| said(at, &upgrade_request("").as_bytes()[..40])),
    ("upgraded", Raw::upgrade),
    ("within a frame's header", |at| upgraded_and_said(at, &frame(TEXT, &[b'x'; 200])[..3])),
    ("within a large message", |at| upgraded_and_said(at, &frame(TEXT, &[b'x'; 60_000])[..40_000])),
    ("between fragments", |at| upgraded_and_said(at, &part(TEXT, &[b'x'; 5_000]))),
    ("in a room", |at| joined(at, &people().0, b"")),
    ("in a room and within a message", |at| {
        joined(at, &people().0, &frame(TEXT, &[b'x'; 200])[..100])
    }),
    ("closed by itself", |at| {
        let mut raw = upgraded_and_said(at, &close(1000));
        assert_eq!(raw.frame().close_code(), 1000);
        raw
    }),
    ("closed by the server, without an answer", |at| {
        // A token that is not good closes with 4401 and waits.
        let person = people().0;
        let mut request = person.join_request();
        request["authToken"] = "x".into();
        let mut raw = upgraded_and_said(at, &frame(TEXT, request.to_string().as_bytes()));
        assert_eq!(raw.json()["code"], "TOKEN_INVALID");
        assert_eq!(raw.frame().close_code(), 4401);
        raw
    }),
    ("failed by a broken frame", |at| {
        let mut raw = upgraded_and_said(at, b"\xff\xff\xff\xff");
        assert_eq!(raw.frame().close_code(), 1002);
        raw
    }),
    ("answered by HTTP", |at| said(at, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")),
];

fn said(address: SocketAddr, bytes: &[u8]) -> Raw {
    let mut raw = Raw::connect(address);
    raw.send(bytes);
    raw
}

fn upgraded_and_said(address: SocketAddr, bytes: &[u8]) -> Raw {
    let mut raw = Raw::upgrade(address);
    raw.send(bytes);
    raw
}

fn joined(address: SocketAddr, person: &Person, bytes: &[u8]) -> Raw {
    let mut raw = Raw::connect(address);
    raw.join(person);
    raw.send(bytes);
    raw
}

#[test]
fn whoever_goes_in_whatever_state_and_way_is_freed_at_once() {
    type Go = fn(Raw);
    const WAYS: [(&str, Go); 3] = [
        ("closes", |raw| drop(raw)),
        ("resets", Raw::reset),
        ("says that it sends no more, and waits", |mut raw| {
            raw.half_close();
            while raw.next_bytes().is_some() {}
        }),
    ];
    let server = TestServer::start_with(patient);
    let (mut doctor, mut other) = couple(&server);
    let offer = doctor.offer_to(&other.person, 2_000);
    for (state, bring) in STATES {
        for (way, go) in WAYS {
            let what = format!("one that is {state} and {way} to be freed");
            // Also while the bytes before are still on their way to it, and when all is quiet.
            for quiet in [false, true] {
                let raw = bring(server.address());
                if quiet {
                    thread::sleep(StdDuration::from_millis(5));
                }
                let start = Instant::now();
                go(raw);
                server.wait_until(&what, |now| (now.connections, now.block_bytes) == (2, 0));
                assert!(start.elapsed() < StdDuration::from_secs(3), "{what}, without a timeout");
            }
            doctor.send(&offer);
            assert_eq!(other.receive(), offer, "the others go on");
        }
    }
}

#[test]
fn whoever_is_told_to_go_and_stays_is_cut() {
    let server = TestServer::start_with(patient);
    let stay: Vec<_> = STATES[8..].iter().map(|(_, bring)| bring(server.address())).collect();
    let start = Instant::now();
    server.wait_until_empty();
    let took = start.elapsed();
    assert!(took > StdDuration::from_secs(3) && took < StdDuration::from_secs(8), "{took:?}");
    drop(stay);
}

#[test]
fn what_was_under_way_when_the_server_closed_is_passed_over_and_a_flood_is_not_taken_apart() {
    let server = TestServer::start_with(patient);
    for (behind, waits_for_answer) in [(0, true), (64, true), (65, false), (3_000, false)] {
        let (doctor, _) = people();
        let leave =
            json!({ "type": "leave-room", "sessionId": doctor.session, "userId": doctor.user });
        let said =
            [frame(TEXT, leave.to_string().as_bytes()), frame(PING, b"still here").repeat(behind)];
        let mut raw = joined(server.address(), &doctor, &said.concat());
        let start = Instant::now();
        assert_eq!(raw.frame().close_code(), 1000);
        if waits_for_answer {
            raw.send(&close(1000));
        }
        raw.expect_end();
        assert!(start.elapsed() < StdDuration::from_secs(3), "{behind}: without a timeout");
    }
    server.wait_until_empty();
}

#[test]
fn a_whole_visit_may_come_byte_by_byte() {
    let server = TestServer::start_with(patient);
    let (doctor, patient) = people();
    let mut other = Client::join(&server, &patient);
    let mut offer = other.offer_to(&patient, 600);
    (offer["fromUserId"], offer["id"]) = (json!(doctor.user), json!("o-1"));
    let bearer = format!("Authorization: Bearer {}\r\n", doctor.token);
    let text = |message: &Value| frame(TEXT, message.to_string().as_bytes());
    let offer_bytes = offer.to_string().into_bytes();
    let said = [
        upgrade_request(&bearer).into_bytes(),
        text(&doctor.join_request()),
        frame(PING, b"between"),
        part(TEXT, &offer_bytes[..99]),
        frame(PING, b"within"),
        frame(CONTINUATION, &offer_bytes[99..]),
        text(&json!({ "type": "leave-room", "sessionId": doctor.session, "userId": doctor.user })),
        close(1000),
    ]
    .concat();
    let mut raw = Raw::connect(server.address());
    for byte in said {
        raw.send(&[byte]);
    }
    raw.expect_upgrade();
    assert_eq!(raw.json()["type"], "room-joined");
    assert_eq!(raw.json()["type"], "room-status");
    assert_eq!(raw.frame().payload, b"between");
    assert_eq!(raw.frame().payload, b"within");
    assert_eq!(raw.json(), json!({ "type": "ack", "id": "o-1" }));
    assert_eq!(raw.read_close(), 1000);
    for kind in ["peer-joined", "room-status"] {
        other.expect(kind);
    }
    assert_eq!(other.receive(), offer);
    assert_eq!(other.expect("peer-left")["reason"], "left");
}

#[test]
fn on_shutdown_everybody_is_told_to_come_back() {
    let server = TestServer::start_with(patient);
    let (mut doctor, mut patient) = couple(&server);
    let mut anonymous = Client::anonymous(&server, &people().0);
    let mut silent = Raw::connect(server.address());
    server.wait_until("all to be here", |now| now.connections == 4);
    let address = server.address();
    server.handle().shutdown();
    let mut waits = Vec::new();
    for client in [&mut doctor, &mut patient, &mut anonymous] {
        let told = client.expect_error("SERVER_SHUTDOWN");
        waits.push(told["retryAfterMs"].as_u64().expect("when to come back"));
        assert_eq!(client.expect_close(), 1012);
    }
    assert!(waits.iter().all(|wait| (100..=60_000).contains(wait)), "{waits:?}");
    waits.dedup();
    assert_eq!(waits.len(), 3, "not all at the same moment");
    silent.expect_end();
    server.stop();
    TcpStream::connect(address).expect_err("nobody listens any more");
}

#[test]
fn on_shutdown_who_does_not_answer_is_not_waited_for_long() {
    let server = TestServer::start_with(patient);
    let mut deaf: Vec<_> = (0..3).map(|_| Raw::upgrade(server.address())).collect();
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < StdDuration::from_secs(8), "{:?}", start.elapsed());
    deaf.iter_mut().for_each(|raw| assert_eq!(raw.read_close(), 1012));
}

#[test]
fn the_more_say_much_the_less_of_each_is_heard_in_a_turn() {
    const PEERS: u64 = 256;
    let server = bind(patient);
    let address = server.handle().local_addr();
    // Each has said 56 KiB by the time the server looks: 14 MiB, for which nobody else should wait in one piece.
    let said = frame(PONG, &[7; 125]).repeat(56 * 1024 / 131);
    let asked = frame(TEXT, br#"{"type":"ping"}"#);
    let peers: Vec<_> = (0..PEERS)
        .map(|_| {
            let mut raw = Raw::connect(address);
            raw.send(&[upgrade_with_token().as_bytes(), &said, &asked].concat());
            raw
        })
        .collect();
    let server = TestServer::run(server.handle(), move || server.run());
    server.wait_until("all to be heard", |now| now.received == PEERS);
    let turns = server.counters().turns;
    assert!(turns >= 8, "{turns} turns; 5 where each is heard out");
    drop(peers);
}
