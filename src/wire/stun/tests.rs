//! The test vectors of RFC 5769, and texts that are not messages.

use super::*;

const REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff\
     80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2\
     80280004e57a3bcf";
const RESPONSE_4: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643\
     000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";
const RESPONSE_6: &str = "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a147\
     0113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c";
const LONG_TERM: &str = "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382afe382b90000\
     0015001c662f2f3439396b39353464364f4c33346f4c394653547679363473410014000b6578616d706c652e6f72670000080014\
     f67024656dd64a3e02b8e0712e85c9a28ca89666";
const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

fn key_of_the_vector() -> Key {
    // The user name after the profile of the RFC: without the soft hyphen, and with the Roman
    // numeral as letters.
    Key::long_term("マトリックス", b"example.org", "TheMatrIX")
}

#[test]
fn the_vectors_of_rfc_5769_are_read() {
    // The key of a short-term credential is the password itself (RFC 8489 9.1.1).
    let mac = || Hmac::new_from_slice(PASSWORD.as_bytes()).expect("a key");
    for (vector, class, address) in [
        (REQUEST, Class::Request, None),
        (RESPONSE_4, Class::Success, Some("192.0.2.1:32853")),
        (RESPONSE_6, Class::Success, Some("[2001:db8:1234:5678:11:2233:4455:6677]:32853")),
    ] {
        let bytes = bytes(vector);
        let message = Message::parse(&bytes).expect("a message");
        assert_eq!((message.method(), message.class()), (Method::Binding, class));
        assert_eq!(message.transaction()[..4], [0xb7, 0xe7, 0xa7, 0x01]);
        let seen = message.xor_address(attribute::XOR_MAPPED_ADDRESS);
        assert_eq!(seen, address.map(|address| address.parse().expect("an address")));
        assert_eq!(message.is_signed_with(mac()), Some(true));
        assert_eq!(message.has_fingerprint(), Some(true));
    }
    let request = bytes(REQUEST);
    let software = Message::parse(&request).ok().and_then(|one| one.find(attribute::SOFTWARE));
    assert_eq!(software, Some(&b"STUN test client"[..]));
}

#[test]
fn the_long_term_vector_is_written_byte_for_byte() {
    let vector = bytes(LONG_TERM);
    let message = Message::parse(&vector).expect("a message");
    assert_eq!(message.is_signed_by(&key_of_the_vector()), Some(true));
    let wrong = Key::long_term("マトリックス", b"example.org", "TheMatrix");
    assert_eq!(message.is_signed_by(&wrong), Some(false));
    assert_eq!(message.has_fingerprint(), None);
    let mut request = Request::new(Method::Binding, message.transaction());
    for kind in [attribute::USERNAME, attribute::NONCE, attribute::REALM] {
        request = request.with(kind, message.find(kind).expect("an attribute"));
    }
    let written = request.signed(&key_of_the_vector()).bytes;
    assert_eq!(written, vector);
}

#[test]
fn whatever_is_written_is_read_again() {
    let key = key_of_the_vector();
    for method in [Method::Binding, Method::Allocate, Method::Refresh, Method::Other(0xabc)] {
        let value = [1, 2, 3, 4, 5];
        for length in 0..=value.len() {
            let request = Request::new(method, [9; 12]).with(attribute::NONCE, &value[..length]);
            let written = request.signed(&key).finish();
            let message = Message::parse(&written).expect("a message");
            assert_eq!((message.method(), message.class()), (method, Class::Request));
            assert_eq!(message.find(attribute::NONCE), Some(&value[..length]));
            assert_eq!(
                (message.is_signed_by(&key), message.has_fingerprint()),
                (Some(true), Some(true))
            );
            assert_eq!(message.find(attribute::FINGERPRINT), None, "behind the integrity");
        }
    }
    let too_much =
        Request::new(Method::Binding, [9; 12]).with(attribute::NONCE, &[0; 70_000]).finish();
    assert_eq!(Message::parse(&too_much).map(|message| message.attributes().count()), Ok(1));
}

#[test]
fn one_changed_bit_is_noticed() {
    let vector = bytes(RESPONSE_4);
    for at in 0..vector.len() {
        let mut changed = vector.clone();
        changed[at] ^= 4;
        let Ok(message) = Message::parse(&changed) else { continue };
        // Only the fingerprint covers the padding.
        assert_ne!(message.has_fingerprint(), Some(true), "at {at}");
    }
}

#[test]
fn a_stream_is_cut_into_messages() {
    let vector = bytes(RESPONSE_6);
    for end in 0..vector.len() {
        assert_eq!(frame(&vector[..end]), Frame::More, "{end} bytes");
        assert_eq!(Message::parse(&vector[..end]), Err(NotStun));
    }
    let two = [&vector[..], &vector[..7]].concat();
    assert_eq!(frame(&two), Frame::Whole(vector.len()));
    assert_eq!(Message::parse(&two), Err(NotStun));
    for broken in [
        &b"HTTP/1.1 400"[..],
        b"\x40\x00\x00\x04data",
        b"\x01\x01\x00\x03\x21\x12",
        b"\x15\x03\x01\x00\x02",
    ] {
        assert_eq!(frame(broken), Frame::Broken);
    }
}

#[test]
fn attributes_that_reach_past_the_end_are_no_message() {
    for attributes in [&[0, 6, 0, 1][..], &[0, 6, 0, 5, 1, 2, 3, 4], &[0, 6, 255, 255, 1, 2, 3, 4]]
    {
        let mut message = Request::new(Method::Binding, [0; 12]).bytes;
        message.extend_from_slice(attributes);
        message[3] = attributes.len() as u8;
        assert_eq!(Message::parse(&message), Err(NotStun), "{attributes:?}");
    }
}

#[test]
fn errors_have_numbers_from_300_to_699() {
    let code = |value: &[u8]| {
        let written =
            Request::new(Method::Allocate, [0; 12]).with(attribute::ERROR_CODE, value).finish();
        Message::parse(&written).ok().and_then(|message| message.error_code())
    };
    assert_eq!(code(&[0, 0, 4, 1]), Some(401));
    assert_eq!(code(b"\0\0\x04\x26Stale Nonce"), Some(438));
    for wrong in [&[0, 0, 2, 1][..], &[0, 0, 7, 1], &[0, 0, 4, 100], &[0, 0, 4], &[]] {
        assert_eq!(code(wrong), None, "{wrong:?}");
    }
}
