//! Heads that two parsers could understand differently, and malformed heads (RFC 9112 2.2, 3, 5,
//! 11.2).

use autamedica_signaling::wire::http::{self, Fault};

use super::{fault, head};

/// A head with one more field.
fn with(field: &str) -> Vec<u8> {
    head(&["GET / HTTP/1.1", "Host: clinic.example", field])
}

#[test]
fn what_is_not_a_request_is_malformed() {
    let lines: &[&[u8]] = &[
        b"\x16\x03\x01\x02\x00\x01\x00", // a TLS client
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        b"GET / HTTP/0.9\r\nHost: a\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / http/1.1\r\nHost: a\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        b" GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"{\"type\":\"ping\"}\r\n\r\n",
    ];
    for line in lines {
        assert_eq!(fault(line), Some(Fault::Malformed), "{}", String::from_utf8_lossy(line));
    }
}

#[test]
fn fields_that_readers_disagree_on_are_malformed() {
    for field in [
        "Host : a",   // white space before the colon (RFC 9112 5.1)
        " folded: a", // a folded line (RFC 9112 5.2)
        "\tfolded",
        ": a",
        "no colon",
        "x: a\0b",
        "x: a\x7fb",
        "x: a\rb",
        "na me: a",
        "näme: a",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "transfer-encoding:",
        "Content-Length: +0",
        "Content-Length: -0",
        "Content-Length: 0, 0",
        "Content-Length: 0x0",
        "Content-Length:",
    ] {
        assert_eq!(fault(&with(field)), Some(Fault::Malformed), "{field:?}");
    }
    for field in ["Content-Length: 0", "Content-Length: 00", "Content-Length: 1"] {
        assert_eq!(fault(&with(field)), None, "{field:?}");
    }
}

#[test]
fn what_decides_who_comes_in_occurs_at_most_once() {
    for field in [
        "Host: clinic.example",
        "Origin: https://clinic.example",
        "Authorization: Bearer x",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Content-Length: 0",
    ] {
        let host = if field.starts_with("Host") { "x: y" } else { "Host: a" };
        let other_case = field.to_lowercase();
        let once = head(&["GET / HTTP/1.1", host, field]);
        let twice = head(&["GET / HTTP/1.1", host, field, "between: 1", &other_case]);
        assert_eq!(fault(&once), None, "{field}");
        assert_eq!(fault(&twice), Some(Fault::Malformed), "{field}");
    }
}

#[test]
fn a_host_is_needed_from_version_1_1_on() {
    assert_eq!(fault(&head(&["GET / HTTP/1.1"])), Some(Fault::Malformed));
    assert_eq!(fault(&head(&["GET / HTTP/1.1", "X-Host: a"])), Some(Fault::Malformed));
    assert_eq!(fault(&head(&["GET / HTTP/1.0"])), None);
}

#[test]
fn a_host_is_one() {
    for fine in [
        "",
        "clinic.example:8080",
        "192.0.2.1",
        "[2001:db8::1]:443",
        "a_b.example",
        "%C3%A9.example",
    ] {
        assert_eq!(fault(&head(&["GET / HTTP/1.1", &format!("Host: {fine}")])), None, "{fine}");
    }
    for odd in [
        "a b",
        "user@clinic.example",
        "clinic.example/x",
        "a\\b",
        "a?b",
        "a#b",
        "é.example",
        "a\"b",
    ] {
        let found = fault(&head(&["GET / HTTP/1.1", &format!("Host: {odd}")]));
        assert_eq!(found, Some(Fault::Malformed), "{odd}");
    }
}

#[test]
fn every_line_ends_with_cr_lf() {
    let lines = "GET / HTTP/1.1\r\nHost: a\r\nx: y\r\n\r\n";
    assert_eq!(fault(lines.as_bytes()), None);
    let ends: Vec<_> = lines.match_indices("\r\n").map(|(at, _)| at).collect();
    for at in ends {
        let bare_lf = [&lines[..at], &lines[at + 1..]].concat();
        assert_eq!(fault(bare_lf.as_bytes()), Some(Fault::Malformed), "{bare_lf:?}");
        let bare_cr = [&lines[..=at], &lines[at + 2..]].concat();
        let request = http::parse(bare_cr.as_bytes(), 0);
        assert!(!matches!(request, Ok(Some(_))), "{bare_cr:?}");
    }
    for empty in ["\n", "\r\n\n", "\n\r\n"] {
        let after = [empty, lines].concat();
        assert_eq!(fault(after.as_bytes()), Some(Fault::Malformed), "{after:?}");
    }
}
