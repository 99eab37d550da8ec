//! Common tools: curl and openssl.

use crate::common::TestServer;
use crate::common::programs::{run, said};
use crate::common::raw::{ACCEPT, NONCE};
use crate::common::secure::{self, Pair};

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// What `openssl s_client` says, and whether it was content.
fn s_client(server: &TestServer, args: &[&str], input: &[u8]) -> (bool, String) {
    let address = server.address().to_string();
    let fixed = ["s_client", "-connect", &address, "-servername", "localhost", "-ign_eof"];
    let output = run("openssl", &[&fixed, args].concat(), input);
    (output.status.success(), said(&output))
}

#[test]
fn openssl_speaks_both_versions_and_none_older() {
    let pair = Pair::new();
    let server = secure::start(&pair, |_| {});
    let ca = pair.cert_file.display().to_string();
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let verified = ["-CAfile", &ca, "-verify_return_error", "-alpn", "h2,http/1.1", version];
        let (content, text) = s_client(&server, &verified, HEALTH);
        assert!(content && text.contains("Verify return code: 0 (ok)"), "{text}");
        assert!(text.contains(name) && text.contains("ALPN protocol: http/1.1"), "{text}");
        assert!(text.contains("HTTP/1.1 200 OK") && text.contains(r#"{"status":"ok"}"#), "{text}");
    }
    for old in ["-tls1", "-tls1_1"] {
        // Openssl itself must be talked into offering it.
        let (content, text) = s_client(&server, &[old, "-cipher", "ALL:@SECLEVEL=0"], HEALTH);
        assert!(!content && text.contains("alert"), "{text}");
        assert!(!text.contains("HTTP/1.1"), "{text}");
    }
    let (content, text) = s_client(&server, &["-alpn", "h2"], HEALTH);
    assert!(!content && text.contains("no application protocol"), "{text}");
    server.wait_until_empty();
    assert_eq!((server.counters().handshakes, server.counters().handshakes_failed), (2, 3));
}

#[test]
fn openssl_resumes_with_a_ticket() {
    let pair = Pair::new();
    let server = secure::start(&pair, |_| {});
    let ticket = pair.cert_file.with_extension("ticket").display().to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        let (_, text) = s_client(&server, &[version, "-sess_out", &ticket], HEALTH);
        assert!(text.contains("New, TLSv1."), "{text}");
        let (content, text) = s_client(&server, &[version, "-sess_in", &ticket], HEALTH);
        assert!(content && text.contains("Reused, TLSv1."), "{text}");
    }
    std::fs::remove_file(ticket).expect("a ticket");
}

#[test]
fn curl_is_answered_and_upgraded() {
    let pair = Pair::new();
    let server = secure::start(&pair, |_| {});
    let ca = pair.cert_file.display().to_string();
    let curl = |args: &[&str], path: &str| {
        let url = format!("https://localhost:{}{path}", server.address().port());
        let fixed = ["--http1.1", "-4", "-sS", "-i", "--max-time", "20", "--cacert", &ca];
        run("curl", &[&fixed, args, &[&url]].concat(), b"")
    };
    let health = curl(&[], "/health");
    assert!(health.status.success(), "{}", said(&health));
    assert!(said(&health).contains("HTTP/1.1 200 OK"), "{}", said(&health));
    assert!(said(&health).contains("Strict-Transport-Security: max-age="), "{}", said(&health));
    // Without `--http1.1` it offers HTTP/2 too, and takes what there is.
    let url = format!("https://localhost:{}/health", server.address().port());
    let any = run("curl", &["-4", "-sS", "-i", "--cacert", &ca, &url], b"");
    assert!(said(&any).contains("HTTP/1.1 200 OK"), "{}", said(&any));
    let nothing = curl(&[], "/nothing");
    assert!(nothing.status.success() && said(&nothing).contains("404 Not Found"));
    let key = format!("Sec-WebSocket-Key: {NONCE}");
    let upgrade = curl(
        &[
            "-H",
            "Connection: Upgrade",
            "-H",
            "Upgrade: websocket",
            "-H",
            "Sec-WebSocket-Version: 13",
            "-H",
            &key,
            "--max-time",
            "1",
        ],
        "/ws",
    );
    assert!(said(&upgrade).contains("101 Switching Protocols"), "{}", said(&upgrade));
    assert!(said(&upgrade).contains(ACCEPT), "{}", said(&upgrade));
    let distrusted = run("curl", &["-4", "-sS", &url], b"");
    assert!(!distrusted.status.success() && said(&distrusted).contains("certificate"));
}
