//! Session descriptions and candidates: the verdict and the hash of the fingerprints are those of a second reader, in both
//! directions; no browser finds anything in what passes that may not; and how the JSON string around it is written changes
//! nothing.
//!
//! An input is a description. It is also taken for a candidate, as in a message of its own.
#![no_main]

#[path = "description/browsers.rs"]
mod browsers;
#[path = "description/slow.rs"]
mod slow;

use std::fmt::Write;

use autamedica_signaling::base::cidr::Networks;
use autamedica_signaling::wire::json::{Quoted, Raw};
use autamedica_signaling::wire::sdp::{
    CandidateRules, FingerprintHash, Rules, check_candidate, check_description,
};
use browsers::{chromium, firefox};
use libfuzzer_sys::fuzz_target;

/// Rules for candidates: whether only relays pass, and where they may lead. Those of `slow` are the same by hand.
const RULES: [(bool, &str, &str); 4] = [
    (false, "", ""),
    (true, "", ""),
    (false, "192.0.2.0/24,2001:db8::/32", ""),
    (false, "", "192.0.2.128/25,::1"),
];

fuzz_target!(|input: &[u8]| {
    let Ok(text) = str::from_utf8(input) else { return };
    let written = [serde_json::to_string(text).expect("a string"), escaped(text)];
    let [raw, raw_escaped] = written.each_ref().map(|text| Raw::parse(text).expect("JSON"));
    let [quoted, escaped] = [raw, raw_escaped].map(|raw| Quoted::from_raw(raw).expect("a string"));
    for (number, (relay_only, allowed, blocked)) in RULES.into_iter().enumerate() {
        let [allowed, blocked] = [allowed, blocked].map(networks);
        let candidates = CandidateRules { relay_only, allowed: &allowed, blocked: &blocked };
        for may_send in [true, false] {
            let rules = Rules { may_send, candidates };
            let verdict = check_description(quoted, rules);
            // Of several faults another one may be found first.
            let again = check_description(escaped, rules);
            assert_eq!(again.ok(), verdict.ok(), "an escape changes the verdict");
            let hash =
                verdict.ok().map(|hash| hash.as_ref().map(FingerprintHash::as_bytes).copied());
            assert_eq!(hash, slow::description(text, may_send, number), "{verdict:?}");
            if hash.is_some() {
                look_as_browsers_do(text, may_send, relay_only);
            }
        }
        let verdict = check_candidate(raw, candidates);
        let again = check_candidate(raw_escaped, candidates);
        assert_eq!(again.is_ok(), verdict.is_ok(), "an escape changes the verdict");
        assert_eq!(verdict.is_ok(), slow::candidate(text, number), "{verdict:?}");
        if verdict.is_ok() {
            let lines = text.strip_prefix("a=").unwrap_or(text).lines();
            let found: Vec<_> = lines.map(browsers::attribute).collect();
            assert!(found.len() <= 1, "more than a candidate");
            assert!(
                !relay_only || !found.iter().any(browsers::Line::is_direct),
                "a way past the relay"
            );
        }
    }
});

/// What passed is looked at as browsers read it, but where they would give up these go on.
fn look_as_browsers_do(text: &str, may_send: bool, relay_only: bool) {
    let lines = || text.split('\n').map(|line| line.trim_end_matches('\r'));
    // Whoever reads C strings sees no more than this.
    let cut = || text.split('\0').next().unwrap_or_default().split('\n');
    for (name, seen) in [
        ("Chromium", browsers::look(lines().filter_map(chromium))),
        ("Firefox", browsers::look(lines().filter_map(firefox))),
        ("C", browsers::look(cut().filter_map(|line| chromium(line.trim_end_matches('\r'))))),
    ] {
        assert!(!seen.is_insecure, "{name}: a section is not secured");
        assert!(!seen.has_keys, "{name}: there are keys");
        assert!(may_send || !seen.sends, "{name}: it sends");
        assert!(!relay_only || !seen.leads_past_relays, "{name}: a way past the relay");
    }
}

fn networks(list: &str) -> Networks {
    if list.is_empty() { Networks::none() } else { Networks::parse(list).expect("networks") }
}

/// A JSON string of nothing but escapes.
fn escaped(text: &str) -> String {
    let mut quoted = String::from("\"");
    for unit in text.encode_utf16() {
        write!(quoted, "\\u{unit:04X}").expect("a string takes everything");
    }
    quoted + "\""
}
