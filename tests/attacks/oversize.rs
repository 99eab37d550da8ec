//! More of everything than allowed.

use serde_json::{Value, json};

use crate::common::raw::{CONTINUATION, TEXT, frame, part};
use crate::common::{Client, Raw};

use super::hall::{
    Hall, Way, attacker_and_partner, hear, is_undisturbed, marker, only_sees_it_drop, text,
};

/// A ping with something more in it, which is refused; the connection stays.
fn refused() -> Vec<(&'static str, String, &'static str)> {
    let ping = |rest: &str| format!(r#"{{"type":"ping"{rest}}}"#);
    let nested = |open: &str, close: &str, levels: usize| {
        ping(&format!(r#","x":{}1{}"#, open.repeat(levels), close.repeat(levels)))
    };
    let members =
        |count: usize| (0..count).map(|number| format!(r#","m{number}":1"#)).collect::<String>();
    vec![
        ("17 lists", nested("[", "]", 17), "BAD_MESSAGE"),
        ("17 objects", nested(r#"{"x":"#, "}", 17), "BAD_MESSAGE"),
        ("thirty thousand lists", nested("[", "]", 30_000), "BAD_MESSAGE"),
        ("ten thousand objects", nested(r#"{"x":"#, "}", 10_000), "BAD_MESSAGE"),
        ("sixty thousand lists that never end", "[".repeat(60_000), "BAD_MESSAGE"),
        ("sixteen lists that never end", "[".repeat(16), "BAD_JSON"),
        ("65 members", ping(&members(64)), "BAD_MESSAGE"),
        ("six thousand members", ping(&members(6_000)), "BAD_MESSAGE"),
        ("65 members within", ping(&format!(r#","x":{{"a":1{}}}"#, members(64))), "BAD_MESSAGE"),
        ("an id of 65 bytes", ping(&format!(r#","id":"{}""#, "x".repeat(65))), "BAD_MESSAGE"),
        (
            "an id of 33 letters of two bytes",
            ping(&format!(r#","id":"{}""#, "ñ".repeat(33))),
            "BAD_MESSAGE",
        ),
        ("an id of 60 KB", ping(&format!(r#","id":"{}""#, "x".repeat(60_000))), "BAD_MESSAGE"),
        ("an id of many digits", ping(&format!(r#","id":{}"#, "9".repeat(10_000))), "BAD_MESSAGE"),
        ("a negative id", ping(r#","id":-1"#), "BAD_MESSAGE"),
        ("an id with a point", ping(r#","id":1.5"#), "BAD_MESSAGE"),
        ("an id of null", ping(r#","id":null"#), "BAD_MESSAGE"),
        ("an id that is a list", ping(r#","id":[1]"#), "BAD_MESSAGE"),
        ("two ids", ping(r#","id":1,"id":1"#), "BAD_MESSAGE"),
        ("a second type", ping(r#","type":"leave-room""#), "BAD_MESSAGE"),
        ("a second type, escaped", ping(r#","\u0074ype":"leave-room""#), "BAD_MESSAGE"),
        ("a lone surrogate", ping(r#","x":"\ud800""#), "BAD_MESSAGE"),
        ("a lone surrogate in a name", ping(r#","\udc00":1"#), "BAD_MESSAGE"),
        ("a type of 60 KB", format!(r#"{{"type":"{}"}}"#, "x".repeat(60_000)), "UNKNOWN_TYPE"),
        ("no type", r#"{"x":1}"#.to_owned(), "BAD_MESSAGE"),
        ("a type that is a number", r#"{"type":1}"#.to_owned(), "BAD_MESSAGE"),
        ("a list", r#"["ping"]"#.to_owned(), "BAD_MESSAGE"),
        ("a text", r#""ping""#.to_owned(), "BAD_MESSAGE"),
        ("null", "null".to_owned(), "BAD_MESSAGE"),
        ("nothing", String::new(), "BAD_JSON"),
        ("blanks", " ".repeat(60_000), "BAD_JSON"),
        ("something behind it", ping("") + "x", "BAD_JSON"),
        ("another one behind it", ping("").repeat(2), "BAD_JSON"),
        ("a byte order mark before it", format!("\u{feff}{}", ping("")), "BAD_JSON"),
        ("not a number", ping(r#","x":NaN"#), "BAD_JSON"),
        ("a number with a leading zero", ping(r#","x":01"#), "BAD_JSON"),
        ("a control character in a text", ping(",\"x\":\"\u{1}\""), "BAD_JSON"),
        ("a comment", ping("/* */"), "BAD_JSON"),
        ("a comma at the end", ping(","), "BAD_JSON"),
    ]
}

both_ways! {
    messages_past_every_bound,
    messages_that_are_too_large,
    fields_that_are_too_large,
}

fn messages_past_every_bound(way: Way) {
    let mut hall = Hall::new(way);
    for (name, message, code) in refused() {
        hall.row(name, |server| {
            let (mut raw, person, mut partner) = attacker_and_partner(server);
            raw.send(&frame(TEXT, message.as_bytes()));
            let error = raw.json();
            assert_eq!(
                (&error["type"], &error["code"]),
                (&json!("error"), &json!(code)),
                "{error}"
            );
            assert_eq!(error.get("id"), None, "what was no id is not repeated");
            is_undisturbed(&mut partner);
            // And it goes on as if nothing had been.
            let marker = marker(&person, &partner.person);
            raw.send(&text(&marker));
            assert_eq!(partner.receive(), marker);
        });
    }
    hall.close("messages past a bound");
}

/// The row's bytes end the connection with these errors and this code.
fn ends(hall: &mut Hall, name: &str, bytes: &[u8], error: &str, code: u16) {
    hall.row(name, |server| {
        let (mut raw, person, mut partner) = attacker_and_partner(server);
        raw.send(&[bytes, &text(&marker(&person, &partner.person))].concat());
        let heard = hear(&mut raw);
        assert_eq!((heard.errors(), heard.code), (vec![error], Some(code)));
        drop(raw);
        only_sees_it_drop(&mut partner);
    });
}

fn messages_that_are_too_large(way: Way) {
    let mut hall = Hall::new(way);
    let large = vec![b' '; 65_537];
    let in_parts = |count: usize, size: usize| {
        let rest = (1..count).flat_map(|_| part(CONTINUATION, &vec![b' '; size]));
        part(TEXT, &vec![b' '; size]).into_iter().chain(rest).collect::<Vec<_>>()
    };
    for (name, bytes) in [
        ("a message of 64 KiB and one byte", frame(TEXT, &large)),
        ("its header alone", frame(TEXT, &large)[..14].to_vec()),
        ("two parts of it", [part(TEXT, &large[..65_536]), frame(0, b" ")].concat()),
        ("many parts of it", in_parts(66, 1_000)),
        ("1,025 fragments", in_parts(1_025, 1)),
        ("1,025 fragments of nothing", in_parts(1_025, 0)),
    ] {
        ends(&mut hall, name, &bytes, "MESSAGE_TOO_LARGE", 1009);
    }
    for (name, bytes) in [
        ("a stranger's message of 16 KiB and one byte", frame(TEXT, &large[..16_385])),
        ("a stranger's 65 fragments", in_parts(65, 1)),
    ] {
        hall.row(name, |server| {
            let mut raw = Raw::upgrade(server);
            raw.send(&bytes);
            let heard = hear(&mut raw);
            assert_eq!((heard.errors(), heard.code), (vec!["MESSAGE_TOO_LARGE"], Some(1009)));
        });
    }
    hall.close("large messages");
}

fn fields_that_are_too_large(way: Way) {
    let mut hall = Hall::new(way);
    let long = "x".repeat(257);
    for (name, kind, fields) in [
        ("a reason of 257 bytes", "end-session", json!({ "reason": long })),
        ("a reason that is a list", "end-session", json!({ "reason": [] })),
        (
            "a user of 60 KB",
            "media-state",
            json!({ "userId": "x".repeat(60_000), "audio": true, "video": true }),
        ),
        ("a state of 60 KB", "connection-state", json!({ "state": "x".repeat(60_000) })),
        ("a flag of 60 KB", "media-state", json!({ "audio": "x".repeat(60_000), "video": true })),
        ("a flag that is a number", "media-state", json!({ "audio": 1, "video": true })),
        (
            "a bit rate without an end",
            "connection-stats",
            json!({ "stats": { "bitrate": 1e308, "latency": -1, "packetLoss": 1, "quality": "good" } }),
        ),
        (
            "a quality of nobody's",
            "connection-stats",
            json!({ "stats": { "bitrate": 1, "latency": 1, "packetLoss": 1, "quality": "x" } }),
        ),
        ("a token of 60 KB", "refresh-token", json!({ "authToken": "x".repeat(60_000) })),
    ] {
        hall.row(name, |server| {
            let (doctor, patient) = crate::common::people();
            let mut partner = Client::join(server, &patient);
            let mut client = Client::join(server, &doctor);
            client.expect("room-status");
            partner.expect("peer-joined");
            partner.expect("room-status");
            let mut message = json!({ "type": kind, "sessionId": doctor.session, "userId": doctor.user, "id": 1 });
            for (name, value) in fields.as_object().into_iter().flatten() {
                message[name] = value.clone();
            }
            client.send(&message);
            let error = client.expect("error");
            let expected: Value = if kind == "refresh-token" { "TOKEN_INVALID" } else { "BAD_MESSAGE" }.into();
            assert_eq!((&error["code"], &error["id"]), (&expected, &json!(1)));
            is_undisturbed(&mut client);
            is_undisturbed(&mut partner);
        });
    }
    hall.close("large fields");
}
