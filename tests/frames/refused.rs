//! Invalid frames: the result of each, and when it is detected.

use autamedica_signaling::wire::frame::{Fault, Limits};

use super::client::*;

/// A header of two bytes with a mask of zeros behind it, and `payload` as it is.
fn raw(first: u8, second: u8, extended: &[u8], payload: &[u8]) -> Vec<u8> {
    [&[first, second], extended, &[0; 4], payload].concat()
}

/// What is wrong, the bytes up to the one that shows it, and the fault with its close code.
fn broken() -> Vec<(&'static str, Vec<u8>, Fault)> {
    let fragment = frame(TEXT, b"a");
    vec![
        ("a reserved bit (RSV1), as of a compressed message", vec![0xc1], Fault::ReservedBits),
        ("a reserved bit (RSV2)", vec![0xa1], Fault::ReservedBits),
        ("a reserved bit (RSV3)", vec![0x91], Fault::ReservedBits),
        ("a reserved bit on a control frame", vec![0xc9], Fault::ReservedBits),
        ("a reserved bit on a continuation", vec![0x40], Fault::ReservedBits),
        ("a reserved data opcode", vec![0x83], Fault::ReservedOpcode),
        ("the last reserved data opcode", vec![0x87], Fault::ReservedOpcode),
        ("a reserved data opcode in a fragment", vec![0x03], Fault::ReservedOpcode),
        ("a reserved control opcode", vec![0x8b], Fault::ReservedOpcode),
        ("the last reserved control opcode", vec![0x8f], Fault::ReservedOpcode),
        ("a ping in fragments", vec![PING], Fault::ControlFragmented),
        ("a pong in fragments", vec![PONG], Fault::ControlFragmented),
        ("a close frame in fragments", vec![CLOSE], Fault::ControlFragmented),
        ("a text without a mask", vec![0x81, 0x05], Fault::NotMasked),
        ("an empty text without a mask", vec![0x81, 0x00], Fault::NotMasked),
        ("a ping without a mask", vec![0x89, 0x00], Fault::NotMasked),
        ("a ping of 126 bytes", vec![0x89, 0xfe], Fault::ControlTooLong),
        ("a pong with a length of eight bytes", vec![0x8a, 0xff], Fault::ControlTooLong),
        ("a close frame of 126 bytes", vec![0x88, 0xfe], Fault::ControlTooLong),
        ("125 written in two bytes", raw(0x81, 0xfe, &[0, 125], b""), Fault::Length),
        ("0 written in two bytes", raw(0x81, 0xfe, &[0, 0], b""), Fault::Length),
        ("65535 in eight bytes", raw(0x81, 0xff, &65_535_u64.to_be_bytes(), b""), Fault::Length),
        ("125 written in eight bytes", raw(0x81, 0xff, &125_u64.to_be_bytes(), b""), Fault::Length),
        (
            "a length with its top bit",
            raw(0x81, 0xff, &[0x80, 0, 0, 0, 0, 1, 0, 0], b""),
            Fault::Length,
        ),
        ("a length of ones", raw(0x81, 0xff, &[0xff; 8], b""), Fault::Length),
        ("a continuation of nothing", raw(0x80, 0x80, &[], b""), Fault::Continuation),
        ("an unfinished continuation of nothing", raw(0x00, 0x81, &[], b""), Fault::Continuation),
        (
            "a text within a text",
            [&fragment[..], &raw(0x81, 0x80, &[], b"")].concat(),
            Fault::Continuation,
        ),
        (
            "a binary message within a text",
            [&fragment[..], &raw(0x82, 0x80, &[], b"")].concat(),
            Fault::Continuation,
        ),
        (
            "a continuation after the last fragment",
            [&fragment[..], &frame(FIN, b"b"), &raw(0x80, 0x80, &[], b"")].concat(),
            Fault::Continuation,
        ),
        ("a close frame of one byte", frame(FIN | CLOSE, &[3]), Fault::CloseFrame),
        ("a close reason that is not UTF-8", close(1000, &[0xff]), Fault::NotUtf8),
        ("a close reason cut within a character", close(1000, &[0xc3]), Fault::NotUtf8),
        (
            "the largest length there is",
            raw(0x81, 0xff, &i64::MAX.to_be_bytes(), b""),
            Fault::TooLarge,
        ),
    ]
}

#[test]
fn broken_frames_are_refused_at_the_byte_that_breaks_them() {
    for (what, bytes, fault) in broken() {
        for size in [bytes.len(), 1] {
            let heard = hear(bytes.chunks(size), &LIMITS);
            assert_eq!(heard.last(), Some(&Heard::Broken(fault)), "{what}, {size} at a time");
            let (_, before) = bytes.split_last().expect("a byte");
            let earlier = hear(before.chunks(size), &LIMITS);
            let early = earlier.iter().any(|thing| matches!(thing, Heard::Broken(_)));
            assert!(!early, "{what} was refused before it was there: {earlier:?}");
        }
    }
}

#[test]
fn what_came_before_a_broken_frame_is_heard_and_nothing_behind_it() {
    let hello = frame(FIN | TEXT, b"hello");
    for (what, bytes, fault) in broken() {
        let stream = [&hello[..], &frame(FIN | PING, b"1"), &bytes, &hello].concat();
        let heard = hear_whole(&stream, &LIMITS);
        let before = [Heard::text("hello"), Heard::Ping(b"1".to_vec())];
        assert_eq!(heard[..2], before, "{what}");
        assert_eq!(heard.last(), Some(&Heard::Broken(fault)), "{what}");
    }
}

#[test]
fn each_fault_has_the_close_code_of_rfc_6455() {
    let codes = [
        (Fault::ReservedBits, 1002),
        (Fault::ReservedOpcode, 1002),
        (Fault::NotMasked, 1002),
        (Fault::ControlFragmented, 1002),
        (Fault::ControlTooLong, 1002),
        (Fault::Length, 1002),
        (Fault::Continuation, 1002),
        (Fault::CloseFrame, 1002),
        (Fault::Binary, 1003),
        (Fault::NotUtf8, 1007),
        (Fault::TooLarge, 1009),
    ];
    for (fault, code) in codes {
        assert_eq!(u16::from(fault.close_code()), code, "{fault:?}");
    }
}

#[test]
fn a_close_code_is_one_that_may_be_sent() {
    // Those registered with IANA, and the ranges for libraries and applications.
    for code in (1000..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4999]) {
        for reason in ["", "bye", "adiós", &"x".repeat(123)] {
            let heard = hear_whole(&close(code, reason.as_bytes()), &LIMITS);
            assert_eq!(heard, [Heard::Close(Some(code))], "{code}");
        }
    }
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535] {
        let heard = hear_whole(&close(code, b""), &LIMITS);
        assert_eq!(heard, [Heard::Broken(Fault::CloseFrame)], "{code}");
    }
    assert_eq!(hear_whole(&frame(FIN | CLOSE, b""), &LIMITS), [Heard::Close(None)]);
}

#[test]
fn control_frames_may_be_125_bytes_long() {
    for (opcode, _) in CONTROLS.into_iter().filter(|(opcode, _)| *opcode != CLOSE) {
        let heard = hear_whole(&frame(FIN | opcode, &[7; 125]), &LIMITS);
        assert!(
            matches!(&heard[..], [Heard::Ping(payload) | Heard::Pong(payload)] if payload.len() == 125)
        );
    }
}

#[test]
fn binary_is_refused_where_only_text_is_spoken() {
    let limits = Limits { binary: false, ..LIMITS };
    // At the header: the payload need not come.
    let header = &frame(FIN | BINARY, b"abc")[..6];
    assert_eq!(hear(header.chunks(1), &limits), [Heard::Broken(Fault::Binary)]);
    assert_eq!(hear_whole(&frame(BINARY, b""), &limits), [Heard::Broken(Fault::Binary)]);
    assert_eq!(hear_whole(&frame(FIN | TEXT, b"abc"), &limits), [Heard::text("abc")]);
}

#[test]
fn the_limit_on_a_message_is_exact_and_holds_for_all_its_fragments_together() {
    let limits = Limits { message_bytes_max: 200, ..LIMITS };
    let text = |len: usize| "x".repeat(len);
    let whole = |len| frame(FIN | TEXT, text(len).as_bytes());
    assert_eq!(hear_whole(&whole(200), &limits), [Heard::Text(text(200))]);
    assert_eq!(hear_whole(&whole(200).repeat(3), &limits), vec![Heard::Text(text(200)); 3]);
    // Before anything of the payload has come.
    assert_eq!(hear_whole(&whole(201)[..8], &limits), [Heard::Broken(Fault::TooLarge)]);

    let fragments = |last| {
        [
            frame(TEXT, text(100).as_bytes()),
            frame(FIN | PING, &[0; 125]), // does not count
            frame(CONTINUATION, text(99).as_bytes()),
            frame(FIN | CONTINUATION, text(last).as_bytes()),
        ]
        .concat()
    };
    for size in [1, 7, 1_000] {
        let heard = hear(fragments(1).chunks(size), &limits);
        assert_eq!(heard, [Heard::Ping(vec![0; 125]), Heard::Text(text(200))], "{size} at a time");
        let heard = hear(fragments(2).chunks(size), &limits);
        assert_eq!(heard.last(), Some(&Heard::Broken(Fault::TooLarge)), "{size} at a time");
    }
}

#[test]
fn the_limit_on_fragments_is_exact_and_holds_for_each_message() {
    let limits = Limits { fragments_max: 3, ..LIMITS };
    let three = [frame(TEXT, b"a"), frame(CONTINUATION, b""), frame(FIN, b"c")].concat();
    let heard = hear_whole(&three.repeat(2), &limits);
    assert_eq!(heard, [Heard::text("ac"), Heard::text("ac")]);

    let four =
        [frame(TEXT, b""), frame(CONTINUATION, b""), frame(CONTINUATION, b""), frame(FIN, b"")];
    assert_eq!(hear_whole(&four.concat(), &limits), [Heard::Broken(Fault::TooLarge)]);
}
