//! A full server, and those who hold its places without a word at another loop than the one that
//! accepts a newcomer.

use std::net::{IpAddr, Ipv4Addr};

use super::common::gatekeeper::{Gatekeeper, Place};
use super::common::raw::upgrade_request;
use super::common::socket_io::App;
use super::common::{Raw, TestServer, bind, people};
use super::server;
use super::stopping::{doctor_of, request_of};

const PLACES: usize = 24;

/// Loopback has sixteen million addresses.
fn connect(server: &TestServer, number: usize) -> Raw {
    let from = Ipv4Addr::new(127, 0, 11, number as u8);
    Raw::connect_from(server.address(), IpAddr::V4(from))
}

/// A server of two loops, all places of which somebody holds without a word.
fn crowded() -> (TestServer, Vec<Raw>) {
    let server = server(|config| {
        config.threads = Some(2);
        config.connections_max = PLACES;
        config.connections_per_address_max = 1_000;
    });
    let mut silent: Vec<_> = (0..PLACES).map(|_| connect(&server, 1)).collect();
    for raw in silent.iter_mut().step_by(2) {
        raw.send(upgrade_request("").as_bytes());
        raw.expect_upgrade();
    }
    server.wait_until("all to be in", |now| now.connections == PLACES as u64);
    (server, silent)
}

#[test]
fn whoever_crowds_the_server_gives_way_at_whichever_loop_it_is() {
    // Which loop accepts whom is up to the system: in every round some newcomers find nobody at
    // their own loop any more.
    for _ in 0..5 {
        let (server, silent) = crowded();
        // Down to the three who never have to go.
        let guests: Vec<_> = (0..PLACES - 3)
            .map(|number| {
                let mut guest = connect(&server, 10 + number);
                guest.join(&people().0);
                guest
            })
            .collect();
        server.wait_until("nobody to be there beyond the limit", |now| {
            now.connections == PLACES as u64
        });
        let mut late = connect(&server, 99);
        late.send(upgrade_request("").as_bytes());
        assert_eq!(late.read_status(), 503, "nobody is left who could give way");
        assert!(guests.iter().all(|guest| !guest.has_bytes()), "who has shown a token stays");
        drop(silent);
    }
}

#[test]
fn a_session_by_polling_finds_its_place_too() {
    for _ in 0..5 {
        let (server, silent) = crowded();
        for number in 0..8 {
            App::join(|| connect(&server, 10 + number).stream, &people().0);
        }
        drop(silent);
    }
}

#[test]
fn whoever_has_just_come_from_another_loop_gives_way_to_nobody() {
    const HERE: usize = 0;
    const THERE: usize = 1;
    const FEW: usize = 8;
    let mut server = bind(|config| {
        config.threads = Some(2);
        config.connections_max = FEW;
    });
    let gate = Gatekeeper::of(&mut server);
    let server = TestServer::run(server.handle(), move || server.run());
    let hold = |index| {
        gate.close(index, Some(Place::Begin));
        server.handle().wake();
        gate.wait_until_held(index, Place::Begin);
    };
    hold(HERE);
    hold(THERE);
    // This loop is going to look who knocks, and what the other one sends, in one turn.
    let mut silent = Vec::new();
    gate.step(THERE, || {
        silent.push(connect(&server, 1));
        server.handle().wake();
    });
    gate.close(HERE, None);
    server.wait_until("the first one to be in", |now| now.connections == 1);
    let mut mover = connect(&server, 1);
    silent.extend((2..FEW).map(|_| connect(&server, 1)));
    server.wait_until("all to be in", |now| now.connections == FEW as u64);
    mover.send(request_of(&doctor_of(THERE as u32)).as_bytes());
    server.wait_until("one to be on its way", |now| now.moved == 1);
    hold(HERE);
    // Over there, whoever comes finds nobody of that address but the one that has just arrived.
    let mut newcomer = connect(&server, 2);
    gate.close(THERE, None);
    newcomer.send(request_of(&doctor_of(THERE as u32)).as_bytes());
    assert_eq!((newcomer.read_status(), mover.read_status()), (101, 101));
    assert_eq!(server.counters().accepted, FEW as u64 + 1);
    gate.close(HERE, None);
    assert_eq!(silent[0].read_status(), 503, "the oldest of those who say nothing");
    server.wait_until("one to have gone", |now| now.connections == FEW as u64);
}
