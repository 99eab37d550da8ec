//! An operator's actions and the shutdown, for Socket.IO clients: with polling and with a
//! WebSocket.

use std::net::TcpStream;

use serde_json::json;
use tungstenite::{Message, WebSocket};

use crate::common::socket_io::{App, answer, event, event_of, text, token_of};
use crate::common::{Person, Raw, client, http, people};
use crate::support::{Managed, deeds};

/// With several loops, so that most sessions have moved.
fn start() -> Managed {
    Managed::start_with(|config| config.threads = Some(3))
}

/// Somebody in the room, by requests.
fn by_requests(managed: &Managed, person: &Person) -> App<impl Fn() -> TcpStream + use<>> {
    let address = managed.server.address();
    App::join(move || client::connect(address), person)
}

/// Somebody in the room, by a WebSocket that has taken over.
fn by_web_socket(managed: &Managed, person: &Person) -> WebSocket<TcpStream> {
    let mut socket = by_requests(managed, person).probe();
    socket.send(Message::text("5")).expect("sent");
    socket
}

/// The code of the close frame that comes next.
fn close_code(socket: &mut WebSocket<TcpStream>) -> u16 {
    match socket.read().expect("a close frame") {
        Message::Close(Some(frame)) => frame.code.into(),
        other => panic!("not a close frame: {other:?}"),
    }
}

/// Reads events up to one of this name, and what it says.
fn heard(socket: &mut WebSocket<TcpStream>, name: &str) -> serde_json::Value {
    loop {
        let (event, message) = event_of(&text(socket));
        if event == name {
            return message;
        }
    }
}

#[test]
fn a_session_that_an_operator_ends_is_over_for_apps_too_and_stays_so() {
    let managed = start();
    for _ in 0..3 {
        let (doctor, patient) = people();
        let app = by_requests(&managed, &doctor);
        let mut socket = by_web_socket(&managed, &patient);
        assert_eq!(app.poll_for("room-status")["status"], "active");
        let waiting = app.begin("GET", "");
        managed.act(&format!("/api/sessions/{}/end", doctor.session));
        let said = answer(waiting);
        let packets: Vec<_> = said.split('\x1e').collect();
        let (name, ended) = event_of(packets[0]);
        assert_eq!((name.as_str(), &ended["status"]), ("room-status", &json!("ended")));
        // Told so, an app does not come back by itself.
        assert_eq!((packets[1..].to_vec(), app.poll().as_str()), (vec!["41"], "1"));
        while heard(&mut socket, "room-status")["status"] != "ended" {}
        assert_eq!((text(&mut socket).as_str(), close_code(&mut socket)), ("41", 4410));
        // Whoever comes by itself all the same is let into the namespace, and no further.
        let app = App::connect(|| client::connect(managed.server.address()), &doctor);
        app.post(&event("", &doctor.join_request()));
        let said = app.poll();
        let packets: Vec<_> = said.split('\x1e').collect();
        assert_eq!(event_of(packets[0]).1["code"], "SESSION_ENDED", "{said}");
        assert_eq!((packets[1..].to_vec(), app.poll().as_str()), (vec!["41"], "1"));
    }
    let records = managed.stop_and_read();
    assert_eq!(deeds(&records).len(), 3);
    assert_eq!(records.iter().filter(|one| one["status"] == "ended").count(), 3);
}

#[test]
fn whoever_is_revoked_is_sent_away_by_requests_and_by_web_socket_and_does_not_come_back() {
    let managed = start();
    let (doctor, patient) = people();
    let app = by_requests(&managed, &doctor);
    let mut socket = by_web_socket(&managed, &patient);
    app.poll_for("room-status");
    // Nobody waits for it: it is there for the next who asks.
    managed.act(&format!("/api/revocations?user={}&seconds=600", doctor.user));
    let said = app.poll();
    let packets: Vec<_> = said.split('\x1e').collect();
    let (name, error) = event_of(packets[0]);
    assert_eq!((name.as_str(), &error["code"]), ("error", &json!("FORBIDDEN")), "{said}");
    assert_eq!((packets[1..].to_vec(), app.poll().as_str()), (vec!["41"], "1"));
    assert_eq!(heard(&mut socket, "peer-left")["userId"], doctor.user.as_str());
    managed.act(&format!("/api/revocations?session={}&seconds=600", patient.session));
    assert_eq!(heard(&mut socket, "error")["code"], "FORBIDDEN");
    assert_eq!((text(&mut socket).as_str(), close_code(&mut socket)), ("41", 4403));
    for person in [&doctor, &patient] {
        let app = App::open(|| client::connect(managed.server.address()));
        app.post(&token_of(person));
        let said = app.poll();
        assert!(said.starts_with("44{") && said.contains("\"code\":\"FORBIDDEN\""), "{said}");
        assert_eq!(app.poll(), "1");
    }
    assert_eq!(deeds(&managed.stop_and_read()).len(), 2);
}

#[test]
fn a_server_that_stops_tells_apps_to_come_again_and_begins_nothing_new() {
    let managed = start();
    // Somebody who answers nothing keeps the server for a while.
    let (stubborn, _) = people();
    let mut silent = Raw::connect(managed.server.address());
    silent.join(&stubborn);
    let (doctor, patient) = people();
    let app = by_requests(&managed, &doctor);
    let mut socket = by_web_socket(&managed, &patient);
    app.poll_for("room-status");
    let waiting = app.begin("GET", "");
    managed.act("/api/drain");
    let (name, error) = event_of(&answer(waiting));
    assert_eq!((name.as_str(), &error["code"]), ("error", &json!("SERVER_SHUTDOWN")));
    assert!(error["retryAfterMs"].as_u64().is_some_and(|wait| wait > 0), "{error}");
    // The session closes without `41`, on which it would stay away.
    assert_eq!(app.poll(), "1");
    assert_eq!(heard(&mut socket, "error")["code"], "SERVER_SHUTDOWN");
    assert_eq!(close_code(&mut socket), 1012);
    // A server that is about to go begins no session, either way.
    let mut late = Raw::connect(managed.server.address());
    late.send(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n");
    http::check_refusal(&late.read_response(), 503, "SERVER_SHUTDOWN");
    let path = "/socket.io/?EIO=4&transport=websocket";
    let late = client::upgrade(managed.server.address(), path, &[]);
    assert_eq!(late.err().map(|status| status.as_u16()), Some(503));
    drop(silent);
    let records = managed.stop_and_read();
    let left = records.iter().filter(|one| one["event"] == "leave");
    assert!(left.clone().count() >= 3 && left.clone().all(|one| one["reason"] == "server-stopped"));
}
