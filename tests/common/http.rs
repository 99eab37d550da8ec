//! Plain HTTP requests, and what all responses and refusals have in common.

use autamedica_signaling::Config;
use autamedica_signaling::admission::Origins;
use autamedica_signaling::config::Environment;

use super::raw::Response;
use super::{Raw, TestServer};

/// As in production: one page is allowed, and there is no demo.
pub fn production(config: &mut Config) {
    config.environment = Environment::Production;
    config.origins = Origins::Listed(vec!["https://clinic.example".to_owned()]);
}

/// The answer to a request.
pub fn ask(server: &TestServer, request: &str) -> Response {
    let mut raw = Raw::connect(server.address());
    raw.send(request.as_bytes());
    raw.read_response()
}

/// What every answer says beside its own matter.
pub fn check_fields(response: &Response) {
    for (name, value) in [
        ("Connection", "close"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
    ] {
        let found = response.field(name).unwrap_or_default();
        assert!(found.split(", ").any(|element| element == value), "{name}: {response:?}");
    }
    let policy = response.field("Content-Security-Policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(response.field("Date").is_some_and(|date| date.ends_with(" GMT")));
    assert_eq!(response.field("Server"), None, "nobody needs to know what runs here");
}

/// A refusal with this status and code.
#[track_caller]
pub fn check_refusal(response: &Response, status: u16, code: &str) {
    assert_eq!(response.status, status, "{response:?}");
    check_fields(response);
    assert_eq!(response.field("Content-Type"), Some("application/json"));
    assert_eq!(response.field("Content-Length"), Some(response.body.len().to_string().as_str()));
    let body = response.json();
    assert_eq!(body["code"], code, "{body}");
    assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    assert_eq!(body.as_object().map(|members| members.len()), Some(2), "{body}");
}
