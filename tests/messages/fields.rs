//! Each field of each message: present, missing, of a wrong type, repeated, spelled with escapes.

use autamedica_signaling::message::problem::Flaw;

use super::write::*;

/// Values that hardly any field accepts.
const NEVER: [&str; 6] = ["17", "-1.5", "true", "[]", "[[]]", "\"\""];

#[test]
fn every_message_is_read_in_any_order_and_spelling_and_with_unknown_fields() {
    for (message, _) in messages() {
        let unknown = message
            .clone()
            .again("future", r#"{"deep":[1,{"er":null}],"n":1e999}"#)
            .again("future", "\"again\"")
            .again("Type", "\"offer\"")
            .again("", "0");
        let pretty = message.text().replace(',', " ,\r\n\t").replace(':', " : ");
        let spellings = [
            message.text(),
            message.clone().reversed().text(),
            message.clone().escaped().text(),
            unknown.text(),
            unknown.reversed().text(),
            format!(" \t\r\n{} \t\r\n", message.text()),
        ];
        for text in spellings {
            assert_eq!(code(&text), None, "{text}");
        }
        // Times and addresses within strings have colons too: only where there are none.
        if !message.text().contains("candidate:") {
            assert_eq!(code(&pretty), None, "{pretty}");
        }
    }
}

#[test]
fn a_required_field_that_is_missing_is_named() {
    for (message, required) in messages() {
        for name in required {
            let text = message.clone().without(name).text();
            assert_eq!(flaw(&text), Some(Flaw::Missing(name)), "{text}");
        }
        assert_eq!(flaw(&message.without("type").text()), Some(Flaw::Missing("type")));
    }
}

#[test]
fn a_required_field_of_a_wrong_type_is_named() {
    for (message, required) in messages() {
        for name in required.into_iter().chain(["type"]) {
            let null = if name == "candidate" { None } else { Some("null") };
            for value in NEVER.into_iter().chain(["{\"a\":1,\"a\":2}"]).chain(null) {
                if matches!((name, value), ("audio" | "video", "true") | ("authToken", "\"\"")) {
                    continue;
                }
                let text = message.clone().with(name, value).text();
                let unknown_type = name == "type" && value == "\"\"";
                // An object without a candidate is one, by the specification.
                let is_candidate = name == "candidate" && value.starts_with('{');
                match unknown_type {
                    true => assert_eq!(code(&text), Some("UNKNOWN_TYPE"), "{text}"),
                    false if is_candidate => assert_eq!(code(&text), None, "{text}"),
                    false => assert_eq!(flaw(&text), Some(Flaw::Wrong(name)), "{text}"),
                }
            }
        }
    }
}

#[test]
fn a_repeated_known_field_is_refused_however_it_is_spelled_and_whoever_uses_it() {
    let known = [
        ("type", "\"ping\""),
        ("id", "1"),
        ("sessionId", SESSION),
        ("userId", DOCTOR),
        ("userType", "\"doctor\""),
        ("fromUserId", DOCTOR),
        ("toUserId", PATIENT),
        ("sdp", OFFER),
        ("candidate", "null"),
        ("authToken", "\"x\""),
        ("roomType", "\"emergency\""),
        ("media", "{}"),
        ("reason", "\"x\""),
        ("resume", "null"),
        ("audio", "true"),
        ("video", "true"),
        ("screen", "true"),
        ("state", "\"new\""),
        ("errorCode", "null"),
        ("stats", STATS),
    ];
    for (message, _) in messages() {
        for (name, value) in known {
            let once = if message.text().contains(&format!("\"{name}\":")) {
                message.clone()
            } else {
                message.clone().again(name, value)
            };
            for second in [name.to_owned(), escape(name)] {
                let text = once.clone().again(&second, value).text();
                assert_eq!(flaw(&text), Some(Flaw::Repeated), "{text}");
            }
        }
    }
}

#[test]
fn ids_are_uuids_of_36_characters_in_either_letter_case() {
    let bare = "6f1f0c2e8a524c6e9d1e0b6f3a7c5d21";
    for (message, required) in messages() {
        let is_id = |name: &&str| name.to_lowercase().ends_with("id");
        for name in required.into_iter().filter(is_id) {
            let upper = DOCTOR.to_uppercase();
            assert_eq!(code(&message.clone().with(name, &upper).text()), None, "{upper}");
            for wrong in [
                format!("\"{bare}\""),
                format!("\"{{{}}}\"", DOCTOR.trim_matches('"')),
                format!("\"urn:uuid:{}\"", DOCTOR.trim_matches('"')),
                DOCTOR.replace("\"6", "\" "),
                DOCTOR.replace("1\"", "\""),
                DOCTOR.replace("1\"", "g\""),
                DOCTOR.replace('-', "_"),
            ] {
                let text = message.clone().with(name, &wrong).text();
                assert_eq!(flaw(&text), Some(Flaw::Wrong(name)), "{text}");
            }
        }
    }
}

#[test]
fn a_type_that_the_contract_does_not_know_is_named_as_such() {
    for kind in
        ["", "Ping", " ping", "ping ", "room-joined", "peer-left", "error", "ack", "pong", "hello"]
    {
        let text = Message::new(kind, &[]).text();
        assert_eq!(code(&text), Some("UNKNOWN_TYPE"), "{text}");
    }
    assert_eq!(code(r#"{"type":"p\u0069ng"}"#), None);
}
