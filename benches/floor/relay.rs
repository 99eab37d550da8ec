//! Single messages, and many at once.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use hdrhistogram::Histogram;

use crate::print_row;
use crate::support::client::Client;
use crate::support::clinic::{Kind, Person, client_frame, server_frame};
use crate::support::server::Running;
use crate::support::threads::Threads;

/// Rooms that talk at the same time.
const ROOMS: usize = 8;

/// Messages in a turn, one at a time.
const ALONE: usize = 400;

/// Rounds in a turn, with many messages together.
const ROUNDS: usize = 20;

/// The upper bound of a delay, in nanoseconds.
const DELAY_NS_MAX: u64 = 10_000_000_000;

struct Rooms {
    server: Running,
    clients: Vec<[Client; 2]>,
    sockets: Vec<[TcpStream; 2]>,
    ours: Threads,
    floors: Threads,
}

pub fn bench(measures: bool) -> Vec<(String, Histogram<u64>)> {
    let (server, ours) = Threads::begun_by(|| {
        let server = Running::start();
        // Everything that starts with the first room has started by then.
        drop(server.room(1_000));
        server
    });
    let (sockets, floors) = Threads::begun_by(|| crate::forwarder::pairs(ROOMS));
    assert!(ours.len() > 0 && floors.len() == 1);
    let clients = (0..ROOMS as u32).map(|room| server.room(room)).collect();
    let mut rooms = Rooms { server, clients, sockets, ours, floors };
    let turns = if measures { 100 } else { 1 };
    let mut delays = Vec::new();
    for (name, kind) in [("candidate", Kind::Candidate), ("offer", Kind::Offer)] {
        let [ours, floors] = rooms.alone(name, kind, turns);
        delays.push((format!("{name}, through the server"), ours));
        delays.push((format!("{name}, through the bare forwarder"), floors));
    }
    for (name, kind, together) in [
        ("candidates", Kind::Candidate, 16),
        ("candidates", Kind::Candidate, 64),
        ("offers", Kind::Offer, 8),
    ] {
        rooms.together(name, kind, together, turns);
    }
    delays
}

impl Rooms {
    /// Messages one after the other, from end to end. Returns the delays of both.
    fn alone(&mut self, name: &str, kind: Kind, turns: usize) -> [Histogram<u64>; 2] {
        let (sent, relayed) = texts(0, kind);
        let mut received = vec![0; sent.len()];
        let mut delays =
            [(); 2].map(|()| Histogram::new_with_bounds(1, DELAY_NS_MAX, 3).expect("bounds"));
        let mut rows = Vec::new();
        let before = self.server.counters();
        for _ in 0..turns {
            let [doctor, patient] = &mut self.clients[0];
            let ours = cost(&self.ours, ALONE, || {
                for _ in 0..ALONE {
                    let begun = Instant::now();
                    doctor.send(&sent);
                    patient.expect(&relayed);
                    delays[0].saturating_record(begun.elapsed().as_nanos() as u64);
                }
            });
            let [left, right] = &mut self.sockets[0];
            let floors = cost(&self.floors, ALONE, || {
                for _ in 0..ALONE {
                    let begun = Instant::now();
                    left.write_all(&sent).expect("the forwarder reads");
                    right.read_exact(&mut received).expect("the forwarder writes");
                    // The clients of the server compare, too.
                    assert!(received == sent, "the forwarder changes nothing");
                    delays[1].saturating_record(begun.elapsed().as_nanos() as u64);
                }
            });
            rows.push([ours, floors]);
        }
        print_row(&format!("{name}, {} B, alone", sent.len()), rows);
        self.print_calls(before, turns * ALONE);
        delays
    }

    /// Many messages in one write, in each of the rooms, before anybody reads.
    fn together(&mut self, name: &str, kind: Kind, together: usize, turns: usize) {
        let texts: Vec<_> = (0..ROOMS as u32)
            .map(|room| {
                let (sent, relayed) = texts(room, kind);
                (sent.repeat(together), relayed.repeat(together))
            })
            .collect();
        let mut received = vec![0; texts[0].0.len()];
        let messages = ROUNDS * ROOMS * together;
        let mut rows = Vec::new();
        let before = self.server.counters();
        for _ in 0..turns {
            let ours = cost(&self.ours, messages, || {
                for _ in 0..ROUNDS {
                    let mut rooms = texts.iter().zip(&mut self.clients);
                    rooms.by_ref().for_each(|((sent, _), [doctor, _])| doctor.send(sent));
                    let rooms = texts.iter().zip(&mut self.clients);
                    rooms.for_each(|((_, relayed), [_, patient])| patient.expect(relayed));
                }
            });
            let floors = cost(&self.floors, messages, || {
                for _ in 0..ROUNDS {
                    for ((sent, _), [left, _]) in texts.iter().zip(&mut self.sockets) {
                        left.write_all(sent).expect("the forwarder reads");
                    }
                    for ((sent, _), [_, right]) in texts.iter().zip(&mut self.sockets) {
                        right.read_exact(&mut received).expect("the forwarder writes");
                        assert!(received == *sent, "the forwarder changes nothing");
                    }
                }
            });
            rows.push([ours, floors]);
        }
        print_row(&format!("{name}, {together} in one write, {ROOMS} rooms"), rows);
        self.print_calls(before, turns * messages);
    }

    /// The numbers include pings and their answers.
    fn print_calls(&self, before: autamedica_signaling::reactor::Snapshot, messages: usize) {
        let now = self.server.counters();
        let each = |now: u64, before: u64| (now - before) as f64 / messages as f64;
        println!(
            "  system calls a message: {:.3} waits, {:.3} reads, {:.3} writes",
            each(now.turns, before.turns),
            each(now.reads, before.reads),
            each(now.writes, before.writes)
        );
    }
}

fn texts(room: u32, kind: Kind) -> (Vec<u8>, Vec<u8>) {
    let [from, to] = [0, 1].map(|seat| Person::new(room, seat));
    let text = from.say(kind, &to, None);
    (client_frame(&text), server_frame(&text))
}

/// Microseconds of CPU time that these threads need for each message.
fn cost(threads: &Threads, messages: usize, work: impl FnOnce()) -> f64 {
    let before = threads.cpu_ns();
    work();
    (threads.cpu_ns() - before) as f64 / 1e3 / messages as f64
}
