//! Which STUN and TURN servers a participant is told of, and when credentials are renewed.

use autamedica_signaling::base::redacted::Redacted;
use autamedica_signaling::base::time::Duration;
use autamedica_signaling::engine::{IceOptions, Logins, Options};
use autamedica_signaling::wire::ice_url::IceUrl;
use autamedica_signaling::wire::turn::{Login, Minter};
use serde_json::Value;

use super::cast::START;
use super::script;
use super::stage::{Got, Stage, play_with};

const SECRET: &[u8] = b"a secret of the TURN servers, long enough";

fn with(logins: Logins) -> impl FnOnce(&mut Options) {
    let url = |text| IceUrl::parse(text).expect("an address");
    let (stun, turn) = (vec![url("stun:a")], vec![url("turn:a")]);
    |options| options.ice = IceOptions { stun, turn, logins }
}

fn minter() -> Minter {
    Minter::new(SECRET, &[7; 32]).expect("long enough")
}

fn limited(secs: u64) -> Logins {
    Logins::Limited { minter: minter(), lifetime: Duration::from_secs(secs) }
}

/// What each cue of a play brings, whatever it is: the name of each message, and for credentials when they end, in
/// seconds after the beginning.
fn run(stage: &mut Stage, play: &str) -> Vec<String> {
    let got = script::read(play).iter().flat_map(|cue| stage.improvise(cue)).collect::<Vec<_>>();
    let told = got.iter().map(|got| match got {
        Got::Heard { actor, message, .. } => {
            let kind = message["type"].as_str().unwrap_or_default();
            let ends = ends_at(message).map(|at| format!(" until {at}")).unwrap_or_default();
            format!("{actor}: {kind}{ends}")
        }
        Got::Closed { actor, code } => format!("{actor}: {code}"),
        Got::HeardTheSame { actor } | Got::Pinged { actor } | Got::Held { actor, .. } => {
            format!("{actor}: passed on")
        }
    });
    told.collect()
}

fn ends_at(message: &Value) -> Option<i64> {
    let username = message["iceServers"][1]["username"].as_str()?;
    let ends = username.split(':').next()?.parse::<i64>().ok()?;
    Some(ends - START.as_secs())
}

#[test]
fn whoever_joins_is_told_of_the_servers_and_of_what_opens_them() {
    let login = Login {
        username: Redacted::new("everybody".to_owned()),
        password: Redacted::new("word".to_owned()),
    };
    play_with(
        with(Logins::Fixed(login)),
        r#"
        at 0 doctor connects with $token
        at 0 doctor says join-room
            doctor hears room-joined {
                "iceServers": [
                    {"urls": ["stun:a"]},
                    {"urls": ["turn:a"], "username": "everybody", "credential": "word"}
                ],
                "iceTransportPolicy": "all"
            } and more
        # Nothing about them is fresh, ever.
        at 3000 doctor says refresh-token {"id": 1, "authToken": "$token(ends 7200)"}
            doctor hears ack {"id": 1}
        at 7139 time passes
        "#,
    );
    play_with(
        |options| options.relay_only = true,
        r#"
        at 0 doctor connects with $token
        at 0 doctor says join-room
            doctor hears room-joined {"iceServers": [], "iceTransportPolicy": "relay"} and more
        "#,
    );
}

#[test]
fn a_long_open_tab_always_has_credentials_that_count() {
    let mut stage = Stage::new(with(limited(1_000)));
    let told = run(
        &mut stage,
        "at 0 doctor connects with $token(ends 2500)
         at 0 doctor says join-room
         at 2439 time passes",
    );
    let expected = [
        "doctor: room-joined until 1000",
        "doctor: ice-servers until 1750",
        // The last ones are bound to the end of the token, its leeway included, and the token's own notice leads on.
        "doctor: ice-servers until 2500",
        "doctor: ice-servers until 2560",
    ];
    assert_eq!(told, expected);
    let told = run(
        &mut stage,
        r#"at 2440 time passes
           at 2445 doctor says refresh-token {"id": 1, "authToken": "$token(ends 9000)"}
           at 3194 time passes
           at 3195 time passes"#,
    );
    let expected = [
        "doctor: token-expiring",
        "doctor: ack",
        "doctor: ice-servers until 3445",
        "doctor: ice-servers until 4195",
    ];
    assert_eq!(told, expected);
}

#[test]
fn credentials_end_with_a_token_that_ends_first() {
    let mut stage = Stage::new(with(limited(3_600)));
    let told = run(
        &mut stage,
        r#"at 0 doctor connects with $token(ends 300)
           at 0 doctor says join-room
           at 239 time passes
           at 239 doctor says refresh-token {"authToken": "$token(ends 200)"}
           at 259 time passes
           at 260 time passes"#,
    );
    let expected = [
        "doctor: room-joined until 360",
        // A token that has ended by its own time counts for the leeway still.
        "doctor: ice-servers until 260",
        "doctor: token-expiring",
        "doctor: error",
        "doctor: 4401",
    ];
    assert_eq!(told, expected);
}

#[test]
fn who_comes_back_gets_fresh_ones_and_who_is_away_gets_none() {
    let mut stage = Stage::new(with(limited(100)));
    let told = run(
        &mut stage,
        r#"at 0 doctor connects with $token
           at 0 doctor says join-room
           at 50 doctor drops
           at 90 time passes
           at 100 doctor/2 connects with $token
           at 100 doctor/2 says join-room {"resume": {"received": 0}}
           at 120 doctor/3 connects with $token
           at 120 doctor/3 says join-room {"resume": {"received": 0}}
           at 194 time passes
           at 195 time passes
           at 200 doctor/3 says leave-room
           at 400 time passes"#,
    );
    let expected = [
        "doctor: room-joined until 100",
        "doctor/2: room-joined until 200",
        "doctor/2: error",
        "doctor/2: 4409",
        "doctor/3: room-joined until 220",
        "doctor/3: ice-servers until 295",
        "doctor/3: 1000",
    ];
    assert_eq!(told, expected);
}

#[test]
fn nothing_follows_an_end_of_the_session_or_a_refresh_before_joining() {
    let mut stage = Stage::new(with(limited(100)));
    let told = run(
        &mut stage,
        r#"at 0 doctor connects with $token
           at 1 doctor says refresh-token {"id": 1, "authToken": "$token"}
           at 2 doctor says join-room
           at 3 doctor says end-session
           at 400 time passes"#,
    );
    let expected =
        ["doctor: ack", "doctor: room-joined until 102", "doctor: room-status", "doctor: 4410"];
    assert_eq!(told, expected);
}

#[test]
fn every_login_is_another_one_and_names_nobody() {
    let mut stage = Stage::new(with(limited(1_000)));
    let mut seen = std::collections::BTreeSet::new();
    let play = r#"
        at 0 doctor connects with $token(ends 100000)
        at 0 doctor says join-room
        at 0 patient connects with $token(ends 100000)
        at 0 patient says join-room
        at 0 doctor@night connects with $token(ends 100000)
        at 0 doctor@night says join-room
        at 5000 time passes
        at 5000 the server stops
        at 5001 patient connects with $token(ends 100000)
        at 5001 patient says join-room
    "#;
    for cue in script::read(play) {
        for got in stage.improvise(&cue) {
            let Got::Heard { message, .. } = got else { continue };
            let server = &message["iceServers"][1];
            let Some(username) = server["username"].as_str() else { continue };
            let id = username.split(':').nth(1).expect("an opaque id").to_owned();
            assert_eq!(id.len(), 20);
            assert!(seen.insert(id), "{username} was given out twice");
        }
    }
    assert!(seen.len() > 3 * 7, "{}", seen.len());
}
