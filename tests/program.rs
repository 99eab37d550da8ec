//! The program under adverse conditions: no file descriptors left, a log that nobody reads.

mod common;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration as StdDuration, Instant};

use common::program::Program;
use common::raw::upgrade_request;
use common::{Client, Raw, people, scratch};
use serde_json::Value;

/// Whether a newcomer is let in now.
fn is_upgraded(address: SocketAddr) -> bool {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.write_all(upgrade_request("").as_bytes()).expect("sent");
    let mut status = [0; 12];
    // A server without descriptors may answer and reset.
    stream.read_exact(&mut status).is_ok() && &status == b"HTTP/1.1 101"
}

#[test]
fn without_file_descriptors_calls_go_on_and_newcomers_wait_their_turn() {
    // Where addresses say nothing, those over the limit wait. Otherwise an address that crowds the server
    // would be told so before the descriptors run out.
    let mut program = Program::start(80, &[("BEHIND_PROXY", "true")]);
    let (doctor, patient) = people();
    let mut doctor = Client::join_at(program.address, &doctor);
    let mut patient = Client::join_at(program.address, &patient);
    doctor.expect("peer-joined");
    doctor.expect("room-status");
    patient.expect("room-status");

    // More than there are descriptors. Whoever is answered is told that the server is full.
    let crowd: Vec<_> = (0..150).map(|_| Raw::connect(program.address)).collect();
    for _ in 0..10 {
        let offer = doctor.offer_to(&patient.person, 5_000);
        doctor.send(&offer);
        assert_eq!(patient.receive(), offer);
    }
    let before = program.processor_time();
    thread::sleep(StdDuration::from_secs(1));
    let used = program.processor_time() - before;
    assert!(used < 20, "{used} hundredths of a second in one second of waiting");

    let told = crowd.iter().filter(|raw| raw.has_bytes()).count();
    assert!((1..10).contains(&told), "{told} were told that the server is full");
    drop(crowd);
    let start = Instant::now();
    while !is_upgraded(program.address) {
        assert!(start.elapsed() < common::PATIENCE, "there is room again");
        thread::sleep(StdDuration::from_millis(50));
    }
    drop((doctor, patient));
    program.terminate();
    let mut log = String::new();
    program.out.read_to_string(&mut log).expect("the log");
    assert!(log.contains("accepting pauses"), "{log}");
}

#[test]
fn a_log_that_nobody_reads_does_not_keep_the_program_from_ending() {
    let mut program = Program::start(1_000, &[("LOG_LEVEL", "debug"), ("LOG_FORMAT", "json")]);
    // Far more lines than the pipe and the log's own queue hold.
    for _ in 0..5_000 {
        let raw = Raw::connect(program.address);
        raw.reset();
    }
    program.terminate();
    let start = Instant::now();
    let ended = loop {
        match program.child.try_wait().expect("a child") {
            Some(ended) => break ended,
            None => thread::sleep(StdDuration::from_millis(20)),
        }
        assert!(start.elapsed() < common::PATIENCE, "it hangs");
    };
    assert!(ended.success(), "{ended}");
}

#[test]
fn what_strangers_do_does_not_fill_the_log_and_calls_are_told_of_beside_it() {
    const KNOCKS: u64 = 1_000;
    let settings =
        [("LOG_FORMAT", "json"), ("AUTH_FAILURES_MAX", "unlimited"), ("ACCEPT_RATE", "unlimited")];
    let program = Program::start(500, &settings);
    let stdout = program.out.get_ref().as_fd().try_clone_to_owned().expect("its output");
    let mut out = File::from(stdout);
    let begun = String::from_utf8_lossy(program.out.buffer()).into_owned();
    // As long as it runs, so that it never waits for us.
    let reader = thread::spawn(move || {
        let mut log = begun;
        out.read_to_string(&mut log).expect("the log");
        log
    });
    let start = Instant::now();
    let knock = upgrade_request("Authorization: Bearer no.token.atall\r\n");
    for _ in 0..KNOCKS {
        let mut raw = Raw::connect(program.address);
        raw.send(knock.as_bytes());
        assert_eq!(raw.read_status(), 401);
    }
    let (doctor, patient) = people();
    let mut first = Client::join_at(program.address, &doctor);
    let _second = Client::join_at(program.address, &patient);
    first.expect("peer-joined");
    program.terminate();
    let log = reader.join().expect("read");
    let seconds = start.elapsed().as_secs() + 1;

    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told = |message: &str| lines.iter().filter(|line| line["message"] == message).count();
    let written = (told("Authentication failed") + told("Connection refused")) as u64;
    let left_out = lines.iter().filter_map(|line| line["suppressed"].as_u64()).sum::<u64>();
    assert!((1_000..=1_000 + 20 * seconds).contains(&written), "{written} in {seconds} s");
    assert_eq!(written + left_out, 2 * KNOCKS, "each is written or counted");
    assert_eq!(told("Participant admitted"), 2);
    assert_eq!(told("Medical session started"), 1);
}

/// The program with these settings and nothing of this process, its output read by whoever asks.
fn prepare(settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_autamedica-signaling"));
    command
        .env_clear()
        .envs([("NODE_ENV", "development"), ("PORT", "0"), ("ADMIN_ADDR", "off")])
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[test]
fn a_start_that_finds_its_audit_log_taken_lets_nobody_in_before_it_says_so() {
    let audit = scratch("taken").join("audit");
    let audit = audit.to_str().expect("UTF-8");
    let first = Program::start(256, &[("AUDIT_DIR", audit)]);
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.2:0").expect("a port"));
    let places = listeners.each_ref().map(|one| one.local_addr().expect("an address"));
    drop(listeners);
    let (port, admin) = (places[0].port().to_string(), places[1].to_string());
    // Another address than that from which connections are made: none of them can be one to itself.
    let settings = [
        ("HOST", "127.0.0.2"),
        ("PORT", port.as_str()),
        ("ADMIN_ADDR", &admin),
        ("AUDIT_DIR", audit),
    ];
    for _ in 0..3 {
        let mut second = prepare(&settings).spawn().expect("the program starts");
        // All the time, on both ports.
        let knocks = places.map(|place| {
            let over = Arc::new(AtomicBool::new(false));
            let seen = Arc::clone(&over);
            let knock = thread::spawn(move || {
                let mut let_in = 0;
                while !seen.load(Ordering::Relaxed) {
                    let_in += u32::from(TcpStream::connect(place).is_ok());
                }
                let_in
            });
            (over, knock)
        });
        let status = second.wait().expect("it ends");
        for (over, knock) in knocks {
            over.store(true, Ordering::Relaxed);
            assert_eq!(knock.join().expect("an end"), 0, "a port was open");
        }
        let mut said = String::new();
        let mut err = second.stderr.take().expect("standard error");
        err.read_to_string(&mut said).expect("what it said");
        assert_eq!(status.code(), Some(78), "{said}");
        assert!(said.starts_with("AUDIT_DIR: "), "{said}");
    }
    drop(first);
    // Nothing stands in the way of a start that finds it free.
    let free = Program::start(256, &settings);
    assert_eq!(free.address, places[0]);
    TcpStream::connect(places[1]).expect("the administrator's listener");
}

#[test]
fn whoever_reads_json_lines_finds_nothing_else_and_the_addresses_among_them() {
    for level in ["info", "error"] {
        let audit = scratch("json").join("audit");
        let settings = [
            ("LOG_FORMAT", "json"),
            ("LOG_LEVEL", level),
            ("ADMIN_ADDR", "127.0.0.1:0"),
            ("AUDIT_DIR", audit.to_str().expect("UTF-8")),
        ];
        let mut child = prepare(&settings).spawn().expect("the program starts");
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        let mut urls = Vec::new();
        let mut log = String::new();
        while urls.len() < 2 {
            let begin = log.len();
            assert!(out.read_line(&mut log).expect("a line") > 0, "it has ended: {log}");
            let line: Value = serde_json::from_str(&log[begin..]).expect("JSON");
            urls.extend(line["url"].as_str().map(str::to_owned));
        }
        for url in &urls {
            let place = url.strip_prefix("http://").and_then(|url| url.strip_suffix('/'));
            TcpStream::connect(place.expect("an address")).expect("somebody listens there");
        }
        let ended = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        assert!(ended.expect("kill runs").success());
        out.read_to_string(&mut log).expect("the log");
        let mut err = String::new();
        child.stderr.take().expect("standard error").read_to_string(&mut err).expect("text");
        assert!(child.wait().expect("it ends").success());
        for line in log.lines() {
            let line: Value = serde_json::from_str(line).expect("JSON");
            assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
            assert!(line["message"].is_string(), "{line}");
        }
        assert_eq!(err, "");
    }
}
