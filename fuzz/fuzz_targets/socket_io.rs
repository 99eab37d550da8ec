//! Packets of Socket.IO, and events as messages: the message that is made of an event is the one that a slow reader of JSON makes of
//! it, with every byte of its object in place; whatever is no event of ours is refused by the reader of messages.
//!
//! An input is the text of a packet.
#![no_main]

use autamedica_signaling::message::problem::Problem;
use autamedica_signaling::message::request;
use autamedica_signaling::wire::socket_io::{self, Packet, Plain};
use autamedica_signaling_fuzz::json::{self, Json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(Packet::Event { callback, arguments, namespace }) = socket_io::parse(text) {
        assert!(callback.len() <= 16 && callback.bytes().all(|digit| digit.is_ascii_digit()));
        assert!(namespace.starts_with('/') && !namespace.contains([',', '?']));
        assert!(text.ends_with(arguments) && text.starts_with('2'));
        check_event(arguments);
    }
    // Also as the text of a message that goes out.
    check_kind(text);
});

fn check_event(arguments: &str) {
    let mut buffer = String::from("of before");
    let (message, is_new) = match socket_io::to_plain(arguments, &mut buffer) {
        Plain::Given(message) => (message.to_owned(), false),
        Plain::Written => (buffer, true),
    };
    let parsed = request::parse(&message).request;
    let Some((name, object)) = slow_event(arguments) else {
        // Not a text of JSON, or not a name and at most one object.
        assert!(matches!(parsed, Err(Problem::BadJson | Problem::BadMessage(_))), "{message}");
        return;
    };
    let tree = json::read(&message).expect("JSON of JSON");
    let members = object.as_ref().map_or(&[][..], Json::members);
    let own: Vec<_> = object.iter().flat_map(|object| object.all("type")).collect();
    if own.first().is_some_and(|kind| **kind == name) {
        assert!(!is_new && arguments.contains(&message), "as it was");
        assert_eq!(tree.members(), members);
    } else {
        assert!(is_new);
        assert_eq!(tree.member("type"), Some(&name));
        assert_eq!(&tree.members()[1..], members, "nothing else is added or lost");
        // Byte for byte: what follows the brace of the object follows the name here.
        let follows = |(at, _): (usize, char)| {
            let object_text = format!("{{{}", &message[at..]);
            arguments.contains(&object_text) && json::read(&object_text) == object
        };
        assert!(object.is_none() || message.char_indices().skip(8).any(follows), "{message}");
        if !own.is_empty() {
            assert!(matches!(parsed, Err(Problem::BadMessage(_))), "the two disagree: {message}");
        }
    }
    if parsed.is_ok() {
        let kind = socket_io::kind_of(&message).expect("a type");
        assert_eq!(json::read(kind).as_ref(), tree.member("type"), "it goes out under its name");
    }
}

fn check_kind(text: &str) {
    if request::parse(text).request.is_ok() {
        let tree = json::read(text).expect("JSON");
        let kind = socket_io::kind_of(text).expect("a type");
        assert_eq!(json::read(kind).as_ref(), tree.member("type"));
    } else if let Some(kind) = socket_io::kind_of(text) {
        assert!(text.contains(kind));
    }
}

/// The name and the object of an event.
fn slow_event(arguments: &str) -> Option<(Json, Option<Json>)> {
    let Json::Array(mut elements) = json::read(arguments)? else { return None };
    let object = match (elements.len(), elements.pop()?) {
        (2, Json::Null) => None,
        (2, object @ Json::Object(_)) => Some(object),
        (1, name) => {
            elements.push(name);
            None
        }
        _ => return None,
    };
    match elements.pop()? {
        name @ Json::String(_) => Some((name, object)),
        _ => None,
    }
}
