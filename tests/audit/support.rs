//! A log in a folder of its own, and entries for it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration as StdDuration;

use autamedica_signaling::base::redacted::Redacted;
use autamedica_signaling::base::time::{Duration, WallTime};
use autamedica_signaling::message::record::{Entry as Entering, Event, Record, Subject};
use autamedica_signaling::message::{Role, SessionId, UserId};
use autamedica_signaling::reactor::clock;
use autamedica_signaling::service::audit::history;
use autamedica_signaling::service::audit::report::Report;
use autamedica_signaling::service::audit::verify::verify;
use autamedica_signaling::service::audit::{
    self, Audit, Entry, EpochKey, Keys, Options, Restored, Sync,
};

/// How long a test waits for what must come, before it fails.
pub const PATIENCE: StdDuration = StdDuration::from_secs(30);

/// A folder that is removed when it is dropped, with the log in `log` and its keys in `audit.key`.
pub struct Place {
    pub root: PathBuf,
}

impl Place {
    pub fn new(name: &str) -> Self {
        Self::under(Path::new(env!("CARGO_TARGET_TMPDIR")), name)
    }

    /// In memory where there is such a file system: for what does not depend on a disk and happens often.
    pub fn in_memory(name: &str) -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { Self::under(memory, name) } else { Self::new(name) }
    }

    fn under(folder: &Path, name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let root = folder.join(format!("audit-{name}-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).expect("a folder");
        Self { root }
    }

    pub fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    pub fn key_file(&self) -> PathBuf {
        self.root.join("audit.key")
    }

    pub fn options(&self) -> Options {
        Options {
            folder: self.log(),
            key_file: self.key_file(),
            retention_days: 2192,
            sync: Sync::Always,
            checkpoint: None,
            segment_bytes_max: audit::SEGMENT_BYTES_MAX,
            take_over: None,
            wall_time: clock::wall_time,
            since_boot: clock::since_boot,
            entropy: clock::random_secret,
        }
    }

    pub fn open(&self) -> (Log, Restored) {
        self.open_with(|_| {})
    }

    pub fn open_with(&self, change: impl FnOnce(&mut Options)) -> (Log, Restored) {
        let mut options = self.options();
        change(&mut options);
        let (audit, restored) = audit::open(options).expect("opens");
        (Log::new(audit), restored)
    }

    pub fn segment(&self, number: u64) -> PathBuf {
        self.log().join(format!("{number:08}.jsonl"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// An open log, and its changes as they come.
pub struct Log {
    pub audit: Audit,
    changes: Receiver<()>,
}

impl Log {
    pub fn new(audit: Audit) -> Self {
        let (tell, changes) = channel();
        let tell = std::sync::Mutex::new(tell);
        audit.on_change(move || {
            let _ = tell.lock().expect("whole").send(());
        });
        Self { audit, changes }
    }

    /// Waits until `reached`, for as long as there are changes.
    pub fn wait(&self, what: &str, reached: impl Fn(&Audit) -> bool) {
        while !reached(&self.audit) {
            self.changes.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("waiting for {what}"));
        }
    }

    pub fn take(&self, entry: Entry) -> u64 {
        let number = self.audit.take(entry).expect("room");
        self.audit.publish();
        number
    }

    /// Writes an entry and waits for the disk.
    pub fn write(&self, entry: Entry) -> u64 {
        let number = self.take(entry);
        self.wait("the disk", |audit| audit.durable() >= number);
        number
    }

    pub fn close(self) {
        assert!(self.audit.close(Duration::from_secs(30)), "the writer ends");
    }
}

pub fn session(number: u64) -> SessionId {
    SessionId::parse(&format!("5e551000-0000-4000-8000-{number:012x}")).expect("an id")
}

pub fn user(number: u64) -> UserId {
    UserId::parse(&format!("05e50000-0000-4000-8000-{number:012x}")).expect("an id")
}

pub fn entry(event: Event, subject: Subject) -> Entry {
    Entry {
        time: clock::wall_time(),
        connection: 7,
        address: Some(Redacted::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)))),
        record: Record { event, subject },
        text: None,
    }
}

/// A doctor enters session `number`.
pub fn admission(number: u64) -> Entry {
    let subject = Subject {
        session: Some(session(number)),
        user: Some(user(number)),
        role: Some(Role::Doctor),
    };
    entry(Event::Admission { entry: Entering::New, emergency: false }, subject)
}

/// The session `number` is over, until `until`.
pub fn ending(number: u64, until: WallTime) -> Entry {
    use autamedica_signaling::message::RoomType;
    use autamedica_signaling::message::notice::RoomStatus;
    let subject = Subject { session: Some(session(number)), user: None, role: None };
    let event = Event::RoomStatus {
        status: RoomStatus::Ended,
        room_type: RoomType::Consultation,
        doctor: None,
        patient: None,
        closed_until: Some(until),
    };
    entry(event, subject)
}

/// The verification key of the log.
pub fn verification_key(place: &Place) -> EpochKey {
    let keys = Keys::read_anywhere(&place.key_file()).expect("keys");
    keys.verification.expect("still here")
}

/// What the verifier says of the log.
pub fn verified(place: &Place) -> Report {
    verify(&place.log(), &verification_key(place), &[]).expect("can be read")
}

/// Says that nothing is wrong, or what is.
pub fn assert_intact(place: &Place) -> Report {
    let report = verified(place);
    assert!(report.is_intact(), "{:#?}", report.faults);
    report
}

/// The numbers of the sessions into which somebody was admitted, as the log tells it.
pub fn admitted(place: &Place) -> Vec<u64> {
    let keys = Keys::read_anywhere(&place.key_file()).expect("keys");
    let mut sessions = Vec::new();
    history::read(&place.log(), &keys, |record| {
        if record.event == "admission" {
            let session = record.member("session").expect("opened");
            let digits = session.rsplit('-').next().expect("digits");
            sessions.push(u64::from_str_radix(digits, 16).expect("a number"));
        }
    })
    .expect("can be read");
    sessions
}

/// Adds an encryption key, as `audit key rotate` does.
pub fn rotate_key(place: &Place) {
    let mut keys = Keys::read(&place.key_file()).expect("keys");
    keys.add_encryption(clock::random_secret());
    keys.replace(&place.key_file()).expect("written");
}

/// Runs the independent verifier; its exit status, and what it said.
pub fn python(place: &Place, checkpoints: Option<&Path>) -> (i32, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify_audit.py");
    let output = Command::new("python3")
        .arg(script)
        .args([place.log(), place.key_file()])
        .args(checkpoints)
        .output()
        .expect("python3 is needed for this test");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().expect("a status"), String::from_utf8_lossy(&said).into_owned())
}
