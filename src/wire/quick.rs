//! Objects as nearly all clients write them, in one pass: names without escapes; values that are strings, whole numbers, words,
//! and objects of those. What is written in any other way, or is no JSON at all, is for [`super::json`], which is slower and
//! knows everything.

use memchr::memchr;

use super::scan;

/// How many members an object may have here.
const MEMBERS_MAX: usize = super::json::MEMBERS_MAX;

/// Takes what is read.
pub trait Taker<'a> {
    /// A member of the object, with its value as it is written. `false`: somebody else must read this.
    fn take(&mut self, name: &[u8], value: &'a str) -> bool;

    /// A member of the object that the member `outer` is, which itself is taken later.
    fn take_inner(&mut self, outer: &[u8], name: &[u8], value: &'a str) -> bool;

    /// Whether the string that this member is may be taken unchecked, because all of it will be read: only its end is looked for.
    fn is_checked_later(&self, outer: Option<&[u8]>, name: &[u8]) -> bool;
}

/// Reads an object. `None` where somebody else must do that: it may be JSON or not, and a part of it may be taken.
///
/// What is read here is JSON (RFC 8259) within the bounds of [`super::json::check_bounds`], if the strings are that are checked later.
pub fn read_object<'a>(text: &'a str, taker: &mut impl Taker<'a>) -> Option<()> {
    let bytes = text.as_bytes();
    let end = object(bytes, skip_blanks(bytes, 0), |outer, begin| {
        let end = match *bytes.get(begin)? {
            b'{' => object(bytes, begin, |name, begin| {
                let end = plain_end(bytes, begin, || taker.is_checked_later(Some(outer), name))?;
                taker.take_inner(outer, name, text.get(begin..end)?).then_some(end)
            })?,
            _ => plain_end(bytes, begin, || taker.is_checked_later(None, outer))?,
        };
        taker.take(outer, text.get(begin..end)?).then_some(end)
    })?;
    (skip_blanks(bytes, end) == bytes.len()).then_some(())
}

/// Reads the object with which `text` begins, without others in it, and behind it the end of the object whose last value it is.
pub fn read_last_object<'a>(text: &'a str, taker: &mut impl Taker<'a>) -> Option<()> {
    let bytes = text.as_bytes();
    let end = object(bytes, 0, |name, begin| {
        let end = plain_end(bytes, begin, || taker.is_checked_later(None, name))?;
        taker.take(name, text.get(begin..end)?).then_some(end)
    })?;
    let end = past(bytes, skip_blanks(bytes, end), b'}')?;
    (skip_blanks(bytes, end) == bytes.len()).then_some(())
}

/// The length of the string that begins at `at`, including its quotes. It may be one that is checked later.
pub fn string_len(text: &str, at: usize, is_checked_later: bool) -> Option<usize> {
    let bytes = text.as_bytes();
    Some(string_end(bytes, past(bytes, at, b'"')?, || is_checked_later)? - at)
}

/// Reads the object that begins at `at`; where it ends. `member` learns a name and where its value begins, and says where
/// that ends.
#[inline(always)]
fn object<'a>(
    bytes: &'a [u8],
    at: usize,
    mut member: impl FnMut(&'a [u8], usize) -> Option<usize>,
) -> Option<usize> {
    let mut at = skip_blanks(bytes, past(bytes, at, b'{')?);
    if let Some(end) = past(bytes, at, b'}') {
        return Some(end);
    }
    for _ in 0..MEMBERS_MAX {
        let begin = past(bytes, at, b'"')?;
        // Names are short.
        let end = next_special(bytes, begin)?;
        let name = bytes.get(begin..end)?;
        at = past(bytes, skip_blanks(bytes, past(bytes, end, b'"')?), b':')?;
        at = skip_blanks(bytes, member(name, skip_blanks(bytes, at))?);
        match *bytes.get(at)? {
            b',' => at = skip_blanks(bytes, at + 1),
            b'}' => return Some(at + 1),
            _ => return None,
        }
    }
    None
}

/// Behind a value that holds no others.
#[inline(always)]
fn plain_end(bytes: &[u8], begin: usize, is_checked_later: impl FnOnce() -> bool) -> Option<usize> {
    match *bytes.get(begin)? {
        b'"' => string_end(bytes, begin + 1, is_checked_later),
        _ => word_end(bytes, begin),
    }
}

/// Behind this byte, where it is here.
#[inline(always)]
fn past(bytes: &[u8], at: usize, wanted: u8) -> Option<usize> {
    (bytes.get(at) == Some(&wanted)).then_some(at + 1)
}

#[inline(always)]
fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    // Mostly there are none.
    while let Some(byte @ ..=b' ') = bytes.get(at)
        && matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
    {
        at += 1;
    }
    at
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
#[inline]
fn string_end(
    bytes: &[u8],
    begin: usize,
    is_checked_later: impl FnOnce() -> bool,
) -> Option<usize> {
    let first = scan::position(bytes, begin, scan::special)?;
    match bytes.get(first)? {
        b'"' => Some(first + 1),
        b'\\' if is_checked_later() => next_quote(bytes, first),
        b'\\' => end_of_escaped(bytes, first),
        _ => None,
    }
}

/// Behind the next quote, where that is not escaped.
#[inline(never)]
fn next_quote(bytes: &[u8], at: usize) -> Option<usize> {
    let string = &bytes[at..=at + memchr(b'"', bytes.get(at..)?)?];
    (!string.ends_with(br#"\""#)).then_some(at + string.len())
}

/// Behind the closing quote of a string whose first escape is at `at`.
#[inline(never)]
fn end_of_escaped(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at = next_special(bytes, at)?;
        match *bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => match *bytes.get(at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                _ => return None,
            },
            _ => return None,
        }
    }
}

/// Where the next quote, backslash or control character is.
#[inline]
fn next_special(bytes: &[u8], at: usize) -> Option<usize> {
    scan::position(bytes, at, scan::special)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::wire::json::check_bounds;

    /// What was taken, each with the names that lead to it.
    #[derive(Default)]
    struct Taken<'a> {
        members: Vec<(String, &'a str)>,
        inner: Vec<(String, &'a str)>,
    }

    impl<'a> Taker<'a> for Taken<'a> {
        fn take(&mut self, name: &[u8], value: &'a str) -> bool {
            self.members.push((String::from_utf8_lossy(name).into(), value));
            true
        }

        fn take_inner(&mut self, outer: &[u8], name: &[u8], value: &'a str) -> bool {
            let [outer, name] = [outer, name].map(String::from_utf8_lossy);
            self.inner.push((format!("{outer}.{name}"), value));
            true
        }

        fn is_checked_later(&self, outer: Option<&[u8]>, name: &[u8]) -> bool {
            matches!((outer, name), (None, b"later") | (Some(b"in"), b"later"))
        }
    }

    fn taken(text: &str) -> Option<Taken<'_>> {
        let mut taken = Taken::default();
        read_object(text, &mut taken).map(|()| taken)
    }

    fn members(text: &str) -> Option<Vec<(String, &str)>> {
        taken(text).map(|taken| taken.members)
    }

    fn named<'a>(members: &[(&str, &'a str)]) -> Vec<(String, &'a str)> {
        members.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    #[test]
    fn members_come_in_order_and_as_they_are_written() {
        let text = "\t{ \"a\" : \"x\\r\\n\\\"\" ,\r\n\"b\":{\"c\":0, \"d\":\"}\"}, \"é\":null,\"a\":120 }\n";
        let found =
            [("a", r#""x\r\n\"""#), ("b", r#"{"c":0, "d":"}"}"#), ("é", "null"), ("a", "120")];
        assert_eq!(members(text), Some(named(&found)));
        let inner = taken(text).map(|taken| taken.inner);
        assert_eq!(inner, Some(named(&[("b.c", "0"), ("b.d", r#""}""#)])));
        assert_eq!(members("{}"), Some(vec![]));
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

    #[test]
    fn of_what_is_checked_later_only_the_end_is_looked_for() {
        let text = r#"{"later":"a\q\u1","in":{"later":"\\n\x","a":"\n"},"a":1}"#;
        let found = [("later", r#""a\q\u1""#), ("in", r#"{"later":"\\n\x","a":"\n"}"#), ("a", "1")];
        assert_eq!(members(text), Some(named(&found)));
        for text in [
            r#"{"a":"a\q"}"#,
            r#"{"in":{"a":"a\q"}}"#,
            r#"{"later":{"later":"a\q"}}"#,
            r#"{"later":"a\"b"}"#,
            r#"{"later":"\\"}"#,
            "{\"later\":\"a\nb\"}",
            r#"{"later":"a\"#,
        ] {
            assert_eq!(members(text), None, "{text}");
        }
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
                    if members(&text).is_some() {
                        read += 1;
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
