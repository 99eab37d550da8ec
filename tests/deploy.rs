//! What `deploy/` says about the program is true: settings, times, commands, and units that systemd
//! accepts.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::programs::{command, example, free_port, said};

const PROGRAM: &str = env!("CARGO_BIN_EXE_autamedica-signaling");

/// The values of a key of a unit, in their order.
#[cfg(feature = "tls")]
fn values(unit: &str, key: &str) -> Vec<String> {
    let value = |line: &str| line.strip_prefix(key)?.strip_prefix('=').map(str::to_owned);
    unit.lines().filter_map(value).collect()
}

#[cfg(feature = "tls")]
fn seconds(unit: &str, key: &str) -> u64 {
    let value = values(unit, key).pop().unwrap_or_else(|| panic!("{key} is set"));
    value.trim_end_matches('s').parse().expect("seconds")
}

/// `NAME=value` pairs between blanks.
fn settings(lines: &[String]) -> Vec<(String, String)> {
    let pairs = lines.iter().flat_map(|line| line.split_whitespace());
    pairs
        .map(|pair| pair.split_once('=').expect("NAME=value"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// `check` with these settings and no others, read from a file in which every name must be one that is known.
fn check(folder: &Path, settings: &[(String, String)]) -> Output {
    let lines: String = settings.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    let file = folder.join("settings");
    fs::write(&file, lines).expect("a file");
    let mut check = Command::new(PROGRAM);
    check.arg("check").arg("--env-file").arg(file).env_clear().output().expect("it runs")
}

#[test]
fn systemd_understands_the_units() {
    let folder = common::scratch("units");
    for file in ["autamedica-signaling.service", "autamedica-signaling.socket"] {
        let unit = example(file, &[]).replace("/usr/local/bin/autamedica-signaling", PROGRAM);
        fs::write(folder.join(file), unit).expect("a unit");
    }
    let units = ["autamedica-signaling.service", "autamedica-signaling.socket"];
    let mut verify = command("systemd-analyze");
    let verified = verify.args(["verify", "--man=no"]).args(units).current_dir(&folder).output();
    let verified = verified.expect("it runs");
    // It exits with 0 also where it does not know a word; then it says so, as of units of the machine that are not ours.
    let text = said(&verified);
    let ours = text.lines().find(|line| line.contains("autamedica"));
    assert!(verified.status.success() && ours.is_none(), "{text}");
}

#[cfg(feature = "tls")]
#[test]
fn the_service_starts_with_what_its_unit_says_and_has_time_to_end() {
    let service = example("autamedica-signaling.service", &[]);
    let socket = example("autamedica-signaling.socket", &[]);
    let folder = common::scratch("service");
    let pair = common::secure::Pair::new();
    fs::write(folder.join("jwt-secret"), "x".repeat(64)).expect("a secret");
    let place = |file: &Path| file.display().to_string();
    let settings: Vec<_> = settings(&values(&service, "Environment"))
        .into_iter()
        .map(|(name, value)| {
            let value = value
                .replace("%S", &place(&folder))
                .replace("%d", &place(&folder))
                .replace("/etc/autamedica-signaling/fullchain.pem", &place(&pair.cert_file))
                .replace("/etc/autamedica-signaling/privkey.pem", &place(&pair.key_file));
            (name, value)
        })
        .collect();
    let checked = check(&folder, &settings);
    assert!(checked.status.success(), "{}", said(&checked));
    let of = |wanted| settings.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    let (host, port) = (of("HOST").expect("a host"), of("PORT").expect("a port"));
    assert_eq!(values(&socket, "ListenStream"), [format!("{host}:{port}")]);

    let drain = autamedica_signaling::Config::production(*b"a secret of at least 32 bytes ...")
        .drain
        .as_secs();
    assert!(seconds(&service, "TimeoutStopSec") >= drain + 10);
    // Signs of life come twice in that time, and a disk may hold up none of them.
    assert!(seconds(&service, "WatchdogSec") >= 10);
}

#[test]
fn the_container_has_the_settings_and_the_health_check_that_its_image_names() {
    let image = example("Dockerfile", &[]);
    let lines = |word: &str| -> Vec<String> {
        image.lines().filter_map(|line| line.strip_prefix(word)).map(str::to_owned).collect()
    };
    let folder = common::scratch("image");
    let mut settings = settings(&lines("ENV "));
    settings.push(("JWT_SECRET".to_owned(), "x".repeat(64)));
    settings.push(("BEHIND_PROXY".to_owned(), "true".to_owned()));
    let checked = check(&folder, &settings);
    assert!(checked.status.success(), "{}", said(&checked));

    // The last stage is nothing but the program.
    let last = image.rsplit("FROM ").next().expect("a stage");
    assert!(last.starts_with("scratch\n") && !last.contains("\nRUN"), "{last}");
    assert!(last.contains("\nUSER 65532:65532\n"), "{last}");
    let arguments = |line: &str| -> Vec<String> {
        let list = line.find('[').map(|at| &line[at..]).expect("a list");
        serde_json::from_str(list).expect("the form that needs no shell")
    };
    let entry = lines("ENTRYPOINT ").pop().expect("an entry point");
    assert_eq!(arguments(&entry), ["/autamedica-signaling"]);
    let health = lines("HEALTHCHECK ").pop().expect("a health check");
    let health = arguments(&health);
    assert_eq!(health[0], "/autamedica-signaling");

    let admin = format!("127.0.0.1:{}", free_port());
    let _program = common::program::Program::start(100, &[("ADMIN_ADDR", &admin)]);
    let mut asked = Command::new(PROGRAM);
    asked.args(&health[1..]).env_clear().env("NODE_ENV", "development").env("ADMIN_ADDR", &admin);
    let asked = asked.output().expect("it runs");
    assert!(asked.status.success(), "{}", said(&asked));
}
