//! Another configuration while people are in calls: a valid one takes effect at once, and nothing
//! of an invalid one does.

mod common;

use std::fs;
use std::io::BufRead;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use autamedica_signaling::admission::mint::{Ticket, mint};
use autamedica_signaling::base::time::Duration;
use autamedica_signaling::message::{Role, SessionId, UserId};
use autamedica_signaling::reactor::clock;
use autamedica_signaling::wire::jwt::Key;

use common::program::Program;
use common::raw::upgrade_request;
use common::{Client, PATIENCE, Person, Raw, people, scratch};

const OTHER_SECRET: &str = "another secret that only the tests know";

/// The program with a file of settings that can be changed.
struct Running {
    program: Program,
    file: PathBuf,
}

impl Running {
    fn start(settings: &str) -> Self {
        let file = scratch("reload").join("server.env");
        fs::write(&file, settings).expect("written");
        let before = format!("set -- --env-file {}", file.display());
        let environment = [("JWT_SECRET", ""), ("LOG_FORMAT", "json"), ("THREADS", "2")];
        Self { program: Program::start_with_args(&before, &environment), file }
    }

    /// Writes other settings, and the same.
    fn reload(&mut self, settings: &str) -> String {
        fs::write(&self.file, settings).expect("written");
        self.hang_up()
    }

    /// Sends SIGHUP, and returns the log up to the line that ends it.
    fn hang_up(&mut self) -> String {
        let id = self.program.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &id]).status().expect("kill runs").success());
        let mut log = String::new();
        loop {
            let mut line = String::new();
            assert!(self.program.out.read_line(&mut line).expect("a line") > 0, "it has ended");
            log.push_str(&line);
            if line.contains("\"reloaded\"") || line.contains("nothing was reloaded") {
                return log;
            }
        }
    }

    /// What a client with this token and origin is told, once it is this.
    fn expect(&self, status: u16, token: &str, origin: &str) {
        let begun = Instant::now();
        loop {
            let mut raw = Raw::connect(self.program.address);
            let fields = format!("Authorization: Bearer {token}\r\nOrigin: {origin}\r\n");
            raw.send(upgrade_request(&fields).as_bytes());
            let told = raw.read_status();
            if told == status {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{told}, not {status}");
        }
    }
}

fn settings(secret: &str, rest: &str) -> String {
    format!("JWT_SECRET=\"{secret}\"\nCORS_ORIGIN=https://one.example\n{rest}")
}

fn token(person: &Person, secret: &str) -> String {
    let ticket = Ticket {
        user: UserId::new(person.user.parse().expect("a UUID")),
        role: Role::Doctor,
        session: SessionId::new(person.session.parse().expect("a UUID")),
        permissions: &["room:*"],
        room_type: None,
        issued_at: clock::wall_time(),
        lifetime: Duration::from_secs(600),
        issuer: None,
        audience: None,
        id: None,
    };
    mint(&Key::new(secret.as_bytes()).expect("long enough"), &ticket)
}

#[test]
fn secrets_origins_and_addresses_change_without_anybody_noticing_who_is_inside() {
    let secret = std::str::from_utf8(common::SECRET).expect("text");
    let mut running = Running::start(&settings(secret, ""));
    let (doctor, patient) = people();
    let mut doctor = Client::join_at(running.program.address, &doctor);
    let mut patient = Client::join_at(running.program.address, &patient);
    let (one, other) = ("https://one.example", "https://two.example");
    let somebody = people().0;
    let [old, new] = [secret, OTHER_SECRET].map(|secret| token(&somebody, secret));
    running.expect(101, &old, one);
    running.expect(401, &new, one);
    running.expect(403, &old, other);

    let rest = format!("JWT_SECRET_PREVIOUS=\"{secret}\"\nRECONNECT_GRACE=30\n");
    let both = settings(OTHER_SECRET, &rest).replace("one.example", "two.example");
    let log = running.reload(&both);
    assert!(log.contains("CORS_ORIGIN") && log.contains("https://two.example"), "{log}");
    assert!(log.contains("JWT_SECRET: ") && !log.contains(secret), "{log}");
    assert!(log.contains("RECONNECT_GRACE") && log.contains("with the next start"), "{log}");
    running.expect(101, &new, other);
    running.expect(101, &old, other);
    running.expect(403, &new, one);

    let log = running.reload(&settings(OTHER_SECRET, "IP_ALLOWLIST=192.0.2.0/24\n"));
    assert!(log.contains("IP_ALLOWLIST"), "{log}");
    running.expect(403, &new, one);
    running.reload(&settings(OTHER_SECRET, ""));
    running.expect(401, &old, one);
    running.expect(101, &new, one);

    // Nobody inside has noticed.
    let offer = doctor.offer_to(&patient.person, 600);
    doctor.send(&offer);
    loop {
        let message = patient.receive();
        if message["type"] == "offer" {
            assert_eq!(message, offer);
            break;
        }
    }
}

#[test]
fn where_anything_is_wrong_nothing_changes() {
    let secret = std::str::from_utf8(common::SECRET).expect("text");
    let mut running = Running::start(&settings(secret, ""));
    let old = token(&people().0, secret);
    for wrong in [
        settings("short", "IP_ALLOWLIST=192.0.2.0/24\n"),
        settings(OTHER_SECRET, "HEARTBEAT=0\n"),
        settings(OTHER_SECRET, "NO_SUCH_SETTING=1\n"),
    ] {
        let log = running.reload(&wrong);
        assert!(log.contains("nothing was reloaded"), "{log}");
        assert!(!log.contains(OTHER_SECRET), "{log}");
        running.expect(101, &old, "https://one.example");
    }
    fs::remove_file(&running.file).expect("removed");
    assert!(running.hang_up().contains("nothing was reloaded"));
    running.expect(101, &old, "https://one.example");
}
