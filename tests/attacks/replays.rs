//! Messages and tokens that were valid once, sent again when they no longer are.

use serde_json::{Value, json};

use crate::common::raw::upgrade_request;
use crate::common::{Client, Person, Raw, TestServer, people};

use super::hall::{Hall, Heard, Way, attacker_and_partner, hear, is_undisturbed, marker, text};

/// All that a doctor says in a call, as it was written down by somebody.
fn recorded(doctor: &Person, patient: &Person) -> Vec<Value> {
    let own = |kind: &str, fields: Value| {
        let mut message =
            json!({ "type": kind, "sessionId": doctor.session, "userId": doctor.user });
        for (name, value) in fields.as_object().into_iter().flatten() {
            message[name] = value.clone();
        }
        message
    };
    let mut control = marker(doctor, patient);
    // It is about nothing but what it is about.
    control["candidate"] = Value::Null;
    control["type"] = "media-control".into();
    control["audio"] = false.into();
    vec![
        marker(doctor, patient),
        control,
        own("media-state", json!({ "audio": true, "video": false })),
        own("connection-state", json!({ "state": "failed" })),
        own(
            "connection-stats",
            json!({ "stats": { "bitrate": 1, "latency": 1, "packetLoss": 1, "quality": "good" } }),
        ),
        own("end-session", json!({})),
    ]
}

/// Opens a connection with the doctor's token and says something first.
fn connected(server: &TestServer, person: &Person, said: &[Value]) -> Raw {
    let mut raw = Raw::connect(server);
    let bearer = format!("Authorization: Bearer {}\r\n", person.token);
    raw.send(upgrade_request(&bearer).as_bytes());
    raw.expect_upgrade();
    raw.send(&said.iter().flat_map(text).collect::<Vec<_>>());
    raw
}

fn leave(person: &Person) -> Value {
    json!({ "type": "leave-room", "sessionId": person.session, "userId": person.user })
}

both_ways! {
    after_leaving,
    after_the_end,
    after_being_replaced,
    returns_that_ask_for_what_was_not_theirs,
}

fn after_leaving(way: Way) {
    let mut hall = Hall::new(way);
    hall.row("on the same connection, in the same write", |server| {
        let (mut raw, doctor, mut partner) = attacker_and_partner(server);
        let said = [vec![leave(&doctor)], recorded(&doctor, &partner.person)].concat();
        raw.send(&said.iter().flat_map(text).collect::<Vec<_>>());
        assert_eq!(hear(&mut raw), Heard { code: Some(1000), ..Heard::default() });
        assert_eq!(partner.expect("peer-left")["reason"], "left");
        is_undisturbed(&mut partner);
    });
    let count = recorded(&people().0, &people().1).len();
    for at in 0..count {
        hall.row(&format!("on another connection, message {at}"), |server| {
            let (mut raw, doctor, mut partner) = attacker_and_partner(server);
            raw.send(&text(&leave(&doctor)));
            assert_eq!(hear(&mut raw).code, Some(1000));
            partner.expect("peer-left");
            let again = recorded(&doctor, &partner.person).swap_remove(at);
            let mut raw = connected(server, &doctor, &[again]);
            assert_eq!(raw.json()["code"], "NOT_IN_ROOM");
            is_undisturbed(&mut partner);
        });
    }
    for received in [0, 1, u64::MAX] {
        hall.row(&format!("a return that is none, with {received}"), |server| {
            let (mut raw, doctor, mut partner) = attacker_and_partner(server);
            let said = partner.message_to("ice-candidate", &doctor, json!({ "candidate": null }));
            partner.send(&said);
            assert_eq!(raw.json(), said);
            raw.send(&text(&leave(&doctor)));
            assert_eq!(hear(&mut raw).code, Some(1000));
            partner.expect("peer-left");
            let mut join = doctor.join_request();
            join["resume"] = json!({ "received": received });
            let mut raw = connected(server, &doctor, &[join, json!({ "type": "ping" })]);
            assert_eq!(raw.json()["resumed"], false);
            assert_eq!(raw.json()["type"], "pong", "nothing is said again");
        });
    }
    hall.close("replays after leaving");
}

fn after_the_end(way: Way) {
    let mut hall = Hall::new(way);
    type Who = fn(&Person, &Person) -> Person;
    let cast: [(&str, Who); 4] = [
        ("the doctor", |doctor, _| doctor.clone()),
        ("the patient", |_, patient| patient.clone()),
        ("another doctor", |doctor, _| another(doctor, "doctor")),
        ("an observer", |doctor, _| another(doctor, "observer")),
    ];
    for (name, who) in cast {
        hall.row(name, |server| {
            let (mut raw, doctor, mut partner) = attacker_and_partner(server);
            let patient = partner.person.clone();
            let end = recorded(&doctor, &patient).pop().expect("the last");
            let said = [vec![end], recorded(&doctor, &patient)].concat();
            raw.send(&said.iter().flat_map(text).collect::<Vec<_>>());
            let heard = hear(&mut raw);
            assert_eq!(heard.code, Some(4410), "{heard:?}");
            assert!(heard.texts.iter().all(|text| text["type"] == "room-status"), "{heard:?}");
            assert_eq!(partner.expect("room-status")["status"], "ended");
            assert_eq!(partner.expect_close(), 4410);
            let person = who(&doctor, &patient);
            let said = [vec![person.join_request()], recorded(&doctor, &patient)].concat();
            let heard = hear(&mut connected(server, &person, &said));
            assert_eq!((heard.errors(), heard.code), (vec!["SESSION_ENDED"], Some(4410)));
        });
    }
    hall.close("replays after the end");
}

/// Somebody else with a token for the same session.
fn another(person: &Person, role: &str) -> Person {
    use autamedica_signaling::message::{Role, SessionId};
    let session = SessionId::parse(&person.session).expect("a session");
    Person::new(Role::parse(role).expect("a role"), session)
}

fn after_being_replaced(way: Way) {
    let mut hall = Hall::new(way);
    let count = recorded(&people().0, &people().1).len();
    for at in 0..count {
        hall.row(&format!("message {at}"), |server| {
            let (mut older, doctor, mut partner) = attacker_and_partner(server);
            let mut newer = Client::join(server, &doctor);
            let state = partner.expect("peer-state");
            assert_eq!(state["resumed"], false, "{state}");
            // The older connection is not read any more, whether it has heard so or not.
            older.send(&text(&recorded(&doctor, &partner.person).swap_remove(at)));
            let heard = hear(&mut older);
            assert_eq!((heard.errors(), heard.code), (vec!["REPLACED"], Some(4409)));
            is_undisturbed(&mut partner);
            is_undisturbed(&mut newer);
        });
    }
    hall.close("replays after being replaced");
}

fn returns_that_ask_for_what_was_not_theirs(way: Way) {
    let mut hall = Hall::new(way);
    for (name, resume, is_shape_right) in [
        ("more than was sent", json!({ "received": 5 }), true),
        ("the largest number", json!({ "received": u64::MAX }), true),
        ("a negative number", json!({ "received": -1 }), false),
        ("a fraction", json!({ "received": 0.5 }), false),
        ("a number too large", json!({ "received": 1e30 }), false),
        ("a text", json!({ "received": "0" }), false),
        ("nothing", json!({}), false),
        ("a list", json!([0]), false),
    ] {
        hall.row(name, |server| {
            let (raw, doctor, mut partner) = attacker_and_partner(server);
            raw.reset();
            assert_eq!(partner.expect("peer-state")["connectionState"], "reconnecting");
            let said = partner.message_to("ice-candidate", &doctor, json!({ "candidate": null }));
            partner.send(&said);
            let mut join = doctor.join_request();
            join["resume"] = resume;
            let mut raw = connected(server, &doctor, &[join, json!({ "type": "ping" })]);
            let answer = raw.json();
            if is_shape_right {
                assert_eq!(answer["resumed"], false, "{answer}");
                assert_eq!(raw.json()["type"], "pong", "nothing is said again");
            } else {
                assert_eq!(answer["code"], "BAD_MESSAGE", "{answer}");
                is_undisturbed(&mut partner);
            }
        });
    }
    hall.close("returns");
}
