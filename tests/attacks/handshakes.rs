//! TLS handshakes: none at all, old versions, malformed and unfinished ones, and too many of them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use autamedica_signaling::base::time::Duration;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::common::http::check_refusal;
use crate::common::raw::{Response, TEXT, frame, upgrade_request};
use crate::common::secure::{self, HOST, Pair, Stream};
use crate::common::{Client, TestServer, client, people};

use super::hall::{Hall, is_undisturbed, marker, only_sees_it_drop, text};

const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

/// What a fresh connection that is no client's hears before it ends.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// That TLS is spoken here, in plain HTTP.
    InTheClear,
    /// This alert and nothing else (RFC 8446 6.2).
    Alert(u8),
    /// Records, which have no content in them.
    Records,
}

const UNEXPECTED: Answer = Answer::Alert(10);
const HANDSHAKE_FAILURE: Answer = Answer::Alert(40);
const DECODE: Answer = Answer::Alert(50);
const VERSION: Answer = Answer::Alert(70);
const PROTOCOL: Answer = Answer::Alert(120);

type Row = (String, Vec<u8>, Answer);

/// Kinds of records (RFC 8446 5.1).
const CHANGE: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CONTENT: u8 = 23;

/// The first record of a client.
fn hello(stream: &mut Stream) -> Vec<u8> {
    let mut hello = Vec::new();
    stream.conn.write_tls(&mut hello).expect("a hello");
    hello
}

/// A record in the clear.
fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).expect("short").to_be_bytes();
    [&[kind, 3, 3][..], &len, content].concat()
}

/// Sends bytes and then nothing more, and checks what comes.
fn check(server: &TestServer, bytes: &[u8], answer: Answer) {
    let mut stream = client::connect(server.address());
    // The server may close before all is sent.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let heard = heard(&mut stream);
    match answer {
        Answer::InTheClear => check_refusal(&Response::parse(&heard), 400, "BAD_REQUEST"),
        Answer::Alert(code) => {
            assert!(heard.len() == 7 && heard[0] == ALERT, "{heard:x?}");
            assert_eq!(heard[3..], [0, 2, 2, code], "{heard:x?}");
        }
        Answer::Records => check_records(&heard),
    }
}

/// All that comes before the end, whatever that is like.
fn heard(stream: &mut TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    if let Err(error) = stream.read_to_end(&mut heard) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "no end came");
    }
    heard
}

/// There are handshakes and alerts, perhaps encrypted ones, and no word of HTTP.
fn check_records(bytes: &[u8]) {
    let mut rest = bytes;
    while let [kind, 3, _, high, low, more @ ..] = rest {
        assert!((CHANGE..=CONTENT).contains(kind), "{bytes:x?}");
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        assert!(len <= more.len(), "a cut record: {bytes:x?}");
        rest = &more[len..];
    }
    assert!(rest.is_empty(), "{bytes:x?}");
    assert!(!bytes.windows(5).any(|word| word == b"HTTP/"), "{bytes:x?}");
}

/// The hello with these bytes, which stand in it once, replaced by as many others.
fn changed(hello: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let found: Vec<_> =
        hello.windows(from.len()).enumerate().filter(|(_, at)| *at == from).collect();
    let [(at, _)] = found[..] else { panic!("{from:x?}: {} times", found.len()) };
    let mut hello = hello.to_vec();
    hello[at..at + to.len()].copy_from_slice(to);
    hello
}

fn run(what: &str, rows: Vec<Row>) {
    let pair = Pair::new();
    let mut hall = Hall::showing(&pair, |_| {});
    for (name, bytes, answer) in rows {
        hall.row(&name, |server| check(server, &bytes, answer));
    }
    hall.close(what);
}

fn row(name: impl Into<String>, bytes: impl Into<Vec<u8>>, answer: Answer) -> Row {
    (name.into(), bytes.into(), answer)
}

#[test]
fn no_tls_at_all() {
    let token = people().0.token;
    let clear = Answer::InTheClear;
    run(
        "no TLS at all",
        vec![
            row("a request", HEALTH, clear),
            row("an upgrade", upgrade_request(""), clear),
            row(
                "an upgrade with a token",
                upgrade_request(&format!("Authorization: Bearer {token}\r\n")),
                clear,
            ),
            row(
                "an upgrade and a message",
                [upgrade_request("").as_bytes(), &frame(TEXT, b"{}")].concat(),
                clear,
            ),
            row("two requests", HEALTH.repeat(2), clear),
            row("the first letter of one", "G", clear),
            row(
                "a large one",
                format!("POST / HTTP/1.1\r\nHost: x\r\n\r\n{}", "x".repeat(100_000)),
                clear,
            ),
            row("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", clear),
            row(
                "a PROXY header that nobody asked for",
                "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n",
                clear,
            ),
            row(
                "a binary PROXY header",
                b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\0\0\0\0\0\0\0\0\0\0\0\0",
                Answer::Records,
            ),
            row("a frame", frame(TEXT, br#"{"type":"ping"}"#), Answer::Records),
            row("small letters", "get / http/1.1\r\n\r\n", Answer::Records),
            row("a client of SSH", "SSH-2.0-OpenSSH_9.9\r\n", clear),
            row("nothing", "", Answer::Records),
        ],
    );
}

#[test]
fn hellos_that_are_none() {
    let plain = record;
    let record = |content: &[u8]| plain(HANDSHAKE, content);
    let (none, large) = (Answer::Records, vec![0; 16_000]);
    let mut rows = vec![
        row("zeros", vec![0; 10_000], none),
        row("an empty record", record(b""), none),
        row("empty records without end", record(b"").repeat(10_000), none),
        row("a hello of nothing", record(&[1, 0, 0, 0]), DECODE),
        row("a hello of zeros", record(&[&[1, 0, 0, 100][..], &[0; 100]].concat()), DECODE),
        row("0xff", record(&[0xff; 100]), none),
        row("a server's hello", record(&[2, 0, 0, 0]), none),
        row(
            "a finished handshake",
            record(&[20, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            none,
        ),
        row("16 MiB announced", record(&[1, 0xff, 0xff, 0xff]), none),
        row(
            "64 KiB of a hello",
            record(&[&[1, 0, 0xff, 0xf0][..], &large].concat()).repeat(4),
            none,
        ),
        row("content", plain(CONTENT, HEALTH.as_bytes()), UNEXPECTED),
        row("an alert", plain(ALERT, &[2, 40]), none),
        row("a warning", plain(ALERT, &[1, 90]), none),
        row("warnings without end", plain(ALERT, &[1, 90]).repeat(10_000), none),
        row("an end", plain(ALERT, &[1, 0]), none),
        row("a change of the cipher", plain(CHANGE, &[1]).repeat(100), none),
        row("a heartbeat that asks for 64 KiB", plain(24, &[1, 0xff, 0xff, b'x']), none),
        row(
            "a hello of SSL 2",
            [&[0x80, 0x2e, 1, 0, 2, 0, 21, 0, 0, 0, 16][..], &[7; 37]].concat(),
            none,
        ),
        row("a record that announces 65,535 bytes", [HANDSHAKE, 3, 1, 0xff, 0xff], DECODE),
        row(
            "a record that announces a byte more than there may be",
            [HANDSHAKE, 3, 1, 0x48, 1],
            DECODE,
        ),
    ];
    for version in [[0, 0], [2, 0], [3, 9], [4, 0], [0xfe, 0xff], [0xff, 0xff]] {
        let bytes = [&[HANDSHAKE, version[0], version[1], 0, 4][..], &[1, 0, 0, 0]].concat();
        rows.push(row(format!("a record of version {version:?}"), bytes, none));
    }
    run("hellos that are none", rows);
}

#[test]
fn hellos_of_other_times_and_for_others() {
    let pair = Pair::new();
    let server = secure::start(&pair, |_| {});
    let of = |version| pair.over(client::connect(server.address()), pair.client(&[version]));
    let older = hello(&mut of(&rustls::version::TLS12));
    let newer = hello(&mut of(&rustls::version::TLS13));
    let mut rows = Vec::new();
    for (name, minor) in [("SSL 3.0", 0), ("TLS 1.0", 1), ("TLS 1.1", 2)] {
        // In the extension that names the versions, and where it stood before there was one.
        let one = changed(&older, &[0, 0x2b, 0, 3, 2, 3, 3], &[0, 0x2b, 0, 3, 2, 3, minor]);
        rows.push(row(name, one, VERSION));
        let mut old = changed(&older, &[0, 0x2b, 0, 3, 2, 3, 3], &[0xfa, 0xfa, 0, 3, 2, 3, 3]);
        old[10] = minor;
        rows.push(row(format!("{name} in the old place"), old, VERSION));
    }
    let future = changed(&newer, &[0, 0x2b, 0, 3, 2, 3, 4], &[0, 0x2b, 0, 3, 2, 3, 5]);
    rows.push(row("a version that does not exist yet", future, VERSION));
    for (name, protocol) in
        [("HTTP/2", &b"h2"[..]), ("nobody's protocol", b"x"), ("HTTP/1.0", b"http/1.0")]
    {
        let mut config = pair.client(&[&rustls::version::TLS12]);
        config.alpn_protocols = vec![protocol.to_vec()];
        let hello = hello(&mut pair.over(client::connect(server.address()), config));
        rows.push(row(name, hello, PROTOCOL));
    }
    let suites = [0x13, 1];
    let none = changed(&newer, &[&suites[..], &[0x13, 3]].concat(), &[0, 0, 0, 1]);
    let none = changed(&none, &[0x13, 2], &[0, 2]);
    rows.push(row("ciphers that encrypt nothing", none, HANDSHAKE_FAILURE));
    // Whatever name is asked for, it is this server's certificate that is shown.
    for name in ["LOCALHOST", "locafhost", "local.hst", "........."] {
        let bytes = changed(&newer, b"localhost", name.as_bytes());
        rows.push(row(format!("for {name:?}"), bytes, Answer::Records));
    }
    for name in [&b"local\0hst"[..], &[0xff; 9], b"local/../", b"localhos\n", b" % < > \" '"] {
        let bytes = changed(&newer, b"localhost", &name[..9]);
        rows.push(row(format!("for {:?}", String::from_utf8_lossy(name)), bytes, Answer::Records));
    }
    rows.push(row("twice", newer.repeat(2), Answer::Records));
    rows.push(row(
        "with content behind it",
        [&newer, &record(CONTENT, HEALTH.as_bytes())[..]].concat(),
        Answer::Records,
    ));
    rows.push(row(
        "with a request behind it",
        [&newer, HEALTH.as_bytes()].concat(),
        Answer::Records,
    ));
    rows.push(row(
        "with an end behind it",
        [&newer, &record(ALERT, &[1, 0])[..]].concat(),
        Answer::Records,
    ));
    server.stop();
    run("hellos", rows);
}

#[test]
fn handshakes_that_stop_half_way() {
    let pair = Pair::new();
    // Long enough for the call beside to be set up on a slow machine.
    let mut hall = Hall::showing(&pair, |config| config.head_timeout = Duration::from_secs(2));
    hall.row("all at once, each at another place", |server| {
        let connect = || pair.connect(server.address());
        let mut unfinished = Vec::new();
        for part in [0, 1, 4, 5, 6, 100, usize::MAX] {
            let mut stream = connect();
            let hello = hello(&mut stream);
            stream.sock.write_all(&hello[..part.min(hello.len())]).expect("sent");
            unfinished.push(stream.sock);
        }
        let mut answered = Vec::new();
        let mut cut = Vec::new();
        for part in [1, HEALTH.len() - 2] {
            let mut stream = connect();
            stream.conn.complete_io(&mut stream.sock).expect("a handshake");
            stream.write_all(&HEALTH.as_bytes()[..part]).expect("sent");
            answered.push(stream);
            // The same request in a record of which half comes.
            let mut stream = connect();
            stream.conn.complete_io(&mut stream.sock).expect("a handshake");
            stream.conn.writer().write_all(HEALTH.as_bytes()).expect("taken");
            let mut record = Vec::new();
            stream.conn.write_tls(&mut record).expect("written");
            stream.sock.write_all(&record[..record.len() - part]).expect("sent");
            cut.push(stream);
        }
        let mut silent = connect();
        silent.conn.complete_io(&mut silent.sock).expect("a handshake");
        cut.push(silent);
        for mut tcp in unfinished {
            check_records(&heard(&mut tcp));
        }
        for stream in answered.iter_mut().chain(&mut cut) {
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).expect("a proper end");
            let is_told = answer.starts_with(b"HTTP/1.1 408 ");
            assert!(answer.is_empty() || is_told, "{}", String::from_utf8_lossy(&answer));
        }
        server.wait_until("all but the call to be gone", |now| now.connections == 2);
    });
    hall.close("unfinished handshakes");
}

#[test]
fn half_a_record_and_then_silence() {
    let pair = Pair::new();
    let mut hall = Hall::showing(&pair, |config| config.heartbeat = Duration::from_secs(1));
    hall.row("in a room", |server| {
        let (doctor, patient) = people();
        let mut partner = Client::join(server, &patient);
        let mut attacker = Client::join_over(pair.connect(server.address()), HOST, &doctor);
        partner.expect("peer-joined");
        partner.expect("room-status");
        let stream = attacker.socket.get_mut();
        let message = text(&marker(&doctor, &patient));
        stream.conn.writer().write_all(&message).expect("taken");
        let mut record = Vec::new();
        stream.conn.write_tls(&mut record).expect("written");
        stream.sock.write_all(&record[..record.len() / 2]).expect("sent");
        thread::scope(|scope| {
            // Whoever waits to hear of it answers the pings meanwhile.
            scope.spawn(|| only_sees_it_drop(&mut partner));
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).expect("a proper end");
            assert_eq!(heard[heard.len() - 4..], [0x88, 2, 0x11, 0x80], "4480: {heard:x?}");
        });
    });
    hall.close("silences");
}

/// A server of the same name and certificate, whose tickets allow early data.
fn generous(pair: &Pair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key");
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![pair.certificate()], key)
        .expect("a pair");
    config.max_early_data_size = 16_384;
    Arc::new(config)
}

#[test]
fn early_data() {
    let pair = Pair::new();
    let mut hall = Hall::showing(&pair, |_| {});
    let mut config = pair.client(&[&rustls::version::TLS13]);
    config.enable_early_data = true;
    let (doctor, patient) = people();
    let bearer = format!("Authorization: Bearer {}\r\n", doctor.token);
    let join = text(&doctor.join_request());
    let marker = text(&marker(&doctor, &patient));
    let upgrade = upgrade_request(&bearer);
    for (name, said) in [
        ("a request", HEALTH.as_bytes().to_vec()),
        ("an upgrade, and all that follows", [upgrade.as_bytes(), &join, &marker].concat()),
    ] {
        hall.row(name, |server| {
            let mut partner = Client::join(server, &patient);
            // A ticket of another server.
            let door = TcpListener::bind("127.0.0.1:0").expect("a door");
            let address = door.local_addr().expect("its address");
            let generous = generous(&pair);
            thread::scope(|scope| {
                scope.spawn(|| {
                    let (tcp, _) = door.accept().expect("a client");
                    let connection = ServerConnection::new(generous).expect("a server");
                    let mut stream = StreamOwned::new(connection, tcp);
                    stream.write_all(b"x").expect("sent");
                });
                let mut stream = pair.over(client::connect(address), config.clone());
                stream.read_exact(&mut [0]).expect("a byte behind the ticket");
            });
            let mut stream = pair.over(client::connect(server.address()), config.clone());
            let mut early = stream.conn.early_data().expect("the ticket allows it");
            early.write_all(&said).expect("taken");
            // Whatever comes, it is no answer to that.
            let shaken = stream.conn.complete_io(&mut stream.sock);
            assert!(shaken.is_err() || !stream.conn.is_early_data_accepted(), "{shaken:?}");
            stream.sock.shutdown(Shutdown::Write).expect("shut down");
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
            is_undisturbed(&mut partner);
        });
    }
    hall.close("early data");
}

#[test]
fn many_handshakes_at_once() {
    let pair = Pair::new();
    let mut hall = Hall::showing(&pair, |config| config.head_timeout = Duration::from_secs(120));
    hall.row("a hundred whole ones, and as many that stop after a byte", |server| {
        let connect =
            || pair.over(client::connect(server.address()), pair.client(rustls::ALL_VERSIONS));
        let mut crowd = Vec::new();
        let mut stopped = Vec::new();
        for _ in 0..100 {
            let (mut one, mut other) = (connect(), connect());
            one.conn.write_tls(&mut one.sock).expect("sent");
            let hello = hello(&mut other);
            other.sock.write_all(&hello[..1]).expect("sent");
            crowd.push(one);
            stopped.push(other);
        }
        for mut stream in crowd {
            assert_eq!(secure::ask(&mut stream, HEALTH).status, 200);
        }
    });
    hall.row("a hundred that are broken off where it has cost the most", |server| {
        for _ in 0..100 {
            let mut stream =
                pair.over(client::connect(server.address()), pair.client(rustls::ALL_VERSIONS));
            stream.conn.write_tls(&mut stream.sock).expect("sent");
            stream.sock.read_exact(&mut [0]).expect("an answer");
        }
    });
    hall.close("many handshakes");
}
