//! Objects as nearly all clients write them, in one pass: names without escapes; values that are strings, whole numbers, words,
//! and objects of those. What is written in any other way, or is no JSON at all, is for [`super::json`], which is slower and
//! knows everything.

/// How many members an object may have here.
const MEMBERS_MAX: usize = super::json::MEMBERS_MAX;

/// Calls `each` with the name and the value of each member of an object. `None` where somebody else must read it: it may be
/// JSON or not, and `each` may have seen a part of it. So it is where `each` returns `false`.
///
/// What is read here is JSON (RFC 8259) within the bounds of [`super::json::check_bounds`].
pub fn read_object<'a>(
    text: &'a str,
    mut each: impl FnMut(&'a str, &'a str) -> bool,
) -> Option<()> {
    read(text, &Reading { string_end, holds_objects: true }, &mut each)
}

/// The same where the text is known to be JSON, and strings need not be looked into.
pub fn read_known_object<'a>(
    text: &'a str,
    mut each: impl FnMut(&'a str, &'a str) -> bool,
) -> Option<()> {
    read(text, &Reading { string_end: known_string_end, holds_objects: true }, &mut each)
}

/// How an object is read.
struct Reading<F> {
    /// From behind the opening quote to behind the closing one.
    string_end: F,
    /// The objects within an object hold no others.
    holds_objects: bool,
}

fn read<'a, F: Fn(&[u8], usize) -> Option<usize> + Copy>(
    text: &'a str,
    reading: &Reading<F>,
    each: &mut dyn FnMut(&'a str, &'a str) -> bool,
) -> Option<()> {
    let end = object(text, skip_blanks(text.as_bytes(), 0), reading, each)?;
    (skip_blanks(text.as_bytes(), end) == text.len()).then_some(())
}

/// Reads the object that begins at `at`; where it ends.
fn object<'a, F: Fn(&[u8], usize) -> Option<usize> + Copy>(
    text: &'a str,
    at: usize,
    reading: &Reading<F>,
    each: &mut dyn FnMut(&'a str, &'a str) -> bool,
) -> Option<usize> {
    let bytes = text.as_bytes();
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
            b'"' => (reading.string_end)(bytes, begin + 1)?,
            b'{' if reading.holds_objects => {
                let inner = Reading { holds_objects: false, string_end: reading.string_end };
                object(text, begin, &inner, &mut |_, _| true)?
            }
            _ => word_end(bytes, begin)?,
        };
        if !each(text.get(name_begin..name_end)?, text.get(begin..end)?) {
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
    let len = bytes.get(begin..)?.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20))?;
    (bytes[begin + len] == b'"').then_some(begin + len)
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
fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at = next_special(bytes, at)?;
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
    /// What is looked for in blocks, the compiler makes vector code of.
    const BLOCK: usize = 32;
    let mut at = begin;
    loop {
        let rest = bytes.get(at..)?;
        let has_quote =
            |block: &[u8]| block.iter().fold(false, |found, byte| found | (*byte == b'"'));
        let plain = rest.chunks_exact(BLOCK).take_while(|block| !has_quote(block)).count() * BLOCK;
        at += plain + rest[plain..].iter().position(|byte| *byte == b'"')? + 1;
        let string = &bytes[begin..at - 1];
        if string.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0 {
            return Some(at);
        }
    }
}

/// Where the next quote, backslash or control character is, eight bytes at a time.
fn next_special(bytes: &[u8], mut at: usize) -> Option<usize> {
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let found = specials(u64::from_le_bytes(*eight));
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    Some(at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20))?)
}

/// The top bit of each byte that is a quote, a backslash or a control character. Behind the first one there may be bits too
/// many, since a subtraction may borrow from the byte above it.
const fn specials(eight: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let quote = eight ^ (ONES * b'"' as u64);
    let escape = eight ^ (ONES * b'\\' as u64);
    let found = (quote.wrapping_sub(ONES) & !quote)
        | (escape.wrapping_sub(ONES) & !escape)
        | (eight.wrapping_sub(ONES * 0x20) & !eight);
    found & (ONES << 7)
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
