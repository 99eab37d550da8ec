//! Real disks that are full or read-only: no accepted entry is lost, and the log records the gap.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use autamedica_signaling::service::audit::{self, State};

use crate::support::{Log, Place, admission, admitted, assert_intact};

/// A file system of its own, as small as it is to be.
pub struct Disk {
    path: PathBuf,
}

impl Disk {
    /// Nothing where this user may not mount one: [`a_limit_of_the_size_of_files_is_met_with_a_new_segment`] needs no rights.
    pub fn mount(path: &Path, kib: u32) -> Option<Self> {
        Self::mount_kind(path, "tmpfs", &format!("size={kib}k"))
    }

    /// The same, of a kind that cannot reserve space, and is never full.
    pub fn mount_without_reserve(path: &Path) -> Option<Self> {
        Self::mount_kind(path, "ramfs", "mode=700")
    }

    fn mount_kind(path: &Path, kind: &str, options: &str) -> Option<Self> {
        fs::create_dir_all(path).expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", kind, "-o", options, kind])
            .arg(path)
            .stderr(Stdio::null())
            .status();
        let mounted = mounted.is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("no disk could be mounted, so none could be filled");
        }
        mounted.then(|| Self { path: path.to_owned() })
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.path).status();
        assert!(status.expect("mount").success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

/// Writes until the log cannot be written any more; the numbers of the sessions that were taken.
pub fn fill(log: &Log, from: u64) -> u64 {
    let mut number = from;
    while log.audit.state() == State::Available {
        let taken = log.take(admission(number));
        number += 1;
        log.wait("the disk or its end", |audit| {
            audit.durable() >= taken || audit.state() == State::Unavailable
        });
    }
    number
}

#[test]
fn a_full_disk_loses_nothing_and_the_gap_is_told() {
    let place = Place::new("full");
    let Some(disk) = Disk::mount(&place.log(), 64) else { return };
    let (log, _) = place.open();
    let mut next = fill(&log, 1);
    let durable = log.audit.durable();
    assert!(durable > 10, "{durable}");
    // It is tried again and again, and nothing comes of it.
    for _ in 0..20 {
        log.take(admission(next));
        next += 1;
    }
    let queued = log.audit.gauges().queued;
    assert!(queued >= 20, "{queued} wait");
    assert_eq!(log.audit.state(), State::Unavailable);
    let left = fs::read_dir(place.log()).expect("a folder").count();
    assert!(left <= 6, "{left} files");

    disk.remount("size=1m");
    log.wait("room", |audit| audit.state() == State::Available);
    log.wait("all of it", |audit| audit.durable() == next - 1);
    log.write(admission(next));
    log.close();

    let report = assert_intact(&place);
    assert!(report.ended);
    assert_eq!(admitted(&place), (1..=next).collect::<Vec<_>>(), "each once, in order");
    let text = all_text(&place);
    let gap = text.lines().find(|line| line.contains("\"event\":\"gap\"")).expect("told");
    assert!(gap.contains("No space left"), "{gap}");
    drop(disk);
}

#[test]
fn a_stop_on_a_full_disk_comes_to_its_end_and_the_next_start_goes_on() {
    let place = Place::new("full-stop");
    let Some(disk) = Disk::mount(&place.log(), 64) else { return };
    let (log, _) = place.open();
    fill(&log, 1);
    let durable = log.audit.durable();
    log.close();
    let (log, restored) = place.open();
    assert_eq!(log.audit.state(), State::Unavailable, "it starts, and admits nobody");
    assert!(!restored.clean);
    disk.remount("size=1m");
    log.wait("room", |audit| audit.state() == State::Available);
    log.write(admission(1_000));
    log.close();
    assert_intact(&place);
    let mut expected: Vec<u64> = (1..=durable).collect();
    expected.push(1_000);
    assert_eq!(admitted(&place), expected);
    drop(disk);
}

#[test]
fn a_disk_that_becomes_read_only_is_waited_for() {
    let place = Place::new("read-only");
    let Some(disk) = Disk::mount(&place.root.join("disk"), 1_024) else { return };
    // A file that is open for writing keeps a file system from becoming read-only, so this is done before the start.
    let folder = place.root.join("disk/log");
    let options = |place: &Place| audit::Options { folder: folder.clone(), ..place.options() };
    let (first, _) = audit::open(options(&place)).expect("opens");
    assert!(first.close(autamedica_signaling::base::time::Duration::from_secs(30)));
    // The lock is there already, so that it can be taken; nothing can be written.
    disk.remount("ro");
    match audit::open(options(&place)) {
        Err(audit::OpenError::Io(..)) => {}
        other => panic!("a folder that cannot be written is a person's business: {other:?}"),
    }
    disk.remount("rw");
    let (second, restored) = audit::open(options(&place)).expect("opens");
    assert!(restored.clean);
    assert!(second.close(autamedica_signaling::base::time::Duration::from_secs(30)));
    drop(disk);
}

/// A file system whose writes begin to fail while a log is open: its files vanish under a read-only mount on top of them.
#[test]
fn a_log_whose_folder_takes_no_new_file_goes_on_when_it_does() {
    let place = Place::new("covered");
    let (log, _) = place.open_with(|options| options.segment_bytes_max = 2_000);
    log.write(admission(1));
    let Some(cover) = Disk::mount(&place.log(), 64) else { return log.close() };
    cover.remount("ro");
    let next = fill(&log, 2);
    assert!(next > 2);
    drop(cover);
    log.wait("the folder", |audit| audit.state() == State::Available);
    log.wait("all of it", |audit| audit.durable() == next - 1);
    log.close();
    assert_intact(&place);
    assert_eq!(admitted(&place), (1..next).collect::<Vec<_>>());
    assert!(all_text(&place).contains("Read-only file system"));
}

const CHILD: &str = "AUDIT_TEST_LIMITED_FOLDER";

/// A limit of the size of files (EFBIG), which needs no rights: each segment is cut where the limit is, and the next one goes on.
#[test]
fn a_limit_of_the_size_of_files_is_met_with_a_new_segment() {
    if let Some(root) = std::env::var_os(CHILD) {
        let place = std::mem::ManuallyDrop::new(Place { root: root.into() });
        let (log, _) = place.open();
        for number in 1..=100 {
            log.write(admission(number));
        }
        return log.close();
    }
    let place = Place::new("limited");
    let program = std::env::current_exe().expect("this program");
    let status = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 32; exec \"$0\" \"$@\""])
        .arg(program)
        .args(["--exact", "disk::a_limit_of_the_size_of_files_is_met_with_a_new_segment"])
        .env(CHILD, &place.root)
        .stdout(Stdio::null())
        .status()
        .expect("runs");
    assert!(status.success());
    let report = assert_intact(&place);
    assert!(report.segments >= 2, "{}", report.segments);
    assert_eq!(admitted(&place), (1..=100).collect::<Vec<_>>());
    assert!(all_text(&place).contains("File too large"));
    assert!(report.notes.iter().any(|note| note.contains("torn")), "{:?}", report.notes);
}

pub fn all_text(place: &Place) -> String {
    let segments = (1..).map(|number| place.segment(number)).take_while(|path| path.exists());
    segments.map(|path| fs::read_to_string(path).expect("text")).collect()
}
