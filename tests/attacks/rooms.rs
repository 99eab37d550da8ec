//! Other people's rooms and other people's names.

use autamedica_signaling::message::{Role, SessionId, UserId};
use autamedica_signaling::reactor::clock;
use serde_json::{Value, json};

use crate::common::raw::upgrade_request;
use crate::common::{Client, Person, Raw, TestServer, session};

use super::hall::{Hall, Way, hear, is_undisturbed, text};

/// Who is there: three in the attacker's room, two in another, and somebody who has not joined.
const CAST: [&str; 6] =
    ["doctor", "patient", "observer", "other doctor", "other patient", "outsider"];

/// All of them, connected, with nothing left to read.
struct Stage {
    clients: Vec<Client>,
}

impl Stage {
    fn new(server: &TestServer) -> Self {
        let (here, there, elsewhere) = (session(), session(), session());
        let mut people = vec![
            Person::new(Role::Doctor, here),
            Person::new(Role::Patient, here),
            Person::new(Role::Observer, here),
            Person::new(Role::Doctor, there),
            Person::new(Role::Patient, there),
        ];
        let outsider = Person::new(Role::Doctor, elsewhere);
        let mut clients: Vec<_> =
            people.drain(..).map(|person| Client::join(server, &person)).collect();
        clients.push(Client::connect(server, &outsider));
        let mut stage = Self { clients };
        stage.clients.iter_mut().for_each(catch_up);
        stage
    }

    fn client(&mut self, name: &str) -> &mut Client {
        let at = CAST.iter().position(|known| *known == name).expect("one of the cast");
        &mut self.clients[at]
    }

    fn person(&self, name: &str) -> &Person {
        let at = CAST.iter().position(|known| *known == name).expect("one of the cast");
        &self.clients[at].person
    }

    /// Replaces `{user of NAME}`, `{session of NAME}` and `{token of NAME}`.
    fn filled(&self, template: &str) -> String {
        let mut text = template.to_owned();
        for name in CAST {
            let person = self.person(name);
            for (what, value) in
                [("user", &person.user), ("session", &person.session), ("token", &person.token)]
            {
                text = text.replace(&format!("{{{what} of {name}}}"), value);
            }
        }
        text
    }
}

/// Reads all that has come so far.
fn catch_up(client: &mut Client) {
    client.send(&json!({ "type": "ping" }));
    while client.receive()["type"] != "pong" {}
}

/// A row: who says it, what, and what is answered. Everybody else hears nothing at all, and the speaker nothing more.
type Row = (&'static str, String, &'static str);

fn run(way: Way, what: &str, rows: Vec<Row>) {
    let mut hall = Hall::new(way);
    let mut stage = Stage::new(&hall.server);
    for (who, template, code) in rows {
        hall.row(&format!("{who}: {template}"), |_| {
            let message = stage.filled(&template);
            let speaker = stage.client(who);
            speaker.send_text(message);
            let error = speaker.expect("error");
            assert_eq!((&error["code"], &error["id"]), (&json!(code), &json!(7)), "{error}");
            stage.clients.iter_mut().for_each(is_undisturbed);
        });
    }
    drop(stage);
    hall.close(what);
}

/// Every message that names a room and its sender: `type`, the field of the sender, and the rest.
fn kinds() -> Vec<(&'static str, &'static str, String)> {
    let fingerprint = ["4A"; 32].join(":");
    let sdp = format!(
        "v=0\\r\\no=- 1 2 IN IP4 0.0.0.0\\r\\ns=-\\r\\nt=0 0\\r\\na=fingerprint:sha-256 {fingerprint}\\r\\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 0\\r\\na=setup:actpass\\r\\na=recvonly\\r\\n"
    );
    let described = |kind: &str| format!(r#","sdp":{{"type":"{kind}","sdp":"{sdp}"}}"#);
    vec![
        ("offer", "fromUserId", described("offer")),
        ("answer", "fromUserId", described("answer").replace("actpass", "active")),
        ("ice-candidate", "fromUserId", r#","candidate":null"#.to_owned()),
        ("media-control", "fromUserId", r#","audio":false"#.to_owned()),
        ("media-state", "userId", r#","audio":true,"video":true"#.to_owned()),
        ("connection-state", "userId", r#","state":"failed""#.to_owned()),
        (
            "connection-stats",
            "userId",
            r#","stats":{"bitrate":1,"latency":1,"packetLoss":1,"quality":"good"}"#.to_owned(),
        ),
        ("end-session", "userId", String::new()),
        ("leave-room", "userId", String::new()),
    ]
}

/// A message of a kind with these ids; `to` counts only where the kind has it.
fn message(kind: &(&str, &str, String), session: &str, from: &str, to: &str) -> String {
    let (name, sender, rest) = kind;
    let to = if *sender == "fromUserId" { format!(r#","toUserId":"{to}""#) } else { String::new() };
    format!(r#"{{"type":"{name}","sessionId":"{session}","{sender}":"{from}"{to},"id":7{rest}}}"#)
}

fn user(name: &str) -> String {
    format!("{{user of {name}}}")
}

fn session_of(name: &str) -> String {
    format!("{{session of {name}}}")
}

both_ways! {
    every_message_into_another_room_or_under_another_name,
    what_a_part_may_not_say,
    joins_refreshes_and_the_servers_own_words,
    tokens_that_allow_less_than_their_part,
    seats_that_are_taken,
}

fn every_message_into_another_room_or_under_another_name(way: Way) {
    let mut rows = Vec::new();
    let (here, there) = (session_of("doctor"), session_of("other doctor"));
    let nobody = "6f1f0c2e-8a52-4c6e-9d1e-0b6f3a7c5d21";
    for kind in kinds() {
        let to_other = user("other patient");
        for (session, from, to) in [
            // Another session: with one's own name, with the name of its doctor, with a made-up one.
            (there.as_str(), user("doctor"), to_other.clone()),
            (&there, user("other doctor"), to_other.clone()),
            (nobody, user("doctor"), user("patient")),
            // Another's name in one's own room.
            (&here, user("patient"), user("observer")),
            (&here, user("observer"), user("patient")),
            (&here, user("other doctor"), user("patient")),
            (&here, nobody.to_owned(), user("patient")),
        ] {
            rows.push(("doctor", message(&kind, session, &from, &to), "FORBIDDEN"));
        }
        // To somebody who is elsewhere, nowhere, or oneself.
        if kind.1 == "fromUserId" {
            for to in [user("other patient"), user("outsider"), nobody.to_owned(), user("doctor")] {
                rows.push((
                    "doctor",
                    message(&kind, &here, &user("doctor"), &to),
                    "PEER_NOT_FOUND",
                ));
            }
        }
        // Who is in no room is in no other room either.
        let own = message(&kind, &session_of("outsider"), &user("outsider"), &user("doctor"));
        rows.push(("outsider", own, "NOT_IN_ROOM"));
        let other = message(&kind, &here, &user("doctor"), &user("patient"));
        rows.push(("outsider", other, "NOT_IN_ROOM"));
    }
    run(way, "rooms and names", rows);
}

fn what_a_part_may_not_say(way: Way) {
    let mut rows = Vec::new();
    let here = session_of("doctor");
    for kind in kinds() {
        let of = |who: &str, to: &str| message(&kind, &here, &user(who), &user(to));
        match kind.0 {
            "media-control" | "end-session" => {
                rows.push(("patient", of("patient", "doctor"), "FORBIDDEN"));
                rows.push(("observer", of("observer", "doctor"), "FORBIDDEN"));
            }
            "media-state" => rows.push(("observer", of("observer", "doctor"), "FORBIDDEN")),
            "offer" | "answer" => {
                let own = of("observer", "doctor");
                for direction in ["a=sendrecv\\r\\n", "a=sendonly\\r\\n", "a=x:recvonly\\r\\n", ""]
                {
                    let sends = own.replace("a=recvonly\\r\\n", direction);
                    rows.push(("observer", sends, "SDP_REJECTED"));
                }
                // Text in real time is media as well.
                let text = own.replace("m=audio", "m=text").replace("a=recvonly\\r\\n", "");
                assert!(text.contains("m=text"));
                rows.push(("observer", text, "SDP_REJECTED"));
                let patients = of("patient", "doctor");
                for (good, bad) in [
                    ("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
                    ("UDP/TLS/RTP/SAVPF", "RTP/SAVPF"),
                    ("a=setup", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\\r\\na=setup"),
                    ("sha-256", "sha-1"),
                    ("sha-256", "md5"),
                    ("a=fingerprint", "a=x-fingerprint"),
                    ("a=setup", "a=x-setup"),
                ] {
                    rows.push(("patient", patients.replace(good, bad), "SDP_REJECTED"));
                }
            }
            _ => {}
        }
        // Two readers would see different people, rooms or kinds.
        let own = of("doctor", "patient");
        for name in ["type", "sessionId", "userId", "fromUserId", "toUserId"] {
            let escaped = format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..]);
            if own.contains(&format!("\"{name}\"")) {
                for again in [name, &escaped] {
                    let twice = format!(
                        r#"{},"{again}":"{nobody}"}}"#,
                        &own[..own.len() - 1],
                        nobody = "0d9c6a1b-4b3f-4f0e-8a77-5f1c2e9b8d34"
                    );
                    rows.push(("doctor", twice, "BAD_MESSAGE"));
                }
            }
        }
    }
    run(way, "parts and repeated names", rows);
}

fn joins_refreshes_and_the_servers_own_words(way: Way) {
    let join = |session: &str, user: &str, role: &str, rest: &str| {
        format!(
            r#"{{"type":"join-room","sessionId":"{session}","userId":"{user}","userType":"{role}","id":7{rest}}}"#
        )
    };
    let mut rows = Vec::new();
    let (own, me) = (session_of("outsider"), user("outsider"));
    for (session, user, role, rest) in [
        (session_of("doctor"), me.clone(), "doctor", ""),
        (session_of("doctor"), user("doctor"), "doctor", ""),
        (own.clone(), user("doctor"), "doctor", ""),
        (own.clone(), me.clone(), "patient", ""),
        (own.clone(), me.clone(), "observer", ""),
        (session_of("doctor"), me.clone(), "doctor", r#","reason":"emergency""#),
        (session_of("doctor"), me.clone(), "doctor", r#","roomType":"emergency""#),
        // A token that is good, of somebody else.
        (session_of("doctor"), user("doctor"), "doctor", r#","authToken":"{token of doctor}""#),
        (own.clone(), me.clone(), "doctor", r#","authToken":"{token of doctor}""#),
    ] {
        rows.push(("outsider", join(&session, &user, role, rest), "FORBIDDEN"));
    }
    rows.push((
        "doctor",
        join(&session_of("doctor"), &user("doctor"), "doctor", ""),
        "ALREADY_JOINED",
    ));
    rows.push((
        "doctor",
        join(&session_of("other doctor"), &user("doctor"), "doctor", ""),
        "ALREADY_JOINED",
    ));
    rows.push(("outsider", join(&own, &me, "admin", ""), "BAD_MESSAGE"));
    rows.push((
        "outsider",
        join(&own, "{71cf2e8a-8a52-4c6e-9d1e-0b6f3a7c5d21}", "doctor", ""),
        "BAD_MESSAGE",
    ));
    rows.push(("outsider", join(&own, "*", "doctor", ""), "BAD_MESSAGE"));
    for token in ["{token of patient}", "{token of other doctor}", "{token of outsider}"] {
        let refresh = format!(r#"{{"type":"refresh-token","authToken":"{token}","id":7}}"#);
        rows.push(("doctor", refresh, "FORBIDDEN"));
    }
    for kind in [
        "room-joined",
        "peer-joined",
        "peer-left",
        "peer-state",
        "peer-stats",
        "room-status",
        "ice-servers",
        "token-expiring",
        "ack",
        "pong",
        "error",
        "OFFER",
        "offer ",
        "join_room",
        "",
        "__proto__",
        "constructor",
    ] {
        let message = format!(
            r#"{{"type":"{kind}","sessionId":"{{session of doctor}}","userId":"{{user of doctor}}","fromUserId":"{{user of doctor}}","toUserId":"{{user of patient}}","id":7}}"#
        );
        rows.push(("doctor", message, "UNKNOWN_TYPE"));
    }
    run(way, "joins, refreshes, and words of the server", rows);
}

fn tokens_that_allow_less_than_their_part(way: Way) {
    let mut hall = Hall::new(way);
    for (permissions, kind, code) in [
        (&[][..], "join-room", "FORBIDDEN"),
        (&["room:signal", "room:media", "room:end"], "join-room", "FORBIDDEN"),
        (&["room:emergency"], "join-room", "FORBIDDEN"),
        (&["ROOM:*", "room:", "*", "room:* ", "room:join "], "join-room", "FORBIDDEN"),
        (&["room:join"], "offer", "FORBIDDEN"),
        (&["room:join"], "answer", "FORBIDDEN"),
        (&["room:join"], "ice-candidate", "FORBIDDEN"),
        (&["room:join", "room:signal"], "media-state", "FORBIDDEN"),
        (&["room:join", "room:signal"], "media-control", "FORBIDDEN"),
        (&["room:join", "room:signal", "room:media"], "end-session", "FORBIDDEN"),
    ] {
        hall.row(&format!("{permissions:?}: {kind}"), |server| {
            let session = session();
            let patient = Person::new(Role::Patient, session);
            let mut partner = Client::join(server, &patient);
            let person =
                Person::with(Role::Doctor, session, UserId::new(clock::random_uuid()), permissions);
            let mut client = Client::connect(server, &person);
            if kind != "join-room" {
                client.send(&person.join_request());
                client.expect("room-joined");
                client.expect("room-status");
                partner.expect("peer-joined");
                partner.expect("room-status");
            }
            match kinds().iter().find(|known| known.0 == kind) {
                Some(kind) => {
                    client.send_text(message(kind, &person.session, &person.user, &patient.user))
                }
                None => client.send(&person.join_request()),
            }
            client.expect_error(code);
            is_undisturbed(&mut client);
            is_undisturbed(&mut partner);
        });
    }
    hall.close("permissions");
}

fn seats_that_are_taken(way: Way) {
    let mut hall = Hall::new(way);
    for role in [Role::Doctor, Role::Patient] {
        hall.row(role.as_str(), |server| {
            let mut stage = Stage::new(server);
            let session = SessionId::parse(&stage.person("doctor").session).expect("a session");
            let mut second = Client::connect(server, &Person::new(role, session));
            second.send(&second.person.join_request());
            second.expect_error("ROLE_TAKEN");
            stage.clients.iter_mut().for_each(is_undisturbed);
        });
    }
    hall.row("a stranger who names somebody", |server| {
        let mut stage = Stage::new(server);
        let mut raw = Raw::connect(server);
        raw.send(upgrade_request("").as_bytes());
        raw.expect_upgrade();
        let doctor = stage.person("doctor").clone();
        raw.send(&text(&doctor.join_request()));
        assert_eq!(raw.json()["code"], "UNAUTHORIZED");
        let mut join = doctor.join_request();
        join["authToken"] = Value::from(stage.person("other doctor").token.as_str());
        raw.send(&text(&join));
        assert_eq!(raw.json()["code"], "FORBIDDEN");
        join["authToken"] = "x.y.z".into();
        raw.send(&text(&join));
        let heard = hear(&mut raw);
        assert_eq!((heard.errors(), heard.code), (vec!["TOKEN_INVALID"], Some(4401)));
        stage.clients.iter_mut().for_each(is_undisturbed);
    });
    hall.close("seats");
}
