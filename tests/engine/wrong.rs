//! Invalid messages disturb nobody else, and do not end the room.

use super::{DOCTOR_AND_PATIENT, play};

#[test]
fn each_wrong_message_gets_its_error_and_nobody_else_hears_of_it() {
    for (text, code) in [
        ("", "BAD_JSON"),
        ("hello", "BAD_JSON"),
        (r#"{"type": "offer""#, "BAD_JSON"),
        ("null", "BAD_MESSAGE"),
        ("[]", "BAD_MESSAGE"),
        ("{}", "BAD_MESSAGE"),
        (r#"{"type": 1}"#, "BAD_MESSAGE"),
        (r#"{"type": "offer"}"#, "BAD_MESSAGE"),
        (r#"{"type": "offer", "type": "offer"}"#, "BAD_MESSAGE"),
        (r#"{"type": "ping", "id": -1}"#, "BAD_MESSAGE"),
        (r#"{"type": "peer-left"}"#, "UNKNOWN_TYPE"),
    ] {
        for speaker in ["patient", "observer"] {
            play(&format!(
                r#"{DOCTOR_AND_PATIENT}
                at 1 observer connects
                at 2 {speaker} sends {text}
                    {speaker} hears error {{"code": "{code}"}}
                at 3 doctor says offer to patient
                    patient hears the same
                "#
            ));
        }
    }
}

#[test]
fn an_error_carries_the_id_of_its_cause_and_no_ack_follows() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 patient says hello {{"id": "a"}}
            patient hears error {{"code": "UNKNOWN_TYPE", "id": "a"}}
        at 1 patient says offer to doctor {{"id": 18446744073709551615, "sdp": null}}
            patient hears error {{"code": "BAD_MESSAGE", "id": 18446744073709551615}}
        at 1 patient says offer to doctor {{"id": 3, "toUserId": "$absent"}}
            patient hears error {{"code": "BAD_MESSAGE", "id": 3}}
        at 1 patient says leave-room {{"id": 4, "userId": "$absent"}}
            patient hears error {{"code": "BAD_MESSAGE", "id": 4}}
        at 1 patient says ping {{"id": {{}}}}
            patient hears error {{"code": "BAD_MESSAGE"}}
        "#
    ));
}

/// Whoever sends it, to whom, and whether they may.
#[test]
fn a_description_that_is_no_json_is_told_as_that_before_anything_else() {
    for (odd, error) in [
        (r"\q", r#"{"code": "BAD_JSON"}"#),
        (r"\u12", r#"{"code": "BAD_JSON"}"#),
        (r"\ud83d", r#"{"code": "BAD_MESSAGE", "id": 7}"#),
    ] {
        for (speaker, to) in [
            ("doctor", "patient"),
            ("doctor", "observer"),
            ("observer", "doctor"),
            ("doctor", "doctor"),
        ] {
            for kind in ["offer", "answer"] {
                let begin = format!(
                    r#"{{"type":"{kind}","id":7,"sessionId":"$room","fromUserId":"${speaker}","toUserId":"${to}""#
                );
                play(&format!(
                    r#"{DOCTOR_AND_PATIENT}
                    at 1 observer connects
                    at 2 {speaker} sends {begin},"sdp":{{"type":"{kind}","sdp":"v=0\r\na=mid:{odd}\r\n"}}}}
                        {speaker} hears error {error}
                    at 2 {speaker} sends {begin},"sdp":{{"type":"rollback","sdp":"v=0\r\na=mid:{odd}\r\n"}}}}
                        {speaker} hears error {error}
                    at 3 doctor says offer to patient
                        patient hears the same
                    "#
                ));
            }
        }
    }
}
