//! Who may use the administrator's listener, and from where.

use std::hint::black_box;
use std::net::IpAddr;

use crate::base::redacted::Redacted;
use crate::wire::http::Request;

/// A header field that a page of another origin cannot send without a preflight (Fetch,
/// "CORS-safelisted request-header").
const ACTION_FIELD: &str = "x-admin-action";

/// What a request must satisfy.
#[derive(Debug)]
pub struct Access {
    token: Redacted<Vec<u8>>,
    address: IpAddr,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The token is missing or wrong.
    Token,
    /// It may come from a page of another origin.
    Elsewhere,
    /// An action without the header field that shows that it is intended.
    Unmeant,
}

impl Access {
    /// `token` is empty if none is required.
    pub const fn new(token: Redacted<Vec<u8>>, address: IpAddr) -> Self {
        Self { token, address }
    }

    /// Whether the `Host` may be answered at all. Without a token, an attacker's host name that
    /// resolves to this address would be enough: the browser would take the attacker's page for one
    /// of ours (DNS rebinding).
    pub fn check_host(&self, request: &Request<'_>) -> Result<(), Denied> {
        if !self.token.reveal().is_empty() {
            return Ok(());
        }
        let host = request.field("host").unwrap_or_default();
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
            _ => host,
        };
        let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let known = match name.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback() || address == self.address,
            Err(_) => name.eq_ignore_ascii_case("localhost"),
        };
        if known { Ok(()) } else { Err(Denied::Elsewhere) }
    }

    /// Whether the request may be answered, once its host is accepted.
    pub fn check(&self, request: &Request<'_>) -> Result<(), Denied> {
        let site = request.field("sec-fetch-site");
        if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
            return Err(Denied::Elsewhere);
        }
        let token = self.token.reveal();
        if !token.is_empty() && !shown(request).is_some_and(|shown| is_same(shown, token)) {
            return Err(Denied::Token);
        }
        Ok(())
    }

    /// Whether an action is intended: a form or a script of another origin can send a POST, but not
    /// with these fields.
    pub fn check_action(&self, request: &Request<'_>) -> Result<(), Denied> {
        let host = request.field("host").unwrap_or_default();
        let ours = |origin: &str| origin.split_once("://").is_some_and(|(_, from)| from == host);
        if request.has_field("origin") && !request.field("origin").is_some_and(ours) {
            return Err(Denied::Elsewhere);
        }
        let json =
            |value: &str| value.split(';').next().unwrap_or_default().trim() == "application/json";
        let meant =
            request.has_field(ACTION_FIELD) || request.field("content-type").is_some_and(json);
        if meant { Ok(()) } else { Err(Denied::Unmeant) }
    }
}

fn shown<'a>(request: &Request<'a>) -> Option<&'a [u8]> {
    let (scheme, token) = request.field("authorization")?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' ').as_bytes())
}

/// Compares in constant time for texts of the same length.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differ = one.iter().zip(other).fold(0, |differ, (a, b)| black_box(differ | (a ^ b)));
    one.len() == other.len() && differ == 0
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::wire::http;

    fn ask<T>(lines: &str, check: impl FnOnce(&Request<'_>) -> T) -> T {
        let head = format!("POST /api/drain HTTP/1.1\r\n{lines}\r\n\r\n");
        let (request, _) = http::parse(head.as_bytes(), 0).expect("a head").expect("a whole one");
        check(&request)
    }

    fn open() -> Access {
        Access::new(Redacted::new(Vec::new()), IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    fn guarded() -> Access {
        Access::new(Redacted::new(vec![b't'; 32]), IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    #[test]
    fn without_a_token_only_names_that_nobody_else_can_have_are_answered() {
        for (host, known) in [
            ("127.0.0.1:8081", true),
            ("127.0.0.1", true),
            ("localhost:1", true),
            ("LOCALHOST", true),
            ("[::1]:8081", true),
            ("[::1]", true),
            ("evil.example:8081", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example:8081", false),
            ("192.0.2.1:8081", false),
            ("", false),
        ] {
            let lines = format!("Host: {host}");
            assert_eq!(ask(&lines, |request| open().check_host(request)).is_ok(), known, "{host}");
            assert_eq!(ask(&lines, |request| guarded().check_host(request)), Ok(()));
        }
    }

    #[test]
    fn a_token_is_asked_for_in_full() {
        let token = "t".repeat(32);
        let check =
            |field: &str| ask(&format!("Host: a\r\n{field}"), |request| guarded().check(request));
        assert_eq!(check(&format!("Authorization: Bearer {token}")), Ok(()));
        assert_eq!(check(&format!("Authorization: bearer {token}")), Ok(()));
        for wrong in ["X: y", "Authorization: Bearer", "Authorization: Bearer t"] {
            assert_eq!(check(wrong), Err(Denied::Token), "{wrong}");
        }
        assert_eq!(check(&format!("Authorization: Bearer {token}t")), Err(Denied::Token));
        assert_eq!(check(&format!("Authorization: Basic {token}")), Err(Denied::Token));
        assert_eq!(ask("Host: a", |request| open().check(request)), Ok(()));
    }

    #[test]
    fn a_page_of_elsewhere_causes_nothing() {
        let act = |fields: &str| {
            ask(&format!("Host: 127.0.0.1:8081\r\n{fields}"), |request| {
                open().check(request).and_then(|()| open().check_action(request))
            })
        };
        assert_eq!(act("X-Admin-Action: drain"), Ok(()));
        assert_eq!(act("Content-Type: application/json; charset=utf-8"), Ok(()));
        assert_eq!(act("X-Admin-Action: x\r\nOrigin: http://127.0.0.1:8081"), Ok(()));
        assert_eq!(act("Content-Type: text/plain"), Err(Denied::Unmeant));
        assert_eq!(act("Accept: */*"), Err(Denied::Unmeant));
        for fields in [
            "X-Admin-Action: x\r\nOrigin: http://evil.example",
            "X-Admin-Action: x\r\nOrigin: null",
            "X-Admin-Action: x\r\nOrigin: http://127.0.0.1:9",
            "X-Admin-Action: x\r\nSec-Fetch-Site: cross-site",
            "X-Admin-Action: x\r\nSec-Fetch-Site: same-site",
        ] {
            assert_eq!(act(fields), Err(Denied::Elsewhere), "{fields}");
        }
    }
}
