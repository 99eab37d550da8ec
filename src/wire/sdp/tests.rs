//! What passes and what does not, rule by rule.

use super::*;
use crate::base::cidr::Networks;

const HEAD: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
const AUDIO: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n";

fn hex(bytes: usize) -> String {
    vec!["4A"; bytes].join(":")
}

/// A session that is secured, so that its sections need not be.
fn secured() -> String {
    format!("{HEAD}a=fingerprint:sha-256 {}\r\na=setup:actpass\r\n", hex(32))
}

fn read(sdp: &str, may_send: bool) -> Result<Option<FingerprintHash>, Fault> {
    let none = Networks::none();
    let candidates = CandidateRules { relay_only: false, allowed: &none, blocked: &none };
    let quoted = serde_json::to_string(sdp).expect("a string");
    let raw = serde_json::from_str(&quoted).expect("JSON");
    check_description(raw, Rules { may_send, candidates })
}

/// What is wrong with a description of someone who may send.
fn fault(sdp: &str) -> Option<Fault> {
    read(sdp, true).err()
}

/// What is wrong with a candidate, and the same in a description.
fn candidate_fault(line: &str, relay_only: bool, allowed: &str, blocked: &str) -> Option<Fault> {
    let list = |text: &str| {
        let read = || Networks::parse(text).expect("networks");
        if text.is_empty() { Networks::none() } else { read() }
    };
    let (allowed, blocked) = (list(allowed), list(blocked));
    let rules = CandidateRules { relay_only, allowed: &allowed, blocked: &blocked };
    let raw = |text: &str| {
        RawValue::from_string(serde_json::to_string(text).expect("a string")).expect("JSON")
    };
    let alone = check_candidate(&raw(line), rules).err();
    assert_eq!(check_candidate(&raw(&format!("a={line}")), rules).err(), alone, "{line}");
    let sdp = format!("{}{AUDIO}a={line}\r\n", secured());
    let within = check_description(&raw(&sdp), Rules { may_send: true, candidates: rules });
    assert_eq!(within.err(), alone, "{line}");
    alone
}

#[test]
fn a_section_is_dtls_with_a_fingerprint_and_a_role() {
    let section = |media: &str, fingerprint: &str, setup: &str| {
        format!("{HEAD}m={media}\r\na=fingerprint:{fingerprint}\r\na=setup:{setup}\r\n")
    };
    for protocol in ["UDP/TLS/RTP/SAVPF", "TCP/TLS/RTP/SAVPF", "UDP/DTLS/SCTP", "TCP/DTLS/SCTP"] {
        for (name, bytes) in [("sha-256", 32), ("sha-384", 48), ("sha-512", 64), ("SHA-256", 32)] {
            for setup in ["actpass", "active", "passive"] {
                let media = format!("audio 9 {protocol} 111 63");
                let sdp = section(&media, &format!("{name} {}", hex(bytes)), setup);
                assert_eq!(fault(&sdp), None, "{sdp}");
            }
        }
    }
    let sha_256 = format!("sha-256 {}", hex(32));
    for protocol in
        ["RTP/SAVPF", "RTP/AVP", "UDP/TLS/RTP/SAVP", "DTLS/SCTP", "udp/tls/rtp/savpf", "", "SCTP"]
    {
        let sdp = section(&format!("audio 9 {protocol} 111"), &sha_256, "actpass");
        assert_eq!(fault(&sdp), Some(Fault::Protocol), "{protocol}");
    }
    let media = "audio 9 UDP/TLS/RTP/SAVPF 111";
    for setup in ["holdconn", "ACTIVE", "active ", " active", "active\t", "", "actpass x"] {
        assert_eq!(fault(&section(media, &sha_256, setup)), Some(Fault::Setup), "{setup}");
    }
    for fingerprint in [
        format!("sha-1 {}", hex(20)),
        format!("sha-224 {}", hex(28)),
        format!("md5 {}", hex(16)),
        format!("sha-256 {}", hex(31)),
        format!("sha-256 {}", hex(33)),
        format!("sha-512 {}", hex(32)),
        format!("sha-256  {}", hex(32)),
        format!("sha-256 {} ", hex(32)),
        format!("sha-256 {}:", hex(32)),
        format!(" sha-256 {}", hex(32)),
        format!("sha-256\t{}", hex(32)),
        format!("sha-256 {}", hex(32).replace(':', "-")),
        format!("sha-256 {}", hex(32).replacen("4A", "4G", 1)),
        format!("sha-256 {}", hex(32).replacen("4A", "+A", 1)),
        format!("sha-256 {}", "4A".repeat(32)),
        "sha-256".to_owned(),
        String::new(),
    ] {
        let found = fault(&section(media, &fingerprint, "active"));
        assert_eq!(found, Some(Fault::Fingerprint), "{fingerprint}");
    }
}

#[test]
fn what_a_section_does_not_say_the_session_may() {
    let fingerprint = format!("a=fingerprint:sha-256 {}\r\n", hex(32));
    let setup = "a=setup:active\r\n";
    let data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";
    for (sdp, expected) in [
        (format!("{HEAD}{AUDIO}{fingerprint}{setup}"), None),
        (format!("{HEAD}{fingerprint}{AUDIO}{setup}{data}{setup}"), None),
        (format!("{HEAD}{setup}{AUDIO}{fingerprint}"), None),
        (format!("{HEAD}{AUDIO}{setup}"), Some(Fault::NoFingerprint)),
        (format!("{HEAD}{AUDIO}{fingerprint}"), Some(Fault::NoSetup)),
        (format!("{HEAD}{AUDIO}{fingerprint}{setup}{data}"), Some(Fault::NoFingerprint)),
        (format!("{HEAD}{data}{AUDIO}{fingerprint}{setup}"), Some(Fault::NoFingerprint)),
        (format!("{HEAD}{fingerprint}{AUDIO}{setup}{data}"), Some(Fault::NoSetup)),
        (format!("{HEAD}{AUDIO}{fingerprint}{}", setup.replace('s', "S")), Some(Fault::Setup)),
        (
            format!("{HEAD}{AUDIO}{}{setup}", fingerprint.replace('f', "F")),
            Some(Fault::Fingerprint),
        ),
        // A section of a bundle that comes later is no exception: not everyone bundles.
        (
            format!(
                "{HEAD}{AUDIO}{fingerprint}{setup}m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=bundle-only\r\n"
            ),
            Some(Fault::NoFingerprint),
        ),
    ] {
        assert_eq!(fault(&sdp), expected, "{sdp}");
    }
}

#[test]
fn what_is_rejected_needs_no_security_but_may_hold_no_keys() {
    let rejected = "m=audio 0 RTP/AVP 0\r\n";
    assert_eq!(fault(&format!("{HEAD}{rejected}a=sendrecv\r\n")), None);
    assert_eq!(fault(HEAD), None);
    assert_eq!(fault(""), None);
    for not_rejected in ["a=bundle-only\r\n", "a=Bundle-Only\r\n", "a=bundle-only:\r\n"] {
        let sdp = format!("{HEAD}{rejected}{not_rejected}");
        assert_eq!(fault(&sdp), Some(Fault::Protocol), "{sdp}");
    }
    assert_eq!(fault(&format!("{HEAD}m=audio 00 RTP/AVP 0\r\n")), Some(Fault::Protocol));
    for line in ["a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x", "a=Crypto:1", "a=crypto"] {
        for sdp in [
            format!("{HEAD}{line}\r\n"),
            format!("{HEAD}{rejected}{line}\r\n"),
            format!("{}{AUDIO}{line}\r\n", secured()),
        ] {
            assert_eq!(fault(&sdp), Some(Fault::Crypto), "{sdp}");
        }
    }
    // Nor a fingerprint or role that is none.
    assert_eq!(fault(&format!("{HEAD}{rejected}a=setup:x\r\n")), Some(Fault::Setup));
    let weak = format!("{}a=fingerprint:sha-1 {}\r\n{AUDIO}", secured(), hex(20));
    assert_eq!(fault(&weak), Some(Fault::Fingerprint));
}

#[test]
fn what_is_not_plainly_written_passes_for_nobody() {
    for (lines, expected) in [
        (" m=audio 9 RTP/AVP 0\r\n", Fault::Line),
        ("M=audio 9 RTP/AVP 0\r\n", Fault::Line),
        ("m =audio 9 RTP/AVP 0\r\n", Fault::Line),
        ("m\r\n", Fault::Line),
        ("\u{feff}a=x\r\n", Fault::Line),
        ("A=crypto:1\r\n", Fault::Line),
        ("a = crypto:1\r\n", Fault::Line),
        ("a= crypto:1\r\n", Fault::Line),
        ("a=crypto :1\r\n", Fault::Line),
        ("a=\u{a0}crypto:1\r\n", Fault::Line),
        ("a=\tcrypto:1\r\n", Fault::Line),
        ("a=sendrecv x\r\n", Fault::Line),
        ("a=\r\n", Fault::Line),
        ("a=:x\r\n", Fault::Line),
        ("i=x\ra=crypto:1\r\n", Fault::Line),
        ("i=x\r\r\n", Fault::Line),
        ("i=x\r", Fault::Line),
        ("i=x\0\r\n", Fault::Line),
        ("i=\x7f\r\n", Fault::Line),
        ("i=\x0b\r\n", Fault::Line),
        ("i=\x1b\r\n", Fault::Line),
        ("m=audio\t9 0 UDP/TLS/RTP/SAVPF 96\r\n", Fault::MediaLine),
        ("m=audio  9 UDP/TLS/RTP/SAVPF 96\r\n", Fault::MediaLine),
        ("m= audio 9 UDP/TLS/RTP/SAVPF 96\r\n", Fault::MediaLine),
        ("m=audio 0\t UDP/TLS/RTP/SAVPF 96\r\n", Fault::MediaLine),
        ("m=audio -1 UDP/TLS/RTP/SAVPF 96\r\n", Fault::MediaLine),
        ("m=audio 9/2 UDP/TLS/RTP/SAVPF 96\r\n", Fault::MediaLine),
        ("m=audio\r\n", Fault::MediaLine),
        ("m=\r\n", Fault::MediaLine),
    ] {
        assert_eq!(fault(&format!("{}{lines}", secured())), Some(expected), "{lines:?}");
    }
    let plain = "i=caf\u{e9}, \u{1f600}\r\na=x-note:\u{2028}\tz\r\n\r\ns= \nb=AS:1\r\n";
    assert_eq!(fault(&format!("{}{plain}{AUDIO}", secured())), None);
}

#[test]
fn a_long_line_hides_nothing_and_is_not_cut_to_something_valid() {
    let long = "x".repeat(100_000);
    assert_eq!(fault(&format!("{}i={long}\r\n{AUDIO}a=y:{long}\r\n", secured())), None);
    assert_eq!(fault(&format!("{}{AUDIO}a={long}\r\n", secured())), Some(Fault::Line));
    let padding =
        |len: usize| format!("{}{AUDIO}a=y:{}\r\na=crypto:1\r\n", secured(), "y".repeat(len));
    for len in 490..530 {
        assert_eq!(fault(&padding(len)), Some(Fault::Crypto), "{len}");
    }
    let fingerprint = format!("a=fingerprint:sha-512 {}", hex(64));
    let padded = format!("{HEAD}{AUDIO}a=setup:active\r\n{fingerprint}{}\r\n", " ".repeat(600));
    assert_eq!(fault(&padded), Some(Fault::Fingerprint));
    let setup = format!("{}{AUDIO}a=setup:active{}\r\n", secured(), " ".repeat(600));
    assert_eq!(fault(&setup), Some(Fault::Setup));
    let media = format!("{}m=audio 9 UDP/TLS/RTP/SAVPF{}\r\n", secured(), " 111".repeat(300));
    assert_eq!(fault(&media), None);
    let cut = format!("{}m={} 9 UDP/TLS/RTP/SAVPF 111\r\n", secured(), "a".repeat(490));
    assert_eq!(fault(&cut), Some(Fault::Protocol));
}

#[test]
fn escapes_change_nothing() {
    let sdp = r#""v=0\u000d\u000aa=fingerprint:sha-256 FINGER\r\na=setup:\u0061ctive\nm=aud\u0069o 9 UDP\/TLS\/RTP\/SAVPF 111\n\u0061=recvonly\r\na=mid:0\r\n""#
        .replace("FINGER", &hex(32).replacen('4', r"\u0034", 7));
    let none = Networks::none();
    let candidates = CandidateRules { relay_only: false, allowed: &none, blocked: &none };
    let read = |text: &str, may_send| {
        let raw = RawValue::from_string(text.to_owned()).expect("JSON");
        check_description(&raw, Rules { may_send, candidates })
    };
    let plain = format!("a=fingerprint:sha-256 {}", hex(32));
    assert_eq!(read(&sdp, false), super::tests::read(&plain, true));
    let sending = sdp.replace("a=mid:0", r"a=\u0073endonly");
    assert_eq!(read(&sending, false), Err(Fault::Sends));
    assert!(read(&sending, true).is_ok());
    assert_eq!(read(&sdp.replace("mid:0", r"cr\u0079pto:1"), true), Err(Fault::Crypto));
    for (escape, expected) in [
        (r"\b", Err(Fault::Line)),
        (r"\f", Err(Fault::Line)),
        (r"\u007f", Err(Fault::Line)),
        (r"\u0000", Err(Fault::Line)),
        (r"\t", Ok(())),
        (r#"\""#, Ok(())),
        (r"\\", Ok(())),
        (r"\u00e9\ud83d\ude00", Ok(())),
    ] {
        let text = sdp.replace("mid:0", &format!("mid:{escape}"));
        assert_eq!(read(&text, true).map(|_| ()), expected, "{escape}");
    }
}

/// The second value is the beginning of what `printf 'sha-256 4A:…\n' | sha256sum` says.
#[test]
fn the_hash_stands_for_the_different_fingerprints_in_any_order() {
    let line = |name: &str, byte: &str, bytes: usize| {
        format!("a=fingerprint:{name} {}\r\n", vec![byte; bytes].join(":"))
    };
    let hash = |lines: &[String]| read(&lines.concat(), true).expect("it passes");
    let (a, b) = (line("sha-256", "4A", 32), line("sha-512", "0f", 64));
    let hex = |hash: Option<FingerprintHash>| -> String {
        let hash = hash.expect("a fingerprint");
        hash.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    };
    assert_eq!(hash(&[]), None);
    let one = hash(std::slice::from_ref(&a));
    assert_eq!(hex(one), "b3d9c17db662d1c4849e18657a269c8c");
    assert_eq!(hash(&[a.clone(), a.replace("4A", "4a"), a.replace("sha", "SHA")]), one);
    let both = hash(&[a.clone(), b.clone()]);
    assert_eq!(hex(both), "1a3b560e82b0d0226ade30a2977fe8cd");
    assert_eq!(hash(&[b.clone(), a.clone(), b.replace("0f", "0F"), a.clone()]), both);
    assert_ne!(hash(std::slice::from_ref(&b)), one);
    assert_eq!(format!("{both:?}"), "Some(FingerprintHash([redacted]))");

    let many: Vec<_> = (0..8).map(|byte| line("sha-256", &format!("{byte:02X}"), 32)).collect();
    let backwards: Vec<_> = many.iter().rev().cloned().collect();
    assert_eq!(hash(&many), hash(&backwards));
    let ninth = many.concat() + &a;
    assert_eq!(read(&ninth, true), Err(Fault::Fingerprints));
}

#[test]
fn an_observer_only_receives() {
    for (sections, expected) in [
        ("", Ok(())),
        ("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\n", Ok(())),
        (
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=inactive\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=recvonly",
            Ok(()),
        ),
        ("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=sendrecv\r\n", Ok(())),
        ("m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=sendrecv\r\n", Ok(())),
        ("m=audio 9 UDP/TLS/RTP/SAVPF 111\na=recvonly\n", Ok(())),
        ("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", Err(Fault::Sends)),
        ("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=sendonly\r\n", Err(Fault::Sends)),
        (
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=sendrecv",
            Err(Fault::Sends),
        ),
        ("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\na=sendrecv\r\n", Err(Fault::Sends)),
        ("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=sendrecv\r\na=recvonly\r\n", Err(Fault::Sends)),
        ("a=sendrecv\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", Err(Fault::Sends)),
        ("a=recvonly\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", Err(Fault::Sends)),
        ("m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=bundle-only\r\na=sendrecv\r\n", Err(Fault::Sends)),
        ("m=image 9 UDP/TLS/RTP/SAVPF 96\r\n", Err(Fault::Sends)),
        ("m=video 00 UDP/TLS/RTP/SAVPF 96\r\n", Err(Fault::Sends)),
        ("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\na=sendonly:x\r\n", Err(Fault::Sends)),
        ("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\na=SendRecv\r\n", Err(Fault::Sends)),
        ("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly:\r\n", Err(Fault::Sends)),
        ("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=RecvOnly\r\n", Err(Fault::Sends)),
    ] {
        let sdp = secured() + sections;
        assert_eq!(read(&sdp, false).map(|_| ()), expected, "{sections}");
        assert_eq!(fault(&sdp), None, "{sections}");
    }
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
        "x.LOCAL",
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
