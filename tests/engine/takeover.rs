//! The same user joins from elsewhere: another tab, another device.

use super::{DOCTOR_AND_PATIENT, play};

#[test]
fn the_newer_connection_has_the_place() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 doctor/phone connects with $token
        at 2 doctor/phone says join-room {{"id": 1, "media": {{"video": false}}}}
            doctor hears error {{"code": "REPLACED"}}
            doctor is closed with 4409
            doctor/phone hears room-joined {{
                "participants": {participants},
                "room": {{
                    "sessionId": "$room", "doctorId": "$doctor", "patientId": "$patient",
                    "roomType": "consultation", "createdAt": "$time(0)", "status": "active",
                    "participants": {participants}
                }},
                "polite": false, "iceServers": [], "iceTransportPolicy": "all", "resumed": false,
                "stream": 1800000002000, "heartbeatSeconds": 25, "serverTime": "$now"
            }}
            doctor/phone hears ack {{"id": 1}}
            patient hears peer-state {{"userId": "$doctor", "connectionState": "connected",
                "audio": true, "video": false, "screen": false, "resumed": false}}
        # The older one is no longer anybody.
        at 3 doctor says offer to patient {{"id": 2}}
        at 3 doctor says leave-room
        at 3 doctor drops
        at 4 patient says offer to doctor
            doctor/phone hears the same
        at 4 doctor/phone says answer to patient
            patient hears the same
        at 5 doctor/phone says leave-room
            doctor/phone is closed with 1000
            patient hears peer-left {{"userId": "$doctor", "reason": "left"}}
        "#,
        participants = r#"[
            {"userId": "$doctor", "userType": "doctor", "connectionState": "connected",
             "audio": true, "video": false, "screen": false, "joinedAt": "$time(0)"},
            {"userId": "$patient", "userType": "patient", "connectionState": "connected",
             "audio": true, "video": true, "screen": false, "joinedAt": "$time(0)"}
        ]"#
    ));
}

#[test]
fn a_place_may_be_taken_over_again_and_again() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 patient/2 connects with $token
        at 1 patient/2 says join-room
            patient hears error {{"code": "REPLACED"}}
            patient is closed with 4409
            patient/2 hears room-joined {{}} and more
            doctor hears peer-state {{"userId": "$patient"}} and more
        at 2 patient/3 connects
        at 2 patient/3 says join-room {{"authToken": "$token"}}
            patient/2 hears error {{"code": "REPLACED"}}
            patient/2 is closed with 4409
            patient/3 hears room-joined {{}} and more
            doctor hears peer-state {{"userId": "$patient"}} and more
        at 3 doctor says offer to patient
            patient/3 hears the same
        "#
    ));
}

#[test]
fn a_takeover_needs_all_that_a_join_needs() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 patient/2 connects with $token(room:signal)
        at 1 patient/2 says join-room {{"id": 1}}
            patient/2 hears error {{"code": "FORBIDDEN", "id": 1}}
        at 1 patient/3 connects
        at 1 patient/3 says join-room {{"id": 1}}
            patient/3 hears error {{"code": "UNAUTHORIZED", "id": 1}}
        at 1 patient/3 says join-room {{"id": 2, "authToken": "$token(forged)"}}
            patient/3 hears error {{"code": "TOKEN_INVALID", "id": 2}}
            patient/3 is closed with 4401
        at 2 doctor says offer to patient
            patient hears the same
        "#
    ));
}

#[test]
fn the_permissions_are_those_of_the_newer_token() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 patient/2 connects with $token(room:join)
        at 1 patient/2 says join-room
            patient hears error {{"code": "REPLACED"}}
            patient is closed with 4409
            patient/2 hears room-joined {{}} and more
            doctor hears peer-state {{"userId": "$patient"}} and more
        at 2 patient/2 says offer to doctor {{"id": 1}}
            patient/2 hears error {{"code": "FORBIDDEN", "id": 1}}
        "#
    ));
}

#[test]
fn one_user_is_not_two_participants() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 patient/2 connects with $token(as observer)
        at 1 patient/2 says join-room {{"id": 1, "userType": "observer"}}
            patient/2 hears error {{"code": "ROLE_TAKEN", "id": 1}}
        at 2 doctor says offer to patient
            patient hears the same
        "#
    ));
}

#[test]
fn the_same_user_in_another_room_takes_nothing_over() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 doctor@night connects with $token
        at 1 doctor@night says join-room
            doctor@night hears room-joined {{"polite": false}} and more
        at 2 doctor says offer to patient
            patient hears the same
        at 3 doctor@night says offer to patient {{"id": 1}}
            doctor@night hears error {{"code": "PEER_NOT_FOUND", "id": 1}}
        at 4 doctor@night says leave-room
            doctor@night is closed with 1000
        at 5 patient says answer to doctor
            doctor hears the same
        "#
    ));
}
