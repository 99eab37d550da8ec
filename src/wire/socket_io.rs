//! Socket.IO, version 5 of its protocol: the content of Engine.IO messages. Parsed in place,
//! without copying.
//!
//! ```text
//!   0/namespace,{…}       connect, with credentials
//!   1                     disconnect
//!   2[…]  213["name",{…}] an event, with the number of its callback if there is one
//! ```

use super::json;

/// The maximum number of digits in a callback number: a client counts from 0, and JavaScript counts
/// exactly up to 2^53.
const CALLBACK_DIGITS_MAX: usize = 16;

/// One packet of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// `0`: asks to be admitted to a namespace, with a JSON value as credentials.
    Connect {
        /// `/`, or another.
        namespace: &'a str,
        /// The credentials; empty if there are none.
        auth: &'a str,
    },
    /// `1`: leaves a namespace.
    Disconnect {
        /// The namespace.
        namespace: &'a str,
    },
    /// `2`: an event.
    Event {
        /// The namespace.
        namespace: &'a str,
        /// The number of the callback that waits for an answer; empty if there is none.
        callback: &'a str,
        /// The arguments, which should be an array: the name, and the data.
        arguments: &'a str,
    },
    /// `3`: the answer to an event. The server asks for none.
    Answer,
}

/// Why a packet is invalid. The connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An event or answer with binary attachments.
    Binary,
    /// Not a packet that a client sends.
    Unknown,
}

/// Parses one packet.
///
/// # Errors
/// [`Fault`]: the sender speaks another protocol.
pub fn parse(text: &str) -> Result<Packet<'_>, Fault> {
    let rest = text.get(1..).unwrap_or_default();
    let kind = text.as_bytes().first().copied();
    match kind {
        Some(b'0'..=b'3') => {}
        Some(b'5' | b'6') => return Err(Fault::Binary),
        _ => return Err(Fault::Unknown),
    }
    let (namespace, rest) = if rest.starts_with('/') {
        rest.split_once(',').unwrap_or((rest, ""))
    } else {
        ("/", rest)
    };
    // A client may have appended a query, which is not a part of the name.
    let namespace = namespace.split_once('?').map_or(namespace, |(name, _)| name);
    match kind {
        Some(b'0') => Ok(Packet::Connect { namespace, auth: rest }),
        Some(b'1') if rest.is_empty() => Ok(Packet::Disconnect { namespace }),
        Some(b'2') => {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if digits > CALLBACK_DIGITS_MAX {
                return Err(Fault::Unknown);
            }
            let (callback, arguments) = rest.split_at(digits);
            Ok(Packet::Event { namespace, callback, arguments })
        }
        Some(b'3') => Ok(Packet::Answer),
        _ => Err(Fault::Unknown),
    }
}

/// An event as the text of a message whose `type` is the name of the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain<'a> {
    /// The object of the event already is such a message.
    Given(&'a str),
    /// The message was written into the buffer: the object of the event, with its name added at the
    /// front as `type`.
    Written,
}

/// Turns the arguments of an event into a message. If they are not a valid event, the result is a
/// text that is not a valid message either: the reader of messages refuses it, and nothing is
/// judged here.
///
/// If the object has a `type` that differs from the name of the event, the message has two.
pub fn to_plain<'a>(arguments: &'a str, buffer: &mut String) -> Plain<'a> {
    let Some(Event { name, payload }) = read_event(arguments) else {
        // The arguments should be an array. A bare object could pass for a message.
        let is_object = arguments.trim_start().starts_with('{');
        return Plain::Given(if is_object { "0" } else { arguments });
    };
    buffer.clear();
    let Some(Object { text, kind, is_empty }) = payload else {
        buffer.extend(["{\"type\":", name, "}"]);
        return Plain::Written;
    };
    if kind.is_some_and(|kind| kind == name || unescaped(kind) == unescaped(name)) {
        return Plain::Given(text);
    }
    let comma = if is_empty { "" } else { "," };
    buffer.extend(["{\"type\":", name, comma, text.get(1..).unwrap_or_default()]);
    Plain::Written
}

/// The `type` of a message as a JSON string, including the quotes. If the text is not a message,
/// the result may be anything or `None`.
pub fn kind_of(message: &str) -> Option<&str> {
    // Most clients send it first.
    if let Some(rest) = message.strip_prefix("{\"type\":\"") {
        let len = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\'))?;
        if rest.as_bytes()[len] == b'"' {
            return message.get(8..8 + len + 2);
        }
    }
    let start = skip_space(message.as_bytes(), 0);
    let (object, _) = read_object(message, start)?;
    object.kind
}

struct Event<'a> {
    /// A JSON string.
    name: &'a str,
    payload: Option<Object<'a>>,
}

struct Object<'a> {
    /// The text from the first to the last brace.
    text: &'a str,
    /// The first `type` in it.
    kind: Option<&'a str>,
    is_empty: bool,
}

/// An array of a name and at most one object; `null` counts as none.
fn read_event(arguments: &str) -> Option<Event<'_>> {
    let bytes = arguments.as_bytes();
    let open = skip_space(bytes, 0);
    let start = skip_space(bytes, expect(bytes, open, b'[')?);
    let end = string_end(bytes, start)?;
    let name = arguments.get(start..end)?;
    let mut at = skip_space(bytes, end);
    let mut payload = None;
    if bytes.get(at) == Some(&b',') {
        at = skip_space(bytes, at + 1);
        if arguments.get(at..)?.starts_with("null") {
            at += 4;
        } else {
            let (object, end) = read_object(arguments, at)?;
            (payload, at) = (Some(object), end);
        }
        at = skip_space(bytes, at);
    }
    at = skip_space(bytes, expect(bytes, at, b']')?);
    (at == bytes.len()).then_some(Event { name, payload })
}

/// Finds the end of an object. Its content is not validated: the reader of the message does that.
fn read_object(text: &str, start: usize) -> Option<(Object<'_>, usize)> {
    let bytes = text.as_bytes();
    let mut at = skip_space(bytes, expect(bytes, start, b'{')?);
    let mut kind = None;
    let is_empty = bytes.get(at) == Some(&b'}');
    while bytes.get(at) != Some(&b'}') {
        let key_end = string_end(bytes, at)?;
        let key = text.get(at..key_end)?;
        let value = skip_space(bytes, expect(bytes, skip_space(bytes, key_end), b':')?);
        let value_end = value_end(bytes, value)?;
        if kind.is_none() && is_type(key) {
            kind = text.get(value..value_end);
        }
        at = skip_space(bytes, value_end);
        if bytes.get(at) == Some(&b',') {
            at = skip_space(bytes, at + 1);
            // An object does not end after a comma.
            (bytes.get(at) != Some(&b'}')).then_some(())?;
        } else if bytes.get(at) != Some(&b'}') {
            return None;
        }
    }
    let end = at + 1;
    Some((Object { text: text.get(start..end)?, kind, is_empty }, end))
}

fn is_type(key: &str) -> bool {
    key == "\"type\"" || key.contains('\\') && unescaped(key).as_deref() == Some("type")
}

/// The value of a JSON string; `None` if it is malformed.
fn unescaped(string: &str) -> Option<std::borrow::Cow<'_, str>> {
    json::Raw::parse(string).and_then(json::string)
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\r' | b'\n') = bytes.get(at) {
        at += 1;
    }
    at
}

fn expect(bytes: &[u8], at: usize, byte: u8) -> Option<usize> {
    (bytes.get(at) == Some(&byte)).then_some(at + 1)
}

/// The index after the closing quote of the string that begins here.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = expect(bytes, at, b'"')?;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The index after the value that begins here.
fn value_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    let start = at;
    let mut depth = 0_usize;
    loop {
        match bytes.get(at)? {
            b'"' => at = string_end(bytes, at)?,
            b'{' | b'[' => (at, depth) = (at + 1, depth + 1),
            b'}' | b']' if depth > 0 => (at, depth) = (at + 1, depth - 1),
            b',' | b'}' | b']' if depth == 0 => break,
            _ => {
                at += 1;
                continue;
            }
        }
        if depth == 0 {
            break;
        }
    }
    (at > start).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_told_apart_with_their_namespace_and_number() {
        let namespace = "/";
        for (text, packet) in [
            ("0", Packet::Connect { namespace, auth: "" }),
            ("0{\"token\":\"x\"}", Packet::Connect { namespace, auth: "{\"token\":\"x\"}" }),
            ("0/admin,{}", Packet::Connect { namespace: "/admin", auth: "{}" }),
            ("0/admin?a=1", Packet::Connect { namespace: "/admin", auth: "" }),
            ("1", Packet::Disconnect { namespace }),
            ("1/admin", Packet::Disconnect { namespace: "/admin" }),
            ("1/admin,", Packet::Disconnect { namespace: "/admin" }),
            ("2[\"a\"]", Packet::Event { namespace, callback: "", arguments: "[\"a\"]" }),
            ("213[\"a\"]", Packet::Event { namespace, callback: "13", arguments: "[\"a\"]" }),
            ("2/x,0[1]", Packet::Event { namespace: "/x", callback: "0", arguments: "[1]" }),
            ("30[]", Packet::Answer),
        ] {
            assert_eq!(parse(text), Ok(packet), "{text}");
        }
        for (text, fault) in [
            ("", Fault::Unknown),
            ("4{}", Fault::Unknown),
            ("7", Fault::Unknown),
            ("é", Fault::Unknown),
            ("1x", Fault::Unknown),
            ("212345678901234567[]", Fault::Unknown),
            ("51-[\"a\",{\"_placeholder\":true,\"num\":0}]", Fault::Binary),
            ("61-[]", Fault::Binary),
        ] {
            assert_eq!(parse(text), Err(fault), "{text}");
        }
    }

    fn plain(arguments: &str) -> (String, bool) {
        let mut buffer = String::from("of before");
        match to_plain(arguments, &mut buffer) {
            Plain::Given(text) => (text.to_owned(), false),
            Plain::Written => (buffer, true),
        }
    }

    #[test]
    fn the_name_of_an_event_becomes_its_type_and_every_other_byte_stays() {
        for (arguments, expected) in [
            (r#"["ping"]"#, r#"{"type":"ping"}"#),
            (r#"["ping",null]"#, r#"{"type":"ping"}"#),
            (r#"["ping",{}]"#, r#"{"type":"ping"}"#),
            (r#"["ping",{ }]"#, r#"{"type":"ping" }"#),
            (r#"["offer",{"a":1}]"#, r#"{"type":"offer","a":1}"#),
            (
                r#" [ "offer" , { "sdp" : {"type":"offer","x":[{"type":1}]} } ] "#,
                r#"{"type":"offer", "sdp" : {"type":"offer","x":[{"type":1}]} }"#,
            ),
            (r#"["a\"b",{"c":"]}\\\""}]"#, r#"{"type":"a\"b","c":"]}\\\""}"#),
            // The two differ, which the reader of the message detects.
            (r#"["offer",{"type":"answer"}]"#, r#"{"type":"offer","type":"answer"}"#),
            (r#"["offer",{"type":7}]"#, r#"{"type":"offer","type":7}"#),
        ] {
            assert_eq!(plain(arguments), (expected.to_owned(), true), "{arguments}");
        }
    }

    #[test]
    fn an_object_that_says_its_type_is_taken_as_it_is() {
        for (arguments, expected) in [
            (r#"["offer",{"type":"offer","a":1}]"#, r#"{"type":"offer","a":1}"#),
            (r#"["offer",{"a":{"type":2},"type":"offer"}]"#, r#"{"a":{"type":2},"type":"offer"}"#),
            (r#"["offer",{"\u0074ype":"off\u0065r"}]"#, r#"{"\u0074ype":"off\u0065r"}"#),
        ] {
            assert_eq!(plain(arguments), (expected.to_owned(), false), "{arguments}");
        }
    }

    #[test]
    fn what_is_no_event_of_ours_is_left_for_the_reader_of_messages_to_refuse() {
        assert_eq!(plain(" {\"type\":\"ping\"}"), ("0".to_owned(), false));
        for arguments in [
            "",
            "[",
            "[]",
            "[1]",
            "[\"a\"",
            "[\"a\",]",
            "[\"a\",1]",
            "[\"a\",[]]",
            "[\"a\",{},{}]",
            "[\"a\",{}] x",
            "[\"a\",{]",
            "[\"a\",{\"b\"}]",
            "[\"a\",{\"b\":}]",
            "[\"a\",{\"b\":1,}]",
            "[\"a\",{\"b\":1",
            "[\"a\\",
            "[\"a\",nullx]",
            "\"a\"",
        ] {
            assert_eq!(plain(arguments), (arguments.to_owned(), false));
        }
    }

    #[test]
    fn the_type_of_a_message_is_found_wherever_it_stands() {
        for (message, kind) in [
            (r#"{"type":"offer","a":1}"#, Some(r#""offer""#)),
            (r#" { "a" : {"type":"x"} , "type" : "offer" }"#, Some(r#""offer""#)),
            (r#"{"type":"off\u0065r"}"#, Some(r#""off\u0065r""#)),
            (r#"{"\u0074ype":"offer"}"#, Some(r#""offer""#)),
            (r#"{"a":1}"#, None),
            (r#"[]"#, None),
            ("", None),
        ] {
            assert_eq!(kind_of(message), kind, "{message}");
        }
    }
}
