//! What must hold whatever peers and the system do: nobody stays who has gone, nobody's trouble is another's.

mod common;

use std::time::Duration as StdDuration;

use autamedica_signaling::base::time::Duration;

use common::raw::{PING, TEXT, frame, upgrade_request};
use common::{Raw, TestServer, bind};

/// Long enough that nothing in a test ends by a timeout of the server.
fn patient(config: &mut autamedica_signaling::Config) {
    config.head_timeout = Duration::from_secs(120);
    config.join_timeout = Duration::from_secs(120);
    config.heartbeat = Duration::from_secs(120);
}

#[test]
fn who_speaks_and_goes_at_once_is_gone() {
    let server = bind(patient);
    let address = server.handle().local_addr();
    // Everything is there before the server looks: each socket becomes ready once, with bytes and their end.
    let mut upgraded = upgrade_request("").into_bytes();
    upgraded.extend(frame(TEXT, br#"{"type":"ping"}"#));
    let said = [
        &b""[..],
        b"GET",
        b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
        upgrade_request("").as_bytes(),
        &upgraded,
        &upgraded[..upgraded.len() - 3],
    ]
    .map(<[u8]>::to_vec);
    let here: Vec<_> = said
        .iter()
        .map(|bytes| {
            let mut raw = Raw::connect(address);
            raw.send(bytes);
            raw.half_close();
            raw
        })
        .collect();
    let server = TestServer::run(server.handle(), move || server.run());
    server.wait_until("all to be accepted", |now| now.accepted == said.len() as u64);
    let start = std::time::Instant::now();
    server.wait_until_empty();
    assert!(start.elapsed() < StdDuration::from_secs(3), "no timeout was needed");
    drop(here);
}
