//! Rooms, participants, and users who join twice.

use autamedica_signaling::base::limits::Limit;
use autamedica_signaling::engine::Duplicates;
use autamedica_signaling::message::Role;
use serde_json::json;

use crate::beside::Call;
use crate::common::{Client, Person, TestServer, people, session};

#[test]
fn there_are_so_many_rooms_and_those_go_on() {
    let server = TestServer::start_with(|config| config.rooms_max = Some(2));
    let mut call = Call::new(&server);
    let (doctor, patient) = people();
    let _doctor = Client::join(&server, &doctor);
    call.goes_on_beside(|| {
        let mut other = Client::connect(&server, &people().0);
        for _ in 0..5 {
            other.send(&other.person.join_request());
            other.expect_error("SERVER_FULL");
        }
    });
    server.wait_until("five refusals", |now| now.limits.of(Limit::Rooms) == 5);
    Client::join(&server, &patient); // the room is there
}

#[test]
fn a_full_room_is_counted() {
    let server = TestServer::start_with(|config| config.room_participants_max = 2);
    let session = session();
    let _doctor = Client::join(&server, &Person::new(Role::Doctor, session));
    let mut observer = Client::connect(&server, &Person::new(Role::Observer, session));
    observer.send(&observer.person.join_request());
    observer.expect_error("ROOM_FULL");
    server.wait_until("a refusal", |now| now.limits.of(Limit::Participants) == 1);
}

#[test]
fn where_the_older_connection_is_to_stay_it_does_as_long_as_it_answers() {
    let server = TestServer::start_with(|config| config.duplicate_identity = Duplicates::Reject);
    let (doctor, _) = people();
    let mut older = Client::join(&server, &doctor);
    let mut newer = Client::connect(&server, &doctor);
    newer.send(&doctor.join_request());
    std::thread::scope(|scope| {
        // Whoever reads answers pings.
        let reader = scope.spawn(|| older.receive());
        newer.expect_error("ALREADY_JOINED");
        newer.close();
        server.handle().shutdown();
        assert_eq!(reader.join().expect("reads")["code"], "SERVER_SHUTDOWN");
    });
    server.wait_until("a refusal", |now| now.limits.of(Limit::Duplicate) == 1);
}

#[test]
fn what_is_sent_while_the_older_connection_is_asked_is_for_the_room() {
    let server = TestServer::start_with(|config| config.duplicate_identity = Duplicates::Reject);
    let (doctor, patient) = people();
    let _silent = Client::join(&server, &doctor); // nobody reads what is sent to it
    let mut heard = Client::join(&server, &patient);
    let mut newer = Client::connect(&server, &doctor);
    newer.send(&doctor.join_request());
    let candidate = newer.message_to("ice-candidate", &patient, json!({ "candidate": null }));
    newer.send(&candidate);
    newer.expect("room-joined");
    // Fails if it waits for longer than the patience of a test.
    while heard.receive()["type"] != "ice-candidate" {}
}

#[test]
fn where_the_older_connection_does_not_answer_the_newer_one_gets_in() {
    let server = TestServer::start_with(|config| config.duplicate_identity = Duplicates::Reject);
    let (doctor, _) = people();
    let mut older = Client::join(&server, &doctor);
    let _newer = Client::join(&server, &doctor); // nobody reads what is sent to the older one
    assert_eq!(older.expect_close(), 4480);
}
