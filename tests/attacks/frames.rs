//! Every rule of RFC 6455 on frames, violated by a stranger and by a participant.

use crate::common::Raw;
use crate::common::raw::{
    BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close, frame, frame_of, part,
};

use super::hall::{Hall, Way, attacker_and_partner, hear, marker, only_sees_it_drop, text};

/// A header of any two bytes with a mask of zeros behind it.
fn header(first: u8, second: u8, extended: &[u8]) -> Vec<u8> {
    [&[first, second], extended, &[0; 4]].concat()
}

/// What is sent, and the code with which the server closes.
type Row = (String, Vec<u8>, u16);

fn first_bytes() -> Vec<Row> {
    let mut rows = Vec::new();
    for (bits, what) in [(0x40, "RSV1"), (0x20, "RSV2"), (0x10, "RSV3"), (0x70, "all RSV")] {
        for opcode in [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] {
            rows.push((
                format!("{what} on opcode {opcode}"),
                frame_of(0x80 | bits | opcode, b""),
                1002,
            ));
        }
    }
    for opcode in (3..=7).chain(11..=15) {
        for fin in [0x80, 0] {
            let name = format!("reserved opcode {opcode}, FIN {fin:#x}");
            rows.push((name, frame_of(fin | opcode, b"x"), 1002));
        }
    }
    for (opcode, what) in [(CLOSE, "close"), (PING, "ping"), (PONG, "pong")] {
        rows.push((format!("{what} in fragments"), part(opcode, b""), 1002));
        let within = [part(TEXT, b"a"), part(opcode, b"")].concat();
        rows.push((format!("{what} in fragments, within a message"), within, 1002));
        for (second, extended) in [(0xfe, &[0, 126][..]), (0xff, &[0, 0, 0, 0, 0, 0, 0, 126])] {
            let bytes = header(0x80 | opcode, second, extended);
            rows.push((format!("{what} of 126 bytes, length {second:#x}"), bytes, 1002));
        }
        let bytes = header(0x80 | opcode, 0xfe, &[0, 5]);
        rows.push((format!("{what} of 5 bytes, said in two"), bytes, 1002));
    }
    rows.push(("a binary message".to_owned(), frame(BINARY, b"x"), 1003));
    rows.push(("an empty binary message".to_owned(), frame(BINARY, b""), 1003));
    rows.push(("a binary message in fragments".to_owned(), part(BINARY, b"x"), 1003));
    rows
}

fn masks_and_lengths() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, bytes) in [
        ("a text", &[0x81, 5, b'h', b'e', b'l', b'l', b'o'][..]),
        ("an empty text", &[0x81, 0]),
        ("a text with a length of two bytes", &[0x81, 126, 0, 200]),
        ("a text with a length of eight", &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ("a fragment", &[0x01, 1, b'a']),
        ("a continuation", &[0x80, 1, b'a']),
        ("a ping", &[0x89, 0]),
        ("a pong", &[0x8a, 0]),
        ("a close frame", &[0x88, 2, 3, 232]),
    ] {
        rows.push((format!("no mask on {name}"), bytes.to_vec(), 1002));
    }
    for length in [0, 1, 124, 125] {
        let bytes = header(0x81, 0xfe, &u16::to_be_bytes(length));
        rows.push((format!("{length} in two bytes"), bytes, 1002));
    }
    for length in [0, 125, 126, 0xffff] {
        let bytes = header(0x81, 0xff, &u64::to_be_bytes(length));
        rows.push((format!("{length} in eight bytes"), bytes, 1002));
    }
    for length in [1 << 63, (1 << 63) | 5, u64::MAX] {
        let bytes = header(0x81, 0xff, &length.to_be_bytes());
        rows.push((format!("a length of 64 bits: {length:#x}"), bytes, 1002));
    }
    for length in [1 << 32, 1 << 62, i64::MAX as u64] {
        let bytes = header(0x81, 0xff, &length.to_be_bytes());
        rows.push((format!("more than fits: {length:#x}"), bytes, 1009));
    }
    rows
}

fn fragments() -> Vec<Row> {
    let begun = part(TEXT, b"{");
    let rows = [
        ("a continuation of nothing", frame(CONTINUATION, b"x"), 1002),
        ("an empty continuation of nothing", frame(CONTINUATION, b""), 1002),
        ("a continuation of nothing that goes on", part(CONTINUATION, b"x"), 1002),
        ("a text within a text", [&begun[..], &frame(TEXT, b"{}")].concat(), 1002),
        ("a first fragment within a text", [&begun[..], &part(TEXT, b"{}")].concat(), 1002),
        ("a binary message within a text", [&begun[..], &frame(BINARY, b"x")].concat(), 1002),
        (
            "a text within a text, behind a ping",
            [&begun[..], &frame(PING, b""), &frame(TEXT, b"{}")].concat(),
            1002,
        ),
    ];
    rows.map(|(name, bytes, code)| (name.to_owned(), bytes, code)).into()
}

fn closes() -> Vec<Row> {
    let reasoned =
        |code: u16, reason: &[u8]| frame(CLOSE, &[&code.to_be_bytes()[..], reason].concat());
    let mut rows = vec![
        ("a close frame of one byte".to_owned(), frame(CLOSE, &[3]), 1002),
        ("a reason that is not UTF-8".to_owned(), reasoned(1000, &[0xff]), 1007),
        ("a reason with a surrogate".to_owned(), reasoned(1000, &[0xed, 0xa0, 0x80]), 1007),
        (
            "a reason cut within a character".to_owned(),
            reasoned(1000, "ñ".as_bytes().split_at(1).0),
            1007,
        ),
    ];
    for code in [0, 1, 100, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 65_535]
    {
        rows.push((format!("close code {code}"), close(code), 1002));
    }
    // Right, and the end: what comes behind is not heard.
    for code in [1000, 1001, 1011, 3000, 4000, 4999] {
        rows.push((format!("data behind close code {code}"), close(code), 1000));
    }
    rows.push(("data behind a close frame without a code".to_owned(), frame(CLOSE, b""), 1000));
    rows.push(("two close frames".to_owned(), close(1000).repeat(2), 1000));
    rows
}

fn run(way: Way, what: &str, rows: Vec<Row>) {
    let mut hall = Hall::new(way);
    for (name, bytes, code) in rows {
        hall.row(&name, |server| {
            for size in [usize::MAX, 1] {
                let mut stranger = Raw::upgrade(server);
                send_in(&mut stranger, &bytes, size);
                // Were this heard, it would be answered.
                let _ = std::io::Write::write_all(
                    &mut stranger.stream,
                    &frame(TEXT, br#"{"type":"ping"}"#),
                );
                let heard = hear(&mut stranger);
                assert_eq!(heard.errors(), errors(code), "{heard:?}");
                check_code(heard.code, code, &bytes);
            }
            let (mut attacker, person, mut partner) = attacker_and_partner(server);
            let behind = text(&marker(&person, &partner.person));
            attacker.send(&[&bytes[..], &behind].concat());
            let heard = hear(&mut attacker);
            assert_eq!(heard.errors(), errors(code), "{heard:?}");
            check_code(heard.code, code, &bytes);
            drop(attacker);
            only_sees_it_drop(&mut partner);
        });
    }
    hall.close(what);
}

/// What is said before the close frame.
fn errors(code: u16) -> &'static [&'static str] {
    if code == 1009 { &["MESSAGE_TOO_LARGE"] } else { &[] }
}

/// Bytes in pieces of a size. The server may have closed before the last.
fn send_in(raw: &mut Raw, bytes: &[u8], size: usize) {
    for piece in bytes.chunks(size) {
        if std::io::Write::write_all(&mut raw.stream, piece).is_err() {
            return;
        }
    }
}

#[track_caller]
fn check_code(heard: Option<u16>, code: u16, bytes: &[u8]) {
    // A close frame of the client is answered with its own code (RFC 6455 5.5.1).
    let echoed = (code == 1000).then(|| {
        let masked = bytes.get(6..8).map(|two| u16::from_be_bytes([two[0] ^ 0x37, two[1] ^ 0xfa]));
        if bytes[1] == 0x80 { 1005 } else { masked.unwrap_or(1005) }
    });
    assert!(heard == Some(code) || (echoed.is_some() && heard == echoed), "{heard:?}, not {code}");
}

both_ways! {
    first_bytes_of_frames,
    masks_and_lengths_of_frames,
    fragments_out_of_order,
    a_continuation_behind_the_last_fragment,
    close_frames,
    what_is_odd_but_right_is_served,
}

fn first_bytes_of_frames(way: Way) {
    run(way, "first bytes of frames", first_bytes());
}

fn masks_and_lengths_of_frames(way: Way) {
    run(way, "masks and lengths", masks_and_lengths());
}

fn fragments_out_of_order(way: Way) {
    run(way, "fragments", fragments());
}

fn a_continuation_behind_the_last_fragment(way: Way) {
    let mut hall = Hall::new(way);
    for more in [frame(CONTINUATION, b" "), part(CONTINUATION, b""), frame(CONTINUATION, b"")] {
        hall.row(&format!("{more:x?}"), |server| {
            let (mut raw, person, mut partner) = attacker_and_partner(server);
            let marker = marker(&person, &partner.person);
            let whole = marker.to_string().into_bytes();
            let fragments = [part(TEXT, &whole[..9]), frame(CONTINUATION, &whole[9..])].concat();
            raw.send(&[fragments, more, text(&marker)].concat());
            let heard = hear(&mut raw);
            assert_eq!((heard.texts.len(), heard.code), (0, Some(1002)), "{heard:?}");
            drop(raw);
            assert_eq!(partner.receive(), marker, "the message before it was whole");
            only_sees_it_drop(&mut partner);
        });
    }
    hall.close("continuations");
}

fn close_frames(way: Way) {
    run(way, "close frames", closes());
}

fn what_is_odd_but_right_is_served(way: Way) {
    let mut hall = Hall::new(way);
    let ping = br#"{"type":"ping"}"#;
    for (name, bytes) in [
        (
            "a ping of 125 bytes within a message",
            [part(TEXT, &ping[..3]), frame(PING, &[7; 125]), frame(0, &ping[3..])].concat(),
        ),
        ("a pong to nothing", [frame(PONG, b"x"), frame(TEXT, ping)].concat()),
        ("empty fragments", [part(TEXT, b""), part(0, b""), part(0, ping), frame(0, b"")].concat()),
        (
            "a fragment for each byte",
            ping.iter()
                .enumerate()
                .map(|(at, byte)| {
                    let first = if at == 0 { TEXT } else { CONTINUATION };
                    part(first, &[*byte])
                })
                .chain([frame(0, b"")])
                .flatten()
                .collect(),
        ),
        ("zeros for a mask", [&header(0x81, 0x8f, &[])[..], ping].concat()),
    ] {
        hall.row(name, |server| {
            let (mut raw, _, mut partner) = attacker_and_partner(server);
            raw.send(&bytes);
            let answer = std::iter::repeat_with(|| raw.frame()).find(|frame| frame.opcode == TEXT);
            assert!(answer.expect("an answer").payload.starts_with(br#"{"type":"pong""#));
            super::hall::is_undisturbed(&mut partner);
        });
    }
    hall.close("odd frames");
}
