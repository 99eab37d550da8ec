//! Issuing tokens: for first steps, scripts and the demo. In a deployment, the application that
//! knows the patients issues them.

use serde_json::{Map, Value};

use crate::base::time::{Duration, WallTime};
use crate::message::{Role, RoomType, SessionId, UserId};
use crate::wire::jwt::{self, Key};

/// The content of a new token.
#[derive(Clone, Copy, Debug)]
pub struct Ticket<'a> {
    /// `userId`.
    pub user: UserId,
    /// `userType`.
    pub role: Role,
    /// `sessionId`.
    pub session: SessionId,
    /// `permissions`, by their names (`room:*`).
    pub permissions: &'a [&'a str],
    /// `roomType`.
    pub room_type: Option<RoomType>,
    /// `iat`, in whole seconds.
    pub issued_at: WallTime,
    /// How long after that the token expires: `exp`, in whole seconds.
    pub lifetime: Duration,
    /// `iss`.
    pub issuer: Option<&'a str>,
    /// `aud`.
    pub audience: Option<&'a str>,
    /// `jti`.
    pub id: Option<&'a str>,
}

/// Signs a token for `ticket`.
///
/// It is not checked whether the token would be accepted: one with many or long texts can exceed
/// [`jwt::TOKEN_BYTES_MAX`].
pub fn mint(key: &Key, ticket: &Ticket<'_>) -> String {
    let mut claims = Map::new();
    let mut claim = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    claim("userId", ascii(&ticket.user.to_text()));
    claim("userType", ticket.role.as_str().into());
    claim("sessionId", ascii(&ticket.session.to_text()));
    claim("permissions", ticket.permissions.into());
    claim("iat", ticket.issued_at.as_secs().into());
    claim("exp", ticket.issued_at.plus(ticket.lifetime).as_secs().into());
    let room_type = ticket.room_type.map(RoomType::as_str);
    let optional = [
        ("roomType", room_type),
        ("iss", ticket.issuer),
        ("aud", ticket.audience),
        ("jti", ticket.id),
    ];
    for (name, text) in optional {
        if let Some(text) = text {
            claim(name, text.into());
        }
    }
    jwt::sign(key, &Value::Object(claims).to_string())
}

fn ascii(text: &[u8]) -> Value {
    String::from_utf8_lossy(text).into()
}
