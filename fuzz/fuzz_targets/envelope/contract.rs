//! What a JSON value is as a message, by the words of the contract.

use std::collections::BTreeMap;

use autamedica_signaling_fuzz::json::Json;

pub const LEVELS_MAX: usize = 16;
const MEMBERS_MAX: usize = 64;
const ID_BYTES_MAX: usize = 64;

const REASON_BYTES_MAX: usize = 256;

/// The fields that the contract knows.
const KNOWN: [&str; 20] = [
    "type",
    "id",
    "sessionId",
    "userId",
    "userType",
    "fromUserId",
    "toUserId",
    "sdp",
    "candidate",
    "authToken",
    "roomType",
    "reason",
    "media",
    "resume",
    "audio",
    "video",
    "screen",
    "state",
    "errorCode",
    "stats",
];

pub const BAD_MESSAGE: &str = "BAD_MESSAGE";
const UNKNOWN_TYPE: &str = "UNKNOWN_TYPE";

/// A message: what it says under which name, ids in lower case.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Said(BTreeMap<&'static str, String>);

impl Said {
    /// Notes what is said under a name, where something is.
    pub fn note(&mut self, name: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.0.insert(name, text.to_owned());
        }
    }
}

/// The message, or the code of the error that answers it.
pub fn read(json: &Json) -> Result<Said, &'static str> {
    let is_bad = !matches!(json, Json::Object(_))
        || is_repeated(json, &KNOWN)
        || json.depth() > LEVELS_MAX
        || json.width() > MEMBERS_MAX
        || json.has_lone_surrogate()
        || (json.member("id").is_some() && id(json).is_none());
    if is_bad {
        return Err(BAD_MESSAGE);
    }
    let kind = json.member("type").and_then(Json::text).ok_or(BAD_MESSAGE)?;
    let mut said = Said::default();
    said.note("type", Some(&kind));
    let fits = match kind.as_str() {
        "join-room" => join(json, &mut said),
        "leave-room" => speaker(json, "userId", &mut said),
        "offer" | "answer" => relay(json, &mut said)
            .filter(|()| is_absent(json, "candidate") && is_description(json, &kind)),
        "ice-candidate" => {
            relay(json, &mut said).filter(|()| is_absent(json, "sdp") && is_candidate(json))
        }
        "media-control" => relay(json, &mut said).and_then(|()| {
            if !(is_absent(json, "sdp") && is_absent(json, "candidate")) {
                return None;
            }
            let flags = [optional(json, "audio", boolean)?, optional(json, "video", boolean)?];
            flags.iter().any(Option::is_some).then_some(())
        }),
        "media-state" => media_state(json, &mut said),
        "connection-state" => connection_state(json, &mut said),
        "connection-stats" => connection_stats(json, &mut said),
        "end-session" => speaker(json, "userId", &mut said).and_then(|()| reason(json, &mut said)),
        "refresh-token" => json
            .member("authToken")
            .and_then(Json::text)
            .map(|token| said.note("authToken", Some(&token))),
        "ping" => Some(()),
        _ => return Err(UNKNOWN_TYPE),
    };
    fits.map(|()| said).ok_or(BAD_MESSAGE)
}

/// Whether one of the message's names is half of a surrogate pair.
pub fn has_unreadable_name(json: &Json) -> bool {
    json.members().iter().any(|(name, _)| name.to_text().is_none())
}

/// The `id` that an answer repeats: there once, a string of at most 64 bytes or an unsigned integer.
pub fn id(json: &Json) -> Option<&Json> {
    let mut ids = json.all("id");
    let id = ids.next().filter(|_| ids.next().is_none())?;
    let is_short = id.text().is_some_and(|text| text.len() <= ID_BYTES_MAX);
    (is_short || id.integer().is_some()).then_some(id)
}

fn join(json: &Json, said: &mut Said) -> Option<()> {
    speaker(json, "userId", said)?;
    reason(json, said)?;
    let role = json.member("userType")?.text()?;
    let room_type = optional(json, "roomType", Json::text)?;
    said.note("userType", Some(&role));
    said.note("authToken", optional(json, "authToken", Json::text)?.as_deref());
    said.note("roomType", room_type.as_deref());
    let whole = |value: &Json| matches!(value, Json::Object(_)).then(|| value.clone());
    if let Some(media) = optional(json, "media", whole)? {
        let flags = [optional(&media, "audio", boolean)?, optional(&media, "video", boolean)?];
        said.note("audio", flags[0].as_deref());
        said.note("video", flags[1].as_deref());
        once(&media, &["audio", "video"])?;
    }
    if let Some(resume) = optional(json, "resume", whole)? {
        let received = resume.member("received")?.integer()?;
        said.note("received", Some(&received.to_string()));
        let stream = optional(&resume, "stream", |value| value.integer())?;
        said.note("stream", stream.map(|stream| stream.to_string()).as_deref());
        once(&resume, &["received", "stream"])?;
    }
    let is_known = ["doctor", "patient", "observer"].contains(&role.as_str())
        && room_type
            .is_none_or(|name| ["consultation", "emergency", "follow-up"].contains(&name.as_str()));
    is_known.then_some(())
}

fn relay(json: &Json, said: &mut Said) -> Option<()> {
    speaker(json, "fromUserId", said)?;
    said.note("to", Some(&uuid(json, "toUserId")?));
    Some(())
}

fn speaker(json: &Json, user: &str, said: &mut Said) -> Option<()> {
    said.note("sessionId", Some(&uuid(json, "sessionId")?));
    said.note("userId", Some(&uuid(json, user)?));
    Some(())
}

/// What nobody sees, from one character to another: controls, blanks of all kinds, and what Unicode says to ignore.
const UNSEEN: [(u32, u32); 22] = [
    (0x00, 0x20),
    (0x7f, 0xa0),
    (0xad, 0xad),
    (0x34f, 0x34f),
    (0x61c, 0x61c),
    (0x115f, 0x1160),
    (0x1680, 0x1680),
    (0x17b4, 0x17b5),
    (0x180b, 0x180f),
    (0x2000, 0x200f),
    (0x2028, 0x202f),
    (0x205f, 0x206f),
    (0x2800, 0x2800),
    (0x3000, 0x3000),
    (0x3164, 0x3164),
    (0xfe00, 0xfe0f),
    (0xfeff, 0xfeff),
    (0xffa0, 0xffa0),
    (0xfff0, 0xfffb),
    (0x1bca0, 0x1bca3),
    (0x1d173, 0x1d17a),
    (0xe0000, 0xe0fff),
];

fn is_seen(letter: char) -> bool {
    !UNSEEN.iter().any(|&(from, to)| (from..=to).contains(&u32::from(letter)))
}

/// A reason that says nothing is none.
fn reason(json: &Json, said: &mut Said) -> Option<()> {
    let reason = optional(json, "reason", Json::text)?;
    said.note("reason", reason.as_deref().filter(|reason| reason.chars().any(is_seen)));
    reason.is_none_or(|reason| reason.len() <= REASON_BYTES_MAX).then_some(())
}

fn media_state(json: &Json, said: &mut Said) -> Option<()> {
    speaker(json, "userId", said)?;
    said.note("audio", Some(&boolean(json.member("audio")?)?));
    said.note("video", Some(&boolean(json.member("video")?)?));
    said.note("screen", optional(json, "screen", boolean)?.as_deref());
    Some(())
}

fn connection_state(json: &Json, said: &mut Said) -> Option<()> {
    const STATES: [&str; 6] =
        ["new", "connecting", "connected", "disconnected", "failed", "closed"];
    speaker(json, "userId", said)?;
    let state = json.member("state")?.text()?;
    said.note("state", Some(&state));
    let code = optional(json, "errorCode", Json::text)?;
    let fits = STATES.contains(&state.as_str()) && code.is_none_or(|code| code.len() <= 64);
    fits.then_some(())
}

fn connection_stats(json: &Json, said: &mut Said) -> Option<()> {
    speaker(json, "userId", said)?;
    let stats @ Json::Object(_) = json.member("stats")? else { return None };
    for name in ["bitrate", "latency", "packetLoss"] {
        let Json::Number(number) = stats.member(name)? else { return None };
        let measures = number.parse().is_ok_and(|number: f64| number.is_finite() && number >= 0.0);
        said.note(name, Some(number));
        (measures && number.len() <= 32).then_some(())?;
    }
    let quality = stats.member("quality")?.text()?;
    said.note("quality", Some(&quality));
    once(stats, &["bitrate", "latency", "packetLoss", "quality"])?;
    ["excellent", "good", "fair", "poor"].contains(&quality.as_str()).then_some(())
}

fn once(json: &Json, names: &[&str]) -> Option<()> {
    (!is_repeated(json, names)).then_some(())
}

/// `RTCSessionDescriptionInit`: an offer in an `offer`, an answer or a part of one in an `answer`, or a rollback.
fn is_description(json: &Json, message: &str) -> bool {
    let Some(description @ Json::Object(_)) = json.member("sdp") else { return false };
    let Some(kind) = description.member("type").and_then(Json::text) else { return false };
    let sdp = description.member("sdp");
    let fits = match (kind.as_str(), message) {
        ("offer", "offer") | ("answer" | "pranswer", "answer") => sdp.is_some_and(is_string),
        ("rollback", _) => sdp.is_none_or(|sdp| is_string(sdp) || *sdp == Json::Null),
        _ => false,
    };
    fits && !is_repeated(description, &["type", "sdp"])
}

/// `RTCIceCandidateInit`, or `null`.
/// What a message of another kind is about must not be there: some readers go by what is there.
fn is_absent(json: &Json, name: &str) -> bool {
    json.member(name).is_none_or(|value| *value == Json::Null)
}

fn is_candidate(json: &Json) -> bool {
    let Some(candidate) = json.member("candidate") else { return false };
    let string_or_null = |name: &str| {
        candidate.member(name).is_none_or(|value| is_string(value) || *value == Json::Null)
    };
    let index = candidate.member("sdpMLineIndex").is_none_or(|index| {
        *index == Json::Null || index.integer().is_some_and(|index| index <= 0xffff)
    });
    let names = ["candidate", "sdpMid", "sdpMLineIndex", "usernameFragment"];
    match candidate {
        Json::Null => true,
        Json::Object(_) => {
            candidate.member("candidate").is_none_or(is_string)
                && string_or_null("sdpMid")
                && string_or_null("usernameFragment")
                && index
                && !is_repeated(candidate, &names)
        }
        _ => false,
    }
}

fn is_repeated(json: &Json, names: &[&str]) -> bool {
    names.iter().any(|name| json.all(name).count() > 1)
}

fn is_string(json: &Json) -> bool {
    matches!(json, Json::String(_))
}

fn boolean(json: &Json) -> Option<String> {
    match json {
        Json::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A field that need not be there, and then says nothing as `null` does. `None` where it has a wrong value.
fn optional<T>(
    json: &Json,
    name: &str,
    read: impl FnOnce(&Json) -> Option<T>,
) -> Option<Option<T>> {
    match json.member(name) {
        None | Some(Json::Null) => Some(None),
        Some(value) => read(value).map(Some),
    }
}

/// RFC 9562 4: five groups of hexadecimal digits.
fn uuid(json: &Json, name: &str) -> Option<String> {
    let text = json.member(name)?.text()?;
    let groups: Vec<_> = text.split('-').collect();
    let are_hex = groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let lengths: Vec<_> = groups.iter().map(|group| group.len()).collect();
    (are_hex && lengths == [8, 4, 4, 4, 12]).then(|| text.to_ascii_lowercase())
}
