//! The `id` of a message that is wrong as a whole.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::problem::{Flaw, Problem};
use super::request::MessageId;
use crate::wire::json::{self, Excess, Field, present};

/// The `id` of a message whose fields cannot be told otherwise, so that its sender learns which one it was.
pub(super) fn id(text: &str, problem: Problem) -> Option<MessageId<'_>> {
    #[derive(Deserialize)]
    struct OnlyId<'a> {
        #[serde(borrow, default, deserialize_with = "present")]
        id: Field<'a>,
    }
    let Problem::BadMessage(Flaw::Repeated | Flaw::Bounds) = problem else { return None };
    if let Err(Excess::Depth { end }) = json::check_bounds(text) {
        return before(text.get(..end)?);
    }
    serde_json::from_str::<OnlyId>(text).ok()?.id.and_then(MessageId::read)
}

/// The same of a text that is cut off: there is nothing wrong with what is left of it, and the `id` is in there once.
fn before(begun: &str) -> Option<MessageId<'_>> {
    #[derive(Deserialize)]
    #[serde(field_identifier, rename_all = "camelCase")]
    enum Name {
        Id,
        #[serde(other)]
        Other,
    }
    struct Ids<'i, 'a>(&'i mut [Field<'a>; 2]);
    impl<'a> Visitor<'a> for Ids<'_, 'a> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'a>>(self, mut object: A) -> Result<(), A::Error> {
            while let Some(name) = object.next_key()? {
                match name {
                    Name::Id => *self.0 = [Some(object.next_value()?), self.0[0]],
                    Name::Other => drop(object.next_value::<IgnoredAny>()?),
                }
            }
            Ok(())
        }
    }
    let mut ids = [None; 2];
    let read = serde_json::Deserializer::from_str(begun).deserialize_map(Ids(&mut ids));
    match (read, ids) {
        (Err(error), [Some(id), None]) if error.is_eof() => MessageId::read(id),
        _ => None,
    }
}
