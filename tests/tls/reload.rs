//! Another certificate while people are in calls.

use std::net::SocketAddr;
use std::thread;

use autamedica_signaling::reactor::Tls;

use crate::common::secure::{self, HOST, Pair, Stream};
use crate::common::{Client, PATIENCE, client, people};
use crate::process::Program;

/// The certificate that a newcomer is shown; it is asked for no matter whose it is.
fn shown_at<'a>(address: SocketAddr, pairs: &'a [&'a Pair]) -> &'a Pair {
    let trusts = |pair: &Pair| {
        let mut stream: Stream =
            pair.over(client::connect(address), pair.client(rustls::ALL_VERSIONS));
        stream.conn.complete_io(&mut stream.sock).is_ok()
    };
    pairs.iter().find(|pair| trusts(pair)).expect("one of them")
}

#[test]
fn newcomers_see_the_new_certificate_and_calls_go_on() {
    let (old, new) = (Pair::new(), Pair::new());
    let server = secure::start(&old, |_| {});
    let (doctor, patient) = people();
    let mut doctor = Client::join_over(old.connect(server.address()), HOST, &doctor);
    let mut patient = Client::join_over(old.connect(server.address()), HOST, &patient);
    patient.expect("room-status");
    let begun = old.connect(server.address());
    let mut resuming = old.client(rustls::ALL_VERSIONS);
    resuming.enable_sni = true;
    secure::ask(
        &mut old.over(client::connect(server.address()), resuming.clone()),
        "GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
    );

    server
        .handle()
        .use_tls(Tls::from_pem(new.cert.as_bytes(), new.key.as_bytes()).expect("a pair"));
    let start = std::time::Instant::now();
    while shown_at(server.address(), &[&new, &old]).cert == old.cert {
        assert!(start.elapsed() < PATIENCE, "the old one is still shown");
    }
    let offer = doctor.offer_to(&patient.person, 5_000);
    doctor.send(&offer);
    assert!(patient.receive() == offer);
    // A ticket of the old certificate does not stand for the new one.
    let mut again = old.over(client::connect(server.address()), resuming);
    assert!(again.conn.complete_io(&mut again.sock).is_err());
    // Who was accepted before is served with what was there then.
    let mut begun = begun;
    let response = secure::ask(&mut begun, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(response.status, 200);
}

#[test]
fn sighup_under_load_drops_nobody_and_a_bad_pair_changes_nothing() {
    let (old, new, other) = (Pair::new(), Pair::new(), Pair::new());
    let program = Program::start(&old);
    let address = program.address;
    let first = old.certificate();
    let trusting = old.clone();
    thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| {
                let old = &trusting;
                scope.spawn(move || {
                    let (doctor, patient) = people();
                    let doctor = Client::join_over(old.connect(address), HOST, &doctor);
                    let mut patient = Client::join_over(old.connect(address), HOST, &patient);
                    patient.expect("room-status");
                    (doctor, patient)
                })
            })
            .collect();
        let calls: Vec<_> = callers.into_iter().map(|one| one.join().expect("a call")).collect();
        let talkers: Vec<_> = calls
            .into_iter()
            .map(|(mut doctor, mut patient)| {
                scope.spawn(move || {
                    for n in 0..100 {
                        let offer = doctor.offer_to(&patient.person, 10 * n);
                        doctor.send(&offer);
                        assert!(patient.receive() == offer);
                    }
                })
            })
            .collect();

        // The key of one and the certificate of another.
        std::fs::write(&old.key_file, &other.key).expect("written");
        program.hang_up();
        let line = program.wait_for("nothing was reloaded");
        assert!(line.contains("TLS_KEY") && line.to_lowercase().contains("error"), "{line}");
        assert_eq!(shown_at(address, &[&trusting, &new]).cert, trusting.cert);
        std::fs::write(&old.cert_file, "nothing").expect("written");
        program.hang_up();
        assert!(program.wait_for("nothing was reloaded").contains("TLS_CERT"));
        std::fs::remove_file(&old.cert_file).expect("removed");
        program.hang_up();
        assert!(program.wait_for("nothing was reloaded").contains("does not exist"));

        new.replace(&old);
        program.hang_up();
        program.wait_for("was read now");
        let start = std::time::Instant::now();
        while shown_at(address, &[&new, &trusting]).cert != new.cert {
            assert!(start.elapsed() < PATIENCE, "the old one is still shown");
        }
        talkers.into_iter().for_each(|one| one.join().expect("nobody was dropped"));
    });
    assert_eq!(first, trusting.certificate());
}
