//! Records of the audit log: whatever stands in a file, nothing but what was written is taken for written, and nothing but
//! what was sealed is opened.
//!
//! An input is either the bytes of a segment, or, behind a first byte of 0xff, edits of a genuine one: an action, two bytes of
//! position, a value each.
#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use autamedica_signaling::base::redacted::Redacted;
use autamedica_signaling::base::time::WallTime;
use autamedica_signaling::service::audit::chain::{EpochKey, Head};
use autamedica_signaling::service::audit::checkpoint::Witness;
use autamedica_signaling::service::audit::export::verify_export;
use autamedica_signaling::service::audit::line::{Draft, Fields, Line, lines, write};
use autamedica_signaling::service::audit::reading::{Retired, first_record};
use autamedica_signaling::service::audit::sealing::{EncryptionKey, Sealed, Sealer};
use libfuzzer_sys::fuzz_target;

/// Who is in the sealed parts of the genuine log.
const SECRET: &[u8] = br#"{"session":"0d5f4a3c-1b2e-4f60-8a7b-9c8d7e6f5a4b"}"#;

/// A genuine log of two epochs.
struct Genuine {
    text: Vec<u8>,
    first_key: EpochKey,
    encryption: EncryptionKey,
}

fuzz_target!(|input: &[u8]| {
    static GENUINE: OnceLock<Genuine> = OnceLock::new();
    let genuine = GENUINE.get_or_init(write_genuine);
    match input {
        [0xff, edits @ ..] => judge(genuine, &edited(&genuine.text, edits)),
        bytes => judge(genuine, bytes),
    }
});

fn write_genuine() -> Genuine {
    let first_key = EpochKey::new(0, [7; 32]);
    let encryption = EncryptionKey { id: 1, key: Redacted::new([8; 32]) };
    let mut sealer = Sealer::new(encryption.clone(), [9; 16]);
    let (mut text, mut head) = (Vec::new(), Head::BEGINNING);
    for number in 0..8_u64 {
        let key = first_key.at(1 + number / 4).expect("an epoch ahead");
        let mut fields = Fields::default();
        if number == 0 {
            fields.number("segment", 1).text("log", "a log").raw("previous", "null");
        } else {
            fields.text("reason", "\"},{\"sealed\":\"").flag("emergency", false);
        }
        let draft = Draft {
            time: WallTime::from_secs(1_700_000_000 + number as i64),
            event: if number == 0 { "segment" } else { "admission" },
            fields: &fields,
            secret: if number % 2 == 0 { b"" } else { SECRET },
        };
        head = write(&mut text, &draft, &head, &key, &mut sealer);
    }
    Genuine { text, first_key, encryption }
}

fn edited(text: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    for edit in edits.chunks_exact(4) {
        let at = usize::from(u16::from_be_bytes([edit[1], edit[2]])) % (text.len() + 1);
        match edit[0] % 5 {
            0 if at < text.len() => text[at] = edit[3],
            1 => text.insert(at, edit[3]),
            2 if at < text.len() => drop(text.remove(at)),
            3 => text.truncate(at),
            _ => {
                let by = at.min(text.len());
                text.rotate_left(by);
            }
        }
    }
    text
}

fn judge(genuine: &Genuine, bytes: &[u8]) {
    // None of these may panic, whatever it is given.
    let _ = first_record(bytes);
    let _ = Witness::all(Path::new("checkpoints"), bytes);
    let _ = verify_export(bytes, &genuine.first_key);

    let written: Vec<&[u8]> = lines(&genuine.text).map(|(_, line, _)| line).collect();
    let (mut head, mut good) = (Head::BEGINNING, 0);
    let mut at = 0;
    for (offset, bytes, whole) in lines(bytes) {
        assert_eq!(offset, at, "lines are all of the text");
        at += bytes.len() + usize::from(whole);
        let Some(line) = Line::parse(bytes) else { continue };
        assert!(
            line.whole == bytes
                && bytes.starts_with(line.body)
                && line.body.starts_with(line.plain)
        );
        let _ = line.members::<Retired>();
        let key = if line.epoch <= 64 { genuine.first_key.at(line.epoch) } else { None };
        if key.is_some_and(|key| line.is_genuine(&head, &key)) {
            assert_eq!(written.get(good), Some(&bytes), "taken for written");
            (head, good) = (line.head(), good + 1);
        }
        let keys = [genuine.encryption.clone()];
        if let Some(opened) = line
            .sealed
            .and_then(Sealed::parse)
            .and_then(|sealed| sealed.open_with(&keys, line.plain))
        {
            assert_eq!(opened, SECRET);
            assert!(
                written.iter().any(|other| other.starts_with(line.plain)),
                "a sealed part stands in another record"
            );
        }
    }
}
