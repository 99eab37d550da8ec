//! The upgrade request: may this browser, this app, this token come in?

use super::origin::Origins;
use super::tokens::{TokenFault, Tokens};
use super::{Addresses, Grant};
use crate::base::time::{Duration, WallTime};
use crate::message::notice;
use crate::wire::http::{self, Request, Response, StatusCode};
use crate::wire::upgrade::{self, Upgrade};

/// The subprotocol that is selected if the client offers it.
pub const SUBPROTOCOL: &str = "autamedica.v1";

/// What a browser offers beside [`SUBPROTOCOL`] to present its token; never selected, so never echoed.
pub const BEARER_PREFIX: &str = "bearer.";

/// Names of query parameters with a token, which would end up in somebody's access log.
const TOKEN_PARAMETERS: [&str; 3] = ["token", "access_token", "authToken"];

/// All rules of admission: what an operator may change while the server runs.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Checks tokens.
    pub tokens: Tokens,
    /// Decides on upgrade requests.
    pub door: Door,
}

/// Decides on upgrade requests.
#[derive(Clone, Debug)]
pub struct Door {
    /// The web pages that browsers may connect from.
    pub origins: Origins,
    /// Whether a request must have an `Origin`.
    pub origin_required: bool,
    /// Which addresses may connect, and which proxies are trusted.
    pub addresses: Addresses,
}

/// A request that may become a WebSocket.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The handshake to complete.
    pub upgrade: Upgrade<'a>,
    /// The subprotocol to select.
    pub protocol: Option<&'static str>,
    /// What the token grants, if one was presented.
    pub grant: Option<Grant>,
}

/// A request that is answered with an error and closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A malformed request.
    Malformed,
    /// A token in the query string.
    TokenInQuery,
    /// No such path.
    NotFound,
    /// A method other than `GET`.
    Method,
    /// Not an upgrade to WebSocket version 13.
    NotAnUpgrade,
    /// An origin that is not on the list.
    Origin,
    /// A token that is not valid.
    TokenInvalid,
    /// An expired token.
    TokenExpired,
    /// The head is too large.
    HeadTooLarge,
    /// The head did not arrive in time.
    HeadTimeout,
    /// The body is too large.
    BodyTooLarge,
    /// The maximum number of connections is reached.
    Full,
    /// Too many connections or failed authentications of one address, or too many connections,
    /// joins or closes of one user. The client may try again after this time.
    RateLimited(Duration),
    /// The server is about to stop.
    ShuttingDown,
    /// Plain HTTP on a port that speaks TLS.
    InTheClear,
    /// An address that is not on the list.
    Address,
    /// A token that an operator has revoked.
    Revoked,
}

impl Door {
    /// Judges an upgrade request. `full`: there is no room for another connection.
    pub fn admit<'a>(
        &self,
        request: &Request<'a>,
        tokens: &Tokens,
        full: bool,
        now: WallTime,
    ) -> Result<Entry<'a>, Refusal> {
        match request.method {
            "GET" => {}
            // The answer that `GET` would get without its upgrade (RFC 9110 9.3.2).
            "HEAD" => return Err(Refusal::NotAnUpgrade),
            _ => return Err(Refusal::Method),
        }
        let upgrade = Upgrade::read(request).map_err(|fault| match fault {
            upgrade::Fault::NotAnUpgrade => Refusal::NotAnUpgrade,
            upgrade::Fault::Malformed => Refusal::Malformed,
        })?;
        if !self.origins.allows(origin(request)?, self.origin_required) {
            return Err(Refusal::Origin);
        }
        if full {
            return Err(Refusal::Full);
        }
        let grant = shown(request, tokens, now)?;
        let offered = request.list("sec-websocket-protocol").any(|name| name == SUBPROTOCOL);
        Ok(Entry { upgrade, protocol: offered.then_some(SUBPROTOCOL), grant })
    }
}

impl Door {
    /// The header fields that let a page of another origin read the answer (Fetch, "CORS
    /// protocol"). A page that is not listed gets none, and its browser keeps the answer from it.
    /// Nothing here needs credentials, so they are not allowed.
    pub fn cors_fields<'a>(&self, origin: Option<&'a str>) -> Vec<(&'static str, &'a str)> {
        let allowed = origin.filter(|one| self.origins.allows(Some(one), false));
        let allowed = allowed.map(|origin| match self.origins {
            Origins::Any => "*",
            Origins::Listed(_) => origin,
        });
        // Also if nothing is allowed: a cache must not show one page what was meant for another.
        let vary = ("Vary", "Origin");
        allowed
            .map(|origin| ("Access-Control-Allow-Origin", origin))
            .into_iter()
            .chain([vary])
            .collect()
    }

    /// The same for answers to which a page may send credentials: a proxy may use cookies to find
    /// the same server again. The page is then told its own origin, never `*`.
    pub fn cors_fields_with_credentials<'a>(
        &self,
        origin: Option<&'a str>,
    ) -> Vec<(&'static str, &'a str)> {
        let allowed = origin.filter(|one| self.origins.allows(Some(one), false));
        let credentials = allowed.map(|_| ("Access-Control-Allow-Credentials", "true"));
        let origin = allowed.map(|origin| ("Access-Control-Allow-Origin", origin));
        origin.into_iter().chain(credentials).chain([("Vary", "Origin")]).collect()
    }

    /// Whether the request is a preflight (Fetch, "CORS-preflight request").
    ///
    /// # Errors
    /// [`Refusal::Origin`] if its page may not send any request.
    pub fn is_preflight(&self, request: &Request<'_>) -> Result<bool, Refusal> {
        if request.method != "OPTIONS" || !request.has_field("access-control-request-method") {
            return Ok(false);
        }
        match origin(request)? {
            None => Ok(false),
            Some(origin) if self.origins.allows(Some(origin), false) => Ok(true),
            Some(_) => Err(Refusal::Origin),
        }
    }
}

/// Refuses a token in the query of any request, before anything else is done with it.
pub fn check_query(request: &Request<'_>) -> Result<(), Refusal> {
    let present = TOKEN_PARAMETERS.iter().any(|name| request.has_query_parameter(name));
    if present { Err(Refusal::TokenInQuery) } else { Ok(()) }
}

/// What the token in the request grants, if there is one.
pub fn shown(
    request: &Request<'_>,
    tokens: &Tokens,
    now: WallTime,
) -> Result<Option<Grant>, Refusal> {
    let grant = presented_token(request)?.map(|token| tokens.check(token, now)).transpose();
    grant.map_err(|fault| match fault {
        TokenFault::Invalid => Refusal::TokenInvalid,
        TokenFault::Expired => Refusal::TokenExpired,
    })
}

/// The page that a request comes from, if it says so.
pub fn origin<'a>(request: &Request<'a>) -> Result<Option<&'a str>, Refusal> {
    match (request.has_field("origin"), request.field("origin")) {
        (false, _) => Ok(None),
        (true, Some(origin)) => Ok(Some(origin)),
        (true, None) => Err(Refusal::Origin), // not ASCII, so on no list
    }
}

/// The token in the `Authorization` field or in the offered subprotocols. Two tokens are refused,
/// since it would be ambiguous which one counts.
fn presented_token<'a>(request: &Request<'a>) -> Result<Option<&'a str>, Refusal> {
    // In an unreadable field a token would go unnoticed, and its bearer would be treated as someone
    // without one.
    if !request.is_ascii("authorization") || !request.is_ascii("sec-websocket-protocol") {
        return Err(Refusal::Malformed);
    }
    let bearer = request.field("authorization").and_then(|value| {
        let (scheme, token) = value.split_at(value.find([' ', '\t']).unwrap_or(value.len()));
        // Another scheme concerns a proxy, not us.
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
    });
    let mut offered =
        request.list("sec-websocket-protocol").filter_map(|name| name.strip_prefix(BEARER_PREFIX));
    match (bearer, offered.next(), offered.next()) {
        (None, offered, None) => Ok(offered),
        (Some(bearer), None, None) => Ok(Some(bearer)),
        _ => Err(Refusal::Malformed),
    }
}

impl Refusal {
    /// The status, code and text of the answer, and a field that goes with it.
    const fn parts(
        self,
    ) -> (StatusCode, &'static str, &'static str, Option<(&'static str, &'static str)>) {
        use StatusCode as Status;
        let invalid = Some(("WWW-Authenticate", "Bearer error=\"invalid_token\""));
        match self {
            Self::Malformed => {
                (Status::BadRequest, "BAD_REQUEST", "the request is malformed", None)
            }
            Self::TokenInQuery => {
                (Status::BadRequest, "BAD_REQUEST", "a token must not be part of the address", None)
            }
            Self::NotFound => {
                (Status::NotFound, "NOT_FOUND", "there is nothing at this path", None)
            }
            Self::Method => (
                Status::MethodNotAllowed,
                "METHOD_NOT_ALLOWED",
                "this path is served to GET",
                Some(("Allow", "GET, HEAD")),
            ),
            Self::NotAnUpgrade => (
                Status::UpgradeRequired,
                "UPGRADE_REQUIRED",
                "this path speaks WebSocket, version 13",
                Some(("Sec-WebSocket-Version", upgrade::VERSION)),
            ),
            Self::Origin => (Status::Forbidden, "FORBIDDEN", "this origin is not allowed", None),
            Self::TokenInvalid => {
                (Status::Unauthorized, "TOKEN_INVALID", "the token is not valid", invalid)
            }
            Self::TokenExpired => {
                (Status::Unauthorized, "TOKEN_EXPIRED", "the token has expired", invalid)
            }
            Self::HeadTooLarge | Self::HeadTimeout | Self::BodyTooLarge => self.parts_of_bytes(),
            Self::Full => (
                Status::ServiceUnavailable,
                "SERVER_FULL",
                "there are as many connections as this server takes",
                Some(("Retry-After", "5")),
            ),
            // Its `Retry-After` is written in `write`.
            Self::RateLimited(_) => (
                Status::TooManyRequests,
                "RATE_LIMITED",
                "too many connections or attempts, try again later",
                None,
            ),
            Self::ShuttingDown => (
                Status::ServiceUnavailable,
                "SERVER_SHUTDOWN",
                "the server is shutting down, connect again",
                Some(("Retry-After", "1")),
            ),
            Self::InTheClear => {
                (Status::BadRequest, "BAD_REQUEST", "this port speaks TLS (https, wss)", None)
            }
            Self::Address => (Status::Forbidden, "FORBIDDEN", "this address is not allowed", None),
            Self::Revoked => {
                (Status::Forbidden, "FORBIDDEN", "an operator has revoked this token", None)
            }
        }
    }

    /// The same for refusals about the size and timing of the request.
    const fn parts_of_bytes(
        self,
    ) -> (StatusCode, &'static str, &'static str, Option<(&'static str, &'static str)>) {
        use StatusCode as Status;
        match self {
            Self::HeadTooLarge => (
                Status::RequestHeaderFieldsTooLarge,
                "HEAD_TOO_LARGE",
                "the request head is too large",
                None,
            ),
            Self::BodyTooLarge => {
                (Status::ContentTooLarge, "MESSAGE_TOO_LARGE", "the body is too large", None)
            }
            _ => (
                Status::RequestTimeout,
                "REQUEST_TIMEOUT",
                "the request did not come in time",
                None,
            ),
        }
    }

    /// The code in the body of the answer.
    pub const fn code(self) -> &'static str {
        self.parts().1
    }

    /// The status of the answer.
    pub const fn status(self) -> StatusCode {
        self.parts().0
    }

    /// Appends the HTTP answer: the status, and a small JSON body with `code` and `message`.
    pub fn write(self, out: &mut Vec<u8>, now: WallTime, head_only: bool) {
        let (status, code, text, field) = self.parts();
        // RFC 9110 15.5.22: a 426 names the protocol.
        let upgrade = (self == Self::NotAnUpgrade).then_some(("Upgrade", "websocket"));
        let retry_after = match self {
            Self::RateLimited(wait) => wait.as_micros().div_ceil(1_000_000).max(1).to_string(),
            _ => String::new(),
        };
        let retry_after = Some(("Retry-After", retry_after.as_str()));
        let retry_after = retry_after.filter(|(_, seconds)| !seconds.is_empty());
        let fields: Vec<_> = field.into_iter().chain(upgrade).chain(retry_after).collect();
        let mut body = Vec::new();
        notice::refusal(&mut body, code, text);
        let response =
            Response { status, content_type: "application/json", fields: &fields, body: &body };
        response.write(out, now, head_only);
    }
}

impl From<http::Fault> for Refusal {
    fn from(fault: http::Fault) -> Self {
        match fault {
            http::Fault::Malformed => Self::Malformed,
            http::Fault::TooLarge => Self::HeadTooLarge,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::TokenRules;

    fn admit(field: &[u8]) -> Result<(), Refusal> {
        let rules = TokenRules {
            keys: Vec::new(),
            issuer: None,
            audience: None,
            leeway: Duration::from_secs(60),
        };
        let head = b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let head = [&head[..], field, b"\r\n\r\n"].concat();
        let (request, _) = http::parse(&head, 0).expect("a head").expect("a whole one");
        let addresses = Addresses::default();
        let door = Door { origins: Origins::Any, origin_required: false, addresses };
        door.admit(&request, &Tokens::new(rules), false, WallTime::default()).map(|_| ())
    }

    #[test]
    fn who_has_to_wait_is_told_how_many_whole_seconds() {
        for (millis, seconds) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2"), (600_000, "600")]
        {
            let mut answer = Vec::new();
            let refusal = Refusal::RateLimited(Duration::from_millis(millis));
            refusal.write(&mut answer, WallTime::default(), false);
            let answer = String::from_utf8(answer).expect("text");
            assert!(answer.starts_with("HTTP/1.1 429 Too Many Requests\r\n"), "{answer}");
            assert!(answer.contains(&format!("\r\nRetry-After: {seconds}\r\n")), "{answer}");
        }
    }

    #[test]
    fn whoever_shows_something_for_a_token_is_never_taken_for_someone_without_one() {
        for (field, refusal) in [
            (&b"Authorization: Bearer"[..], Refusal::TokenInvalid),
            (b"Authorization: Bearer ", Refusal::TokenInvalid),
            (b"Authorization: bearer\tx", Refusal::TokenInvalid),
            (b"Authorization: Bearer \xe9", Refusal::Malformed),
            (b"Sec-WebSocket-Protocol: bearer.", Refusal::TokenInvalid),
            (b"Sec-WebSocket-Protocol: autamedica.v1, bearer.\xe9", Refusal::Malformed),
            (
                b"Sec-WebSocket-Protocol: \xe9\r\nSec-WebSocket-Protocol: bearer.x",
                Refusal::Malformed,
            ),
        ] {
            assert_eq!(admit(field), Err(refusal), "{}", String::from_utf8_lossy(field));
        }
        for field in [&b"Authorization: Basic eDp5"[..], b"Authorization: BearerX", b"X: \xe9"] {
            assert_eq!(admit(field), Ok(()), "{}", String::from_utf8_lossy(field));
        }
    }
}
