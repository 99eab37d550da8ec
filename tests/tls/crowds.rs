//! Many clients that connect at once, beside a call in progress.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use autamedica_signaling::base::time::Duration;

use crate::common::secure::{self, HOST, Pair, Stream};
use crate::common::{Client, client, people};
use crate::process::Program;

/// Sends a hello, or its first byte.
fn begin(pair: &Pair, address: SocketAddr, whole: bool) -> Stream {
    let mut stream = pair.connect(address);
    let mut hello = Vec::new();
    stream.conn.write_tls(&mut hello).expect("written");
    let len = if whole { hello.len() } else { 1 };
    stream.sock.write_all(&hello[..len]).expect("sent");
    stream
}

/// The machine may be slow; that is not the question here.
fn patient(config: &mut autamedica_signaling::Config) {
    config.head_timeout = Duration::from_secs(120);
}

#[test]
fn a_crowd_at_the_door_takes_nothing_from_a_call() {
    let pair = Pair::new();
    let server = secure::start(&pair, patient);
    let (doctor, patient) = people();
    let mut doctor = Client::join_over(pair.connect(server.address()), HOST, &doctor);
    let mut patient = Client::join_over(pair.connect(server.address()), HOST, &patient);
    patient.expect("room-status");
    let over = AtomicBool::new(false);
    let address = server.address();
    thread::scope(|scope| {
        // Waves of hellos that nobody follows up, and of slow ones. The last of each wave waits for its answer, so that a slow
        // machine is not asked for more and more.
        for whole in [true, false] {
            let (over, pair) = (&over, &pair);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let mut crowd: Vec<_> = (0..30).map(|_| begin(pair, address, whole)).collect();
                    crowd.push(begin(pair, address, true));
                    let last = crowd.last_mut().expect("the last");
                    last.sock.read_exact(&mut [0]).expect("an answer");
                }
            });
        }
        for n in 0..40 {
            let offer = doctor.offer_to(&patient.person, 10 * n);
            doctor.send(&offer);
            assert!(patient.receive() == offer);
            // Nor does it keep out who comes for a good reason.
            if n % 10 == 0 {
                let request = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
                assert_eq!(secure::ask(&mut pair.connect(address), request).status, 200);
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    let counters = server.counters();
    assert!(counters.accepted > 30, "{counters:?}");
    drop((doctor, patient));
    server.wait_until_empty();
}

/// A thread of its own does the costly part of them. What the event loop does for each, the request included, takes about as long
/// in a build that is not optimized.
#[test]
fn handshakes_do_not_take_the_time_of_the_event_loop() {
    let pair = Pair::new();
    let program = Program::start(&pair);
    let times = || ["autamedica-sign", "handshakes 0"].map(|thread| program.time_of(thread));
    let [loop_before, beside_before] = times();
    for _ in 0..100 {
        let request = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
        assert_eq!(secure::ask(&mut pair.connect(program.address), request).status, 200);
    }
    let [in_loop, beside] = times();
    let (in_loop, beside) = (in_loop - loop_before, beside - beside_before);
    println!("{in_loop} ns in the loop, {beside} beside it");
    assert!(beside > in_loop / 2);
}

#[test]
fn everybody_in_a_crowd_gets_an_answer() {
    let pair = Pair::new();
    let server = secure::start(&pair, patient);
    let address = server.address();
    // All hellos are there before the first is answered.
    let crowd: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = pair.over(client::connect(address), pair.client(rustls::ALL_VERSIONS));
            stream.conn.write_tls(&mut stream.sock).expect("sent");
            stream
        })
        .collect();
    for mut stream in crowd {
        let response = secure::ask(&mut stream, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(response.status, 200);
    }
    assert_eq!(server.counters().handshakes, 100);
    server.wait_until_empty();
}
