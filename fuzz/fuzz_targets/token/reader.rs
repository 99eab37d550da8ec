//! What a token of this header and these claims grants, by the words of RFC 7515, 7519 and 8725 and of the contract.

use std::collections::BTreeSet;

use autamedica_signaling::admission::tokens::TokenFault;
use autamedica_signaling::admission::{Grant, claims};
use autamedica_signaling::base::time::WallTime;
use autamedica_signaling::message::{Permissions, Role, RoomType, SessionId, UserId};
use serde_json::Value;

use super::{LEEWAY_SECS, NOW_SECS};

const MEMBERS_MAX: usize = 64;
const LEVELS_MAX: usize = 16;
const DATE_SECS_MAX: u64 = 253_402_300_799;

/// `demanded`: the issuer and the audience. `signer`: the name of the key that signed, where keys have names.
pub fn read(
    header: &str,
    claims: &str,
    demanded: Option<&str>,
    signer: Option<&str>,
) -> Result<Grant, TokenFault> {
    let (grant, counts_from) = members(header)
        .filter(|header| is_header(header, signer))
        .and_then(|_| members(claims))
        .and_then(|claims| grant(&claims, demanded))
        .ok_or(TokenFault::Invalid)?;
    let (now, leeway) = (NOW_SECS * 1_000, LEEWAY_SECS * 1_000);
    let ends = grant.expires_at.as_millis();
    if ends < counts_from || now < counts_from - leeway {
        return Err(TokenFault::Invalid);
    }
    if now >= ends + leeway { Err(TokenFault::Expired) } else { Ok(grant) }
}

fn is_header(header: &Members, signer: Option<&str>) -> bool {
    let text = |name: &str| header.get(name).map(|value| value.as_str().unwrap_or("no text"));
    let changes_the_meaning = ["crit", "b64", "zip", "enc", "cty"];
    text("alg") == Some("HS256")
        && text("typ").is_none_or(|name| name.eq_ignore_ascii_case("JWT"))
        && header
            .get("kid")
            .is_none_or(|kid| kid.as_str().is_some_and(|kid| signer.is_none_or(|name| name == kid)))
        && !changes_the_meaning.iter().any(|name| header.get(name).is_some())
        && header.others_are_shallow(&["alg", "typ", "kid"])
}

/// The grant, and from when on it counts, in milliseconds.
fn grant(claims: &Members, demanded: Option<&str>) -> Option<(Grant, i64)> {
    let text = |name: &str| claims.get(name)?.as_str();
    let texts = |name: &str| {
        claims.get(name)?.as_array()?.iter().map(Value::as_str).collect::<Option<Vec<_>>>()
    };
    let optional_date = |name: &str| claims.get(name).map_or(Some(None), |v| date(v).map(Some));
    let room_type = match claims.get("roomType") {
        None => None,
        Some(name) => Some(RoomType::parse(name.as_str()?)?),
    };
    let permissions = texts("permissions")?.into_iter().map(Permissions::parse);
    let grant = Grant {
        user: UserId::parse(text("userId")?)?,
        role: Role::parse(text("userType")?)?,
        session: SessionId::parse(text("sessionId")?)?,
        permissions: permissions.fold(Permissions::NONE, Permissions::with),
        room_type,
        token: text("jti").map(claims::token_id),
        expires_at: WallTime::from_millis(date(claims.get("exp")?)?),
    };
    let issued_at = date(claims.get("iat")?)?;
    let audience = match claims.get("aud") {
        None => Vec::new(),
        Some(Value::String(one)) => vec![one.as_str()],
        Some(_) => texts("aud")?,
    };
    let is_for_us =
        demanded.is_none_or(|name| text("iss") == Some(name) && audience.contains(&name));
    let fits = is_for_us
        && ["iss", "jti"].iter().all(|name| claims.get(name).is_none_or(Value::is_string))
        && claims.others_are_shallow(&["permissions", "aud"]);
    let counts_from = optional_date("nbf")?.map_or(issued_at, |nbf| nbf.max(issued_at));
    fits.then_some((grant, counts_from))
}

/// Milliseconds, from the beginning of 1970 to the end of 9999.
fn date(value: &Value) -> Option<i64> {
    match value.as_u64() {
        Some(secs) => (secs <= DATE_SECS_MAX).then(|| secs as i64 * 1_000),
        None => {
            let secs = value.as_f64().filter(|secs| (0.0..=DATE_SECS_MAX as f64).contains(secs))?;
            Some((secs * 1_000.0).round() as i64)
        }
    }
}

/// The members of a JSON object.
struct Members(Vec<(String, Value)>);

impl Members {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Whether nothing is nested too deep in what nobody reads.
    fn others_are_shallow(&self, read: &[&str]) -> bool {
        let others = self.0.iter().filter(|(name, _)| !read.contains(&name.as_str()));
        others.map(|(_, value)| levels(value)).all(|levels| levels <= LEVELS_MAX)
    }
}

fn levels(value: &Value) -> usize {
    let inner = match value {
        Value::Array(elements) => elements.iter().map(levels).max(),
        Value::Object(members) => members.values().map(levels).max(),
        _ => return 0,
    };
    1 + inner.unwrap_or_default()
}

/// Reads an object that has no name twice, and not too many.
fn members(json: &str) -> Option<Members> {
    struct Visitor;
    impl<'de> serde::de::Visitor<'de> for Visitor {
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
    let members = serde::Deserializer::deserialize_map(&mut reader, Visitor).ok()?;
    reader.end().ok()?;
    let mut seen = BTreeSet::new();
    let fits = members.len() <= MEMBERS_MAX && members.iter().all(|(name, _)| seen.insert(name));
    fits.then_some(Members(members))
}
