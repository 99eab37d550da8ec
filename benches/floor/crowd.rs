//! Many call set-ups at the same time, step by step: all clients send the same message before the
//! first reply is read.

use std::net::SocketAddr;
use std::ops::Range;

use autamedica_signaling::reactor::clock::wall_time;

use crate::calls::CANDIDATES;
use crate::support::client::Client;
use crate::support::clinic::{Kind, Person, client_frame, server_frame};

struct Call {
    people: [Person; 2],
    clients: [Client; 2],
}

/// Plays the calls in these rooms with a server.
pub fn calls(address: SocketAddr, rooms: Range<u32>) {
    let now = wall_time();
    let mut calls: Vec<_> = rooms
        .map(|room| {
            let people = [0, 1].map(|seat| Person::new(room, seat));
            Call { people, clients: people.map(|person| Client::connect(address, &person, now)) }
        })
        .collect();
    for seat in 0..2 {
        for call in &mut calls {
            call.clients[seat].send(&client_frame(&call.people[seat].join()));
        }
        calls.iter_mut().for_each(|call| call.clients[seat].expect_message("room-joined"));
    }
    for Call { clients: [first, second], .. } in &mut calls {
        second.expect_message("room-status");
        first.expect_message("peer-joined");
        first.expect_message("room-status");
    }
    relay(&mut calls, 0, |doctor, patient| doctor.say(Kind::Offer, patient, None));
    relay(&mut calls, 1, |patient, doctor| patient.answer(doctor));
    for number in 0..CANDIDATES {
        relay(&mut calls, number % 2, |from, to| from.say(Kind::Candidate, to, None));
    }
    for Call { people: [doctor, _], clients: [first, _] } in &mut calls {
        first.send(&client_frame(&doctor.leave()));
    }
    for Call { people: [_, patient], clients: [_, second] } in &mut calls {
        second.expect_message("peer-left");
        second.send(&client_frame(&patient.leave()));
    }
    calls.into_iter().flat_map(|call| call.clients).for_each(|client| {
        client.expect_close();
    });
}

fn relay(calls: &mut [Call], from: usize, say: impl Fn(&Person, &Person) -> String) {
    let text = |call: &Call| say(&call.people[from], &call.people[1 - from]);
    for call in &mut *calls {
        let frame = client_frame(&text(call));
        call.clients[from].send(&frame);
    }
    for call in calls {
        let frame = server_frame(&text(call));
        call.clients[1 - from].expect(&frame);
    }
}
