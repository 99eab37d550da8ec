//! The members of a JSON object, read one by one without building a tree.
//!
//! For texts where two readers must never disagree (RFC 7519 4): a name that comes twice is refused, whether we know it
//! or not and however it is spelled.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// How many members an object may have.
pub const MEMBERS_MAX: usize = 64;

/// How many levels of arrays and objects a member that nobody reads may have.
pub const DEPTH_MAX: u8 = 16;

/// The text is not one JSON object, has a name twice, is past a bound, or a member has a value that its reader refuses.
///
/// It does not say more: the errors of the JSON parser quote values, and the values are patients' ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Takes the members of one object.
pub trait Members<'de> {
    /// Reads the value of the member `name` from `object`: [`MapAccess::next_value_seed`] with one of the seeds below.
    ///
    /// # Errors
    ///
    /// Any error ends the reading: the whole object is [`Malformed`].
    fn member<A: MapAccess<'de>>(&mut self, name: &str, object: &mut A) -> Result<(), A::Error>;
}

/// Reads `text`, all of it, as one object and hands its members to `members` in their order.
///
/// Allocates nothing as long as no text in the object is written with an escape.
///
/// # Errors
///
/// [`Malformed`]; `members` may have seen a part of the object by then.
pub fn read<'de>(text: &'de str, members: &mut impl Members<'de>) -> Result<(), Malformed> {
    let mut json = serde_json::Deserializer::from_str(text);
    // A visitor of maps takes an object only, where a derived struct would take an array as well.
    json.deserialize_map(Object(members)).map_err(|_| Malformed)?;
    json.end().map_err(|_| Malformed)
}

/// A seed for a member that is a string: gives what the function makes of it, refuses where that is nothing.
pub struct Text<F>(pub F);

/// A seed for a member that is an array of strings: calls the function with each.
pub struct Texts<F>(pub F);

/// A seed for a member that is a string or an array of strings: calls the function with each.
pub struct TextOrTexts<F>(pub F);

/// A seed for a member that is not read: any JSON value of at most [`DEPTH_MAX`] levels.
pub struct Skipped {
    levels_left: u8,
}

impl Skipped {
    /// Nothing skipped yet.
    pub const fn new() -> Self {
        Self { levels_left: DEPTH_MAX }
    }

    fn inner<E: Error>(&self) -> Result<Self, E> {
        let deeper = self.levels_left.checked_sub(1).ok_or_else(|| E::custom("too deep"))?;
        Ok(Self { levels_left: deeper })
    }
}

impl Default for Skipped {
    fn default() -> Self {
        Self::new()
    }
}

struct Object<'r, R>(&'r mut R);

impl<'de, R: Members<'de>> Visitor<'de> for Object<'_, R> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let mut seen: [Cow<'de, str>; MEMBERS_MAX] = [const { Cow::Borrowed("") }; MEMBERS_MAX];
        let mut count = 0;
        while let Some(Name(name)) = object.next_key()? {
            if seen[..count].contains(&name) {
                return Err(A::Error::custom("a member comes twice"));
            }
            let slot = seen.get_mut(count).ok_or_else(|| A::Error::custom("too many members"))?;
            self.0.member(&name, &mut object)?;
            *slot = name;
            count += 1;
        }
        Ok(())
    }
}

/// The name of a member, escapes undone: borrowed unless there were some.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsName;
        impl<'de> Visitor<'de> for AsName {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(AsName)
    }
}

impl<'de, T, F: FnOnce(&str) -> Option<T>> DeserializeSeed<'de> for Text<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(OneText(self.0, PhantomData))
    }
}

struct OneText<F, T>(F, PhantomData<fn() -> T>);

impl<T, F: FnOnce(&str) -> Option<T>> Visitor<'_> for OneText<F, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).ok_or_else(|| E::custom("not an accepted value"))
    }
}

impl<'de, F: FnMut(&str)> DeserializeSeed<'de> for Texts<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        // `deserialize_seq` takes an array only, so that the string of the visitor never comes.
        deserializer.deserialize_seq(SomeTexts(self.0))
    }
}

impl<'de, F: FnMut(&str)> DeserializeSeed<'de> for TextOrTexts<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(SomeTexts(self.0))
    }
}

struct SomeTexts<F>(F);

impl<'de, F: FnMut(&str)> Visitor<'de> for SomeTexts<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("strings")
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        (self.0)(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        let mut each = self.0;
        let mut one = |text: &str| {
            each(text);
            Some(())
        };
        while let Some(()) = array.next_element_seed(Text(&mut one))? {}
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Skipped {
    type Value = ();

    // Not `IgnoredAny`: that one allocates for nested values, has no bound on the levels, and lets through numbers and
    // lone surrogates that other readers refuse.
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Skipped {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        while let Some(()) = array.next_element_seed(self.inner()?)? {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(()) = object.next_key_seed(self.inner()?)? {
            object.next_value_seed(self.inner()?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes every member and remembers the names.
    #[derive(Default)]
    struct Names(Vec<String>);

    impl<'de> Members<'de> for Names {
        fn member<A: MapAccess<'de>>(
            &mut self,
            name: &str,
            object: &mut A,
        ) -> Result<(), A::Error> {
            self.0.push(name.to_owned());
            object.next_value_seed(Skipped::new())
        }
    }

    fn names(text: &str) -> Result<Vec<String>, Malformed> {
        let mut names = Names::default();
        read(text, &mut names).map(|()| names.0)
    }

    #[test]
    fn an_object_gives_its_names_in_order_with_escapes_undone() {
        assert_eq!(names("{}"), Ok(vec![]));
        let text = " {\"b\": [1, {\"x\": null}], \"\\u0061\": -1.5e3, \"\": \"\\n\"}\r\n";
        assert_eq!(names(text), Ok(vec!["b".into(), "a".into(), String::new()]));
    }

    #[test]
    fn what_is_not_exactly_one_object_is_malformed() {
        for text in [
            "",
            " ",
            "null",
            "[]",
            "[1]",
            "\"a\"",
            "1",
            "{",
            "}",
            "{}{}",
            "{} x",
            "{\"a\":1,}",
            "{,}",
            "{a:1}",
            "{'a':1}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1 \"b\":2}",
            "{1:1}",
            "{null:1}",
            "\u{feff}{}",
            "{}\0",
            "{\"a\":NaN}",
            "{\"a\":Infinity}",
            "{\"a\":1e999}",
            "{\"a\":01}",
            "{\"a\":+1}",
            "{\"a\":.5}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":\"\n\"}",
            "{\"\\ud800\":1}",
            "{\"a\":\"\\x\"}",
            "/**/{}",
            "{\"a\":tru}",
        ] {
            assert_eq!(names(text), Err(Malformed), "{text:?}");
        }
    }

    #[test]
    fn no_name_comes_twice_however_it_is_spelled() {
        for text in [
            "{\"a\":1,\"a\":1}",
            "{\"a\":1,\"b\":2,\"\\u0061\":1}",
            "{\"\\u0061\":1,\"a\":1}",
            "{\"\\u00e9\":1,\"\\u00E9\":1}",
            "{\"é\":1,\"\\u00e9\":1}",
            "{\"\":1,\"\":1}",
            "{\"\\ud83d\\ude00\":1,\"😀\":1}",
        ] {
            assert_eq!(names(text), Err(Malformed), "{text}");
        }
        assert!(names("{\"a\":1,\"A\":1}").is_ok(), "names differ by letter case");
    }

    #[test]
    fn the_bounds_on_members_and_levels_are_exact() {
        let members = |count: usize| {
            let members: Vec<_> = (0..count).map(|i| format!("\"m{i}\":{i}")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert_eq!(names(&members(MEMBERS_MAX)).map(|n| n.len()), Ok(MEMBERS_MAX));
        assert_eq!(names(&members(MEMBERS_MAX + 1)), Err(Malformed));

        let levels = usize::from(DEPTH_MAX);
        for (open, close) in [("[", "]"), ("{\"x\":", "}")] {
            let nested = |n| format!("{{\"a\":{}1{}}}", open.repeat(n), close.repeat(n));
            assert!(names(&nested(levels)).is_ok());
            assert_eq!(names(&nested(levels + 1)), Err(Malformed));
            assert_eq!(names(&nested(100_000)), Err(Malformed));
        }
        assert_eq!(names(&format!("{{\"a\":{}", "[".repeat(100_000))), Err(Malformed));
    }
}
