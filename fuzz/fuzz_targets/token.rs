//! Tokens: whatever text comes in, only what was signed with the secret grants anything, and it grants what a second,
//! simpler reader reads there.
//!
//! The first byte of an input says what the rest is: `r` a token as it comes; `s` a header and claims on two lines,
//! signed properly, so that the readers behind the signature are reached; `m` changes to a good token.
#![no_main]

use std::collections::HashSet;

use autamedica_signaling::admission::Grant;
use autamedica_signaling::admission::tokens::{TokenFault, TokenRules, Tokens};
use autamedica_signaling::base::time::{Duration, WallTime};
use autamedica_signaling::message::{Permissions, Role, RoomType, SessionId, UserId};
use autamedica_signaling::wire::jwt::Key;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use sha2::Sha256;

const SECRET: &[u8; 32] = b"a secret of exactly 32 bytes....";
const NOW_SECS: i64 = 1_750_000_000;
const LEEWAY_SECS: i64 = 60;
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const CLAIMS: &str = r#"{
    "userId": "6f1f0c2e-8a52-4c6e-9d1e-0b6f3a7c5d21", "userType": "doctor", "permissions": ["room:*"],
    "sessionId": "0b6f3a7c-4c6e-4c6e-9d1e-6f1f0c2e8a52", "iat": 1749999000, "exp": 1750003600
}"#;

fuzz_target!(|input: &[u8]| {
    let Some((mode, rest)) = input.split_first() else { return };
    match mode {
        b's' => signed(rest),
        b'm' => mutated(rest),
        _ => raw(rest),
    }
});

/// Any text: what is granted was signed with our secret.
fn raw(input: &[u8]) {
    let Ok(token) = str::from_utf8(input) else { return };
    if let Ok(grant) = check(token) {
        let (signed, signature) = token.rsplit_once('.').expect("a signature");
        assert_eq!(signature, mac(signed), "a grant without our signature");
        let (header, payload) = signed.split_once('.').expect("two parts before the signature");
        agree(&grant, &decoded(header), &decoded(payload));
    }
}

/// A header and claims that are signed properly.
fn signed(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let (header, claims) = text.split_once('\n').unwrap_or((HEADER, text));
    let token = sign(header, claims);
    let verdict = check(&token);
    if let Ok(grant) = verdict {
        agree(&grant, header, claims);
    }
    assert_eq!(verdict, check(&token), "the same token, another verdict");
}

/// A good token with bytes replaced (groups of three: the place, two bytes, and the new byte) and its end cut off (a
/// last byte: by how much).
fn mutated(input: &[u8]) {
    let good = sign(HEADER, CLAIMS);
    let mut bytes = good.clone().into_bytes();
    let groups = input.chunks_exact(3);
    if let [cut, ..] = groups.remainder() {
        bytes.truncate(bytes.len().saturating_sub(usize::from(*cut)));
    }
    for group in groups {
        let place = usize::from(u16::from_be_bytes([group[0], group[1]]));
        if let Some(byte) = bytes.get_mut(place) {
            *byte = group[2];
        }
    }
    let Ok(token) = String::from_utf8(bytes) else { return };
    assert_eq!(
        check(&token).is_ok(),
        token == good,
        "a changed token counts, or a good one does not"
    );
}

fn check(token: &str) -> Result<Grant, TokenFault> {
    let key = Key::new(SECRET).expect("32 bytes");
    let leeway = Duration::from_secs(LEEWAY_SECS as u64);
    let rules = TokenRules { keys: vec![key], issuer: None, audience: None, leeway };
    Tokens::new(rules).check(token, WallTime::from_secs(NOW_SECS))
}

/// What was granted is what a reader that knows nothing of limits and allocations finds in the JSON.
fn agree(grant: &Grant, header: &str, claims: &str) {
    let header = members(header);
    assert_eq!(find(&header, "alg"), Some(&Value::from("HS256")));
    assert_eq!(find(&header, "crit"), None, "RFC 7515 4.1.11: not understood, so not accepted");
    let claims = members(claims);
    let text = |name: &str| find(&claims, name).and_then(Value::as_str).expect("a text");
    let millis = |name: &str| {
        find(&claims, name).map(|value| (value.as_f64().expect("seconds") * 1000.0).round() as i64)
    };
    assert_eq!(UserId::parse(text("userId")), Some(grant.user));
    assert_eq!(SessionId::parse(text("sessionId")), Some(grant.session));
    assert_eq!(Role::parse(text("userType")), Some(grant.role));
    let room_type = find(&claims, "roomType").map(|name| name.as_str().expect("a text"));
    assert_eq!(room_type.and_then(RoomType::parse), grant.room_type);
    let listed = find(&claims, "permissions").and_then(Value::as_array).expect("an array");
    let listed = listed.iter().map(|name| Permissions::parse(name.as_str().expect("a text")));
    assert_eq!(listed.fold(Permissions::NONE, Permissions::with), grant.permissions);
    assert_eq!(millis("exp"), Some(grant.expires_at.as_millis()));
    assert!(grant.expires_at.as_millis() > (NOW_SECS - LEEWAY_SECS) * 1000, "it has ended");
    for name in ["iat", "nbf"] {
        let has_begun = millis(name).is_none_or(|from| from <= (NOW_SECS + LEEWAY_SECS) * 1000);
        assert!(has_begun, "{name} is yet to come");
    }
}

/// The members of a JSON object, which has no name twice.
fn members(json: &str) -> Vec<(String, Value)> {
    struct Members;
    impl<'de> serde::de::Visitor<'de> for Members {
        type Value = Vec<(String, Value)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(
            self,
            mut map: A,
        ) -> Result<Self::Value, A::Error> {
            std::iter::from_fn(|| map.next_entry().transpose()).collect()
        }
    }
    let mut reader = serde_json::Deserializer::from_str(json);
    let members = serde::Deserializer::deserialize_map(&mut reader, Members).expect("an object");
    reader.end().expect("nothing behind it");
    let mut seen = HashSet::new();
    assert!(members.iter().all(|(name, _)| seen.insert(name.clone())), "a name twice");
    members
}

fn find<'a>(members: &'a [(String, Value)], name: &str) -> Option<&'a Value> {
    members.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

fn decoded(part: &str) -> String {
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
    String::from_utf8(bytes).expect("UTF-8")
}

fn sign(header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    format!("{signed}.{}", mac(&signed))
}

fn mac(signed: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).expect("any length");
    mac.update(signed.as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}
