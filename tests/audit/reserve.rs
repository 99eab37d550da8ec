//! A server whose disk is full: ends of sessions and revocations, and its last records when it
//! stops, are written into reserved space.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use autamedica_signaling::base::time::Duration;
use autamedica_signaling::message::record::{Event, Subject};
use autamedica_signaling::reactor::clock;
use autamedica_signaling::service::audit::State;

use crate::disk::{Disk, all_text, fill};
use crate::support::{
    Log, Place, admission, admitted, assert_intact, ending, entry, python, session,
};

const MIB: u64 = 1024 * 1024;

/// Somebody else fills the disk to its last byte.
pub fn fill_up(folder: &Path) -> PathBuf {
    let path = folder.join("somebody-elses");
    let mut file = File::create(&path).expect("a file");
    for len in [MIB as usize, 4_096, 1] {
        loop {
            match file.write(&vec![7; len]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    path
}

/// A log on a disk that is full now, with the room that was kept, and the number of the next session.
fn full(place: &Place) -> (Log, u64) {
    let (log, _) = place.open();
    log.write(admission(1));
    let kept = fs::metadata(place.log().join("reserve")).expect("room is kept");
    assert_eq!(kept.len(), 4 * MIB);
    fill_up(&place.log());
    let next = fill(&log, 2);
    (log, next)
}

#[test]
fn the_last_records_of_a_server_that_stops_on_a_full_disk_are_written_all_the_same() {
    let place = Place::new("last-words");
    let Some(disk) = Disk::mount(&place.log(), 96 * 1_024) else { return };
    let (log, next) = full(&place);
    let end = next + 3_000;
    for number in next..end {
        log.audit.take(admission(number)).expect("room");
    }
    log.close();

    assert!(!place.log().join("reserve").exists(), "it is given back");
    let report = assert_intact(&place);
    assert!(report.ended, "in good order");
    assert_eq!(admitted(&place), (1..end).collect::<Vec<_>>(), "each once, in order");
    let (status, said) = python(&place, None);
    assert_eq!(status, 0, "{said}");
    let text = all_text(&place);
    let gap = text.lines().find(|line| line.contains("\"event\":\"gap\"")).expect("told");
    assert!(gap.contains("No space left") && gap.contains("\"dropped\":{}"), "{gap}");

    // With the next start, as soon as there is room for it, there is room for last records again.
    fs::remove_file(place.log().join("somebody-elses")).expect("removed");
    let (log, restored) = place.open();
    assert!(restored.clean);
    log.write(admission(end));
    assert!(place.log().join("reserve").exists());
    log.close();
    assert_intact(&place);
    assert!(place.log().join("reserve").exists(), "nobody needed it");
    drop(disk);
}

#[test]
fn where_more_waits_than_finds_room_strangers_are_counted_and_the_earliest_of_the_rest_is_there() {
    let place = Place::new("too-many-last-words");
    let Some(disk) = Disk::mount(&place.log(), 96 * 1_024) else { return };
    let (log, next) = full(&place);
    for _ in 0..500 {
        let refused = Event::Connect { refusal: Some("FORBIDDEN") };
        log.audit.take(entry(refused, Subject::default())).expect("room");
    }
    for number in next..next + 30_000 {
        log.audit.take(admission(number)).expect("room");
    }
    log.close();

    let report = assert_intact(&place);
    assert!(!report.ended, "its end found no room");
    let admitted = admitted(&place);
    let there = admitted.len() as u64;
    assert_eq!(admitted, (1..=there).collect::<Vec<_>>(), "each once, in order");
    assert!(there > next + 4_000, "{there} of {}", next + 30_000);
    let text = all_text(&place);
    let gap = text.lines().find(|line| line.contains("\"event\":\"gap\"")).expect("told");
    assert!(gap.contains("\"dropped\":{\"connect\":{\"FORBIDDEN\":500}}"), "{gap}");
    assert!(!text.contains("\"event\":\"connect\""));
    drop(disk);
}

#[test]
fn the_end_of_a_session_is_safe_although_the_disk_is_full() {
    let place = Place::new("ended-on-a-full-disk");
    let Some(disk) = Disk::mount(&place.log(), 96 * 1_024) else { return };
    let (log, next) = full(&place);
    let until = clock::wall_time().plus(Duration::from_secs(3_600));
    // Nobody waits for the first: a full disk must not keep a session from ending.
    for number in [1, 2] {
        let told = log.audit.take(ending(number, until)).expect("room");
        log.audit.publish_soon();
        log.wait("its record", |audit| audit.durable() >= told);
        assert_eq!(log.audit.state(), State::Unavailable, "and nobody is let in");
    }
    assert!(!place.log().join("reserve").exists(), "it is used");
    // What is not that important keeps waiting: there is little room.
    let waits = log.take(admission(next));

    // As it would be after the power has failed now.
    let copy = Place::new("ended-on-a-full-disk-copy");
    fs::create_dir(copy.log()).expect("a folder");
    for name in ["00000001.jsonl", "00000002.jsonl", "seal"] {
        fs::copy(place.log().join(name), copy.log().join(name)).expect("copied");
    }
    fs::copy(place.key_file(), copy.key_file()).expect("copied");
    let (restarted, restored) = copy.open();
    let ended: Vec<_> = restored.ended.iter().map(|(ended, _)| *ended).collect();
    assert_eq!(ended, [session(1), session(2)]);
    restarted.close();
    assert_intact(&copy);

    fs::remove_file(place.log().join("somebody-elses")).expect("removed");
    log.wait("room", |audit| audit.state() == State::Available);
    log.wait("the rest", |audit| audit.durable() >= waits);
    assert!(place.log().join("reserve").exists(), "there is room for the next time");
    log.close();
    assert_intact(&place);
    assert_eq!(admitted(&place), (1..=next).collect::<Vec<_>>(), "each once, in order");
    drop(disk);
}

#[test]
fn a_file_system_that_can_reserve_nothing_keeps_the_log_all_the_same() {
    let place = Place::new("no-reserve");
    let Some(disk) = Disk::mount_without_reserve(&place.log()) else { return };
    for number in [1, 2] {
        let (log, restored) = place.open();
        assert!(restored.clean);
        log.write(admission(number));
        assert_eq!(log.audit.state(), State::Available);
        log.close();
        assert!(!place.log().join("reserve").exists(), "nothing that is of no use is left");
    }
    assert_intact(&place);
    assert_eq!(admitted(&place), [1, 2]);
    drop(disk);
}

const CHILD: &str = "AUDIT_TEST_RESERVE_FOLDER";

/// The room that was kept and used cannot be kept again, although the disk has room: a limit of the size of files (EFBIG),
/// as a file system would be that cannot reserve anything.
#[test]
fn where_no_room_can_be_kept_again_the_log_goes_on_without() {
    let until = clock::wall_time().plus(Duration::from_secs(3_600));
    if let Some(root) = std::env::var_os(CHILD) {
        let place = std::mem::ManuallyDrop::new(Place { root: root.into() });
        let (log, _) = place.open();
        assert_eq!(log.audit.state(), State::Unavailable, "the disk is full");
        for number in [1, 2] {
            let told = log.take(ending(number, until));
            log.wait("its record", |audit| audit.durable() >= told);
        }
        fs::remove_file(place.log().join("somebody-elses")).expect("removed");
        log.wait("room", |audit| audit.state() == State::Available);
        log.write(admission(2));
        assert!(!place.log().join("reserve").exists(), "none could be kept");
        return log.close();
    }
    let place = Place::new("kept-once");
    let Some(disk) = Disk::mount(&place.log(), 96 * 1_024) else { return };
    let (log, _) = place.open();
    log.write(admission(1));
    log.close();
    assert!(place.log().join("reserve").exists());
    fill_up(&place.log());
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", "reserve::where_no_room_can_be_kept_again_the_log_goes_on_without"])
        .env(CHILD, &place.root)
        .output()
        .expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_intact(&place);
    assert_eq!(admitted(&place), [1, 2]);

    // The next start may keep some again, and knows what had ended.
    let (log, restored) = place.open();
    let ended: Vec<_> = restored.ended.iter().map(|(ended, _)| *ended).collect();
    assert_eq!(ended, [session(1), session(2)]);
    log.write(admission(3));
    assert!(place.log().join("reserve").exists());
    log.close();
    drop(disk);
}
