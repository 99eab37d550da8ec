//! HTTP at the front door: what is served, what is refused and how, and what a slow or odd client gets.

mod common;

use common::{Client, Raw, TestServer, couple, people, raw};

#[test]
fn a_call_is_set_up() {
    let server = TestServer::start();
    let (mut doctor, mut patient) = couple(&server);
    let offer = doctor.offer_to(&patient.person, 100);
    doctor.send(&offer);
    assert_eq!(patient.receive(), offer);
    let mut stray = Raw::connect(server.address());
    stray.send(raw::upgrade_request("").as_bytes());
    stray.expect_upgrade();
    let _ = Client::anonymous(&server, &people().0);
    drop((doctor, patient, stray));
    server.wait_until_empty();
    server.stop();
}
