//! Accepted entries are written, and a log continues where it ended.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Instant;

use autamedica_signaling::base::time::{Duration, WallTime};
use autamedica_signaling::message::TokenId;
use autamedica_signaling::message::record::{Deed, Event, Revocation, Revoked};
use autamedica_signaling::reactor::clock;
use autamedica_signaling::service::audit::{self, KeyFileError, OpenError, State};

use crate::support::{Place, admission, assert_intact, ending, entry, session, user};

#[test]
fn what_is_taken_becomes_durable_in_order() {
    let place = Place::new("order");
    let (log, restored) = place.open();
    assert!(restored.clean && restored.key_file_is_new);
    assert_eq!(log.audit.state(), State::Available);
    assert_eq!(log.write(admission(1)), 1);
    assert_eq!(log.take(admission(2)), 2);
    assert_eq!(log.write(admission(3)), 3);
    log.close();
    let text = fs::read_to_string(place.segment(1)).expect("a segment");
    let events: Vec<&str> = text
        .lines()
        .map(|line| {
            line.split("\"event\":\"").nth(1).expect("event").split('"').next().expect("name")
        })
        .collect();
    let admissions = ["admission"; 3];
    assert_eq!(events[..3], ["segment", "ended-sessions", "start"]);
    assert_eq!(events[3..6], admissions);
    assert_eq!(events[6..], ["stop", "sealed"]);
    for marker in ["5e551000", "05e50000", "203.0.113"] {
        assert!(!text.contains(marker), "{marker} can be read");
    }
}

#[test]
fn what_nobody_waits_for_shares_a_sync_and_is_durable_all_the_same() {
    let place = Place::new("soon");
    let (log, _) = place.open();
    let start = Instant::now();
    let before = log.audit.gauges().syncs;
    let mut last = 0;
    for number in 1..=300 {
        last = log.audit.take(admission(number)).expect("room");
        log.audit.publish_soon();
        // The writer has its turn, if it wants one.
        thread::yield_now();
    }
    log.wait("a writer whom nobody hurries", |audit| audit.durable() == last);
    let syncs = log.audit.gauges().syncs - before;
    let most = start.elapsed().as_millis() / 20 + 2;
    assert!(u128::from(syncs) <= most, "{syncs} syncs, and not {most}");
    // Nor does the end wait.
    last = log.audit.take(admission(0)).expect("room");
    log.audit.publish_soon();
    log.close();
    let text = fs::read_to_string(place.segment(1)).expect("a segment");
    assert_eq!(text.matches("\"event\":\"admission\"").count() as u64, last);
}

#[test]
fn folder_and_files_are_for_their_owner_only() {
    let place = Place::new("modes");
    let (log, _) = place.open();
    let mode = |path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(place.log()), 0o700);
    for file in [place.key_file(), place.segment(1), place.log().join("seal")] {
        assert_eq!(mode(file), 0o600);
    }
    log.close();
    for open_to_others in [0o640, 0o604, 0o620, 0o660] {
        fs::set_permissions(place.key_file(), fs::Permissions::from_mode(open_to_others))
            .expect("a mode");
        match audit::open(place.options()) {
            Err(OpenError::Key(KeyFileError::Open(_, mode))) => assert_eq!(mode, open_to_others),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn one_process_writes_at_a_time() {
    let place = Place::new("lock");
    let (log, _) = place.open();
    assert!(matches!(audit::open(place.options()), Err(OpenError::Locked(_))));
    log.close();
    place.open().0.close();
}

#[test]
fn a_log_without_its_keys_is_not_gone_on_with() {
    let place = Place::new("keys-gone");
    place.open().0.close();
    fs::remove_file(place.key_file()).expect("removed");
    assert!(matches!(audit::open(place.options()), Err(OpenError::KeysGone(_))));
    assert!(!place.key_file().exists());
}

#[test]
fn ended_sessions_are_known_again_after_each_start_until_their_time() {
    let place = Place::new("ended");
    let later = clock::wall_time().plus(Duration::from_secs(3_600));
    let soon = clock::wall_time().minus(Duration::from_secs(1));
    let (log, restored) = place.open();
    assert_eq!(restored.ended, []);
    log.write(ending(1, later));
    log.write(ending(2, soon));
    log.close();
    for _ in 0..3 {
        let (log, restored) = place.open();
        assert!(restored.clean);
        assert!(restored.ended.contains(&(session(1), later)), "{:?}", restored.ended.len());
        log.close();
    }
    let (log, restored) = place.open();
    let known = |ended: &[(_, WallTime)]| ended.iter().map(|(_, until)| *until).collect::<Vec<_>>();
    assert_eq!(known(&restored.ended), [WallTime::from_millis(later.as_millis())]);
    log.close();
}

#[test]
fn what_is_revoked_is_carried_from_segment_to_segment_and_so_is_what_is_lifted() {
    let place = Place::new("revoked");
    let until = clock::wall_time().plus(Duration::from_secs(3_600));
    let all = [
        Revoked::User(user(1)),
        Revoked::Session(session(1)),
        Revoked::Token(TokenId::from_hash([7; 8])),
    ];
    let deed = |what: Revoked, until| {
        let deed = Deed::Revoke(Revocation { what, until });
        entry(Event::Operator { deed }, what.subject())
    };
    let (log, restored) = place.open_with(|options| options.segment_bytes_max = 1_000);
    assert_eq!(restored.revoked, []);
    for what in all {
        log.write(deed(what, until));
    }
    log.write(deed(all[1], clock::wall_time()));
    // Far from the segment where that stands.
    for number in 1..=20 {
        log.write(admission(number));
    }
    assert!(log.audit.gauges().segment > 4);
    log.close();
    let (log, restored) = place.open();
    let known: Vec<_> = restored.revoked.iter().map(|one| (one.what, one.until)).collect();
    let millis = WallTime::from_millis(until.as_millis());
    assert_eq!(known, [(all[0], millis), (all[2], millis)]);
    log.close();
    assert_intact(&place);
}

#[test]
fn with_an_interval_nobody_waits_for_the_disk() {
    let place = Place::new("interval");
    let (log, _) = place.open_with(|options| options.sync = audit::Sync::Interval(60_000));
    let before = log.audit.gauges().syncs;
    for number in 1..=50 {
        log.write(admission(number));
    }
    assert_eq!(log.audit.gauges().syncs, before, "not before its time");
    log.close();
    assert_eq!(assert_intact(&place).last.expect("records").0, 3 + 50 + 2);

    let (log, _) = place.open_with(|options| options.sync = audit::Sync::Interval(1));
    let before = log.audit.gauges().syncs;
    log.write(admission(51));
    // Nothing that depends on it has changed, so nobody is woken for it.
    while log.audit.gauges().queued > 0 {
        std::thread::yield_now();
    }
    assert!(log.audit.gauges().syncs > before);
    log.close();
}

#[test]
fn the_last_handle_ends_the_log() {
    let place = Place::new("last");
    let (audit, _) = audit::open(place.options()).expect("opens");
    let other = audit.clone();
    drop(audit);
    assert!(matches!(audit::open(place.options()), Err(OpenError::Locked(_))), "one is left");
    drop(other);
    // The writer writes its last words and lets go of the folder then.
    let (audit, restored) = loop {
        match audit::open(place.options()) {
            Err(OpenError::Locked(_)) => std::thread::yield_now(),
            opened => break opened.expect("opens"),
        }
    };
    assert!(restored.clean);
    drop(audit);
}
