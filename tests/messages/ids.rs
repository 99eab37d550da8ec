//! The `id` of a message, by which a client recognises the answer to it.

use autamedica_signaling::message::problem::Flaw;
use autamedica_signaling::message::request::parse;

use super::write::*;

fn with_id(id: &str) -> String {
    message("ping").with("id", id).text()
}

#[test]
fn an_id_is_repeated_as_the_client_wrote_it() {
    let longest = [
        format!("\"{}\"", "x".repeat(64)),
        format!("\"{}\"", "é".repeat(32)),
        // 64 bytes once the escapes are undone.
        format!("\"{}\"", r"\u00e9".repeat(32)),
        format!("\"{}\"", r"\ud83d\ude00".repeat(16)),
    ];
    let ids =
        ["0", "7", "18446744073709551615", "\"\"", "\"a-1\"", r#""a\"\\\n\u0000b""#, "\"日本\""];
    for id in ids.into_iter().chain(longest.iter().map(String::as_str)) {
        let text = with_id(id);
        let parsed = parse(&text);
        assert!(parsed.request.is_ok(), "{text}");
        assert_eq!(parsed.id.map(|id| id.as_json()), Some(id), "{text}");
    }
    assert!(parse(&message("ping").text()).id.is_none());
}

#[test]
fn anything_else_is_no_id_and_is_not_repeated() {
    let long = [
        format!("\"{}\"", "x".repeat(65)),
        format!("\"{}x\"", "é".repeat(32)),
        format!("\"{}\"", r"\u00e9".repeat(33)),
    ];
    let ids = [
        "null",
        "true",
        "-1",
        "-0",
        "1.0",
        "1e3",
        "0.5",
        "18446744073709551616",
        "[]",
        "[1]",
        "{}",
        "{\"id\":1}",
    ];
    for id in ids.into_iter().chain(long.iter().map(String::as_str)) {
        let text = with_id(id);
        assert_eq!(flaw(&text), Some(Flaw::Wrong("id")), "{text}");
        assert_eq!(problem(&text).and_then(|(_, id)| id), None, "{text}");
    }
}

#[test]
fn whatever_is_wrong_with_a_message_its_error_carries_its_id() {
    let id = r#""caf\u00e9""#;
    let mut wrong = vec![
        Message::new("hello", &[]),
        message("ping").without("type"),
        message("ping").with("type", "7"),
        message("ping").again("type", "\"ping\""),
        message("join-room").again("userI\\u0064", DOCTOR),
    ];
    for (message, required) in messages() {
        wrong.extend(required.into_iter().map(|name| message.clone().without(name)));
    }
    for message in wrong {
        for text in
            [message.clone().with("id", id).text(), message.with("id", id).reversed().text()]
        {
            let (_, found) = problem(&text).unwrap_or_else(|| panic!("it is fine: {text}"));
            assert_eq!(found.as_deref(), Some(id), "{text}");
        }
    }
}

#[test]
fn an_id_that_comes_twice_is_none() {
    let text = with_id("1").replace('}', ",\"id\":2}");
    assert_eq!(flaw(&text), Some(Flaw::Repeated));
    assert_eq!(problem(&text).and_then(|(_, id)| id), None);
}

#[test]
fn the_id_of_a_message_past_its_bounds_is_repeated_too() {
    let deep = format!("{}{}", "[".repeat(16), "]".repeat(16));
    for extra in [deep.as_str(), r#""\ud800""#] {
        let text = message("ping").with("id", "5").with("extra", extra).text();
        assert_eq!(flaw(&text), Some(Flaw::Bounds), "{text}");
        assert_eq!(problem(&text).and_then(|(_, id)| id).as_deref(), Some("5"), "{text}");
    }
}
