//! What STUN and DNS servers answer: whatever comes, a slow reader of the RFCs sees the same in it; what is written is read
//! again as it was; a stream is cut where a datagram would end.
//!
//! The first byte of an input chooses: bytes as they come, bytes made whole (length, checksum), a request to be written, or
//! an answer of a name server.
#![no_main]

use autamedica_signaling::wire::dns::{self, Answer, Kind};
use autamedica_signaling::wire::ice_url::{BadUrl, IceUrl};
use autamedica_signaling::wire::stun::{Frame, Key, Message, Method, Request, attribute, frame};
use autamedica_signaling_fuzz::choices::Choices;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut choices = Choices::new(input);
    match choices.byte() % 5 {
        0 => reads(choices.rest()),
        1 => reads(&whole(choices.rest())),
        2 => writes(&mut choices),
        3 => looks_up(&mut choices),
        _ => addresses(choices.rest()),
    }
});

/// A message with the right cookie and length, and its attributes cut to multiples of four.
fn whole(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().max(20).next_multiple_of(4).min(65_000), 0);
    bytes[0] &= 0x3f;
    let length = (bytes.len() - 20) as u16;
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    bytes[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
    bytes
}

fn reads(bytes: &[u8]) {
    let slow = slow_read(bytes);
    match Message::parse(bytes) {
        Err(_) => assert_eq!(slow, None, "a message for the slow reader"),
        Ok(message) => {
            let seen =
                message.attributes().map(|(_, kind, value)| (kind, value.to_vec())).collect();
            assert_eq!(Some(seen), slow);
            look_at_all(&message, slow.as_deref().unwrap_or_default());
        }
    }
    cut(bytes);
}

/// Every question that can be asked of a message has an answer, and the first attribute of a kind is the one that counts.
fn look_at_all(message: &Message<'_>, attributes: &[(u16, Vec<u8>)]) {
    let key = Key::long_term("user", b"realm", "password");
    let end = attributes.iter().position(|(kind, _)| *kind == attribute::MESSAGE_INTEGRITY);
    let counted = &attributes[..end.map_or(attributes.len(), |end| end + 1)];
    for (kind, _) in attributes {
        let first = counted.iter().find(|(one, _)| one == kind).map(|(_, value)| &value[..]);
        assert_eq!(message.find(*kind), first);
        if let Some(address) = message.xor_address(*kind) {
            let value = first.expect("an address stands in an attribute");
            assert_eq!(value.len(), if address.is_ipv4() { 8 } else { 20 });
        }
    }
    let (_, _, _) = (message.class(), message.method(), message.transaction());
    assert!(message.error_code().is_none_or(|code| (300..700).contains(&code)));
    // Nobody guesses a MAC of 160 bits.
    assert_eq!(message.is_signed_by(&key).is_some(), end.is_some());
    assert_ne!(message.is_signed_by(&key), Some(true));
    let printed = attributes.iter().position(|(kind, _)| *kind == attribute::FINGERPRINT);
    assert_eq!(message.has_fingerprint().is_some(), printed.is_some());
    let is_last = printed.is_some_and(|at| at + 1 == attributes.len());
    assert!(is_last || message.has_fingerprint() != Some(true));
}

/// However much of a stream is there, it is cut in the same place.
fn cut(bytes: &[u8]) {
    match frame(bytes) {
        Frame::Whole(length) => {
            assert!((20..=bytes.len()).contains(&length));
            assert_eq!(frame(&bytes[..length]), Frame::Whole(length));
            assert_eq!(frame(&bytes[..length - 1]), Frame::More);
        }
        Frame::More => {
            (0..bytes.len()).for_each(|end| assert_eq!(frame(&bytes[..end]), Frame::More))
        }
        Frame::Broken => {
            let more = [bytes, &[0; 4]].concat();
            assert_eq!(frame(&more), Frame::Broken, "what is broken stays so");
        }
    }
}

/// RFC 8489 5 and 14, one byte after the other; `None` where it is not one whole message.
fn slow_read(bytes: &[u8]) -> Option<Vec<(u16, Vec<u8>)>> {
    let byte = |at: usize| bytes.get(at).map(|byte| usize::from(*byte));
    let number = |at: usize| Some(byte(at)? * 256 + byte(at + 1)?);
    let is_stun = byte(0)? < 64 && bytes.get(4..8)? == b"\x21\x12\xa4\x42" && bytes.len() >= 20;
    if !is_stun || number(2)? + 20 != bytes.len() || !bytes.len().is_multiple_of(4) {
        return None;
    }
    let mut attributes = Vec::new();
    let mut at = 20;
    while at < bytes.len() {
        let (kind, length) = (number(at)?, number(at + 2)?);
        let value = bytes.get(at + 4..at + 4 + length)?.to_vec();
        attributes.push((kind as u16, value));
        at += 4 + length + (4 - length % 4) % 4;
    }
    (at == bytes.len()).then_some(attributes)
}

fn writes(choices: &mut Choices<'_>) {
    let method = match choices.byte() % 4 {
        0 => Method::Binding,
        1 => Method::Allocate,
        2 => Method::Refresh,
        // Those above have names.
        _ => Method::Other(0x010 | choices.number() as u16 & 0x0fff),
    };
    let mut transaction = [0; 12];
    let given = choices.bytes(12);
    transaction[..given.len()].copy_from_slice(given);
    let key = Key::long_term("user", choices.text(), "password");
    let mut request = Request::new(method, transaction);
    let mut expected: Vec<(u16, Vec<u8>)> = Vec::new();
    while !choices.is_empty() {
        let (kind, value) = (choices.number() as u16, choices.text());
        if ![attribute::MESSAGE_INTEGRITY, attribute::FINGERPRINT].contains(&kind) {
            request = request.with(kind, value);
            expected.push((kind, value.to_vec()));
        }
    }
    let written = request.signed(&key).finish();
    let Ok(message) = Message::parse(&written) else { panic!("not what was written") };
    assert_eq!((message.method(), message.transaction()), (method, transaction));
    assert_eq!((message.is_signed_by(&key), message.has_fingerprint()), (Some(true), Some(true)));
    let read: Vec<_> =
        message.attributes().map(|(_, kind, value)| (kind, value.to_vec())).collect();
    // What no longer fits is left out, and only then.
    if written.len() < 60_000 {
        assert_eq!(read[..read.len() - 2], expected[..]);
    }
    assert_eq!(slow_read(&written), Some(read));
    cut(&written);
}

fn looks_up(choices: &mut Choices<'_>) {
    let kind = if choices.byte() & 1 == 0 { Kind::V4 } else { Kind::V6 };
    let id = choices.number() as u16;
    let Ok(name) = str::from_utf8(choices.text()) else { return };
    let Some(query) = dns::query(id, name, kind) else { return };
    assert!(query.len() <= 12 + 255 + 4, "a name of DNS has 255 bytes at most");
    assert_eq!(dns::answer(&query, &query, kind), None, "a question is no answer");
    let echoed = choices.byte() & 1 == 0;
    let rest = choices.rest();
    let mut bytes = if echoed { query.clone() } else { Vec::new() };
    if let Some(flags) = bytes.get_mut(2) {
        *flags |= 0x80;
        let counts = rest.first_chunk::<2>().copied().unwrap_or_default();
        (bytes[3], bytes[7]) = (counts[0], counts[1]);
    }
    bytes.extend_from_slice(rest.get(2..).unwrap_or_default());
    match dns::answer(&query, &bytes, kind) {
        Some(Answer::Addresses(found)) => {
            // Each takes a record of its own.
            assert!(found.iter().all(|ip| ip.is_ipv4() == (kind == Kind::V4)));
            assert!(found.len() * 15 <= bytes.len());
        }
        Some(Answer::Failed(code)) => assert!(code != 0 && code != 3 && code < 16),
        Some(Answer::NoSuchName) => assert_eq!(bytes[3] & 0x0f, 3),
        None => {}
    }
}

/// An address that is accepted is written as it would be read again, and holds nothing that would have to be escaped.
fn addresses(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    match IceUrl::parse(text) {
        Err(fault) => assert!(fault != BadUrl::Login || text.contains('@')),
        Ok(url) => {
            let written = url.to_string();
            assert_eq!(IceUrl::parse(&written), Ok(url));
            assert!(
                written.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\'<>&".contains(&byte))
            );
        }
    }
}
