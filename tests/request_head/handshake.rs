//! The opening handshake (RFC 6455 4.2).

use autamedica_signaling::wire::upgrade::{Fault, Upgrade};

use super::{head, read};

/// The fields of a browser's request, by which each test changes one.
const FIELDS: [(&str, &str); 5] = [
    ("Host", "clinic.example"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
];

/// What becomes of a request of `version` in which the field `name` is `value`, or missing.
fn judge(version: &str, name: &str, value: Option<&str>) -> Option<Fault> {
    let mut lines = vec![format!("GET /ws {version}")];
    for (field, usual) in FIELDS {
        let value = if field == name { value } else { Some(usual) };
        lines.extend(value.map(|value| format!("{field}: {value}")));
    }
    let bytes = head(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    Upgrade::read(&read(&bytes)).err()
}

#[test]
fn requests_that_are_an_upgrade() {
    for (name, value) in [
        ("", ""),
        ("Upgrade", "WebSocket"),
        ("Upgrade", "h2c, websocket"),
        ("Connection", "keep-alive, Upgrade"),
        ("Connection", "upgrade"),
        ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ] {
        assert_eq!(judge("HTTP/1.1", name, Some(value)), None, "{name}: {value}");
    }
}

#[test]
fn requests_that_are_not_an_upgrade() {
    for (name, value) in [
        ("Upgrade", None),
        ("Upgrade", Some("")),
        ("Upgrade", Some("websockets")),
        ("Upgrade", Some("h2c")),
        ("Connection", None),
        ("Connection", Some("keep-alive")),
        ("Connection", Some("Upgrade-Insecure")),
        ("Sec-WebSocket-Version", None),
        ("Sec-WebSocket-Version", Some("8")),
        ("Sec-WebSocket-Version", Some("013")),
        ("Sec-WebSocket-Version", Some("13, 8")),
        ("Sec-WebSocket-Version", Some("")),
    ] {
        assert_eq!(judge("HTTP/1.1", name, value), Some(Fault::NotAnUpgrade), "{name}: {value:?}");
    }
}

#[test]
fn version_1_0_cannot_be_upgraded() {
    // RFC 9110 7.8: an Upgrade field in HTTP/1.0 must be ignored.
    assert_eq!(judge("HTTP/1.0", "", None), Some(Fault::NotAnUpgrade));
}

#[test]
fn an_upgrade_has_no_body_that_could_pass_for_frames() {
    let mut lines: Vec<_> = FIELDS.map(|(name, value)| format!("{name}: {value}")).to_vec();
    lines.insert(0, "GET /ws HTTP/1.1".to_owned());
    for (length, fault) in [("0", None), ("00", None), ("1", Some(Fault::Malformed))] {
        let field = format!("Content-Length: {length}");
        let lines: Vec<_> = lines.iter().chain([&field]).map(String::as_str).collect();
        let bytes = head(&lines);
        assert_eq!(Upgrade::read(&read(&bytes)).err(), fault, "{length}");
    }
}

#[test]
fn a_key_is_16_bytes_in_base64() {
    for value in [
        None,
        Some(""),
        Some("AAAAAAAAAAAAAAAAAAAAAA"),   // no padding
        Some("AAAAAAAAAAAAAAAAAAAA"),     // 15 bytes
        Some("AAAAAAAAAAAAAAAAAAAAAAA="), // 17 bytes
        Some("AAAAAAAAAAAAAAAAAAAAAAAA"), // 18 bytes
        Some("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        Some("AAAAAAAAAAAAAAAAAAAAAB=="), // not canonical: what the last character stands for is cut
        Some("AAAAAAAAAAA-AAAAAAAAAA=="),
        Some("AAAAAAAAAA A AAAAAAAAAA=="),
        Some("=="),
    ] {
        let judged = judge("HTTP/1.1", "Sec-WebSocket-Key", value);
        assert_eq!(judged, Some(Fault::Malformed), "{value:?}");
    }
}

#[test]
fn the_answer_is_that_of_the_example_in_rfc_6455() {
    let lines: Vec<_> = FIELDS.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let lines = ["GET /ws HTTP/1.1"].into_iter().chain(lines.iter().map(String::as_str));
    let bytes = head(&lines.collect::<Vec<_>>());
    let upgrade = Upgrade::read(&read(&bytes)).expect("an upgrade");
    for protocol in [None, Some("autamedica.v1")] {
        let mut answer = Vec::new();
        upgrade.write_accept(&mut answer, protocol);
        let mut fields = [httparse::EMPTY_HEADER; 8];
        let mut response = httparse::Response::new(&mut fields);
        let parsed = response.parse(&answer).expect("a response");
        assert_eq!(parsed, httparse::Status::Complete(answer.len()));
        assert_eq!(response.code, Some(101));
        let value = |name: &str| {
            let mut found = response.headers.iter().filter(|field| field.name == name);
            let value = found.next().map(|field| std::str::from_utf8(field.value).expect("ASCII"));
            assert!(found.next().is_none(), "{name} once");
            value
        };
        assert_eq!(value("Upgrade"), Some("websocket"));
        assert_eq!(value("Connection"), Some("Upgrade"));
        assert_eq!(value("Sec-WebSocket-Accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(value("Sec-WebSocket-Protocol"), protocol);
        assert_eq!(value("Sec-WebSocket-Extensions"), None);
    }
}
