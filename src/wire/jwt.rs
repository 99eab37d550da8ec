//! Signed tokens: the compact form of RFC 7515 with HS256 (RFC 7518 3.2) and nothing else, as RFC
//! 8725 recommends.
//!
//! A token is `header.payload.signature`, each part in base64url. This module does not interpret
//! the payload.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hmac::{Hmac, KeyInit, Mac};
use serde::de::{Error, MapAccess};
use sha2::Sha256;

use super::members::{self, Members, Skipped, Text};

/// The longest token that is accepted. A longer one is refused before anything is computed from it.
pub const TOKEN_BYTES_MAX: usize = 4096;

/// The shortest secret: RFC 7518 3.2 requires a key at least as long as the hash.
pub const SECRET_BYTES_MIN: usize = 32;

/// The size of the largest part of a token, decoded: four characters stand for three bytes.
pub const SCRATCH_BYTES: usize = TOKEN_BYTES_MAX / 4 * 3;

/// The length of 32 bytes in base64url without padding.
const SIGNATURE_CHARS: usize = 43;

/// The header of the tokens that we sign.
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// A secret that signs and verifies tokens: an HMAC state that is already keyed, and is cloned for
/// each token.
#[derive(Clone)]
pub struct Key {
    keyed: Hmac<Sha256>,
    name: Option<Box<str>>,
}

/// The secret has fewer than [`SECRET_BYTES_MIN`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortSecret;

/// What is wrong with a token, in the order of the checks.
///
/// For tests and counters. The peer learns only that the token is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Over [`TOKEN_BYTES_MAX`].
    TooLong,
    /// Not three parts.
    Shape,
    /// The signature is not 43 characters of canonical base64url, or no key made it.
    Signature,
    /// The header is not a JSON object that we accept.
    Header,
    /// The payload is not UTF-8 in base64url.
    Payload,
}

impl Key {
    /// Makes the key of `secret`.
    ///
    /// # Errors
    ///
    /// [`ShortSecret`] under [`SECRET_BYTES_MIN`]: the hash itself would accept even an empty one.
    pub fn new(secret: &[u8]) -> Result<Self, ShortSecret> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(ShortSecret);
        }
        let keyed = Hmac::new_from_slice(secret).map_err(|_| ShortSecret)?;
        Ok(Self { keyed, name: None })
    }

    /// The same key with a name, which is the `kid` of the tokens that it signs (RFC 7515 4.1.4),
    /// or without one.
    #[must_use]
    pub fn named(self, name: Option<&str>) -> Self {
        Self { name: name.map(Into::into), ..self }
    }

    fn over(&self, signed: &str) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(signed.as_bytes());
        mac
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key[redacted]")
    }
}

impl fmt::Display for ShortSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a secret must have at least {SECRET_BYTES_MIN} bytes (RFC 7518 3.2)")
    }
}

impl std::error::Error for ShortSecret {}

/// Verifies `token` with all of `keys` and returns its payload, decoded into `scratch`.
///
/// If any of the keys has a name, a token with a `kid` must be signed by a key of that name. The
/// `kid` only selects among `keys`; a token without one may be signed by any of them.
///
/// The signature is checked before the JSON, so the parser only sees bytes that a holder of a
/// secret has written. Allocates nothing as long as the header has no escapes.
///
/// # Errors
///
/// [`Broken`], the first check that failed.
pub fn verify<'a>(
    token: &str,
    keys: &[Key],
    scratch: &'a mut [u8; SCRATCH_BYTES],
) -> Result<&'a str, Broken> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Broken::TooLong);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(Broken::Shape)?;
    let (header, payload) = signed.split_once('.').ok_or(Broken::Shape)?;
    if payload.contains('.') {
        return Err(Broken::Shape);
    }
    let signers = signers(signed, signature, keys);
    if signers == 0 {
        return Err(Broken::Signature);
    }
    let header = decode(header, scratch).ok_or(Broken::Header)?;
    check_header(header, keys, signers)?;
    decode(payload, scratch).ok_or(Broken::Payload)
}

/// Signs `claims_json`, which should be a JSON object.
pub fn sign(key: &Key, claims_json: &str) -> String {
    sign_under(HEADER, key, claims_json)
}

fn sign_under(header: &str, key: &Key, claims_json: &str) -> String {
    let mut token = BASE64URL.encode(header);
    token.push('.');
    BASE64URL.encode_string(claims_json, &mut token);
    let signature = key.over(&token).finalize().into_bytes();
    token.push('.');
    BASE64URL.encode_string(signature, &mut token);
    token
}

/// Which of `keys` made the signature, one bit for each of the first 64. All are tried, each in
/// constant time, so that the time does not reveal which.
fn signers(signed: &str, signature: &str, keys: &[Key]) -> u64 {
    if signature.len() != SIGNATURE_CHARS {
        return 0;
    }
    // The base64 engine refuses padding, whitespace, `+`, `/`, and a last character with bits
    // beyond the 32nd byte. Otherwise four signatures would be equivalent, and a token would have
    // more than one spelling.
    let mut bytes = [0; 32];
    if BASE64URL.decode_slice(signature, &mut bytes) != Ok(bytes.len()) {
        return 0;
    }
    let mut found = 0;
    for (at, key) in keys.iter().enumerate().take(64) {
        found |= u64::from(key.over(signed).verify_slice(&bytes).is_ok()) << at;
    }
    found
}

fn decode<'a>(part: &str, scratch: &'a mut [u8; SCRATCH_BYTES]) -> Option<&'a str> {
    let length = BASE64URL.decode_slice(part, scratch).ok()?;
    std::str::from_utf8(scratch.get(..length)?).ok()
}

fn check_header(header: &str, keys: &[Key], signers: u64) -> Result<(), Broken> {
    let mut seen = Header { has_algorithm: false, keys, signers };
    match members::read(header, &mut seen) {
        Ok(()) if seen.has_algorithm => Ok(()),
        _ => Err(Broken::Header),
    }
}

struct Header<'k> {
    has_algorithm: bool,
    keys: &'k [Key],
    signers: u64,
}

impl Header<'_> {
    /// Whether a key with this name made the signature. If no key has a name, any name is accepted.
    fn is_signer(&self, name: &str) -> bool {
        let mut keys = self.keys.iter().enumerate().take(64);
        self.keys.iter().all(|key| key.name.is_none())
            || keys
                .any(|(at, key)| self.signers >> at & 1 == 1 && key.name.as_deref() == Some(name))
    }
}

impl<'de> Members<'de> for Header<'_> {
    fn member<A: MapAccess<'de>>(&mut self, name: &str, header: &mut A) -> Result<(), A::Error> {
        match name {
            "alg" => {
                self.has_algorithm = true;
                header.next_value_seed(Text(|alg: &str| (alg == "HS256").then_some(())))
            }
            // A media type, so letter case is ignored and the part before the slash may be omitted
            // (RFC 7515 4.1.9). Another type is another kind of token (RFC 8725 3.11).
            "typ" => header.next_value_seed(Text(|typ: &str| {
                let is_ours = |name: &str| typ.eq_ignore_ascii_case(name);
                (is_ours("JWT") || is_ours("application/jwt")).then_some(())
            })),
            // It selects among the known keys, and never fetches one.
            "kid" => header.next_value_seed(Text(|kid: &str| self.is_signer(kid).then_some(()))),
            // Each of these would change the meaning of the payload: a critical extension, an
            // unencoded payload (RFC 7797), compression, encryption, a nested token.
            "crit" | "b64" | "zip" | "enc" | "cty" => Err(A::Error::custom("not supported")),
            // Keys in the token itself (`jwk`, `jku`, `x5u`, ..) are ignored like all other members
            // (RFC 7515 4).
            _ => header.next_value_seed(Skipped::new()),
        }
    }
}

#[cfg(test)]
mod tests;
