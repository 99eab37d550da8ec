//! nginx and HAProxy in front of the server, with the configurations of `deploy/`.
#![cfg(feature = "tls")]

mod common;

use autamedica_signaling::Config;
use autamedica_signaling::base::cidr::Networks;

use common::programs::{Beside, example, free_port, run, said};
use common::secure::{HOST, Pair};
use common::{Client, TestServer, client, people, socket_io};

/// A server that lets in whom the proxy on this machine speaks for: nobody but who comes from 127.0.0.7.
fn behind(change: impl FnOnce(&mut Config)) -> TestServer {
    TestServer::start_with(|config| {
        config.trusted_proxies = Networks::parse("127.0.0.1").expect("an address");
        config.ip_allowlist = Networks::parse("127.0.0.7").expect("an address");
        change(config);
    })
}

/// A call through what listens on `port` with this certificate.
fn call_through(port: u16, pair: &Pair) {
    let (doctor, patient) = people();
    let [mut doctor, mut patient] = [doctor, patient].map(|person| {
        let stream = connect_from([127, 0, 0, 7], port);
        let stream = pair.over(stream, pair.client(rustls::ALL_VERSIONS));
        Client::join_over(stream, HOST, &person)
    });
    doctor.expect("peer-joined");
    doctor.expect("room-status");
    patient.expect("room-status");
    for size in [100, 5_700, 30_000] {
        let offer = doctor.offer_to(&patient.person, size);
        doctor.send(&offer);
        assert!(patient.receive() == offer, "{size} bytes");
    }
}

/// The same for an app of old, whose Socket.IO polls first.
fn call_of_an_app_through(port: u16, pair: &Pair) {
    let open = || pair.over(connect_from([127, 0, 0, 7], port), pair.client(rustls::ALL_VERSIONS));
    socket_io::call(open);
}

/// Who comes from an address that is not allowed is refused, whatever it says of itself.
fn check_strangers(port: u16, pair: &Pair, spoofed: &[(&'static str, &str)]) {
    let stream = pair.over(connect_from([127, 0, 0, 9], port), pair.client(rustls::ALL_VERSIONS));
    let bearer = format!("Bearer {}", people().0.token);
    let fields = [spoofed, &[("Authorization", bearer.as_str())]].concat();
    let refused = client::upgrade_over(stream, HOST, "/ws", &fields).err();
    assert_eq!(refused.map(|status| status.as_u16()), Some(403), "{spoofed:?}");
}

/// Every address of 127.0.0.0/8 is this machine's.
fn connect_from(address: [u8; 4], port: u16) -> std::net::TcpStream {
    use socket2::{Domain, SockAddr, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let at = |ip: [u8; 4], port| SockAddr::from(std::net::SocketAddr::from((ip, port)));
    socket.bind(&at(address, 0)).expect("an address");
    socket.connect(&at([127, 0, 0, 1], port)).expect("a connection");
    let stream = std::net::TcpStream::from(socket);
    stream.set_read_timeout(Some(common::PATIENCE)).expect("a timeout");
    stream
}

fn health_by_curl(port: u16, pair: &Pair) -> String {
    let (ca, url) =
        (pair.cert_file.display().to_string(), format!("https://localhost:{port}/health"));
    let output = run(
        "curl",
        &[
            "--http1.1",
            "-4",
            "--interface",
            "127.0.0.7",
            "-sS",
            "-i",
            "--max-time",
            "20",
            "--cacert",
            &ca,
            &url,
        ],
        b"",
    );
    said(&output)
}

#[test]
fn nginx_ends_tls_and_tells_the_address() {
    let (pair, server, port) = (Pair::new(), behind(|_| {}), free_port());
    let config = example(
        "nginx.conf",
        &[
            (
                "http {",
                "http { client_body_temp_path FOLDER/a; proxy_temp_path FOLDER/b; fastcgi_temp_path FOLDER/c; \
                        uwsgi_temp_path FOLDER/d; scgi_temp_path FOLDER/e;",
            ),
            ("listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl")),
            ("/etc/ssl/signaling/fullchain.pem", &pair.cert_file.display().to_string()),
            ("/etc/ssl/signaling/privkey.pem", &pair.key_file.display().to_string()),
            ("127.0.0.1:8080", &server.address().to_string()),
        ],
    );
    let directives = "daemon off; pid FOLDER/pid; error_log stderr warn;";
    let args = ["-p", "FOLDER", "-c", "CONFIG", "-g", directives];
    let _nginx = Beside::start("nginx", &args, &config, port);
    call_through(port, &pair);
    call_of_an_app_through(port, &pair);
    check_strangers(port, &pair, &[]);
    check_strangers(port, &pair, &[("X-Forwarded-For", "127.0.0.7")]);
    check_strangers(port, &pair, &[("Forwarded", "for=127.0.0.7")]);
    let health = health_by_curl(port, &pair);
    assert!(health.contains("200 OK") && health.contains(r#"{"status":"ok"}"#), "{health}");
}

#[test]
fn haproxy_ends_tls_and_tells_the_address_in_both_versions_of_its_header() {
    for header in ["send-proxy-v2", "send-proxy"] {
        let pair = Pair::new();
        let server = behind(|config| config.proxy_protocol = true);
        let port = free_port();
        let bundle = pair.cert_file.with_extension("bundle");
        std::fs::write(&bundle, format!("{}{}", pair.cert, pair.key)).expect("a file");
        let config = example(
            "haproxy.cfg",
            &[
                ("bind :443", &format!("bind 127.0.0.1:{port}")),
                ("/etc/ssl/signaling/bundle.pem", &bundle.display().to_string()),
                ("127.0.0.1:8080 send-proxy-v2", &format!("{} {header}", server.address())),
            ],
        );
        let haproxy = Beside::start("haproxy", &["-f", "CONFIG", "-db"], &config, port);
        call_through(port, &pair);
        call_of_an_app_through(port, &pair);
        check_strangers(port, &pair, &[]);
        check_strangers(port, &pair, &[("X-Forwarded-For", "127.0.0.7")]);
        check_strangers(port, &pair, &[("Forwarded", "for=127.0.0.7")]);
        let health = health_by_curl(port, &pair);
        assert!(health.contains("200 OK"), "{header}: {health}");
        // Its own look at our health comes on its own account, and is content.
        assert!(!haproxy.log().contains("is DOWN"), "{}", haproxy.log());
        assert_eq!(server.counters().proxy_headers_bad, 0);
        std::fs::remove_file(bundle).expect("removed");
    }
}

#[test]
fn haproxy_passes_tls_on_behind_its_header() {
    for header in ["send-proxy-v2", "send-proxy"] {
        let pair = Pair::new();
        let server = behind(|config| {
            config.proxy_protocol = true;
            pair.show(config);
        });
        let port = free_port();
        let config = example(
            "haproxy-passthrough.cfg",
            &[
                ("bind :443", &format!("bind 127.0.0.1:{port}")),
                ("127.0.0.1:8443 send-proxy-v2", &format!("{} {header}", server.address())),
            ],
        );
        let _haproxy = Beside::start("haproxy", &["-f", "CONFIG", "-db"], &config, port);
        call_through(port, &pair);
        call_of_an_app_through(port, &pair);
        check_strangers(port, &pair, &[]);
        assert!(health_by_curl(port, &pair).contains("200 OK"));
        server.wait_until("handshakes to be counted", |now| now.handshakes >= 4);
    }
}
