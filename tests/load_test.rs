//! The load test itself: it detects and reports all failures, and nothing else.

#[path = "../benches/load_test/mod.rs"]
mod load_test;

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use common::{SECRET, TestServer, as_fast_as_one_can, scratch};
use serde_json::Value;

/// What is said before the fault: an offer or an answer, some of the candidates.
const BEFORE_THE_FAULT: u32 = 5;

/// Runs it, and returns the exit code with what it wrote as JSON.
fn run(name: &str, more: &[&str]) -> (u8, Value) {
    let file = scratch(name).join("report.json");
    // None that depends on the machine, nor on how much is asked of it here.
    let any = ["--max-delay", "60s", "--max-cpu", "10000%", "--max-bandwidth", "1e9", "--quiet"];
    let json = ["--json", file.to_str().expect("a path")];
    let args = any.iter().chain(&json).chain(more).map(|arg| (*arg).to_owned());
    let code = load_test::run(args);
    let text = fs::read_to_string(file).expect("a report");
    (code, serde_json::from_str(&text).expect("JSON"))
}

#[test]
fn a_server_that_holds_is_good_and_everything_that_was_cut_off_resumes() {
    let html = scratch("load-test-html").join("report.html");
    let (code, report) = run(
        "load-test",
        &[
            "--server",
            env!("CARGO_BIN_EXE_autamedica-signaling"),
            "--html",
            html.to_str().expect("a path"),
            "--sessions=4",
            "--connections=20",
            "--duration=2s",
            "--rate=20",
            "--cut=50%",
            "--cut-every=700ms",
            "--away=150ms",
            "--max-memory=1e9",
        ],
    );
    assert_eq!(code, 0, "{report}");
    assert_eq!((&report["good"], &report["interrupted"]), (&true.into(), &false.into()));
    let counts = &report["counts"];
    // Forty messages of each, and the 22 of each call.
    assert_eq!(counts["sent"], 4 * (40 + 22), "{counts}");
    assert_eq!(counts["received"], counts["sent"]);
    assert_eq!(counts["calls"], 4);
    assert!(counts["cuts"].as_u64() >= Some(4), "{counts}");
    assert_eq!(counts["resumed"], counts["cuts"]);
    for none in ["lost", "duplicated", "reordered", "undone", "notResumed"] {
        assert_eq!(counts[none], 0, "{none}");
    }
    let [relay, after_cut] = ["relay", "relayAfterCut"].map(|name| &report["microseconds"][name]);
    let counted = [relay, after_cut].map(|delays| delays["count"].as_u64().expect("a number"));
    assert_eq!(counted.iter().sum::<u64>(), 4 * 40, "those of the set-ups are not measured");
    let percentiles = ["p50", "p90", "p99", "p99.9", "max"].map(|name| relay[name].as_u64());
    assert!(percentiles.is_sorted() && percentiles[0] > Some(0), "{relay}");
    assert!(report["server"]["cpuShare"].as_f64() > Some(0.0));
    assert!(report["server"]["residentBytesMax"].as_u64() > Some(1_000_000));
    assert!(report["seconds"].as_array().is_some_and(|seconds| seconds.len() >= 3));
    let measured =
        report["verdict"].as_array().expect("rows").iter().filter(|row| row["met"] == true).count();
    assert_eq!(measured, 11, "five figures, and six things that must not happen: {report}");

    let page = fs::read_to_string(html).expect("a page");
    assert!(page.contains("All thresholds were met"));
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    assert_eq!(page.matches("<svg").count(), 7, "plots");
    for outside in ["http:", "https:", "src=", "NaN", "inf"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[cfg(feature = "tls")]
#[test]
fn whole_calls_come_and_go_over_tls() {
    let pair = common::secure::Pair::new();
    let server = common::secure::start(&pair, as_fast_as_one_can);
    let url = format!("wss://localhost:{}/ws", server.address().port());
    let arguments = ["--url", &url, "--mode=calls", "--sessions=3", "--rate=10", "--duration=1s"];
    let secret = secret();
    let trusted = ["--ca", pair.cert_file.to_str().expect("a path"), "--secret-file", &secret];
    let few = ["--connections=6"];
    let (code, report) = run("load-test-tls", &[&arguments[..], &trusted, &few].concat());
    assert_eq!(code, 0, "{report}");
    assert_eq!(report["counts"]["calls"], 10);
    assert_eq!(report["microseconds"]["callSetUp"]["count"], 10);
    assert_eq!(report["server"]["cpuShare"], Value::Null, "nobody knows whose it is");
    server.wait_until_empty();

    // Who trusts others does not come in, and says so.
    let other = common::secure::Pair::new();
    let untrusted = ["--ca", other.cert_file.to_str().expect("a path"), "--secret-file", &secret];
    let (code, report) = run("load-test-untrusted", &[&arguments[..], &untrusted, &few].concat());
    assert_eq!(code, 1);
    assert!(report["errors"].to_string().contains("certificate"), "{}", report["errors"]);
}

#[test]
fn a_lost_message_is_seen() {
    check_fault(Fault::Lose, "lost", "lost");
}

#[test]
fn a_repeated_message_is_seen() {
    check_fault(Fault::Repeat, "duplicated", "duplicated");
}

#[test]
fn a_message_that_was_overtaken_is_seen() {
    check_fault(Fault::Swap, "reordered", "out of order");
}

/// With this fault on the way the verdict is bad, and the fault is counted where it belongs, once.
fn check_fault(fault: Fault, count: &str, row: &str) {
    let server = TestServer::start_with(as_fast_as_one_can);
    let url = format!("ws://{}/ws", proxy(server.address(), fault));
    let secret = secret();
    let asked = ["--url", &url, "--secret-file", &secret, "--sessions=2", "--connections=4"];
    let (code, report) =
        run("load-test-fault", &[&asked[..], &["--duration=1s", "--rate=10"]].concat());
    assert_eq!(code, 1, "{report}");
    for name in ["lost", "duplicated", "reordered"] {
        assert_eq!(report["counts"][name], u32::from(name == count), "{report}");
    }
    let rows = report["verdict"].as_array().expect("rows");
    let bad: Vec<_> = rows.iter().filter(|row| row["met"] == false).collect();
    assert!(bad.iter().any(|bad| bad["what"] == row), "{bad:?}");
}

const CHILD: &str = "LOAD_TEST_TO_BE_INTERRUPTED";

/// Run by itself: a signal is for a whole process.
#[test]
fn an_interrupt_ends_it_with_what_was_done_by_then_and_nothing_that_was_on_its_way_is_lost() {
    if let Some(report) = std::env::var_os(CHILD) {
        let report = report.into_string().expect("a path");
        let any =
            ["--max-delay=60s", "--max-cpu=10000%", "--max-bandwidth=1e9", "--max-memory=1e9"];
        let asked = ["--sessions=6", "--connections=12", "--duration=600s", "--rate=50"];
        let cuts = ["--cut=50%", "--cut-every=300ms", "--away=200ms"];
        let server = ["--server", env!("CARGO_BIN_EXE_autamedica-signaling"), "--json", &report];
        let args = any.iter().chain(&asked).chain(&cuts).chain(&server);
        assert_eq!(load_test::run(args.map(|arg| (*arg).to_owned())), 0);
        return;
    }
    let folder = scratch("load-test-interrupted");
    let (report, temporary) = (folder.join("report.json"), folder.join("tmp"));
    fs::create_dir_all(&temporary).expect("a folder");
    let name = thread::current().name().expect("of the test").to_owned();
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", &name, "--nocapture"])
        .envs([(CHILD, &report), ("TMPDIR", &temporary)])
        .stdout(Stdio::piped())
        .spawn()
        .expect("runs");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let mut said = || lines.next().expect("one more line").expect("text");
    (0..2).for_each(|_| while !said().contains(" measured ") {});
    assert!(fs::read_dir(&temporary).expect("a folder").count() > 0, "its server has a log");
    let id = Pid::from_raw(child.id() as i32).expect("a process");
    kill_process(id, Signal::INT).expect("sent");
    let rest: Vec<_> = lines.map(|line| line.expect("text")).collect();
    assert!(child.wait().expect("ends").success(), "{rest:#?}");
    assert!(rest.iter().any(|line| line.contains("interrupted")), "{rest:#?}");
    assert!(rest.contains(&"good".to_owned()), "{rest:#?}");
    assert_eq!(fs::read_dir(&temporary).expect("a folder").count(), 0, "its server has gone");
    let report: Value =
        serde_json::from_str(&fs::read_to_string(report).expect("a report")).expect("JSON");
    assert_eq!(report["interrupted"], true);
    let seconds = report["seconds"].as_array().map_or(0, Vec::len) as u64;
    let until = report["measuredSeconds"][1].as_u64();
    assert!(until < Some(seconds), "whole seconds only: {until:?} of {seconds}");
    for none in ["lost", "duplicated", "reordered", "undone", "notResumed"] {
        assert_eq!(report["counts"][none], 0, "{none}");
    }
    assert!(report["counts"]["cuts"].as_u64() > Some(0));
    assert!(report["microseconds"]["relay"]["count"].as_u64() > Some(0));
}

#[test]
fn what_cannot_be_run_says_why() {
    for arguments in [
        &[][..],
        &["--url", "http://127.0.0.1/"],
        &["--server", "/nowhere", "--url", "ws://127.0.0.1/"],
        &["--server", "/nowhere"],
        &["--server", "/nowhere", "--sessions", "none"],
        &["--server", "/nowhere", "--no-such-thing", "1"],
        // More than any system allows.
        &["--server", "/nowhere", "--sessions", "100000000"],
    ] {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned());
        assert_eq!(load_test::run(arguments.clone()), 2, "{:?}", arguments.collect::<Vec<_>>());
    }
}

/// The secret of the server under test, in a file.
fn secret() -> String {
    let file: PathBuf = scratch("load-test-secret").join("secret");
    fs::write(&file, SECRET).expect("a file");
    file.to_str().expect("a path").to_owned()
}

/// What happens to one relayed message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Lose,
    Repeat,
    /// The next one overtakes it.
    Swap,
}

/// Stands before a server, and does this to one candidate. Ends with the connections.
fn proxy(server: SocketAddr, fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let seen = Arc::new(AtomicU32::new(0));
    thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, seen) = (client.expect("a client"), Arc::clone(&seen));
            let mut server = TcpStream::connect(server).expect("the server");
            client.set_nodelay(true).expect("a socket");
            server.set_nodelay(true).expect("a socket");
            let mut from = client.try_clone().expect("a socket");
            let mut to = server.try_clone().expect("a socket");
            thread::spawn(move || {
                // Ends when either goes; the other shall hear of it.
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
            thread::spawn(move || {
                let _ = disturb(&mut server, &mut client, fault, &seen);
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    });
    address
}

/// Passes on what the server says, frame by frame.
fn disturb(
    from: &mut TcpStream,
    to: &mut TcpStream,
    fault: Fault,
    seen: &AtomicU32,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        head.extend(byte);
    }
    to.write_all(&head)?;
    let mut held = Vec::new();
    loop {
        let frame = read_frame(from)?;
        let is_candidate = String::from_utf8_lossy(&frame).contains(r#""type":"ice-candidate""#);
        let is_it = is_candidate && seen.fetch_add(1, Ordering::Relaxed) == BEFORE_THE_FAULT;
        match fault {
            Fault::Lose if is_it => {}
            Fault::Repeat if is_it => to.write_all(&frame.repeat(2))?,
            Fault::Swap if is_it => held = frame,
            _ => {
                to.write_all(&frame)?;
                if is_candidate {
                    to.write_all(&std::mem::take(&mut held))?;
                }
            }
        }
    }
}

fn read_frame(from: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut frame = vec![0; 2];
    from.read_exact(&mut frame)?;
    let mut len = usize::from(frame[1]);
    if len == 126 {
        let mut long = [0; 2];
        from.read_exact(&mut long)?;
        frame.extend(long);
        len = usize::from(u16::from_be_bytes(long));
    }
    let header = frame.len();
    frame.resize(header + len, 0);
    from.read_exact(&mut frame[header..])?;
    Ok(frame)
}
