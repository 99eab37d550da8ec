//! RFC 6455 over real sockets: the echo of `examples/echo.rs`, on the server's own frames,
//! connection and reactor.

mod common;
#[path = "../examples/echo.rs"]
#[allow(dead_code, reason = "its `main` is for the example")]
mod echo;

use std::net::{Ipv4Addr, SocketAddr};

use autamedica_signaling::reactor::{Options, Reactor};

use common::raw::{
    BINARY, CLOSE, CONTINUATION, Frame, PING, PONG, TEXT, close, frame, frame_of, part,
};
use common::{Raw, TestServer};
use echo::{Echo, MESSAGE_BYTES_MAX};

fn start() -> TestServer {
    start_with(|_| {})
}

fn start_with(change: impl FnOnce(&mut Options)) -> TestServer {
    let mut options = echo::options(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    change(&mut options);
    let reactor = Reactor::bind(options, Echo::default()).expect("a reactor");
    TestServer::run(reactor.handle(), move || reactor.run())
}

fn whole(opcode: u8, payload: &[u8]) -> Frame {
    Frame { fin: true, opcode, payload: payload.to_vec() }
}

/// What comes back for these bytes, sent in one piece and then, where they are few, byte by byte: these frames, and a close
/// frame with this code.
#[track_caller]
fn exchange(server: &TestServer, sent: &[u8], expected: &[Frame], code: u16) {
    let pieces = if sent.len() < 1_000 { &[sent.len(), 1][..] } else { &[sent.len()] };
    for &piece in pieces {
        let mut raw = Raw::upgrade(server.address());
        for bytes in sent.chunks(piece) {
            // The server may have closed already, for good reason.
            if std::io::Write::write_all(&mut raw.stream, bytes).is_err() {
                break;
            }
        }
        for frame in expected {
            assert_eq!(raw.frame(), *frame, "in pieces of {piece}");
        }
        let last = raw.frame();
        assert_eq!((last.opcode, last.fin), (CLOSE, true), "{last:?} in pieces of {piece}");
        assert_eq!(last.close_code(), code, "in pieces of {piece}");
        raw.expect_end();
    }
}

#[test]
fn messages_of_every_length_class_come_back() {
    let server = start();
    for opcode in [TEXT, BINARY] {
        for len in [0, 1, 124, 125, 126, 127, 128, 65_535, 65_536, 131_072, 1 << 20] {
            let payload = vec![b'*'; len];
            let mut raw = Raw::upgrade(server.address());
            raw.send(&frame(opcode, &payload));
            assert_eq!(raw.frame(), whole(opcode, &payload), "{len} bytes");
        }
    }
}

#[test]
fn the_largest_message_comes_back_and_one_byte_more_does_not() {
    let server = start();
    let mut raw = Raw::upgrade(server.address());
    let largest = vec![0xfe; MESSAGE_BYTES_MAX];
    raw.send(&frame(BINARY, &largest));
    assert!(raw.frame() == whole(BINARY, &largest));
    // Refused from the header alone: nothing else was sent.
    let mut header = vec![0x82, 0xff];
    header.extend_from_slice(&(MESSAGE_BYTES_MAX as u64 + 1).to_be_bytes());
    header.extend_from_slice(&[0; 4]);
    raw.send(&header);
    assert_eq!(raw.read_close(), 1009);
    // Nor in parts: the second is one byte too long for what is left.
    let parts = [part(BINARY, &largest), frame(CONTINUATION, b"x")].concat();
    let mut raw = Raw::upgrade(server.address());
    raw.send(&parts);
    assert_eq!(raw.read_close(), 1009);
}

#[test]
fn pings_are_answered_with_what_they_carry_and_pongs_are_not_answered() {
    let server = start();
    for payload in [&b""[..], b"hello", &[0, 0xff, 0x80], &[0xfe; 125]] {
        exchange(
            &server,
            &[frame(PING, payload), frame(PONG, payload), frame(TEXT, b"on"), close(1000)].concat(),
            &[whole(PONG, payload), whole(TEXT, b"on")],
            1000,
        );
    }
    let many: Vec<u8> = (0..10).flat_map(|n| frame(PING, &[n])).collect();
    let pongs: Vec<_> = (0..10).map(|n| whole(PONG, &[n])).collect();
    exchange(&server, &[many, close(1000)].concat(), &pongs, 1000);
}

#[test]
fn fragments_are_joined_and_control_frames_may_come_between() {
    let server = start();
    for (parts, expected) in [
        (vec![part(TEXT, b"a"), frame(CONTINUATION, b"b")], vec![whole(TEXT, b"ab")]),
        (
            vec![part(BINARY, b""), part(CONTINUATION, b""), frame(CONTINUATION, b"")],
            vec![whole(BINARY, b"")],
        ),
        (
            vec![
                part(TEXT, b"a"),
                frame(PING, b"1"),
                part(CONTINUATION, b"b"),
                frame(PING, b"2"),
                frame(PONG, b""),
                frame(CONTINUATION, b"c"),
            ],
            vec![whole(PONG, b"1"), whole(PONG, b"2"), whole(TEXT, b"abc")],
        ),
        (
            // A character cut in two, with a ping in the middle of it.
            vec![part(TEXT, b"\xc3"), frame(PING, b""), frame(CONTINUATION, b"\xa9")],
            vec![whole(PONG, b""), whole(TEXT, "é".as_bytes())],
        ),
    ] {
        exchange(&server, &[parts.concat(), close(1000)].concat(), &expected, 1000);
    }
}

#[test]
fn a_message_may_come_in_very_many_fragments() {
    let server = start();
    for (fragment, count) in [(1, 20_000), (64, 65_536)] {
        let mut bytes = part(TEXT, &vec![b'x'; fragment]);
        let middle = part(CONTINUATION, &vec![b'x'; fragment]);
        (2..count).for_each(|_| bytes.extend_from_slice(&middle));
        bytes.extend_from_slice(&frame(CONTINUATION, &vec![b'x'; fragment]));
        let mut raw = Raw::upgrade(server.address());
        raw.send(&bytes);
        assert!(raw.frame() == whole(TEXT, &vec![b'x'; fragment * count]));
    }
}

#[test]
fn broken_frames_end_the_connection_with_the_code_that_says_why() {
    let server = start();
    let unmasked = b"\x81\x01a".to_vec();
    let long_ping = [&[0x89, 0xfe, 0, 126, 0, 0, 0, 0][..], &[0; 126]].concat();
    for (sent, code) in [
        // Reserved bits and opcodes (5.2)
        (frame_of(0xc1, b"a"), 1002),
        (frame_of(0xa1, b"a"), 1002),
        (frame_of(0x91, b"a"), 1002),
        (frame_of(0xf9, b"a"), 1002),
        (frame_of(0x83, b""), 1002),
        (frame_of(0x87, b"x"), 1002),
        (frame_of(0x8b, b""), 1002),
        (frame_of(0x8f, b"x"), 1002),
        // No mask (5.1)
        (unmasked, 1002),
        // Lengths that are not minimal, or over 63 bits (5.2)
        (b"\x81\xfe\x00\x05\0\0\0\0hello".to_vec(), 1002),
        (b"\x81\xff\0\0\0\0\0\0\x00\x05\0\0\0\0hello".to_vec(), 1002),
        (b"\x82\xff\x80\0\0\0\0\0\0\x00\0\0\0\0".to_vec(), 1002),
        // Control frames that are fragmented or too long (5.5)
        (part(PING, b""), 1002),
        (part(CLOSE, b""), 1002),
        (long_ping, 1002),
        // Fragments out of order (5.4)
        (frame(CONTINUATION, b"a"), 1002),
        (part(CONTINUATION, b"a"), 1002),
        ([part(TEXT, b"a"), frame(TEXT, b"b")].concat(), 1002),
        ([part(TEXT, b"a"), part(BINARY, b"b")].concat(), 1002),
        ([part(BINARY, b"a"), frame(PING, b""), frame(BINARY, b"b")].concat(), 1002),
        // Close frames (5.5.1, 7.4)
        (frame(CLOSE, b"x"), 1002),
        (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    ] {
        let pongs = sent.windows(2).filter(|pair| pair == &[0x89, 0x80]).count();
        exchange(&server, &sent, &vec![whole(PONG, b""); pongs], code);
    }
}

#[test]
fn text_is_utf_8_and_refused_as_soon_as_it_is_not() {
    let server = start();
    for good in ["κόσμε", "\u{0}", "\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}", "\u{d7ff}\u{e000}"]
    {
        let sent = [frame(TEXT, good.as_bytes()), close(1000)].concat();
        exchange(&server, &sent, &[whole(TEXT, good.as_bytes())], 1000);
    }
    for bad in [
        &b"\xff"[..],
        b"\x80",
        b"a\xc3",
        b"\xc3(",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
    ] {
        exchange(&server, &frame(TEXT, bad), &[], 1007);
        // Also where the end of the message is still to come, be it of the frame or in another.
        if bad != b"a\xc3" {
            exchange(&server, &part(TEXT, bad), &[], 1007);
            let header_of_more = [&frame_of(0x81, &[0; 125])[..6], &[]].concat();
            let masked = &frame(TEXT, bad)[6..];
            exchange(&server, &[&header_of_more, masked].concat(), &[], 1007);
        }
    }
    let cut = [part(TEXT, b"\xc3"), frame(CONTINUATION, b"(")].concat();
    exchange(&server, &cut, &[], 1007);
    let sent = [frame(BINARY, b"\xff\xfe"), close(1000)].concat();
    exchange(&server, &sent, &[whole(BINARY, b"\xff\xfe")], 1000);
}

#[test]
fn closing_is_answered_with_the_code_that_came() {
    let server = start();
    for code in (1000..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4999]) {
        exchange(&server, &close(code), &[], code);
    }
    exchange(&server, &frame(CLOSE, b""), &[], 1000);
    exchange(&server, &frame(CLOSE, b"\x03\xe8bye \xe2\x9c\x8b"), &[], 1000);
    exchange(&server, &frame(CLOSE, &[&[3, 232][..], &[b'x'; 123]].concat()), &[], 1000);
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        exchange(&server, &close(code), &[], 1002);
    }
}

#[test]
fn nothing_is_read_behind_a_close_frame_and_the_answer_arrives_all_the_same() {
    let server = start();
    let behind = frame(TEXT, &[b'x'; 60_000]).repeat(20);
    for sent in [
        [frame(TEXT, b"1"), close(1000), frame(TEXT, b"2")].concat(),
        [frame(TEXT, b"1"), close(1000), frame(PING, b"2")].concat(),
        [frame(TEXT, b"1"), close(1000), close(1001)].concat(),
        [frame(TEXT, b"1"), close(1000), b"\xff\xff\xff".to_vec()].concat(),
        [frame(TEXT, b"1"), close(1000), behind].concat(),
    ] {
        exchange(&server, &sent, &[whole(TEXT, b"1")], 1000);
    }
}

#[test]
fn a_shutdown_closes_with_1012_and_waits_for_the_answer() {
    let server = start();
    let mut raw = Raw::upgrade(server.address());
    raw.send(&frame(TEXT, b"before"));
    assert_eq!(raw.frame(), whole(TEXT, b"before"));
    server.handle().shutdown();
    let last = raw.frame();
    assert_eq!(last.close_code(), 1012);
    raw.send(&[frame(TEXT, b"crossed it"), close(1012)].concat());
    raw.expect_end();
    server.stop();
}

#[test]
fn tungstenite_s_client_agrees() {
    use tungstenite::Message;
    let server = start();
    let (mut client, _) =
        common::client::upgrade(server.address(), "/any?path", &[]).expect("an upgrade");
    for message in [
        Message::text("é".repeat(70_000)),
        Message::binary(vec![0xff; 3 << 20]),
        Message::text(""),
        Message::binary(Vec::new()),
    ] {
        client.send(message.clone()).expect("sent");
        assert!(client.read().expect("an answer") == message);
    }
}

#[test]
fn when_the_memory_for_cut_messages_is_used_up_only_who_wants_more_is_cut() {
    let server = start_with(|options| options.cut_bytes_max = 256 * 1024);
    let message = frame(BINARY, &[7; 120_000]);
    let holds_half = || {
        let mut raw = Raw::upgrade(server.address());
        raw.send(&message[..100_000]);
        raw
    };
    let mut first = holds_half();
    server.wait_until("the first half", |now| now.block_bytes == 128 * 1024);
    let second = holds_half();
    server.wait_until("the other half", |now| now.block_bytes == 256 * 1024);
    let mut third = holds_half();
    server.wait_until("the third to be cut", |now| (now.starved, now.connections) == (1, 2));
    assert_eq!(third.read_close(), 1011);
    // Whole messages still come and go.
    let mut fourth = Raw::upgrade(server.address());
    fourth.send(&frame(TEXT, b"as ever"));
    assert_eq!(fourth.frame(), whole(TEXT, b"as ever"));
    first.send(&message[100_000..]);
    assert_eq!(first.frame(), whole(BINARY, &[7; 120_000]));
    drop((first, second, fourth));
    server.wait_until_empty();
}
