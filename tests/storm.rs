//! Many misbehaving clients at once: whatever they do, a call in progress goes on, and nothing is
//! left of them.
//!
//! `STORM_SECONDS` makes it longer.

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::thread;
use std::time::{Duration as StdDuration, Instant};

use autamedica_signaling::base::time::Duration;
use serde_json::json;

use common::raw::{
    BINARY, CLOSE, CONTINUATION, PING, TEXT, frame, frame_of, part, upgrade_request,
};
use common::{Person, Raw, TestServer, couple, people};

/// A xorshift generator (Marsaglia 2003), so that a run can be told by its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }
}

#[test]
fn a_call_goes_on_in_a_storm_and_nothing_is_left_of_it() {
    let seconds = std::env::var("STORM_SECONDS").ok().and_then(|text| text.parse().ok());
    let end = Instant::now() + StdDuration::from_secs(seconds.unwrap_or(3));
    let server = TestServer::start_with(|config| {
        common::as_fast_as_one_can(config);
        config.reconnect_grace = Duration::from_secs(1);
        config.message_bytes_max = 16_384;
        config.send_queue_bytes_max = 32_768;
    });
    let (mut doctor, mut patient) = couple(&server);
    let address = server.address();
    // They share sessions, so that they meet.
    let cast: Vec<_> = (0..3).flat_map(|_| <[Person; 2]>::from(people())).collect();
    let bad: Vec<_> = (1..=16)
        .map(|seed| {
            let cast = cast.clone();
            thread::spawn(move || {
                let mut dice = Dice(u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15));
                while Instant::now() < end {
                    misbehave(address, &cast, &mut dice);
                }
            })
        })
        .collect();
    let offer = doctor.offer_to(&patient.person, 5_000);
    let mut longest = StdDuration::ZERO;
    while Instant::now() < end {
        let start = Instant::now();
        doctor.send(&offer);
        assert_eq!(patient.receive(), offer);
        longest = longest.max(start.elapsed());
    }
    bad.into_iter().for_each(|thread| thread.join().expect("a bad client"));
    assert!(longest < StdDuration::from_secs(2), "an offer took {longest:?}");
    server
        .wait_until("only the call to be left", |now| (now.connections, now.block_bytes) == (2, 0));
    println!("{:?}, longest {longest:?}", server.counters());
    drop((doctor, patient));
    server.wait_until_empty();
}

/// One connection from its beginning to its end. Nothing that the server does to it is an error.
fn misbehave(address: SocketAddr, cast: &[Person], dice: &mut Dice) {
    let mut raw =
        if dice.roll(4) == 0 { Raw::connect_narrow(address) } else { Raw::connect(address) };
    let person = &cast[dice.roll(cast.len())];
    let mut bytes = match dice.roll(8) {
        0 => b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        1 => (0..dice.roll(9_000)).map(|_| dice.roll(256) as u8).collect(),
        2 => upgrade_request("").into_bytes(),
        _ => {
            let bearer = format!("Authorization: Bearer {}\r\n", person.token);
            let mut bytes = upgrade_request(&bearer).into_bytes();
            bytes.extend(frame(TEXT, person.join_request().to_string().as_bytes()));
            bytes
        }
    };
    for _ in 0..dice.roll(60) {
        bytes.extend(something(person, &cast[dice.roll(cast.len())], dice));
    }
    bytes.truncate(bytes.len() - dice.roll(2) * dice.roll(bytes.len() + 1));
    let piece = [1, 7, 100, 1_400, 1 << 20][dice.roll(5)];
    let mut left = &bytes[..bytes.len().min(2_000 * piece)];
    raw.stream.set_write_timeout(Some(StdDuration::from_millis(200))).expect("a timeout");
    raw.stream.set_read_timeout(Some(StdDuration::from_millis(1))).expect("a timeout");
    let mut answers = vec![0; 1 << 14];
    while !left.is_empty() {
        let (now, later) = left.split_at(piece.min(left.len()));
        if raw.stream.write_all(now).is_err() {
            break;
        }
        if dice.roll(20) == 0 {
            let _ = raw.stream.read(&mut answers);
        }
        left = later;
    }
    match dice.roll(4) {
        0 => drop(raw),
        1 => raw.reset(),
        2 => {
            let _ = raw.stream.shutdown(Shutdown::Write);
            let _ = raw.stream.read(&mut answers);
        }
        _ => {
            let _ = raw.stream.write_all(&frame(CLOSE, &[3, 232]));
            while raw.stream.read(&mut answers).is_ok_and(|len| len > 0) {}
        }
    }
}

/// Some frame, mostly right.
fn something(from: &Person, to: &Person, dice: &mut Dice) -> Vec<u8> {
    let size = [10, 500, 5_000, 16_000][dice.roll(4)];
    let candidate = json!({
        "type": "ice-candidate", "sessionId": from.session, "fromUserId": from.user, "toUserId": to.user,
        "candidate": { "candidate": "x".repeat(size) }, "id": dice.roll(1_000),
    })
    .to_string()
    .into_bytes();
    match dice.roll(16) {
        0 => frame(PING, &vec![7; dice.roll(126)]),
        1 => frame(TEXT, br#"{"type":"ping","id":"x"}"#),
        2 => frame(TEXT, b"{"),
        3 => {
            [part(TEXT, &candidate[..50]), frame(PING, b"x"), frame(CONTINUATION, &candidate[50..])]
                .concat()
        }
        4 if dice.roll(8) == 0 => frame(BINARY, &[1, 2, 3]),
        5 if dice.roll(8) == 0 => frame(TEXT, &vec![b'x'; 17_000]),
        6 if dice.roll(8) == 0 => frame_of(dice.roll(256) as u8, &[0xff; 20]),
        7 if dice.roll(8) == 0 => frame(TEXT, person_leaves(from).as_bytes()),
        _ => frame(TEXT, &candidate),
    }
}

fn person_leaves(person: &Person) -> String {
    json!({ "type": "leave-room", "sessionId": person.session, "userId": person.user }).to_string()
}
