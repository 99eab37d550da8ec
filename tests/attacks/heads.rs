//! Requests that two parsers could understand differently, and requests that no browser sends.

use crate::common::Raw;
use crate::common::http::check_refusal;
use crate::common::raw::{CLOSE, NONCE, upgrade_request};

use super::hall::{Hall, Way};

/// What would be answered, were it taken for a request of its own.
const SMUGGLED: &str = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

/// A row: its name, the bytes, the status and the code of the only answer.
type Row = (String, Vec<u8>, u16, &'static str);

const BAD: (u16, &str) = (400, "BAD_REQUEST");
const LARGE: (u16, &str) = (431, "HEAD_TOO_LARGE");
const UPGRADE: (u16, &str) = (426, "UPGRADE_REQUIRED");
const METHOD: (u16, &str) = (405, "METHOD_NOT_ALLOWED");

/// Runs rows, each with another request behind it in the same write, which is never answered.
fn run(way: Way, what: &str, rows: Vec<Row>) {
    let mut hall = Hall::new(way);
    for (name, bytes, status, code) in rows {
        hall.row(&name, |server| {
            for behind in ["", SMUGGLED] {
                let mut raw = Raw::connect(server);
                raw.send(&[&bytes[..], behind.as_bytes()].concat());
                // What has come too much may be refused while it comes; the refusal is there all the same.
                raw.half_close();
                check_refusal(&raw.read_response(), status, code);
            }
        });
    }
    hall.close(what);
}

fn row(name: &str, bytes: impl Into<Vec<u8>>, (status, code): (u16, &'static str)) -> Row {
    (name.to_owned(), bytes.into(), status, code)
}

/// Further lines on an upgrade and on a plain request: the same answer to both.
fn on_both<'a>(
    lines: impl IntoIterator<Item = (&'a str, &'a str)>,
    answer: (u16, &'static str),
) -> Vec<Row> {
    let both = |(name, line): (&str, &str)| {
        let plain = format!("GET /health HTTP/1.1\r\nHost: x\r\n{line}\r\n");
        [
            row(&format!("{name}, upgrade"), upgrade_request(line), answer),
            row(&format!("{name}, plain"), plain, answer),
        ]
    };
    lines.into_iter().flat_map(both).collect()
}

both_ways! {
    smuggling_by_length_and_encoding,
    smuggling_by_lines,
    targets_methods_and_versions,
    handshakes,
    heads_that_are_too_large,
    what_follows_an_upgrade_is_frames_and_nothing_else,
}

fn smuggling_by_length_and_encoding(way: Way) {
    let mut rows = on_both(
        [
            ("chunked", "Transfer-Encoding: chunked\r\n"),
            ("chunked in other letters", "tRANSFER-eNCODING: ChUnKeD\r\n"),
            ("identity", "Transfer-Encoding: identity\r\n"),
            ("an encoding of nothing", "Transfer-Encoding:\r\n"),
            ("an encoding behind a tab", "Transfer-Encoding:\tchunked\r\n"),
            ("an unknown encoding", "Transfer-Encoding: xchunked\r\n"),
            ("two encodings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
            ("a length and an encoding", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"),
            ("an encoding and a length", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"),
            (
                "a length of nothing and an encoding",
                "Content-Length: 0\r\nTransfer-Encoding: x\r\n",
            ),
            ("two lengths", "Content-Length: 0\r\nContent-Length: 35\r\n"),
            ("a length twice", "Content-Length: 35\r\ncontent-length: 35\r\n"),
            ("a list of lengths", "Content-Length: 35, 35\r\n"),
            ("a length with a sign", "Content-Length: +35\r\n"),
            ("a negative length", "Content-Length: -1\r\n"),
            ("a hexadecimal length", "Content-Length: 0x23\r\n"),
            ("a length with a point", "Content-Length: 35.0\r\n"),
            ("a length with a space in it", "Content-Length: 3 5\r\n"),
            ("a length with an underscore", "Content-Length: 3_5\r\n"),
            ("a length in other digits", "Content-Length: ３５\r\n"),
            ("an empty length", "Content-Length:\r\n"),
            ("an encoding on a folded line", "X: a\r\n Transfer-Encoding: chunked\r\n"),
            ("an encoding with a space before the colon", "Transfer-Encoding : chunked\r\n"),
            ("a length with a tab before the colon", "Content-Length\t: 35\r\n"),
            ("an encoding behind a bare CR", "X: a\rTransfer-Encoding: chunked\r\n"),
            ("an encoding behind a bare LF", "X: a\nTransfer-Encoding: chunked\r\n"),
            ("an encoding behind NUL", "X: a\0Transfer-Encoding: chunked\r\n"),
        ],
        BAD,
    );
    for (name, length) in [
        ("a body, which could pass for frames", "35"),
        ("a length of many digits", "00000000000000000000000000000000035"),
        ("a length past 64 bits", "18446744073709551651"),
    ] {
        let line = format!("Content-Length: {length}\r\n");
        rows.push(row(name, upgrade_request(&line), BAD));
    }
    let post = "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 35\r\n\r\n";
    rows.push(row("a request as the body of another", post, METHOD));
    run(way, "lengths and encodings", rows);
}

fn smuggling_by_lines(way: Way) {
    let mut rows = on_both(
        [
            ("a folded line", "X: a\r\n b\r\n"),
            ("a line folded with a tab", "X: a\r\n\tb\r\n"),
            ("a bare LF within the head", "X: a\nY: b\r\n"),
            ("a bare LF at an end of line", "X: a\n"),
            ("two LF", "X: a\n\n"),
            ("a bare CR in a value", "X: a\rb\r\n"),
            ("CR CR LF", "X: a\r\r\n"),
            ("a space before the colon", "X : a\r\n"),
            ("a tab before the colon", "X\t: a\r\n"),
            ("a space before a name", " X: a\r\n"),
            ("a line without a colon", "X\r\n"),
            ("a line without a name", ": a\r\n"),
            ("a second Host", "Host: x\r\n"),
            ("a second Host, another", "Host: evil.example\r\n"),
            ("a second Host in other letters", "hOST: evil.example\r\n"),
            ("a space in a name", "X Y: a\r\n"),
            ("a bracket in a name", "X(Y): a\r\n"),
            ("a letter that is not ASCII in a name", "Ñ: a\r\n"),
            ("NUL in a name", "X\0: a\r\n"),
            ("a request line in the middle", "GET /health HTTP/1.1\r\n"),
            ("two Origins", "Origin: https://a.example\r\nOrigin: https://b.example\r\n"),
            ("two authorizations", "Authorization: Basic eA==\r\nAuthorization: Basic eA==\r\n"),
        ],
        BAD,
    );
    for code in (0..=0x1f_u8).chain([0x7f]).filter(|code| ![b'\t', b'\n', b'\r'].contains(code)) {
        let line = format!("X: a{}b\r\n", char::from(code));
        let name = format!("control character {code:#04x} in a value");
        rows.push(row(&name, upgrade_request(&line), BAD));
    }
    run(way, "lines", rows);
}

fn targets_methods_and_versions(way: Way) {
    let rest = "Host: x\r\n\r\n";
    let mut rows = Vec::new();
    for (line, answer) in [
        ("GET  /health HTTP/1.1", BAD),
        ("GET /health  HTTP/1.1", BAD),
        ("GET /hea lth HTTP/1.1", BAD),
        ("GET\t/health HTTP/1.1", BAD),
        (" GET /health HTTP/1.1", BAD),
        ("GET health HTTP/1.1", BAD),
        ("GET * HTTP/1.1", BAD),
        ("OPTIONS * HTTP/1.1", BAD),
        ("GET x:443 HTTP/1.1", BAD),
        ("CONNECT x:443 HTTP/1.1", BAD),
        ("GET ftp://x/health HTTP/1.1", BAD),
        ("GET http:///health HTTP/1.1", BAD),
        ("GET http:/health HTTP/1.1", BAD),
        ("GET ://x/health HTTP/1.1", BAD),
        ("GET /health#x HTTP/1.1", BAD),
        ("GET /ws?token=x HTTP/1.1", BAD),
        ("GET /health?%61ccess_token=x HTTP/1.1", BAD),
        ("GET http://x/health?authToken=x HTTP/1.1", BAD),
        ("GET /%00 HTTP/1.1", (404, "NOT_FOUND")),
        ("GET /health/../ws HTTP/1.1", (404, "NOT_FOUND")),
        ("GET //evil.example/ws HTTP/1.1", (404, "NOT_FOUND")),
        ("GET /health;/ws HTTP/1.1", (404, "NOT_FOUND")),
        ("GET http://evil.example/nothing HTTP/1.1", (404, "NOT_FOUND")),
        ("POST /health HTTP/1.1", METHOD),
        ("TRACE /health HTTP/1.1", METHOD),
        ("DELETE /ws HTTP/1.1", METHOD),
        ("get /health HTTP/1.1", METHOD),
        ("GETX /health HTTP/1.1", METHOD),
        ("G(T /health HTTP/1.1", BAD),
        ("GET /health", BAD),
        ("GET /health HTTP/0.9", BAD),
        ("GET /health HTTP/1.2", BAD),
        ("GET /health HTTP/1.10", BAD),
        ("GET /health HTTP/01.1", BAD),
        ("GET /health HTTP/2.0", BAD),
        ("GET /health HTTP/2", BAD),
        ("GET /health HTTP/3", BAD),
        ("GET /health http/1.1", BAD),
        ("GET /health HTTPS/1.1", BAD),
        ("GET /health HTTP/1.1 x", BAD),
        ("GET /health HTTP/1.1\0", BAD),
        ("PRI * HTTP/2.0", BAD),
    ] {
        rows.push(row(line, format!("{line}\r\n{rest}"), answer));
    }
    for (name, bytes) in [
        ("the preface of HTTP/2", &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..]),
        ("a client of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 \r\n\r\n"),
        ("a client of SSH", b"SSH-2.0-OpenSSH_9.9\r\n\r\n"),
        ("a PROXY header that nobody asked for", b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n\r\n"),
        ("a binary PROXY header", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\0\0\0\0\0\0\0\0\0\0\0\0"),
        ("zeros", &[0; 100]),
        ("an empty line and LF", b"\r\n\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("no Host", b"GET /health HTTP/1.1\r\n\r\n"),
    ] {
        rows.push(row(name, bytes, BAD));
    }
    run(way, "targets, methods and versions", rows);
}

fn handshakes(way: Way) {
    let request = upgrade_request("");
    let changed = |from: &str, to: &str| {
        assert!(request.contains(from), "{from}");
        request.replacen(from, to, 1)
    };
    let mut rows = vec![
        row("HTTP/1.0", changed("HTTP/1.1", "HTTP/1.0"), UPGRADE),
        row("h2c", changed("Upgrade: websocket", "Upgrade: h2c"), UPGRADE),
        row("a word within a word", changed("Upgrade: websocket", "Upgrade: websockets"), UPGRADE),
        row("not an option", changed("Connection: Upgrade", "Connection: close"), UPGRADE),
        row("by POST", changed("GET", "POST"), METHOD),
        row("elsewhere", changed("/ws", "/health/ws"), (404, "NOT_FOUND")),
        row(
            "an origin that is not ASCII",
            upgrade_request("Origin: https://ñ\r\n"),
            (403, "FORBIDDEN"),
        ),
        row("a token that is not ASCII", upgrade_request("Authorization: Bearer ñ\r\n"), BAD),
        row("an offer that is not ASCII", upgrade_request("Sec-WebSocket-Protocol: ñ\r\n"), BAD),
    ];
    for version in
        ["", "0", "7", "8", "12", "14", "99", "013", "+13", "13.0", "13, 8", "0xd", "1 3"]
    {
        let to = format!("Sec-WebSocket-Version: {version}\r\n");
        let bytes = changed("Sec-WebSocket-Version: 13\r\n", &to);
        rows.push(row(&format!("version {version:?}"), bytes, UPGRADE));
    }
    let again = upgrade_request("Sec-WebSocket-Version: 13\r\n");
    rows.push(row("a version twice", again, BAD));
    for key in [
        "",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZR==",
        "dGhlIHNhbXBsZSBub25jZTE=",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25jZ-==",
        "dGhlIHNh bXBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
        "ñ",
    ] {
        let bytes =
            changed(&format!("Sec-WebSocket-Key: {NONCE}"), &format!("Sec-WebSocket-Key: {key}"));
        rows.push(row(&format!("key {key:?}"), bytes, BAD));
    }
    let again = upgrade_request(&format!("Sec-WebSocket-Key: {NONCE}\r\n"));
    rows.push(row("a key twice", again, BAD));
    run(way, "handshakes", rows);
}

fn heads_that_are_too_large(way: Way) {
    let x = "x".repeat(8_200);
    let head = |line: &str| format!("GET /health HTTP/1.1\r\nHost: x\r\n{line}\r\n");
    let rows = vec![
        row("a field of 8 KiB", head(&format!("X: {x}\r\n")), LARGE),
        row("a name of 8 KiB", head(&format!("{x}: x\r\n")), LARGE),
        row("a target of 8 KiB", format!("GET /{x} HTTP/1.1\r\nHost: x\r\n\r\n"), LARGE),
        row("a method of 8 KiB", format!("{x} / HTTP/1.1\r\nHost: x\r\n\r\n"), LARGE),
        row("64 fields beside Host", head(&"X: x\r\n".repeat(64)), LARGE),
        row("a thousand fields", head(&"X: x\r\n".repeat(1_000)), LARGE),
        row("empty lines in front", "\r\n".repeat(5_000), LARGE),
        row("a token of 8 KiB", upgrade_request(&format!("Authorization: Bearer {x}\r\n")), LARGE),
        row("a head without an end", format!("GET / HTTP/1.1\r\nX: {x}{x}"), LARGE),
        row("a first line without an end", x.repeat(3), LARGE),
    ];
    run(way, "large heads", rows);
}

fn what_follows_an_upgrade_is_frames_and_nothing_else(way: Way) {
    let mut hall = Hall::new(way);
    for (name, behind) in [
        ("a request", SMUGGLED),
        ("a request for another upgrade", &upgrade_request("")),
        ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("a chunk", "0\r\n\r\n"),
    ] {
        hall.row(name, |server| {
            let mut raw = Raw::connect(server);
            raw.send(format!("{}{behind}", upgrade_request("")).as_bytes());
            raw.expect_upgrade();
            let frame = raw.frame();
            assert_eq!((frame.opcode, frame.close_code()), (CLOSE, 1002));
        });
    }
    // These are no attacks: nobody is refused for what others have done with the same bytes.
    for (name, request) in [
        ("an unknown field that is not ASCII", upgrade_request("X: ñ\r\n")),
        ("an empty body", upgrade_request("Content-Length: 0\r\n")),
        ("absolute form", upgrade_request("").replace("/ws", "http://localhost/ws")),
        ("an extension", upgrade_request("Sec-WebSocket-Extensions: x; y=\"z\"\r\n")),
    ] {
        hall.row(name, |server| {
            let mut raw = Raw::connect(server);
            raw.send(request.as_bytes());
            assert_eq!(raw.expect_upgrade().field("Sec-WebSocket-Extensions"), None);
        });
    }
    hall.close("bytes behind an upgrade");
}
