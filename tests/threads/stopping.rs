//! Event loops that stop while connections are on their way from one to another: none of these is
//! closed without an answer.

use std::thread;

use autamedica_signaling::engine::Homes;
use autamedica_signaling::message::Role;

use crate::common::gatekeeper::{Gatekeeper, Place};
use crate::common::raw::upgrade_request;
use crate::common::{self, Client, Person, Raw, TestServer, bind, session};

const LOOPS: usize = 2;

/// A doctor whose room is in this loop.
pub fn doctor_of(home: u32) -> Person {
    let homes = Homes::new(0, LOOPS as u32);
    let here = (0..).map(|_| session()).find(|session| homes.of(*session) == home);
    Person::new(Role::Doctor, here.expect("a session"))
}

pub fn request_of(person: &Person) -> String {
    upgrade_request(&format!("Authorization: Bearer {}\r\n", person.token))
}

#[test]
fn a_connection_that_arrives_as_the_last_loop_has_told_everybody_is_answered() {
    const HERE: usize = 0;
    const THERE: usize = 1;
    let mut server = bind(|config| {
        common::as_fast_as_one_can(config);
        config.threads = Some(LOOPS);
    });
    let gate = Gatekeeper::of(&mut server);
    let server = TestServer::run(server.handle(), move || server.run());
    // The stop is noted in the loop of somebody who is away, whom nobody has to tell.
    drop(Client::join(&server, &doctor_of(THERE as u32)));
    server.wait_until("the doctor to be away", |now| (now.connections, now.absent) == (0, 1));
    // Only one loop accepts.
    gate.close(THERE, Some(Place::Begin));
    server.handle().wake();
    gate.wait_until_held(THERE, Place::Begin);
    let before = server.counters();
    let mut late = Raw::connect(server.address());
    server.wait_until("it to be accepted", |now| now.accepted == before.accepted + 1);
    // In one turn it gets all events so far, and in the next the request alone. It has not seen
    // then that it is to stop.
    gate.close(HERE, Some(Place::Begin));
    server.handle().wake();
    gate.wait_until_held(HERE, Place::Begin);
    gate.step(HERE, || server.handle().wake());
    gate.step(HERE, || late.send(request_of(&doctor_of(THERE as u32)).as_bytes()));
    // The other one stops, and receives nothing more in this turn.
    gate.close(THERE, Some(Place::End));
    server.handle().shutdown();
    gate.wait_until_held(THERE, Place::End);
    // The connection goes there, and nobody is left here.
    let turn = gate.turns(HERE);
    gate.close(HERE, None);
    gate.wait_for_turn(HERE, turn + 2);
    gate.close(THERE, None);
    assert_eq!(late.read_status(), 503);
    drop(late);
    assert_eq!(server.counters().moved, before.moved + 1);
    server.stop();
}

#[test]
fn whatever_moves_as_the_server_stops_everybody_hears_of_it() {
    const CLIENTS: usize = 8;
    for round in 0..40 {
        let server = TestServer::start_with(|config| {
            common::as_fast_as_one_can(config);
            config.threads = Some(LOOPS);
        });
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| Raw::connect(server.address())).collect();
        server.wait_until("all to be accepted", |now| now.accepted == CLIENTS as u64);
        // It is told to stop while the last requests arrive, or just behind them.
        let stops_at = CLIENTS - round % 4;
        for (number, client) in clients.iter_mut().enumerate() {
            if number == stops_at {
                server.handle().shutdown();
            }
            client.send(request_of(&Person::new(Role::Doctor, session())).as_bytes());
        }
        server.handle().shutdown();
        thread::scope(|scope| {
            // All are heard at once, so that nobody waits for another to be read.
            for mut client in clients {
                scope.spawn(move || match client.read_status() {
                    101 => assert_eq!(client.answer_close(), 1012),
                    status => assert_eq!(status, 503),
                });
            }
        });
        server.stop();
    }
}
