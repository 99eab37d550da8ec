//! What must hold whatever peers and the system do: nobody stays who has gone, nobody's trouble is another's.

mod common;

use std::io::Write;
use std::time::Duration as StdDuration;

use autamedica_signaling::base::time::Duration;
use serde_json::json;

use common::raw::{CLOSE, PING, TEXT, frame, upgrade_request};
use common::{Client, Raw, TestServer, bind, couple, people};

/// Long enough that nothing in a test ends by a timeout of the server.
fn patient(config: &mut autamedica_signaling::Config) {
    config.head_timeout = Duration::from_secs(120);
    config.join_timeout = Duration::from_secs(120);
    config.heartbeat = Duration::from_secs(120);
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
    let start = std::time::Instant::now();
    server.wait_until_empty();
    assert!(start.elapsed() < StdDuration::from_secs(3), "no timeout was needed");
    drop(here);
}

#[test]
fn pings_from_who_does_not_read_the_pongs_take_no_more_memory_than_messages() {
    let server = TestServer::start_with(patient);
    let mut raw = Raw::connect_narrow(server.address());
    raw.send(upgrade_request("").as_bytes());
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
    let server = TestServer::start_with(patient);
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
        if frame.opcode == CLOSE {
            break frame.close_code();
        }
        let message: serde_json::Value = serde_json::from_slice(&frame.payload).expect("JSON");
        assert_eq!(message["number"], expected, "in order and without a gap");
        expected += 1;
    };
    assert_eq!(code, 4413);
    deaf.send(&common::raw::close(4413));
    deaf.expect_end();
    drop((doctor, other_doctor, other_patient, deaf));
    server.wait_until_empty();
}

#[test]
fn who_says_much_at_once_and_reads_the_answers_is_not_slow() {
    let server = bind(patient);
    let address = server.handle().local_addr();
    // All of it is there before the server looks, and the answers are more than a send queue holds.
    let count = 5_000;
    let mut raw = Raw::connect(address);
    let mut said = upgrade_request("").into_bytes();
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
}
