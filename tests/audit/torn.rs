//! Power failures: wherever the last write was cut, all durable records are there, and the log
//! continues.

use std::fs;

use crate::support::{Place, admission, admitted, assert_intact};

#[test]
fn a_batch_that_was_cut_anywhere_does_not_harm_what_was_before_it() {
    let sample = Place::in_memory("batch");
    let (log, _) = sample.open();
    log.write(admission(1));
    let before = fs::metadata(sample.segment(1)).expect("a segment").len() as usize;
    for number in 2..=4 {
        log.audit.take(admission(number)).expect("room");
    }
    log.write(admission(5));
    let after = fs::metadata(sample.segment(1)).expect("a segment").len() as usize;
    log.close();
    let contents = fs::read(sample.segment(1)).expect("a segment");

    for length in before..=after {
        let place = Place::in_memory("cut-batch");
        fs::create_dir(place.log()).expect("a folder");
        fs::copy(sample.key_file(), place.key_file()).expect("copied");
        fs::copy(sample.log().join("seal"), place.log().join("seal")).expect("copied");
        fs::write(place.segment(1), &contents[..length]).expect("cut");

        let (log, restored) = place.open();
        let whole = contents[..length].iter().rposition(|byte| *byte == b'\n').expect("one") + 1;
        assert_eq!(restored.torn_bytes as usize, length - whole, "cut to {length} bytes");
        assert!(!restored.clean && restored.damage.is_none(), "{:?}", restored.damage);
        log.write(admission(9));
        log.close();

        let report = assert_intact(&place);
        assert!(report.ended);
        assert_eq!(fs::read(place.segment(1)).expect("there").len(), length, "nothing is removed");
        let told = report.notes.iter().any(|note| note.contains("torn"));
        assert_eq!(told, length > whole, "{:?}", report.notes);
        let admitted = admitted(&place);
        assert_eq!((admitted[0], admitted.last()), (1, Some(&9)));
        assert_eq!(admitted.len(), 2 + contents[before..whole].split(|b| *b == b'\n').count() - 1);
        let (log, restored) = place.open();
        assert!(restored.clean, "and once more");
        log.close();
        assert_intact(&place);
    }
}

/// What a file system leaves of pages that it had not written: zeros, with good ones behind them.
#[test]
fn zeros_in_the_last_batch_are_a_tear() {
    let place = Place::in_memory("zeros");
    let (log, _) = place.open();
    log.write(admission(1));
    let before = fs::metadata(place.segment(1)).expect("a segment").len() as usize;
    log.write(admission(2));
    log.close();
    let mut contents = fs::read(place.segment(1)).expect("a segment");
    contents[before + 50..before + 150].fill(0);
    fs::write(place.segment(1), &contents).expect("written");
    let (log, restored) = place.open();
    assert_eq!(restored.torn_bytes as usize, contents.len() - before);
    assert_eq!(restored.damage, None);
    log.close();
    assert_intact(&place);
    assert_eq!(admitted(&place), [1]);
}

#[test]
fn a_start_that_failed_before_its_first_record_leaves_its_bytes_aside() {
    let place = Place::in_memory("aside");
    place.open().0.close();
    place.open().0.close();
    let seal_of_second = {
        let text = fs::read(place.log().join("seal")).expect("a seal");
        let mut seal: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        let (seq, mac) = (seal["previous"]["seq"].clone(), seal["previous"]["mac"].clone());
        (seal["offset"], seal["seq"], seal["mac"]) = (0.into(), seq, mac);
        seal.to_string()
    };
    // The seal file says that segment 2 begins; the power went in the middle of its first record.
    let contents = fs::read(place.segment(2)).expect("a segment");
    for length in [0, 1, 100] {
        fs::write(place.segment(2), &contents[..length]).expect("cut");
        fs::write(place.log().join("seal"), &seal_of_second).expect("written");
        let (log, restored) = place.open();
        assert!(restored.damage.is_none());
        log.write(admission(1));
        log.close();
        let report = assert_intact(&place);
        let told = report.notes.iter().any(|note| note.contains("never became a record"));
        assert_eq!(told, length > 0, "{:?}", report.notes);
        if length == 100 {
            let aside = place.log().join("00000002.2.torn");
            fs::write(&aside, "other").expect("changed");
            let report = crate::support::verified(&place);
            assert!(!report.is_intact(), "what was set aside counts as well");
        }
    }
}

#[test]
fn damage_to_what_was_durable_is_told_loudly_and_the_log_goes_on() {
    let place = Place::in_memory("damage");
    let (log, _) = place.open();
    log.write(admission(1));
    log.write(admission(2));
    log.close();
    let contents = fs::read_to_string(place.segment(1)).expect("a segment");
    let changed = contents.replacen("\"role\":\"doctor\"", "\"role\":\"patien\"", 1);
    fs::write(place.segment(1), changed).expect("changed");
    let (log, restored) = place.open();
    let damage = restored.damage.expect("damage");
    assert!(damage.contains("not genuine"), "{damage}");
    log.write(admission(3));
    log.close();
    let report = crate::support::verified(&place);
    assert!(report.faults.iter().any(|fault| fault.what.contains("damage")), "{:?}", report.faults);
    assert_eq!(admitted(&place), [3]);

    // Cut off to before where the epoch began.
    let place = Place::in_memory("shorter");
    place.open().0.close();
    place.open().0.close();
    fs::remove_file(place.segment(2)).expect("removed");
    fs::write(place.segment(1), "").expect("emptied");
    let (log, restored) = place.open();
    assert!(!restored.clean);
    log.write(admission(4));
    log.close();
    assert!(!crate::support::verified(&place).is_intact());
    assert_eq!(admitted(&place), [4]);
}

#[test]
fn a_lost_seal_is_made_good_from_the_verification_key_or_not_at_all() {
    let place = Place::in_memory("seal");
    let (log, _) = place.open();
    log.write(admission(1));
    log.close();
    fs::remove_file(place.log().join("seal")).expect("removed");
    let (log, restored) = place.open();
    assert_eq!(restored.damage.as_deref(), Some("the seal file was gone"));
    log.write(admission(2));
    log.close();
    assert_eq!(admitted(&place), [1, 2]);
    let report = crate::support::verified(&place);
    assert_eq!(report.faults.len(), 1, "only that it was gone: {:?}", report.faults);

    let mut keys =
        autamedica_signaling::service::audit::Keys::read(&place.key_file()).expect("keys");
    keys.verification = None;
    keys.replace(&place.key_file()).expect("written");
    fs::remove_file(place.log().join("seal")).expect("removed");
    let error = autamedica_signaling::service::audit::open(place.options()).expect_err("refused");
    assert!(error.to_string().contains("put its `verify` key back"), "{error}");
}
