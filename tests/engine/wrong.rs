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
