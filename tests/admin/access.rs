//! Who may use the administrator's listener.

use autamedica_signaling::base::redacted::Redacted;

use crate::common::{Raw, http, people};
use crate::support::{LOCAL, Managed, TOKEN, ask};

const PATHS: [&str; 7] =
    ["/health", "/ready", "/metrics", "/stats", "/api/overview", "/api/rooms", "/api/revocations"];

#[test]
fn clients_do_not_reach_it_and_embedders_have_none_unless_they_ask() {
    let managed = Managed::start();
    for path in ["/metrics", "/stats", "/api/overview"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        http::check_refusal(&http::ask(&managed.server, &request), 404, "NOT_FOUND");
    }
    let server = crate::common::bind(|_| {});
    assert_eq!(server.admin_addr(), None);
}

#[test]
fn where_there_is_a_token_nothing_but_the_page_is_told_without_it() {
    let managed = Managed::guarded();
    let with = |token: &str| format!("Authorization: Bearer {token}\r\n");
    for path in PATHS {
        for fields in [String::new(), with("x"), with(&TOKEN[1..]), with(&format!("{TOKEN}x"))] {
            let response = ask(managed.admin, "GET", path, &fields);
            http::check_refusal(&response, 401, "UNAUTHORIZED");
            assert_eq!(response.field("WWW-Authenticate"), Some("Bearer"));
        }
        let response = ask(managed.admin, "GET", path, &with(TOKEN));
        assert_eq!(response.status, 200, "{path}: {response:?}");
        http::check_fields(&response);
    }
    let page = managed.get("/");
    assert_eq!((page.status, page.field("Content-Type")), (200, Some("text/html; charset=utf-8")));
    http::check_fields(&page);
    let refused = ask(managed.admin, "POST", "/api/drain", "X-Admin-Action: test\r\n");
    http::check_refusal(&refused, 401, "UNAUTHORIZED");
    assert!(!managed.server.handle().is_stopping());
}

#[test]
fn a_page_of_elsewhere_neither_reads_nor_causes_anything() {
    let managed = Managed::start();
    // A name that somebody else's name server lets point here.
    for path in PATHS.into_iter().chain(["/"]) {
        let mut raw = Raw::connect(managed.admin);
        let port = managed.admin.port();
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: evil.example:{port}\r\n\r\n").as_bytes());
        http::check_refusal(&raw.read_response(), 403, "FORBIDDEN");
    }
    let act = |fields: &str| ask(managed.admin, "POST", "/api/drain", fields);
    for fields in [
        "",
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n",
        "Content-Type: text/plain\r\n",
        "X-Admin-Action: drain\r\nOrigin: http://evil.example\r\n",
        "X-Admin-Action: drain\r\nOrigin: null\r\n",
        "Content-Type: application/json\r\nSec-Fetch-Site: cross-site\r\n",
    ] {
        http::check_refusal(&act(fields), 403, "FORBIDDEN");
    }
    // What a browser asks before a page of elsewhere may send the field.
    let preflight = "Origin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n\
                     Access-Control-Request-Headers: x-admin-action\r\n";
    let response = ask(managed.admin, "OPTIONS", "/api/drain", preflight);
    http::check_refusal(&response, 405, "METHOD_NOT_ALLOWED");
    assert_eq!(response.field("Access-Control-Allow-Origin"), None);
    http::check_refusal(&managed.get("/api/drain"), 405, "METHOD_NOT_ALLOWED");
    assert!(!managed.server.handle().is_stopping());
}

#[test]
fn what_is_not_understood_is_said_and_changes_nothing() {
    let managed = Managed::start();
    for (path, status, code) in [
        ("/api/nothing", 404, "NOT_FOUND"),
        ("/api/sessions/s-nobody/end", 404, "NOT_FOUND"),
        ("/api/sessions/00000000-0000-4000-8000-000000000000/end", 404, "NOT_FOUND"),
        ("/api/revocations", 400, "BAD_REQUEST"),
        ("/api/revocations?user=nobody", 400, "BAD_REQUEST"),
        ("/api/revocations?jti=", 400, "BAD_REQUEST"),
        ("/api/revocations?jti=1&jti=2", 400, "BAD_REQUEST"),
        ("/api/revocations?jti=1&user=00000000-0000-4000-8000-000000000000", 400, "BAD_REQUEST"),
        ("/api/revocations?jti=1&seconds=-1", 400, "BAD_REQUEST"),
        ("/api/revocations?jti=1&seconds=99999999999", 400, "BAD_REQUEST"),
        ("/api/revocations?jti=1&exp=1", 400, "BAD_REQUEST"),
        ("/api/revocations?jti=1&exp=soon", 400, "BAD_REQUEST"),
        ("/api/log-level?level=loud", 400, "BAD_REQUEST"),
    ] {
        http::check_refusal(&managed.post(path), status, code);
    }
    let fields = "X-Admin-Action: x\r\nContent-Length: 2\r\n";
    let with_body = ask(managed.admin, "POST", "/api/revocations?jti=1", fields);
    http::check_refusal(&with_body, 400, "BAD_REQUEST");
    for path in ["/nothing", "/api/nothing", "/api/", "/api", "/api/drain/", "/api/sessions/x"] {
        http::check_refusal(&managed.get(path), 404, "NOT_FOUND");
    }
    // There is something to do, but nothing to see.
    for path in ["/api/log-level", "/api/sessions/x/end", "/api/sessions/x/participants/y/remove"] {
        http::check_refusal(&managed.get(path), 405, "METHOD_NOT_ALLOWED");
    }
    assert_eq!(
        managed.get("/api/revocations").json()["revocations"].as_array().map(Vec::len),
        Some(0)
    );
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind(LOCAL).expect("a port");
    let address = taken.local_addr().expect("an address");
    let mut config = autamedica_signaling::Config::development(crate::common::SECRET);
    (config.port, config.audit_log, config.admin) = (0, false, Some(address));
    let error = autamedica_signaling::Server::bind(config.clone()).err().expect("it is taken");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    // Outside of this machine a token is asked for.
    config.admin = Some("0.0.0.0:0".parse().expect("an address"));
    let error = autamedica_signaling::Server::bind(config.clone()).err().expect("no token");
    assert!(error.to_string().contains("ADMIN_TOKEN"), "{error}");
    config.admin_token = Redacted::new(b"short".to_vec());
    assert!(autamedica_signaling::Server::bind(config.clone()).is_err());
    config.admin_token = Redacted::new(TOKEN.as_bytes().to_vec());
    autamedica_signaling::Server::bind(config).expect("a server");
}

#[test]
fn pseudonyms_are_told_and_ids_only_where_the_log_hears_of_it() {
    let managed = Managed::start();
    let (doctor, _) = people();
    let _doctor = crate::common::Client::join(&managed.server, &doctor);
    let rooms = managed.get("/api/rooms").json();
    let text = rooms.to_string();
    assert!(!text.contains(&doctor.session) && !text.contains(&doctor.user), "{text}");
    assert!(rooms["rooms"][0]["session"].as_str().is_some_and(|name| name.starts_with("s-")));
    let shown = managed.get("/api/rooms?ids=1").json();
    assert_eq!(shown["rooms"][0]["session"], doctor.session.as_str());
    assert_eq!(shown["rooms"][0]["participants"][0]["user"], doctor.user.as_str());
    let records = managed.stop_and_read();
    let actions: Vec<_> =
        crate::support::deeds(&records).iter().map(|one| one["action"].clone()).collect();
    assert_eq!(actions, ["show-ids"]);
}
