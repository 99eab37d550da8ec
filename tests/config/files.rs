//! Files with secrets, and files of settings.

use autamedica_signaling::base::time::Duration;
use autamedica_signaling::config::{EnvFile, Reading, SetBy};

use crate::given::{Given, PATH, SECRET};

#[test]
fn a_secret_may_come_from_a_file() {
    let given = |contents: &[u8]| Given {
        file: Some(contents.to_vec()),
        ..Given::production(&[("JWT_SECRET", ""), ("JWT_SECRET_FILE", PATH)])
    };
    for end in ["", "\n", "\r\n"] {
        let reading = Reading::read(&given(format!("{SECRET}{end}").as_bytes())).expect("starts");
        assert_eq!(reading.config.jwt_secret.reveal(), SECRET.as_bytes(), "{end:?}");
        assert_eq!(reading.set_by("JWT_SECRET"), &SetBy::File);
    }
    for (contents, name, said) in [
        (&b""[..], "JWT_SECRET_FILE", "is empty"),
        (b"\n", "JWT_SECRET_FILE", "is empty"),
        (b"\xff\xfe marker-secret-0123456789-0123456789", "JWT_SECRET_FILE", "UTF-8"),
        (b"marker-secret", "JWT_SECRET", "13 bytes"),
        (b"marker-secret-0123456789-0123456789\n\n", "JWT_SECRET", "line break"),
    ] {
        let lines = given(contents).refused();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].starts_with(&format!("{name}: ")) && lines[0].contains(said),
            "{}",
            lines[0]
        );
        assert!(!lines[0].contains("marker"), "{}", lines[0]);
    }
    let missing = Given { file: None, ..given(b"") }.refused();
    assert!(
        missing[0].starts_with("JWT_SECRET_FILE: the file that it names does not exist"),
        "{missing:?}"
    );
    // Whoever puts the secret where the path belongs must not read it back.
    assert!(!missing[0].contains(PATH));
    let both = Given::production(&[("JWT_SECRET_FILE", PATH)]).refused();
    assert!(both.len() == 1 && both[0].contains("JWT_SECRET_FILE is set as well"), "{both:?}");
}

#[test]
fn the_environment_wins_over_the_file_of_settings() {
    let text = format!(
        "export PORT=1\nHEARTBEAT=7 # often\nJWT_SECRET='{SECRET}'\nBEHIND_PROXY=true\nLOG_LEVEL=\n"
    );
    let values = [("PORT", "2"), ("HEARTBEAT", "")];
    let given = Given { env_file: EnvFile::parse("my.env", &text), ..Given::new(&values) };
    let reading = Reading::read(&given).expect("starts");
    assert_eq!(reading.set_by("PORT"), &SetBy::Environment);
    assert_eq!(reading.set_by("HEARTBEAT"), &SetBy::EnvFile("my.env:2".to_owned()));
    assert_eq!(reading.config.heartbeat, Duration::from_secs(7));
    assert!(reading.to_string().contains("# env-file my.env:2"));
}

#[test]
fn a_broken_file_of_settings_is_refused_by_line_and_shows_nothing_of_it() {
    for (text, start, said) in [
        ("\nPORT=x", "PORT (my.env:2): ", "whole number"),
        ("marker-secret", "my.env:1: ", "no `=`"),
        ("JWT_SECERT=marker-secret", "JWT_SECERT (my.env:1): ", "did you mean JWT_SECRET?"),
        ("port=1", "port (my.env:1): ", "did you mean PORT?"),
        ("DATABASE_URL=marker-secret", "DATABASE_URL (my.env:1): ", "autamedica-signaling help"),
        ("PORT_FILE=marker-secret", "PORT_FILE (my.env:1): ", "is not a setting"),
        ("MARKERSECRETMARKERSECRET=", "my.env:1: ", "not a setting"),
        ("MARKERSECRETMARKERSECRET==", "my.env:1: ", "not a setting"),
        ("marker+secret/a==", "my.env:1: ", "not a setting"),
        ("PORT=1\nPORT=2", "PORT (my.env:2): ", "after line 1"),
        ("JWT_ISSUER='marker-secret", "JWT_ISSUER (my.env:1): ", "never closes"),
        ("JWT_ISSUER=\"marker\"secret", "JWT_ISSUER (my.env:1): ", "closing quote"),
        ("HEARTBEAT = 0", "HEARTBEAT (my.env:1): ", "from 1 to 3600"),
    ] {
        let lines =
            Given { env_file: EnvFile::parse("my.env", text), ..Given::production(&[]) }.refused();
        assert_eq!(lines.len(), 1, "{text}: {lines:?}");
        assert!(lines[0].starts_with(start) && lines[0].contains(said), "{text}: {}", lines[0]);
        assert!(!lines[0].to_ascii_lowercase().contains("marker"), "{}", lines[0]);
    }
    let broken = Given {
        env_file: EnvFile::parse("my.env", "JWT_SECRET='open"),
        ..Given::new(&[("BEHIND_PROXY", "true")])
    };
    assert_eq!(broken.refused().len(), 1, "a broken line is not a missing setting as well");
}
