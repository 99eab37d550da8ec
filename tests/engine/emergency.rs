//! Emergency access: a doctor enters a session that the token does not name, with a reason, visibly
//! to everybody.

use super::{DOCTOR_AND_PATIENT, play, play_with};

fn play_with_access(script: &str) {
    play_with(|options| options.emergency_access = true, script);
}

const JOIN: &str = r#"doctor-2 says join-room {"id": 1, "reason": "cardiac arrest"}"#;

#[test]
fn it_is_off_by_default() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 doctor-2 connects with $token(of doctor-2@night, room:*, room:emergency)
        at 1 {JOIN}
            doctor-2 hears error {{"code": "FORBIDDEN", "id": 1}}
        "#
    ));
}

#[test]
fn a_doctor_comes_in_beside_the_doctor_and_is_seen_as_such() {
    play_with_access(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 doctor-2 connects with $token(of doctor-2@night, room:*, room:emergency)
        at 1 {JOIN}
            doctor-2 hears room-joined {{
                "participants": {people},
                "room": {{
                    "sessionId": "$room", "doctorId": "$doctor", "patientId": "$patient",
                    "roomType": "consultation", "createdAt": "$time(0)", "status": "active",
                    "participants": {people}
                }},
                "polite": false
            }} and more
            doctor-2 hears ack {{"id": 1}}
            doctor, patient hear peer-joined {{"userId": "$doctor-2", "userType": "doctor", "emergency": true}}
        # Inside it is a participant like another.
        at 2 doctor-2 says offer to patient
            patient hears the same
        at 2 patient says answer to doctor-2
            doctor-2 hears the same
        at 2 doctor-2 says offer to patient {{"id": 2, "sessionId": "$room(night)"}}
            doctor-2 hears error {{"code": "FORBIDDEN", "id": 2}}
        at 3 doctor-2 says leave-room
            doctor-2 is closed with 1000
            doctor, patient hear peer-left {{"userId": "$doctor-2", "reason": "left"}}
        "#,
        people = r#"[
            {"userId": "$doctor", "userType": "doctor", "connectionState": "connected", "audio": true,
             "video": true, "screen": false, "joinedAt": "$time(0)"},
            {"userId": "$patient", "userType": "patient", "connectionState": "connected", "audio": true,
             "video": true, "screen": false, "joinedAt": "$time(0)"},
            {"userId": "$doctor-2", "userType": "doctor", "connectionState": "connected", "audio": true,
             "video": true, "screen": false, "joinedAt": "$now", "emergency": true}
        ]"#
    ));
}

#[test]
fn it_needs_a_reason() {
    for reason in [
        "",
        r#", "reason": null"#,
        r#", "reason": """#,
        r#", "reason": " \t\n""#,
        r#", "reason": 7"#,
    ] {
        play_with_access(&format!(
            r#"{DOCTOR_AND_PATIENT}
            at 1 doctor-2 connects with $token(of doctor-2@night, room:*, room:emergency)
            at 1 doctor-2 says join-room {{"id": 1{reason}}}
                doctor-2 hears error {{"code": "BAD_MESSAGE", "id": 1}}
            "#
        ));
    }
}

#[test]
fn it_needs_the_permission_and_that_to_join_and_a_doctor() {
    for token in ["room:*", "room:join", "room:emergency", "room:signal, room:emergency"] {
        play_with_access(&format!(
            r#"{DOCTOR_AND_PATIENT}
            at 1 doctor-2 connects with $token(of doctor-2@night, {token})
            at 1 {JOIN}
                doctor-2 hears error {{"code": "FORBIDDEN", "id": 1}}
            "#
        ));
    }
    for name in ["patient-2", "observer"] {
        let join = JOIN.replace("doctor-2", name);
        play_with_access(&format!(
            r#"{DOCTOR_AND_PATIENT}
            at 1 {name} connects with $token(of {name}@night, room:*, room:emergency)
            at 1 {join}
                {name} hears error {{"code": "FORBIDDEN", "id": 1}}
            "#
        ));
    }
}

#[test]
fn it_takes_a_place_but_no_seat() {
    play_with(
        |options| (options.emergency_access, options.participants_max) = (true, 3),
        &format!(
            r#"
            at 0 doctor-2 connects with $token(of doctor-2@night, room:*, room:emergency)
            at 0 {JOIN}
                doctor-2 hears room-joined {{}} and more
                doctor-2 hears ack {{"id": 1}}
            at 1 observer connects with $token
            at 1 observer says join-room
                observer hears error {{"code": "ROOM_FULL"}}
            at 1 doctor connects with $token
            at 1 doctor says join-room
                doctor hears room-joined {{}} and more
                doctor-2 hears peer-joined {{"userId": "$doctor", "userType": "doctor"}}
            at 2 patient connects with $token
            at 2 patient says join-room
                patient hears room-joined {{}} and more
                doctor-2 hears peer-joined {{"userId": "$patient", "userType": "patient"}}
                doctor hears peer-joined {{"userId": "$patient", "userType": "patient"}}
                doctor-2 hears room-status {{"status": "active"}}
                doctor, patient hear room-status {{"status": "active"}}
            "#
        ),
    );
}

#[test]
fn a_refreshed_token_must_hold_it_too() {
    play_with_access(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 doctor-2 connects with $token(of doctor-2@night, room:*, room:emergency)
        at 1 {JOIN}
            doctor-2 hears room-joined {{}} and more
            doctor-2 hears ack {{"id": 1}}
            doctor, patient hear peer-joined {{"emergency": true}} and more
        at 2 doctor-2 says refresh-token {{"id": 2, "authToken": "$token(of doctor-2@night)"}}
            doctor-2 hears error {{"code": "FORBIDDEN", "id": 2}}
        at 2 doctor-2 says refresh-token {{"id": 3, "authToken": "$token(of doctor-2@night, room:*, room:emergency, ends 7200)"}}
            doctor-2 hears ack {{"id": 3}}
        "#
    ));
}
