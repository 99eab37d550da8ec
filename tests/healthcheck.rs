//! `healthcheck` on running servers: what it prints, and how it exits.

mod common;

use std::net::TcpListener;
use std::process::{Command, Output};

use common::program::Program;
use common::programs::{free_port, said};

/// Asks with these settings beside those of development.
fn ask(environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_autamedica-signaling"))
        .arg("healthcheck")
        .env_clear()
        .envs([("NODE_ENV", "development")])
        .envs(environment.iter().copied())
        .output()
        .expect("the program runs")
}

#[track_caller]
fn check(environment: &[(&str, &str)], status: i32, words: &str) {
    let output = ask(environment);
    assert_eq!(output.status.code(), Some(status), "{}", said(&output));
    let text = said(&output);
    assert!(text.contains(words) && text.lines().count() == 1, "{text}");
}

const TOKEN: &str = "an administrator's token of over 32 bytes";

#[test]
fn the_administrators_listener_is_asked_where_there_is_one_with_its_token() {
    let admin = format!("127.0.0.1:{}", free_port());
    let _program = Program::start(100, &[("ADMIN_ADDR", &admin), ("ADMIN_TOKEN", TOKEN)]);
    check(&[("ADMIN_ADDR", &admin), ("ADMIN_TOKEN", TOKEN)], 0, &format!("healthy: {admin}"));
    check(&[("ADMIN_ADDR", &admin)], 1, "answers 401: ADMIN_TOKEN");
}

#[test]
fn otherwise_the_port_of_clients_is_asked_also_behind_a_header_of_the_proxy_protocol() {
    let proxied = [("PROXY_PROTOCOL", "true"), ("TRUSTED_PROXIES", "127.0.0.1")];
    for (served, status) in [(&[][..], 0), (&proxied[..], 0), (&proxied[..1], 1)] {
        let strangers = [("PROXY_PROTOCOL", "true"), ("TRUSTED_PROXIES", "192.0.2.1")];
        let started = if status == 0 { served } else { &strangers[..] };
        let program = Program::start(100, started);
        let port = program.address.port().to_string();
        let settings = [&[("PORT", port.as_str()), ("ADMIN_ADDR", "off")], started].concat();
        let words =
            if status == 0 { "healthy: 127.0.0.1:" } else { "must be one of TRUSTED_PROXIES" };
        check(&settings, status, words);
    }
}

#[cfg(feature = "tls")]
#[test]
fn over_tls_the_certificate_need_not_name_this_machine() {
    let pair = common::secure::Pair::new();
    let files = [&pair.cert_file, &pair.key_file].map(|file| file.display().to_string());
    let tls = [("TLS_CERT", files[0].as_str()), ("TLS_KEY", files[1].as_str())];
    let program = Program::start(100, &tls);
    let port = program.address.port().to_string();
    let plain = [("PORT", port.as_str()), ("ADMIN_ADDR", "off")];
    check(&[&plain, &tls[..]].concat(), 0, "healthy: 127.0.0.1:");
    check(&plain, 1, "answers 400");
}

#[test]
fn a_server_that_is_not_there_or_does_not_answer_is_unhealthy() {
    let port = free_port().to_string();
    check(&[("PORT", &port), ("ADMIN_ADDR", "off")], 1, "is not listened on");
    check(&[("PORT", "0"), ("ADMIN_ADDR", "off")], 1, "nobody knows where to ask");

    // Connections are taken by the system, and nobody ever reads them.
    let mute = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = mute.local_addr().expect("an address").to_string();
    check(&[("ADMIN_ADDR", &address)], 1, "does not answer within 3 seconds");

    let output = ask(&[("PORT", "no number")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("PORT: "), "{}", said(&output));
}

#[test]
fn a_stopped_process_is_unhealthy() {
    let admin = format!("127.0.0.1:{}", free_port());
    let program = Program::start(100, &[("ADMIN_ADDR", &admin)]);
    check(&[("ADMIN_ADDR", &admin)], 0, "healthy");
    let signal = |name: &str| {
        let id = program.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().expect("kill runs").success());
    };
    signal("-STOP");
    check(&[("ADMIN_ADDR", &admin)], 1, "does not answer");
    signal("-CONT");
    check(&[("ADMIN_ADDR", &admin)], 0, "healthy");
}
