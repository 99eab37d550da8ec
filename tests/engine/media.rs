//! What participants report about themselves, and the doctor's control of what a patient sends.

use super::{DOCTOR_AND_PATIENT, play};

#[test]
fn the_others_hear_what_one_sends_and_newcomers_see_it() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 patient says media-state {{"id": 1, "audio": false, "video": true, "screen": true}}
            doctor hears peer-state {{"userId": "$patient", "connectionState": "connected",
                "audio": false, "video": true, "screen": true}}
            patient hears ack {{"id": 1}}
        # What it says nothing about stays.
        at 2 patient says media-state {{"audio": true, "video": false}}
            doctor hears peer-state {{"userId": "$patient", "connectionState": "connected",
                "audio": true, "video": false, "screen": true}}
        at 3 observer connects with $token
        at 3 observer says join-room {{"media": {{"audio": false, "video": false}}}}
            observer hears room-joined {{"participants": [
                {{"userId": "$doctor", "userType": "doctor", "connectionState": "connected",
                  "audio": true, "video": true, "screen": false, "joinedAt": "$time(0)"}},
                {{"userId": "$patient", "userType": "patient", "connectionState": "connected",
                  "audio": true, "video": false, "screen": true, "joinedAt": "$time(0)"}},
                {{"userId": "$observer", "userType": "observer", "connectionState": "connected",
                  "audio": false, "video": false, "screen": false, "joinedAt": "$time(3)"}}
            ]}} and more
            doctor, patient hear peer-joined {{
                "userId": "$observer", "userType": "observer", "audio": false, "video": false, "screen": false
            }}
        at 4 doctor says media-state {{"audio": false, "video": false, "screen": false}}
            patient, observer hear peer-state {{"userId": "$doctor", "connectionState": "connected",
                "audio": false, "video": false, "screen": false}}
        "#
    ));
}

#[test]
fn what_one_sends_outlives_the_connection_unless_the_return_says_otherwise() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 patient says media-state {{"audio": false, "video": false, "screen": true}}
            doctor hears peer-state {{"audio": false, "video": false, "screen": true}} and more
        at 2 patient drops
            doctor hears peer-state {{"connectionState": "reconnecting", "audio": false, "video": false, "screen": true}} and more
        at 3 patient/2 connects with $token
        at 3 patient/2 says join-room {{"media": {{"video": true}}}}
            patient/2 hears room-joined {{}} and more
            doctor hears peer-state {{"connectionState": "connected", "audio": false, "video": true, "screen": true}} and more
        "#
    ));
}

#[test]
fn media_state_is_for_doctor_and_patient_with_the_permission() {
    play(
        r#"
        at 0 patient connects with $token(room:join, room:signal, room:end)
        at 0 patient says join-room
            patient hears room-joined {} and more
        at 0 observer connects with $token(room:*, room:media)
        at 0 observer says media-state {"id": 1, "audio": true, "video": true}
            observer hears error {"code": "NOT_IN_ROOM", "id": 1}
        at 0 observer says join-room
            observer hears room-joined {} and more
            patient hears peer-joined {} and more
        at 1 patient says media-state {"id": 2, "audio": true, "video": true}
            patient hears error {"code": "FORBIDDEN", "id": 2}
        at 1 observer says media-state {"id": 3, "audio": true, "video": true}
            observer hears error {"code": "FORBIDDEN", "id": 3}
        at 1 observer says media-state {"id": 4, "userId": "$patient", "audio": true, "video": true}
            observer hears error {"code": "FORBIDDEN", "id": 4}
        at 1 observer says media-state {"id": 5, "sessionId": "$room(night)", "audio": true, "video": true}
            observer hears error {"code": "FORBIDDEN", "id": 5}
        "#,
    );
}

#[test]
fn only_a_doctor_controls_what_another_sends() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 0 observer connects with $token(room:*, room:media)
        at 0 observer says join-room
            observer hears room-joined {{}} and more
            doctor, patient hear peer-joined {{}} and more
        at 1 doctor says media-control to patient {{"id": 1, "audio": false}}
            patient hears the same
            doctor hears ack {{"id": 1}}
        at 1 doctor says media-control to observer {{"video": true, "audio": false, "why": "noise"}}
            observer hears the same
        # It is a word to the patient, and changes nothing that the others see.
        at 2 patient says media-control to doctor {{"id": 2, "audio": false}}
            patient hears error {{"code": "FORBIDDEN", "id": 2}}
        at 2 observer says media-control to patient {{"id": 3, "audio": false}}
            observer hears error {{"code": "FORBIDDEN", "id": 3}}
        at 2 doctor says media-control to patient-2 {{"id": 4, "audio": false}}
            doctor hears error {{"code": "PEER_NOT_FOUND", "id": 4}}
        at 2 doctor says media-control to patient {{"id": 5}}
            doctor hears error {{"code": "BAD_MESSAGE", "id": 5}}
        at 3 doctor says refresh-token {{"authToken": "$token(room:join, room:signal, room:end)"}}
        at 3 doctor says media-control to patient {{"id": 6, "audio": false}}
            doctor hears error {{"code": "FORBIDDEN", "id": 6}}
        "#
    ));
}

#[test]
fn the_others_hear_how_a_connection_is() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 patient says connection-state {{"id": 1, "state": "failed", "errorCode": "ICE_FAILED"}}
            doctor hears peer-state {{"userId": "$patient", "connectionState": "failed",
                "audio": true, "video": true, "screen": false}}
            patient hears ack {{"id": 1}}
        at 2 observer connects with $token(room:join)
        at 2 observer says join-room
            observer hears room-joined {{"participants": [
                {{"userId": "$doctor", "userType": "doctor", "connectionState": "connected",
                  "audio": true, "video": true, "screen": false, "joinedAt": "$time(0)"}},
                {{"userId": "$patient", "userType": "patient", "connectionState": "failed",
                  "audio": true, "video": true, "screen": false, "joinedAt": "$time(0)"}},
                {{"userId": "$observer", "userType": "observer", "connectionState": "connected",
                  "audio": true, "video": true, "screen": false, "joinedAt": "$now"}}
            ]}} and more
            doctor, patient hear peer-joined {{}} and more
        at 3 observer says connection-state {{"state": "connecting"}}
            doctor, patient hear peer-state {{"userId": "$observer", "connectionState": "connecting"}} and more
        # A new connection is a new beginning.
        at 4 patient drops
            doctor, observer hear peer-state {{"userId": "$patient", "connectionState": "reconnecting"}} and more
        at 5 patient/2 connects with $token
        at 5 patient/2 says join-room
            patient/2 hears room-joined {{}} and more
            doctor, observer hear peer-state {{"userId": "$patient", "connectionState": "connected"}} and more
        at 6 patient/2 says connection-state {{"id": 2, "userId": "$doctor", "state": "closed"}}
            patient/2 hears error {{"code": "FORBIDDEN", "id": 2}}
        at 6 patient/2 says connection-state {{"id": 3, "state": "reconnecting"}}
            patient/2 hears error {{"code": "BAD_MESSAGE", "id": 3}}
        "#
    ));
}

#[test]
fn the_others_hear_how_good_a_connection_is() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 patient says connection-stats {{"id": 1, "stats":
            {{"bitrate": 1200.5, "latency": 40, "packetLoss": 0.1, "quality": "good", "codec": "opus"}}}}
            doctor hears peer-stats {{"userId": "$patient", "stats":
                {{"bitrate": 1200.5, "latency": 40, "packetLoss": 0.1, "quality": "good"}}}}
            patient hears ack {{"id": 1}}
        at 2 patient says connection-stats {{"id": 2, "sessionId": "$room(night)", "stats":
            {{"bitrate": 1, "latency": 1, "packetLoss": 0, "quality": "poor"}}}}
            patient hears error {{"code": "FORBIDDEN", "id": 2}}
        "#
    ));
}
