//! Markers in everything that a client can send. None of them appears in what the server writes for
//! others to read: the operational log at its most verbose level, pages, error texts, file names,
//! and the audit log without its keys.

mod common;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use autamedica_signaling::message::{Role, SessionId, UserId};
use serde_json::{Value, json};
use tungstenite::Message;

use common::client::upgrade;
use common::program::Program;
use common::{Client, Person, Raw, scratch};

/// In free texts.
const MARKER: &str = "cAnArY";
/// In ids and numbers, whose form is given.
const SESSION: &str = "ca9a51b2-0000-4000-8000-0c0ffee0cafe";
const DOCTOR: &str = "ca9a51b3-0000-4000-8000-0c0ffee0cafe";
const PATIENT: &str = "ca9a51b4-0000-4000-8000-0c0ffee0cafe";
const MARKERS: [&str; 5] = [MARKER, SESSION, DOCTOR, PATIENT, "48484848"];

fn person(role: Role, user: &str) -> Person {
    let session = SessionId::parse(SESSION).expect("a UUID");
    let user = UserId::parse(user).expect("a UUID");
    Person::with(role, session, user, &["room:*", "room:emergency"])
}

fn assert_clean(what: &str, text: &str, person: &Person) {
    for marker in MARKERS.iter().chain([&person.token.as_str()]) {
        let found = text.to_lowercase().find(&marker.to_lowercase());
        let around = found.map(|at| &text[at.saturating_sub(200)..text.len().min(at + 200)]);
        assert_eq!(around, None, "{marker} in {what}");
    }
}

/// Every error text that comes until the answer to a ping does.
fn errors(client: &mut Client) -> Vec<Value> {
    client.send(&json!({ "type": "ping" }));
    let mut errors = Vec::new();
    loop {
        let message = client.receive();
        match message["type"].as_str() {
            Some("pong") => return errors,
            Some("error") => errors.push(message),
            _ => {}
        }
    }
}

/// Everything that a participant can say, and much that nobody may.
fn say_everything(me: &mut Client, other: &Person) {
    let (session, user) = (me.person.session.clone(), me.person.user.clone());
    let own = |kind: &str, mut fields: Value| {
        fields["type"] = kind.into();
        fields["sessionId"] = session.as_str().into();
        fields["userId"] = user.as_str().into();
        fields[format!("{MARKER}Unknown")] = MARKER.into();
        fields
    };
    let sdp = format!("v=0\r\no={MARKER} 1 1 IN IP4 0.0.0.0\r\ns={MARKER}\r\nt=0 0\r\n");
    let candidate = format!("candidate:1 1 udp 1 192.0.2.48 48484 typ host ufrag {MARKER}");
    for message in [
        me.message_to("offer", other, json!({ "sdp": { "type": "offer", "sdp": sdp } })),
        me.message_to("answer", other, json!({ "sdp": { "type": "answer", "sdp": sdp } })),
        me.message_to(
            "offer",
            other,
            json!({ "sdp": { "type": "offer", "sdp": format!("{sdp}m={MARKER}") } }),
        ),
        me.message_to("ice-candidate", other, json!({ "candidate": { "candidate": candidate } })),
        me.message_to("media-control", other, json!({ "audio": false })),
        me.message_to("offer", other, json!({ "sdp": MARKER })),
        own("media-state", json!({ "audio": true, "video": false })),
        own("connection-state", json!({ "state": "failed", "errorCode": MARKER })),
        own("connection-state", json!({ "state": MARKER })),
        own(
            "connection-stats",
            json!({ "stats": { "bitrate": 48484848, "latency": 48484848, "packetLoss": 1, "quality": "good" } }),
        ),
        own("refresh-token", json!({ "authToken": format!("{MARKER}.{MARKER}.{MARKER}") })),
        own("join-room", json!({ "userType": "doctor", "reason": MARKER })),
        own("end-session", json!({ "reason": { MARKER: MARKER } })),
        json!({ "type": MARKER }),
        json!({ MARKER: MARKER }),
        json!([MARKER]),
    ] {
        me.send(&message);
    }
    me.send_text(format!("{{\"type\":\"{MARKER}"));
    let errors = errors(me);
    assert!(errors.len() >= 7, "what nobody may say is refused: {errors:?}");
    for error in errors {
        assert_clean("an error text", &error.to_string(), &me.person);
    }
}

/// The names of all files, and what is in those that are not the key.
fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    entries
        .flat_map(|entry| {
            let path = entry.path();
            match path.is_dir() {
                true => files(&path),
                false => {
                    let text = String::from_utf8_lossy(&fs::read(&path).expect("a file")).into();
                    vec![(path, text)]
                }
            }
        })
        .collect()
}

#[test]
fn nothing_that_a_client_sends_is_found_where_others_can_read_it() {
    let folder = scratch("watched");
    let audit = folder.join("audit");
    let mut program = Program::start(
        500,
        &[
            ("AUDIT_DIR", audit.to_str().expect("UTF-8")),
            ("LOG_LEVEL", "trace"),
            ("LOG_FORMAT", "json"),
            ("EMERGENCY_ACCESS", "true"),
        ],
    );
    let (doctor, patient) = (person(Role::Doctor, DOCTOR), person(Role::Patient, PATIENT));

    // At the door.
    let headers = [
        ("User-Agent", MARKER),
        ("Cookie", MARKER),
        ("Authorization", "Bearer cAnArY.cAnArY.cAnArY"),
        ("Sec-WebSocket-Protocol", "cAnArY"),
    ];
    upgrade(program.address, &format!("/ws?{MARKER}={MARKER}"), &headers).expect_err("refused");
    for request in [
        format!("GET /{MARKER}?{MARKER} HTTP/1.1\r\nHost: {MARKER}\r\n\r\n"),
        format!("GET /?token={} HTTP/1.1\r\nHost: x\r\n\r\n", doctor.token),
        format!("{MARKER}\r\n\r\n"),
    ] {
        let mut raw = Raw::connect(program.address);
        raw.send(request.as_bytes());
        let response = raw.read_response();
        assert_clean("an answer", &response.json().to_string(), &doctor);
    }

    // In the room, and beside it.
    let mut first = Client::join_at(program.address, &doctor);
    let mut second = Client::join_at(program.address, &patient);
    say_everything(&mut first, &patient);
    say_everything(&mut second, &doctor);
    let other = Person::new(Role::Doctor, common::session());
    let mut third = Client::connect_at(program.address, &doctor);
    let mut request = doctor.join_request();
    request["sessionId"] = other.session.as_str().into();
    request["reason"] = format!("{MARKER} is in danger").into();
    third.send(&request);
    third.expect("room-joined");
    third.socket.send(Message::binary(MARKER.as_bytes().to_vec())).expect("sent");
    assert_eq!(third.expect_close(), 1003);
    for page in ["/health", "/ready"] {
        let mut raw = Raw::connect(program.address);
        raw.send(format!("GET {page} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        assert_clean(page, &raw.read_response().json().to_string(), &doctor);
    }
    let end =
        json!({ "type": "end-session", "sessionId": SESSION, "userId": DOCTOR, "reason": MARKER });
    first.send(&end);
    while first.receive()["type"] != "room-status" {}

    program.terminate();
    let mut log = String::new();
    program.out.read_to_string(&mut log).expect("the log");
    for told in
        ["Authentication failed", "Medical session started", "Emergency access", "Request refused"]
    {
        assert!(log.contains(told), "the log is about what happened: {told}: {log}");
    }
    assert_clean("the log", &log, &doctor);
    let files = files(&folder);
    assert!(files.iter().any(|(_, text)| text.contains("\"emergency\":true")), "the audit log is");
    for (path, text) in files {
        assert_clean("the name of a file", &path.to_string_lossy(), &doctor);
        assert_clean("a file", &text, &doctor);
    }
}
