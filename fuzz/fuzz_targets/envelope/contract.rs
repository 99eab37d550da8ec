//! What a JSON value is as a message, by the words of the contract.

use autamedica_signaling_fuzz::json::Json;

const LEVELS_MAX: usize = 16;
const MEMBERS_MAX: usize = 64;
const ID_BYTES_MAX: usize = 64;

/// The fields that the contract knows so far.
const KNOWN: [&str; 12] = [
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
    "media",
];

const BAD_MESSAGE: &str = "BAD_MESSAGE";
const UNKNOWN_TYPE: &str = "UNKNOWN_TYPE";

/// A message, with its ids in lower case.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Said {
    pub kind: String,
    pub session: Option<String>,
    pub user: Option<String>,
    pub to: Option<String>,
    pub role: Option<String>,
    pub token: Option<String>,
    pub room_type: Option<String>,
    /// Sound and picture.
    pub media: Option<(bool, bool)>,
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
    let said = match kind.as_str() {
        "join-room" => join(json),
        "leave-room" => speaker(json, "userId"),
        "offer" | "answer" => relay(json).filter(|_| is_description(json, &kind)),
        "ice-candidate" => relay(json).filter(|_| is_candidate(json)),
        "ping" => Some(Said::default()),
        _ => return Err(UNKNOWN_TYPE),
    };
    said.map(|said| Said { kind, ..said }).ok_or(BAD_MESSAGE)
}

/// The `id` that an answer repeats: there once, a string of at most 64 bytes or an unsigned integer.
pub fn id(json: &Json) -> Option<&Json> {
    let mut ids = json.all("id");
    let id = ids.next().filter(|_| ids.next().is_none())?;
    let is_short = id.text().is_some_and(|text| text.len() <= ID_BYTES_MAX);
    (is_short || id.integer().is_some()).then_some(id)
}

fn join(json: &Json) -> Option<Said> {
    let said = speaker(json, "userId")?;
    let role = json.member("userType")?.text()?;
    let token = optional(json, "authToken", Json::text)?;
    let room_type = optional(json, "roomType", Json::text)?;
    let media = match optional(json, "media", |media| Some(media.clone()))? {
        None => (true, true),
        Some(media) if matches!(media, Json::Object(_)) => {
            if is_repeated(&media, &["audio", "video"]) {
                return None;
            }
            let flag = |name| optional(&media, name, boolean).map(|flag| flag.unwrap_or(true));
            (flag("audio")?, flag("video")?)
        }
        Some(_) => return None,
    };
    let is_known = ["doctor", "patient", "observer"].contains(&role.as_str())
        && room_type
            .as_ref()
            .is_none_or(|name| ["consultation", "emergency", "follow-up"].contains(&name.as_str()));
    is_known.then(|| Said { role: Some(role), token, room_type, media: Some(media), ..said })
}

fn relay(json: &Json) -> Option<Said> {
    let said = speaker(json, "fromUserId")?;
    Some(Said { to: Some(uuid(json, "toUserId")?), ..said })
}

fn speaker(json: &Json, user: &str) -> Option<Said> {
    let (session, user) = (uuid(json, "sessionId")?, uuid(json, user)?);
    Some(Said { session: Some(session), user: Some(user), ..Said::default() })
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

fn boolean(json: &Json) -> Option<bool> {
    match json {
        Json::Boolean(flag) => Some(*flag),
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
