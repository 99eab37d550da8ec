//! How many records per second the audit log takes on this disk: one after the other, many at once,
//! with and without a sync. The floor writes and syncs as many bytes and does nothing else.

use std::fs::{self, File};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::{Duration as StdDuration, Instant};

use autamedica_signaling::base::redacted::Redacted;
use autamedica_signaling::base::time::Duration;
use autamedica_signaling::message::record::{Entry as Entering, Event, Record, Subject};
use autamedica_signaling::message::{Role, SessionId, UserId};
use autamedica_signaling::reactor::clock;
use autamedica_signaling::service::audit::{self, Audit, Entry, Options, Sync};

fn main() {
    let quick = std::env::args().any(|arg| arg == "--test");
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("audit-bench");
    let (one_by_one, many) = if quick { (10, 1_000) } else { (500, 200_000) };
    let always = run(&root, Sync::Always, one_by_one, 1);
    let floor = floor(&root, one_by_one, always.bytes_each);
    println!("{:>10.0} records/s one by one, each synced", always.rate);
    println!("{floor:>10.0} writes/s of as many bytes, each synced (floor)");
    for (sync, name) in
        [(Sync::Always, "each batch synced"), (Sync::Interval(1_000), "synced each second")]
    {
        let outcome = run(&root, sync, many, 1_000);
        println!(
            "{:>10.0} records/s, 1,000 at once, {name}: {} bytes each, {} syncs",
            outcome.rate, outcome.bytes_each, outcome.syncs
        );
    }
    let _ = fs::remove_dir_all(root);
}

struct Outcome {
    rate: f64,
    bytes_each: u64,
    syncs: u64,
}

/// Writes `count` records, with `at_once` in flight at a time.
fn run(root: &Path, sync: Sync, count: u64, at_once: u64) -> Outcome {
    let _ = fs::remove_dir_all(root);
    fs::create_dir_all(root).expect("a folder");
    let (audit, _) = audit::open(options(root, sync)).expect("opens");
    let (tell, changes) = channel();
    let tell = std::sync::Mutex::new(tell);
    audit.on_change(move || {
        let _ = tell.lock().expect("whole").send(());
    });
    let before = audit.gauges();
    let start = Instant::now();
    let mut taken = 0;
    while taken < count {
        for _ in 0..at_once.min(count - taken) {
            taken = audit.take(entry()).expect("room");
        }
        audit.publish();
        while audit.durable() < taken {
            changes.recv_timeout(StdDuration::from_secs(30)).expect("a change");
        }
    }
    let elapsed = start.elapsed();
    let syncs = audit.gauges().syncs - before.syncs;
    assert!(Audit::close(&audit, Duration::from_secs(30)));
    let bytes: u64 = (1..)
        .map(|number| root.join(format!("log/{number:08}.jsonl")))
        .map_while(|path: PathBuf| Some(fs::metadata(path).ok()?.size()))
        .sum();
    Outcome { rate: count as f64 / elapsed.as_secs_f64(), bytes_each: bytes / count, syncs }
}

fn floor(root: &Path, count: u64, bytes: u64) -> f64 {
    let mut file = File::create(root.join("floor")).expect("a file");
    let record = vec![b'x'; bytes as usize];
    let start = Instant::now();
    for _ in 0..count {
        file.write_all(&record).expect("written");
        file.sync_data().expect("synced");
    }
    count as f64 / start.elapsed().as_secs_f64()
}

fn options(root: &Path, sync: Sync) -> Options {
    Options {
        folder: root.join("log"),
        key_file: root.join("audit.key"),
        retention_days: 2_192,
        sync,
        checkpoint: None,
        segment_bytes_max: audit::SEGMENT_BYTES_MAX,
        take_over: None,
        wall_time: clock::wall_time,
        since_boot: clock::since_boot,
        entropy: clock::random_secret,
    }
}

fn entry() -> Entry {
    let subject = Subject {
        session: SessionId::parse("0d5f4a3c-1b2e-4f60-8a7b-9c8d7e6f5a4b"),
        user: UserId::parse("6f1f0c2e-8a52-4c6e-9d1e-0b6f3a7c5d21"),
        role: Some(Role::Doctor),
    };
    let event = Event::Admission { entry: Entering::New, emergency: false };
    Entry {
        time: clock::wall_time(),
        connection: 1,
        address: Some(Redacted::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)))),
        record: Record { event, subject },
        text: None,
    }
}
