//! The credentials that a client presents apart from any message: `{"token", "sessionId"}`.

use std::borrow::Cow;

use serde::Deserialize;

use super::SessionId;
use super::problem::{Flaw, Problem};
use crate::wire::json::{self, Excess, Field, present};

/// A token, and the session that it is presented for.
#[derive(Debug, Default)]
pub struct Credentials<'a> {
    /// The token.
    pub token: Option<Cow<'a, str>>,
    /// The session.
    pub session: Option<SessionId>,
}

impl<'a> Credentials<'a> {
    /// Reads a JSON object. An empty text, or `null`, presents nothing.
    ///
    /// # Errors
    /// If it is not such an object.
    pub fn read(text: &'a str) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields<'a> {
            #[serde(borrow, default, deserialize_with = "present")]
            token: Field<'a>,
            #[serde(borrow, default, deserialize_with = "present")]
            session_id: Field<'a>,
        }
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        if text.is_empty() || text == "null" {
            return Ok(Self::default());
        }
        // serde would also read a struct from an array, by position.
        if !text.starts_with('{') {
            return Err(Flaw::NotAnObject.into());
        }
        let bounds = json::check_bounds(text);
        if matches!(bounds, Err(Excess::Depth { .. })) {
            return Err(Flaw::Bounds.into());
        }
        let fields: Fields<'a> = serde_json::from_str(text).map_err(|_| Problem::BadJson)?;
        bounds.map_err(|_| Flaw::Bounds)?;
        let said = |field: Field<'a>| field.filter(|raw| raw.get() != "null");
        let token = said(fields.token)
            .map(|raw| json::string(raw).ok_or(Flaw::Wrong("token")))
            .transpose()?;
        let session = said(fields.session_id)
            .map(|raw| {
                let id = json::string(raw).and_then(|id| SessionId::parse(&id));
                id.ok_or(Flaw::Wrong("sessionId"))
            })
            .transpose()?;
        Ok(Self { token, session })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_and_nothing_else_is_taken_for_it() {
        let id = "6f1f0c2e-0000-4000-8000-000000000001";
        let text = format!(r#" {{"token":"a.b.c","sessionId":"{id}","other":[{{}}]}}"#);
        let shown = Credentials::read(&text).expect("credentials");
        assert_eq!(shown.token.as_deref(), Some("a.b.c"));
        assert_eq!(shown.session, SessionId::parse(id));
        for text in ["", "null", "{}", r#"{"token":null,"sessionId":null}"#] {
            let shown = Credentials::read(text).expect("nothing is shown");
            assert!(shown.token.is_none() && shown.session.is_none(), "{text}");
        }
        for (text, problem) in [
            ("[]", Flaw::NotAnObject.into()),
            (r#"["a.b.c"]"#, Flaw::NotAnObject.into()),
            ("\"a.b.c\"", Flaw::NotAnObject.into()),
            ("{", Problem::BadJson),
            (&format!("{{\"x\":{}", "[".repeat(15)), Problem::BadJson),
            (&format!("{{\"x\":{}", "[".repeat(16)), Flaw::Bounds.into()),
            (r#"{"token":"a","token":"b"}"#, Problem::BadJson),
            (r#"{"token":7}"#, Flaw::Wrong("token").into()),
            (r#"{"sessionId":"x"}"#, Flaw::Wrong("sessionId").into()),
        ] {
            assert_eq!(Credentials::read(text).err(), Some(problem), "{text}");
        }
    }
}
