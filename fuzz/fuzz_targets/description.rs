//! Session descriptions: what passes as an observer's, no browser takes for a description of someone who sends; and the
//! verdict does not depend on how the JSON string around it is written.
//!
//! An input is a description. The browsers here read it as theirs do, but where theirs would give up these go on.
#![no_main]

use std::fmt::Write;

use autamedica_signaling::wire::sdp::may_send;
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = str::from_utf8(input) else { return };
    let quoted = serde_json::to_string(text).expect("a string");
    let verdict = judge(quoted);
    assert_eq!(judge(escaped(text)), verdict, "an escape changes the verdict");
    if !verdict {
        let lines: Vec<_> = text.split('\n').map(|line| line.trim_end_matches('\r')).collect();
        assert!(!sends(lines.iter().filter_map(|line| chromium(line))), "Chromium: it sends");
        assert!(!sends(lines.iter().filter_map(|line| firefox(line))), "Firefox: it sends");
        // Whoever reads C strings sees no more than this.
        let cut = text.split('\0').next().unwrap_or_default().split('\n');
        assert!(!sends(cut.filter_map(|line| chromium(line.trim_end_matches('\r')))));
    }
});

fn judge(quoted: String) -> bool {
    may_send(&RawValue::from_string(quoted).expect("JSON"))
}

/// A JSON string of nothing but escapes.
fn escaped(text: &str) -> String {
    let mut quoted = String::from("\"");
    for unit in text.encode_utf16() {
        write!(quoted, "\\u{unit:04X}").expect("a string takes everything");
    }
    quoted + "\""
}

/// A line, as far as directions go.
enum Line {
    Section { carries_media: bool, is_rejected: bool },
    Direction { sends: bool },
    BundleOnly,
}

/// RFC 8866 6.7: a section that says nothing sends. What stands before the first says nothing to Chromium.
fn sends(lines: impl Iterator<Item = Line>) -> bool {
    let (mut found, mut may, mut says, mut rejected) = (false, false, true, false);
    for line in lines {
        match line {
            Line::Section { carries_media, is_rejected } => {
                found |= may && says && !rejected;
                (may, says, rejected) = (carries_media, true, is_rejected);
            }
            Line::Direction { sends } => says = sends,
            Line::BundleOnly => rejected = false,
        }
    }
    found || (may && says && !rejected)
}

/// A name counts where a space or a colon follows it.
fn chromium(line: &str) -> Option<Line> {
    let (kind, rest) = line.split_at_checked(2)?;
    match kind {
        "m=" => section(rest),
        "a=" => attribute(rest.split([' ', ':']).next()?),
        _ => None,
    }
}

/// Letter case and white space on either side of `=` do not count.
fn firefox(line: &str) -> Option<Line> {
    let (kind, value) = line.split_once('=')?;
    match kind.trim() {
        "m" | "M" => section(value.trim()),
        "a" | "A" => attribute(&value.trim().split(':').next()?.to_lowercase()),
        _ => None,
    }
}

fn section(media: &str) -> Option<Line> {
    let mut words = media.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let port = words.next().unwrap_or_default();
    Some(Line::Section {
        carries_media: kind.starts_with("audio") || kind.starts_with("video"),
        is_rejected: port == "0",
    })
}

fn attribute(name: &str) -> Option<Line> {
    match name {
        "sendrecv" | "sendonly" => Some(Line::Direction { sends: true }),
        "recvonly" | "inactive" => Some(Line::Direction { sends: false }),
        "bundle-only" => Some(Line::BundleOnly),
        _ => None,
    }
}
