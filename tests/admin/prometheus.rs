//! Metrics, as Prometheus itself reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration as StdDuration, Instant};

use autamedica_signaling::base::limits::Limit;
use serde_json::{Value, json};

use crate::common::programs::{Beside, free_port, run, said};
use crate::common::{PATIENCE, couple};
use crate::support::{Managed, TOKEN};

/// Each series with its value.
fn series(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.map(|line| line.rsplit_once(' ').expect("a value"));
    pairs.map(|(name, value)| (name.to_owned(), value.parse().expect("a number"))).collect()
}

fn metrics(managed: &Managed) -> String {
    let response = managed.get("/metrics");
    assert_eq!(response.field("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    String::from_utf8(response.body).expect("text")
}

#[test]
fn promtool_has_nothing_to_say_and_no_series_names_anybody() {
    let managed = Managed::start();
    let idle = metrics(&managed);
    let (mut doctor, mut patient) = couple(&managed.server);
    for _ in 0..10 {
        let offer = doctor.offer_to(&patient.person, 1_000);
        doctor.send(&offer);
        assert_eq!(patient.receive(), offer);
    }
    doctor.send(&json!({ "type": "nonsense" }));
    doctor.expect_error("UNKNOWN_TYPE");
    let busy = metrics(&managed);
    for text in [&idle, &busy] {
        let output = run("promtool", &["check", "metrics"], text.as_bytes());
        assert!(output.status.success() && said(&output).trim().is_empty(), "{}", said(&output));
    }
    let (before, after) = (series(&idle), series(&busy));
    // The disk is looked at a moment after the start.
    let lasting = |name: &&String| !name.starts_with("signaling_audit_disk_");
    let names =
        |of: &BTreeMap<String, f64>| of.keys().filter(lasting).cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&before), names(&after), "what clients do adds no series");
    for id in [&doctor.person.user, &doctor.person.session, &patient.person.user] {
        assert!(!busy.contains(id.as_str()));
    }
    for (name, value) in [
        ("signaling_connections", 2.0),
        ("signaling_rooms{status=\"active\"}", 1.0),
        ("signaling_rooms{status=\"waiting\"}", 0.0),
        ("signaling_participants{state=\"present\"}", 2.0),
        ("signaling_messages_relayed_total", 10.0),
        ("signaling_relay_seconds_count", 10.0),
        ("signaling_relay_seconds_bucket{le=\"+Inf\"}", 10.0),
        ("signaling_join_record_seconds_count", 2.0),
        ("signaling_errors_total{code=\"UNKNOWN_TYPE\"}", 1.0),
        ("signaling_audit_available", 1.0),
        ("signaling_loop_responding{loop=\"0\"}", 1.0),
    ] {
        assert_eq!(after.get(name), Some(&value), "{name}");
    }
    for limit in Limit::ALL.iter().map(|limit| limit.name()).chain(["overrun", "starved"]) {
        assert!(after.contains_key(&format!("signaling_limit_hits_total{{limit=\"{limit}\"}}")));
    }
    let turns = after["signaling_turn_seconds_count"];
    assert!(turns >= 10.0 && turns <= after["signaling_turns_total"]);
    assert!(after["process_cpu_seconds_total"] > 0.0 && after["process_open_fds"] > 3.0);
}

#[test]
fn every_metric_stands_in_the_document() {
    let managed = Managed::start();
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    let document = std::fs::read_to_string(document).expect("the document");
    let text = metrics(&managed);
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let missing: Vec<_> = names.filter(|name| !document.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_prometheus_collects_them_with_the_token() {
    let managed = Managed::guarded();
    let _both = couple(&managed.server);
    let port = free_port();
    let config = format!(
        "global: {{ scrape_interval: 1s }}\n\
         scrape_configs:\n\
         - job_name: signaling\n  authorization: {{ credentials: \"{TOKEN}\" }}\n  \
         static_configs: [ {{ targets: [\"{}\"] }} ]\n",
        managed.admin
    );
    let listen = format!("--web.listen-address=127.0.0.1:{port}");
    let args = ["--config.file=CONFIG", "--storage.tsdb.path=FOLDER/data", &listen];
    let prometheus = Beside::start("prometheus", &args, &config, port);
    let start = Instant::now();
    loop {
        let told = query(port, "signaling_connections");
        if told["data"]["result"][0]["value"][1] == "2" {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{told}: {}", prometheus.log());
        thread::sleep(StdDuration::from_millis(100));
    }
    assert_eq!(query(port, "up")["data"]["result"][0]["value"][1], "1");
}

/// What Prometheus says of an expression.
fn query(port: u16, expression: &str) -> Value {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    let request =
        format!("GET /api/v1/query?query={expression} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    serde_json::from_str(body).unwrap_or(Value::Null)
}
