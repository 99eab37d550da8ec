//! JSON texts (RFC 8259): bounds that the parser does not check, and values without allocating.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{quick, scan};

/// How deep objects and arrays may be nested; the message itself is the first level.
pub const DEPTH_MAX: usize = 16;

/// How many members an object may have.
pub const MEMBERS_MAX: usize = 64;

/// Why a text is refused even if it is JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// Nested deeper than [`DEPTH_MAX`]. Nothing is known of what stands behind the first bracket too many.
    Depth {
        /// Where that ends.
        end: usize,
    },
    /// An object with more than [`MEMBERS_MAX`] members.
    Members,
    /// A `\u` escape that is half of a surrogate pair (RFC 8259 8.2): readers disagree on what it stands for.
    LoneSurrogate,
}

/// Checks the bounds of a text, which may be no JSON at all.
///
/// It costs little, where a parser has to remember each bracket that it has met. So it comes first.
pub fn check_bounds(text: &str) -> Result<(), Excess> {
    let bytes = text.as_bytes();
    // Nearly every message is settled by counting. Brackets and commas within strings only make the count too high, and
    // then the exact walk decides.
    let nested = count(bytes, |byte| matches!(byte, b'{' | b'['));
    let commas = count(bytes, |byte| byte == b',');
    if nested <= DEPTH_MAX && commas < MEMBERS_MAX && !text.contains("\\u") {
        return Ok(());
    }
    walk(bytes)
}

/// How many bytes are such. Of sums that fit a byte, in runs too short to overflow them, the compiler makes vector code.
fn count(bytes: &[u8], is_such: impl Fn(u8) -> bool) -> usize {
    let in_run = |run: &[u8]| run.iter().map(|&byte| u8::from(is_such(byte))).sum::<u8>();
    bytes.chunks(usize::from(u8::MAX)).map(|run| usize::from(in_run(run))).sum()
}

fn walk(bytes: &[u8]) -> Result<(), Excess> {
    // The members of each open object; none for an array, whose elements are not counted.
    let mut levels = [None; DEPTH_MAX];
    let mut depth = 0;
    let mut at = 0;
    // Whatever else there is too much of, depth behind it counts.
    let mut excess = None;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => {
                let (end, is_paired) = walk_string(bytes, at);
                at = end;
                if !is_paired {
                    excess = excess.or(Some(Excess::LoneSurrogate));
                }
            }
            b'{' | b'[' => {
                let level = levels.get_mut(depth).ok_or(Excess::Depth { end: at })?;
                *level = (byte == b'{').then_some(1);
                depth += 1;
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => {
                let level = depth.checked_sub(1).and_then(|level| levels.get_mut(level));
                let Some(Some(members)) = level else { continue };
                *members += 1;
                if *members > MEMBERS_MAX {
                    excess = excess.or(Some(Excess::Members));
                }
            }
            _ => {}
        }
    }
    excess.map_or(Ok(()), Err)
}

/// Walks from behind the opening quote to behind the closing one. Tells where that is, and whether all surrogates are in pairs.
fn walk_string(bytes: &[u8], mut at: usize) -> (usize, bool) {
    let mut high_before = false;
    let mut is_paired = true;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'\\'
            && bytes.get(at + 1) == Some(&b'u')
            && let Some(unit) = hex4(bytes.get(at + 2..at + 6))
        {
            let low = (0xdc00..0xe000).contains(&unit);
            is_paired &= low == high_before;
            high_before = (0xd800..0xdc00).contains(&unit);
            at += 6;
            continue;
        }
        is_paired &= !high_before;
        high_before = false;
        match byte {
            b'"' => return (at + 1, is_paired),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    (at, is_paired)
}

/// The number that these digits are, where all of them are there.
fn hex4(digits: Option<&[u8]>) -> Option<u32> {
    digits?.iter().try_fold(0, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))
}

/// A value as it is written, within a text that is JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a>(&'a str);

impl<'a> Raw<'a> {
    /// A text that is one value, and nothing around it.
    pub fn parse(text: &'a str) -> Option<Self> {
        let raw: &RawValue = serde_json::from_str(text).ok()?;
        Some(Self(raw.get()))
    }

    /// How it is written.
    pub const fn get(self) -> &'a str {
        self.0
    }

    /// Where it begins in `text`, of which it is a part.
    pub fn place_in(self, text: &str) -> Option<usize> {
        place_in(self.0, text)
    }
}

/// Where `part` begins in `text`, of which it is a part.
pub fn place_in(part: &str, text: &str) -> Option<usize> {
    let at = part.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    (at + part.len() <= text.len()).then_some(at)
}

/// A string as it is written, of which nothing may be known but where it begins and ends: that it is JSON is checked by whoever
/// reads it, since a description is read anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted<'a>(&'a str);

impl<'a> Quoted<'a> {
    /// The string that `raw` is.
    pub fn from_raw(raw: Raw<'a>) -> Option<Self> {
        is_string(raw).then_some(Self(raw.get()))
    }

    /// How it is written, with its quotes. There is no quote in between without a backslash before it.
    pub const fn get(self) -> &'a str {
        self.0
    }

    /// What is between the quotes.
    pub fn inner(self) -> &'a str {
        unquoted(self.0).unwrap_or_default()
    }

    /// Whether it is JSON within the bounds of [`check_bounds`].
    pub fn is_json(self) -> bool {
        scan::escapes_only_line_ends(self.inner().as_bytes())
            || (Raw::parse(self.0).is_some() && check_bounds(self.0).is_ok())
    }
}

/// The string that begins at `at`, and the text behind it. `None` if it is not written in the ordinary way.
pub fn string_at(text: &str, at: usize) -> Option<(Raw<'_>, &str)> {
    let (string, behind) = text.get(at..)?.split_at_checked(quick::string_len(text, at, false)?)?;
    Some((Raw(string), behind))
}

/// The same of a string that is checked by whoever reads it.
pub fn quoted_at(text: &str, at: usize) -> Option<(Quoted<'_>, &str)> {
    let (string, behind) = text.get(at..)?.split_at_checked(quick::string_len(text, at, true)?)?;
    Some((Quoted(string), behind))
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Self(raw.get()))
    }
}

/// A member of an object, not looked into yet.
pub type Field<'a> = Option<Raw<'a>>;

/// Reads a member that is there, `null` included: serde's own reading of `Option` takes `null` for absent.
pub fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Field<'de>, D::Error> {
    Raw::deserialize(deserializer).map(Some)
}

/// A structure of members that are not looked into yet.
pub trait Fields<'a>: Default + Deserialize<'a> {
    /// Where the member of this name goes, if it is known.
    fn place(&mut self, name: &[u8]) -> Option<&mut Field<'a>>;

    /// The same for a member of the object that the member `outer` is.
    fn place_inner(&mut self, _outer: &[u8], _name: &[u8]) -> Option<&mut Field<'a>> {
        None
    }

    /// Whether this member, of the object that the member `outer` is or of the outermost one, is a string that is checked by whoever
    /// reads it: see [`Quoted`].
    fn is_checked_later(_outer: Option<&[u8]>, _name: &[u8]) -> bool {
        false
    }

    /// Reads what is written in the ordinary way; `false` where it is not, or a known member comes twice.
    ///
    /// In place, since what is moved would be a third of the work.
    fn read_quickly(&mut self, text: &'a str) -> bool {
        quick::read_object(text, &mut Places(self)).is_some()
    }

    /// The same of the last value of an object, and of the end of that.
    fn read_last(&mut self, text: &'a str) -> bool {
        quick::read_last_object(text, &mut Places(self)).is_some()
    }
}

/// The place among the fields of `$fields` that belongs to a name. They are compared one after the other, so what comes most often
/// stands first.
macro_rules! place {
    ($fields:ident, $name:ident, { $($known:literal => $field:ident,)* }) => {{
        // Not a `match`, which compares byte by byte.
        $(if $name == $known {
            return Some(&mut $fields.$field);
        })*
        None
    }};
}
pub(crate) use place;

/// Puts members where they belong, unless one is there already.
struct Places<'p, T>(&'p mut T);

impl<'a, T: Fields<'a>> quick::Taker<'a> for Places<'_, T> {
    #[inline]
    fn take(&mut self, name: &[u8], value: &'a str) -> bool {
        self.0.place(name).is_none_or(|place| place.replace(Raw(value)).is_none())
    }

    #[inline]
    fn take_inner(&mut self, outer: &[u8], name: &[u8], value: &'a str) -> bool {
        self.0.place_inner(outer, name).is_none_or(|place| place.replace(Raw(value)).is_none())
    }

    #[inline]
    fn is_checked_later(&self, outer: Option<&[u8]>, name: &[u8]) -> bool {
        T::is_checked_later(outer, name)
    }
}

/// The string that `raw` is, borrowed where it holds no escape; `None` where it is another kind of value.
pub fn string(raw: Raw<'_>) -> Option<Cow<'_, str>> {
    let quoted = plain(raw)?;
    // Most are short.
    let has_escapes = |block| scan::equal(block, b'\\');
    if scan::position(quoted.as_bytes(), 0, has_escapes).is_some() {
        return serde_json::from_str(raw.get()).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(quoted))
}

/// What stands between the quotes of a string, with its escapes.
pub fn plain(raw: Raw<'_>) -> Option<&str> {
    unquoted(raw.get())
}

fn unquoted(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

/// Whether `raw` is a string, without reading it.
pub fn is_string(raw: Raw<'_>) -> bool {
    raw.get().starts_with('"')
}

/// The boolean that `raw` is.
pub fn boolean(raw: Raw<'_>) -> Option<bool> {
    match raw.get() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// The object that `raw` is, read into a structure; serde alone would also read one from an array, by position.
pub fn object<'a, T: Fields<'a>>(raw: Raw<'a>) -> Option<T> {
    let mut fields = T::default();
    if fields.read_quickly(raw.get()) {
        return Some(fields);
    }
    raw.get().starts_with('{').then(|| serde_json::from_str(raw.get()).ok())?
}

/// The unsigned integer that `raw` is, written in digits only.
pub fn unsigned(raw: Raw<'_>) -> Option<u64> {
    // `u64` would also read a sign.
    raw.get().starts_with(|first: char| first.is_ascii_digit()).then(|| raw.get().parse().ok())?
}

/// The number that `raw` is, as it is written, where it measures something: finite and not negative.
pub fn measure(raw: Raw<'_>) -> Option<&str> {
    /// More digits than that measure nothing.
    const DIGITS_MAX: usize = 32;
    let text = raw.get();
    let is_number = text.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    let number: f64 = is_number.then(|| text.parse().ok())??;
    // Zero may have a sign: some programs round to it.
    (number.is_finite() && number >= 0.0 && text.len() <= DIGITS_MAX).then_some(text)
}

/// Appends `text` as a JSON string, quotes included.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    // Writing into a vector cannot fail, and a string has no key that is not a string.
    let written = serde_json::to_writer(&mut *out, text);
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> String {
        "[".repeat(levels) + &"]".repeat(levels)
    }

    fn object(members: usize) -> String {
        let members: Vec<_> = (0..members).map(|n| format!("\"k{n}\":[1,2]")).collect();
        format!("{{{}}}", members.join(","))
    }

    #[test]
    fn bounds_are_exact() {
        assert_eq!(check_bounds(&nested(DEPTH_MAX)), Ok(()));
        assert_eq!(check_bounds(&nested(DEPTH_MAX + 1)), Err(Excess::Depth { end: DEPTH_MAX + 1 }));
        assert_eq!(check_bounds(&object(MEMBERS_MAX)), Ok(()));
        assert_eq!(check_bounds(&object(MEMBERS_MAX + 1)), Err(Excess::Members));
        let array = format!("{{\"list\":[{}0]}}", "0,".repeat(500));
        assert_eq!(check_bounds(&array), Ok(()), "an array may be long");
    }

    #[test]
    fn brackets_and_commas_within_strings_do_not_count() {
        let text = format!("{{\"sdp\":\"{}\\\"{}\"}}", "[{".repeat(40), ",".repeat(200));
        assert_eq!(check_bounds(&text), Ok(()));
    }

    #[test]
    fn surrogates_come_in_pairs_or_not_at_all() {
        for fine in [r#""\ud83d\ude00""#, r#""\u00e9\\ud800""#, r#""\uD83D\uDE00\u0041""#] {
            assert_eq!(check_bounds(fine), Ok(()), "{fine}");
        }
        for lone in [
            r#""\ud83d""#,
            r#""\ude00""#,
            r#""\ude00\ud83d""#,
            r#""\ud83d\ud83d\ude00""#,
            r#""\ud83d x\ude00""#,
            r#""\ud83d\n\ude00""#,
            r#"{"\ud83d":1}"#,
        ] {
            assert_eq!(check_bounds(lone), Err(Excess::LoneSurrogate), "{lone}");
        }
    }

    /// The parser is not to see such a text: each level costs it as much as hundreds of letters.
    #[test]
    fn the_first_bracket_too_many_is_found_behind_anything_else() {
        let deep = "[".repeat(20);
        for before in [
            "[1,2],".to_owned(),
            object(MEMBERS_MAX + 1),
            r#""\ud83d""#.to_owned(),
            r#""\u12"#.to_owned() + "\"",
            "no JSON ]]}} ".to_owned(),
            r#""[[[[\\""#.to_owned(),
        ] {
            let end = before.len() + DEPTH_MAX + 1;
            assert_eq!(check_bounds(&(before + &deep)), Err(Excess::Depth { end }));
        }
    }

    #[test]
    fn a_text_may_end_anywhere() {
        let text = object(MEMBERS_MAX) + r#"{"\ud83d\ude00\\":[{"é\u"#;
        for len in (0..=text.len()).filter(|len| text.is_char_boundary(*len)) {
            let excess = check_bounds(&text[..len]).err();
            assert!(matches!(excess, None | Some(Excess::LoneSurrogate)), "{len}: {excess:?}");
        }
    }

    #[test]
    fn strings_are_borrowed_where_they_can_be() {
        let raw = Raw::parse(r#""doctor""#).expect("JSON");
        assert!(matches!(string(raw), Some(Cow::Borrowed("doctor"))));
        let raw = Raw::parse(r#""d\u006fctor""#).expect("JSON");
        assert_eq!(string(raw).as_deref(), Some("doctor"));
        let raw = Raw::parse("7").expect("JSON");
        assert_eq!(string(raw), None);
    }
}
