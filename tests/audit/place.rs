//! Somebody deletes, replaces or cuts files of a log that is being written.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicI64, Ordering};

use autamedica_signaling::base::time::WallTime;
use autamedica_signaling::reactor::clock;
use autamedica_signaling::service::audit::{State, Sync};

use crate::disk::{Disk, all_text, fill};
use crate::reserve::fill_up;
use crate::support::{
    PATIENCE, Place, admission, admitted, assert_intact, ending, python, session, verified,
};

/// Milliseconds that a test's clock is ahead. One test at a time uses it.
static AHEAD: AtomicI64 = AtomicI64::new(0);
static CLOCK: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn later() -> WallTime {
    WallTime::from_millis(clock::wall_time().as_millis() + AHEAD.load(Ordering::SeqCst))
}

/// The log is whole, and tells that somebody tampered with this segment.
fn assert_told(place: &Place, segment: u64) {
    let report = verified(place);
    assert_eq!(report.faults.len(), 1, "{:#?}", report.faults);
    let told = format!("segment {segment} was deleted while it was written, and was written again");
    assert!(format!("{:?}", report.faults).contains(&told), "{:#?}", report.faults);
    assert!(all_text(place).contains(&told));
}

#[test]
fn a_segment_that_is_deleted_or_replaced_is_noticed_within_an_epoch_and_written_again() {
    let _one = CLOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let place = Place::new("deleted");
    let (log, _) = place.open_with(|options| options.wall_time = later);
    log.write(admission(1));
    fs::remove_file(place.segment(1)).expect("deleted");
    log.write(admission(2));
    AHEAD.fetch_add(60_000, Ordering::SeqCst);
    log.write(admission(3));
    assert_told(&place, 1);
    assert_eq!(log.audit.state(), State::Available, "all went on");
    assert_eq!(admitted(&place), [1, 2, 3]);

    // By a file of somebody else's, which is kept.
    fs::remove_file(place.segment(2)).expect("deleted");
    fs::write(place.segment(2), "nothing of ours").expect("replaced");
    AHEAD.fetch_add(60_000, Ordering::SeqCst);
    log.write(admission(4));
    log.close();
    let aside = fs::read_to_string(place.log().join("00000002.1.torn")).expect("kept");
    assert_eq!(aside, "nothing of ours");
    assert_eq!(verified(&place).faults.len(), 2);
    assert_eq!(admitted(&place), [1, 2, 3, 4], "each once, in order");
}

#[test]
fn a_segment_that_is_cut_or_overwritten_is_noticed_and_the_log_goes_on_in_a_new_one() {
    type Cut = fn(&std::path::Path);
    let cuts: [(&str, Cut); 6] = [
        ("emptied", |path| drop(File::create(path).expect("emptied"))),
        ("shortened", |path| {
            let file = OpenOptions::new().write(true).open(path).expect("a segment");
            let len = file.metadata().expect("a length").len();
            file.set_len(len - 1).expect("shortened");
        }),
        ("overwritten", |path| {
            let len = fs::metadata(path).expect("a length").len();
            fs::write(path, vec![b'x'; usize::try_from(len).expect("short") / 2]).expect("written");
        }),
        ("lengthened", |path| {
            let mut file = OpenOptions::new().append(true).open(path).expect("a segment");
            file.write_all(b"nothing of ours").expect("written");
        }),
        ("emptied-and-deleted", |path| {
            drop(File::create(path).expect("emptied"));
            fs::remove_file(path).expect("deleted");
        }),
        ("overwritten-and-deleted", |path| {
            let file = OpenOptions::new().write(true).open(path).expect("a segment");
            let len = file.metadata().expect("a length").len();
            file.write_all_at(&vec![b'x'; usize::try_from(len).expect("short")], 0)
                .expect("written");
            file.set_len(len / 2).expect("shortened");
            fs::remove_file(path).expect("deleted");
        }),
    ];
    let _one = CLOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for (name, cut) in cuts {
        let place = Place::new(name);
        let (log, _) = place.open_with(|options| options.wall_time = later);
        let until = later().plus(autamedica_signaling::base::time::Duration::from_secs(9_999));
        log.write(ending(7, until));
        log.write(admission(1));
        cut(&place.segment(1));
        // Whatever is written before it is noticed does not hide it.
        log.write(admission(2));
        AHEAD.fetch_add(60_000, Ordering::SeqCst);
        log.write(admission(3));
        assert_eq!(log.audit.state(), State::Available, "{name}: all goes on");
        log.close();

        let told = "segment 1 was cut or overwritten while it was written";
        let second = fs::read_to_string(place.segment(2)).expect("a new segment");
        assert_eq!(second.matches(told).count(), 1, "{name}: {second}");
        assert!(admitted(&place).contains(&3), "{name}");
        let faults = format!("{:?}", verified(&place).faults);
        assert!(faults.contains(told) && faults.contains("segment: Some(1)"), "{name}: {faults}");
        let (status, said) = python(&place, None);
        assert!(status == 1 && said.contains(told), "{name}: {said}");

        // What had ended stays so: that does not depend on the file.
        let (log, restored) = place.open_with(|options| options.wall_time = later);
        assert!(restored.ended.iter().any(|(ended, _)| *ended == session(7)), "{name}");
        assert!(restored.clean, "{name}");
        log.close();
    }
}

/// Whoever makes room on a full disk in this way makes none that the log could use: it goes on in a new segment.
#[test]
fn a_segment_that_is_cut_before_a_write_fails_is_told_of_as_well() {
    let place = Place::new("cut-and-full");
    let Some(disk) = Disk::mount(&place.log(), 1_024) else { return };
    let (log, _) = place.open();
    for number in 1..=20 {
        log.write(admission(number));
    }
    File::create(place.segment(1)).expect("emptied");
    let filler = fill_up(&place.log());
    let next = fill(&log, 21);
    fs::remove_file(filler).expect("removed");
    log.wait("room", |audit| audit.state() == State::Available);
    log.write(admission(next));
    log.close();
    let faults = format!("{:?}", verified(&place).faults);
    assert!(faults.contains("segment 1 was cut or overwritten while it was written"), "{faults}");
    let (status, said) = python(&place, None);
    assert!(status == 1 && said.contains("was cut or overwritten"), "{said}");
    drop(disk);
}

/// It was looked for just before the cut, and a new epoch begins just behind it.
#[test]
fn what_ends_in_the_epoch_after_a_cut_stays_ended_if_the_server_is_killed() {
    let _one = CLOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let place = Place::new("cut-before-an-epoch");
    let (log, _) = place.open_with(|options| {
        options.wall_time = later;
        options.sync = Sync::Interval(3_600_000);
    });
    for number in 1..=20 {
        log.write(admission(number));
    }
    // Nothing new is to be written, so no epoch begins. Whatever it looks for must be on disk.
    let syncs = log.audit.gauges().syncs;
    AHEAD.fetch_add(60_000, Ordering::SeqCst);
    log.audit.publish();
    let begun = std::time::Instant::now();
    while log.audit.gauges().syncs == syncs {
        assert!(begun.elapsed() < PATIENCE, "the segment is looked for");
        std::thread::yield_now();
    }
    let file = OpenOptions::new().write(true).open(place.segment(1)).expect("a segment");
    let len = file.metadata().expect("a length").len();
    file.set_len(len / 4 * 3).expect("shortened");
    let until = later().plus(autamedica_signaling::base::time::Duration::from_secs(9_999));
    for number in 1..=30 {
        log.write(ending(number, until));
    }

    // What a killed process leaves.
    let killed = Place::new("killed-after-a-cut");
    fs::create_dir(killed.log()).expect("a folder");
    fs::copy(place.key_file(), killed.key_file()).expect("copied");
    for file in fs::read_dir(place.log()).expect("files") {
        let file = file.expect("a file");
        fs::copy(file.path(), killed.log().join(file.file_name())).expect("copied");
    }
    let (again, restored) = killed.open_with(|options| options.wall_time = later);
    assert_eq!(restored.ended.len(), 30);
    again.close();
    log.close();
    let (status, said) = python(&killed, None);
    assert!(status == 1 && said.contains("segment 1 was cut or overwritten"), "{said}");
}

#[test]
fn a_segment_that_is_deleted_just_before_the_stop_is_noticed_by_then() {
    let place = Place::new("deleted-at-the-end");
    let (log, _) = place.open();
    let until = clock::wall_time().plus(autamedica_signaling::base::time::Duration::from_secs(99));
    log.write(ending(7, until));
    fs::remove_file(place.segment(1)).expect("deleted");
    log.close();
    assert_told(&place, 1);
    let (log, restored) = place.open();
    assert!(restored.ended.iter().any(|(ended, _)| *ended == session(7)), "it stays ended");
    log.close();
}

/// Somebody makes room on a full disk, and it is the log that goes. That makes none: the file is open.
#[test]
fn a_segment_that_is_deleted_from_a_full_disk_is_written_again_when_there_is_room() {
    let _one = CLOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let place = Place::new("deleted-and-full");
    let Some(disk) = Disk::mount(&place.log(), 1_024) else { return };
    let (log, _) = place.open_with(|options| options.wall_time = later);
    let until = later().plus(autamedica_signaling::base::time::Duration::from_secs(9_999));
    log.write(ending(7, until));
    for number in 1..=100 {
        log.write(admission(number));
    }
    fs::remove_file(place.segment(1)).expect("deleted");
    let filler = fill_up(&place.log());
    let next = fill(&log, 101);
    // While the log cannot be written, it is looked for again, and there is no room.
    AHEAD.fetch_add(60_000, Ordering::SeqCst);
    log.take(admission(next));
    assert!(!place.segment(1).exists());

    // Room for the next segment, and not for the deleted one.
    let file = File::options().write(true).open(&filler).expect("a file");
    let len = file.metadata().expect("a length").len();
    file.set_len(len - 40 * 1_024).expect("room");
    drop(file);
    log.wait("some room", |audit| audit.state() == State::Available);
    log.write(admission(next + 1));
    assert!(!place.segment(1).exists());

    fs::remove_file(filler).expect("removed");
    AHEAD.fetch_add(60_000, Ordering::SeqCst);
    log.write(admission(next + 2));
    log.close();
    let faults = verified(&place).faults;
    assert_eq!(faults.len(), 1, "{faults:#?}");
    let told = "segment 1 was deleted while it was written, and cannot be written again: No space";
    assert!(format!("{faults:?}").contains(told), "{faults:#?}");
    assert_eq!(admitted(&place), (1..=next + 2).collect::<Vec<_>>(), "each once, in order");
    let (log, restored) = place.open_with(|options| options.wall_time = later);
    assert!(restored.ended.iter().any(|(ended, _)| *ended == session(7)), "it stays ended");
    log.close();
    drop(disk);
}

#[test]
fn a_folder_that_is_moved_away_is_noticed_and_all_goes_on_when_it_is_back() {
    let place = Place::new("moved");
    let (log, _) = place.open_with(|options| options.segment_bytes_max = 1);
    log.write(admission(1));
    let elsewhere = place.root.join("elsewhere");
    fs::rename(place.log(), &elsewhere).expect("moved away");
    let waits = log.take(admission(2));
    log.wait("that nobody is admitted", |audit| audit.state() == State::Unavailable);
    fs::rename(&elsewhere, place.log()).expect("moved back");
    log.wait("the folder", |audit| audit.durable() >= waits);
    log.close();
    assert_intact(&place);
    assert_eq!(admitted(&place), [1, 2]);
    assert!(
        all_text(&place).contains("was deleted while it was written, and cannot be written again")
    );
}
