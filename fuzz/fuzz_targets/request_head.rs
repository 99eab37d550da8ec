//! The request head and the door: however the bytes are cut they are the same request; what is let in has one reading
//! only, and a second reader has the same one; what is refused has a reason, and the answer is a whole HTTP response.
//!
//! The first byte of an input says how large a field is put into the head (64 bytes for each step from `0`), the second
//! how the head is cut (from `0`: not at all), the third whether there is room (`f`: none) and whether an origin is
//! demanded (`o`). Then the head; `$TOKEN` in it stands for a good token.
#![no_main]

use autamedica_signaling::admission::door::{self, Door, Refusal};
use autamedica_signaling::admission::{Addresses, Origins};
use autamedica_signaling::wire::http::{self, Fault, HEAD_BYTES_MAX, Request};
use autamedica_signaling_fuzz::choices::Choices;
use autamedica_signaling_fuzz::client::read_response;
use autamedica_signaling_fuzz::people::{self, Person};
use libfuzzer_sys::fuzz_target;
use tungstenite::error::{Error, ProtocolError};
use tungstenite::handshake::derive_accept_key;
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server;

#[path = "request_head/lines.rs"]
mod lines;

use lines::Lines;

const ORIGIN: &str = "https://clinic.example";

/// Heads up to this length are cut at every index.
const EVERYWHERE_MAX: usize = 400;

fuzz_target!(|input: &[u8]| {
    let mut choices = Choices::new(input);
    let pad = usize::from(choices.byte().wrapping_sub(b'0')) * 64;
    let step = usize::from(choices.byte().wrapping_sub(b'0'));
    let options = choices.byte();
    let bytes = padded(choices.rest(), pad);
    let whole = http::parse(&bytes, 0);
    cut_is_the_same(&bytes, &whole, step);
    match whole {
        Ok(Some((request, len))) => {
            let lines = Lines::read(&bytes[..len]).expect("a head that a slow reader can read");
            one_reading(&request, len, &lines, &bytes);
            admitted(&request, &lines, &bytes[..len], options);
        }
        Ok(None) => assert!(bytes.len() < HEAD_BYTES_MAX),
        Err(fault) => refused(&bytes, fault),
    }
});

/// The head with a field of `pad` bytes behind its first line, and with its token.
fn padded(head: &[u8], pad: usize) -> Vec<u8> {
    let mut bytes =
        replaced(head, b"$TOKEN", people::token(&Person::DOCTOR, people::NOON).as_bytes());
    if let Some(line) = bytes.windows(2).position(|pair| pair == b"\r\n").filter(|_| pad > 0) {
        let field = format!("X-Pad: {}\r\n", "a".repeat(pad));
        bytes.splice(line + 2..line + 2, field.into_bytes());
    }
    bytes
}

fn replaced(bytes: &[u8], name: &[u8], value: &[u8]) -> Vec<u8> {
    match bytes.windows(name.len()).position(|part| part == name) {
        Some(at) => [&bytes[..at], value, &bytes[at + name.len()..]].concat(),
        None => bytes.to_vec(),
    }
}

type Parsed<'a> = Result<Option<(Request<'a>, usize)>, Fault>;

/// In chunks it is the same request. A refusal may come later, since nobody looks before the end of the head is there.
fn cut_is_the_same(bytes: &[u8], whole: &Parsed<'_>, step: usize) {
    if step > 0 {
        same(whole, &in_chunks(bytes, bytes.len(), step), bytes);
    }
    if bytes.len() <= EVERYWHERE_MAX {
        for cut in 1..bytes.len() {
            same(whole, &in_chunks(bytes, cut, bytes.len()), bytes);
        }
    }
}

/// The first chunk has at most `first` bytes and all have at most `step`; each is looked at as a connection does.
fn in_chunks(bytes: &[u8], first: usize, step: usize) -> Parsed<'_> {
    let (mut seen, mut end) = (0, first.min(step));
    loop {
        match http::parse(&bytes[..end.min(bytes.len())], seen) {
            Ok(None) if end < bytes.len() => (seen, end) = (end, end + step),
            settled => return settled,
        }
    }
}

fn same(whole: &Parsed<'_>, cut: &Parsed<'_>, bytes: &[u8]) {
    match (whole, cut) {
        (Ok(Some((whole, whole_len))), Ok(Some((cut, cut_len)))) => {
            assert_eq!((whole.method, whole.path, whole.query), (cut.method, cut.path, cut.query));
            assert_eq!(whole_len, cut_len);
        }
        (Ok(None), Ok(None)) | (Err(_), Err(_)) => {}
        (Err(_), Ok(None)) => {
            let ended = [bytes, b"\r\n\r\n"].concat();
            let late = http::parse(&ended, bytes.len());
            assert!(late.is_err(), "a refusal that only waited for the end of the head never came");
        }
        _ => panic!("whole: {whole:?}\ncut: {cut:?}"),
    }
}

/// What was read is what httparse reads, and what a reader of lines reads who asks for one value of each.
fn one_reading(request: &Request<'_>, len: usize, lines: &Lines<'_>, bytes: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; http::FIELDS_MAX];
    let mut other = httparse::Request::new(&mut fields);
    assert_eq!(other.parse(bytes), Ok(httparse::Status::Complete(len)), "a subset of httparse");
    assert!(len <= HEAD_BYTES_MAX);
    assert_eq!(lines.why_not(), None, "let in against a rule");
    assert_eq!(request.method, lines.method);
    assert!(lines.target.contains(request.path) && request.path.starts_with('/'));
    assert!(!request.path.contains(['?', '#', ' ']));
    let query = lines.target.split_once('?').map(|(_, query)| query);
    assert_eq!(request.query, query);
    // Where a head cannot be served this is read without the rest. Empty lines before it are httparse's to skip.
    if !bytes.starts_with(b"\r\n") {
        assert_eq!(http::origin_in(bytes), request.field("origin"));
    }
    for (name, _) in &lines.fields {
        assert!(request.has_field(&name.to_ascii_uppercase()));
        let value = lines.values(name).next();
        let text = value.and_then(|value| str::from_utf8(value).ok()).filter(|v| v.is_ascii());
        assert_eq!(request.field(name), text, "{name}");
    }
}

/// What the door makes of it.
fn admitted(request: &Request<'_>, lines: &Lines<'_>, head: &[u8], options: u8) {
    let (full, origin_required) = (options == b'f', options == b'o');
    let origins = Origins::parse(ORIGIN).expect("an origin");
    let door = Door { origins, origin_required, addresses: Addresses::default() };
    let verdict = door::check_query(request)
        .and_then(|()| door.admit(request, &people::tokens(), full, people::NOON));
    let entry = match verdict {
        Ok(entry) => entry,
        Err(refusal) => return answered(refusal, request.method == "HEAD"),
    };
    assert!(!full, "let into a full house");
    assert_eq!((lines.method, lines.version), ("GET", "HTTP/1.1"), "RFC 6455 4.2.1");
    assert!(lines.lists("upgrade", "websocket") && lines.lists("connection", "upgrade"));
    assert_eq!(lines.only("sec-websocket-version"), Some("13"));
    let body = lines.values("content-length").any(|length| length.iter().any(|&d| d != b'0'));
    assert!(!body, "a body could pass for the first frames");
    let key = lines.only("sec-websocket-key").expect("a key");
    match (lines.values("origin").count(), lines.only("origin")) {
        (0, _) => assert!(!origin_required),
        (_, origin) => assert_eq!(origin, Some(ORIGIN)),
    }
    let good = lines.shows(&people::token(&Person::DOCTOR, people::NOON));
    assert_eq!(entry.grant.is_some(), good, "a grant without a token, or a token unseen");
    assert_eq!(good, lines.offers_token(), "let in with a token that is not good");
    let mut reply = Vec::new();
    entry.upgrade.write_accept(&mut reply, entry.protocol);
    let response = read_response(&reply).expect("a response").0;
    assert_eq!(response.code, 101);
    assert_eq!(response.field("sec-websocket-accept"), Some(&*derive_accept_key(key.as_bytes())));
    let protocol = response.field("sec-websocket-protocol");
    assert_eq!(protocol, entry.protocol);
    assert!(protocol.is_none_or(|name| lines.lists_exactly("sec-websocket-protocol", name)));
    another_server_agrees(head);
}

/// tungstenite's server would have let it in as well, but that it reads lists in a simpler way.
fn another_server_agrees(head: &[u8]) {
    let Ok(Some((_, request))) = server::Request::try_parse(head) else { return };
    match server::create_response(&request) {
        Ok(_) => {}
        Err(Error::Protocol(
            ProtocolError::MissingConnectionUpgradeHeader
            | ProtocolError::MissingUpgradeWebSocketHeader,
        )) => {}
        Err(error) => panic!("another server refuses: {error}"),
    }
}

/// There is a reason for every refusal: httparse refuses too, or a rule on top of it does.
fn refused(bytes: &[u8], fault: Fault) {
    let window = &bytes[..bytes.len().min(HEAD_BYTES_MAX)];
    let mut fields = [httparse::EMPTY_HEADER; http::FIELDS_MAX];
    match httparse::Request::new(&mut fields).parse(window) {
        Ok(httparse::Status::Complete(len)) => {
            let why = Lines::read(&window[..len]).map_or(Some("bare LF"), |lines| lines.why_not());
            assert!(why.is_some(), "refused without a reason");
            assert_eq!(fault, Fault::Malformed);
        }
        Ok(httparse::Status::Partial) => assert_eq!(fault, Fault::TooLarge),
        Err(httparse::Error::TooManyHeaders) => assert_eq!(fault, Fault::TooLarge),
        Err(_) => assert_eq!(fault, Fault::Malformed),
    }
    answered(Refusal::from(fault), false);
}

fn answered(refusal: Refusal, head_only: bool) {
    let mut reply = Vec::new();
    refusal.write(&mut reply, people::NOON, head_only);
    let (response, body) = read_response(&reply).expect("a response");
    assert_eq!(response.code, refusal.status() as u16);
    assert!((400..=503).contains(&response.code));
    let length: usize =
        response.field("content-length").expect("a length").parse().expect("digits");
    assert_eq!(body.len(), if head_only { 0 } else { length });
    if !head_only {
        let body: serde_json::Value = serde_json::from_slice(body).expect("JSON");
        assert!(body["code"].is_string() && body["message"].is_string());
    }
}
