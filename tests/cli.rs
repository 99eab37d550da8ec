//! The program as an operator uses it: what it prints where, and how it exits.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use autamedica_signaling::admission::{Grant, TokenFault, TokenRules, Tokens};
use autamedica_signaling::base::time::{Duration, WallTime};
use autamedica_signaling::config::SETTINGS;
use autamedica_signaling::message::{Permissions, Role, RoomType, SessionId, UserId};
use autamedica_signaling::wire::jwt::Key;

const SECRET: &str = "marker-secret-0123456789-0123456789";
const USER: &str = "6f1f0c2e-8a52-4c6e-9d1e-0b6f3a7c5d21";
const SESSION: &str = "0d5f4a3c-1b2e-4f60-8a7b-9c8d7e6f5a4b";

/// What the program left behind.
struct Outcome {
    status: i32,
    out: String,
    err: String,
}

/// Runs the program with this environment and no other.
fn run(args: &[&str], environment: &[(&str, &str)]) -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_autamedica-signaling"))
        .args(args)
        .env_clear()
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Outcome {
        status: output.status.code().expect("an exit status"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

fn file(name: &str, contents: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, contents).expect("a temporary file");
    path
}

fn now() -> WallTime {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    WallTime::from_secs(since_1970.as_secs() as i64)
}

fn check_token(token: &str, issuer: Option<&str>, now: WallTime) -> Result<Grant, TokenFault> {
    let rules = TokenRules {
        keys: vec![Key::new(SECRET.as_bytes()).expect("long enough")],
        issuer: issuer.map(str::to_owned),
        audience: issuer.map(|_| "signaling".to_owned()),
        leeway: Duration::default(),
    };
    Tokens::new(rules).check(token, now)
}

#[test]
fn an_unsafe_start_says_everything_at_once_and_exits_with_78() {
    let environment = [
        ("JWT_SECRET", "marker-secret"),
        ("CORS_ORIGIN", "*"),
        ("PORT", "99999"),
        ("ADMIN_TOKEN", "marker-token"),
        ("THREADS", "0"),
    ];
    let names = ["PORT", "BEHIND_PROXY", "JWT_SECRET", "CORS_ORIGIN", "THREADS", "ADMIN_TOKEN"];
    for args in [&[][..], &["serve"], &["check"]] {
        let outcome = run(args, &environment);
        assert_eq!((outcome.status, outcome.out.as_str()), (78, ""));
        let told: Vec<&str> =
            outcome.err.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
        assert_eq!(told, names, "{}", outcome.err);
        assert!(!outcome.err.contains("marker"), "{}", outcome.err);
    }
}

#[test]
fn a_port_in_use_is_named_and_exits_with_78() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let outcome = run(&[], &[("NODE_ENV", "development"), ("PORT", &port)]);
    assert_eq!(outcome.status, 78, "{}", outcome.err);
    let start = format!("PORT: {port} is in use by another program on 127.0.0.1. Accepted: ");
    assert!(outcome.err.starts_with(&start), "{}", outcome.err);
    // A block of addresses that is kept for documents (RFC 5737).
    let outcome = run(&[], &[("NODE_ENV", "development"), ("HOST", "192.0.2.1"), ("PORT", "0")]);
    assert_eq!(outcome.status, 78, "{}", outcome.err);
    assert!(
        outcome.err.starts_with("HOST: 192.0.2.1 is not an address of this machine"),
        "{}",
        outcome.err
    );
}

#[test]
fn an_administrators_address_that_is_taken_or_open_to_others_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let start = |address: &str| {
        run(&[], &[("NODE_ENV", "development"), ("PORT", "0"), ("ADMIN_ADDR", address)])
    };
    let outcome = start(&address);
    assert_eq!(outcome.status, 78, "{}", outcome.err);
    let said = format!("ADMIN_ADDR: {address} is in use by another program. Accepted: ");
    assert!(outcome.err.starts_with(&said), "{}", outcome.err);
    for (address, said) in [
        ("0.0.0.0:8081", "ADMIN_TOKEN: is not set while ADMIN_ADDR 0.0.0.0:8081 can be reached"),
        ("[::]:8081", "ADMIN_TOKEN: is not set while ADMIN_ADDR [::]:8081 can be reached"),
        ("8081", "ADMIN_ADDR: \"8081\" is not an IP address with a port"),
        ("localhost:8081", "ADMIN_ADDR: \"localhost:8081\" is not an IP address with a port"),
    ] {
        let outcome = start(address);
        assert_eq!(outcome.status, 78, "{}", outcome.err);
        assert!(outcome.err.starts_with(said), "{}", outcome.err);
    }
    let told = run(&["check"], &[("NODE_ENV", "development")]).out;
    assert!(told.contains("\nADMIN_ADDR=127.0.0.1:8081 ") && told.contains("\nADMIN_TOKEN= "));
    let told = run(&["check"], &[("NODE_ENV", "development"), ("ADMIN_ADDR", "OFF")]).out;
    assert!(told.contains("\nADMIN_ADDR=off "), "{told}");
}

#[test]
fn check_prints_what_would_be_used_and_who_decided_it() {
    let path = file("check.env", &format!("JWT_SECRET={SECRET}\nHEARTBEAT=7\nPORT=1\n"));
    let args = ["check", "--env-file", path.to_str().expect("UTF-8")];
    let outcome = run(&args, &[("BEHIND_PROXY", "true"), ("PORT", "2")]);
    assert_eq!((outcome.status, outcome.err.as_str()), (0, ""));
    let served: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
    let told: Vec<&str> =
        outcome.out.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    assert_eq!(told, served);
    for (start, end) in [
        ("PORT=2 ", "# environment"),
        ("HEARTBEAT=7 ", "check.env:2"),
        ("JWT_SECRET=**** ", "check.env:1"),
        ("LOG_LEVEL=info ", "# default"),
        ("LOG_FORMAT=json ", "# default"),
        ("CORS_ORIGIN= ", "no web page at all; in development every page (*)"),
    ] {
        let is_told =
            outcome.out.lines().any(|line| line.starts_with(start) && line.ends_with(end));
        assert!(is_told, "{start} .. {end}: {}", outcome.out);
    }
    assert!(!outcome.out.contains("marker"), "{}", outcome.out);
}

#[test]
fn development_starts_with_a_secret_made_up_for_the_run() {
    let outcome = run(&["check"], &[("NODE_ENV", "development")]);
    assert_eq!((outcome.status, outcome.err.as_str()), (0, ""));
    let line = outcome.out.lines().find(|line| line.starts_with("JWT_SECRET=")).expect("a line");
    assert!(
        line.starts_with("JWT_SECRET=**** ") && line.ends_with("# made up for this run"),
        "{line}"
    );
}

#[test]
fn a_secret_file_is_read_from_the_disk() {
    let path = file("secret.txt", &format!("{SECRET}\n"));
    let path = path.to_str().expect("UTF-8");
    let outcome = run(&["check"], &[("HOST", "127.0.0.1"), ("JWT_SECRET_FILE", path)]);
    assert_eq!(outcome.status, 0, "{}", outcome.err);
    assert!(
        outcome
            .out
            .lines()
            .any(|line| line.starts_with("JWT_SECRET=**** ") && line.ends_with("# file"))
    );
    for (path, said) in [
        ("/nowhere/marker", "does not exist"),
        ("/", "is a directory"),
        ("/dev/zero", "larger than"),
    ] {
        let outcome = run(&[], &[("HOST", "127.0.0.1"), ("JWT_SECRET_FILE", path)]);
        assert_eq!((outcome.status, outcome.err.lines().count()), (78, 2), "{}", outcome.err);
        assert!(
            outcome.err.starts_with("JWT_SECRET_FILE: ") && outcome.err.contains(said),
            "{}",
            outcome.err
        );
        assert!(!outcome.err.contains("marker"), "{}", outcome.err);
    }
}

#[test]
fn a_file_of_settings_that_cannot_be_read_is_the_only_problem() {
    let outcome = run(&["--env-file", "/nowhere/my.env"], &[]);
    assert_eq!(outcome.status, 78);
    assert!(
        outcome.err.starts_with("/nowhere/my.env: this file does not exist."),
        "{}",
        outcome.err
    );
    let path = file("latin1.env", "");
    fs::write(&path, b"PORT=1\nJWT_ISSUER=marker\xe9\n").expect("a temporary file");
    let outcome = run(&["check", "--env-file", path.to_str().expect("UTF-8")], &[]);
    assert_eq!(outcome.status, 78);
    assert!(outcome.err.contains("latin1.env:2: this line is not UTF-8"), "{}", outcome.err);
    assert!(!outcome.err.contains("marker"));
}

#[test]
fn a_minted_token_opens_the_door_that_it_names() {
    let args = [
        &["token", "--user", USER, "--session", SESSION, "--role", "patient", "--expires=60"][..],
        &["--permissions", "room:join,room:signal", "--room-type", "follow-up"],
    ]
    .concat();
    let environment = [
        ("JWT_SECRET", SECRET),
        ("JWT_ISSUER", "https://login.example"),
        ("JWT_AUDIENCE", "signaling"),
    ];
    let earliest = now();
    let outcome = run(&args, &environment);
    let latest = now();
    assert_eq!(outcome.status, 0, "{}", outcome.err);
    let token = outcome.out.strip_suffix('\n').expect("a line");
    let grant = check_token(token, Some("https://login.example"), latest).expect("a good token");
    assert_eq!(Some(grant.user), UserId::parse(USER));
    assert_eq!(Some(grant.session), SessionId::parse(SESSION));
    assert_eq!((grant.role, grant.room_type), (Role::Patient, Some(RoomType::FollowUp)));
    assert_eq!(grant.permissions, Permissions::JOIN.with(Permissions::SIGNAL));
    let minute = Duration::from_secs(60);
    assert!((earliest.plus(minute)..=latest.plus(minute)).contains(&grant.expires_at));
    assert_eq!(check_token(token, Some("https://else.example"), latest), Err(TokenFault::Invalid));
    assert_eq!(
        check_token(token, Some("https://login.example"), latest.plus(minute)),
        Err(TokenFault::Expired)
    );
    assert!(!outcome.err.contains("marker"));
}

#[test]
fn a_token_without_options_is_a_doctors_and_tells_its_ids_aside() {
    // Nothing but the secret is asked for: where nobody listens, nothing else can be unsafe.
    let path = file("token.env", &format!("JWT_SECRET='{SECRET}'\nPORT=99999\n"));
    let outcome = run(&["token", "--env-file", path.to_str().expect("UTF-8")], &[]);
    assert_eq!(outcome.status, 0, "{}", outcome.err);
    let grant = check_token(outcome.out.trim_end(), None, now()).expect("a good token");
    assert_eq!(
        (grant.role, grant.permissions, grant.room_type),
        (Role::Doctor, Permissions::ALL, None)
    );
    for id in [grant.user.reveal().to_string(), grant.session.reveal().to_string()] {
        assert!(outcome.err.contains(&id), "{}", outcome.err);
    }
    let other = run(&["token"], &[("JWT_SECRET", SECRET)]);
    let other = check_token(other.out.trim_end(), None, now()).expect("a good token");
    assert!(other.user != grant.user && other.session != grant.session);
}

#[test]
fn a_token_needs_a_secret_that_the_server_knows_too() {
    for environment in [&[][..], &[("NODE_ENV", "development")], &[("JWT_SECRET", "marker-short")]]
    {
        let outcome = run(&["token"], environment);
        assert_eq!((outcome.status, outcome.out.as_str()), (78, ""));
        assert!(outcome.err.starts_with("JWT_SECRET: "), "{}", outcome.err);
        assert!(!outcome.err.contains("marker"), "{}", outcome.err);
    }
}

#[test]
fn a_wrong_command_line_gets_one_line_and_64() {
    for (args, said) in [
        (&["start"][..], "serve, check, healthcheck, token"),
        (&["--port", "1"], "--port"),
        (&["--jwt-secret=marker-secret"], "--jwt-secret"),
        (&["check", "marker-secret"], "does not take"),
        (&["check", "--env-file"], "needs a value"),
        (&["check", "--env-file", "--user"], "needs a value"),
        (&["check", "--env-file=a", "--env-file=b"], "twice"),
        (&["check", "--user", USER], "--user"),
        (&["check", "--network=marker-secret"], "--network is not an option"),
        (&["check", "--network", "--network"], "--network is not an option"),
        (&["serve", "--network"], "--network"),
        (&["token", "--user", "marker-secret"], "UUID"),
        (&["token", "--session", "6f1f0c2e8a524c6e9d1e0b6f3a7c5d21"], "UUID"),
        (&["token", "--role", "nurse"], "observer"),
        (&["token", "--permissions", "room:join,room:all"], "room:*"),
        (&["token", "--room-type", "surgery"], "follow-up"),
        (&["token", "--expires", "0"], "2592000"),
        (&["token", "--expires", "2592001"], "2592000"),
        (&["version", "now"], "does not take"),
    ] {
        let outcome = run(args, &[("JWT_SECRET", SECRET)]);
        assert_eq!((outcome.status, outcome.out.as_str()), (64, ""), "{args:?}");
        assert!(
            outcome.err.lines().count() == 1 && outcome.err.contains(said),
            "{args:?}: {}",
            outcome.err
        );
        assert!(!outcome.err.contains("marker"), "{}", outcome.err);
    }
}

#[test]
fn help_and_version_need_no_configuration() {
    for args in [["help"], ["--help"], ["-h"]] {
        let outcome = run(&args, &[]);
        assert_eq!((outcome.status, outcome.err.as_str()), (0, ""));
        let is_told = |name: &str| {
            outcome.out.split_whitespace().any(|word| word.trim_end_matches(',') == name)
        };
        assert!(SETTINGS.iter().all(|setting| is_told(setting.name)), "{}", outcome.out);
    }
    assert_eq!(run(&["token", "--help"], &[]).status, 0);
    for args in [["version"], ["--version"], ["-V"]] {
        let outcome = run(&args, &[]);
        assert_eq!(outcome.status, 0);
        assert_eq!(outcome.out, format!("autamedica-signaling {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn output_that_cannot_be_written_is_no_success() {
    let Ok(full) = File::options().write(true).open("/dev/full") else { return };
    let status = Command::new(env!("CARGO_BIN_EXE_autamedica-signaling"))
        .arg("help")
        .env_clear()
        .stdout(full)
        .status()
        .expect("the program runs");
    assert_eq!(status.code(), Some(74));
}
