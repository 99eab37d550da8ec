//! Somebody deletes or replaces files of a log that is being written.

use std::fs;
use std::sync::atomic::{AtomicI64, Ordering};

use autamedica_signaling::base::time::WallTime;
use autamedica_signaling::reactor::clock;
use autamedica_signaling::service::audit::State;

use crate::disk::all_text;
use crate::support::{Place, admission, admitted, assert_intact, ending, session, verified};

/// Milliseconds that a test's clock is ahead. One test uses it.
static AHEAD: AtomicI64 = AtomicI64::new(0);

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
