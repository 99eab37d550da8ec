//! Relaying allocates nothing: a counting allocator watches a running server, including its
//! clients, while offers and candidates are relayed. It is the only test in its program, because
//! the allocator counts for all threads.

#[path = "../benches/support/mod.rs"]
mod support;

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::client::Client;
use support::clinic::{
    Kind, Person, ack, client_fragments, client_frame, event, relayed_event, server_frame,
};
use support::server::Running;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How often each exchange happens while the allocator is watched, and before.
const ROUNDS: usize = 15;

/// Something that one participant sends, and what the two of them receive then.
struct Exchange {
    /// What the sender writes; each part is read by the server before the next is written.
    parts: Vec<Vec<u8>>,
    relayed: Vec<u8>,
    acks: Vec<u8>,
}

#[test]
fn a_relayed_message_allocates_nothing_however_it_arrives() {
    for threads in [1, 3] {
        nothing_is_allocated(&Running::start_with_threads(threads));
    }
}

fn nothing_is_allocated(server: &Running) {
    let [doctor, patient] = [0, 1].map(|seat| Person::new(1, seat));
    let watched = Region::new(ALLOCATOR);
    let [mut doctors, mut patients] = server.room(1);
    assert!(watched.change().allocations > 0, "the counter counts");

    // The server keeps what it has relayed until it knows that it arrived: fill that memory once, up to its limit.
    let fill =
        [doctor.say(Kind::Candidate, &patient, None), patient.say(Kind::Candidate, &doctor, None)];
    for _ in 0..3 * 65_536 / fill[0].len() {
        let [to_patient, to_doctor] =
            fill.each_ref().map(|text| whole(&|_| text.clone(), false).remove(0));
        to_patient.happen(server, &mut doctors, &mut patients);
        to_doctor.happen(server, &mut patients, &mut doctors);
    }

    for kind in [Kind::Offer, Kind::Candidate] {
        for with_id in [false, true] {
            for (how, arrive) in WAYS {
                let id = |number| with_id.then_some(number);
                let said = arrive(&|number| doctor.say(kind, &patient, id(number)), with_id);
                let answered = arrive(&|number| patient.say(kind, &doctor, id(number)), with_id);
                let allocations = allocations_of(|| {
                    said.iter().for_each(|one| one.happen(server, &mut doctors, &mut patients));
                    answered.iter().for_each(|one| one.happen(server, &mut patients, &mut doctors));
                });
                assert_eq!(allocations, 0, "{kind:?}, {how}, with an id: {with_id}");
            }
        }
    }
    between_all_kinds_of_clients(server);
    let states = [true, false].map(|video| [&doctor, &patient].map(|who| media_state(who, video)));
    let allocations = allocations_of(|| {
        for [of_doctor, of_patient] in &states {
            of_doctor.happen(server, &mut doctors, &mut patients);
            of_patient.happen(server, &mut patients, &mut doctors);
        }
    });
    assert_eq!(allocations, 0, "media-state");
}

/// Doctor and patient, each by Socket.IO or not: what is relayed is framed anew, and nothing is allocated for that.
fn between_all_kinds_of_clients(server: &Running) {
    for (number, by_socket_io) in
        [[false, false], [false, true], [true, false], [true, true]].into_iter().enumerate()
    {
        let room = 2 + number as u32;
        let people = [0, 1].map(|seat| Person::new(room, seat));
        let [mut doctors, mut patients] = server.mixed_room(room, by_socket_io);
        let exchange = |from: usize, kind| {
            let text = people[from].say(kind, &people[1 - from], None);
            let said = if by_socket_io[from] { event(&text) } else { text.clone() };
            let heard = if by_socket_io[1 - from] { relayed_event(&text) } else { text };
            Exchange {
                parts: vec![client_frame(&said)],
                relayed: server_frame(&heard),
                acks: Vec::new(),
            }
        };
        let both = |kind| [exchange(0, kind), exchange(1, kind)];
        let [candidates, offers] = [Kind::Candidate, Kind::Offer].map(both);
        for _ in 0..3 * 65_536 / candidates[0].relayed.len() {
            candidates[0].happen(server, &mut doctors, &mut patients);
            candidates[1].happen(server, &mut patients, &mut doctors);
        }
        for [of_doctor, of_patient] in [candidates, offers] {
            let allocations = allocations_of(|| {
                of_doctor.happen(server, &mut doctors, &mut patients);
                of_patient.happen(server, &mut patients, &mut doctors);
            });
            assert_eq!(allocations, 0, "doctor and patient by Socket.IO: {by_socket_io:?}");
        }
    }
}

/// What a participant says of itself, with the ack that it gets and what the others hear.
fn media_state(who: &Person, video: bool) -> Exchange {
    let (session, user) = (who.session.reveal(), who.user.reveal());
    let said = format!(
        r#"{{"type":"media-state","sessionId":"{session}","userId":"{user}","audio":true,"video":{video},"id":7}}"#
    );
    let heard = format!(
        r#"{{"type":"peer-state","sessionId":"{session}","userId":"{user}","connectionState":"connected","audio":true,"video":{video},"screen":false}}"#
    );
    Exchange {
        parts: vec![client_frame(&said)],
        relayed: server_frame(&heard),
        acks: server_frame(&ack(7)),
    }
}

/// How often the whole program allocates while it does some work that it has done before.
fn allocations_of(mut work: impl FnMut()) -> usize {
    (0..ROUNDS).for_each(|_| work());
    let region = Region::new(ALLOCATOR);
    (0..ROUNDS).for_each(|_| work());
    let change = region.change();
    change.allocations + change.reallocations
}

/// Makes a message with this number.
type Say<'a> = &'a dyn Fn(u32) -> String;

/// Makes the exchanges of messages that arrive in some way.
type Arrive = fn(Say, bool) -> Vec<Exchange>;

/// How messages arrive.
const WAYS: [(&str, Arrive); 5] = [
    ("whole", whole),
    ("cut in two within the header or the message", cut_anywhere),
    ("in three pieces", in_three_pieces),
    ("several in one write", coalesced),
    ("as three frames with a ping between them", fragmented),
];

fn whole(say: Say, with_id: bool) -> Vec<Exchange> {
    let text = say(7);
    vec![Exchange::new(vec![client_frame(&text)], &[text], with_id)]
}

fn cut_anywhere(say: Say, with_id: bool) -> Vec<Exchange> {
    let text = say(7);
    let frame = client_frame(&text);
    // Every place in the longest header and its surroundings, then some.
    let places = (1..16).chain((16..frame.len()).step_by(frame.len() / 8));
    let cut = |at| vec![frame[..at].to_vec(), frame[at..].to_vec()];
    places.map(|at| Exchange::new(cut(at), std::slice::from_ref(&text), with_id)).collect()
}

fn in_three_pieces(say: Say, with_id: bool) -> Vec<Exchange> {
    let text = say(7);
    let frame = client_frame(&text);
    let pieces = vec![frame[..3].to_vec(), frame[3..100].to_vec(), frame[100..].to_vec()];
    vec![Exchange::new(pieces, &[text], with_id)]
}

fn coalesced(say: Say, with_id: bool) -> Vec<Exchange> {
    let texts: Vec<_> = (0..8).map(say).collect();
    let write: Vec<_> = texts.iter().flat_map(|text| client_frame(text)).collect();
    // Also with the last one cut off.
    let cut = write.len() - 20;
    let parts = vec![write[..cut].to_vec(), write[cut..].to_vec()];
    vec![Exchange::new(vec![write], &texts, with_id), Exchange::new(parts, &texts, with_id)]
}

fn fragmented(say: Say, with_id: bool) -> Vec<Exchange> {
    const PING: [u8; 6] = [0x89, 0x80, 1, 2, 3, 4];
    const PONG: [u8; 2] = [0x8a, 0];
    let text = say(7);
    let (first, rest) = text.split_at(text.len() / 3);
    let (second, third) = rest.split_at(rest.len() / 2);
    let mut frames = client_fragments(&[first, second, third]);
    let first_frame = client_fragments(&[first, ""]).len() - 6;
    frames.splice(first_frame..first_frame, PING);
    let mut exchange = Exchange::new(vec![frames], &[text], with_id);
    exchange.acks.splice(..0, PONG);
    vec![exchange]
}

impl Exchange {
    fn new(parts: Vec<Vec<u8>>, texts: &[String], with_id: bool) -> Self {
        let relayed = texts.iter().flat_map(|text| server_frame(text)).collect();
        let numbers = if texts.len() == 1 { 7..8 } else { 0..texts.len() as u32 };
        let numbers = numbers.filter(|_| with_id);
        Self { parts, relayed, acks: numbers.flat_map(|id| server_frame(&ack(id))).collect() }
    }

    fn happen(&self, server: &Running, from: &mut Client, to: &mut Client) {
        for (index, part) in self.parts.iter().enumerate() {
            let reads = server.counters().reads;
            from.send(part);
            if index + 1 < self.parts.len() {
                server.counters_when(|now| now.reads > reads);
            }
        }
        to.expect(&self.relayed);
        from.expect(&self.acks);
    }
}
