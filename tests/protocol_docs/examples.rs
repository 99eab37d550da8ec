//! The document's examples: they fit the schema, the server accepts those of clients, and schema
//! and server agree on what is invalid.

use std::collections::BTreeSet;
use std::net::TcpStream;

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use super::cast::{id, role, token};
use super::document::Document;
use super::play::SHAPE;
use super::schema::{Schema, Unknown};
use super::transcript;
use crate::common::client::upgrade;
use crate::common::{Client, Person, TestServer};
use crate::settings;

#[test]
fn every_example_fits_the_schema() {
    let (document, schema) = (Document::read(), Schema::read());
    let mut examples = 0;
    for (section, block) in document.blocks() {
        let definition = match block.info.as_str() {
            "json client" => "ClientMessage",
            "json server" => "ServerMessage",
            "json refusal" => "HttpRefusal",
            "json claims" => "TokenClaims",
            "http" | "js" | "mermaid" | "sh" | "text" => continue,
            info if info.starts_with("jsonl ") => continue,
            info => panic!("line {}: what is {info:?}?", block.line),
        };
        schema
            .check(definition, &block.json(), Unknown::Refused)
            .unwrap_or_else(|what| panic!("line {}: {what}", block.line));
        let kind = block.json();
        if let Some(kind) = kind["type"].as_str()
            && section.heading.starts_with('`')
        {
            assert!(section.heading.contains(kind), "line {}: under another heading", block.line);
        }
        examples += 1;
    }
    assert!(examples > 25, "the examples were not found");
}

#[test]
fn every_message_has_an_example() {
    let (document, schema) = (Document::read(), Schema::read());
    for (info, list) in [("json client", "ClientMessage"), ("json server", "ServerMessage")] {
        for name in schema.messages(list) {
            let shown = |list: &str| {
                let mut blocks = document.blocks().filter(|(_, block)| block.info == list);
                blocks.any(|(_, block)| block.json()["type"] == *name)
            };
            // One that is passed on as it came is shown once.
            assert!(shown(info) || shown("json client"), "{name} has no example");
        }
    }
}

#[test]
fn excerpts_are_what_the_transcripts_say() {
    let document = Document::read();
    let transcripts = transcript::read_all();
    for (_, block) in document.blocks() {
        let Some(name) = block.info.strip_prefix("jsonl ") else { continue };
        let found = transcripts.iter().find(|transcript| transcript.name == name);
        let lines = found.unwrap_or_else(|| panic!("there is no transcript {name}")).lines();
        let mut rest = lines.iter();
        for line in block.text.lines() {
            assert!(rest.any(|one| one == line), "{name} does not say, in this place, {line}");
        }
    }
}

#[test]
fn the_people_are_those_of_the_read_me() {
    let text = super::read("docs/transcripts/README.md");
    for (name, id) in super::cast::IDS {
        assert!(text.contains(&format!("| `{name}` | `{id}` |")), "{name}");
    }
}

#[test]
fn the_server_accepts_every_example_of_a_client() {
    let document = Document::read();
    let examples = document.blocks().filter(|(_, block)| block.info == "json client");
    let mut played = 0;
    for (_, block) in examples {
        let mut message = block.json();
        // Without one, nothing would tell that it was accepted.
        let number = message.get("id").cloned().unwrap_or(json!(1));
        message["id"] = number.clone();
        let answers = Scene::set_for(&message).tell(&message);
        let ack = json!({ "type": "ack", "id": number });
        let error = answers.iter().find(|answer| answer["type"] == "error");
        assert!(
            answers.contains(&ack) && error.is_none(),
            "line {}: the server says {answers:?}",
            block.line
        );
        played += 1;
    }
    assert!(played >= 12, "the examples were not found");
}

/// Every example of a client, with every field left out, and with a value of every other kind in its place: the server
/// refuses its shape just where the schema does.
#[test]
fn schema_and_server_agree_on_what_is_wrong() {
    let (document, schema) = (Document::read(), Schema::read());
    let mut checked = 0;
    for name in schema.messages("ClientMessage") {
        let mut blocks = document.blocks().filter(|(_, block)| block.info == "json client");
        let example = blocks.find(|(_, block)| block.json()["type"] == *name);
        let example = example.expect("an example").1.json();
        let fields = schema.definition(name)["properties"].as_object().expect("fields").keys();
        // What WebRTC reads is refused where it does not belong.
        let foreign = ["sdp", "candidate"];
        let fields: BTreeSet<_> = fields.map(String::as_str).chain(foreign).collect();
        let mut scene = Scene::set_for(&example);
        let fields = fields.into_iter().filter(|field| *field != "type");
        for message in fields.flat_map(|one| varied(&example, one)) {
            let fits = schema.check("ClientMessage", &message, Unknown::Allowed);
            let answers = scene.tell(&message);
            let refused = answers.iter().any(|one| SHAPE.iter().any(|code| one["code"] == *code));
            assert_eq!(fits.is_err(), refused, "{message}: {fits:?}, but {answers:?}");
            if scene.is_over {
                scene = Scene::set_for(&example);
            }
            checked += 1;
        }
    }
    assert!(checked > 500, "only {checked}");
}

/// The message without a field, and with other values in it.
fn varied(example: &Value, field: &str) -> Vec<Value> {
    let odd = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(""),
        json!("connected"),
        json!("x".repeat(64)),
        json!("x".repeat(300)),
        json!(id("$patient").to_uppercase()),
        json!("{5e551011-6a3e-4c0b-9f5d-1d7c2b9e8a40}"),
        json!([]),
        json!({}),
        json!({ "type": "offer", "sdp": null }),
        json!({ "received": null }),
        json!({ "audio": null, "video": 1 }),
    ];
    let mut without = example.clone();
    without.as_object_mut().expect("an object").remove(field);
    let with = odd.into_iter().map(|value| {
        let mut with = example.clone();
        with[field] = value;
        with
    });
    with.chain([without]).collect()
}

/// A room with doctor, patient and observer, or for `join-room` with nobody, and the connection of whoever the message
/// names, else of the doctor.
struct Scene {
    socket: WebSocket<TcpStream>,
    claims: Value,
    /// The connection is closed, or the room is not as it was.
    is_over: bool,
    _others: Vec<Client>,
    _server: TestServer,
}

impl Scene {
    fn set_for(message: &Value) -> Self {
        let reason = message["reason"].as_str().unwrap_or_default();
        let is_join = message["type"] == "join-room";
        let is_emergency = is_join && !reason.is_empty();
        let config = settings(&[
            ("EMERGENCY_ACCESS".to_owned(), is_emergency.to_string()),
            ("SIGNAL_RATE".to_owned(), "unlimited".to_owned()),
            ("STATE_RATE".to_owned(), "unlimited".to_owned()),
        ]);
        let server = TestServer::start_with(|given| *given = config);
        let named = message["fromUserId"].as_str().or(message["userId"].as_str());
        let user = named.unwrap_or(id("$doctor"));
        let others =
            if is_join { vec![] } else { ["$doctor", "$patient", "$observer"].map(id).into() };
        let others = others.into_iter().filter(|other| *other != user);
        let others = others.map(|user| Client::join(&server, &person(user))).collect();
        let session = if is_emergency { "$other-session" } else { "$session" };
        let permissions = ["room:*", "room:emergency"];
        let claims = json!({ "userId": user, "sessionId": session, "permissions": permissions });
        let bearer = format!("Bearer {}", token(&claims));
        let upgraded = upgrade(server.address(), "/ws", &[("Authorization", &bearer)]);
        let (mut socket, _) = upgraded.expect("an upgrade");
        if !is_join {
            let session = id("$session");
            let join = json!({ "type": "join-room", "sessionId": session, "userId": user, "userType": role(user) });
            socket.send(Message::text(join.to_string())).expect("sent");
        }
        Self { socket, claims, is_over: false, _others: others, _server: server }
    }

    /// Says something, and returns the answers up to that to a `ping` behind it, or to the close.
    fn tell(&mut self, message: &Value) -> Vec<Value> {
        let mut message = message.clone();
        if message["authToken"].as_str().is_some_and(|token| token.starts_with("ey")) {
            message["authToken"] = token(&self.claims).into();
        }
        self.socket.send(Message::text(message.to_string())).expect("sent");
        // Where that closes the connection, nobody reads this.
        let _ = self.socket.send(Message::text(r#"{"type":"ping","id":"end"}"#));
        let mut answers = Vec::new();
        loop {
            let Ok(Message::Text(text)) = self.socket.read() else {
                self.is_over = true;
                return answers;
            };
            let answer: Value = serde_json::from_str(&text).expect("JSON");
            self.is_over |= answer["type"] == "room-joined" && message["type"] == "join-room";
            if answer == json!({ "type": "ack", "id": "end" }) {
                return answers;
            }
            answers.push(answer);
        }
    }
}

fn person(user: &str) -> Person {
    Person {
        user: user.to_owned(),
        role: role(user),
        session: id("$session").to_owned(),
        token: token(&json!({ "userId": user })),
    }
}
