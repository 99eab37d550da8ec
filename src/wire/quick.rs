//! Objects as nearly all clients write them, in one pass: names without escapes; values that are strings, whole numbers, words,
//! and objects of those. What is written in any other way, or is no JSON at all, is for [`super::json`], which is slower and
//! knows everything.

use std::ops::Range;

use memchr::{memchr, memchr2};

use super::scan;

/// How many members an object may have here.
const MEMBERS_MAX: usize = super::json::MEMBERS_MAX;

/// Calls `each` with the name and the value of each member of an object. `None` where somebody else must read it: it may be
/// JSON or not, and `each` may have seen a part of it. So it is where `each` returns `false`.
///
/// What is read here is JSON (RFC 8259) within the bounds of [`super::json::check_bounds`].
pub fn read_object<'a>(text: &'a str, each: impl FnMut(&'a str, &'a str) -> bool) -> Option<()> {
    // Most texts are written without a line break, and then strings need no look for one.
    if scan::has_controls(text.as_bytes()) {
        read(text, string_end, each)
    } else {
        read(text, plain_string_end, each)
    }
}

/// The same where the text is known to be JSON, and strings need not be looked into.
pub fn read_known_object<'a>(
    text: &'a str,
    each: impl FnMut(&'a str, &'a str) -> bool,
) -> Option<()> {
    read(text, known_string_end, each)
}

/// `string_end` leads from behind an opening quote to behind the closing one.
fn read<'a>(
    text: &'a str,
    string_end: impl Fn(&[u8], usize) -> Option<usize> + Copy,
    mut each: impl FnMut(&'a str, &'a str) -> bool,
) -> Option<()> {
    let bytes = text.as_bytes();
    // The objects within it hold no others.
    let inner = |begin| object(bytes, begin, string_end, |_| None, |_, _| true);
    let member = |name, value| match (text.get(name), text.get(value)) {
        (Some(name), Some(value)) => each(name, value),
        _ => false,
    };
    let end = object(bytes, skip_blanks(bytes, 0), string_end, inner, member)?;
    (skip_blanks(bytes, end) == bytes.len()).then_some(())
}

/// Reads the object that begins at `at`; where it ends. So does `object_end` for those in it. `each` learns where the name
/// and the value of a member are.
fn object(
    bytes: &[u8],
    at: usize,
    string_end: impl Fn(&[u8], usize) -> Option<usize>,
    object_end: impl Fn(usize) -> Option<usize>,
    mut each: impl FnMut(Range<usize>, Range<usize>) -> bool,
) -> Option<usize> {
    let mut at = skip_blanks(bytes, past(bytes, at, b'{')?);
    if let Some(end) = past(bytes, at, b'}') {
        return Some(end);
    }
    for _ in 0..MEMBERS_MAX {
        let name_begin = past(bytes, at, b'"')?;
        let name_end = name_end(bytes, name_begin)?;
        at = past(bytes, skip_blanks(bytes, name_end + 1), b':')?;
        let begin = skip_blanks(bytes, at);
        let end = match *bytes.get(begin)? {
            b'"' => string_end(bytes, begin + 1)?,
            b'{' => object_end(begin)?,
            _ => word_end(bytes, begin)?,
        };
        if !each(name_begin..name_end, begin..end) {
            return None;
        }
        at = skip_blanks(bytes, end);
        match *bytes.get(at)? {
            b',' => at = skip_blanks(bytes, at + 1),
            b'}' => return Some(at + 1),
            _ => return None,
        }
    }
    None
}

/// Behind this byte, where it is here.
fn past(bytes: &[u8], at: usize, wanted: u8) -> Option<usize> {
    (bytes.get(at) == Some(&wanted)).then_some(at + 1)
}

fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\r' | b'\n') = bytes.get(at) {
        at += 1;
    }
    at
}

/// The closing quote of a name, which are short.
fn name_end(bytes: &[u8], begin: usize) -> Option<usize> {
    next_special(bytes, begin).filter(|end| bytes[*end] == b'"')
}

/// Behind a whole number, `true`, `false` or `null`.
fn word_end(bytes: &[u8], begin: usize) -> Option<usize> {
    let rest = bytes.get(begin..)?;
    let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b' ' | b'\t' | b'\r' | b'\n');
    let word = &rest[..rest.iter().position(is_end)?];
    let is_known = match word {
        b"0" | b"true" | b"false" | b"null" => true,
        [b'1'..=b'9', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    is_known.then_some(begin + word.len())
}

/// Behind the closing quote. Escapes are those of one letter: what `\u` stands for is looked at elsewhere.
fn string_end(bytes: &[u8], begin: usize) -> Option<usize> {
    end_of_string(bytes, begin, next_special)
}

/// The same where there are no control characters in the text.
fn plain_string_end(bytes: &[u8], begin: usize) -> Option<usize> {
    let next = |at: usize| Some(at + memchr2(b'"', b'\\', bytes.get(at..)?)?);
    let first = next(begin)?;
    if bytes[first] == b'"' {
        return Some(first + 1);
    }
    // A description: all its escapes are line ends, and the next quote is not one of them.
    let string = &bytes[first..=first + memchr(b'"', &bytes[first..])?];
    if scan::escapes_only_line_ends(string) {
        return Some(first + string.len());
    }
    end_of_string(bytes, first, |_, at| next(at))
}

fn end_of_string(
    bytes: &[u8],
    mut at: usize,
    next: impl Fn(&[u8], usize) -> Option<usize>,
) -> Option<usize> {
    loop {
        at = next(bytes, at)?;
        match *bytes.get(at)? {
            b'"' => return Some(at + 1),
            // So do the lines of a description end.
            b'\\' if bytes.get(at..at + 4) == Some(br"\r\n") => at += 4,
            b'\\' => match *bytes.get(at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                _ => return None,
            },
            _ => return None,
        }
    }
}

/// Behind the closing quote of a string that is one: the next quote behind an even number of backslashes.
fn known_string_end(bytes: &[u8], begin: usize) -> Option<usize> {
    let mut at = begin;
    loop {
        at += memchr(b'"', bytes.get(at..)?)? + 1;
        let string = &bytes[begin..at - 1];
        if string.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0 {
            return Some(at);
        }
    }
}

/// Where the next quote, backslash or control character is.
fn next_special(bytes: &[u8], at: usize) -> Option<usize> {
    let marks =
        |eight| scan::equal(eight, b'"') | scan::equal(eight, b'\\') | scan::below(eight, b' ');
    scan::position(bytes, at, marks, |byte| matches!(byte, b'"' | b'\\' | ..0x20))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::wire::json::check_bounds;

    fn members(text: &str) -> Option<Vec<(&str, &str)>> {
        let mut members = Vec::new();
        read_object(text, |name, value| {
            members.push((name, value));
            true
        })?;
        Some(members)
    }

    #[test]
    fn members_come_in_order_and_as_they_are_written() {
        let text = "\t{ \"a\" : \"x\\r\\n\\\"\" ,\r\n\"b\":{\"c\":0, \"d\":\"}\"}, \"é\":null,\"a\":120 }\n";
        let found =
            [("a", r#""x\r\n\"""#), ("b", r#"{"c":0, "d":"}"}"#), ("é", "null"), ("a", "120")];
        assert_eq!(members(text).as_deref(), Some(&found[..]));
        assert_eq!(members("{}").as_deref(), Some(&[][..]));
    }

    #[test]
    fn what_is_not_quite_ordinary_is_left_to_others() {
        for text in [
            "",
            "{",
            "[]",
            "1",
            "{}{}",
            "{} x",
            r#"{"a":1,}"#,
            r#"{,}"#,
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":01}"#,
            r#"{"a":1.5}"#,
            r#"{"a":-1}"#,
            r#"{"a":[]}"#,
            r#"{"a":{"b":{}}}"#,
            r#"{"\u0061":1}"#,
            r#"{"a":"\u0061"}"#,
            r#"{"a":"\x"}"#,
            "{\"a\":\"\u{1f}\"}",
            "{\"a\n\":1}",
            r#"{"a":"#,
            r#"{"a":""#,
            r#"{"a":"\"#,
            r#"{"a":tru}"#,
            r#"{"a":1 2}"#,
            "\u{feff}{}",
            "{\"a\":\u{a0}1}",
        ] {
            assert_eq!(members(text), None, "{text:?}");
        }
        let many = |count| format!("{{{}}}", vec![r#""a":1"#; count].join(","));
        assert_eq!(members(&many(MEMBERS_MAX)).map(|all| all.len()), Some(MEMBERS_MAX));
        assert_eq!(members(&many(MEMBERS_MAX + 1)), None);
    }

    /// Every byte at every place of a block, and behind it.
    #[test]
    fn what_is_read_is_json_within_bounds() {
        let mut read = 0;
        for place in 0..20 {
            for byte in 0..128_u8 {
                let mut inner = [b'z'; 20];
                inner[place] = byte;
                let inner = str::from_utf8(&inner).expect("ASCII");
                for text in [
                    format!("{{\"a\":\"{inner}\"}}"),
                    format!("{{\"a\":\"é{inner}ÿ\",\"b\":\"\"}}"),
                    format!("{{\"a\":\"\\\\{inner}\\\"\"}}"),
                    format!("{{\"{inner}\":true}}"),
                    format!("{{\"a\":{inner}}}"),
                ] {
                    if let Some(members) = members(&text) {
                        read += 1;
                        let mut known = Vec::new();
                        read_known_object(&text, |name, value| {
                            known.push((name, value));
                            true
                        });
                        assert_eq!(known, members, "{text:?}");
                        assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text:?}");
                        assert_eq!(check_bounds(&text), Ok(()), "{text:?}");
                    }
                }
            }
        }
        // Of 128 bytes 32 are control characters, and quote and backslash end or begin something.
        assert!(read >= 20 * 4 * 94, "{read}");
    }
}
