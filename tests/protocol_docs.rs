//! Keeps `docs/protocol.md`, its schema and its transcripts true: each example fits the schema,
//! each transcript is what the server does, and the document names exactly the existing messages,
//! fields, errors, close codes and limits.

mod common;

#[path = "protocol_docs/cast.rs"]
mod cast;
#[path = "protocol_docs/codes.rs"]
mod codes;
#[path = "protocol_docs/document.rs"]
mod document;
#[path = "protocol_docs/examples.rs"]
mod examples;
#[path = "protocol_docs/play.rs"]
mod play;
#[path = "protocol_docs/schema.rs"]
mod schema;
#[path = "protocol_docs/tables.rs"]
mod tables;
#[path = "protocol_docs/transcript.rs"]
mod transcript;

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::thread;

use autamedica_signaling::Config;

use schema::Schema;

/// A file of the project.
fn read(path: &str) -> String {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(whole).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The configuration of development with the secret of the tests, a free port, and these settings.
fn settings(changed: &[(String, String)]) -> Config {
    let secret = String::from_utf8_lossy(common::SECRET).into_owned();
    let value = |name: &str| match name {
        "NODE_ENV" => Some(OsString::from("development")),
        "PORT" => Some(OsString::from("0")),
        "JWT_SECRET" => Some(OsString::from(&secret)),
        _ => changed.iter().find(|(given, _)| given == name).map(|(_, value)| value.into()),
    };
    let config = Config::read(&value);
    let config = config.unwrap_or_else(|problems| panic!("{changed:?}: {problems}"));
    Config { audit_log: false, ..config }
}

#[test]
fn every_transcript_is_what_the_server_does() {
    let schema = Schema::read();
    let transcripts = transcript::read_all();
    // Some wait for a limit of a second or two, so all at once.
    thread::scope(|scope| {
        for transcript in &transcripts {
            let played = || play::play(transcript, &schema);
            let spawned =
                thread::Builder::new().name(transcript.name.clone()).spawn_scoped(scope, played);
            spawned.expect("a thread");
        }
    });
}
