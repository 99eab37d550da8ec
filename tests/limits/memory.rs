//! One address that takes as much memory for partial messages as it can get, and newcomers from
//! elsewhere.

use std::net::{IpAddr, Ipv4Addr};

use autamedica_signaling::base::time::Duration;
use autamedica_signaling::config::memory;
use serde_json::Value;

use crate::common::raw::{TEXT, frame, upgrade_request};
use crate::common::{self, Raw, TestServer, people};

const PATIENCE: Duration = Duration::from_secs(120);

/// A stranger's message of so many bytes, without its end.
fn cut_message(len: usize) -> Vec<u8> {
    let mut bytes = frame(TEXT, &vec![b' '; len + 1]);
    bytes.pop();
    bytes
}

/// A request head of so many bytes, without its end.
fn cut_head(len: usize) -> Vec<u8> {
    let start = "GET /ws HTTP/1.1\r\nHost: x\r\nA: ";
    [start.as_bytes(), &vec![b'a'; len - start.len()]].concat()
}

/// Sends this from so many connections, or until there is no memory for it; who has got some.
fn use_up(server: &TestServer, bytes: &[u8], upgrades: bool, count: usize) -> Vec<Raw> {
    let mut holding = Vec::new();
    while holding.len() < count {
        let before = server.counters();
        let address = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 5));
        let mut raw = Raw::connect_from(server.address(), address);
        if upgrades {
            raw.send(upgrade_request("").as_bytes());
            raw.expect_upgrade();
        }
        raw.send(bytes);
        server.wait_until("it to be kept or not", |now| {
            now.cut_bytes > before.cut_bytes || now.starved > before.starved
        });
        if server.counters().starved > before.starved {
            break;
        }
        holding.push(raw);
    }
    holding
}

#[test]
fn an_address_that_holds_unfinished_messages_leaves_room_for_newcomers_from_elsewhere() {
    let mut most = 0;
    let server = TestServer::start_with(|config| {
        common::as_fast_as_one_can(config);
        // Nobody is sent away for taking long.
        (config.head_timeout, config.join_timeout) = (PATIENCE, PATIENCE);
        config.connections_max = 1_000;
        config.message_bytes_max = 20_000;
        most = memory::cut_bytes_max(config) as u64;
    });
    let mut holding = Vec::new();
    // Large ones as long as there is room, and of the small ones that would fill the gaps a few.
    for (len, count) in [(15_000, 999), (7_000, 999), (3_000, 5), (1_400, 5), (500, 5)] {
        holding.extend(use_up(&server, &cut_message(len), true, count));
        holding.extend(use_up(&server, &cut_head(len.min(8_000)), false, count));
    }
    let held = server.counters().cut_bytes;
    assert!(held > most / 5, "{held} of {most}");
    let starved = server.counters().starved;

    // Whoever has a token shows it in a request, or in a message, and either comes in pieces.
    let (doctor, patient) = people();
    let head = upgrade_request(&format!("Authorization: Bearer {}\r\n", doctor.token));
    let mut first = Raw::connect(server.address());
    first.send(&head.as_bytes()[..head.len() - 5]);
    server.wait_until("the first piece", |now| now.cut_bytes > held);
    first.send(&head.as_bytes()[head.len() - 5..]);
    first.expect_upgrade();

    let mut second = Raw::upgrade(server.address());
    let mut join: Value = patient.join_request();
    join["authToken"] = patient.token.as_str().into();
    let join = frame(TEXT, join.to_string().as_bytes());
    let held = server.counters().cut_bytes;
    second.send(&join[..join.len() - 5]);
    server.wait_until("the first piece", |now| now.cut_bytes > held);
    second.send(&join[join.len() - 5..]);
    assert_eq!(second.json()["type"], "room-joined");
    assert_eq!(server.counters().starved, starved);
    drop(holding);
}
