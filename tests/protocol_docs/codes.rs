//! The document lists exactly the existing codes of errors, refusals and closes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use autamedica_signaling::admission::door::Refusal;
use autamedica_signaling::base::time::{Duration, WallTime};
use autamedica_signaling::message::errors::CODES;
use autamedica_signaling::message::problem::{Excess, Flaw, Problem};
use autamedica_signaling::wire::frame::CloseCode;
use autamedica_signaling::wire::sdp::Fault;

use super::document::{Document, quoted};
use super::schema::Schema;
use super::transcript::{self, What};
use crate::common::{Raw, TestServer, as_fast_as_one_can, couple, raw};

/// Lists the variants, and does not compile where one is missing.
macro_rules! all {
    ($type:ident: $($variant:ident $(($value:expr))?),* $(,)?) => {{
        let _ = |one: $type| match one { $($type::$variant { .. } => {})* };
        [$($type::$variant $(($value))?),*]
    }};
}

fn problems() -> Vec<Problem> {
    all![Problem:
        BadJson, BadMessage(Flaw::Repeated), UnknownType, MessageTooLarge, Unauthorized, TokenInvalid, TokenExpired,
        Expelled, Forbidden, AlreadyJoined, NotInRoom, PeerNotFound, PeerUnreachable, SdpRejected(Fault::Sends), RoleTaken, RoomFull,
        SessionEnded, Replaced, AuditUnavailable, ServerShutdown, ServerFull, RateLimited(Excess::Messages), Internal,
    ]
    .to_vec()
}

fn refusals() -> Vec<Refusal> {
    all![Refusal:
        Malformed, TokenInQuery, NotFound, Method, NotAnUpgrade, Origin, TokenInvalid, TokenExpired, HeadTooLarge,
        HeadTimeout, BodyTooLarge, Full, ShuttingDown, InTheClear, Address, Revoked,
        RateLimited(Duration::from_secs(1)),
    ]
    .to_vec()
}

/// The code in each row's first cell, and the row's second.
fn told(heading: &str) -> BTreeMap<String, String> {
    let document = Document::read();
    let rows = document.section(heading).table().to_vec();
    let told: BTreeMap<_, _> =
        rows.iter().map(|row| (quoted(&row[0])[0].to_owned(), row[1].clone())).collect();
    assert_eq!(told.len(), rows.len(), "a code stands twice under {heading:?}");
    told
}

#[test]
fn the_errors_are_those_of_the_server_with_the_close_that_follows() {
    let known: BTreeMap<_, _> = problems()
        .into_iter()
        .map(|problem| {
            let close = problem.close_code().map(|code| u16::from(code).to_string());
            (problem.code().to_owned(), close.unwrap_or("stays open".to_owned()))
        })
        .collect();
    assert_eq!(told("Errors"), known);
    let schema = Schema::read();
    let in_schema: BTreeSet<_> = schema.enumeration("ErrorCode").into_iter().collect();
    assert_eq!(in_schema, known.keys().map(String::as_str).collect());
}

#[test]
fn every_code_is_counted_under_its_own_name() {
    let told = problems().into_iter().map(Problem::code);
    let told: BTreeSet<_> = told.chain(refusals().into_iter().map(Refusal::code)).collect();
    let counted: BTreeSet<_> = CODES.into_iter().filter(|code| *code != "OTHER").collect();
    assert_eq!(counted, told);
}

#[test]
fn the_refusals_are_those_of_the_server() {
    let known: BTreeSet<_> = refusals()
        .into_iter()
        .map(|refusal| {
            let mut answer = Vec::new();
            refusal.write(&mut answer, WallTime::from_secs(0), false);
            let answer = String::from_utf8(answer).expect("text");
            let (_, code) = answer.split_once(r#""code":""#).expect("a code");
            let (code, _) = code.split_once('"').expect("its end");
            (refusal.status() as u16, code.to_owned())
        })
        .collect();
    let document = Document::read();
    let rows = document.section("When the upgrade is refused").table();
    let told: BTreeSet<_> = rows
        .iter()
        .map(|row| (quoted(&row[0])[0].parse().expect("a status"), quoted(&row[1])[0].to_owned()))
        .collect();
    assert_eq!(told, known);
    let schema = Schema::read();
    let in_schema: BTreeSet<_> = schema.enumeration("HttpCode").into_iter().collect();
    assert_eq!(in_schema, known.iter().map(|(_, code)| code.as_str()).collect());
}

#[test]
fn the_close_codes_are_those_of_the_server() {
    let told: BTreeSet<u16> =
        told("Close codes").keys().map(|code| code.parse().expect("a number")).collect();
    assert_eq!(told, close_codes_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")));
}

/// Every close code that the sources name, outside of tests and of the layers' own examples.
fn close_codes_in(folder: &Path) -> BTreeSet<u16> {
    let mut codes = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("the sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            codes.extend(close_codes_in(&path));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        codes.extend(code.split("CloseCode::").skip(1).filter_map(named));
    }
    codes
}

fn named(rest: &str) -> Option<u16> {
    let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
    let code = match &rest[..end] {
        "Normal" => CloseCode::Normal,
        "Away" => CloseCode::Away,
        "Protocol" => CloseCode::Protocol,
        "Unsupported" => CloseCode::Unsupported,
        "Invalid" => CloseCode::Invalid,
        "Policy" => CloseCode::Policy,
        "Size" => CloseCode::Size,
        "Extension" => CloseCode::Extension,
        "Error" => CloseCode::Error,
        "Restart" => CloseCode::Restart,
        "Again" => CloseCode::Again,
        "Library" => {
            let number = rest[end + 1..].split(')').next()?;
            return Some(number.parse().expect("a number"));
        }
        "from" => return None,
        other => panic!("what is CloseCode::{other}?"),
    };
    Some(code.into())
}

/// What no transcript can show: what the server does when it has no memory left, when its log cannot be written (which
/// `tests/journal.rs` proves), when an operator wants it (`tests/admin`), and what is proved below.
const NOT_IN_TRANSCRIPTS: [&str; 7] =
    ["1002", "1007", "1011", "4403", "4413", "INTERNAL", "AUDIT_UNAVAILABLE"];

#[test]
fn every_message_error_and_close_code_happens_in_a_transcript() {
    let schema = Schema::read();
    let mut wanted: BTreeSet<String> =
        told("Errors").into_keys().chain(told("Close codes").into_keys()).collect();
    wanted.retain(|code| !NOT_IN_TRANSCRIPTS.contains(&&**code));
    for (list, verb) in [("ClientMessage", "send"), ("ServerMessage", "receive")] {
        wanted.extend(schema.messages(list).iter().map(|name| format!("{verb} {name}")));
    }
    for step in transcript::read_all().iter().flat_map(|transcript| &transcript.steps) {
        match &step.what {
            What::Send { message, .. } => {
                wanted.remove(&format!("send {}", message["type"].as_str().unwrap_or_default()));
            }
            What::Receive(message) => {
                wanted.remove(&format!("receive {}", message["type"].as_str().unwrap_or_default()));
                wanted.remove(message["code"].as_str().unwrap_or_default());
            }
            What::Closed(code) => {
                wanted.remove(&code.to_string());
            }
            _ => {}
        }
    }
    assert_eq!(wanted, BTreeSet::new(), "these happen in no transcript");
}

#[test]
fn broken_frames_are_closed_with_the_codes_that_the_document_tells() {
    let server = TestServer::start();
    for (frame, code) in [
        (raw::frame_of(0x80 | 0x40 | raw::TEXT, b"{}"), 1002),
        (raw::frame(raw::TEXT, b"\"\xff\""), 1007),
    ] {
        let mut raw = Raw::upgrade(server.address());
        raw.send(&frame);
        assert_eq!(raw.read_close(), code);
    }
}

#[test]
fn a_client_that_does_not_read_is_closed_with_4413() {
    let server = TestServer::start_with(|config| {
        as_fast_as_one_can(config);
        config.message_bytes_max = 8_192;
        config.send_queue_bytes_max = 16_384;
    });
    let (mut doctor, mut patient) = couple(&server);
    let offer = doctor.offer_to(&patient.person, 2_000).to_string();
    let mut sent = 0;
    while server.counters().overrun == 0 {
        assert!(sent < 100_000, "200 MB wait for someone who does not read");
        doctor.send_text(offer.as_str());
        sent += 1;
    }
    let code = loop {
        let message = patient.socket.read().expect("what waited, then the close frame");
        if let tungstenite::Message::Close(frame) = message {
            break frame.map(|frame| u16::from(frame.code));
        }
    };
    assert_eq!(code, Some(4413));
}
