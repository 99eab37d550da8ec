//! The settings about STUN and TURN servers, alone and together.

use autamedica_signaling::base::time::Duration;
use autamedica_signaling::config::{Config, Reading};

use crate::given::{Given, PATH, SECRET};

const TURN: (&str, &str) = ("TURN_SERVER_URL", "turn:turn.example.org");

/// The names of the settings that are refused, each with what is said about it.
fn refused(values: &[(&str, &str)]) -> Vec<String> {
    let lines = Given::production(values).refused();
    assert!(lines.iter().all(|line| !line.contains("marker")), "{lines:?}");
    lines
}

#[test]
fn every_setting_arrives_in_its_field() {
    let config = Config::read(&Given::production(&[
        ("STUN_URLS", "stun:a.example, STUN:192.0.2.7:80 ,stuns:[2001:db8::7]"),
        ("TURN_SERVER_URL", "turn:a.example?transport=udp,turns:a.example:443?transport=tcp"),
        ("TURN_SECRET", SECRET),
        ("TURN_SECRET_PREVIOUS", &SECRET.repeat(2)),
        ("TURN_TTL", "600"),
        ("ICE_POLICY", "Relay"),
    ]))
    .expect("starts");
    let texts = |urls: &[_]| urls.iter().map(ToString::to_string).collect::<Vec<String>>();
    assert_eq!(
        texts(&config.stun_urls),
        ["stun:a.example", "stun:192.0.2.7:80", "stuns:[2001:db8::7]"]
    );
    let turn = ["turn:a.example?transport=udp", "turns:a.example:443?transport=tcp"];
    assert_eq!(texts(&config.turn.urls), turn);
    assert_eq!(config.turn.secret.reveal(), SECRET.as_bytes());
    assert_eq!(config.turn.secret_previous.reveal().len(), 2 * SECRET.len());
    assert_eq!((config.turn.ttl, config.relay_only), (Duration::from_secs(600), true));

    let fixed = [TURN, ("TURN_USERNAME", "clinic"), ("TURN_CREDENTIAL_FILE", PATH)];
    let given = Given { file: Some(b"word\n".to_vec()), ..Given::production(&fixed) };
    let config = Config::read(&given).expect("starts");
    assert_eq!(config.turn.username.as_deref(), Some("clinic"));
    assert_eq!(config.turn.credential.reveal(), "word");
    let plain = Config::read(&Given::production(&[])).expect("starts");
    assert!(plain.stun_urls.is_empty() && plain.turn.urls.is_empty() && !plain.relay_only);
}

#[test]
fn each_wrong_address_is_told_with_what_is_wrong_with_it() {
    for (name, value, said) in [
        ("STUN_URLS", "turn.example.org", "begins with none of"),
        ("STUN_URLS", "turn:turn.example.org", "belongs into TURN_SERVER_URL"),
        ("STUN_URLS", "stun:a,,stun:b", "nothing between two commas"),
        ("STUN_URLS", "stun:a?transport=udp", "only turn: and turns: may have"),
        ("STUN_URLS", &["stun:a"; 9].join(","), "names 9 servers"),
        ("TURN_SERVER_URL", "stun:turn.example.org", "belongs into STUN_URLS"),
        ("TURN_SERVER_URL", "turn://turn.example.org", "has // in it"),
        ("TURN_SERVER_URL", "turn:user:marker-word@turn.example.org", "settings of their own"),
        ("TURN_SERVER_URL", "turn:turn.example.org:99999", "from 1 to 65535"),
        ("TURN_SERVER_URL", "turn:turn.example.org?transport=tls", "?transport=udp or"),
        ("TURN_SERVER_URL", "turn:10.0.0.256", "names no host"),
        ("TURN_TTL", "9", "from 10 to 86400"),
        ("TURN_TTL", "1h", "plain digits"),
        ("TURN_USERNAME", &"x".repeat(509), "at most 508 bytes"),
        ("ICE_POLICY", "turn", "neither all nor relay"),
        ("ICE_POLICY", "relay", "no TURN server to relay"),
    ] {
        let lines = refused(&[(name, value)]);
        let line = &lines[0];
        assert!(lines.len() == 1 && line.starts_with(name) && line.contains(said), "{lines:?}");
    }
}

#[test]
fn credentials_are_of_one_kind_whole_and_for_a_server() {
    let (secret, user, word) =
        (("TURN_SECRET", SECRET), ("TURN_USERNAME", "clinic"), ("TURN_CREDENTIAL", "marker-word"));
    let previous = ("TURN_SECRET_PREVIOUS", SECRET);
    let short = ("TURN_SECRET", "marker-secret-of-only-31-bytes.");
    for (values, name, said) in [
        (&[TURN][..], "TURN_SERVER_URL", "without credentials"),
        (&[TURN, secret, user, word], "TURN_SECRET", "not clear which"),
        (&[TURN, secret, word], "TURN_SECRET", "not clear which"),
        (&[TURN, user], "TURN_CREDENTIAL", "alone opens nothing"),
        (&[TURN, word], "TURN_USERNAME", "alone opens nothing"),
        (&[secret], "TURN_SERVER_URL", "no effect"),
        (&[user, word], "TURN_SERVER_URL", "no effect"),
        (&[TURN, user, word, previous], "TURN_SECRET_PREVIOUS", "of none"),
        (&[TURN, short], "TURN_SECRET", "has only 31 bytes"),
        (
            &[TURN, secret, ("TURN_SECRET_PREVIOUS", "marker")],
            "TURN_SECRET_PREVIOUS",
            "only 6 bytes",
        ),
    ] {
        let lines = refused(values);
        let line = &lines[0];
        assert!(
            lines.len() == 1 && line.starts_with(&format!("{name}: ")),
            "{values:?}: {lines:?}"
        );
        assert!(line.contains(said), "{line}");
    }
}

#[test]
fn neither_check_nor_debug_shows_what_opens_a_server() {
    let values = [TURN, ("TURN_SECRET", SECRET), ("TURN_SECRET_PREVIOUS", SECRET)];
    let fixed = [TURN, ("TURN_USERNAME", "clinic"), ("TURN_CREDENTIAL", "marker-word")];
    for values in [values, fixed] {
        let reading = Reading::read(&Given::production(&values)).expect("starts");
        let shown = format!("{reading}{reading:?}");
        assert!(!shown.contains("marker"), "{shown}");
        let masked = reading.to_string().lines().filter(|line| line.contains("=****")).count();
        assert_eq!(masked, if values == fixed { 2 } else { 3 }, "{reading}");
        assert!(reading.to_string().contains("TURN_SERVER_URL=turn:turn.example.org "));
    }
}
