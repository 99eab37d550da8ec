//! Calls and answers over TLS.

use std::io::{Read, Write};

use autamedica_signaling::base::cidr::Networks;

use crate::common::raw::{TEXT, frame, upgrade_request};
use crate::common::secure::{self, HOST, Pair};
use crate::common::{Client, client, people, socket_io};

#[test]
fn a_call_is_set_up_in_both_versions() {
    calls_are_set_up(1);
}

#[test]
fn a_connection_goes_from_loop_to_loop_with_its_keys() {
    // Ten calls, so that it would be a wonder if nobody had to move.
    (0..5).for_each(|_| calls_are_set_up(3));
}

fn calls_are_set_up(threads: usize) {
    let pair = Pair::new();
    let server = secure::start(&pair, |config| config.threads = Some(threads));
    for versions in [[&rustls::version::TLS12], [&rustls::version::TLS13]] {
        let (doctor, patient) = people();
        let [mut doctor, mut patient] = [doctor, patient].map(|person| {
            let stream = pair.over(client::connect(server.address()), pair.client(&versions));
            Client::join_over(stream, HOST, &person)
        });
        assert_eq!(doctor.socket.get_ref().conn.protocol_version(), Some(versions[0].version));
        doctor.expect("peer-joined");
        doctor.expect("room-status");
        patient.expect("room-status");
        // Sizes around those of records and buffers.
        for size in [1, 4_000, 4_100, 5_700, 16_000, 16_400, 33_000, 45_000] {
            let offer = doctor.offer_to(&patient.person, size);
            doctor.send(&offer);
            assert!(patient.receive() == offer, "{size} bytes");
            patient.send(&patient.offer_to(&doctor.person, size));
            doctor.expect("offer");
        }
        doctor.close();
        patient.expect("peer-state");
    }
    server.wait_until_empty();
    assert_eq!((server.counters().handshakes, server.counters().handshakes_failed), (4, 0));
}

#[test]
fn an_app_that_polls_and_then_comes_by_web_socket_is_served_over_tls_wherever_its_room_is() {
    let pair = Pair::new();
    for threads in [1, 3] {
        let server = secure::start(&pair, |config| config.threads = Some(threads));
        for _ in 0..threads * 2 {
            socket_io::call(|| pair.connect(server.address()));
        }
        server.wait_until_empty();
    }
}

/// What a client says together with the end of its handshake, and then a message in one large record that arrives in two parts.
#[test]
fn a_large_message_may_follow_a_request_that_came_with_the_end_of_the_handshake() {
    let pair = Pair::new();
    let server = secure::start(&pair, |_| {});
    for version in rustls::ALL_VERSIONS {
        let config = pair.client(&[version]);
        let mut stream = pair.over(client::connect(server.address()), config);
        let padding = format!("X-Padding: {}\r\n", "x".repeat(6_000));
        stream.conn.writer().write_all(upgrade_request(&padding).as_bytes()).expect("queued");
        let mut last_flight = Vec::new();
        while stream.conn.is_handshaking() {
            stream.sock.write_all(&std::mem::take(&mut last_flight)).expect("sent");
            if stream.conn.wants_write() {
                stream.conn.write_tls(&mut last_flight).expect("written");
                continue;
            }
            stream.conn.read_tls(&mut stream.sock).expect("read");
            stream.conn.process_new_packets().expect("TLS");
        }
        while stream.conn.wants_write() {
            stream.conn.write_tls(&mut last_flight).expect("written");
        }
        stream.sock.write_all(&last_flight).expect("sent");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 101");
        let message = format!("{{\"type\":\"ping\",\"padding\":\"{}\"}}", "x".repeat(15_800));
        stream.conn.writer().write_all(&frame(TEXT, message.as_bytes())).expect("queued");
        let mut record = Vec::new();
        while stream.conn.wants_write() {
            stream.conn.write_tls(&mut record).expect("written");
        }
        let (most, last) = record.split_at(record.len() - 1);
        let before = server.counters().reads;
        stream.sock.write_all(most).expect("sent");
        server.wait_until("most of it to be read", |now| now.reads > before);
        stream.sock.write_all(last).expect("sent");
        let mut heard = Vec::new();
        while !heard.windows(4).any(|word| word == b"pong") {
            let mut some = [0; 1_024];
            let len = stream.read(&mut some).expect("it goes on");
            assert!(len > 0, "{version:?}: closed");
            heard.extend_from_slice(&some[..len]);
        }
    }
}

#[test]
fn much_at_once_arrives_whole_and_in_order() {
    let pair = Pair::new();
    let server = secure::start(&pair, |_| {});
    let (doctor, patient) = people();
    let mut doctor = Client::join_over(pair.connect(server.address()), HOST, &doctor);
    let mut patient = Client::join_over(pair.connect(server.address()), HOST, &patient);
    patient.expect("room-status");
    let messages: Vec<_> = (0..60).map(|n| doctor.offer_to(&patient.person, 500 * n)).collect();
    // In one write, which is many records, and again with nobody reading meanwhile.
    let begin = messages.clone();
    let sender = std::thread::spawn(move || {
        for message in &begin {
            let text = message.to_string();
            doctor.socket.write(tungstenite::Message::text(text)).expect("queued");
        }
        doctor.socket.flush().expect("sent");
        doctor
    });
    for message in &messages {
        assert!(patient.receive() == *message);
    }
    drop(sender.join().expect("sent"));
}

#[test]
fn answers_end_properly_and_ask_browsers_to_come_by_tls_only() {
    let pair = Pair::new();
    let server = secure::start(&pair, |_| {});
    for (request, status) in [
        ("GET /health HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        ("GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", 426),
        ("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        ("nonsense\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200),
    ] {
        let response = secure::ask(&mut pair.connect(server.address()), request);
        assert_eq!(response.status, status);
        let field = response.field("Strict-Transport-Security");
        assert_eq!(field, Some("max-age=31536000"), "{request}");
    }
    server.wait_until_empty();
}

#[test]
fn whoever_comes_back_resumes_and_nothing_is_sent_early() {
    let pair = Pair::new();
    let server = secure::start(&pair, |_| {});
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut config = pair.client(&[version]);
        config.enable_early_data = true;
        let ask = || {
            let mut stream = pair.over(client::connect(server.address()), config.clone());
            assert!(stream.conn.early_data().is_none());
            secure::ask(&mut stream, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
            stream.conn.handshake_kind().expect("a handshake")
        };
        assert_eq!(ask(), rustls::HandshakeKind::Full);
        assert_eq!(ask(), rustls::HandshakeKind::Resumed);
    }
}

#[test]
fn strangers_are_not_worth_a_handshake() {
    let pair = Pair::new();
    let server = secure::start(&pair, |config| {
        config.ip_allowlist = Networks::parse("192.0.2.0/24").expect("a range");
    });
    let mut stream = client::connect(server.address());
    assert!(matches!(std::io::Read::read(&mut stream, &mut [0]), Ok(0) | Err(_)));
    server.wait_until("the stranger to be turned away", |now| now.strangers == 1);
    assert_eq!(server.counters().handshakes, 0);
}
