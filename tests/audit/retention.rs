//! Records are kept for their retention period, and no clock and no crash removes more.

use std::fs;
use std::sync::atomic::{AtomicI64, Ordering};

use autamedica_signaling::base::time::{Instant, WallTime};
use autamedica_signaling::message::record::{Deed, Event, Revocation, Revoked, Subject};
use autamedica_signaling::reactor::clock;
use autamedica_signaling::service::audit::holds::Holds;
use autamedica_signaling::service::audit::{Entry, Keys, Restored};

use crate::support::{
    Log, Place, admission, admitted, assert_intact, ending, entry, python, session, user,
};

/// Days before now, for a test that moves through the years. One test at a time uses it.
static DAYS_AGO: AtomicI64 = AtomicI64::new(0);
/// Hours that have passed since, on every clock.
static HOURS: AtomicI64 = AtomicI64::new(0);
pub static IN_USE: std::sync::Mutex<()> = std::sync::Mutex::new(());

const HOUR_MS: i64 = 3_600_000;

fn shifted() -> WallTime {
    let ago = DAYS_AGO.load(Ordering::SeqCst) * 24 - HOURS.load(Ordering::SeqCst);
    WallTime::from_millis(clock::wall_time().as_millis() - ago * HOUR_MS)
}

fn since_boot() -> Instant {
    let hours = HOURS.load(Ordering::SeqCst).unsigned_abs();
    Instant::from_micros(clock::since_boot().as_micros() + hours * 3_600_000_000)
}

/// Begins a run so many days ago.
fn start(place: &Place, days_ago: i64) -> (Log, Restored) {
    DAYS_AGO.store(days_ago, Ordering::SeqCst);
    HOURS.store(0, Ordering::SeqCst);
    place.open_with(|options| {
        options.wall_time = shifted;
        options.since_boot = since_boot;
    })
}

/// One run of the server so many days ago, in which a session of that number is entered, and then
/// so many hours pass.
fn run_for(place: &Place, days_ago: i64, hours: i64) {
    let (log, _) = start(place, days_ago);
    log.write(Entry { time: shifted(), ..admission(days_ago.unsigned_abs()) });
    HOURS.store(hours, Ordering::SeqCst);
    let nobody = Subject { session: None, user: None, role: None };
    let stranger = entry(Event::Connect { refusal: Some("UNAUTHORIZED") }, nobody);
    log.write(Entry { time: shifted(), ..stranger });
    log.close();
}

fn revoked(what: Revoked, until: WallTime) -> Entry {
    let deed = Deed::Revoke(Revocation { what, until });
    let revoked = entry(Event::Operator { deed }, what.subject());
    Entry { time: shifted(), ..revoked }
}

fn in_hours(hours: i64) -> WallTime {
    WallTime::from_millis(shifted().as_millis() + hours * HOUR_MS)
}

/// How many sessions are ended and tokens revoked after a start so many days ago.
fn in_effect(place: &Place, days_ago: i64) -> (usize, usize) {
    let (log, restored) = start(place, days_ago);
    log.close();
    (restored.ended.len(), restored.revoked.len())
}

/// One that is long enough for the clock to be believed.
pub fn run(place: &Place, days_ago: i64) {
    run_for(place, days_ago, 13);
}

#[test]
fn what_is_too_old_goes_oldest_first_and_the_rest_is_still_proved() {
    let _one = IN_USE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let place = Place::in_memory("old");
    for days_ago in [3_000, 2_999, 2_998, 2_100] {
        run(&place, days_ago);
    }
    run(&place, 0);
    assert_eq!(admitted(&place), [2_100, 0]);
    for number in 1..=5 {
        assert_eq!(place.segment(number).exists(), number > 3, "segment {number}");
    }
    let report = assert_intact(&place);
    assert!(report.first.expect("records").0 > 1);
    assert_eq!(python(&place, None).0, 0, "{}", python(&place, None).1);

    // Another segment goes, and the record that told of the first ones with it, in time.
    run(&place, -100);
    assert_eq!(admitted(&place), [0, 100]);
    assert_intact(&place);
    run(&place, -2_400);
    assert_intact(&place);
    assert_eq!(python(&place, None).0, 0, "{}", python(&place, None).1);

    // Without the record of it, segments are missing.
    let first = (1..).find(|number| place.segment(*number).exists()).expect("one");
    let contents = fs::read(place.segment(first)).expect("a segment");
    fs::remove_file(place.segment(first)).expect("removed");
    assert!(!crate::support::verified(&place).is_intact());
    assert_eq!(python(&place, None).0, 1);
    fs::write(place.segment(first), contents).expect("put back");
    assert_intact(&place);
}

#[test]
fn a_clock_that_is_years_ahead_removes_a_week_at_most() {
    let _one = IN_USE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let place = Place::in_memory("ahead");
    for days_ago in [100, 95, 60, 30, 1] {
        run(&place, days_ago);
    }
    run(&place, -20_000);
    assert_eq!(admitted(&place), [60, 30, 1, 20_000], "those of the first week are gone");
    run(&place, -20_000);
    assert_eq!(admitted(&place), [60, 30, 1, 20_000, 20_000], "and no more on the same day");
    assert_intact(&place);
}

#[test]
fn starts_with_a_clock_that_is_years_ahead_take_nothing_away() {
    let _one = IN_USE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let place = Place::in_memory("wrong-start");
    for days_ago in [5, 4, 3] {
        run(&place, days_ago);
    }
    let (log, _) = start(&place, 0);
    let until = WallTime::from_millis(shifted().as_millis() + 24 * HOUR_MS);
    log.write(ending(1, until));
    let what = Revoked::User(user(1));
    log.write(revoked(what, until));
    // One that was lifted again.
    log.write(revoked(Revoked::User(user(2)), until));
    log.write(revoked(Revoked::User(user(2)), shifted()));
    log.close();

    // The machine comes up without a time of its own, twice, and is given one after some hours.
    for hours in [0, 11] {
        let (log, restored) = start(&place, -3_000);
        let ended = &restored.ended;
        let kept = ended.iter().any(|(one, until)| *one == session(1) && *until > shifted());
        assert!(kept, "it stays ended: {}", ended.len());
        let revoked: Vec<_> = restored.revoked.iter().map(|one| one.what).collect();
        assert_eq!(revoked, [what], "and this one revoked");
        log.close();
        run_for(&place, -3_000, hours);
    }
    let (log, restored) = start(&place, 0);
    assert_eq!(restored.ended, [(session(1), until)]);
    let revoked: Vec<_> = restored.revoked.iter().map(|one| (one.what, one.until)).collect();
    assert_eq!(revoked, [(what, until)]);
    log.close();
    assert_eq!(admitted(&place), [5, 4, 3, 3_000, 3_000], "nothing is gone");
    assert_intact(&place);
}

#[test]
fn a_clock_that_was_behind_at_a_start_brings_nothing_back_at_the_next() {
    let _one = IN_USE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let place = Place::in_memory("behind");
    let (log, _) = start(&place, 20);
    log.write(ending(1, in_hours(24)));
    log.write(revoked(Revoked::User(user(1)), in_hours(24)));
    log.close();
    let (log, _) = start(&place, 1);
    log.write(ending(2, in_hours(48)));
    log.close();
    // It may be joined with old tokens while the clock says so.
    assert_eq!(in_effect(&place, 20_000), (2, 1), "some day in the past");
    assert_eq!(in_effect(&place, 20_000), (2, 1));
    assert_eq!(in_effect(&place, 0), (1, 0), "the clock is right: only what is not over yet");
    assert_intact(&place);
    assert_eq!(python(&place, None).0, 0, "{}", python(&place, None).1);
}

#[test]
fn a_time_that_somebody_wrote_behind_the_log_is_not_taken_for_known() {
    let _one = IN_USE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let place = Place::in_memory("forged-time");
    let (log, _) = start(&place, 0);
    log.write(revoked(Revoked::User(user(1)), in_hours(24)));
    log.close();
    let text = fs::read_to_string(place.segment(1)).expect("a segment");
    let last = text.lines().last().expect("a record");
    let forged =
        last.replace("\"sealed\"", "\"sealed\",\"knownTime\":\"2090-01-01T00:00:00.000Z\"");
    assert_ne!(forged, last);
    fs::write(place.segment(1), format!("{text}{forged}\n")).expect("written");
    assert_eq!(in_effect(&place, -3_000), (0, 1), "it stays revoked");
    let second = fs::read_to_string(place.segment(2)).expect("a segment");
    assert!(second.contains("was not genuine") && !second.contains("2090-01-01"), "{second}");
}

#[test]
fn a_server_that_was_off_for_long_forgets_what_is_over_once_its_clock_has_shown_itself() {
    let _one = IN_USE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for hours in [0, 13] {
        let place = Place::in_memory("off");
        let (log, _) = start(&place, 200);
        log.write(ending(1, in_hours(24)));
        log.write(revoked(Revoked::User(user(1)), in_hours(150 * 24)));
        log.close();
        // For all that the log knows, this may be a clock that is far ahead.
        run_for(&place, 100, hours);
        let at_once = if hours == 0 { (1, 1) } else { (0, 1) };
        assert_eq!(in_effect(&place, 100), at_once, "after {hours} hours");
        // But it has gone on, for a day, without anybody but itself.
        assert_eq!(in_effect(&place, 99), (0, 1));
        assert_eq!(in_effect(&place, 71), (0, 1));
        assert_eq!(in_effect(&place, 49), (0, 0), "this is over now as well");
        assert_intact(&place);
    }
    // Nothing is over, so nothing but the time itself is worth a new segment.
    let place = Place::in_memory("off-and-on");
    let (log, _) = start(&place, 200);
    let until = in_hours(150 * 24);
    log.write(revoked(Revoked::User(user(1)), until));
    log.close();
    run(&place, 100);
    let (log, restored) = start(&place, 100);
    log.close();
    let untils: Vec<_> = restored.revoked.iter().map(|one| one.until).collect();
    assert_eq!(untils, [until], "and not longer");
}

#[test]
fn a_clock_that_leaps_years_ahead_takes_nothing_away_before_twelve_hours() {
    let _one = IN_USE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let place = Place::in_memory("leap");
    for days_ago in [5, 4, 3] {
        run(&place, days_ago);
    }
    let (log, _) = start(&place, 0);
    let until = WallTime::from_millis(shifted().as_millis() + 24 * HOUR_MS);
    log.write(ending(1, until));
    HOURS.store(13, Ordering::SeqCst);
    log.write(admission(0));
    DAYS_AGO.store(-3_000, Ordering::SeqCst);
    log.write(admission(1));
    assert!(place.segment(5).exists(), "a segment has begun that day");
    HOURS.store(24, Ordering::SeqCst);
    log.write(admission(2));
    DAYS_AGO.store(0, Ordering::SeqCst);
    log.close();
    assert_eq!(admitted(&place), [5, 4, 3, 0, 1, 2]);
    let (log, restored) = start(&place, 0);
    assert_eq!(restored.ended, [(session(1), until)]);
    log.close();
    assert_intact(&place);
}

#[test]
fn what_was_lifted_stays_so_whatever_the_clock_was_before() {
    let _one = IN_USE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let place = Place::in_memory("lifted");
    let (log, _) = start(&place, 200);
    log.write(admission(1));
    log.close();
    // It was off for so long that its clock is not believed yet.
    let (log, _) = start(&place, 100);
    log.write(revoked(Revoked::User(user(1)), in_hours(24)));
    log.write(revoked(Revoked::User(user(1)), shifted()));
    log.write(revoked(Revoked::User(user(2)), in_hours(24)));
    log.close();
    // From the records themselves, and from the list that the first of these starts made of them.
    for _ in 0..2 {
        let (log, restored) = start(&place, 100);
        log.close();
        let revoked: Vec<_> = restored.revoked.iter().map(|one| one.what).collect();
        assert_eq!(revoked, [Revoked::User(user(2))]);
    }
    assert_intact(&place);
}

#[test]
fn a_segment_that_was_cut_keeps_nothing_else_from_being_removed() {
    let _one = IN_USE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let place = Place::in_memory("cut-and-old");
    for days_ago in [3_000, 2_999, 2_998, 2_997] {
        run(&place, days_ago);
    }
    fs::write(place.segment(1), "").expect("emptied");
    let third = fs::read(place.segment(3)).expect("a segment");
    fs::write(place.segment(3), &third[..third.len() - 9]).expect("shortened");
    run(&place, 0);
    let left: Vec<_> = (1..=5).filter(|number| place.segment(*number).exists()).collect();
    assert_eq!(left, [1, 3, 5], "what is damaged stays, as the proof of it");
    let faults = crate::support::verified(&place).faults;
    assert!(faults.iter().all(|fault| fault.segment.is_some_and(|one| one != 5)), "{faults:#?}");
    assert_eq!(python(&place, None).0, 1);
}

#[test]
fn a_server_that_starts_anew_each_night_forgets_what_is_over() {
    let _one = IN_USE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let place = Place::in_memory("nightly");
    let (log, _) = start(&place, 2);
    log.write(ending(1, WallTime::from_millis(shifted().as_millis() + HOUR_MS)));
    log.close();
    // The first of these runs begins a segment without the list as soon as its clock is believed, which
    // is before a segment ends by itself. The second one has nothing to forget.
    for (days_ago, segments) in [(1, 3), (0, 4)] {
        let (log, _) = start(&place, days_ago);
        for (number, hours) in [(1, 0), (2, 13), (3, 13)] {
            HOURS.store(hours, Ordering::SeqCst);
            log.write(Entry { time: shifted(), ..admission(number) });
        }
        log.close();
        assert!(place.segment(segments).exists() && !place.segment(segments + 1).exists());
    }
    assert_intact(&place);
}

#[test]
fn a_held_session_stays_and_the_log_around_it_is_proved() {
    let _one = IN_USE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let place = Place::in_memory("held");
    for days_ago in [3_000, 2_999, 2_998] {
        run(&place, days_ago);
    }
    let keys = Keys::read(&place.key_file()).expect("keys");
    let mut holds = Holds::read(&place.log()).expect("none yet");
    assert_eq!(holds.hold(session(2_999), &keys), Some(true));
    assert_eq!(holds.hold(session(2_999), &keys), Some(false));
    holds.write(&place.log()).expect("written");
    let list = fs::read_to_string(place.log().join("holds")).expect("a list");
    assert!(!list.contains("5e551000"), "it tells nobody who is held");
    run(&place, 10);
    assert_eq!(admitted(&place), [2_999, 10]);
    run(&place, 0);
    assert_eq!(admitted(&place), [2_999, 10, 0]);
    let report = assert_intact(&place);
    assert_eq!(report.first.expect("records").0, 8, "segment 2");
    assert_eq!(python(&place, None).0, 0, "{}", python(&place, None).1);
    let text = fs::read_to_string(place.segment(5)).expect("a segment");
    assert!(text.contains("\"event\":\"hold\",") && text.contains("\"sessions\":1"));

    assert_eq!(holds.release(session(2_999), &keys), Some(true));
    holds.write(&place.log()).expect("written");
    run(&place, -2);
    assert_eq!(admitted(&place), [10, 0, 2]);
    assert_intact(&place);
}

#[test]
fn a_segment_ends_after_a_day_and_when_it_is_full() {
    let _one = IN_USE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let place = Place::in_memory("rotation");
    DAYS_AGO.store(2, Ordering::SeqCst);
    HOURS.store(0, Ordering::SeqCst);
    let (log, _) = place.open_with(|options| {
        options.wall_time = shifted;
        options.segment_bytes_max = 4_000;
    });
    log.write(admission(1));
    DAYS_AGO.store(0, Ordering::SeqCst);
    log.write(admission(2));
    assert!(place.segment(2).exists());
    for number in 3..40 {
        log.write(admission(number));
    }
    assert!(place.segment(4).exists());
    log.close();
    assert!(assert_intact(&place).ended);
    assert_eq!(admitted(&place), (1..40).collect::<Vec<_>>());
    let first = fs::read_to_string(place.segment(1)).expect("a segment");
    assert!(first.lines().last().is_some_and(|line| line.contains("\"event\":\"sealed\"")));
}

const CHILD: &str = "AUDIT_TEST_SUSPENDED";

/// The time that a suspended machine has slept stands in one of the system's clocks only. It cannot be sent to sleep for
/// a test, but that clock can be set ahead for a process, and the other one left as it is.
#[test]
fn a_suspended_machine_counts_as_running() {
    const SLEPT_SECS: u64 = 1_000_000_000;
    if std::env::var_os(CHILD).is_some() {
        return assert!(clock::since_boot().as_micros() / 1_000_000 > SLEPT_SECS);
    }
    let in_a_time_of_its_own = |program: &std::path::Path| {
        let mut command = std::process::Command::new("unshare");
        command.args(["--time", "--boottime", &SLEPT_SECS.to_string(), "--fork"]).arg(program);
        command.stdout(std::process::Stdio::null());
        command
    };
    let tried = in_a_time_of_its_own("true".as_ref()).stderr(std::process::Stdio::null()).status();
    if !tried.is_ok_and(|status| status.success()) {
        return eprintln!("no clock could be set ahead, so no suspended machine was looked at");
    }
    let status = in_a_time_of_its_own(&std::env::current_exe().expect("this program"))
        .args(["--exact", "retention::a_suspended_machine_counts_as_running"])
        .env(CHILD, "yes")
        .status();
    assert!(status.expect("runs").success());
}
