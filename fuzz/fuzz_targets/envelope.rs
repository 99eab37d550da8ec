//! Messages of clients: what a slow reader of JSON makes of a text by the words of the contract, the parser makes of it as
//! well: the same message with the same ids, or the same error code, and the same `id` to be repeated.
//!
//! An input is the text of a message.
#![no_main]

use autamedica_signaling::message::problem::Problem;
use autamedica_signaling::message::request::{self, RelayKind, Request};
use autamedica_signaling_fuzz::json::{self, Json};
use libfuzzer_sys::fuzz_target;

#[path = "envelope/contract.rs"]
mod contract;

use contract::Said;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = str::from_utf8(input) else { return };
    let json = json::read(text);
    another_reader_agrees(text, json.as_ref());
    let parsed = request::parse(text);
    let said = parsed.request.as_ref().map(said).map_err(|problem| problem.code());
    match &json {
        None => assert_eq!(said, Err(Problem::BadJson.code())),
        Some(json) => assert_eq!(said, contract::read(json)),
    }
    let repeated = parsed.id.map(|id| json::read(id.as_json()).expect("an id is JSON"));
    assert_eq!(repeated.as_ref(), json.as_ref().and_then(contract::id));
});

/// What serde takes for JSON is JSON for the slow reader; the other way round there are three reasons to refuse.
fn another_reader_agrees(text: &str, json: Option<&Json>) {
    const DEPTH_MAX: usize = 127;
    match (serde_json::from_str::<serde_json::Value>(text), json) {
        (Ok(_), json) => assert!(json.is_some(), "JSON, but not for the slow reader"),
        (Err(_), None) => {}
        (Err(error), Some(json)) => {
            let reason = json.has_lone_surrogate()
                || json.depth() > DEPTH_MAX
                || error.to_string().starts_with("number out of range");
            assert!(reason, "not JSON, but for the slow reader: {error}");
        }
    }
}

fn said(request: &Request<'_>) -> Said {
    let owned = |text: [u8; 36]| String::from_utf8(text.to_vec()).expect("ASCII");
    let (kind, speaker) = match request {
        Request::Join(join) => ("join-room", Some(join.speaker)),
        Request::Leave(speaker) => ("leave-room", Some(*speaker)),
        Request::Relay(relay) => {
            let kind = match relay.kind {
                RelayKind::Offer => "offer",
                RelayKind::Answer => "answer",
                RelayKind::IceCandidate => "ice-candidate",
            };
            (kind, Some(relay.speaker))
        }
        Request::Ping => ("ping", None),
    };
    let mut said = Said {
        kind: kind.to_owned(),
        session: speaker.map(|speaker| owned(speaker.session.to_text())),
        user: speaker.map(|speaker| owned(speaker.user.to_text())),
        ..Said::default()
    };
    match request {
        Request::Join(join) => {
            said.role = Some(join.role.as_str().to_owned());
            said.token = join.token.as_deref().map(str::to_owned);
            said.room_type = join.room_type.map(|kind| kind.as_str().to_owned());
            said.media = Some((join.media.audio, join.media.video));
        }
        Request::Relay(relay) => said.to = Some(owned(relay.to.to_text())),
        Request::Leave(_) | Request::Ping => {}
    }
    said
}
