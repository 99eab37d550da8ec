//! Texts that are not UTF-8 (RFC 6455 8.1): whole, fragmented anywhere, and as the reason of a
//! close frame.

use crate::common::raw::{CLOSE, CONTINUATION, PING, TEXT, frame, part};

use super::hall::{Hall, Way, attacker_and_partner, hear, marker, only_sees_it_drop, text};

const WRONG: [(&str, &[u8]); 27] = [
    ("a continuation of nothing", &[0x80]),
    ("the last continuation of nothing", &[0xbf]),
    ("a NUL in two bytes", &[0xc0, 0x80]),
    ("a slash in two bytes", &[0xc0, 0xaf]),
    ("the last overlong two bytes", &[0xc1, 0xbf]),
    ("a NUL in three bytes", &[0xe0, 0x80, 0x80]),
    ("a slash in three bytes", &[0xe0, 0x80, 0xaf]),
    ("the last overlong three bytes", &[0xe0, 0x9f, 0xbf]),
    ("a slash in four bytes", &[0xf0, 0x80, 0x80, 0xaf]),
    ("the last overlong four bytes", &[0xf0, 0x8f, 0xbf, 0xbf]),
    ("five bytes", &[0xf8, 0x88, 0x80, 0x80, 0x80]),
    ("six bytes", &[0xfc, 0x84, 0x80, 0x80, 0x80, 0x80]),
    ("the first surrogate", &[0xed, 0xa0, 0x80]),
    ("the last high surrogate", &[0xed, 0xaf, 0xbf]),
    ("the first low surrogate", &[0xed, 0xb0, 0x80]),
    ("the last surrogate", &[0xed, 0xbf, 0xbf]),
    ("a pair of surrogates", &[0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]),
    ("past U+10FFFF", &[0xf4, 0x90, 0x80, 0x80]),
    ("far past U+10FFFF", &[0xf5, 0x80, 0x80, 0x80]),
    ("the largest four bytes", &[0xf7, 0xbf, 0xbf, 0xbf]),
    ("0xfe", &[0xfe]),
    ("0xff", &[0xff]),
    ("a byte order mark of UTF-16", &[0xff, 0xfe]),
    ("Latin-1", &[b's', b'e', 0xf1, b'a', b'l']),
    ("two bytes cut short", &[0xc3, b'"']),
    ("three bytes cut short", &[0xe2, 0x82, b'"']),
    ("four bytes cut short", &[0xf0, 0x9f, 0x98, b'"']),
];

/// A message with `bytes` in a field that nobody reads, which is relayed where they are text; and where they stand in it.
fn message(marker: &str, bytes: &[u8]) -> (Vec<u8>, usize) {
    let (start, end) = (&marker.as_bytes()[..marker.len() - 1], &b"\"}"[..]);
    let start = [start, b",\"note\":\""].concat();
    ([&start, bytes, end].concat(), start.len())
}

both_ways! {
    texts_that_are_not_utf_8,
    every_character_there_is_passes_however_it_is_cut,
}

fn texts_that_are_not_utf_8(way: Way) {
    let mut hall = Hall::new(way);
    for (name, wrong) in WRONG {
        // Whole, and in two fragments cut at each place within the wrong bytes, with a ping in between.
        for cut in 0..=wrong.len() {
            hall.row(&format!("{name}, cut at {cut}"), |server| {
                let (mut raw, person, mut partner) = attacker_and_partner(server);
                let marker = marker(&person, &partner.person);
                let (message, at) = message(&marker.to_string(), wrong);
                let bytes = match cut {
                    0 => frame(TEXT, &message),
                    cut => {
                        let (one, two) = message.split_at(at + cut);
                        [part(TEXT, one), frame(PING, b""), frame(CONTINUATION, two)].concat()
                    }
                };
                raw.send(&[bytes, text(&marker)].concat());
                let heard = hear(&mut raw);
                assert!(heard.texts.is_empty() && heard.pongs <= 1, "{heard:?}");
                assert_eq!(heard.code, Some(1007));
                drop(raw);
                only_sees_it_drop(&mut partner);
            });
        }
        hall.row(&format!("{name}, as a reason"), |server| {
            let (mut raw, _, mut partner) = attacker_and_partner(server);
            raw.send(&frame(CLOSE, &[&[3, 232], wrong].concat()));
            assert_eq!(hear(&mut raw).code, Some(1007));
            drop(raw);
            only_sees_it_drop(&mut partner);
        });
    }
    hall.close("texts that are not UTF-8");
}

fn every_character_there_is_passes_however_it_is_cut(way: Way) {
    let mut hall = Hall::new(way);
    let characters = [
        '\u{7f}',
        '\u{80}',
        '\u{7ff}',
        '\u{800}',
        '\u{d7ff}',
        '\u{e000}',
        '\u{ffff}',
        '\u{10000}',
        '\u{10ffff}',
    ];
    for character in characters {
        hall.row(&format!("U+{:04X}", u32::from(character)), |server| {
            let (mut raw, person, mut partner) = attacker_and_partner(server);
            let good = character.to_string();
            let (message, at) =
                message(&marker(&person, &partner.person).to_string(), good.as_bytes());
            for cut in 0..=good.len() {
                let (one, two) = message.split_at(at + cut);
                raw.send(&[part(TEXT, one), frame(PING, b""), frame(CONTINUATION, two)].concat());
                assert_eq!(partner.receive_text().as_bytes(), message);
            }
        });
    }
    hall.close("texts that are UTF-8");
}
