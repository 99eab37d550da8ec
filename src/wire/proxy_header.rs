//! The header of the PROXY protocol, versions 1 and 2, as HAProxy's `proxy-protocol.txt` defines
//! it. A proxy sends it first on a connection, to say whose connection it forwards.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest header that is accepted, with all its extensions; those of common load balancers
/// have a few hundred bytes.
pub const HEADER_BYTES_MAX: usize = 4 * 1024;

/// The longest line of version 1, including its line end.
const LINE_BYTES_MAX: usize = 107;

const SIGNATURE_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const PREFIX_V1: &[u8] = b"PROXY ";

/// Signature, version and command, family, length.
const FIXED_BYTES_V2: usize = 16;

/// The content of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The source address of the connection. `None`: the proxy itself (a health check), or a
    /// connection without IP addresses.
    pub source: Option<IpAddr>,
}

/// There is no header, or it is malformed. Nothing that follows can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault;

/// Parses the header at the front of `bytes`. Returns its content and its length in bytes. `None`:
/// more bytes are needed.
pub fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, Fault> {
    match bytes.first() {
        None => Ok(None),
        Some(b'P') => parse_line(bytes),
        Some(_) => parse_binary(bytes),
    }
}

/// Version 1 (section 2.1): `PROXY TCP4 192.0.2.1 192.0.2.9 51234 443` and a line end.
fn parse_line(bytes: &[u8]) -> Result<Option<(Header, usize)>, Fault> {
    if !begins_alike(bytes, PREFIX_V1) {
        return Err(Fault);
    }
    let window = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let Some(end) = window.iter().position(|&byte| byte == b'\n') else {
        return if bytes.len() < LINE_BYTES_MAX { Ok(None) } else { Err(Fault) };
    };
    let line = window[..end].strip_suffix(b"\r").and_then(|line| line.strip_prefix(PREFIX_V1));
    let line = line.and_then(|line| std::str::from_utf8(line).ok()).ok_or(Fault)?;
    let mut words = line.split(' ');
    let family = words.next();
    // The rest of the line may be anything, and is ignored.
    if family == Some("UNKNOWN") {
        return Ok(Some((Header { source: None }, end + 1)));
    }
    let mut word = || words.next().ok_or(Fault);
    let (source, to, source_port, port) = (word()?, word()?, word()?, word()?);
    let address = |text: &str| match family {
        Some("TCP4") => text.parse().map(IpAddr::V4).map_err(|_| Fault),
        Some("TCP6") => text.parse().map(IpAddr::V6).map_err(|_| Fault),
        _ => Err(Fault),
    };
    let (source, _) = (address(source)?, address(to)?);
    if words.next().is_some() || !is_port(source_port) || !is_port(port) {
        return Err(Fault);
    }
    Ok(Some((Header { source: Some(source.to_canonical()) }, end + 1)))
}

/// Version 2 (section 2.2). Extensions after the addresses (section 2.2.1) are skipped.
fn parse_binary(bytes: &[u8]) -> Result<Option<(Header, usize)>, Fault> {
    /// Version and command.
    const LOCAL: u8 = 0x20;
    const PROXY: u8 = 0x21;
    /// Address family and transport.
    const UNSPECIFIED: u8 = 0x00;
    const TCP_V4: u8 = 0x11;
    const TCP_V6: u8 = 0x21;
    const UNIX_STREAM: u8 = 0x31;
    if !begins_alike(bytes, SIGNATURE_V2) {
        return Err(Fault);
    }
    let Some(&[command, family, high, low]) =
        bytes.get(SIGNATURE_V2.len()..FIXED_BYTES_V2).and_then(|rest| rest.first_chunk())
    else {
        return Ok(None);
    };
    let len = FIXED_BYTES_V2 + usize::from(u16::from_be_bytes([high, low]));
    let addresses_len = match (command, family) {
        (LOCAL, _) | (PROXY, UNSPECIFIED) => 0,
        (PROXY, TCP_V4) => 12,
        (PROXY, TCP_V6) => 36,
        (PROXY, UNIX_STREAM) => 216,
        _ => return Err(Fault),
    };
    if len < FIXED_BYTES_V2 + addresses_len || len > HEADER_BYTES_MAX {
        return Err(Fault);
    }
    let Some(addresses) = bytes.get(FIXED_BYTES_V2..len) else { return Ok(None) };
    let source = match (command, family) {
        (PROXY, TCP_V4) => {
            addresses.first_chunk().map(|four: &[u8; 4]| Ipv4Addr::from(*four).into())
        }
        (PROXY, TCP_V6) => {
            addresses.first_chunk().map(|all: &[u8; 16]| Ipv6Addr::from(*all).into())
        }
        _ => None,
    };
    Ok(Some((Header { source: source.map(|source: IpAddr| source.to_canonical()) }, len)))
}

/// Whether `bytes` begin with `start`, or are a prefix of it.
fn begins_alike(bytes: &[u8], start: &[u8]) -> bool {
    let len = bytes.len().min(start.len());
    bytes[..len] == start[..len]
}

/// A decimal port without a leading zero.
fn is_port(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    plain && (text == "0" || !text.starts_with('0')) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of version 2 with this command, family and rest.
    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let len = u16::try_from(rest.len()).expect("short").to_be_bytes();
        [SIGNATURE_V2, &[command, family], &len, rest].concat()
    }

    fn v4(tail: &[u8]) -> Vec<u8> {
        let addresses = [192, 0, 2, 1, 192, 0, 2, 9, 0xc8, 0x22, 0x01, 0xbb];
        binary(0x21, 0x11, &[&addresses, tail].concat())
    }

    fn good() -> Vec<(Vec<u8>, Option<&'static str>)> {
        let v6 = [&Ipv6Addr::LOCALHOST.octets()[..], &[0; 16], &[1, 2, 3, 4]].concat();
        let mapped = [&[0; 10][..], &[0xff, 0xff, 192, 0, 2, 1], &[0; 20]].concat();
        let text = |line: &str| line.as_bytes().to_vec();
        vec![
            (text("PROXY TCP4 192.0.2.1 192.0.2.9 51234 443\r\n"), Some("192.0.2.1")),
            (
                text("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
                Some("255.255.255.255"),
            ),
            (text("PROXY TCP6 2001:db8::1 ::1 0 443\r\n"), Some("2001:db8::1")),
            (text("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 443\r\n"), Some("192.0.2.1")),
            (text("PROXY UNKNOWN\r\n"), None),
            (text("PROXY UNKNOWN ffff::1 what ever\r\n"), None),
            (v4(b""), Some("192.0.2.1")),
            (v4(&[4, 0, 3, 1, 2, 3]), Some("192.0.2.1")),
            (v4(&[0xff; 4_000]), Some("192.0.2.1")),
            (binary(0x21, 0x21, &v6), Some("::1")),
            (binary(0x21, 0x21, &mapped), Some("192.0.2.1")),
            (binary(0x21, 0x31, &[7; 216]), None),
            (binary(0x21, 0x00, b""), None),
            (binary(0x21, 0x00, b"extensions"), None),
            (binary(0x20, 0x11, b"ignored"), None),
            (binary(0x20, 0xff, b""), None),
        ]
    }

    #[test]
    fn a_header_is_read_with_anything_behind_it_and_waited_for_when_it_is_cut() {
        for (bytes, source) in good() {
            let source = source.map(|text| text.parse().expect("an address"));
            let expected = Ok(Some((Header { source }, bytes.len())));
            assert_eq!(parse(&bytes), expected, "{bytes:?}");
            assert_eq!(parse(&[&bytes[..], b"GET / HTTP/1.1\r\n"].concat()), expected);
            for len in 0..bytes.len() {
                assert_eq!(parse(&bytes[..len]), Ok(None), "{len} of {bytes:?}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused_at_once() {
        for line in [
            "G",
            "\x16",
            "PROXYX",
            "PROXY\t",
            "Proxy ",
            "\r\n\r\n\0\r\nQUIX",
            "PROXY \r\n",
            "PROXY TCP4\r\n",
            "PROXY TCP5 192.0.2.1 192.0.2.9 1 2\r\n",
            "PROXY tcp4 192.0.2.1 192.0.2.9 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 1\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 1 2 3\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 1 2 \r\n",
            "PROXY TCP4  192.0.2.1 192.0.2.9 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 1 2\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 01 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 1 65536\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 1 +2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 1 \r\n",
            "PROXY TCP4 192.0.2.01 192.0.2.9 1 2\r\n",
            "PROXY TCP4 ::1 192.0.2.9 1 2\r\n",
            "PROXY TCP4 192.0.2.1 ::1 1 2\r\n",
            "PROXY TCP6 192.0.2.1 192.0.2.9 1 2\r\n",
            "PROXY TCP6 [::1] ::1 1 2\r\n",
            "PROXY TCP6 fe80::1%lo ::1 1 2\r\n",
            "PROXY UNKNOWNX\r\n",
        ] {
            assert_eq!(parse(line.as_bytes()), Err(Fault), "{line:?}");
        }
        let endless = format!("PROXY UNKNOWN {}", "x".repeat(200));
        assert_eq!(parse(&endless.as_bytes()[..106]), Ok(None));
        assert_eq!(parse(&endless.as_bytes()[..107]), Err(Fault));
        assert_eq!(parse(b"PROXY TCP4 \xff 192.0.2.9 1 2\r\n"), Err(Fault));
    }

    #[test]
    fn versions_commands_families_and_lengths_that_are_not_defined_are_refused() {
        for (command, family, len) in [
            (0x22, 0x11, 12),
            (0x2f, 0x11, 12),
            (0x11, 0x11, 12),
            (0x31, 0x11, 12),
            (0x21, 0x12, 12),
            (0x21, 0x22, 36),
            (0x21, 0x10, 12),
            (0x21, 0x41, 12),
            (0x21, 0x11, 11),
            (0x21, 0x21, 35),
            (0x21, 0x31, 215),
            (0x21, 0x11, HEADER_BYTES_MAX),
        ] {
            let bytes = binary(command, family, &vec![0; len]);
            assert_eq!(parse(&bytes), Err(Fault), "{command:x} {family:x} {len}");
            assert_eq!(parse(&bytes[..16]), Err(Fault), "seen in the first 16 bytes");
        }
    }
}
