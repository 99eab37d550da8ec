//! Every change to a log is found, and its place is named.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};

use autamedica_signaling::base::time::WallTime;
use autamedica_signaling::reactor::clock;
use autamedica_signaling::service::audit::checkpoint::Witness;
use autamedica_signaling::service::audit::report::Report;
use autamedica_signaling::service::audit::verify::verify;
use autamedica_signaling::service::audit::{self, EpochKey};

use crate::retention::{IN_USE, run};
use crate::support::{Place, admission, assert_intact, python, rotate_key, verification_key};

/// A log of several segments: an orderly one, one that ends in a tear, one behind it, two encryption keys.
struct Sample {
    place: Place,
    key: EpochKey,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Sample {
    fn small() -> Self {
        let place = Place::in_memory("small");
        let (log, _) = place.open();
        log.write(admission(1));
        log.write(admission(2));
        log.close();
        Self::of(place)
    }

    /// A segment that was retired, an orderly one, a key rotation, a torn one, one behind it.
    fn eventful() -> Self {
        let place = Place::in_memory("eventful");
        {
            let _one = IN_USE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            run(&place, 3_650);
            run(&place, 0);
        }
        assert!(!place.segment(1).exists(), "it was older than it must be kept");
        rotate_key(&place);
        let (log, _) = place.open();
        log.write(admission(3));
        log.close();
        // As a power cut in the middle of the last record would leave it.
        let torn = fs::read(place.segment(3)).expect("a segment");
        fs::write(place.segment(3), &torn[..torn.len() - 20]).expect("torn");
        let (log, restored) = place.open();
        assert!(restored.torn_bytes > 0 && !restored.clean && restored.damage.is_none());
        log.close();
        Self::of(place)
    }

    fn of(place: Place) -> Self {
        assert_intact(&place);
        let key = verification_key(&place);
        let mut files = Vec::new();
        for entry in fs::read_dir(place.log()).expect("a folder") {
            let path = entry.expect("an entry").path();
            let contents = fs::read(&path).expect("a file");
            if !path.ends_with("lock") {
                files.push((path, contents));
            }
        }
        files.sort();
        Self { place, key, files }
    }

    fn verify(&self) -> Report {
        verify(&self.place.log(), &self.key, &[]).expect("can be read")
    }

    /// What is found when file `index` holds `contents` instead.
    fn with(&self, index: usize, contents: &[u8]) -> Report {
        let (path, before) = &self.files[index];
        fs::write(path, contents).expect("written");
        let report = self.verify();
        fs::write(path, before).expect("put back");
        report
    }

    fn segments(&self) -> impl Iterator<Item = usize> + '_ {
        let named = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "jsonl");
        (0..self.files.len()).filter(move |index| named(&self.files[*index].0))
    }
}

/// The lines of a segment, ends included.
fn lines(contents: &[u8]) -> Vec<&[u8]> {
    contents.split_inclusive(|byte| *byte == b'\n').collect()
}

fn line_at(contents: &[u8], at: usize) -> usize {
    contents[..at].iter().filter(|byte| **byte == b'\n').count() + 1
}

#[test]
fn every_byte_of_a_log_counts() {
    every_byte(&Sample::small(), |byte| vec![byte ^ 0x01, byte ^ 0x80, b'\n']);
}

#[test]
fn every_byte_of_a_log_that_has_seen_a_lot_counts() {
    every_byte(&Sample::eventful(), |byte| vec![byte ^ 0x01]);
}

fn every_byte(sample: &Sample, others: impl Fn(u8) -> Vec<u8>) {
    for index in sample.segments() {
        let (path, contents) = &sample.files[index];
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        for at in 0..contents.len() {
            for other in others(contents[at]) {
                if other == contents[at] {
                    continue;
                }
                let mut changed = contents.clone();
                changed[at] = other;
                let report = sample.with(index, &changed);
                let place = format!("{}, byte {at} is {other:#x}", path.display());
                assert!(!report.is_intact(), "not noticed: {place}");
                // What is torn has no line; the record of the segment behind says what it must be.
                let line = Some(line_at(contents, at));
                let named = report.faults.iter().any(|fault| {
                    fault.segment == number && (fault.line.is_none() || fault.line == line)
                });
                assert!(named, "{place}: {:?}", report.faults);
            }
        }
    }
}

#[test]
fn no_record_can_be_dropped_moved_doubled_or_put_in() {
    every_record(&Sample::small());
    every_record(&Sample::eventful());
}

fn every_record(sample: &Sample) {
    for index in sample.segments() {
        let contents = &sample.files[index].1;
        let lines = lines(contents);
        for at in 0..lines.len() {
            let mut without = lines.clone();
            without.remove(at);
            // The last one of all is a cut tail: that is the business of checkpoints.
            let is_last = at + 1 == lines.len() && sample.segments().last() == Some(index);
            let report = sample.with(index, &without.concat());
            assert_eq!(report.is_intact(), is_last, "dropped line {} of {index}", at + 1);
            assert!(!(is_last && report.ended));
            for to in 0..=lines.len() {
                let mut doubled = lines.clone();
                doubled.insert(to, lines[at]);
                let report = sample.with(index, &doubled.concat());
                assert!(!report.is_intact(), "line {} of {index} twice", at + 1);
                if to != at && to != at + 1 {
                    let mut moved = lines.clone();
                    let line = moved.remove(at);
                    moved.insert(if to > at { to - 1 } else { to }, line);
                    let report = sample.with(index, &moved.concat());
                    assert!(!report.is_intact(), "line {} of {index} moved", at + 1);
                }
            }
        }
    }
}

#[test]
fn a_changed_record_is_named_and_the_others_are_not() {
    let sample = Sample::small();
    let index = sample.segments().next().expect("one");
    let text = String::from_utf8(sample.files[index].1.clone()).expect("text");
    let line = text.lines().position(|line| line.contains("admission")).expect("one") + 1;
    let changed = text.replacen("\"role\":\"doctor\"", "\"role\":\"patien\"", 1);
    let report = sample.with(index, changed.as_bytes());
    assert_eq!(report.faults.len(), 1, "{:?}", report.faults);
    let fault = &report.faults[0];
    assert_eq!((fault.segment, fault.line, fault.seq), (Some(1), Some(line), Some(line as u64)));
}

#[test]
fn no_segment_can_be_dropped_or_exchanged() {
    let sample = Sample::eventful();
    let segments: Vec<usize> = sample.segments().collect();
    assert_eq!(segments.len(), 3);
    for &index in &segments {
        let (path, contents) = &sample.files[index];
        fs::remove_file(path).expect("removed");
        let report = sample.verify();
        let is_last = Some(&index) == segments.last();
        assert!(!report.is_intact(), "segment file {index}");
        assert!(!is_last || report.faults.iter().any(|fault| fault.what.contains("`seal`")));
        fs::write(path, contents).expect("put back");
        for &other in segments.iter().filter(|other| **other != index) {
            assert!(!sample.with(index, &sample.files[other].1).is_intact());
        }
    }
    assert!(sample.verify().is_intact());
}

#[test]
fn wherever_a_log_is_cut_off_a_checkpoint_shows_it() {
    let place = Place::in_memory("cut");
    let checkpoints = place.root.join("checkpoints");
    let target = audit::Checkpoint::File(checkpoints.clone());
    let (log, _) = place.open_with(|options| options.checkpoint = Some(target.clone()));
    log.write(admission(1));
    log.close();
    let key = verification_key(&place);
    let witnesses = Witness::all(&checkpoints, &fs::read(&checkpoints).expect("a file"));
    assert_eq!(witnesses.len(), 2, "the beginning and the end");
    let judge = || verify(&place.log(), &key, &witnesses).expect("can be read");
    assert!(judge().is_intact());
    let contents = fs::read(place.segment(1)).expect("a segment");
    for length in 0..contents.len() {
        fs::write(place.segment(1), &contents[..length]).expect("cut");
        let report = judge();
        assert!(!report.is_intact(), "cut to {length} bytes");
        assert!(!report.ended);
        let whole_line = length > 0 && contents[length - 1] == b'\n';
        if whole_line {
            let told = report.faults.iter().any(|fault| fault.what.contains("cut off"));
            assert!(told, "{:?}", report.faults);
        }
    }
    // Of a log that was begun anew none of the checkpoints is known.
    fs::remove_dir_all(place.log()).expect("removed");
    let (log, _) = place.open();
    for number in 1..20 {
        log.write(admission(number));
    }
    log.close();
    assert!(assert_intact(&place).records > 20, "by itself it is a good log");
    assert!(!judge().is_intact());
    // And a checkpoint that was made up is none.
    let text = String::from_utf8(fs::read(&checkpoints).expect("a file")).expect("text");
    let forged = text.replacen("\"seq\":", "\"seq\":1", 1);
    let witnesses = Witness::all(&checkpoints, forged.as_bytes());
    let report = verify(&place.log(), &key, &witnesses).expect("can be read");
    assert!(report.faults[0].what.contains("was not made by this log"), "{}", report.faults[0]);
}

#[test]
fn with_another_key_nothing_is_good() {
    let sample = Sample::small();
    let other = Place::in_memory("other");
    other.open().0.close();
    let report = verify(&sample.place.log(), &verification_key(&other), &[]).expect("can be read");
    assert_eq!(report.records, 0);
    assert!(!report.is_intact());
}

/// Whether the log is intact, as both verifiers say.
fn agreed(sample: &Sample, what: &str) -> bool {
    let (status, said) = python(&sample.place, None);
    let report = sample.verify();
    assert_eq!(status, i32::from(!report.is_intact()), "{what}: {said}\n{:?}", report.faults);
    report.is_intact()
}

/// A sample of all of that, for a program that starts anew for each.
#[test]
fn the_independent_verifier_says_the_same() {
    let sample = Sample::eventful();
    let agree = |what: &str| agreed(&sample, what);
    assert!(agree("untouched"));
    let mut seed = 7_u64;
    let mut draw = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for index in sample.segments() {
        let (path, contents) = &sample.files[index];
        let lines = lines(contents);
        for round in 0..36 {
            let mut changed = contents.clone();
            let mut moved = lines.clone();
            let (at, line) = (draw(contents.len()), draw(lines.len()));
            let what = match round % 6 {
                0 | 1 => {
                    changed[at] ^= 1 << draw(8);
                    format!("byte {at}")
                }
                2 => {
                    changed.truncate(at);
                    format!("cut to {at} bytes")
                }
                3 => {
                    moved.remove(line);
                    changed = moved.concat();
                    format!("without line {}", line + 1)
                }
                4 => {
                    moved.insert(draw(lines.len()), lines[line]);
                    changed = moved.concat();
                    format!("line {} twice", line + 1)
                }
                _ => {
                    changed.insert(at, b'0');
                    format!("a byte put in at {at}")
                }
            };
            fs::write(path, &changed).expect("written");
            agree(&format!("{}: {what}", path.display()));
            fs::write(path, contents).expect("put back");
        }
        fs::remove_file(path).expect("removed");
        agree("a segment is gone");
        fs::write(path, contents).expect("put back");
    }
}

/// A segment of one run, and one of another run in three minutes, each with a session.
fn three_minutes() -> Sample {
    static MINUTES: AtomicI64 = AtomicI64::new(0);
    let later = || {
        let minutes = MINUTES.load(Ordering::SeqCst);
        WallTime::from_millis(clock::wall_time().as_millis() + minutes * 60_000)
    };
    let place = Place::in_memory("minutes");
    let (log, _) = place.open_with(|options| options.wall_time = later);
    log.write(admission(1));
    log.close();
    let (log, _) = place.open_with(|options| options.wall_time = later);
    for number in 2..5 {
        log.write(admission(number));
        MINUTES.fetch_add(1, Ordering::SeqCst);
    }
    log.close();
    Sample::of(place)
}

#[test]
fn both_verifiers_hold_the_log_against_its_seal() {
    let sample = three_minutes();
    let (last, seal) = (sample.place.segment(2), sample.place.log().join("seal"));
    let contents = fs::read(&last).expect("a segment");
    let lines = lines(&contents);
    assert!(agreed(&sample, "untouched"));

    fs::write(&last, b"").expect("emptied");
    assert!(!agreed(&sample, "the last segment is empty"));
    fs::write(&last, lines[..lines.len() / 2].concat()).expect("cut");
    assert!(!agreed(&sample, "the last segment has half of its records"));
    fs::write(&last, &contents[..contents.len() / 2]).expect("cut");
    assert!(!agreed(&sample, "the last segment has half of its bytes"));
    fs::remove_file(&last).expect("removed");
    assert!(!agreed(&sample, "the last segment is gone"));

    // Without a seal, nothing tells of what was there: that is what checkpoints are for.
    let sealed = fs::read_to_string(&seal).expect("a seal");
    fs::remove_file(&seal).expect("removed");
    assert!(agreed(&sample, "the last segment is gone, and so is the seal"));
    fs::write(&last, &contents).expect("put back");
    assert!(agreed(&sample, "the seal is not in the copy"));

    let text = |from: &str, to: &str| sealed.replacen(from, to, 1);
    let with = |what: &str, seal_is: String| {
        assert_ne!(seal_is, sealed, "{what}");
        fs::write(&seal, seal_is).expect("written");
        agreed(&sample, what)
    };
    for (what, changed) in [
        ("an empty seal", String::new()),
        ("half a seal", sealed[..sealed.len() / 2].to_owned()),
        ("no object", format!("[{sealed}]")),
        ("a later version", text("\"version\":1", "\"version\":2")),
        ("a version that is no number", text("\"version\":1", "\"version\":true")),
        ("a number as a text", text("\"segment\":2", "\"segment\":\"2\"")),
        ("no offset", text("\"offset\"", "\"offsett\"")),
        ("a negative epoch", text("\"epoch\":", "\"epoch\":-")),
        ("a key that is too short", text("\"key\":\"", "\"key\":\"A\",\"was\":\"")),
        ("a name that is there twice", text("{", "{\"version\":1,")),
        ("an ending without its record", text("\"torn\":", "\"tore\":")),
        ("a segment that never was", text("\"segment\":2", "\"segment\":3")),
        ("an epoch that never was", text("\"epoch\":", "\"epoch\":1")),
        ("an epoch further than any log gets", text("\"epoch\":", "\"epoch\":99999999")),
        ("another record", text("\"seq\":", "\"seq\":1")),
    ] {
        assert!(!with(what, changed), "{what}");
    }
    assert!(with("a member that is not known", text("{", "{\"more\":[1],")));
    assert!(with("no ending", format!("{}}}", sealed.split(",\"previous\"").next().expect("it"))));
}
