//! Texts are UTF-8 (RFC 6455 8.1). If one is not, that is detected at the first invalid byte.

use autamedica_signaling::wire::frame::Fault;

use super::client::*;

/// Bytes that are not UTF-8; the last of each is the first that cannot be right.
const WRONG: [&[u8]; 16] = [
    &[0x80], // a continuation of nothing
    &[0xbf],
    &[0xc0], // would be two bytes for ASCII
    &[0xc1],
    &[0xc3, 0x28], // not a continuation
    &[0xe0, 0x9f], // would be three bytes for two
    &[0xe2, 0x28],
    &[0xe2, 0x82, 0x28],
    &[0xed, 0xa0], // half of a surrogate pair
    &[0xed, 0xbf],
    &[0xf0, 0x8f], // would be four bytes for three
    &[0xf0, 0x9f, 0x98, 0x28],
    &[0xf4, 0x90], // past U+10FFFF
    &[0xf5],
    &[0xfe],
    &[0xff],
];

fn is_broken(heard: &[Heard]) -> bool {
    heard.contains(&Heard::Broken(Fault::NotUtf8))
}

#[test]
fn a_text_fails_at_the_first_byte_that_cannot_be_right() {
    for wrong in WRONG {
        for before in ["", "a", "señal 😀 "] {
            // The frame goes on behind the wrong byte, and so does the message.
            let text = [before.as_bytes(), wrong, b" and more"].concat();
            let stream = frame(TEXT, &text);
            let shown = 6 + before.len() + wrong.len();
            assert!(!is_broken(&hear(stream[..shown - 1].chunks(1), &LIMITS)), "{wrong:x?} early");
            assert!(is_broken(&hear(stream[..shown].chunks(1), &LIMITS)), "{wrong:x?} late");
            assert!(is_broken(&hear_whole(&stream[..shown], &LIMITS)), "{wrong:x?} in one read");
        }
    }
}

#[test]
fn a_text_that_is_wrong_is_never_heard_however_it_is_cut_and_fragmented() {
    for wrong in WRONG {
        let text = [b"a", wrong, b"b"].concat();
        for split in 0..=text.len() {
            let (first, second) = text.split_at(split);
            let fragments = [frame(TEXT, first), frame(FIN, second)].concat();
            for stream in [fragments, frame(FIN | TEXT, &text)] {
                for at in 0..=stream.len() {
                    let heard = hear([&stream[..at], &stream[at..]], &LIMITS);
                    assert_eq!(heard, [Heard::Broken(Fault::NotUtf8)], "{wrong:x?} cut at {at}");
                }
            }
        }
    }
}

#[test]
fn a_text_must_not_end_within_a_character() {
    for character in ["é", "€", "😀"] {
        let bytes = character.as_bytes();
        for len in 1..bytes.len() {
            let short = frame(FIN | TEXT, &bytes[..len]);
            assert!(is_broken(&hear(short.chunks(1), &LIMITS)), "{character} with {len} bytes");
            let fragments = [frame(TEXT, &bytes[..len]), frame(FIN, b"")].concat();
            assert!(is_broken(&hear_whole(&fragments, &LIMITS)), "{character} with {len} bytes");
        }
    }
}

#[test]
fn every_character_may_be_cut_anywhere() {
    // The ends of the ranges of each length, and around the surrogates.
    let text = "\0\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{feff}\u{ffff}\u{10000}\u{10ffff}";
    let fragments = [
        text.bytes()
            .enumerate()
            .map(|(index, byte)| frame(u8::from(index == 0), &[byte]))
            .collect(),
        vec![frame(FIN, b"")],
    ];
    let limits = autamedica_signaling::wire::frame::Limits { fragments_max: 100, ..LIMITS };
    let stream = fragments.concat().concat();
    assert_eq!(hear_whole(&stream, &limits), [Heard::text(text)]);
    assert_eq!(hear(stream.chunks(1), &limits), [Heard::text(text)]);
}

#[test]
fn binary_messages_may_hold_any_bytes() {
    let bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(hear_whole(&frame(FIN | BINARY, &bytes), &LIMITS), [Heard::Binary(bytes)]);
}
