//! The number of system calls for a message, as the server itself counts them.

#[path = "../benches/support/mod.rs"]
mod support;

use autamedica_signaling::reactor::Snapshot;
use support::clinic::{Kind, Person, ack, client_frame, server_frame};
use support::server::Running;

const MESSAGES: u64 = 500;

#[test]
fn a_message_costs_one_read_and_one_write_for_each_that_is_sent_on() {
    // With several loops too: no message goes from one to another.
    for threads in [1, 3] {
        each_message_costs_one_read_and_one_write(&Running::start_with_threads(threads));
    }
}

fn each_message_costs_one_read_and_one_write(server: &Running) {
    let [mut doctor, mut patient] = server.room(1);
    let (from, to) = (Person::new(1, 0), Person::new(1, 1));
    for kind in [Kind::Offer, Kind::Candidate] {
        for id in [None, Some(7)] {
            let text = from.say(kind, &to, id);
            let (frame, relayed) = (client_frame(&text), server_frame(&text));
            let answer = id.map(|id| server_frame(&ack(id))).unwrap_or_default();
            // The ack is a message of its own, to another socket.
            let sent = MESSAGES * if id.is_some() { 2 } else { 1 };
            let before = doctor.pongs() + patient.pongs();
            let cost = cost_of(server, MESSAGES, sent, || {
                for _ in 0..MESSAGES {
                    doctor.send(&frame);
                    patient.expect(&relayed);
                    doctor.expect(&answer);
                }
            });
            // Now and then the server asks what has arrived, and is answered.
            let asked = cost.pings;
            let answered = doctor.pongs() + patient.pongs() - before;
            assert!(cost.reads <= MESSAGES + answered, "{kind:?}, id {id:?}: {cost:?}");
            assert!(cost.writes <= sent + asked, "{kind:?}, id {id:?}: {cost:?}");
            let waits = MESSAGES + asked + answered;
            assert!(cost.turns <= waits, "{kind:?}, id {id:?}: each was waited for once: {cost:?}");
        }
    }
}

#[test]
fn messages_that_come_together_share_their_system_calls() {
    const TOGETHER: u64 = 16;
    let server = Running::start();
    let [mut doctor, mut patient] = server.room(1);
    let text = Person::new(1, 0).say(Kind::Candidate, &Person::new(1, 1), Some(7));
    let repeated = |frame: Vec<u8>| frame.repeat(TOGETHER as usize);
    let frames = repeated(client_frame(&text));
    let (relayed, acks) = (repeated(server_frame(&text)), repeated(server_frame(&ack(7))));
    let cost = cost_of(&server, TOGETHER, 2 * TOGETHER, || {
        doctor.send(&frames);
        patient.expect(&relayed);
        doctor.expect(&acks);
    });
    assert_eq!((cost.reads, cost.writes, cost.turns), (1, 2, 1));
}

/// What `work` costs, in which the server receives and sends so many messages and each has arrived at its end.
fn cost_of(server: &Running, received: u64, sent: u64, work: impl FnOnce()) -> Snapshot {
    let before = server.counters();
    work();
    // What a client has received was counted already, but is shown only at the end of the turn.
    let is_over = |now: &Snapshot| {
        now.received == before.received + received && now.sent == before.sent + sent
    };
    let after = server.counters_when(is_over);
    Snapshot {
        turns: after.turns - before.turns,
        reads: after.reads - before.reads,
        writes: after.writes - before.writes,
        pings: after.pings - before.pings,
        ..Snapshot::default()
    }
}
