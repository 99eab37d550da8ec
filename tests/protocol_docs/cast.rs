//! The people in the document's examples and transcripts, and the placeholders for what differs
//! from run to run.

use autamedica_signaling::admission::mint::{Ticket, mint};
use autamedica_signaling::base::time::Duration;
use autamedica_signaling::message::{Role, RoomType, SessionId, UserId};
use autamedica_signaling::reactor::clock;
use serde_json::{Value, json};

use crate::common::key;

/// What stands for what: the same table as in `docs/transcripts/README.md`.
pub const IDS: [(&str, &str); 6] = [
    ("$session", "5e551011-6a3e-4c0b-9f5d-1d7c2b9e8a40"),
    ("$other-session", "5e551022-1c4d-4e8f-a2b6-9d0e7f3c5b18"),
    ("$doctor", "d0c70125-7e1f-4b8a-9c3d-2f6b8e4a1c70"),
    ("$other-doctor", "d0c70226-4a9b-4d3c-8e5f-0b7a6c1d2e94"),
    ("$patient", "9a71e271-3b5c-4d0f-8e2a-6c1d9b7f4e08"),
    ("$observer", "0b5e27e2-8d4a-4f6b-a1c9-7e3f5d2b0a96"),
];

/// The id that a placeholder stands for.
pub fn id(placeholder: &str) -> &'static str {
    let found = IDS.iter().find(|(name, _)| *name == placeholder);
    found.unwrap_or_else(|| panic!("nobody is called {placeholder}")).1
}

/// The role of the person with this id.
pub fn role(user: &str) -> &'static str {
    let name = IDS.iter().find(|(_, id)| id.eq_ignore_ascii_case(user)).map(|(name, _)| *name);
    match name {
        Some("$doctor" | "$other-doctor") => "doctor",
        Some("$patient") => "patient",
        Some("$observer") => "observer",
        _ => panic!("nobody has the id {user}"),
    }
}

/// A token with these claims in place of the ordinary ones: `userId`, `userType`, `sessionId`, `permissions`,
/// `roomType`, and `expiresIn` in seconds. A text is a token by itself.
pub fn token(claims: &Value) -> String {
    if let Some(text) = claims.as_str() {
        return text.to_owned();
    }
    let text = |name: &str, ordinary: &'static str| match claims[name].as_str() {
        Some(text) => IDS.iter().find(|(name, _)| *name == text).map_or(text, |(_, id)| id),
        None => ordinary,
    };
    let user = text("userId", id("$doctor"));
    let permissions = claims.get("permissions").cloned().unwrap_or(json!(["room:*"]));
    let permissions = permissions.as_array().expect("permissions").iter();
    let permissions: Vec<&str> = permissions.map(|name| name.as_str().expect("a text")).collect();
    let expires_in = claims["expiresIn"].as_i64().unwrap_or(3_600);
    let now = clock::wall_time();
    // A token that has ended was good for an hour.
    let issued_at = if expires_in > 0 {
        now
    } else {
        now.minus(Duration::from_secs(3_600 + expires_in.unsigned_abs()))
    };
    let lifetime = if expires_in > 0 { expires_in as u64 } else { 3_600 };
    let ticket = Ticket {
        user: UserId::parse(user).expect("a user's id"),
        role: Role::parse(claims["userType"].as_str().unwrap_or(role(user))).expect("a role"),
        session: SessionId::parse(text("sessionId", id("$session"))).expect("a session's id"),
        permissions: &permissions,
        room_type: claims["roomType"].as_str().and_then(RoomType::parse),
        issued_at,
        lifetime: Duration::from_secs(lifetime),
        issuer: None,
        audience: None,
        id: None,
    };
    mint(&key(), &ticket)
}

/// The message to send: ids in place of their names, `$x*N` as N letters, `token` for `$token`.
pub fn fill(message: &Value, token: &str) -> Value {
    map_texts(message, &|text| {
        if text == "$token" {
            return token.to_owned();
        }
        if let Some(count) = text.strip_prefix("$x*") {
            return "x".repeat(count.parse().expect("a count"));
        }
        let named = IDS.iter().find(|(name, _)| *name == text);
        named.map_or(text, |(_, id)| *id).to_owned()
    })
}

/// Whether a message is what a transcript expects: `$time` is any time as the server writes it, `$text` any text that is
/// not empty, `$number` any number, `$x*N` N letters.
pub fn is_like(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Object(wanted), Value::Object(got)) => {
            wanted.len() == got.len()
                && wanted
                    .iter()
                    .all(|(name, value)| got.get(name).is_some_and(|member| is_like(value, member)))
        }
        (Value::Array(wanted), Value::Array(got)) => {
            wanted.len() == got.len() && wanted.iter().zip(got).all(|(one, got)| is_like(one, got))
        }
        (Value::String(wanted), got) => match wanted.as_str() {
            "$time" => got.as_str().is_some_and(|text| text.len() == 24 && text.ends_with('Z')),
            "$text" => got.as_str().is_some_and(|text| !text.is_empty()),
            "$number" => got.is_number(),
            _ => fill(expected, "") == *got,
        },
        _ => expected == actual,
    }
}

fn map_texts(value: &Value, map: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => map(text).into(),
        Value::Array(items) => items.iter().map(|item| map_texts(item, map)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.clone(), map_texts(member, map)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}
