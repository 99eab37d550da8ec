//! The documentation of the settings.

use autamedica_signaling::config::{EnvFile, Reading, SETTINGS, SetBy};

use crate::given::{Given, PATH, SECRET};

#[cfg(feature = "tls")]
fn tls_pair() -> Vec<u8> {
    crate::tls::pair().into()
}

#[cfg(not(feature = "tls"))]
fn tls_pair() -> Vec<u8> {
    Vec::new()
}

/// `docs/settings.md` tells of each setting what the program does, and its examples are accepted.
#[test]
fn the_document_is_in_step_with_the_settings() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md"))
        .expect("the document");
    let (_, settings) = text.split_once("\n# The settings\n").expect("the list");
    let sections: Vec<(&str, &str)> =
        settings.split("\n## `").skip(1).filter_map(|section| section.split_once("`\n")).collect();
    let told: Vec<&str> = sections.iter().map(|(name, _)| *name).collect();
    assert_eq!(told, SETTINGS.iter().map(|setting| setting.name).collect::<Vec<_>>());

    for (setting, (name, section)) in SETTINGS.iter().zip(sections) {
        let has = |line: String| assert!(section.lines().any(|one| one == line), "{name}: {line}");
        has(format!("Default: {}", setting.default));
        has(format!("Accepted: {}", setting.accepted()));
        let example = section.split_once("```sh\n").and_then(|(_, rest)| rest.split_once("\n```"));
        let (example, _) = example.expect("an example");
        assert!(example.starts_with(name), "{example}");
        let mut given = Given::production(&[]);
        given.environment.remove(name);
        given.env_file = EnvFile::parse("example", example);
        given.file = Some(SECRET.into());
        for secret in SETTINGS.iter().filter(|setting| setting.is_secret()) {
            let file = format!("{}_FILE", secret.name);
            if let Some(path) = given.env_file.value(&file) {
                assert!(path.text.reveal().to_string_lossy().starts_with("/run/secrets/"));
                given.environment.insert(file, PATH.into());
            }
        }
        if name.starts_with("TLS_") {
            if !cfg!(feature = "tls") {
                continue;
            }
            given.file = Some(tls_pair());
            given.environment.insert("TLS_CERT".to_owned(), PATH.into());
            given.environment.insert("TLS_KEY".to_owned(), PATH.into());
        }
        let reading =
            Reading::read(&given).unwrap_or_else(|problems| panic!("{example}: {problems}"));
        assert_ne!(reading.set_by(name), &SetBy::Default, "{example}");
    }
}
