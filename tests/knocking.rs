//! Who may connect: by the address of the socket, by the report of a proxy, by the origin of a
//! page.

mod common;

use autamedica_signaling::Config;
use autamedica_signaling::base::cidr::Networks;
use autamedica_signaling::base::time::Duration;

use common::http::{ask, check_fields, check_refusal, production};
use common::raw::upgrade_request;
use common::{Raw, TestServer, people};

const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

fn networks(text: &str) -> Networks {
    Networks::parse(text).expect("ranges")
}

/// Everyone here comes from a loopback address, and `allowed` are other ones.
fn start(allowed: &str, trusted: &str, proxy_protocol: bool) -> TestServer {
    TestServer::start_with(|config: &mut Config| {
        if !allowed.is_empty() {
            config.ip_allowlist = networks(allowed);
        }
        if !trusted.is_empty() {
            config.trusted_proxies = networks(trusted);
        }
        config.proxy_protocol = proxy_protocol;
        config.head_timeout = Duration::from_millis(500);
    })
}

/// The status of an upgrade with these fields, and with this before it.
fn upgrade(server: &TestServer, before: &[u8], fields: &str) -> u16 {
    let bearer = format!("{fields}Authorization: Bearer {}\r\n", people().0.token);
    let mut raw = Raw::connect(server.address());
    raw.send(&[before, upgrade_request(&bearer).as_bytes()].concat());
    raw.read_status()
}

#[test]
fn only_listed_addresses_come_in() {
    let server = start("192.0.2.0/24,2001:db8::/32", "", false);
    for request in [upgrade_request(""), "GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()] {
        check_refusal(&ask(&server, &request), 403, "FORBIDDEN");
    }
    let believing = "GET /ws HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n";
    check_refusal(&ask(&server, believing), 403, "FORBIDDEN");
    // Something on this machine looks whether the server is well.
    assert_eq!(ask(&server, HEALTH).status, 200);
    for list in ["127.0.0.0/8", "::ffff:127.0.0.1", "10.0.0.0/8,127.0.0.1"] {
        assert_eq!(upgrade(&start(list, "", false), b"", ""), 101, "{list}");
    }
}

#[test]
fn a_trusted_proxy_says_who_is_there() {
    let server = start("192.0.2.0/24", "127.0.0.0/8", false);
    for (fields, status) in [
        ("X-Forwarded-For: 192.0.2.1\r\n", 101),
        ("X-Forwarded-For: 6.6.6.6, 192.0.2.1, 127.0.0.9\r\n", 101),
        ("Forwarded: for=\"192.0.2.1:1234\";proto=https\r\n", 101),
        ("X-Forwarded-For: 192.0.2.1, 6.6.6.6\r\n", 403),
        ("Forwarded: for=192.0.2.1, for=_hidden\r\n", 403),
        ("Forwarded: for=\"192.0.2.1\r\n", 400),
        ("Forwarded: for=192.0.2.1\r\nX-Forwarded-For: 6.6.6.6\r\n", 400),
        ("", 403),
    ] {
        assert_eq!(upgrade(&server, b"", fields), status, "{fields}");
    }
    assert_eq!(ask(&server, HEALTH).status, 200, "the proxy asks on its own account");
    let forwarded = "GET /health HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n";
    check_refusal(&ask(&server, forwarded), 403, "FORBIDDEN");
}

#[test]
fn a_proxy_header_says_who_is_there_however_it_is_cut() {
    let server = start("192.0.2.0/24", "127.0.0.1", true);
    let v1 = |source: &str| format!("PROXY TCP4 {source} 127.0.0.1 51234 443\r\n").into_bytes();
    let v2 = |command: u8, source: [u8; 4]| {
        let addresses = [&source[..], &[127, 0, 0, 1, 0xc8, 0x22, 1, 0xbb], &[4, 0, 1, 0]].concat();
        [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[command, 0x11, 0, 16], &addresses].concat()
    };
    let rows = [
        (v1("192.0.2.1"), 101),
        (v1("6.6.6.6"), 403),
        (v2(0x21, [192, 0, 2, 1]), 101),
        (v2(0x21, [6, 6, 6, 6]), 403),
        (v2(0x20, [192, 0, 2, 1]), 403),
        (b"PROXY UNKNOWN\r\n".to_vec(), 403),
    ];
    for (header, status) in rows {
        assert_eq!(upgrade(&server, &header, ""), status, "{}", String::from_utf8_lossy(&header));
    }
    // Where it names nobody, a client's own word is not taken for what a proxy says.
    for fields in ["X-Forwarded-For: 192.0.2.1\r\n", "Forwarded: for=192.0.2.1\r\n"] {
        for header in [v2(0x20, [0; 4]), b"PROXY UNKNOWN\r\n".to_vec()] {
            assert_eq!(upgrade(&server, &header, fields), 403, "{fields}");
        }
        assert_eq!(upgrade(&server, &v1("127.0.0.1"), fields), 101, "of another proxy: {fields}");
    }
    // The proxy, on its own account.
    for header in [v2(0x20, [0; 4]), b"PROXY UNKNOWN\r\n".to_vec()] {
        let mut raw = Raw::connect(server.address());
        raw.send(&[&header, HEALTH.as_bytes()].concat());
        assert_eq!(raw.read_response().status, 200);
    }
    for header in [v1("192.0.2.1"), v2(0x21, [192, 0, 2, 1])] {
        let bytes = [&header, HEALTH.as_bytes()].concat();
        for cut in 1..header.len() + 5 {
            let mut raw = Raw::connect(server.address());
            raw.send(&bytes[..cut]);
            raw.send(&bytes[cut..]);
            assert_eq!(raw.read_response().status, 200, "cut at {cut}");
        }
        for len in 0..header.len() {
            let mut raw = Raw::connect(server.address());
            raw.send(&header[..len]);
            raw.half_close();
            assert_eq!(raw.next_bytes(), None, "{len} bytes and the end");
        }
    }
    // Cut and silent: given up like a head that does not come.
    let mut silent = Raw::connect(server.address());
    silent.send(b"PROXY TCP4 192");
    assert_eq!(silent.next_bytes(), None);
    assert_eq!(server.counters().proxy_headers_bad, 0);
    let wrong_ones = [
        HEALTH.as_bytes(),
        b"PROXY nonsense\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0",
        b"\x16\x03\x01",
    ];
    for (count, wrong) in (1..).zip(wrong_ones) {
        let mut raw = Raw::connect(server.address());
        raw.send(wrong);
        assert_eq!(raw.next_bytes(), None, "closed without a word");
        server.wait_until("it to be counted", |now| now.proxy_headers_bad == count);
    }
    server.wait_until_empty();
}

#[test]
fn a_proxy_header_from_who_is_no_proxy_is_the_end() {
    let server = start("", "192.0.2.1", true);
    for bytes in [&b"PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n"[..], HEALTH.as_bytes()] {
        let mut raw = Raw::connect(server.address());
        // It may be closed already.
        let _ = std::io::Write::write_all(&mut raw.stream, bytes);
        assert_eq!(raw.next_bytes(), None);
    }
    server.wait_until("both to be counted", |now| now.proxy_headers_bad == 2);
    server.wait_until_empty();
}

fn from_page(method: &str, path: &str, origin: &str, fields: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\n{fields}\r\n")
}

#[test]
fn pages_of_listed_origins_may_read_answers_and_no_others() {
    const PREFLIGHT: &str = "Access-Control-Request-Method: GET\r\n";
    let server = TestServer::start_with(production);
    let good = "https://clinic.example";
    for path in ["/health", "/", "/nothing"] {
        let answer = ask(&server, &from_page("GET", path, good, ""));
        assert_eq!(answer.field("Access-Control-Allow-Origin"), Some(good), "{path}");
        assert_eq!(answer.field("Vary"), Some("Origin"));
        check_fields(&answer);
    }
    let preflight = ask(&server, &from_page("OPTIONS", "/health", good, PREFLIGHT));
    assert_eq!((preflight.status, preflight.body.len()), (204, 0));
    assert_eq!(preflight.field("Access-Control-Allow-Origin"), Some(good));
    assert_eq!(preflight.field("Access-Control-Allow-Methods"), Some("GET, HEAD"));
    assert_eq!(preflight.field("Content-Length"), None, "RFC 9110 8.6");
    for bad in [
        "null",
        "*",
        "",
        "http://clinic.example",
        "https://clinic.example:443",
        "https://clinic.example:8443",
        "https://clinic.example/",
        "https://clinic.example.",
        "https://Clinic.example",
        "HTTPS://clinic.example",
        "https://clinic.example.evil.example",
        "https://evilclinic.example",
        "https://x.clinic.example",
        "https://clinic.example@evil.example",
        "https://clinic.example https://evil.example",
        "https://clinic.example,",
        "https://clinic.example\t",
        "https://clinic.examplé",
    ] {
        // White space around a value is none of it.
        let is_listed = bad.trim() == good;
        let answer = ask(&server, &from_page("GET", "/health", bad, ""));
        assert_eq!(answer.status, 200, "the answer is no secret, but the page does not see it");
        assert_eq!(answer.field("Access-Control-Allow-Origin").is_some(), is_listed, "{bad}");
        assert_eq!(answer.field("Vary"), Some("Origin"));
        let preflight = ask(&server, &from_page("OPTIONS", "/health", bad, PREFLIGHT));
        assert_eq!(preflight.status, if is_listed { 204 } else { 403 }, "{bad}");
        for answer in [answer, preflight] {
            assert_eq!(answer.field("Access-Control-Allow-Credentials"), None);
        }
    }
    let nobody = ask(&server, HEALTH);
    assert_eq!(
        (nobody.field("Access-Control-Allow-Origin"), nobody.field("Vary")),
        (None, Some("Origin"))
    );
    check_refusal(
        &ask(&server, &from_page("OPTIONS", "/health", good, "")),
        405,
        "METHOD_NOT_ALLOWED",
    );

    let any = TestServer::start();
    let answer = ask(&any, &from_page("GET", "/health", "null", ""));
    assert_eq!(answer.field("Access-Control-Allow-Origin"), Some("*"));
    assert_eq!(answer.field("Access-Control-Allow-Credentials"), None);
    assert_eq!(answer.field("Strict-Transport-Security"), None, "nothing of TLS without TLS");
}

#[test]
fn a_listed_page_may_read_that_its_request_could_not_be_served_at_all() {
    let server = TestServer::start_with(production);
    let (good, evil) = ("https://clinic.example", "https://evil.example");
    let cookie = format!("Cookie: {}\r\n", "x".repeat(8 * 1_024));
    let many = "X: y\r\n".repeat(64);
    for (path, fields, status, code) in [
        ("/health", "Transfer-Encoding: chunked\r\n", 400, "BAD_REQUEST"),
        ("/health#x", "", 400, "BAD_REQUEST"),
        ("/health", "no field\r\n", 400, "BAD_REQUEST"),
        ("/health", many.as_str(), 431, "HEAD_TOO_LARGE"),
        ("/health", cookie.as_str(), 431, "HEAD_TOO_LARGE"),
    ] {
        for origin in [good, evil, "null", "*"] {
            let answer = ask(&server, &from_page("GET", path, origin, fields));
            check_refusal(&answer, status, code);
            let allowed = answer.field("Access-Control-Allow-Origin");
            assert_eq!(allowed, (origin == good).then_some(good), "{path} {status}");
            assert_eq!(answer.field("Vary"), Some("Origin"));
        }
    }
    // Where it comes from is not certain, or too late.
    for (head, status) in [
        (from_page("GET", "/health", good, &format!("Origin: {evil}\r\n")), 400),
        (from_page("GET", "/health", good, &format!("Origin: {good}\r\n")), 400),
        (from_page("GET", "/health", good, "X: y\n"), 400),
        (format!("GET /health HTTP/1.1\r\nX: y\nOrigin: {good}\r\nHost: x\r\n\r\n"), 400),
        (format!("GET /health HTTP/1.1\r\n\r\nOrigin: {good}\r\n\r\n"), 400),
        (format!("GET /health HTTP/1.1\r\nHost: x\r\n{cookie}Origin: {good}\r\n\r\n"), 431),
        (from_page("GET", "/health", &format!("{good}{}", "x".repeat(8_192)), ""), 431),
    ] {
        let answer = ask(&server, &head);
        assert_eq!((answer.status, answer.field("Access-Control-Allow-Origin")), (status, None));
        assert_eq!(answer.field("Vary"), Some("Origin"));
    }
    let any = TestServer::start();
    let answer = ask(&any, &from_page("GET", "/health#x", evil, ""));
    assert_eq!(answer.field("Access-Control-Allow-Origin"), Some("*"));
}
