//! A process that is killed while writing, again and again: everything that it had reported as
//! durable is in the log.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{Place, admission, admitted, assert_intact};

const CHILD: &str = "AUDIT_TEST_KILLED_FOLDER";
const FROM: &str = "AUDIT_TEST_KILLED_FROM";
const TIMES: u64 = 100;

#[test]
fn what_was_reported_durable_survives_kill_9() {
    if let Some(root) = std::env::var_os(CHILD) {
        write_for_ever(std::mem::ManuallyDrop::new(Place { root: root.into() }));
    }
    let place = Place::new("killed");
    let mut seed = u64::from(std::process::id());
    let mut reported = Vec::new();
    for time in 0..TIMES {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "kill::what_was_reported_durable_survives_kill_9", "--nocapture"])
            .env(CHILD, &place.root)
            .env(FROM, (time * 1_000_000).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("runs");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        // Some are killed while they start, before they have said a word.
        let words = (seed >> 33) % 40;
        let mut said: Vec<String> = Vec::new();
        while (said.len() as u64) < words {
            said.push(lines.next().expect("it goes on for ever").expect("text"));
        }
        std::thread::sleep(Duration::from_micros((seed >> 40) % 5_000));
        child.kill().expect("killed");
        said.extend(lines.map_while(Result::ok));
        child.wait().expect("ended");
        reported.extend(said.iter().filter_map(|line| line.parse::<u64>().ok()));
    }
    assert!(reported.len() > 100, "{} were reported", reported.len());
    let (log, _) = place.open();
    log.close();
    let report = assert_intact(&place);
    let admitted = admitted(&place);
    let found: std::collections::BTreeSet<u64> = admitted.iter().copied().collect();
    assert_eq!(found.len(), admitted.len(), "none twice");
    for number in &reported {
        assert!(found.contains(number), "{number} was reported durable and is not there");
    }
    println!("{} reported, {} found, {} segments", reported.len(), found.len(), report.segments);
}

/// Takes entries in bunches, and prints each number once it is durable.
fn write_for_ever(place: std::mem::ManuallyDrop<Place>) -> ! {
    let from: u64 = std::env::var(FROM).expect("a number").parse().expect("a number");
    let (log, _) = place.open_with(|options| options.segment_bytes_max = 20_000);
    let mut out = std::io::stdout();
    let mut number = from;
    loop {
        let first = number;
        for _ in 0..3 {
            number += 1;
            log.audit.take(admission(number)).expect("room");
        }
        let last = number - from;
        log.audit.publish();
        log.wait("the disk", |audit| audit.durable() >= last);
        for durable in first + 1..=number {
            writeln!(out, "{durable}").expect("somebody listens");
        }
        out.flush().expect("somebody listens");
    }
}
