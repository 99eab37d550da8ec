//! The document's tables of fields and limits say what the schema and the settings say.

use std::path::Path;

use autamedica_signaling::config::SETTINGS;
use serde_json::Value;

use super::document::{Document, Section, quoted};
use super::schema::Schema;

const MESSAGES: [(&str, &str); 2] =
    [("Messages of the client", "ClientMessage"), ("Messages of the server", "ServerMessage")];

/// Said once for all messages.
const COMMON: [&str; 2] = ["type", "id"];

#[test]
fn every_message_has_its_section_and_every_section_its_message() {
    let (document, schema) = (Document::read(), Schema::read());
    for (heading, list) in MESSAGES {
        let told: Vec<_> = document.below(heading).flat_map(names).collect();
        assert_eq!(told, schema.messages(list), "in the order of the schema");
    }
}

#[test]
fn every_table_of_fields_is_that_of_the_schema() {
    let (document, schema) = (Document::read(), Schema::read());
    let mut tables = 0;
    for heading in [MESSAGES[0].0, MESSAGES[1].0, "Objects within messages", "The token"] {
        for section in document.below(heading) {
            for name in names(section).into_iter().filter(|_| section.has_table()) {
                check_fields(section, name, schema.definition(name));
                tables += 1;
            }
            // A message without a table has nothing but what all have, or is explained as one of the client's.
            if let [name] = names(section)[..]
                && !section.has_table()
            {
                let properties = schema.definition(name)["properties"].as_object();
                let own = properties.expect("fields").keys().any(|key| !COMMON.contains(&&**key));
                assert!(!own || heading == MESSAGES[1].0, "{name} has fields and no table");
            }
        }
    }
    assert!(tables > 20, "the tables were not found");
}

/// What a heading names: `offer` and `answer` can share one.
fn names(section: &Section) -> Vec<&str> {
    quoted(&section.heading)
}

/// Each row names a field, whether it is always there, its type, and what it means.
fn check_fields(section: &Section, name: &str, definition: &Value) {
    let properties = definition["properties"].as_object().expect("fields");
    let expected: Vec<&str> =
        properties.keys().map(String::as_str).filter(|key| !COMMON.contains(key)).collect();
    let rows = section.table();
    let mut told: Vec<&str> =
        rows.iter().map(|row| quoted(&row[0])[0]).filter(|field| !field.contains('.')).collect();
    told.sort_unstable();
    // The reader of JSON sorts the names; an `id` that a message of the server has is explained in its table.
    told.retain(|field| !COMMON.contains(field));
    assert_eq!(told, expected, "the fields of {name}");
    for row in rows {
        let field = quoted(&row[0])[0];
        let (holder, field) = match field.split_once('.') {
            Some((outer, inner)) => (&properties[outer], inner),
            None => (definition, field),
        };
        let schema = &holder["properties"][field];
        assert!(schema.is_object(), "{name} has no {field}");
        let required = holder["required"].as_array().into_iter().flatten();
        let always = required.filter_map(Value::as_str).any(|one| one == field);
        let is_told = row[1].starts_with("yes");
        assert_eq!(is_told, always, "{name}.{field}: whether it is always there");
    }
}

/// The limits stand with the setting that changes them and its default.
#[test]
fn every_limit_that_can_be_set_has_the_default_of_its_setting() {
    let document = Document::read();
    let rows = document.section("Limits").table();
    let mut found = 0;
    for row in rows {
        let (default, names) = (&row[1], quoted(&row[2]));
        for name in names {
            let setting = SETTINGS.iter().find(|setting| setting.name == name);
            let setting = setting.unwrap_or_else(|| panic!("{name} is no setting"));
            let number: String = default.chars().filter(char::is_ascii_digit).collect();
            assert_eq!(number, setting.default, "{name}: the limit {:?}", row[0]);
            found += 1;
        }
    }
    assert!(found >= 8, "the limits were not found");
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    for name in ["protocol.md", "embedding.md", "transcripts/README.md"] {
        let path = format!("docs/{name}");
        let text = super::read(&path);
        let anchors = Document::parse(&text).anchors();
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join(&path);
        let folder = here.parent().expect("a folder");
        let links = text.split("](").skip(1);
        let links = links.map(|rest| rest.split_once(')').expect("the end of a link").0);
        for link in links.filter(|link| !link.starts_with("https://")) {
            let leads = match link.strip_prefix('#') {
                Some(anchor) => anchors.iter().any(|one| one == anchor),
                None => folder.join(link).exists(),
            };
            assert!(leads, "{path}: {link}");
        }
    }
}
