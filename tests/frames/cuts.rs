//! However the network splits a stream of frames, the result is the same.

use super::client::*;

/// A stream with something of everything, short enough to be cut at every pair of places, and what it says.
fn conversation() -> (Vec<u8>, Vec<Heard>) {
    let said = [
        (frame(FIN | TEXT, b"{}"), Some(Heard::text("{}"))),
        (frame(FIN | TEXT, b""), Some(Heard::text(""))),
        // A message in fragments, cut within a character, with control frames and empty fragments between.
        (frame(TEXT, "señ".as_bytes().split_at(3).0), None),
        (frame(FIN | PING, b"are you there"), Some(Heard::Ping(b"are you there".to_vec()))),
        (frame(CONTINUATION, &"señ".as_bytes()[3..]), None),
        (frame(CONTINUATION, b""), None),
        (frame(FIN | PONG, b""), Some(Heard::Pong(vec![]))),
        (frame(FIN | CONTINUATION, b"al"), Some(Heard::text("señal"))),
        // Empty at both ends.
        (frame(TEXT, b""), None),
        (frame(FIN | PING, b""), Some(Heard::Ping(vec![]))),
        (frame(CONTINUATION, "😀".as_bytes()), None),
        (frame(FIN | CONTINUATION, b""), Some(Heard::text("😀"))),
        (frame(TEXT, b""), None),
        (frame(FIN | CONTINUATION, b""), Some(Heard::text(""))),
        (frame(BINARY, &[0xff, 0]), None),
        (frame(FIN | CONTINUATION, &[0xfe]), Some(Heard::Binary(vec![0xff, 0, 0xfe]))),
        (frame(FIN | PONG, b"1"), Some(Heard::Pong(b"1".to_vec()))),
        (close(4000, "adiós".as_bytes()), Some(Heard::Close(Some(4000)))),
    ];
    let bytes = said.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
    (bytes, said.into_iter().filter_map(|(_, heard)| heard).collect())
}

#[test]
fn a_conversation_is_heard_in_one_read() {
    let (bytes, said) = conversation();
    assert_eq!(hear_whole(&bytes, &LIMITS), said);
}

#[test]
fn a_conversation_cut_at_any_two_places_is_the_same() {
    let (bytes, said) = conversation();
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            let reads = [&bytes[..first], &bytes[first..second], &bytes[second..]];
            assert_eq!(hear(reads, &LIMITS), said, "cut at {first} and {second}");
        }
    }
}

#[test]
fn a_conversation_in_pieces_of_any_size_is_the_same() {
    let (bytes, said) = conversation();
    for size in 1..bytes.len() {
        assert_eq!(hear(bytes.chunks(size), &LIMITS), said, "in pieces of {size} bytes");
    }
}

/// Lengths on both sides of each change in how a length is written.
const LENGTHS: [usize; 8] = [0, 1, 125, 126, 127, 65_535, 65_536, 65_537];

fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|index| b'a' + (index % 23) as u8).collect()
}

#[test]
fn every_way_to_write_a_length_is_read_wherever_it_is_cut() {
    for len in LENGTHS {
        let payload = payload(len);
        let said = vec![Heard::Binary(payload.clone()), Heard::Ping(b"next".to_vec())];
        let bytes = [frame(FIN | BINARY, &payload), frame(FIN | PING, b"next")].concat();
        // Everywhere in the headers, and in every position of the mask at both ends of the payload.
        let places = (0..24).chain(bytes.len().saturating_sub(24)..=bytes.len());
        for at in places.filter(|at| *at <= bytes.len()) {
            let reads = [&bytes[..at], &bytes[at..]];
            assert_eq!(hear(reads, &LIMITS), said, "{len} bytes cut at {at}");
        }
        assert_eq!(hear(bytes.chunks(1_448), &LIMITS), said, "{len} bytes in packets");
    }
}

#[test]
fn a_large_text_in_fragments_of_all_lengths_is_put_together_in_order() {
    let text = String::from_utf8(payload(LENGTHS.iter().take(5).sum())).expect("ASCII");
    let mut rest = text.as_bytes();
    let mut bytes = Vec::new();
    for (index, len) in LENGTHS.into_iter().take(5).enumerate() {
        let (fragment, behind) = rest.split_at(len);
        let opcode = if index == 0 { TEXT } else { CONTINUATION };
        let fin = if behind.is_empty() { FIN } else { 0 };
        bytes.extend(frame(fin | opcode, fragment));
        bytes.extend(frame(FIN | PING, &[index as u8]));
        rest = behind;
    }
    let mut said: Vec<_> = (0..4).map(|index| Heard::Ping(vec![index])).collect();
    said.push(Heard::Text(text));
    said.push(Heard::Ping(vec![4]));
    for at in 0..=bytes.len() {
        assert_eq!(hear([&bytes[..at], &bytes[at..]], &LIMITS), said, "cut at {at}");
    }
}

#[test]
fn nothing_is_kept_between_whole_messages_and_no_more_than_a_message_within_one() {
    use autamedica_signaling::wire::frame::{Cursor, Decoded, Decoder};
    let message = frame(FIN | TEXT, b"hello");
    for cut in 0..=message.len() {
        let mut buffer = [frame(FIN | TEXT, b"before"), message[..cut].to_vec()].concat();
        let mut at = Cursor::new(0, buffer.len());
        let mut decoder = Decoder::default();
        while decoder.decode(&mut buffer, &mut at, &LIMITS) != Ok(Decoded::More) {}
        // A header is kept until it is whole; of the payload, what has come.
        let expected = match cut {
            _ if cut == message.len() => 0,
            header @ 0..6 => header,
            _ => cut - 6,
        };
        assert_eq!(at.kept(), expected, "cut at {cut}");
    }
}

#[test]
fn a_mask_is_removed_at_every_offset_and_length() {
    use autamedica_signaling::wire::frame::unmask;
    let plain: Vec<u8> = (0..64_u8).map(|byte| byte.wrapping_mul(37)).collect();
    for offset in 0..8 {
        for len in 0..=plain.len() - offset {
            let masked = |index: usize| plain[offset + index] ^ MASK[index % 4];
            let mut bytes = plain.clone();
            (0..len).for_each(|index| bytes[offset + index] = masked(index));
            unmask(&mut bytes[offset..offset + len], MASK);
            assert_eq!(bytes, plain, "{len} bytes from {offset}");
        }
    }
}
