//! PROXY headers: the verdict is that of a slow reader of `proxy-protocol.txt`, cut anywhere it is waited for, and what
//! follows changes nothing.
//!
//! An input is what a proxy sends.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use autamedica_signaling::wire::proxy_header::{Fault, HEADER_BYTES_MAX, Header, parse};
use libfuzzer_sys::fuzz_target;

type Verdict = Result<Option<(Header, usize)>, Fault>;

fuzz_target!(|input: &[u8]| {
    let verdict = parse(input);
    assert_eq!(verdict, slow(input));
    match verdict {
        Ok(Some((_, len))) => {
            assert!(len > 0 && len <= input.len() && len <= HEADER_BYTES_MAX);
            assert_eq!(parse(&input[..len]), verdict, "what follows plays a part");
            for cut in 0..len {
                assert_eq!(parse(&input[..cut]), Ok(None), "cut at {cut}");
            }
        }
        Ok(None) => assert!(input.len() < HEADER_BYTES_MAX, "waits for more than there may be"),
        // However much more comes.
        Err(Fault) => assert_eq!(parse(&[input, b"\r\n0 more"].concat()), Err(Fault)),
    }
});

/// Tries one length after the other.
fn slow(input: &[u8]) -> Verdict {
    for len in 0..=input.len().min(HEADER_BYTES_MAX) {
        let whole = &input[..len];
        if let Some(source) = line(whole).or_else(|| binary(whole)) {
            return Ok(Some((Header { source }, len)));
        }
        if !is_hopeful(whole) {
            return Err(Fault);
        }
    }
    Ok(None)
}

/// Whether these bytes may still become a header.
fn is_hopeful(bytes: &[u8]) -> bool {
    let signature = *b"\r\n\r\n\0\r\nQUIT\n";
    let like = |start: &[u8]| bytes.iter().zip(start).all(|(byte, other)| byte == other);
    let text = like(b"PROXY ") && bytes.len() < 107 && !bytes.contains(&b'\n');
    let declared = bytes.get(12..16).map(|fixed| {
        let len = usize::from(fixed[2]) * 256 + usize::from(fixed[3]);
        let needed = match (fixed[0], fixed[1]) {
            (0x20, _) | (0x21, 0x00) => Some(0),
            (0x21, 0x11) => Some(4 + 4 + 2 + 2),
            (0x21, 0x21) => Some(16 + 16 + 2 + 2),
            (0x21, 0x31) => Some(108 + 108),
            _ => None,
        };
        needed.is_some_and(|needed| len >= needed) && 16 + len <= HEADER_BYTES_MAX
    });
    text || (like(&signature) && declared.unwrap_or(true))
}

/// The source of a whole line of version 1.
fn line(bytes: &[u8]) -> Option<Option<IpAddr>> {
    let text = str::from_utf8(bytes).ok()?.strip_suffix("\r\n").filter(|_| bytes.len() <= 107)?;
    if text.contains('\n') {
        return None;
    }
    let words: Vec<_> = text.split(' ').collect();
    match words[..] {
        ["PROXY", "UNKNOWN", ..] => Some(None),
        ["PROXY", family, source, target, from, to] => {
            let addresses = [source, target].map(|text| address(family, text));
            let ports = [from, to].map(port);
            let (Some(source), true, true) =
                (addresses[0], addresses[1].is_some(), ports == [true, true])
            else {
                return None;
            };
            Some(Some(source.to_canonical()))
        }
        _ => None,
    }
}

fn address(family: &str, text: &str) -> Option<IpAddr> {
    match (family, text.parse().ok()?) {
        ("TCP4", v4 @ IpAddr::V4(_)) => Some(v4),
        ("TCP6", v6 @ IpAddr::V6(_)) => Some(v6),
        _ => None,
    }
}

/// Whether it is how a number up to 65535 is written.
fn port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|number| number.to_string() == text)
}

/// The source of a whole header of version 2.
fn binary(bytes: &[u8]) -> Option<Option<IpAddr>> {
    let (fixed, rest) = bytes.split_at_checked(16)?;
    let len = usize::from(fixed[14]) << 8 | usize::from(fixed[15]);
    if &fixed[..12] != b"\r\n\r\n\0\r\nQUIT\n" || len != rest.len() || !is_hopeful(fixed) {
        return None;
    }
    Some(match (fixed[12], fixed[13]) {
        (0x21, 0x11) => Some(Ipv4Addr::new(rest[0], rest[1], rest[2], rest[3]).into()),
        (0x21, 0x21) => {
            let bits = rest[..16].iter().fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
            Some(IpAddr::from(Ipv6Addr::from(bits)).to_canonical())
        }
        _ => None,
    })
}
