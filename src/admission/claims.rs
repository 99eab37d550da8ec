//! The content of a token: the claims of its payload (RFC 7519 4), each of the right type.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use sha2::{Digest, Sha256};

use super::Grant;
use crate::base::time::WallTime;
use crate::message::{Permissions, Role, RoomType, SessionId, TokenId, UserId};
use crate::wire::members::{self, Members, Skipped, Text, TextOrTexts, Texts};

/// The latest time that a claim may name, in seconds: the end of the year 9999. Later dates have no
/// text form.
pub const DATE_SECS_MAX: u64 = 253_402_300_799;

/// The claims of a token. [`super::Tokens`] decides whether the token is valid here and now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Who the bearer is and what the bearer may do.
    pub grant: Grant,
    /// `iat`.
    pub issued_at: WallTime,
    /// `nbf`.
    pub not_before: Option<WallTime>,
    /// Whether `iss` is the required issuer; true if none is required.
    pub is_from_issuer: bool,
    /// Whether `aud` is or contains the required audience; true if none is required.
    pub is_for_audience: bool,
}

/// The payload is not a JSON object, repeats a name, has more than 64 names, lacks a claim, or has
/// a claim of a wrong type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadClaims;

/// Reads the claims from `payload`, and compares its issuer and audience with those given.
///
/// Permissions and claims that are not ours are ignored. Allocates nothing as long as there are no
/// escapes.
///
/// # Errors
///
/// [`BadClaims`].
pub fn read(
    payload: &str,
    issuer: Option<&str>,
    audience: Option<&str>,
) -> Result<Claims, BadClaims> {
    let mut draft = Draft {
        issuer,
        audience,
        is_from_issuer: issuer.is_none(),
        is_for_audience: audience.is_none(),
        ..Draft::default()
    };
    members::read(payload, &mut draft).map_err(|_| BadClaims)?;
    draft.finish().ok_or(BadClaims)
}

/// Identifies a token by its `jti`.
pub fn token_id(jti: &str) -> TokenId {
    let hash = Sha256::digest(jti);
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    TokenId::from_hash(first)
}

/// The claims read so far. They may arrive in any order.
#[derive(Default)]
struct Draft<'a> {
    issuer: Option<&'a str>,
    audience: Option<&'a str>,
    is_from_issuer: bool,
    is_for_audience: bool,
    user: Option<UserId>,
    role: Option<Role>,
    session: Option<SessionId>,
    permissions: Option<Permissions>,
    room_type: Option<RoomType>,
    token: Option<TokenId>,
    expires_at: Option<WallTime>,
    issued_at: Option<WallTime>,
    not_before: Option<WallTime>,
}

impl Draft<'_> {
    fn finish(self) -> Option<Claims> {
        Some(Claims {
            grant: Grant {
                user: self.user?,
                role: self.role?,
                session: self.session?,
                permissions: self.permissions?,
                room_type: self.room_type,
                token: self.token,
                expires_at: self.expires_at?,
            },
            issued_at: self.issued_at?,
            not_before: self.not_before,
            is_from_issuer: self.is_from_issuer,
            is_for_audience: self.is_for_audience,
        })
    }
}

impl<'de> Members<'de> for Draft<'_> {
    fn member<A: MapAccess<'de>>(&mut self, name: &str, claims: &mut A) -> Result<(), A::Error> {
        match name {
            "userId" => self.user = Some(claims.next_value_seed(Text(UserId::parse))?),
            "userType" => self.role = Some(claims.next_value_seed(Text(Role::parse))?),
            "sessionId" => self.session = Some(claims.next_value_seed(Text(SessionId::parse))?),
            "permissions" => {
                let mut all = Permissions::NONE;
                let each = |name: &str| all = all.with(Permissions::parse(name));
                claims.next_value_seed(Texts(each))?;
                self.permissions = Some(all);
            }
            "roomType" => self.room_type = Some(claims.next_value_seed(Text(RoomType::parse))?),
            "exp" => self.expires_at = Some(claims.next_value_seed(Date)?),
            "iat" => self.issued_at = Some(claims.next_value_seed(Date)?),
            "nbf" => self.not_before = Some(claims.next_value_seed(Date)?),
            "iss" => {
                let is_asked_for = claims.next_value_seed(Text(|iss: &str| {
                    Some(self.issuer.is_none_or(|issuer| issuer == iss))
                }))?;
                self.is_from_issuer = is_asked_for;
            }
            "aud" => {
                let (audience, found) = (self.audience, &mut self.is_for_audience);
                claims.next_value_seed(TextOrTexts(|aud: &str| *found |= audience == Some(aud)))?;
            }
            "jti" => {
                self.token = Some(claims.next_value_seed(Text(|jti: &str| Some(token_id(jti))))?);
            }
            _ => claims.next_value_seed(Skipped::new())?,
        }
        Ok(())
    }
}

/// A NumericDate (RFC 7519 2): seconds since 1970, from 0 to [`DATE_SECS_MAX`]. Fractions are
/// rounded to milliseconds.
struct Date;

impl<'de> DeserializeSeed<'de> for Date {
    type Value = WallTime;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<WallTime, D::Error> {
        deserializer.deserialize_f64(self)
    }
}

impl Visitor<'_> for Date {
    type Value = WallTime;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("seconds since 1970")
    }

    fn visit_u64<E: Error>(self, secs: u64) -> Result<WallTime, E> {
        if secs > DATE_SECS_MAX {
            return Err(E::custom("too late a date"));
        }
        Ok(WallTime::from_secs(secs as i64))
    }

    // Negative integers are the only ones that do not arrive as `u64`. The default implementation
    // refuses them.

    fn visit_f64<E: Error>(self, secs: f64) -> Result<WallTime, E> {
        if !(0.0..=DATE_SECS_MAX as f64).contains(&secs) {
            return Err(E::custom("a date out of range"));
        }
        Ok(WallTime::from_millis((secs * 1_000.0).round() as i64))
    }
}

#[cfg(test)]
mod tests;
