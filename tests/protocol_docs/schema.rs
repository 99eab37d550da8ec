//! Reads `docs/protocol.schema.json` and validates values with it. Supports the part of JSON Schema
//! 2020-12 that it uses; anything else in it is an error.

use serde_json::{Map, Value};

/// A pattern of the schema as people read it, and what it means.
type Pattern = (&'static str, fn(&str) -> bool);

/// A full reader of regular expressions would be larger than all of the rest.
const PATTERNS: [Pattern; 3] = [
    ("^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$", |text| {
        is_shaped(text, "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh")
    }),
    ("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", |text| {
        is_shaped(text, "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh")
            && !text.contains(|c: char| c.is_ascii_uppercase())
    }),
    ("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$", |text| {
        is_shaped(text, "dddd-dd-ddTdd:dd:dd.dddZ")
    }),
];

/// Says something about a schema, but asks for nothing.
const ANNOTATIONS: [&str; 7] =
    ["$schema", "$id", "$defs", "$comment", "title", "description", "default"];

/// How fields that the schema does not name are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// As the schema says: there may be more.
    Allowed,
    /// As an error: what the server writes, and what the document shows, is all described.
    Refused,
}

pub struct Schema {
    root: Value,
}

impl Schema {
    pub fn read() -> Self {
        let text = super::read("docs/protocol.schema.json");
        Self { root: serde_json::from_str(&text).expect("the schema is JSON") }
    }

    /// A definition by its name.
    pub fn definition(&self, name: &str) -> &Value {
        let found = &self.root["$defs"][name];
        assert!(found.is_object(), "the schema does not define {name}");
        found
    }

    /// The definitions that one of the two lists of messages refers to.
    pub fn messages(&self, list: &str) -> Vec<&str> {
        let one_of = self.definition(list)["oneOf"].as_array().expect("a list");
        one_of.iter().map(|one| referred(one).expect("a reference")).collect()
    }

    /// The texts that an enumeration holds.
    pub fn enumeration(&self, name: &str) -> Vec<&str> {
        let values = self.definition(name)["enum"].as_array().expect("an enumeration");
        values.iter().map(|value| value.as_str().expect("a text")).collect()
    }

    /// Checks `value` against a definition; what is wrong is said with the path to it.
    pub fn check(&self, name: &str, value: &Value, unknown: Unknown) -> Result<(), String> {
        self.check_against(self.definition(name), value, unknown)
            .map_err(|what| format!("{name}{what}: {value}"))
    }

    fn check_against(&self, schema: &Value, value: &Value, unknown: Unknown) -> Result<(), String> {
        let schema = schema.as_object().expect("a schema is an object");
        for (keyword, wanted) in schema {
            match keyword.as_str() {
                "$ref" => {
                    let name = wanted.as_str().and_then(|to| to.strip_prefix("#/$defs/"));
                    self.check_against(self.definition(name.expect("ours")), value, unknown)?;
                }
                "oneOf" | "anyOf" => self.check_choice(keyword, wanted, value, unknown)?,
                "type" => check_type(wanted, value)?,
                "const" if value != wanted => return Err(format!(" is not {wanted}")),
                "enum" if !wanted.as_array().expect("a list").contains(value) => {
                    return Err(format!(" is none of {wanted}"));
                }
                "properties" | "required" => check_present(schema, value)?,
                "items" => {
                    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check_against(wanted, item, unknown)
                            .map_err(|what| format!("[{at}]{what}"))?;
                    }
                }
                "const" | "enum" => {}
                "allOf" => {
                    for one in wanted.as_array().expect("conditions") {
                        self.check_against(one, value, unknown)?;
                    }
                }
                bound => check_bound(bound, wanted, value)?,
            }
        }
        self.check_properties(schema, value, unknown)
    }

    fn check_choice(
        &self,
        keyword: &str,
        choices: &Value,
        value: &Value,
        unknown: Unknown,
    ) -> Result<(), String> {
        let choices = choices.as_array().expect("choices");
        let fits: Vec<_> =
            choices.iter().map(|one| self.check_against(one, value, unknown)).collect();
        match fits.iter().filter(|fit| fit.is_ok()).count() {
            1 => Ok(()),
            0 => Err(self.likeliest(choices, fits, value)),
            _ if keyword == "anyOf" => Ok(()),
            _ => Err(" fits more than one choice".to_owned()),
        }
    }

    /// What is wrong with the choice that was meant: the one of the message's own type.
    fn likeliest(&self, choices: &[Value], fits: Vec<Result<(), String>>, value: &Value) -> String {
        let kind = value["type"].as_str();
        let meant = choices.iter().position(|one| referred(one) == kind && kind.is_some());
        let mut problems: Vec<_> = fits.into_iter().filter_map(Result::err).collect();
        match meant {
            Some(meant) => problems.swap_remove(meant),
            None => problems.join(", or"),
        }
    }

    fn check_properties(
        &self,
        schema: &Map<String, Value>,
        value: &Value,
        unknown: Unknown,
    ) -> Result<(), String> {
        let (Some(properties), Some(object)) = (schema.get("properties"), value.as_object()) else {
            return Ok(());
        };
        // A choice within a described object names only what it is about.
        let is_whole = schema.get("type").is_some();
        for (name, member) in object {
            match properties.get(name) {
                Some(schema) => self
                    .check_against(schema, member, unknown)
                    .map_err(|what| format!(".{name}{what}"))?,
                None if unknown == Unknown::Refused && is_whole => {
                    return Err(format!(".{name} is not described"));
                }
                None => {}
            }
        }
        Ok(())
    }
}

fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/$defs/")
}

fn check_type(wanted: &Value, value: &Value) -> Result<(), String> {
    let is = |name: &Value| match name.as_str().expect("the name of a type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        other => panic!("{other} is no type"),
    };
    let fits = match wanted {
        Value::Array(names) => names.iter().any(is),
        name => is(name),
    };
    if fits { Ok(()) } else { Err(format!(" is not of type {wanted}")) }
}

fn check_present(schema: &Map<String, Value>, value: &Value) -> Result<(), String> {
    let Some(object) = value.as_object() else { return Ok(()) };
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !object.contains_key(name) {
            return Err(format!(".{name} is missing"));
        }
    }
    Ok(())
}

fn check_bound(keyword: &str, wanted: &Value, value: &Value) -> Result<(), String> {
    let bound = wanted.as_f64();
    let chars = value.as_str().map(|text| text.chars().count() as f64);
    let items = value.as_array().map(|items| items.len() as f64);
    let fits = match keyword {
        "minLength" => chars >= bound || chars.is_none(),
        "maxLength" => chars <= bound,
        "minItems" => items >= bound || items.is_none(),
        "minimum" => value.as_f64() >= bound || !value.is_number(),
        "maximum" => value.as_f64() <= bound,
        "pattern" => {
            let known = PATTERNS.iter().find(|(pattern, _)| wanted == pattern);
            let (_, matches) = known.unwrap_or_else(|| panic!("say what {wanted} means"));
            value.as_str().is_none_or(matches)
        }
        annotation if ANNOTATIONS.contains(&annotation) => true,
        other => panic!("the keyword {other} is not read here"),
    };
    if fits { Ok(()) } else { Err(format!(" is past {keyword} {wanted}")) }
}

/// `h` stands for a hexadecimal digit, `d` for a decimal one, all else for itself.
fn is_shaped(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, wanted)| match wanted {
            b'h' => byte.is_ascii_hexdigit(),
            b'd' => byte.is_ascii_digit(),
            other => byte == other,
        })
}

#[test]
fn the_reader_of_schemas_sees_what_is_wrong() {
    use serde_json::json;
    let schema = Schema::read();
    let id = "5e551011-6a3e-4c0b-9f5d-1d7c2b9e8a40";
    let good = json!({ "type": "leave-room", "sessionId": id, "userId": id, "id": 1 });
    assert_eq!(schema.check("ClientMessage", &good, Unknown::Refused), Ok(()));
    for (name, value, says) in [
        ("userId", Value::Null, ".userId is not of type"),
        ("userId", json!("5e55"), ".userId is past pattern"),
        ("type", json!("leave"), "leave-room.type is not"),
        ("id", json!(-1), "past minimum"),
        ("id", json!("x".repeat(65)), "past maxLength"),
        ("more", json!(1), ".more is not described"),
    ] {
        let mut bad = good.clone();
        bad[name] = value;
        let refused = schema.check("leave-room", &bad, Unknown::Refused);
        assert!(refused.clone().is_err_and(|what| what.contains(says)), "{refused:?}: {says}");
    }
    let open = json!({ "type": "ping", "more": [1] });
    assert_eq!(schema.check("ClientMessage", &open, Unknown::Allowed), Ok(()));
    let missing = schema.check("ServerMessage", &json!({ "type": "ack" }), Unknown::Allowed);
    assert!(missing.is_err_and(|what| what.contains(".id is missing")));
}
