//! TLS records from a participant: truncated, modified, repeated, or correctly encrypted but still
//! invalid.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use autamedica_signaling::base::limits::Limit;
use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::crypto::{CryptoProvider, ring};
use rustls::{ConnectionTrafficSecrets, ContentType, ProtocolVersion, SupportedCipherSuite};
use serde_json::Value;

use crate::common::raw::{TEXT, frame, upgrade_request};
use crate::common::secure::Pair;
use crate::common::{Client, TestServer, client, people};

use super::hall::{Hall, marker, only_sees_it_drop, text};

/// Kinds of records (RFC 8446 5.1, RFC 6520 7).
const CHANGE: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CONTENT: u8 = 23;
const HEARTBEAT: u8 = 24;

/// Bytes of a record that stand before its content (RFC 8446 5.1).
const HEADER: usize = 5;

/// The most that a record may hold (RFC 8446 5.1).
const FRAGMENT_MAX: usize = 1 << 14;

/// Both versions, each with a cipher whose keys we can take over.
const VERSIONS: [(&str, SupportedCipherSuite); 2] = [
    ("1.2", ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("1.3", ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256),
];

/// Somebody in a room who encrypts records as it likes, whom it is in there with, and what would reach the latter.
struct Attacker {
    tcp: TcpStream,
    encrypter: Box<dyn MessageEncrypter>,
    sent: u64,
    /// A record with the hello of a genuine client.
    hello: Vec<u8>,
    partner: Client,
    marker: Value,
}

impl Attacker {
    /// Joins by a handshake in good order, and takes the keys over.
    fn join(server: &TestServer, pair: &Pair, suite: SupportedCipherSuite) -> Self {
        let (doctor, patient) = people();
        let mut partner = Client::join(server, &patient);
        let provider = CryptoProvider { cipher_suites: vec![suite], ..ring::default_provider() };
        let mut config = pair.client_of(provider, &[suite.version()]);
        config.enable_secret_extraction = true;
        let mut hello = Vec::new();
        let another = pair.over(client::connect(server.address()), config.clone());
        another.into_parts().0.write_tls(&mut hello).expect("a hello");
        let mut stream = pair.over(client::connect(server.address()), config);
        let bearer = format!("Authorization: Bearer {}\r\n", doctor.token);
        let join = frame(TEXT, doctor.join_request().to_string().as_bytes());
        stream.write_all(&[upgrade_request(&bearer).as_bytes(), &join].concat()).expect("sent");
        let mut heard = Vec::new();
        while !heard.windows(13).any(|word| word == b"\"room-status\"") {
            let mut bytes = [0; 4_096];
            let len = stream.read(&mut bytes).expect("an answer");
            assert!(len > 0, "{}", String::from_utf8_lossy(&heard));
            heard.extend_from_slice(&bytes[..len]);
        }
        partner.expect("peer-joined");
        partner.expect("room-status");
        let secrets = stream.conn.dangerous_extract_secrets().expect("keys");
        let (sent, ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }) = secrets.tx else {
            panic!("another cipher");
        };
        let encrypter = match suite {
            SupportedCipherSuite::Tls12(suite) => suite.aead_alg.encrypter(key, iv.as_ref(), &[]),
            SupportedCipherSuite::Tls13(suite) => suite.aead_alg.encrypter(key, iv),
        };
        let marker = marker(&doctor, &partner.person);
        Self { tcp: stream.sock, encrypter, sent, hello, partner, marker }
    }

    /// The next record, properly encrypted.
    fn seal(&mut self, kind: u8, content: &[u8]) -> Vec<u8> {
        let message = OutboundPlainMessage {
            typ: ContentType::from(kind),
            version: ProtocolVersion::TLSv1_2,
            payload: OutboundChunks::Single(content),
        };
        let record = self.encrypter.encrypt(message, self.sent).expect("encrypted");
        self.sent += 1;
        record.encode()
    }

    /// A record with something that would reach the partner.
    fn seal_marker(&mut self) -> Vec<u8> {
        let message = text(&self.marker);
        self.seal(CONTENT, &message)
    }

    /// The hello of another handshake.
    fn seal_hello(&mut self) -> Vec<u8> {
        let hello = self.hello.clone();
        self.seal(HANDSHAKE, &hello[HEADER..])
    }

    /// How long such a record is. It is not sent.
    fn seal_marker_len(&mut self) -> usize {
        let len = self.seal_marker().len();
        self.sent -= 1;
        len
    }

    /// The server may have closed before the last byte.
    fn send(&mut self, bytes: &[u8]) {
        let _ = self.tcp.write_all(bytes);
    }

    /// Sends, and then nothing more. The connection ends; the partner has heard this many messages, and that it dropped.
    fn ends(mut self, bytes: &[u8], heard: usize) {
        self.send(bytes);
        // It may be closed already.
        let _ = self.tcp.shutdown(Shutdown::Write);
        if let Err(error) = self.tcp.read_to_end(&mut Vec::new()) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "no end came");
        }
        for _ in 0..heard {
            assert_eq!(self.partner.receive(), self.marker);
        }
        only_sees_it_drop(&mut self.partner);
    }
}

/// What somebody in a room sends, and how many of its messages are heard before the end, in each version.
type Row = (&'static str, fn(&mut Attacker) -> Vec<u8>, [usize; 2]);

const ROWS: [Row; 31] = [
    (
        "handshake records of nothing, without end",
        |it| (0..2_000).flat_map(|_| it.seal(HANDSHAKE, b"")).collect(),
        [0; 2],
    ),
    (
        "a new hello, which 1.2 declines and goes on (RFC 5246 7.2.2)",
        |it| [it.seal_hello(), it.seal_marker()].concat(),
        [1, 0],
    ),
    (
        "new hellos without end",
        |it| {
            let hellos = (0..50).flat_map(|_| it.seal_hello()).collect::<Vec<_>>();
            [hellos, it.seal_marker()].concat()
        },
        [0; 2],
    ),
    (
        "a handshake message that content follows before its end",
        |it| [it.seal(HANDSHAKE, &[1, 0, 1, 0, 3, 3]), it.seal_marker()].concat(),
        [0; 2],
    ),
    (
        "an end with close_notify in the middle of a frame",
        |it| half_a_frame_and(it, ALERT, &[1, 0]),
        [0; 2],
    ),
    ("an end without close_notify", |it| it.seal_marker(), [1; 2]),
    (
        "an end without close_notify in the middle of a frame",
        |it| half_a_frame_and(it, CONTENT, b""),
        [0; 2],
    ),
    (
        "a message behind close_notify",
        |it| [it.seal(ALERT, &[1, 0]), it.seal_marker()].concat(),
        [0; 2],
    ),
    (
        "a fatal alert in the middle of a frame, and the rest",
        |it| {
            let message = text(&it.marker);
            let (one, two) = message.split_at(9);
            [it.seal(CONTENT, one), it.seal(ALERT, &[2, 80]), it.seal(CONTENT, two)].concat()
        },
        [0; 2],
    ),
    ("a fatal alert", |it| [it.seal(ALERT, &[2, 40]), it.seal_marker()].concat(), [0; 2]),
    ("a record twice", |it| it.seal_marker().repeat(2), [1; 2]),
    ("a record left out", |it| vec![it.seal_marker(), it.seal_marker()].swap_remove(1), [0; 2]),
    (
        "two records in the other order",
        |it| {
            let (one, two) = (it.seal_marker(), it.seal_marker());
            [two, one].concat()
        },
        [0; 2],
    ),
    (
        "content in the clear",
        |it| [in_clear(CONTENT, &text(&it.marker)), it.seal_marker()].concat(),
        [0; 2],
    ),
    (
        "a handshake in the clear",
        |it| [in_clear(HANDSHAKE, &[0; 4]), it.seal_marker()].concat(),
        [0; 2],
    ),
    ("an alert in the clear", |it| [in_clear(ALERT, &[2, 40]), it.seal_marker()].concat(), [0; 2]),
    ("a frame without TLS around it", |it| text(&it.marker), [0; 2]),
    (
        "a request without TLS around it",
        |_| b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        [0; 2],
    ),
    (
        "a record of a kind that nobody knows",
        |it| [it.seal(99, b"x"), it.seal_marker()].concat(),
        [0; 2],
    ),
    (
        "a heartbeat that asks for 64 KiB",
        |it| [it.seal(HEARTBEAT, &[1, 0xff, 0xff, b'x']), it.seal_marker()].concat(),
        [0; 2],
    ),
    (
        "a heartbeat in the clear that asks for 64 KiB",
        |_| in_clear(HEARTBEAT, &[1, 0xff, 0xff, b'x']),
        [0; 2],
    ),
    (
        "a record larger than there are",
        |it| [it.seal(CONTENT, &[b' '; FRAGMENT_MAX + 1]), it.seal_marker()].concat(),
        [0; 2],
    ),
    ("a header that announces 65,535 bytes", |_| vec![CONTENT, 3, 3, 0xff, 0xff], [0; 2]),
    (
        "the same, and as many bytes",
        |_| [&[CONTENT, 3, 3, 0xff, 0xff][..], &[0; 0xffff]].concat(),
        [0; 2],
    ),
    (
        "a header that announces a byte more than there may be",
        |_| vec![CONTENT, 3, 3, 0x48, 0x01],
        [0; 2],
    ),
    ("a record of zeros", |_| in_clear(CONTENT, &[0; 64]), [0; 2]),
    ("a change of the cipher", |it| [it.seal(CHANGE, &[1]), it.seal_marker()].concat(), [0; 2]),
    ("an alert of one byte", |it| [it.seal(ALERT, &[1]), it.seal_marker()].concat(), [0; 2]),
    (
        "a handshake record of nothing, which is passed over",
        |it| [it.seal(HANDSHAKE, b""), it.seal_marker()].concat(),
        [1; 2],
    ),
    (
        "records without content, without end",
        |it| (0..2_000).flat_map(|_| it.seal(CONTENT, b"")).collect(),
        [0; 2],
    ),
    (
        "warnings without end",
        |it| (0..2_000).flat_map(|_| it.seal(ALERT, &[1, 90])).collect(),
        [0; 2],
    ),
];

/// A record in the clear.
fn in_clear(kind: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).expect("short").to_be_bytes();
    [&[kind, 3, 3][..], &len, content].concat()
}

/// The first half of a message in one record, and another record.
fn half_a_frame_and(it: &mut Attacker, kind: u8, content: &[u8]) -> Vec<u8> {
    let message = text(&it.marker);
    [it.seal(CONTENT, &message[..message.len() / 2]), it.seal(kind, content)].concat()
}

#[test]
fn whole_records_that_should_not_be() {
    let pair = Pair::new();
    let mut hall = Hall::showing(&pair, |_| {});
    for (at, (version, suite)) in VERSIONS.into_iter().enumerate() {
        for (name, make, heard) in ROWS {
            hall.row(&format!("{name}, {version}"), |server| {
                let mut attacker = Attacker::join(server, &pair, suite);
                let bytes = make(&mut attacker);
                attacker.ends(&bytes, heard[at]);
            });
        }
    }
    hall.close("records");
}

#[test]
fn what_is_wrapped_around_a_message_counts_as_bytes_that_came() {
    let pair = Pair::new();
    let mut hall = Hall::showing(&pair, |config| {
        config.bytes_rate = 128 * 1024;
        config.bytes_burst = 32 * 1024;
    });
    for (version, suite) in VERSIONS {
        hall.row(&format!("a byte in every tenth record, {version}"), |server| {
            let mut attacker = Attacker::join(server, &pair, suite);
            let rested = server.counters().limits.of(Limit::BytesRate);
            for byte in text(&attacker.marker) {
                let wrapped = (0..9).flat_map(|_| attacker.seal(CONTENT, b"")).collect::<Vec<_>>();
                let wrapped = [wrapped, attacker.seal(CONTENT, &[byte])].concat();
                attacker.send(&wrapped);
            }
            // It waits, and nothing of it is lost.
            assert_eq!(attacker.partner.receive(), attacker.marker);
            let counters = server.counters();
            assert!(counters.limits.of(Limit::BytesRate) > rested, "{counters:?}");
            attacker.ends(b"", 0);
        });
    }
    hall.close("wrapped bytes");
}

/// Places in a record to do something at: each byte of the header, some of the content, and those at the end.
fn places(len: usize) -> impl Iterator<Item = usize> {
    (0..len).filter(move |at| *at <= HEADER + 1 || at % 40 == 0 || at + 2 >= len)
}

#[test]
fn records_that_are_cut() {
    let pair = Pair::new();
    let mut hall = Hall::showing(&pair, |_| {});
    for (version, suite) in VERSIONS {
        // The rest comes later: nothing is lost, wherever it was cut.
        let mut attacker = Attacker::join(&hall.server, &pair, suite);
        hall.row(&format!("cut at each byte, and the rest, {version}"), |_| {
            for at in 1..attacker.seal_marker_len() {
                let record = attacker.seal_marker();
                attacker.send(&record[..at]);
                attacker.send(&record[at..]);
                assert_eq!(attacker.partner.receive(), attacker.marker, "cut at {at}");
            }
        });
        let len = attacker.seal_marker_len();
        attacker.ends(b"", 0);
        // The rest never comes.
        for at in places(len) {
            hall.row(&format!("cut at {at}, {version}"), |server| {
                let mut attacker = Attacker::join(server, &pair, suite);
                let bytes = [attacker.seal_marker(), attacker.seal_marker()].concat();
                attacker.ends(&bytes[..len + at], 1);
            });
        }
    }
    hall.close("cut records");
}

#[test]
fn records_that_were_changed_on_the_way() {
    let pair = Pair::new();
    let mut hall = Hall::showing(&pair, |_| {});
    for (version, suite) in VERSIONS {
        let len = Attacker::join(&hall.server, &pair, suite).seal_marker_len();
        for at in places(len) {
            // In 1.3 the header is for show but for its length: the true kind is in what is encrypted (RFC 8446 5.2).
            let for_show = |bit: &u8| at == 2 || (at == 0 && *bit == 0x01 && version == "1.3");
            for bit in [0x01, 0x80].into_iter().filter(|bit| !for_show(bit)) {
                hall.row(&format!("bit {bit:#x} of byte {at}, {version}"), |server| {
                    let mut attacker = Attacker::join(server, &pair, suite);
                    let mut bytes = [attacker.seal_marker(), attacker.seal_marker()].concat();
                    bytes[len + at] ^= bit;
                    let behind = attacker.seal_marker();
                    attacker.ends(&[bytes, behind].concat(), 1);
                });
            }
        }
    }
    hall.close("changed records");
}
