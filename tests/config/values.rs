//! Values, one by one and in combination.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use autamedica_signaling::admission::Origins;
use autamedica_signaling::base::time::Duration;
use autamedica_signaling::config::{Config, Environment, LogFormat, Reading, SetBy};

use crate::given::{Given, SECRET};

#[test]
fn production_starts_with_the_defaults_of_the_contract() {
    let config = Config::read(&Given::production(&[])).expect("starts");
    assert_eq!(config.environment, Environment::Production);
    assert_eq!((config.host.to_string().as_str(), config.port), ("0.0.0.0", 8080));
    assert_eq!((config.log_level, config.log_format), (log::LevelFilter::Info, LogFormat::Json));
    assert_eq!(config.jwt_secret.reveal(), SECRET.as_bytes());
    assert_eq!((config.jwt_issuer, config.jwt_audience), (None, None));
    assert_eq!(config.origins, Origins::Listed(vec![]));
    assert!(!config.origin_required);
    assert_eq!(config.token_leeway, Duration::from_secs(60));
    assert_eq!(
        (config.join_timeout, config.head_timeout),
        (Duration::from_secs(10), Duration::from_secs(10))
    );
    assert_eq!(config.heartbeat, Duration::from_secs(25));
    assert_eq!(config.room_participants_max, 8);
    assert_eq!((config.message_bytes_max, config.send_queue_bytes_max), (65_536, 262_144));
}

#[test]
fn development_needs_nothing_and_stays_on_this_machine() {
    let given = Given { makes_secrets: true, ..Given::new(&[("NODE_ENV", "development")]) };
    let reading = Reading::read(&given).expect("starts");
    assert!(reading.config.host.is_loopback());
    assert_eq!(reading.config.origins, Origins::Any);
    assert!(reading.config.jwt_secret.reveal().starts_with(b"made-up"));
    assert_eq!(reading.set_by("JWT_SECRET"), &SetBy::MadeUp);
    assert!(reading.to_string().contains("made up for this run"));

    let given = Given::new(&[("NODE_ENV", "development")]);
    assert!(given.refused()[0].starts_with("JWT_SECRET: is not set"), "nobody makes one up");
}

#[test]
fn a_secret_is_made_up_only_where_none_is_given_and_never_in_production() {
    let given = Given { makes_secrets: true, ..Given::production(&[("JWT_SECRET", "")]) };
    assert!(given.refused()[0].starts_with("JWT_SECRET: is not set"));
    let values = [("NODE_ENV", "development"), ("JWT_SECRET", "too short")];
    let given = Given { makes_secrets: true, ..Given::new(&values) };
    assert!(given.refused()[0].starts_with("JWT_SECRET: has only 9 bytes"));
}

#[test]
fn every_setting_arrives_in_its_field() {
    let config = Config::read(&Given::production(&[
        ("HOST", " ::1 "),
        ("PORT", "0"),
        ("LOG_LEVEL", "WARN"),
        ("LOG_FORMAT", "text"),
        ("JWT_ISSUER", "https://login.example"),
        ("JWT_AUDIENCE", "signaling"),
        ("CORS_ORIGIN", "https://a.example, https://b.example:8443"),
        ("ORIGIN_REQUIRED", "true"),
        ("BEHIND_PROXY", "false"),
        ("TOKEN_LEEWAY", "0"),
        ("JOIN_TIMEOUT", "1"),
        ("HEAD_TIMEOUT", "2"),
        ("HEARTBEAT", "3"),
        ("ROOM_PARTICIPANTS_MAX", "4"),
        ("CANDIDATE_ALLOWLIST", "198.51.100.0/24, 2001:db8::/32"),
        ("CANDIDATE_BLOCKLIST", "198.51.100.7"),
        ("CONNECTIONS_MAX", "5"),
        ("MESSAGE_BYTES_MAX", "10000"),
        ("SEND_QUEUE_BYTES_MAX", "20000"),
    ]))
    .expect("starts");
    assert_eq!((config.host.to_string().as_str(), config.port), ("::1", 0));
    assert_eq!((config.log_level, config.log_format), (log::LevelFilter::Warn, LogFormat::Text));
    assert_eq!(config.jwt_issuer.as_deref(), Some("https://login.example"));
    assert_eq!(config.jwt_audience.as_deref(), Some("signaling"));
    let origins = ["https://a.example", "https://b.example:8443"].map(str::to_owned);
    assert_eq!(config.origins, Origins::Listed(origins.to_vec()));
    assert!(config.origin_required && !config.behind_proxy);
    assert_eq!(config.token_leeway, Duration::default());
    assert_eq!(config.join_timeout, Duration::from_secs(1));
    assert_eq!(config.head_timeout, Duration::from_secs(2));
    assert_eq!(config.heartbeat, Duration::from_secs(3));
    assert_eq!((config.room_participants_max, config.connections_max), (4, 5));
    assert_eq!(config.candidate_allowlist.to_string(), "198.51.100.0/24,2001:db8::/32");
    assert_eq!(config.candidate_blocklist.to_string(), "198.51.100.7/32");
    assert_eq!((config.message_bytes_max, config.send_queue_bytes_max), (10_000, 20_000));
}

#[test]
fn each_wrong_value_is_refused_by_name_with_what_is_accepted() {
    for (name, value, said) in [
        ("NODE_ENV", "prod", "production or development"),
        ("HOST", "localhost", "127.0.0.1"),
        ("HOST", "0.0.0.0:8080", "without brackets or port"),
        ("PORT", "65536", "65535"),
        ("PORT", "http", "whole number"),
        ("PORT", "+80", "plain digits"),
        ("PORT", "\"80\"", "quotes"),
        ("LOG_LEVEL", "verbose", "debug"),
        ("LOG_FORMAT", "xml", "json or text"),
        ("JWT_SECRET", "your-medical-jwt-secret", "32"),
        ("JWT_SECRET", "marker-secret-of-only-31-bytes.", "has only 31 bytes"),
        ("JWT_SECRET", "marker-secret-0123456789-0123456789\n", "line break"),
        ("JWT_SECRET", "'marker-secret-0123456789-0123456789'", "quotes"),
        ("CORS_ORIGIN", "*", "refused in production"),
        ("CORS_ORIGIN", "https://a.example,*", "`*`"),
        ("CORS_ORIGIN", "https://a.example/", "https://doctors.example.org"),
        ("CORS_ORIGIN", "https://user:marker-secret@a.example", "no password"),
        ("ORIGIN_REQUIRED", "yes", "true or false"),
        ("BEHIND_PROXY", "1", "true or false"),
        ("BEHIND_PROXY", "false", "TLS"),
        ("TOKEN_LEEWAY", "301", "from 0 to 300"),
        ("JOIN_TIMEOUT", "0", "never means \"no limit\""),
        ("HEAD_TIMEOUT", "10s", "plain digits"),
        ("HEARTBEAT", "0", "from 1 to 3600"),
        ("HEARTBEAT", "3601", "from 1 to 3600"),
        ("ROOM_PARTICIPANTS_MAX", "1", "from 2 to 64"),
        ("CANDIDATE_ALLOWLIST", "turn.example.org", "CIDR notation"),
        ("CANDIDATE_BLOCKLIST", "10.1.2.3/8", "the range would be 10.0.0.0/8"),
        ("MESSAGE_BYTES_MAX", "64k", "whole number of bytes"),
        ("MESSAGE_BYTES_MAX", "-1", "plain digits"),
        ("CONNECTIONS_MAX", "unlimited", "from 1 to 1000000"),
        ("CONNECTIONS_MAX", "99999999999999999999999999", "too large"),
        ("SEND_QUEUE_BYTES_MAX", "131071", "at least 131072"),
    ] {
        let lines = Given::production(&[(name, value)]).refused();
        assert_eq!(lines.len(), 1, "{name}={value}: {lines:?}");
        assert!(
            lines[0].starts_with(&format!("{name}: ")) && lines[0].contains(said),
            "{value}: {}",
            lines[0]
        );
        assert!(!lines[0].contains("marker-secret"), "{}", lines[0]);
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once_in_the_order_of_the_settings() {
    let lines = Given::new(&[
        ("DRAIN_SECONDS", "0"),
        ("HEARTBEAT", "0"),
        ("CORS_ORIGIN", "*"),
        ("JWT_SECRET", "short"),
        ("PORT", "99999"),
        ("ADMIN_ADDR", "0.0.0.0:8081"),
    ])
    .refused();
    let names: Vec<&str> = lines.iter().filter_map(|line| Some(line.split_once(':')?.0)).collect();
    let expected = [
        "PORT",
        "BEHIND_PROXY",
        "JWT_SECRET",
        "CORS_ORIGIN",
        "HEARTBEAT",
        "ADMIN_TOKEN",
        "DRAIN_SECONDS",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_strange_name_is_not_ours() {
    Config::read(&Given::production(&[("PATH", "/bin"), ("JWT_SECERT", "x"), ("PORT_FILE", "x")]))
        .expect("starts");
}

#[test]
fn plain_text_to_other_machines_is_refused_in_production_only() {
    for (host, environment, starts) in [
        ("127.0.0.1", "production", true),
        ("127.9.9.9", "production", true),
        ("::1", "production", true),
        ("::ffff:127.0.0.1", "production", true),
        ("0.0.0.0", "production", false),
        ("::", "production", false),
        ("192.168.1.10", "production", false),
        ("0.0.0.0", "development", true),
    ] {
        let values = [("JWT_SECRET", SECRET), ("HOST", host), ("NODE_ENV", environment)];
        assert_eq!(Config::read(&Given::new(&values)).is_ok(), starts, "{host} in {environment}");
        let behind = [&values[..], &[("BEHIND_PROXY", "true")]].concat();
        assert!(
            Config::read(&Given::new(&behind)).is_ok(),
            "{host} in {environment} behind a proxy"
        );
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_and_not_shown() {
    for name in ["JWT_SECRET", "PORT", "JWT_ISSUER", "NODE_ENV"] {
        let mut given = Given::production(&[]);
        given.environment.insert(name.to_owned(), OsString::from_vec(b"marker\xff".repeat(10)));
        let lines = given.refused();
        assert!(
            lines.len() == 1 && lines[0].starts_with(&format!("{name}: is not UTF-8")),
            "{lines:?}"
        );
    }
}

#[test]
fn the_limit_of_open_files_decides_how_many_may_connect() {
    let given = |limit, max: &str| Given {
        open_files_max: Some(limit),
        ..Given::production(&[("CONNECTIONS_MAX", max)])
    };
    assert_eq!(Config::read(&given(20_000, "")).map(|config| config.connections_max), Ok(19_936));
    assert_eq!(
        Config::read(&given(usize::MAX, "")).map(|config| config.connections_max),
        Ok(1_000_000)
    );
    assert_eq!(Config::read(&given(1024, "960")).map(|config| config.connections_max), Ok(960));
    assert!(given(1024, "961").refused()[0].contains("at most 960"));
    assert!(given(64, "").refused()[0].starts_with("CONNECTIONS_MAX: "));
}

#[test]
fn the_log_is_for_people_on_a_terminal() {
    let terminal =
        |format| Given { on_terminal: true, ..Given::production(&[("LOG_FORMAT", format)]) };
    assert_eq!(Config::read(&terminal("")).map(|config| config.log_format), Ok(LogFormat::Text));
    assert_eq!(
        Config::read(&terminal("json")).map(|config| config.log_format),
        Ok(LogFormat::Json)
    );
}

#[test]
fn an_embedder_is_held_to_the_same_rules_without_an_environment() {
    let safe = Config { behind_proxy: true, ..Config::production(SECRET) };
    safe.validate().expect("may start");
    Config::development(SECRET).validate().expect("may start");
    let short = Config { heartbeat: Duration::from_millis(50), ..safe.clone() };
    short.validate().expect("a test may be in a hurry");

    let unsafe_ones = Config {
        origins: Origins::Any,
        room_participants_max: 0,
        join_timeout: Duration::default(),
        send_queue_bytes_max: usize::MAX,
        ..Config::production("marker-secret")
    };
    let problems = unsafe_ones.validate().expect_err("unsafe");
    for name in [
        "BEHIND_PROXY",
        "JWT_SECRET",
        "CORS_ORIGIN",
        "ROOM_PARTICIPANTS_MAX",
        "JOIN_TIMEOUT",
        "SEND_QUEUE_BYTES_MAX",
    ] {
        assert!(problems.are_about(name), "{name}: {problems}");
    }
    assert_eq!(problems.len(), 6, "{problems}");
    assert!(!format!("{problems} {problems:?} {unsafe_ones:?}").contains("marker-secret"));
}

#[test]
fn a_closure_is_a_source() {
    let read = |name: &str| match name {
        "JWT_SECRET" => Some(OsString::from(SECRET)),
        "HOST" => Some(OsString::from("127.0.0.1")),
        _ => None,
    };
    assert!(Config::read(&read).expect("starts").host.is_loopback());
}

#[test]
fn names_of_secrets_tell_them_apart() {
    let previous = ("JWT_SECRET_PREVIOUS", "another secret of at least 32 bytes");
    let named = [("JWT_KID", "b"), ("JWT_KID_PREVIOUS", "a"), previous];
    let config = Config::read(&Given::production(&named)).expect("starts");
    assert_eq!(
        (config.jwt_kid.as_deref(), config.jwt_kid_previous.as_deref()),
        (Some("b"), Some("a"))
    );
    for wrong in
        [&[("JWT_KID", "a"), ("JWT_KID_PREVIOUS", "a"), previous][..], &[("JWT_KID_PREVIOUS", "a")]]
    {
        let lines = Given::production(wrong).refused();
        assert!(lines.len() == 1 && lines[0].starts_with("JWT_KID_PREVIOUS: "), "{lines:?}");
    }
}
