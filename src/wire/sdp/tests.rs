//! What passes and what does not, rule by rule.

mod candidates;

use super::*;
use crate::base::cidr::Networks;
use crate::wire::json::quoted_at;

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
    let text = serde_json::to_string(sdp).expect("a string");
    check_description(quoted(&text), Rules { may_send, candidates })
}

fn quoted(text: &str) -> Quoted<'_> {
    Quoted::from_raw(Raw::parse(text).expect("JSON")).expect("a string")
}

/// What is wrong with a description of someone who may send.
fn fault(sdp: &str) -> Option<Fault> {
    read(sdp, true).err()
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
        // Where some readers end a line.
        ("s=-\u{85}m=audio 9 RTP/AVP 0\r\n", Fault::Line),
        ("a=x:y\u{2028}a=crypto:1\r\n", Fault::Line),
        ("a=x:y\u{2029}a=crypto:1\r\n", Fault::Line),
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
    let plain = "i=caf\u{e9}, \u{1f600}\r\na=x-note:\u{2027}\tz\r\n\r\ns= \nb=AS:1\r\n";
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
    let read =
        |text: &str, may_send| check_description(quoted(text), Rules { may_send, candidates });
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
        (r"\u0080", Err(Fault::Line)),
        (r"\u0085", Err(Fault::Line)),
        (r"\u009F", Err(Fault::Line)),
        (r"\u2028", Err(Fault::Line)),
        (r"\u2029", Err(Fault::Line)),
        (r"\u00a0\u2027\u202a", Ok(())),
        ("\u{a0}\u{2027}\u{202a}", Ok(())),
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

/// Nobody else may have looked into the string.
#[test]
fn what_passes_is_json() {
    let none = Networks::none();
    let candidates = CandidateRules { relay_only: false, allowed: &none, blocked: &none };
    let passes = |text: &str| {
        let (quoted, behind) = quoted_at(text, 0).expect("a string");
        assert_eq!(behind, "", "{text}");
        let verdict = check_description(quoted, Rules { may_send: true, candidates });
        assert!(quoted.is_json() == Raw::parse(text).is_some() || text.contains("\\u"), "{text}");
        verdict.is_ok()
    };
    let sdp = format!("{}{AUDIO}a=mid:0\r\na=rtpmap:111 opus/48000/2\r\na=sendrecv\r\n", secured());
    let sdp = serde_json::to_string(&sdp).expect("a string");
    assert!(passes(&sdp));
    // In any block of 64 bytes, in and between lines of all kinds, and behind the last of them.
    for at in 1..sdp.len() {
        if sdp.as_bytes()[..at].ends_with(br"\") {
            continue;
        }
        let (begin, end) = sdp.split_at(at);
        for odd in [r"\q", r"\u12-", r"\u12G4", r"\ud83d", r"\ude00", r"\N", "\t", "\r", "\n", "\0"]
        {
            let text = format!("{begin}{odd}{end}");
            if odd.starts_with(r"\") || begin.contains('\\') {
                assert!(!passes(&text), "{text}");
            } else {
                assert!(quoted_at(&text, 0).is_none(), "{text}");
            }
        }
        // Most of these mean something else, but they are JSON.
        for fine in [r"\t", r"\u0041", r"\ud83d\ude00", r"\/", "é"] {
            passes(&format!("{begin}{fine}{end}"));
        }
    }
}

/// The second value is what `printf 'sha-256 4A:…\n' | sha256sum` says.
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
    assert_eq!(hex(one), "b3d9c17db662d1c4849e18657a269c8cfdb3f3227251a3a1a3a3f6daade1ea2a");
    assert_eq!(hash(&[a.clone(), a.replace("4A", "4a"), a.replace("sha", "SHA")]), one);
    let both = hash(&[a.clone(), b.clone()]);
    assert_eq!(hex(both), "1a3b560e82b0d0226ade30a2977fe8cd8a723df7d66d0fb4492632ef03854195");
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
fn what_was_shown_before_changes_no_hash() {
    let section = |byte: &str| {
        format!("{AUDIO}a=fingerprint:sha-256 {}\r\na=setup:active\r\n", [byte; 32].join(":"))
    };
    let (a, b) = (section("4A"), section("4B"));
    let none = Networks::none();
    let candidates = CandidateRules { relay_only: false, allowed: &none, blocked: &none };
    let mut last = LastHash::default();
    let sections = [&*a, &a, "", &b, &a, "", &a];
    for shown in sections.windows(2).map(|pair| pair.concat()).chain(sections.map(str::to_owned)) {
        let sdp = format!("{HEAD}{shown}");
        let text = serde_json::to_string(&sdp).expect("a string");
        let rules = Rules { may_send: true, candidates };
        let next = check_next_description(quoted(&text), rules, &mut last);
        assert_eq!(next, read(&sdp, true), "{sdp}");
    }
    assert!(!format!("{last:?}").contains("74"), "it shows nothing: {last:?}");
}

/// Such lines are not read, so what follows must not be taken for a part of them.
#[test]
fn behind_a_line_that_says_nothing_the_next_one_is_read() {
    let names = [
        "rtpmap",
        "rtcp-fb",
        "fmtp",
        "extmap",
        "ssrc",
        "msid",
        "rtcp",
        "mid",
        "group",
        "ice-pwd",
        "ice-ufrag",
        "rtcp-mux",
    ];
    let attributes = names.map(|name| format!("a={name}:"));
    let heads: Vec<_> = attributes.iter().map(String::as_str).chain(["c=", "o=", "b="]).collect();
    let secured = secured();
    // Near the end of a text all lines are read.
    let rest = "b=AS:64\r\n".repeat(20);
    for head in heads {
        for value in (0..90).map(|len| "x".repeat(len)) {
            for (end, hidden) in [
                ("\r\n", false),
                ("\n", false),
                ("\\\r\n", false),
                ("\t\r\n", false),
                ("\u{e9}\u{3a}\r\n", false),
                ("\u{dc}\u{a5}\n", false),
                ("\\r\\n", true),
                (" ", true),
            ] {
                let sdp = format!("{secured}{head}{value}{end}a=crypto:1 x\r\n{rest}");
                let expected = if hidden { None } else { Some(Fault::Crypto) };
                assert_eq!(fault(&sdp), expected, "{sdp:?}");
            }
            for end in [
                "\r", "\0", "\u{7f}", "\u{8}", "\r\r\n", "\u{80}", "\u{85}", "\u{9f}", "\u{2028}",
                "\u{2029}",
            ] {
                let sdp = format!("{secured}{head}{value}{end}x\r\n{rest}");
                assert_eq!(fault(&sdp), Some(Fault::Line), "{sdp:?}");
            }
        }
    }
    for name in names {
        let sdp = format!("{secured}a={name} x\r\n{}", "a=rtpmap:1 x\r\n".repeat(9));
        assert_eq!(fault(&sdp), Some(Fault::Line), "it is another name to some: {sdp:?}");
        let sdp = format!("{secured}a={name}\r\na=crypto:1 x\r\n{rest}");
        assert_eq!(fault(&sdp), Some(Fault::Crypto), "{sdp:?}");
    }
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
        ("m=text 11000 UDP/TLS/RTP/SAVPF 100\r\na=rtpmap:100 t140/1000\r\n", Err(Fault::Sends)),
        ("m=text 9 UDP/TLS/RTP/SAVPF 100\r\na=sendonly\r\n", Err(Fault::Sends)),
        ("m=text 9 UDP/TLS/RTP/SAVPF 100\r\na=recvonly\r\n", Ok(())),
        ("m=text 0 UDP/TLS/RTP/SAVPF 100\r\na=sendrecv\r\n", Ok(())),
        ("m=text 9 UDP/DTLS/SCTP t140\r\n", Err(Fault::Sends)),
        ("m=message 9 TCP/TLS/RTP/SAVPF 100\r\n", Err(Fault::Sends)),
        ("m=application 9 UDP/TLS/RTP/SAVPF 100\r\n", Err(Fault::Sends)),
        ("m=application 9 UDP/TLS/RTP/SAVPF 100\r\na=inactive\r\n", Ok(())),
        ("m=application 9 TCP/DTLS/SCTP webrtc-datachannel\r\n", Ok(())),
        ("m=Application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n", Err(Fault::Sends)),
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
