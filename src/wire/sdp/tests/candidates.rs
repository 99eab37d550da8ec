//! Candidates, alone and in a description.

use super::*;

/// What is wrong with a candidate, and the same in a description.
fn candidate_fault(line: &str, relay_only: bool, allowed: &str, blocked: &str) -> Option<Fault> {
    let list = |text: &str| {
        let read = || Networks::parse(text).expect("networks");
        if text.is_empty() { Networks::none() } else { read() }
    };
    let (allowed, blocked) = (list(allowed), list(blocked));
    let rules = CandidateRules { relay_only, allowed: &allowed, blocked: &blocked };
    let written = |text: &str| serde_json::to_string(text).expect("a string");
    fn raw(written: &str) -> Raw<'_> {
        Raw::parse(written).expect("JSON")
    }
    let alone = check_candidate(raw(&written(line)), rules).err();
    assert_eq!(check_candidate(raw(&written(&format!("a={line}"))), rules).err(), alone, "{line}");
    let sdp = written(&format!("{}{AUDIO}a={line}\r\n", secured()));
    let within = check_description(quoted(&sdp), Rules { may_send: true, candidates: rules });
    assert_eq!(within.err(), alone, "{line}");
    alone
}

const HOST: &str = "candidate:1 1 udp 2122260223 192.0.2.1 50000 typ host generation 0 ufrag 4ZcD network-cost 999";
const RELAY: &str = "candidate:3 1 udp 41885439 198.51.100.7 49152 typ relay raddr 192.0.2.1 rport 50000 generation 0";

#[test]
fn only_relays_pass_where_only_relays_may() {
    let judged = |line: &str| candidate_fault(line, true, "", "");
    assert_eq!(judged(RELAY), None);
    assert_eq!(judged("candidate:3 1 TCP 41885439 2001:db8::1 443 typ relay"), None);
    assert_eq!(judged("candidate:3 1 UDP 41885439 turn.example.org 443 typ relay"), None);
    for kind in ["host", "srflx", "prflx", "RELAY", "relayed", "x"] {
        let line = format!("candidate:1 1 udp 1 192.0.2.1 9 typ {kind}");
        assert_eq!(judged(&line), Some(Fault::NotRelay), "{kind}");
    }
    for odd in [
        "candidate:1 1 udp 1 192.0.2.1 9 typ",
        "candidate:1 1 udp 1 192.0.2.1 9",
        "candidate:1 1 udp 1 192.0.2.1 9 typ relay typ host",
        "candidate:1 1 udp 1 192.0.2.1 9 typ relay x 1 Typ host",
        "candidate:1 1 udp 1 192.0.2.1 9 typ relay x typ host y",
        "candidate:1 1 udp 1 192.0.2.1 9 typ relay rport 1 raddr 10.0.0.1",
        "candidate:1 1 udp 1 192.0.2.1 9 typ relay raddr",
        "candidate:1 1 udp 1 192.0.2.1 9 typ relay raddr 10.0.0.1 raddr 10.0.0.1",
        "candidate:1 1 udp 1 192.0.2.1 9 typ relay rport x",
        "candidate:1 1 udp 1 192.0.2.1 9 typ relay generation",
        "candidate:1 1 udp 1 192.0.2.1 9 typ relay ",
        "candidate:1 1 udp 1 192.0.2.1 9 typ  relay",
        "candidate:1 1 udp 1 192.0.2.1 9 typ\trelay",
        "candidate:1 1 udp 1 192.0.2.1 9 typ relay\tx y",
        "candidate:1 1 udp 1 192.0.2.1 9 typ relay x \u{e9}",
        "candidate: 1 udp 1 192.0.2.1 9 typ relay",
        "candidate: 1 1 udp 1 192.0.2.1 9 typ relay",
        "candidate:1 1 udp 12345678901 192.0.2.1 9 typ relay",
        "candidate:1 1 udp -1 192.0.2.1 9 typ relay",
        "candidate:1 1234 udp 1 192.0.2.1 9 typ relay",
        "candidate:1 1 udp 1 192.0.2.1 123456 typ relay",
        "candidate:123456789012345678901234567890123 1 udp 1 192.0.2.1 9 typ relay",
        "candidate:_ 1 udp 1 192.0.2.1 9 typ relay",
        "Candidate:1 1 udp 1 192.0.2.1 9 typ relay",
        "candidate",
    ] {
        assert_eq!(judged(odd), Some(Fault::Candidate), "{odd}");
    }
    let long = format!("{RELAY} x {}", "y".repeat(600));
    assert_eq!(judged(&long), Some(Fault::Candidate), "what is behind its end nobody knows");
}

#[test]
fn candidates_lead_where_the_lists_let_them() {
    let (allow, block) = ("192.0.2.0/24,198.51.100.0/24,2001:db8::/32", "192.0.2.128/25,::1");
    let typ = |address: &str| format!("candidate:1 1 udp 1 {address} 9 typ host");
    let from = |related: &str| {
        format!("candidate:1 1 udp 1 192.0.2.1 9 typ srflx raddr {related} rport 0")
    };
    for (line, allowed, blocked) in [
        (HOST.to_owned(), None, None),
        (RELAY.to_owned(), None, None),
        (typ("192.0.2.200"), None, Some(Fault::Address)),
        (typ("203.0.113.1"), Some(Fault::Address), None),
        (typ("2001:DB8::1"), None, None),
        (typ("2001:db9::1"), Some(Fault::Address), None),
        (typ("::1"), Some(Fault::Address), Some(Fault::Address)),
        (typ("::ffff:192.0.2.1"), None, None),
        (typ("::ffff:192.0.2.200"), None, Some(Fault::Address)),
        (typ("0.0.0.0"), Some(Fault::Address), None),
        (typ("3f5c21a0-88d1-4a2b-9a53-0f6a3c2a5d11.local"), None, None),
        (from("0.0.0.0"), None, None),
        (from("::"), None, None),
        (from("::ffff:0.0.0.0"), None, None),
        (from("3f5c21a0-88d1.local"), None, None),
        (from("3F5C21A0-88D1.LOCAL"), None, None),
        (from("192.0.2.200"), None, Some(Fault::Address)),
        (from("203.0.113.1"), Some(Fault::Address), None),
    ] {
        assert_eq!(candidate_fault(&line, false, allow, ""), allowed, "{line}");
        assert_eq!(candidate_fault(&line, false, "", block), blocked, "{line}");
        assert_eq!(candidate_fault(&line, false, allow, block), allowed.or(blocked), "{line}");
        assert_eq!(candidate_fault(&line, false, "", ""), None, "{line}");
    }
    // What is neither an address nor a name that stands for a near one is not looked up.
    for name in [
        "example.org",
        "localhost",
        "a.b.local",
        ".local",
        "192.000.2.1",
        "0xc0000201",
        "3221225985",
        "192.0.513",
        "[2001:db8::1]",
        "fe80::1%eth0",
        "x_y.local",
    ] {
        for (allowed, blocked) in [("0.0.0.0/0,::/0", ""), ("", "203.0.113.1")] {
            let found = candidate_fault(&typ(name), false, allowed, blocked);
            assert_eq!(found, Some(Fault::Address), "{name}");
        }
    }
}

#[test]
fn a_candidate_is_one_line_and_nothing_is_the_end_of_candidates() {
    let judge = |text: &str, relay_only| {
        let none = Networks::none();
        let rules = CandidateRules { relay_only, allowed: &none, blocked: &none };
        let quoted = serde_json::to_string(text).expect("a string");
        check_candidate(serde_json::from_str(&quoted).expect("JSON"), rules).err()
    };
    for relay_only in [false, true] {
        assert_eq!(judge("", relay_only), None);
        assert_eq!(judge(RELAY, relay_only), None);
        for lines in [
            format!("{RELAY}\r\na=fingerprint:sha-256 {}", hex(32)),
            format!("{RELAY}\r\n"),
            format!("{RELAY}\n"),
            format!("{RELAY}\r"),
            format!("{RELAY}\0"),
            "\r\n".to_owned(),
        ] {
            assert_eq!(judge(&lines, relay_only), Some(Fault::Candidate), "{lines:?}");
        }
    }
    assert_eq!(judge("whatever a newer browser may write", false), None);
    assert_eq!(judge("a=", true), Some(Fault::Candidate));
}
