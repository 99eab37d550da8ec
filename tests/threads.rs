//! A server with several event loops: a connection moves to the loop that has its room, and no
//! client notices.

mod common;

#[path = "threads/crowd.rs"]
mod crowd;
#[path = "threads/stopping.rs"]
mod stopping;

use std::net::SocketAddr;
use std::thread;

use autamedica_signaling::base::limits::Limit;
use autamedica_signaling::base::time::Duration;
use autamedica_signaling::engine::Homes;
use autamedica_signaling::message::{Role, UserId};
use autamedica_signaling::reactor::clock;
use serde_json::{Value, json};

use common::raw::{TEXT, frame, frame_of, upgrade_request};
use common::{Client, Person, Raw, TestServer, couple, people, session};

const THREADS: usize = 3;

fn server(change: impl FnOnce(&mut autamedica_signaling::Config)) -> TestServer {
    TestServer::start_with(|config| {
        common::as_fast_as_one_can(config);
        config.threads = Some(THREADS);
        config.connections_per_address_max = usize::MAX;
        change(config);
    })
}

/// How somebody comes.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// With the token in the request.
    Header,
    /// With the token in `join-room`.
    Message,
    /// With the token in `join-room`, everything in one write, and its frames cut in two.
    AtOnce,
}

/// Joins, and says all of `behind` at once behind its `join-room`, without waiting for anything but the upgrade.
fn come(address: SocketAddr, person: &Person, way: Way, behind: &[String]) -> Raw {
    let mut raw = Raw::connect(address);
    let mut join = person.join_request();
    let request = match way {
        Way::Header => upgrade_request(&format!("Authorization: Bearer {}\r\n", person.token)),
        Way::Message | Way::AtOnce => {
            join["authToken"] = person.token.as_str().into();
            upgrade_request("")
        }
    };
    let join = join.to_string();
    let mut bytes = Vec::new();
    if matches!(way, Way::AtOnce) {
        let (first, rest) = join.as_bytes().split_at(join.len() / 2);
        bytes.extend(frame_of(TEXT, first));
        bytes.extend(frame_of(0x80, rest));
    } else {
        bytes.extend(frame(TEXT, join.as_bytes()));
    }
    behind.iter().for_each(|text| bytes.extend(frame(TEXT, text.as_bytes())));
    match way {
        // The last byte of all comes apart, so that a message is cut wherever the connection goes.
        Way::AtOnce => {
            raw.send(request.as_bytes());
            raw.send(&bytes[..bytes.len() - 1]);
            raw.send(&bytes[bytes.len() - 1..]);
            raw.expect_upgrade();
        }
        Way::Header | Way::Message => {
            raw.send(request.as_bytes());
            raw.expect_upgrade();
            raw.send(&bytes);
        }
    }
    raw
}

/// Reads up to the message of this kind.
fn wait_for(raw: &mut Raw, kind: &str) -> Value {
    loop {
        let message = raw.json();
        assert_ne!(message["type"], "error", "{message}");
        if message["type"] == kind {
            return message;
        }
    }
}

fn candidate(from: &Person, to: &Person, number: usize) -> String {
    let candidate = format!("candidate:{number} 1 udp 2113937151 192.0.2.1 54400 typ host");
    json!({
        "type": "ice-candidate", "sessionId": from.session, "fromUserId": from.user, "toUserId": to.user,
        "candidate": { "candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0 },
    })
    .to_string()
}

/// A call from its first byte to its last: the doctor talks on at once behind its `join-room`.
fn call(address: SocketAddr, ways: [Way; 2], candidates: usize) {
    let (doctor, patient) = people();
    let mut hearing = come(address, &patient, ways[0], &[]);
    wait_for(&mut hearing, "room-joined");
    let said: Vec<_> = (0..candidates).map(|n| candidate(&doctor, &patient, n)).collect();
    let mut speaking = come(address, &doctor, ways[1], &said);
    wait_for(&mut speaking, "room-joined");
    wait_for(&mut hearing, "room-status");
    for text in &said {
        let heard = hearing.frame();
        assert_eq!(String::from_utf8(heard.payload).as_deref(), Ok(text.as_str()));
    }
    speaking.send(&frame(TEXT, leave(&doctor).as_bytes()));
    wait_for(&mut hearing, "peer-left");
    hearing.send(&frame(TEXT, leave(&patient).as_bytes()));
    assert_eq!([speaking.answer_close(), hearing.answer_close()], [1000, 1000]);
}

fn leave(person: &Person) -> String {
    json!({ "type": "leave-room", "sessionId": person.session, "userId": person.user }).to_string()
}

#[test]
fn thousands_join_from_loop_to_loop_and_no_message_is_lost_or_out_of_order() {
    const CALLS: usize = 300;
    let server = server(|_| {});
    let address = server.address();
    // One call goes on all the time, and must not notice.
    let (mut doctor, mut patient) = couple(&server);
    let ways = [Way::Header, Way::Message, Way::AtOnce];
    thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                scope.spawn(move || {
                    for number in 0..CALLS {
                        let first = ways[(number + caller) % 3];
                        call(address, [first, ways[number / 3 % 3]], number % 40);
                    }
                })
            })
            .collect();
        let offer = doctor.offer_to(&patient.person, 5_000);
        let mut offers = 0;
        while callers.iter().any(|caller| !caller.is_finished()) {
            doctor.send(&offer);
            assert_eq!(patient.receive(), offer);
            offers += 1;
        }
        assert!(offers > 10, "{offers}");
    });
    let counters = server.counters();
    let (all, moved) = (counters.accepted as f64, counters.moved as f64);
    // Each loop has a third of the rooms, and whoever comes is accepted by any of them.
    assert!((0.45..0.85).contains(&(moved / all)), "{moved} of {all}");
    drop((doctor, patient));
    server.wait_until_empty();
}

#[test]
fn who_is_refused_after_a_move_hears_why_and_may_try_again() {
    let server = server(|_| {});
    for _ in 0..12 {
        let (doctor, patient) = people();
        let _seated = Client::join(&server, &doctor);
        let mut rival = Client::anonymous(&server, &Person::new(Role::Doctor, common::session()));
        let session = autamedica_signaling::message::SessionId::parse(&doctor.session);
        let other = Person::new(Role::Doctor, session.expect("a UUID"));
        let mut join = other.join_request();
        join["authToken"] = other.token.as_str().into();
        rival.send(&join);
        rival.expect_error("ROLE_TAKEN");
        // The same connection, with another token, to another room.
        let mut join = patient.join_request();
        join["authToken"] = patient.token.as_str().into();
        rival.send(&join);
        rival.expect("room-joined");
    }
}

#[test]
fn limits_hold_over_all_loops_together() {
    let server = server(|config| {
        config.connections_per_user_max = 2;
        config.rooms_max = Some(3);
        config.auth_failures_max = 4;
    });
    // One user, in sessions that are on any of the loops.
    let user = UserId::new(clock::random_uuid());
    let join = |session| Person::with(Role::Doctor, session, user, &["room:*"]);
    let _first = Client::join(&server, &join(session()));
    let _second = Client::join(&server, &join(session()));
    for _ in 0..4 {
        let status = ask(&server, &join(session()).token);
        assert_eq!(status, 429, "a third connection of the same user");
    }
    let _third = Client::join(&server, &Person::new(Role::Doctor, session()));
    let mut fourth = Client::connect(&server, &Person::new(Role::Doctor, session()));
    let request = fourth.person.join_request();
    fourth.send(&request);
    fourth.expect_error("SERVER_FULL");
    // Tokens that are not valid, whoever accepts the connection.
    let statuses: Vec<_> = (0..12).map(|_| ask(&server, "a.b.c")).collect();
    assert_eq!(statuses[..4], [401; 4]);
    assert_eq!(statuses[4..], [429; 8]);
}

/// A doctor whose room is in this loop.
fn doctor_of(home: u32) -> Person {
    let homes = Homes::new(0, THREADS as u32);
    let here = (0..).map(|_| session()).find(|session| homes.of(*session) == home);
    Person::new(Role::Doctor, here.expect("a session"))
}

#[test]
fn nobody_is_refused_a_room_while_one_stands_empty_in_another_loop() {
    const ROOMS: usize = 3;
    let server = server(|config| config.rooms_max = Some(ROOMS));
    let before: Vec<_> = (0..ROOMS).map(|_| doctor_of(0)).collect();
    for doctor in &before {
        let mut client = Client::join(&server, doctor);
        client.send_text(leave(doctor));
        assert_eq!(client.expect_close(), 1000);
    }
    let mut inside: Vec<_> = [1, 2, 1].map(|home| Client::join(&server, &doctor_of(home))).into();
    server.wait_until("the empty ones to be forgotten", |now| {
        (now.rooms_waiting, now.limits.of(Limit::Rooms)) == (ROOMS as u64, ROOMS as u64)
    });
    for late in [&doctor_of(0), &doctor_of(2), &before[0]] {
        let mut late = Client::connect(&server, late);
        let request = late.person.join_request();
        late.send(&request);
        late.expect_error("SERVER_FULL");
    }
    // One that is forgotten makes place for its own session too.
    let mut leaver = inside.remove(0);
    let person = leaver.person.clone();
    leaver.send_text(leave(&person));
    assert_eq!(leaver.expect_close(), 1000);
    Client::join(&server, &before[0]);
}

#[test]
fn the_last_place_is_the_last_whichever_loop_accepts() {
    let server = server(|config| config.connections_max = 6);
    let inside: Vec<_> =
        (0..6).map(|_| Client::join(&server, &Person::new(Role::Doctor, session()))).collect();
    for _ in 0..6 {
        assert_eq!(ask(&server, &Person::new(Role::Doctor, session()).token), 503);
    }
    drop(inside);
}

fn ask(server: &TestServer, token: &str) -> u16 {
    let mut raw = Raw::connect(server.address());
    raw.send(upgrade_request(&format!("Authorization: Bearer {token}\r\n")).as_bytes());
    raw.read_status()
}

#[test]
fn an_ended_session_stays_ended_and_a_dropped_place_is_found_from_any_loop() {
    let server = server(|_| {});
    for _ in 0..10 {
        let (mut doctor, mut patient) = couple(&server);
        let [first, second] = [1, 2].map(|n| candidate(&doctor.person, &patient.person, n));
        doctor.send_text(first.as_str());
        assert_eq!(patient.receive_text(), first);
        let person = patient.person.clone();
        drop(patient);
        assert_eq!(doctor.expect("peer-state")["connectionState"], "reconnecting");
        doctor.send_text(second.as_str());
        // Whichever loop accepts it.
        patient = Client::connect(&server, &person);
        let mut join = person.join_request();
        join["resume"] = json!({ "received": 1 });
        patient.send(&join);
        assert_eq!(patient.expect("room-joined")["resumed"], true);
        assert_eq!(patient.receive_text(), second);
        doctor.send(&json!({
            "type": "end-session", "sessionId": person.session, "userId": doctor.person.user,
        }));
        assert_eq!(patient.expect("room-status")["status"], "ended");
        let mut late = Client::connect(&server, &person);
        late.send(&person.join_request());
        late.expect_error("SESSION_ENDED");
    }
}

#[test]
fn every_loop_says_good_bye() {
    let server = server(|config| config.reconnect_grace = Duration::from_secs(5));
    let clients: Vec<_> =
        (0..12).map(|_| Client::join(&server, &Person::new(Role::Doctor, session()))).collect();
    let handle = server.handle().clone();
    handle.shutdown();
    for mut client in clients {
        client.expect_error("SERVER_SHUTDOWN");
        assert_eq!(client.expect_close(), 1012);
    }
    server.stop();
}
