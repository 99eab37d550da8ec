//! The cost of TLS: system calls per message, and memory per idle client.

use crate::common::secure::{self, HOST, Pair, Stream};
use crate::common::{self, Client, client, people};
use crate::process::Program;

#[test]
fn a_message_alone_costs_one_read_and_one_write() {
    const MESSAGES: u64 = 300;
    let pair = Pair::new();
    let server = secure::start(&pair, common::as_fast_as_one_can);
    let (doctor, patient) = people();
    let mut doctor = Client::join_over(pair.connect(server.address()), HOST, &doctor);
    let mut patient = Client::join_over(pair.connect(server.address()), HOST, &patient);
    doctor.expect("peer-joined");
    doctor.expect("room-status");
    patient.expect("room-status");
    for size in [200, 5_700, 15_000] {
        let offer = doctor.offer_to(&patient.person, size);
        server.wait_until("everything before to be counted", |now| now.received + 3 == now.sent);
        let before = server.counters();
        for _ in 0..MESSAGES {
            doctor.send(&offer);
            patient.expect("offer");
        }
        server.wait_until("all to be counted", |now| now.sent == before.sent + MESSAGES);
        let after = server.counters();
        // Now and then the server asks what has arrived, and is answered.
        let asked = after.pings - before.pings;
        // An answer of each to an earlier question may still have been on its way.
        let answered = asked + 2;
        let (reads, writes) = (after.reads - before.reads, after.writes - before.writes);
        assert!(reads <= MESSAGES + answered, "{size}: {reads} reads, {asked} pings");
        assert!(writes <= MESSAGES + asked, "{size}: {writes} writes, {asked} pings");
        println!("{size} bytes: {reads} reads, {writes} writes, {asked} pings");
    }
}

#[test]
fn an_idle_connection_costs_a_few_kib() {
    const FIRST: usize = 100;
    const ALL: usize = 500;
    let pair = Pair::new();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        // One of its own: what others have given back would be used again, and not be seen.
        let program = Program::start(&pair);
        let mut connections: Vec<Stream> = Vec::new();
        let mut open = |count: usize| {
            while connections.len() < count {
                let stream = pair.over(client::connect(program.address), pair.client(&[version]));
                let bearer = format!("Bearer {}", people().0.token);
                let fields = [("Authorization", bearer.as_str())];
                let upgraded = client::upgrade_over(stream, HOST, "/ws", &fields);
                connections.push(upgraded.expect("an upgrade").0.into_inner());
            }
        };
        open(FIRST);
        let before = program.resident();
        open(ALL);
        let each = (program.resident() - before) / (ALL - FIRST) as f64;
        println!("{:?}: {each:.0} bytes for each connection", version.version);
        // About seven are expected; the other ones are the allocator's.
        assert!(each < 10.0 * 1_024.0, "{each} bytes");
    }
}
