//! A full server: who gives way to whom, so that those who say nothing keep nobody out.

use std::net::{IpAddr, Ipv4Addr};

use autamedica_signaling::base::limits::Limit;
use tungstenite::Message;

use crate::beside::Call;
use crate::common::http::check_refusal;
use crate::common::raw::upgrade_request;
use crate::common::socket_io::{App, event, text, token_of};
use crate::common::{Raw, TestServer, people};

/// Loopback has sixteen million addresses.
fn here(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 8, number))
}

/// A WebSocket from there that says nothing more.
fn silent(server: &TestServer, number: u8) -> Raw {
    let mut raw = Raw::connect_from(server.address(), here(number));
    raw.send(upgrade_request("").as_bytes());
    raw.expect_upgrade();
    raw
}

/// Somebody who joins a room from there.
fn guest(server: &TestServer, number: u8) -> Raw {
    let mut raw = Raw::connect_from(server.address(), here(number));
    raw.join(&people().0);
    raw
}

/// From there nobody comes in any more.
fn check_full(server: &TestServer, number: u8) {
    let mut raw = Raw::connect_from(server.address(), here(number));
    raw.send(upgrade_request("").as_bytes());
    check_refusal(&raw.read_response(), 503, "SERVER_FULL");
}

#[test]
fn an_address_that_holds_many_places_and_says_nothing_gives_way_to_others() {
    const PLACES: usize = 20;
    const GUESTS: usize = 5;
    let server = TestServer::start_with(|config| config.connections_max = PLACES);
    let mut call = Call::new(&server);
    let connect = |number| Raw::connect_from(server.address(), here(number));
    // Half of them send nothing, and half of them never join.
    let mut silent: Vec<_> = (0..PLACES - 2).map(|_| connect(1)).collect();
    server.wait_until("all to be in", |now| now.connections == PLACES as u64);
    for raw in silent.iter_mut().skip(1).step_by(2) {
        raw.send(upgrade_request("").as_bytes());
        raw.expect_upgrade();
    }
    // There is room for some more, to hear that the server is full, but not for all of these.
    let mut over: Vec<_> = (0..32).map(|_| connect(1)).collect();
    check_refusal(&connect(1).read_response(), 503, "SERVER_FULL");
    for raw in &mut over {
        raw.send(upgrade_request("").as_bytes());
        check_refusal(&raw.read_response(), 503, "SERVER_FULL");
    }
    drop(over);
    server.wait_until("them to have gone", |now| now.connections == PLACES as u64);
    let over: Vec<_> = (0..32).map(|_| connect(1)).collect();
    let guests = call.goes_on_beside(|| {
        let join = |number: usize| {
            let mut guest = connect(10 + number as u8);
            guest.join(&people().0);
            guest
        };
        (0..GUESTS).map(join).collect::<Vec<_>>()
    });
    // Those who had been silent for longest, and nobody else.
    let rest = silent.split_off(GUESTS);
    for (number, mut raw) in silent.into_iter().enumerate() {
        match number % 2 {
            0 => check_refusal(&raw.read_response(), 503, "SERVER_FULL"),
            _ => assert_eq!(raw.read_close(), 4408),
        }
    }
    server.wait_until("so many places to be taken again", |now| {
        let refused = now.limits.of(Limit::Connections);
        (now.connections, refused) == (PLACES as u64 + 32, 1 + 32 + GUESTS as u64)
    });
    assert!(rest.iter().all(|raw| !raw.has_bytes()));
    // Whoever has said who it is keeps its place: now there is nobody left who could give way.
    drop((rest, over));
    server.wait_until("them to have gone", |now| now.connections == 2 + GUESTS as u64);
    let held: Vec<_> = (0..PLACES - 2 - GUESTS)
        .map(|_| {
            let mut raw = connect(1);
            raw.join(&people().0);
            raw
        })
        .collect();
    let mut late = connect(30);
    late.send(upgrade_request("").as_bytes());
    check_refusal(&late.read_response(), 503, "SERVER_FULL");
    drop((guests, held));
}

#[test]
fn neither_refused_requests_that_stay_nor_polled_sessions_keep_others_out() {
    const PLACES: usize = 20;
    for (polled, threads) in [(false, 1), (true, 1), (false, 2), (true, 2)] {
        let server = TestServer::start_with(|config| {
            config.connections_max = PLACES;
            config.threads = Some(threads);
        });
        let connect = |number| Raw::connect_from(server.address(), here(number));
        let (mut held, mut count) = (Vec::new(), 0);
        while count < PLACES - 1 {
            let mut raw = connect(1);
            let target = if polled { "socket.io/?EIO=4&transport=polling" } else { "nothing" };
            raw.send(format!("GET /{target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
            match raw.read_response().status {
                // The request before this one has not quite gone.
                503 if polled => continue,
                200 if polled => {}
                status => {
                    assert_eq!((polled, status), (false, 404));
                    held.push(raw);
                }
            }
            count += 1;
        }
        server.wait_until("just these to be there", |now| now.connections == PLACES as u64 - 1);
        // By turns with a WebSocket and by polling; the first one has a place anyway.
        let mut guests = Vec::new();
        for number in 10..14 {
            guests.push(connect(number));
            guests.last_mut().expect("a guest").join(&people().0);
            App::join(|| connect(20 + number).stream, &people().0);
        }
        drop((guests, held));
    }
}

#[test]
fn however_many_addresses_those_have_who_say_nothing_others_come_in() {
    const ADDRESSES: u8 = 12;
    const EACH: u8 = 5;
    const PLACES: usize = 2 + ADDRESSES as usize * EACH as usize;
    for threads in [1, 2] {
        let server = TestServer::start_with(|config| {
            config.connections_max = PLACES;
            config.threads = Some(threads);
        });
        let mut call = Call::new(&server);
        // Each address has fewer than an eighth of all places, and together they have all.
        let held: Vec<_> =
            (0..EACH).flat_map(|_| (1..=ADDRESSES).map(|number| silent(&server, number))).collect();
        let guests: Vec<_> = call.goes_on_beside(|| {
            (0..2 * ADDRESSES).map(|number| guest(&server, 100 + number)).collect()
        });
        server.wait_until("so many places to be taken", |now| now.connections == PLACES as u64);
        // Each of them has lost two: now none has more than a few colleagues have.
        let left = held.iter().filter(|raw| !raw.has_bytes()).count();
        assert_eq!(left, 3 * usize::from(ADDRESSES));
        check_full(&server, 200);
        assert!(guests.iter().all(|raw| !raw.has_bytes()), "whoever is in a room stays there");
        drop(held);
    }
}

#[test]
fn whoever_comes_in_that_way_and_says_nothing_gets_no_more_than_its_share() {
    let server = TestServer::start_with(|config| config.connections_max = 40);
    let held: Vec<_> = (0..40).map(|_| silent(&server, 1)).collect();
    // Half as many as the others have left, and not one more, from however many connections.
    let late: Vec<_> = (0..13).map(|_| silent(&server, 2)).collect();
    (0..3).for_each(|_| check_full(&server, 2));
    (0..3).for_each(|_| check_full(&server, 1));
    assert_eq!(held.iter().filter(|raw| raw.has_bytes()).count(), late.len());
    assert!(late.iter().all(|raw| !raw.has_bytes()));
}

#[test]
fn a_hospital_that_comes_back_all_at_once_loses_few_places_to_few_newcomers() {
    const PLACES: usize = 120;
    const NEWCOMERS: u8 = 3;
    let server = TestServer::start_with(|config| config.connections_max = PLACES);
    let connect = || Raw::connect_from(server.address(), here(1));
    let mut staff: Vec<_> = (0..PLACES).map(|_| connect()).collect();
    server.wait_until("all to be in", |now| now.connections == PLACES as u64);
    // More of its own do not take places from each other.
    (0..5).for_each(|_| check_full(&server, 1));
    let newcomers: Vec<_> = (0..NEWCOMERS).map(|number| guest(&server, 10 + number)).collect();
    // Those who were first and have not said anything since: one for each.
    let lost = staff.drain(..usize::from(NEWCOMERS));
    lost.for_each(|mut raw| check_refusal(&raw.read_response(), 503, "SERVER_FULL"));
    staff.iter_mut().for_each(|raw| raw.join(&people().0));
    // Nobody is a stranger any more, and nobody gives way.
    check_full(&server, 50);
    drop(newcomers);
}

#[test]
fn a_few_colleagues_who_are_about_to_join_give_way_to_nobody() {
    const PLACES: usize = 12;
    let server = TestServer::start_with(|config| config.connections_max = PLACES);
    let guests: Vec<_> = (0..PLACES as u8 - 3).map(|number| guest(&server, 10 + number)).collect();
    let mut colleagues: Vec<_> = (0..3).map(|_| silent(&server, 1)).collect();
    check_full(&server, 2);
    assert!(colleagues.iter_mut().all(|raw| !raw.has_bytes()));
    drop(guests);
}

#[test]
fn whoever_polls_in_a_room_does_not_stand_for_those_who_say_nothing() {
    const STAFF: usize = 6;
    const SILENT: usize = 5;
    const PLACES: usize = 2 * STAFF + SILENT;
    let server = TestServer::start_with(|config| config.connections_max = PLACES);
    let app = |_| App::join(|| Raw::connect_from(server.address(), here(1)).stream, &people().0);
    let staff: Vec<_> = (0..STAFF).map(app).collect();
    // Each session has a request that waits for what comes next.
    let polls: Vec<_> = staff.iter().map(|app| app.begin("GET", "")).collect();
    server.wait_until("all to wait", |now| now.connections == 2 * STAFF as u64);
    let held: Vec<_> = (0..SILENT).map(|_| silent(&server, 2)).collect();
    let late = guest(&server, 3);
    assert_eq!(held.iter().filter(|raw| raw.has_bytes()).count(), 1);
    drop((polls, late));
}

/// Some of those who are over the limit are let in, and wait there to be told so.
#[test]
fn those_over_the_limit_do_not_stand_before_those_who_have_places() {
    const PLACES: usize = 40;
    const OVER: usize = 32;
    for threads in [1, 2] {
        let server = TestServer::start_with(|config| {
            config.connections_max = PLACES;
            config.threads = Some(threads);
        });
        let held: Vec<_> =
            (0..PLACES as u8).map(|number| silent(&server, 1 + number % 2)).collect();
        // With more than either of these, of which half take places from them.
        let over: Vec<_> =
            (0..OVER).map(|_| Raw::connect_from(server.address(), here(3))).collect();
        server.wait_until("all to be in", |now| now.connections > PLACES as u64);
        let guests: Vec<_> =
            (0..PLACES as u8 - 9).map(|number| guest(&server, 10 + number)).collect();
        drop((held, over, guests));
    }
}

#[test]
fn those_over_the_limit_do_not_make_a_few_colleagues_a_crowd() {
    const PLACES: usize = 40;
    let server = TestServer::start_with(|config| config.connections_max = PLACES);
    let guests: Vec<_> = (0..PLACES as u8 - 4).map(|number| guest(&server, 10 + number)).collect();
    let connect = |number| Raw::connect_from(server.address(), here(number));
    let mut colleagues: Vec<_> = (0..4).map(|_| connect(1)).collect();
    server.wait_until("all places to be taken", |now| now.connections == PLACES as u64);
    let over: Vec<_> = (0..20).map(|number| connect(100 + number)).collect();
    server.wait_until("all to be in", |now| now.connections == PLACES as u64 + 20);
    colleagues.iter_mut().for_each(|raw| raw.join(&people().0));
    drop((guests, over));
}

/// A session is a connection, and a request that waits for it is another one.
#[test]
fn requests_of_sessions_that_say_nothing_keep_nobody_out() {
    const SESSIONS: usize = 8;
    const PLACES: usize = 2 * SESSIONS;
    for threads in [1, 2] {
        let server = TestServer::start_with(|config| {
            config.connections_max = PLACES;
            config.threads = Some(threads);
        });
        let connect = || Raw::connect_from(server.address(), here(1)).stream;
        let sessions: Vec<_> = (0..SESSIONS).map(|_| App::open(connect)).collect();
        server.wait_until("nothing else", |now| now.connections == SESSIONS as u64);
        let polls: Vec<_> = sessions.iter().map(|app| app.begin("GET", "")).collect();
        server.wait_until("all to wait", |now| now.connections == PLACES as u64);
        let guests: Vec<_> =
            (0..PLACES as u8 - 4).map(|number| guest(&server, 10 + number)).collect();
        server.wait_until("no more than may be", |now| now.connections == PLACES as u64);
        drop((guests, polls));
    }
}

#[test]
fn a_socket_that_is_to_take_over_stays_where_its_session_has_shown_a_token() {
    const PLACES: usize = 12;
    let server = TestServer::start_with(|config| config.connections_max = PLACES);
    let person = people().0;
    let app = App::open(|| Raw::connect_from(server.address(), here(1)).stream);
    let mut socket = app.probe();
    app.post(&token_of(&person));
    while !app.poll().starts_with("40") {}
    server.wait_until("nothing else", |now| now.connections == 2);
    // It is the oldest of all of whom nothing is known but their session.
    let held: Vec<_> = (0..PLACES - 2).map(|_| silent(&server, 1)).collect();
    let late = guest(&server, 2);
    assert_eq!(held.iter().filter(|raw| raw.has_bytes()).count(), 1);
    socket.send(Message::text("5")).expect("sent");
    socket.send(Message::text(event("", &person.join_request()))).expect("sent");
    while !text(&mut socket).starts_with("42[\"room-joined\",") {}
    drop(late);
}

#[test]
fn behind_a_proxy_nobody_gives_way() {
    const PLACES: usize = 12;
    let server = TestServer::start_with(|config| {
        config.connections_max = PLACES;
        config.behind_proxy = true;
    });
    let held: Vec<_> = (0..PLACES).map(|_| silent(&server, 1)).collect();
    check_full(&server, 2);
    assert!(held.iter().all(|raw| !raw.has_bytes()));
}
