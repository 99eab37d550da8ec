//! Who may read what: sealed parts, exports, and the commands.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::process::{Command, Output};

use autamedica_signaling::base::redacted::Redacted;
use autamedica_signaling::message::record::{Event, Record};
use autamedica_signaling::service::audit::checkpoint::Witness;
use autamedica_signaling::service::audit::export::verify_export;
use autamedica_signaling::service::audit::{Checkpoint, Entry};

use crate::support::{Place, admission, rotate_key, session, user, verification_key};

/// Two sessions at the same time, over two runs and a change of the key.
fn two_sessions() -> Place {
    let place = Place::in_memory("two");
    let (log, _) = place.open();
    log.write(admission(1));
    log.write(admission(2));
    let reason =
        Entry { text: Some(Redacted::new("\"no pulse \\\"now\\\"\"".into())), ..admission(1) };
    log.write(reason);
    log.close();
    rotate_key(&place);
    let (log, _) = place.open();
    log.write(admission(2));
    let record =
        Record { event: Event::ConnectionFailed { code: "ICE_FAILED" }, ..admission(1).record };
    log.write(Entry { record, ..admission(1) });
    log.write(admission(2));
    log.close();
    place
}

fn audit(place: &Place, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_autamedica-signaling"))
        .arg("audit")
        .args(args)
        .env_clear()
        .env("AUDIT_DIR", place.log())
        .env("AUDIT_KEY_FILE", place.key_file())
        .output()
        .expect("runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn id(number: u64) -> String {
    String::from_utf8_lossy(&session(number).to_text()).into_owned()
}

#[test]
fn an_export_shows_one_session_and_proves_it_alone() {
    let place = two_sessions();
    let output = place.root.join("export");
    let path = output.to_str().expect("text");
    let done = audit(&place, &["export", "--session", &id(1), "--output", path]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let exported = fs::read_to_string(&output).expect("written");
    assert!(exported.contains(&id(1)) && exported.contains("no pulse"));
    for other in [id(2), String::from_utf8_lossy(&user(2).to_text()).into_owned()] {
        assert!(!exported.contains(&other), "{other} is in it");
    }
    // Of the other session there are not even the lines with pseudonyms.
    let log = fs::read_to_string(place.segment(1)).expect("text");
    let name = log.lines().filter(|line| line.contains("admission")).nth(1).expect("of session 2");
    let name = name.split("\"session\":\"").nth(1).expect("a name").split('"').next().expect("one");
    assert!(log.contains(name) && !exported.contains(name));

    let key = verification_key(&place);
    let outcome = verify_export(exported.as_bytes(), &key);
    assert_eq!((outcome.records, outcome.faults), (3, vec![]));
    let elsewhere = Place::in_memory("elsewhere");
    elsewhere.open().0.close();
    let wrong = verify_export(exported.as_bytes(), &verification_key(&elsewhere));
    assert_eq!(wrong.faults.len(), 1);
    let verified = audit(&place, &["verify", "--export", path]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified.stdout));
    let refused = audit(&elsewhere, &["verify", "--export", path]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stdout));

    // Whatever is changed in it, or left out but for its end, is found.
    for at in 0..exported.len() {
        let mut changed = exported.clone().into_bytes();
        changed[at] ^= 1;
        let outcome = verify_export(&changed, &key);
        let name_of_log = exported[..at].ends_with("\"log\":\"")
            || at < exported.find("\"session\"").expect("one");
        assert!(!outcome.faults.is_empty() || name_of_log, "byte {at}");
    }
    let lines: Vec<&str> = exported.split_inclusive('\n').collect();
    for at in 0..lines.len() - 1 {
        let mut without = lines.clone();
        without.remove(at);
        assert!(!verify_export(without.concat().as_bytes(), &key).faults.is_empty(), "line {at}");
    }
}

#[test]
fn the_commands_tell_what_happened_and_whether_it_is_true() {
    let place = two_sessions();
    let shown = audit(&place, &["show", "--session", &id(1)]);
    let table = text(&shown.stdout);
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(
        table.contains("admission emergency=false entry=new text=\"no pulse \\\"now\\\"\""),
        "{table}"
    );
    assert!(table.contains("connection-failed") && table.contains("203.0.113.9"), "{table}");
    assert!(!table.contains(&String::from_utf8_lossy(&user(2).to_text()).into_owned()));
    let json = audit(&place, &["show", "--json", "--session", &id(2)]);
    assert_eq!(text(&json.stdout).lines().count(), 3);
    assert_eq!(audit(&place, &["show", "--session", &id(3)]).status.code(), Some(2));

    let stats = text(&audit(&place, &["stats"]).stdout);
    assert!(stats.contains("admission 5") && stats.contains("sessions          2"), "{stats}");
    assert!(stats.contains("audit key detach"), "{stats}");
    assert!(
        text(&audit(&place, &["hold", "--session", &id(1)]).stdout).contains("1 sessions are held")
    );
    let released = audit(&place, &["hold", "--release", "--session", &id(1)]);
    assert!(text(&released.stdout).contains("0 sessions are held"));

    assert_eq!(audit(&place, &["verify"]).status.code(), Some(0));
    let detached = audit(&place, &["key", "detach"]);
    let line = text(&detached.stdout);
    assert!(line.starts_with("verify "));
    assert!(!fs::read_to_string(place.key_file()).expect("text").contains(line.trim()));
    assert_eq!(audit(&place, &["key", "detach"]).status.code(), Some(2));
    assert_eq!(audit(&place, &["verify"]).status.code(), Some(2), "the key is not here");
    let key = place.root.join("verification.key");
    fs::write(&key, line).expect("written");
    let key = key.to_str().expect("text");
    assert_eq!(audit(&place, &["verify", "--key", key]).status.code(), Some(0));
    let (log, _) = place.open();
    log.write(admission(5));
    let running = audit(&place, &["verify", "--key", key]);
    assert_eq!(
        running.status.code(),
        Some(0),
        "beside a running server: {}",
        text(&running.stdout)
    );
    log.close();

    let contents = fs::read_to_string(place.segment(1)).expect("text");
    fs::write(place.segment(1), contents.replacen("false", "true ", 1)).expect("changed");
    let found = audit(&place, &["verify", "--key", key]);
    assert_eq!(found.status.code(), Some(1));
    assert!(
        text(&found.stdout).contains("fault: segment 1, line 3, record 3:"),
        "{}",
        text(&found.stdout)
    );
}

#[test]
fn checkpoints_arrive_as_syslog() {
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    udp.set_read_timeout(Some(crate::support::PATIENCE)).expect("set");
    let place = Place::in_memory("udp");
    let target = Checkpoint::Udp(udp.local_addr().expect("bound"));
    place.open_with(|options| options.checkpoint = Some(target)).0.close();
    let mut buffer = [0; 2_048];
    let mut received = Vec::new();
    for _ in 0..2 {
        let length = udp.recv(&mut buffer).expect("a datagram");
        assert!(buffer.starts_with(b"<109>1 2"), "{}", text(&buffer[..length]));
        received.extend_from_slice(&buffer[..length]);
        received.push(b'\n');
    }
    verifies(&place, &received);

    let tcp = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let place = Place::in_memory("tcp");
    let target = Checkpoint::Tcp(tcp.local_addr().expect("bound"));
    let (log, _) = place.open_with(|options| options.checkpoint = Some(target));
    let (mut connection, _) = tcp.accept().expect("it comes");
    log.close();
    let mut received = String::new();
    connection.read_to_string(&mut received).expect("text");
    let mut rest = received.as_str();
    let mut messages = String::new();
    while let Some((length, message)) = rest.split_once(' ') {
        let (message, more) = message.split_at(length.parse().expect("a length"));
        messages += &format!("{message}\n");
        rest = more;
    }
    assert_eq!(messages.lines().count(), 2);
    verifies(&place, messages.as_bytes());
}

fn verifies(place: &Place, messages: &[u8]) {
    let file = place.root.join("messages");
    fs::write(&file, messages).expect("written");
    let witnesses = Witness::all(&file, messages);
    assert_eq!(witnesses.len(), 2);
    let path = file.to_str().expect("text");
    let verified = audit(place, &["verify", "--checkpoints", path]);
    assert!(
        text(&verified.stdout).contains("2 checkpoints were compared"),
        "{}",
        text(&verified.stdout)
    );
    assert_eq!(verified.status.code(), Some(0));
    assert_eq!(crate::support::python(place, Some(&file)).0, 0);
}
