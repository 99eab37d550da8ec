//! Messages of clients: what a slow reader of JSON makes of a text by the words of the contract, the parser makes of it as
//! well: the same message with the same ids, or the same error code, and the same `id` to be repeated.
//!
//! An input is the text of a message, or of several with a control character in between, of which each is read as if it were
//! the only one. What is no JSON within a description is read later, and passes nowhere.
#![no_main]

use autamedica_signaling::base::cidr::Networks;
use autamedica_signaling::message::problem::Problem;
use autamedica_signaling::message::request::{
    self, Content, MediaChange, Parsed, Reader, Reason, RelayKind, Request, Speaker,
};
use autamedica_signaling::wire::json::Quoted;
use autamedica_signaling::wire::sdp::{CandidateRules, Rules, check_description};
use autamedica_signaling_fuzz::json::{self, Json};
use libfuzzer_sys::fuzz_target;

#[path = "envelope/contract.rs"]
mod contract;

use contract::Said;

/// Stands in no message that is JSON.
const SEPARATOR: char = '\x1e';

fuzz_target!(|input: &[u8]| {
    let Ok(text) = str::from_utf8(input) else { return };
    let mut reader = Reader::default();
    for text in text.split(SEPARATOR) {
        let json = json::read(text);
        another_reader_agrees(text, json.as_ref());
        let parsed = request::parse(text);
        is_right(text, &parsed, json.as_ref());
        // The second time it begins like the one before.
        for again in [reader.parse(text), reader.parse(text)] {
            if let Some(description) = unchecked(&again) {
                assert!(!passes(description), "no JSON passes: {text}");
                continue;
            }
            is_right(text, &again, json.as_ref());
            assert_eq!(format!("{again:?}"), format!("{parsed:?}"), "what came before matters");
        }
    }
});

/// The description in a message, where that is no JSON: the reader of messages leaves this to the one of descriptions.
fn unchecked<'a>(parsed: &Parsed<'a>) -> Option<Quoted<'a>> {
    let Ok(Request::Relay(relay)) = &parsed.request else { return None };
    match relay.content {
        Content::Description(text) | Content::Rollback(text) if !text.is_json() => Some(text),
        _ => None,
    }
}

fn passes(description: Quoted<'_>) -> bool {
    let none = Networks::none();
    let candidates = CandidateRules { relay_only: false, allowed: &none, blocked: &none };
    check_description(description, Rules { may_send: true, candidates }).is_ok()
}

fn is_right(text: &str, parsed: &Parsed<'_>, json: Option<&Json>) {
    let said = parsed.request.as_ref().map(said).map_err(|problem| problem.code());
    if let Some(begun) = json::closed_at_level(text, contract::LEVELS_MAX + 1) {
        assert_eq!(said, Err(contract::BAD_MESSAGE));
        return is_repeated(parsed, json::read(&begun).as_ref());
    }
    match json {
        None => assert_eq!(said, Err(Problem::BadJson.code())),
        Some(json) => assert_eq!(said, contract::read(json)),
    }
    is_repeated(parsed, json);
}

/// The `id` is repeated as it is in there.
fn is_repeated(parsed: &Parsed<'_>, json: Option<&Json>) {
    let repeated = parsed.id.map(|id| json::read(id.as_json()).expect("an id is JSON"));
    let id = json.and_then(contract::id);
    // Behind a name that is no text nothing can be found.
    let is_lost = json.is_some_and(contract::has_unreadable_name) && repeated.is_none();
    assert!(is_lost || repeated.as_ref() == id, "{repeated:?}, not {id:?}");
}

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
    let mut said = Said::default();
    match request {
        Request::Join(join) => {
            said.begin("join-room", Some(join.speaker));
            said.note("userType", Some(join.role.as_str()));
            said.note("authToken", join.token.as_deref());
            said.note("roomType", join.room_type.map(|kind| kind.as_str()));
            said.note("reason", join.reason.and_then(decoded).as_deref());
            said.media(&join.media);
            said.note("received", join.received.map(|count| count.to_string()).as_deref());
            said.note("stream", join.stream.map(|number| number.to_string()).as_deref());
        }
        Request::Leave(speaker) => said.begin("leave-room", Some(*speaker)),
        Request::Relay(relay) => {
            let kind = match relay.kind {
                RelayKind::Offer => "offer",
                RelayKind::Answer => "answer",
                RelayKind::IceCandidate => "ice-candidate",
                RelayKind::MediaControl => "media-control",
            };
            said.begin(kind, Some(relay.speaker));
            said.note("to", str::from_utf8(&relay.to.to_text()).ok());
        }
        Request::MediaState(speaker, media) => {
            said.begin("media-state", Some(*speaker));
            said.media(media);
        }
        Request::ConnectionState(speaker, state, _) => {
            said.begin("connection-state", Some(*speaker));
            said.note("state", Some(state.as_str()));
        }
        Request::ConnectionStats(speaker, stats) => {
            said.begin("connection-stats", Some(*speaker));
            said.note("bitrate", Some(stats.bitrate));
            said.note("latency", Some(stats.latency));
            said.note("packetLoss", Some(stats.packet_loss));
            said.note("quality", Some(stats.quality));
        }
        Request::EndSession(speaker, reason) => {
            said.begin("end-session", Some(*speaker));
            said.note("reason", reason.and_then(decoded).as_deref());
        }
        Request::RefreshToken(token) => {
            said.begin("refresh-token", None);
            said.note("authToken", Some(token));
        }
        Request::Ping => said.begin("ping", None),
    }
    said
}

fn decoded(reason: Reason<'_>) -> Option<String> {
    json::read(reason.as_json())?.text()
}

impl Said {
    fn begin(&mut self, kind: &str, speaker: Option<Speaker>) {
        self.note("type", Some(kind));
        if let Some(speaker) = speaker {
            self.note("sessionId", str::from_utf8(&speaker.session.to_text()).ok());
            self.note("userId", str::from_utf8(&speaker.user.to_text()).ok());
        }
    }

    fn media(&mut self, media: &MediaChange) {
        for (name, flag) in
            [("audio", media.audio), ("video", media.video), ("screen", media.screen)]
        {
            self.note(name, flag.map(|flag| if flag { "true" } else { "false" }));
        }
    }
}
