//! What is relayed from one participant to another: byte for byte, and only if both are in the room
//! that the token names.

use super::{DOCTOR_AND_PATIENT, play};

const OBSERVER: &str = r#"
    at 0 observer connects with $token
    at 0 observer says join-room
        observer hears room-joined {} and more
        doctor, patient hear peer-joined {"userId": "$observer", "userType": "observer"}
"#;

#[test]
fn messages_pass_as_they_are_to_whom_they_are_for() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}{OBSERVER}
        at 1 doctor says offer to patient {{"id": 1}}
            patient hears the same
            doctor hears ack {{"id": 1}}
        at 2 patient says answer to doctor {{"id": "answer"}}
            doctor hears the same
            patient hears ack {{"id": "answer"}}
        at 3 doctor says ice-candidate to patient {{"candidate": {{"candidate": "", "sdpMid": "0"}}}}
            patient hears the same
        at 3 patient says ice-candidate to doctor {{"candidate": null}}
            doctor hears the same
        at 4 doctor says offer to observer
            observer hears the same
        at 4 observer says answer to doctor
            doctor hears the same
        # Space, order, escapes, letter case and fields that nobody knows are the sender's.
        at 5 doctor sends  {{ "future":[1e999 , "\u00e9"],"sdp" : {{"sdp":"v=0\r\n","type":"offer", "x":{{}} }} , "toUserId":"$patient","fromUserId":"$doctor","typ\u0065":"offer","sessionId":"$room"}}
            patient hears the same
        "#
    ));
}

#[test]
fn nobody_speaks_as_someone_else_or_into_another_room() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}{OBSERVER}
        at 1 doctor-2@night connects with $token
        at 1 doctor-2@night says join-room
            doctor-2@night hears room-joined {{}} and more
        at 2 patient says offer to doctor {{"id": 1, "fromUserId": "$observer"}}
            patient hears error {{"code": "FORBIDDEN", "id": 1}}
        at 2 patient says answer to doctor {{"id": 2, "sessionId": "$room(night)"}}
            patient hears error {{"code": "FORBIDDEN", "id": 2}}
        at 2 patient says ice-candidate to doctor-2@night {{"id": 3, "sessionId": "$room(night)"}}
            patient hears error {{"code": "FORBIDDEN", "id": 3}}
        at 2 patient says leave-room {{"id": 4, "userId": "$doctor"}}
            patient hears error {{"code": "FORBIDDEN", "id": 4}}
        at 2 patient says leave-room {{"id": 5, "sessionId": "$room(night)"}}
            patient hears error {{"code": "FORBIDDEN", "id": 5}}
        at 3 patient says offer to doctor-2@night {{"id": 6}}
            patient hears error {{"code": "PEER_NOT_FOUND", "id": 6}}
        at 3 doctor-2@night says offer to patient {{"id": 7}}
            doctor-2@night hears error {{"code": "PEER_NOT_FOUND", "id": 7}}
        "#
    ));
}

#[test]
fn who_is_not_there_cannot_be_spoken_to() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}{OBSERVER}
        at 1 doctor says offer to doctor-2 {{"id": 1}}
            doctor hears error {{"code": "PEER_NOT_FOUND", "id": 1}}
        # Nor can oneself.
        at 1 doctor says offer to doctor {{"id": 2}}
            doctor hears error {{"code": "PEER_NOT_FOUND", "id": 2}}
        at 2 observer says leave-room
            observer is closed with 1000
            doctor, patient hear peer-left {{"userId": "$observer", "reason": "left"}}
        at 2 doctor says offer to observer {{"id": 3}}
            doctor hears error {{"code": "PEER_NOT_FOUND", "id": 3}}
        "#
    ));
}

#[test]
fn signaling_needs_a_permission() {
    play(
        r#"
        at 0 doctor connects with $token
        at 0 doctor says join-room
            doctor hears room-joined {} and more
        at 0 patient connects with $token(room:join, room:media, room:end)
        at 0 patient says join-room
            patient hears room-joined {} and more
            doctor hears peer-joined {"userId": "$patient", "userType": "patient"}
            doctor, patient hear room-status {"status": "active"}
        at 1 patient says offer to doctor {"id": 1}
            patient hears error {"code": "FORBIDDEN", "id": 1}
        at 1 patient says answer to doctor {"id": 2}
            patient hears error {"code": "FORBIDDEN", "id": 2}
        at 1 patient says ice-candidate to doctor {"id": 3}
            patient hears error {"code": "FORBIDDEN", "id": 3}
        # Whom one may speak to is not the matter: a stranger hears no more of who is here.
        at 1 patient says offer to doctor-2 {"id": 4}
            patient hears error {"code": "FORBIDDEN", "id": 4}
        # It can still be spoken to, and leave.
        at 2 doctor says offer to patient
            patient hears the same
        at 3 patient says leave-room {"id": 5}
            patient hears ack {"id": 5}
            patient is closed with 1000
            doctor hears peer-left {"userId": "$patient", "reason": "left"}
        "#,
    );
}

#[test]
fn an_observer_only_receives() {
    for (lines, rejected) in [
        (r"a=recvonly\r\n", false),
        (r"a=inactive\r\n", false),
        (r"a=sendrecv\r\n", true),
        (r"a=sendonly\r\n", true),
        ("", true), // no direction means both
    ] {
        for kind in ["offer", "answer"] {
            let sdp = format!(
                r#"{{"type": "{kind}", "sdp": "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 {}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=setup:active\r\n{lines}"}}"#,
                ["4A"; 32].join(":")
            );
            let comes_of_it = match rejected {
                true => r#"observer hears error {"code": "SDP_REJECTED", "id": 1}"#,
                false => "doctor hears the same\n observer hears ack {\"id\": 1}",
            };
            play(&format!(
                r#"{DOCTOR_AND_PATIENT}{OBSERVER}
                at 1 observer says {kind} to doctor {{"id": 1, "sdp": {sdp}}}
                    {comes_of_it}
                # The others may send.
                at 2 patient says {kind} to doctor {{"sdp": {sdp}}}
                    doctor hears the same
                "#
            ));
        }
    }
}
