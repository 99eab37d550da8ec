//! A log goes on with its own key file only: another one would lose what the log knows, and seal what
//! nobody can open.

use std::fs;
use std::path::Path;

use autamedica_signaling::base::redacted::Redacted;
use autamedica_signaling::base::time::{Duration, WallTime};
use autamedica_signaling::message::record::{Deed, Event, Revocation, Revoked};
use autamedica_signaling::reactor::clock;
use autamedica_signaling::service::audit::chain::{from_text, to_text};
use autamedica_signaling::service::audit::{self, KeyFileError, Keys, Misfit, OpenError};

use crate::support::{
    Place, admission, admitted, assert_intact, ending, entry, python, rotate_key, session, user,
    verified,
};

fn keys(place: &Place) -> Keys {
    Keys::read(&place.key_file()).expect("keys")
}

fn put(place: &Place, keys: &Keys) {
    keys.replace(&place.key_file()).expect("written");
}

fn change(place: &Place, change: impl FnOnce(&mut Keys)) {
    let mut keys = keys(place);
    change(&mut keys);
    put(place, &keys);
}

/// A log of two runs, in which a session ended and a user was revoked; and until when.
fn begun(name: &str) -> (Place, WallTime) {
    let place = Place::in_memory(name);
    place.open().0.close();
    let (log, _) = place.open();
    let until = WallTime::from_millis(clock::wall_time().as_millis() + 3_600_000);
    log.write(admission(1));
    log.write(ending(1, until));
    let what = Revoked::User(user(1));
    let deed = Deed::Revoke(Revocation { what, until });
    log.write(entry(Event::Operator { deed }, what.subject()));
    log.close();
    (place, until)
}

/// Everything in the folder of the log, except who holds it.
fn contents(place: &Place) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(place.log()).expect("a folder").map(|file| file.expect("a file"));
    let named = files.map(|file| (file.file_name().to_string_lossy().into_owned(), file.path()));
    let mut all: Vec<_> = named
        .filter(|(name, _)| name != "lock")
        .map(|(name, path)| (name, fs::read(path).expect("read")))
        .collect();
    all.sort();
    all
}

fn refused(place: &Place) -> (Misfit, String) {
    match audit::open(place.options()) {
        Err(OpenError::Key(KeyFileError::OtherLog(path, misfit))) => {
            let text = KeyFileError::OtherLog(path, misfit).to_string();
            (misfit, text)
        }
        other => panic!("{other:?}"),
    }
}

fn knows_all(place: &Place, until: WallTime) {
    let (log, restored) = place.open();
    assert_eq!(restored.damage, None);
    assert_eq!(restored.ended, [(session(1), until)]);
    assert_eq!(restored.revoked, [Revocation { what: Revoked::User(user(1)), until }]);
    log.close();
}

#[test]
fn the_key_file_of_another_log_is_refused_and_nothing_is_lost() {
    let (place, until) = begun("foreign-key");
    let (other, _) = begun("foreign-key-other");
    let own = keys(&place);
    let detached = Keys { verification: None, ..keys(&other) };
    let only_its_third = {
        rotate_key(&other);
        rotate_key(&other);
        let mut keys = keys(&other);
        keys.encryption.drain(..2);
        keys
    };
    let mixed = Keys { verification: own.verification.clone(), ..keys(&other) };
    let before = contents(&place);
    for (wrong, misfit) in [
        (keys(&other), Misfit::Verification),
        (detached, Misfit::Encryption(1)),
        (Keys { verification: keys(&other).verification, ..own.clone() }, Misfit::Verification),
        (Keys { verification: None, ..only_its_third }, Misfit::Lacks(1)),
        (mixed, Misfit::Encryption(1)),
    ] {
        put(&place, &wrong);
        let (what, text) = refused(&place);
        assert_eq!(what, misfit);
        assert!(text.contains("is not the one of this audit log"), "{text}");
        assert_eq!(contents(&place), before, "not a byte has changed");
    }
    put(&place, &own);
    knows_all(&place, until);
    assert_intact(&place);
}

#[test]
fn without_its_seal_the_log_still_knows_its_key_file() {
    let (place, until) = begun("foreign-key-seal");
    let (other, _) = begun("foreign-key-seal-other");
    let own = keys(&place);
    fs::remove_file(place.log().join("seal")).expect("removed");
    put(&place, &keys(&other));
    let before = contents(&place);
    assert_eq!(refused(&place).0, Misfit::Verification);
    assert_eq!(contents(&place), before);
    put(&place, &own);
    let (log, restored) = place.open();
    assert_eq!(restored.ended, [(session(1), until)]);
    log.close();
}

#[test]
fn keys_may_be_added_detached_put_back_and_removed_once_nothing_needs_them() {
    let (place, until) = begun("own-keys");
    let verification = keys(&place).verification;
    change(&place, |keys| keys.verification = None);
    knows_all(&place, until);
    let old_copy = keys(&place);
    rotate_key(&place);
    knows_all(&place, until);
    // The second key has sealed the newest list.
    change(&place, |keys| keys.verification = verification);
    change(&place, |keys| keys.encryption = keys.encryption.split_off(1));
    knows_all(&place, until);
    let last = keys(&place);
    // A copy from before the rotation does not open it.
    put(&place, &old_copy);
    assert_eq!(refused(&place).0, Misfit::Lacks(2));
    // Neither does a file from which the second key was taken before the third was in use.
    put(&place, &last);
    rotate_key(&place);
    change(&place, |keys| keys.encryption = keys.encryption.split_off(1));
    assert_eq!(refused(&place).0, Misfit::Lacks(2));
    put(&place, &last);
    knows_all(&place, until);
    assert_intact(&place);

    // A new log takes any key file, and draws what is missing.
    let new = Place::in_memory("new-log");
    put(&new, &old_copy);
    let (log, restored) = new.open();
    assert!(restored.key_file_is_new);
    log.write(admission(7));
    log.close();
    assert_eq!(admitted(&new), [7]);
    assert_intact(&new);
}

#[test]
fn damage_is_not_mistaken_for_another_key_file() {
    let (place, until) = begun("damaged-list");
    place.open().0.close();
    change(&place, |keys| keys.verification = None);
    // The sealed part of the newest list, and of one other record.
    let mut text = fs::read_to_string(place.segment(3)).expect("a segment");
    let at = text.find("\"sealed\":\"").expect("a list") + 60;
    let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
    text.replace_range(at..=at, other);
    fs::write(place.segment(3), text).expect("changed");
    let (log, restored) = place.open();
    let damage = restored.damage.expect("damage");
    assert!(damage.contains("list of ended sessions"), "{damage}");
    assert_eq!(restored.ended, [(session(1), until)], "the list before still says it");
    assert_eq!(restored.revoked.len(), 1);
    log.close();
    knows_all(&place, until);
}

#[test]
fn a_single_damaged_record_is_not_mistaken_for_another_key_file() {
    // The only record that was sealed with the new key is the newest list.
    let (place, until) = begun("damaged-new-key");
    rotate_key(&place);
    place.open().0.close();
    change_sealed(&place.segment(3), "ended-sessions", |sealed| sealed[40] ^= 1);
    let (log, restored) = place.open();
    assert!(restored.damage.is_some_and(|damage| damage.contains("list of ended sessions")));
    assert_eq!(restored.ended, [(session(1), until)], "the list before still says it");
    log.close();
    knows_all(&place, until);

    // A record that says it was sealed with the old key, of which nothing is left in sight.
    let (place, until) = begun("damaged-number");
    rotate_key(&place);
    for _ in 0..16 {
        knows_all(&place, until);
    }
    let (log, _) = place.open();
    log.write(admission(1));
    log.close();
    change_sealed(&place.segment(19), "admission", |sealed| sealed[3] ^= 2 ^ 1);
    let (log, restored) = place.open();
    assert!(restored.damage.is_some_and(|damage| damage.contains("not genuine")));
    assert_eq!(restored.ended, [(session(1), until)]);
    log.close();

    // Two of them are no accident: this key is not that of the log.
    let (place, until) = begun("foreign-new-key");
    rotate_key(&place);
    let (log, _) = place.open();
    log.write(ending(1, until));
    log.close();
    let foreign = clock::random_secret();
    change(&place, |keys| keys.encryption[1].key = Redacted::new(foreign));
    assert_eq!(refused(&place).0, Misfit::Encryption(2));
}

/// Changes the sealed part of the first such record of a segment.
fn change_sealed(segment: &Path, event: &str, change: impl FnOnce(&mut [u8])) {
    let text = fs::read_to_string(segment).expect("a segment");
    let record = text.find(&format!("\"event\":\"{event}\"")).expect("such a record");
    let at = record + text[record..].find("\"sealed\":\"").expect("sealed") + 10;
    let len = text[at..].find('"').expect("its end");
    let mut sealed = from_text(&text.as_bytes()[at..at + len]).expect("base64url");
    change(&mut sealed);
    let changed = [&text[..at], &to_text(&sealed), &text[at + len..]].concat();
    fs::write(segment, changed).expect("changed");
}

#[test]
fn a_copy_from_before_a_rotation_is_refused_though_it_opens_the_newest_list() {
    let (place, until) = begun("rotated-while-it-ran");
    let old_copy = keys(&place);
    let (log, _) = place.open();
    rotate_key(&place);
    log.audit.reload_keys().expect("one more");
    log.write(ending(2, until));
    log.close();
    let own = keys(&place);
    put(&place, &old_copy);
    assert_eq!(refused(&place).0, Misfit::Lacks(2));
    put(&place, &own);
    let (log, restored) = place.open();
    assert_eq!(restored.ended.len(), 2);
    log.close();
}

#[test]
fn an_old_segment_that_cannot_be_read_keeps_no_server_from_starting() {
    let (place, until) = begun("unreadable");
    knows_all(&place, until);
    fs::remove_file(place.segment(1)).expect("removed");
    fs::create_dir(place.segment(1)).expect("something that is no file");
    knows_all(&place, until);
}

#[test]
fn while_the_server_runs_its_keys_are_not_exchanged_for_those_of_another_log() {
    let (place, _) = begun("reload-keys");
    let (other, _) = begun("reload-keys-other");
    let own = keys(&place);
    let (log, _) = place.open();
    for verification in [None, keys(&other).verification] {
        put(&place, &Keys { verification, ..keys(&other) });
        let error = log.audit.reload_keys().expect_err("refused");
        assert!(matches!(error, KeyFileError::OtherLog(..)), "{error}");
        log.write(admission(2));
    }
    put(&place, &own);
    log.audit.reload_keys().expect("its own");
    rotate_key(&place);
    log.audit.reload_keys().expect("one more");
    log.write(admission(3));
    log.close();
    assert_eq!(admitted(&place), [1, 2, 2, 3], "the right file opens them all");
    assert_intact(&place);
}

#[test]
fn a_last_segment_that_is_taken_away_is_missed_for_ever() {
    let (place, until) = begun("taken-away");
    let (log, _) = place.open();
    log.write(ending(2, until));
    log.close();
    fs::remove_file(place.segment(3)).expect("removed");
    assert!(!verified(&place).is_intact());
    for first in [true, false] {
        let (log, restored) = place.open();
        assert_eq!(restored.damage.as_deref(), first.then_some("segment 3 was gone"));
        assert_eq!(restored.clean, !first);
        assert_eq!(restored.ended, [(session(1), until)], "what the others say is known");
        log.write(admission(4));
        log.close();
        let faults = verified(&place).faults;
        assert!(faults.iter().any(|fault| fault.what.contains("segment 3 was gone")), "{faults:?}");
        assert!(faults.iter().any(|fault| fault.what == "is missing"), "{faults:?}");
        assert_eq!(python(&place, None).0, 1);
    }
}

#[test]
fn a_segment_that_was_overwritten_is_reported_for_ever() {
    for length in [100, 900, 100_000] {
        let place = Place::in_memory("overwritten");
        let (log, _) = place.open();
        log.write(admission(1));
        log.close();
        let noise = clock::random_secret().repeat(length / 32 + 1);
        fs::write(place.segment(1), &noise[..length]).expect("overwritten");
        assert!(!verified(&place).is_intact());
        for first in [true, false] {
            let (log, restored) = place.open();
            assert_eq!(restored.damage.is_some(), first, "{length} bytes");
            log.write(admission(2));
            log.close();
            let faults = verified(&place).faults;
            assert!(faults.iter().any(|fault| fault.what.contains("found damage")), "{faults:?}");
            assert_eq!(python(&place, None).0, 1);
        }
    }
}

#[test]
fn with_a_takeover_nobody_is_asked_to_leave_for_a_server_without_the_right_keys() {
    let (place, _) = begun("take-over-keys");
    let (other, _) = begun("take-over-keys-other");
    let (log, _) = place.open();
    // The one that would be asked is this process. Without the keys it does not come to that.
    let take_over = Some(Duration::from_millis(200));
    let options = audit::Options { take_over, ..place.options() };
    let missing = audit::Options { key_file: place.root.join("none"), ..options.clone() };
    assert!(matches!(audit::open(missing), Err(OpenError::KeysGone(_))));
    let foreign = audit::Options { key_file: other.key_file(), ..options };
    assert!(matches!(audit::open(foreign), Err(OpenError::Key(KeyFileError::OtherLog(..)))));
    assert!(!place.root.join("none").exists());
    log.close();
}
