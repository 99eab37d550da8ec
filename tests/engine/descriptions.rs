//! Which descriptions and candidates are relayed (RFC 8827 6.5), and what is recorded about them.

use autamedica_signaling::base::cidr::Networks;
use serde_json::json;

use super::script::{description, read};
use super::stage::Stage;
use super::{DOCTOR_AND_PATIENT, play, play_with};

/// A candidate as a field of a message.
fn candidate(line: &str) -> String {
    json!({ "candidate": { "candidate": line, "sdpMid": "0" } }).to_string()
}

/// A description as a field of a message.
fn sdp(kind: &str, text: &str) -> String {
    json!({ "sdp": { "type": kind, "sdp": text } }).to_string()
}

#[test]
fn what_is_not_secured_passes_from_nobody_and_its_sender_learns_which_rule_it_is() {
    let good = description("4A");
    let fingerprint_line =
        good.lines().find(|line| line.contains("fingerprint")).expect("a line").to_owned();
    for (change, to, rule) in [
        ("UDP/TLS/RTP/SAVPF", "RTP/SAVPF", "UDP/TLS/RTP/SAVPF"),
        (&*fingerprint_line, "a=mid:0", "no fingerprint"),
        ("sha-256", "sha-1", "SHA-256"),
        ("4A:4A", "4A:4", "SHA-256"),
        ("a=setup:active", "a=mid:0", "no a=setup"),
        ("a=setup:active", "a=setup:holdconn", "actpass"),
        ("a=recvonly", "a=recvonly\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x", "DTLS"),
        ("a=recvonly", "a=recvonly\r\n a=mid:0", "plainly written"),
        ("m=audio 9", "m=audio", "m= line"),
    ] {
        let bad = good.replacen(change, to, 1);
        assert_ne!(bad, good);
        for (speaker, listener) in [("doctor", "patient"), ("patient", "doctor")] {
            for (message, kind) in
                [("offer", "offer"), ("answer", "answer"), ("answer", "pranswer")]
            {
                let mut stage = Stage::new(|_| {});
                for cue in read(DOCTOR_AND_PATIENT) {
                    stage.perform(&cue);
                }
                let said =
                    format!("at 1 {speaker} says {message} to {listener} {}", sdp(kind, &bad));
                let heard = stage.improvise(&read(&said)[0]);
                let [got] = &heard[..] else { panic!("{} things came of {bad}", heard.len()) };
                let text = got.error("SDP_REJECTED", speaker);
                assert!(text.contains(rule), "{text}: {bad}");
                // Nothing is noted of it, and a good one passes.
                assert_eq!(stage.fingerprint(speaker), None);
                let said = format!(
                    "at 2 {speaker} says {message} to {listener}\n{listener} hears the same"
                );
                stage.perform(&read(&said)[0]);
                assert!(stage.fingerprint(speaker).is_some());
            }
        }
    }
}

#[test]
fn a_rollback_has_no_text() {
    for kind in ["offer", "answer"] {
        for (text, passes) in [("\"\"", true), ("null", true), ("\"v=0\\r\\n\"", false)] {
            let comes_of_it = match passes {
                true => "doctor hears the same\n patient hears ack {\"id\": 1}",
                false => r#"patient hears error {"code": "SDP_REJECTED", "id": 1}"#,
            };
            play(&format!(
                r#"{DOCTOR_AND_PATIENT}
                at 1 patient says {kind} to doctor {{"id": 1, "sdp": {{"type": "rollback", "sdp": {text}}}}}
                    {comes_of_it}
                "#
            ));
        }
    }
}

const HOST: &str = "candidate:1 1 udp 2122260223 192.0.2.1 50000 typ host";
const RELAY: &str = "candidate:3 1 udp 41885439 198.51.100.7 49152 typ relay raddr 0.0.0.0 rport 0";

#[test]
fn only_relays_pass_where_media_goes_through_relays_alone() {
    let within = |line: &str| sdp("offer", &format!("{}a={line}\r\n", description("4A")));
    let [host, relay] = [HOST, RELAY].map(candidate);
    let [with_host, with_relay] = [HOST, RELAY].map(within);
    let end = candidate("");
    play_with(
        |options| options.relay_only = true,
        &format!(
            r#"{DOCTOR_AND_PATIENT}
            at 1 patient says ice-candidate to doctor {host}
                patient hears error {{"code": "SDP_REJECTED", "message": "this may not pass: a candidate is not of typ relay"}}
            at 1 patient says ice-candidate to doctor {relay}
                doctor hears the same
            at 1 patient says ice-candidate to doctor {end}
                doctor hears the same
            at 1 patient says ice-candidate to doctor {{"candidate": {{}}}}
                doctor hears the same
            at 1 patient says ice-candidate to doctor {{"candidate": null}}
                doctor hears the same
            at 2 patient says offer to doctor {with_host}
                patient hears error {{"code": "SDP_REJECTED"}}
            at 2 patient says offer to doctor {with_relay}
                doctor hears the same
            "#
        ),
    );
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 patient says ice-candidate to doctor {host}
            doctor hears the same
        at 2 patient says offer to doctor {with_host}
            doctor hears the same
        "#
    ));
}

#[test]
fn candidates_name_only_networks_that_the_lists_let_them() {
    let [host, relay] = [HOST, RELAY].map(candidate);
    let near = candidate("candidate:1 1 udp 1 192.0.2.200 9 typ host");
    play_with(
        |options| {
            options.candidate_allowlist = Networks::parse("192.0.2.0/24").expect("a list");
            options.candidate_blocklist = Networks::parse("192.0.2.200").expect("a list");
        },
        &format!(
            r#"{DOCTOR_AND_PATIENT}
            at 1 doctor says ice-candidate to patient {host}
                patient hears the same
            at 1 doctor says ice-candidate to patient {relay}
                doctor hears error {{"code": "SDP_REJECTED"}}
            at 1 doctor says ice-candidate to patient {near}
                doctor hears error {{"code": "SDP_REJECTED"}}
            "#
        ),
    );
}

/// Else it could carry lines of a description, a fingerprint among them, to a client that puts it into one.
#[test]
fn a_candidate_is_one_line() {
    let lines = candidate(&format!("{HOST}\r\na=fingerprint:sha-256 {}", ["4B"; 32].join(":")));
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 patient says ice-candidate to doctor {lines}
            patient hears error {{"code": "SDP_REJECTED"}}
        "#
    ));
}

#[test]
fn a_fingerprint_changes_with_an_own_offer_or_answer_that_was_accepted_and_with_nothing_else() {
    let mut stage = Stage::new(|_| {});
    let perform = |stage: &mut Stage, play: &str| {
        for cue in read(play) {
            stage.perform(&cue);
        }
    };
    let [first, second, spread] = [
        description("4A"),
        description("4B"),
        // The same as the first, once more in a section.
        format!("{}a=fingerprint:SHA-256 {}\r\n", description("4A"), ["4a"; 32].join(":")),
    ];
    perform(&mut stage, DOCTOR_AND_PATIENT);
    assert_eq!(stage.fingerprint("doctor"), None);
    perform(
        &mut stage,
        &format!(
            "at 1 doctor says offer to patient {}\n patient hears the same",
            sdp("offer", &first)
        ),
    );
    let shown = stage.fingerprint("doctor");
    assert!(shown.is_some());
    assert_eq!(stage.fingerprint("patient"), None, "who has only received shows nothing");
    perform(
        &mut stage,
        &format!(
            r#"at 2 patient says answer to doctor {}
                doctor hears the same
            at 3 doctor says ice-candidate to patient {}
                patient hears the same
            at 3 doctor says offer to patient {{"sdp": {{"type": "rollback"}}}}
                patient hears the same
            at 3 doctor says offer to patient {{"sdp": {{"type": "offer", "sdp": "v=0\r\n"}}}}
                patient hears the same
            at 4 doctor says offer to doctor-2 {}
                doctor hears error {{"code": "PEER_NOT_FOUND"}}
            at 4 doctor says offer to patient {}
                patient hears the same
            "#,
            sdp("answer", &second),
            candidate(HOST),
            sdp("offer", &second),
            sdp("offer", &spread),
        ),
    );
    assert_eq!(stage.fingerprint("doctor"), shown);
    assert!(stage.fingerprint("patient").is_some_and(|other| Some(other) != shown));
    // It outlives the connection, as the place does, and changes with the next description.
    perform(
        &mut stage,
        r#"at 5 doctor drops
            patient hears peer-state {"connectionState": "reconnecting"} and more
        at 6 doctor/2 connects with $token
        at 6 doctor/2 says join-room
            doctor/2 hears room-joined {} and more
            patient hears peer-state {"connectionState": "connected"} and more
        "#,
    );
    assert_eq!(stage.fingerprint("doctor/2"), shown);
    perform(
        &mut stage,
        &format!(
            "at 7 doctor/2 says offer to patient {}\n patient hears the same",
            sdp("offer", &second)
        ),
    );
    assert_eq!(stage.fingerprint("doctor/2"), stage.fingerprint("patient"));
}
