//! Clients that do not use TLS, or use it wrongly.

use std::io::{Read, Write};
use std::net::Shutdown;

use autamedica_signaling::base::time::Duration;

use crate::common::http::check_refusal;
use crate::common::secure::{self, Pair};
use crate::common::{Raw, client};

#[test]
fn plain_http_is_told_so_in_plain_http() {
    let pair = Pair::new();
    let server = secure::start(&pair, |_| {});
    for request in [
        "GET /health HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "G".to_owned(),
        format!("POST / HTTP/1.1\r\nHost: x\r\n\r\n{}", "x".repeat(200_000)),
    ] {
        let mut raw = Raw::connect(server.address());
        raw.send(request.as_bytes());
        let response = raw.read_response();
        check_refusal(&response, 400, "BAD_REQUEST");
        assert!(response.json()["message"].as_str().is_some_and(|text| text.contains("TLS")));
        assert_eq!(response.field("Strict-Transport-Security"), None, "RFC 6797 7.2");
    }
    server.wait_until_empty();
    assert_eq!(server.counters().handshakes_failed, 3);
}

#[test]
fn what_is_neither_is_refused_and_leaves_nothing() {
    let pair = Pair::new();
    let server = secure::start(&pair, |_| {});
    let record = |kind: u8, body: &[u8]| {
        let len = u16::try_from(body.len()).expect("short").to_be_bytes();
        [&[kind, 3, 3][..], &len, body].concat()
    };
    let bytes = [
        b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
        vec![0x80, 0x2e, 1, 0, 2],
        vec![0; 100_000],
        record(22, &[0xff; 100]),
        record(23, b"content before the handshake"),
        record(21, &[2, 40]),
        // A hello of 64 KiB that comes bit by bit.
        record(22, &[&[1, 0, 0xff, 0xf0][..], &[0; 16_000]].concat()).repeat(4),
        // Warnings without end.
        record(21, &[1, 90]).repeat(10_000),
    ];
    let count = bytes.len() as u64;
    for bytes in &bytes {
        let mut stream = client::connect(server.address());
        // The server may close before all is sent.
        let _ = stream.write_all(bytes);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    server.wait_until_empty();
    assert_eq!(server.counters().handshakes, 0);
    assert!(server.counters().handshakes_failed >= count - 1, "{:?}", server.counters());
}

#[test]
fn records_without_content_come_to_an_end() {
    let pair = Pair::new();
    let server = secure::start(&pair, |_| {});
    let mut stream = pair.connect(server.address());
    stream.conn.complete_io(&mut stream.sock).expect("a handshake");
    // Updates of the key, each of which asks for one in return (RFC 8446 4.6.3).
    let mut sent = 0;
    while stream.conn.refresh_traffic_keys().is_ok()
        && stream.conn.complete_io(&mut stream.sock).is_ok()
    {
        sent += 1;
        assert!(sent < 100_000, "for ever");
    }
    server.wait_until_empty();
}

#[test]
fn changed_bytes_end_the_connection_and_no_other() {
    let pair = Pair::new();
    let server = secure::start(&pair, |_| {});
    let mut good = pair.connect(server.address());
    let mut bad = pair.connect(server.address());
    bad.conn.complete_io(&mut bad.sock).expect("a handshake");
    bad.conn.writer().write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").expect("taken");
    let mut record = Vec::new();
    bad.conn.write_tls(&mut record).expect("written");
    record[20] ^= 1;
    bad.sock.write_all(&record).expect("sent");
    // What comes is the alert, and no answer.
    assert!(bad.read_to_end(&mut Vec::new()).is_err());
    let response = secure::ask(&mut good, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(response.status, 200);
    server.wait_until_empty();
}

#[test]
fn a_handshake_may_be_cut_anywhere() {
    let pair = Pair::new();
    let server = secure::start(&pair, |_| {});
    let mut stream = pair.connect(server.address());
    // One byte at a time, each in a packet of its own.
    while stream.conn.is_handshaking() {
        while stream.conn.wants_write() {
            let mut bytes = Vec::new();
            stream.conn.write_tls(&mut bytes).expect("written");
            for byte in bytes {
                stream.sock.write_all(&[byte]).expect("sent");
            }
        }
        if stream.conn.is_handshaking() {
            stream.conn.read_tls(&mut stream.sock).expect("an answer");
            stream.conn.process_new_packets().expect("a good one");
        }
    }
    let response = secure::ask(&mut stream, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(response.status, 200);

    let mut whole = pair.connect(server.address());
    let mut hello = Vec::new();
    whole.conn.write_tls(&mut hello).expect("written");
    for len in 1..hello.len() {
        let mut cut = client::connect(server.address());
        cut.write_all(&hello[..len]).expect("sent");
        cut.shutdown(Shutdown::Write).expect("shut down");
        let _ = cut.read_to_end(&mut Vec::new());
    }
    drop((whole, stream));
    server.wait_until_empty();
}

#[test]
fn a_handshake_that_takes_too_long_is_given_up() {
    let pair = Pair::new();
    let server = secure::start(&pair, |config| config.head_timeout = Duration::from_millis(300));
    let mut silent = client::connect(server.address());
    let mut begun = pair.connect(server.address());
    let mut hello = Vec::new();
    begun.conn.write_tls(&mut hello).expect("written");
    begun.sock.write_all(&hello[..100]).expect("sent");
    let mut done = pair.connect(server.address());
    done.conn.complete_io(&mut done.sock).expect("a handshake");
    done.write_all(b"GET /hea").expect("sent");
    assert_eq!(silent.read(&mut [0]).ok(), Some(0));
    assert_eq!(begun.sock.read(&mut [0]).ok(), Some(0));
    let mut answer = Vec::new();
    done.read_to_end(&mut answer).expect("an answer and a proper end");
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
    drop(done);
    server.wait_until_empty();
}
