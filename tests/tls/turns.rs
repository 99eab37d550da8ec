//! Networks take turns with their handshakes.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use autamedica_signaling::base::time::Duration;

use crate::common::gatekeeper::{Gatekeeper, Place};
use crate::common::secure::{Pair, Stream};
use crate::common::{PATIENCE, Raw, TestServer, bind};

/// How many handshakes of the flood wait.
const FLOOD: usize = 160;

/// How many of them may go on before the next one of another network: those that the thread has already, and what goes on in
/// the two turns of the event loop that it takes to hear of so many.
const AHEAD_MAX: usize = 32;

fn connect(pair: &Pair, server: &TestServer, from: Ipv4Addr) -> Stream {
    let raw = Raw::connect_from(server.address(), IpAddr::V4(from));
    pair.over(raw.stream.into_tcp(), pair.client(rustls::ALL_VERSIONS))
}

/// Sends what is due in the handshake.
fn send(stream: &mut Stream) {
    let mut bytes = Vec::new();
    while stream.conn.wants_write() {
        stream.conn.write_tls(&mut bytes).expect("written");
    }
    stream.sock.write_all(&bytes).expect("sent");
}

/// Whether the server has said anything yet.
fn is_answered(stream: &Stream) -> bool {
    stream.sock.set_nonblocking(true).expect("a socket");
    let answered = stream.sock.peek(&mut [0]).is_ok();
    stream.sock.set_nonblocking(false).expect("a socket");
    answered
}

#[test]
fn a_newcomer_gets_in_beside_a_flood_of_handshakes_from_another_network() {
    let pair = Pair::new();
    let mut server = bind(|config| {
        pair.show(config);
        // The machine may be slow; that is not the question here.
        config.head_timeout = Duration::from_secs(120);
        config.threads = Some(1);
    });
    let gate = Gatekeeper::of(&mut server);
    let server = TestServer::run(server.handle(), move || server.run());
    // Nobody follows up the hellos of the flood.
    let here = |_| connect(&pair, &server, Ipv4Addr::new(127, 1, 0, 1));
    let mut flood: Vec<_> = (0..FLOOD).map(here).collect();
    let mut newcomer = connect(&pair, &server, Ipv4Addr::new(127, 2, 0, 1));
    server.wait_until("all to be accepted", |now| now.accepted == FLOOD as u64 + 1);
    let answered = |flood: &[Stream]| flood.iter().filter(|one| is_answered(one)).count();
    // All hellos are there before the first is read, that of the newcomer last. Then the event loop
    // goes on turn by turn: it answers nobody while it is held up.
    gate.close(0, Some(Place::Begin));
    server.handle().wake();
    gate.wait_until_held(0, Place::Begin);
    flood.iter_mut().for_each(send);
    send(&mut newcomer);
    while !is_answered(&newcomer) {
        gate.step(0, || server.handle().wake());
        assert!(answered(&flood) <= AHEAD_MAX, "its hello waits for all of the flood");
    }
    let before = answered(&flood);
    newcomer.sock.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    while newcomer.conn.is_handshaking() {
        newcomer.conn.read_tls(&mut newcomer.sock).expect("an answer");
        newcomer.conn.process_new_packets().expect("a handshake");
    }
    send(&mut newcomer);
    while server.counters().handshakes == 0 {
        gate.step(0, || server.handle().wake());
        assert!(answered(&flood) <= before + AHEAD_MAX, "its end waits for all of the flood");
    }
    let answered = answered(&flood);
    assert!(0 < before && answered < FLOOD, "the flood goes on meanwhile: {before}, {answered}");
    println!("{before} of the flood before its hello, {} before its end", answered - before);
    gate.close(0, None);
}
