//! Tokens: whatever text comes in, only what was signed with one of our secrets grants anything, and the verdict is that
//! of a second, simpler reader, who knows nothing of limits and allocations.
//!
//! The first byte of an input says what the rest is: `r` a token as it comes; `s` a header and claims on two lines,
//! signed properly, so that the readers behind the signature are reached; `p` the same, signed with the previous secret,
//! where an issuer and an audience are demanded and the keys have names; `m` changes to a good token.
#![no_main]

use autamedica_signaling::admission::Grant;
use autamedica_signaling::admission::tokens::{TokenFault, TokenRules, Tokens};
use autamedica_signaling::base::time::{Duration, WallTime};
use autamedica_signaling::wire::jwt::{Key, TOKEN_BYTES_MAX};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use sha2::Sha256;

#[path = "token/reader.rs"]
mod reader;

const SECRET: &[u8; 32] = b"a secret of exactly 32 bytes....";
const PREVIOUS: &[u8; 32] = b"the secret of the time before...";
const DEMANDED: &str = "clinic";
/// The names of the keys, where they have any.
const NAMES: [&str; 2] = ["now", "before"];
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
        b's' => signed(rest, SECRET, None),
        b'p' => signed(rest, PREVIOUS, Some(DEMANDED)),
        b'm' => mutated(rest),
        _ => raw(rest),
    }
});

/// Any text: what is granted was signed with our secret.
fn raw(input: &[u8]) {
    let Ok(token) = str::from_utf8(input) else { return };
    if let Ok(grant) = check(token, None) {
        let (signed, signature) = token.rsplit_once('.').expect("a signature");
        let is_ours = [SECRET, PREVIOUS].iter().any(|secret| signature == mac(signed, secret));
        assert!(is_ours, "a grant without our signature");
        let (header, payload) = signed.split_once('.').expect("two parts before the signature");
        assert_eq!(reader::read(&decoded(header), &decoded(payload), None, None), Ok(grant));
    }
}

/// A header and claims that are signed properly.
fn signed(input: &[u8], secret: &[u8; 32], demanded: Option<&str>) {
    let Ok(text) = str::from_utf8(input) else { return };
    let (header, claims) = text.split_once('\n').unwrap_or((HEADER, text));
    let token = sign(header, claims, secret);
    let name = if secret == SECRET { NAMES[0] } else { NAMES[1] };
    let expected = match token.len() {
        0..=TOKEN_BYTES_MAX => reader::read(header, claims, demanded, demanded.map(|_| name)),
        _ => Err(TokenFault::Invalid),
    };
    assert_eq!(check(&token, demanded), expected);
    let foreign = sign(header, claims, b"a secret that nobody here knows.");
    assert_eq!(check(&foreign, demanded), Err(TokenFault::Invalid));
}

/// A good token with bytes replaced (groups of three: the place, two bytes, and the new byte) and its end cut off (a
/// last byte: by how much).
fn mutated(input: &[u8]) {
    let good = sign(HEADER, CLAIMS, SECRET);
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
        check(&token, None).is_ok(),
        token == good,
        "a changed token counts, or a good one does not"
    );
}

/// `demanded`: the issuer and the audience; where they are, keys have names.
fn check(token: &str, demanded: Option<&str>) -> Result<Grant, TokenFault> {
    let keys = [(SECRET, NAMES[0]), (PREVIOUS, NAMES[1])]
        .map(|(secret, name)| Key::new(secret).expect("32 bytes").named(demanded.map(|_| name)));
    let rules = TokenRules {
        keys: keys.into(),
        issuer: demanded.map(str::to_owned),
        audience: demanded.map(str::to_owned),
        leeway: Duration::from_secs(LEEWAY_SECS as u64),
    };
    Tokens::new(rules).check(token, WallTime::from_secs(NOW_SECS))
}

fn decoded(part: &str) -> String {
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
    String::from_utf8(bytes).expect("UTF-8")
}

fn sign(header: &str, claims: &str, secret: &[u8; 32]) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    format!("{signed}.{}", mac(&signed, secret))
}

fn mac(signed: &str, secret: &[u8; 32]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length");
    mac.update(signed.as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}
