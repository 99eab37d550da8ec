//! The part of DNS (RFC 1035) that is needed to ask a resolver for the addresses of one name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ice_url::is_name;

/// The longest answer that is accepted: more than fits into a datagram without extensions, because
/// some resolvers send more.
pub const ANSWER_BYTES_MAX: usize = 4_096;

const HEADER_BYTES: usize = 12;
const INTERNET: u16 = 1;

/// Which kind of address to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A
    V4,
    /// AAAA (RFC 3596)
    V6,
}

/// What a resolver answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The addresses; empty if the name has only others.
    Addresses(Vec<IpAddr>),
    /// There is no such name.
    NoSuchName,
    /// The resolver failed, with this response code (RFC 1035 4.1.1: 2 is a server failure, 5 a
    /// refusal).
    Failed(u8),
}

/// A recursive query for `name`; `None` if that is not a valid host name.
pub fn query(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    if !is_name(name) {
        return None;
    }
    let mut bytes = id.to_be_bytes().to_vec();
    // Recursion desired; one question.
    bytes.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.trim_end_matches('.').split('.') {
        bytes.push(u8::try_from(label.len()).ok()?);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend_from_slice(&[0, record(kind), 0, 1]);
    Some(bytes)
}

/// Parses the answer to a query that [`query`] wrote; `None` if it answers another query, or is
/// malformed.
///
/// The names of the records are not compared: aliases (CNAME) have other names.
pub fn answer(query: &[u8], bytes: &[u8], kind: Kind) -> Option<Answer> {
    let question = query.get(HEADER_BYTES..)?;
    let head = bytes.get(..HEADER_BYTES)?;
    let echoed = bytes.get(HEADER_BYTES..HEADER_BYTES + question.len())?;
    let number = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let is_answer = head[2] & 0x80 != 0 && number(4) == 1;
    // Names are compared without letter case.
    if head[..2] != query[..2] || !is_answer || !echoed.eq_ignore_ascii_case(question) {
        return None;
    }
    match head[3] & 0x0f {
        0 => {}
        3 => return Some(Answer::NoSuchName),
        code => return Some(Answer::Failed(code)),
    }
    let mut rest = &bytes[HEADER_BYTES + question.len()..];
    let mut addresses = Vec::new();
    for _ in 0..number(6) {
        let (record_kind, class, data, behind) = split_record(rest)?;
        rest = behind;
        if (record_kind, class) == (u16::from(record(kind)), INTERNET) {
            addresses.push(address(data, kind)?);
        }
    }
    Some(Answer::Addresses(addresses))
}

const fn record(kind: Kind) -> u8 {
    match kind {
        Kind::V4 => 1,
        Kind::V6 => 28,
    }
}

fn address(data: &[u8], kind: Kind) -> Option<IpAddr> {
    Some(match kind {
        Kind::V4 => Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?).into(),
        Kind::V6 => Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?).into(),
    })
}

/// The type, class and data of the record at the front, and the bytes after it.
fn split_record(bytes: &[u8]) -> Option<(u16, u16, &[u8], &[u8])> {
    let (head, rest) = skip_name(bytes)?.split_first_chunk::<10>()?;
    let number = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let (data, behind) = rest.split_at_checked(usize::from(number(8)))?;
    Some((number(0), number(2), data, behind))
}

/// The bytes after a name. A pointer ends the name (RFC 1035 4.1.4) and is not followed, so there
/// can be no loop.
fn skip_name(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let (&length, rest) = bytes.split_first()?;
        bytes = match length {
            0 => return Some(rest),
            1..=63 => rest.get(usize::from(length)..)?,
            0xc0.. => return rest.get(1..),
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "turn.example.org";

    /// An answer to `query`: an alias, then two addresses.
    fn reply(query: &[u8], code: u8) -> Vec<u8> {
        let mut bytes = query.to_vec();
        bytes[2] |= 0x80;
        bytes[3] = 0x80 | code;
        bytes[7] = 3;
        bytes.extend_from_slice(b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x07\x04real\xc0\x11");
        for last in [7, 8] {
            bytes.extend_from_slice(b"\x04real\xc0\x11\0\x01\0\x01\0\0\0\x3c\0\x04");
            bytes.extend_from_slice(&[192, 0, 2, last]);
        }
        bytes
    }

    #[test]
    fn the_addresses_behind_an_alias_are_found() {
        let query = query(7, "TURN.example.org.", Kind::V4).expect("a name");
        let good = reply(&query, 0);
        let expected = [7, 8].map(|last| IpAddr::from([192, 0, 2, last]));
        assert_eq!(answer(&query, &good, Kind::V4), Some(Answer::Addresses(expected.to_vec())));
        assert_eq!(answer(&query, &reply(&query, 3), Kind::V4), Some(Answer::NoSuchName));
        assert_eq!(answer(&query, &reply(&query, 2), Kind::V4), Some(Answer::Failed(2)));
        for end in 0..good.len() {
            assert_eq!(answer(&query, &good[..end], Kind::V4), None, "cut at {end}");
        }
    }

    #[test]
    fn an_answer_to_something_else_does_not_count() {
        let ours = query(7, NAME, Kind::V4).expect("a name");
        for other in [
            query(8, NAME, Kind::V4),
            query(7, "turn.example.com", Kind::V4),
            query(7, NAME, Kind::V6),
        ] {
            let other = other.expect("a name");
            assert_eq!(answer(&ours, &reply(&other, 0), Kind::V4), None);
        }
        assert_eq!(answer(&ours, &ours, Kind::V4), None, "a question is no answer");
        let v6 = query(7, NAME, Kind::V6).expect("a name");
        assert_eq!(answer(&v6, &reply(&v6, 0), Kind::V6), Some(Answer::Addresses(Vec::new())));
    }

    #[test]
    fn only_names_are_asked_for() {
        for wrong in ["", ".", "a..b", "192.0.2.7", "a b", &"a".repeat(64), &"a.".repeat(128)] {
            assert_eq!(query(7, wrong, Kind::V4), None, "{wrong}");
        }
    }
}
