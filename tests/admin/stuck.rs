//! A disk that does not answer gives no error. All the same, operators are told that nobody is let
//! in, and nothing is lost once it answers.
//!
//! The disk is real: a named pipe in place of the list of holds lets the thread that writes the log
//! wait in the kernel until somebody opens its other end.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration as StdDuration, Instant};

use serde_json::json;

use crate::common::{Client, PATIENCE, people, scratch};
use crate::restart::start_after;
use crate::support::{ask, read_log, verify};

/// A folder for an audit log whose disk does not answer; the pipe.
fn stuck(folder: &Path) -> PathBuf {
    let path = folder.join("audit/holds");
    fs::create_dir_all(folder.join("audit")).expect("a folder");
    let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo runs");
    assert!(made.success());
    path
}

#[test]
fn while_the_disk_does_not_answer_operators_know_it_and_afterwards_all_is_there() {
    let folder = scratch("stuck");
    let pipe = stuck(&folder);
    let (mut program, admin) = start_after("ulimit -n 256", &folder);
    let get = |path: &str| ask(admin, "GET", path, "");
    let metric = |name: &str| -> f64 {
        let text = String::from_utf8(get("/metrics").body).expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.expect("a metric").parse().expect("a number")
    };
    let wait_until = |what: &str, holds: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < PATIENCE, "{what}");
            thread::sleep(StdDuration::from_millis(50));
        }
    };
    let join = |client: &mut Client| {
        client.send(&client.person.join_request());
    };
    let (doctor, patient) = people();
    let mut first = Client::connect_at(program.address, &doctor);
    join(&mut first);
    // The record waits, and operators see for how long, long before anything was written.
    wait_until("a lag", &|| metric("signaling_audit_lag_seconds") > 1.0);
    assert_eq!(first.expect("error")["code"], "AUDIT_UNAVAILABLE");

    wait_until("not ready", &|| get("/ready").status == 503);
    let ready = get("/ready");
    assert_eq!((ready.status, &ready.json()["audit"]), (503, &json!("unavailable")));
    assert_eq!(ask(program.address, "GET", "/ready", "").status, 503);
    let told = ["signaling_audit_available", "signaling_ready"].map(metric);
    assert_eq!(told, [0.0, 0.0]);
    let lag = metric("signaling_audit_lag_seconds");
    assert!(lag > 9.0, "{lag} s");
    let second = Instant::now();
    let mut refused = Client::connect_at(program.address, &patient);
    join(&mut refused);
    assert_eq!(refused.expect("error")["code"], "AUDIT_UNAVAILABLE");
    assert!(second.elapsed() < StdDuration::from_secs(8), "at once, without waiting for the disk");

    drop(OpenOptions::new().write(true).open(&pipe).expect("somebody reads"));
    fs::remove_file(&pipe).expect("removed");
    wait_until("ready again", &|| get("/ready").status == 200);
    wait_until("no lag", &|| metric("signaling_audit_lag_seconds") == 0.0);
    assert_eq!(metric("signaling_audit_available"), 1.0);
    join(&mut first);
    first.expect("room-joined");
    drop((first, refused));
    program.terminate();
    let mut log = String::new();
    program.out.read_to_string(&mut log).expect("the log");
    assert!(program.child.wait().expect("it ends").success());
    for told in ["its disk does not answer", "can be written again"] {
        assert_eq!(log.matches(told).count(), 1, "{told}: {log}");
    }
    let records = read_log(&folder);
    let refusals = |code: &str| records.iter().filter(|record| record["code"] == code).count();
    assert_eq!(refusals("AUDIT_UNAVAILABLE"), 2, "both are told of: {records:#?}");
    verify(&folder);
}

#[test]
fn a_stop_that_loses_entries_is_an_error_and_says_how_many() {
    let folder = scratch("stuck-at-the-end");
    stuck(&folder);
    let (mut program, _) = start_after("ulimit -n 256 && export DRAIN_SECONDS=1", &folder);
    let (doctor, _) = people();
    let mut client = Client::connect_at(program.address, &doctor);
    client.send(&client.person.join_request());
    program.terminate();
    let ended = program.child.wait().expect("it ends");
    assert_eq!(ended.code(), Some(74), "EX_IOERR");
    let mut log = String::new();
    program.out.read_to_string(&mut log).expect("the log");
    let told = log.lines().find(|line| line.contains("entries of the audit log are lost"));
    let digits = told.and_then(|line| line.split("stopped; ").nth(1));
    let lost = digits.and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    assert!(lost.is_some_and(|lost| lost >= 2), "{log}");
}

#[test]
fn a_receiver_of_checkpoints_that_does_not_answer_makes_no_error_of_a_stop() {
    let folder = scratch("stuck-checkpoints");
    let receiver = folder.join("receiver");
    fs::create_dir_all(&folder).expect("a folder");
    let made = Command::new("mkfifo").arg(&receiver).status().expect("mkfifo runs");
    assert!(made.success());
    let settings = format!("export AUDIT_CHECKPOINT={} DRAIN_SECONDS=1", receiver.display());
    let (mut program, _) = start_after(&settings, &folder);
    program.terminate();
    let ended = program.child.wait().expect("it ends");
    let mut log = String::new();
    program.out.read_to_string(&mut log).expect("the log");
    assert_eq!(ended.code(), Some(0), "{log}");
    assert!(
        log.contains("the last 2 checkpoints of the audit log could not be delivered"),
        "{log}"
    );
    assert!(!log.contains("lost") && !log.contains("its disk does not answer"), "{log}");
    verify(&folder);
}
