//! How a room ends: by the doctor, by its age, or by being empty. It does not open again.

use super::{DOCTOR_AND_PATIENT, play};

#[test]
fn a_doctor_ends_the_session_for_everybody() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 observer connects with $token
        at 1 doctor says end-session {{"id": 1, "reason": "das \"Ende\" \u00e9\n"}}
            doctor hears ack {{"id": 1}}
            doctor, patient hear room-status {{"status": "ended", "reason": "das \"Ende\" \u00e9\n"}}
            doctor is closed with 4410
            patient is closed with 4410
        at 1 doctor says offer to patient
        at 1 patient drops
        # Not for a newcomer, not for those who were inside, and not for who was at the door.
        at 2 observer says join-room {{"id": 1}}
            observer hears error {{"code": "SESSION_ENDED", "id": 1}}
            observer is closed with 4410
        at 2 patient/2 connects
        at 2 patient/2 says join-room {{"authToken": "$token", "resume": {{"received": 0}}}}
            patient/2 hears error {{"code": "SESSION_ENDED"}}
            patient/2 is closed with 4410
        at 80000 doctor/2 connects with $token(begins 79000)
        at 80000 doctor/2 says join-room
            doctor/2 hears error {{"code": "SESSION_ENDED"}}
            doctor/2 is closed with 4410
        # Another session of the same people is another matter.
        at 80000 doctor@night connects with $token(begins 79000)
        at 80000 doctor@night says join-room
            doctor@night hears room-joined {{}} and more
        "#
    ));
}

#[test]
fn an_end_needs_no_reason() {
    for reason in ["", r#"{"reason": null}"#, r#"{"reason": ""}"#] {
        play(&format!(
            r#"{DOCTOR_AND_PATIENT}
            at 1 doctor says end-session {reason}
                doctor, patient hear room-status {{"status": "ended"}}
                doctor is closed with 4410
                patient is closed with 4410
            "#
        ));
    }
}

#[test]
fn only_a_doctor_with_the_permission_ends_a_session() {
    play(
        r#"
        at 0 doctor connects with $token(room:join, room:signal, room:media)
        at 0 doctor says join-room
            doctor hears room-joined {} and more
        at 0 patient connects with $token(room:*, room:end)
        at 0 patient says join-room
            patient hears room-joined {} and more
            doctor hears peer-joined {} and more
            doctor, patient hear room-status {"status": "active"}
        at 0 observer connects with $token(room:*, room:end)
        at 1 observer says end-session {"id": 1}
            observer hears error {"code": "NOT_IN_ROOM", "id": 1}
        at 1 observer says join-room
            observer hears room-joined {} and more
            doctor, patient hear peer-joined {} and more
        at 2 doctor says end-session {"id": 2}
            doctor hears error {"code": "FORBIDDEN", "id": 2}
        at 2 patient says end-session {"id": 3}
            patient hears error {"code": "FORBIDDEN", "id": 3}
        at 2 patient says end-session {"id": 4, "userId": "$doctor"}
            patient hears error {"code": "FORBIDDEN", "id": 4}
        at 2 observer says end-session {"id": 5}
            observer hears error {"code": "FORBIDDEN", "id": 5}
        at 3 doctor says refresh-token {"authToken": "$token(room:join, room:end)"}
        at 3 doctor says end-session
            doctor, patient, observer hear room-status {"status": "ended"}
            doctor is closed with 4410
            patient is closed with 4410
            observer is closed with 4410
        "#,
    );
}

#[test]
fn who_is_away_at_the_end_cannot_come_back() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 patient drops
            doctor hears peer-state {{"connectionState": "reconnecting"}} and more
        at 2 doctor says end-session
            doctor hears room-status {{"status": "ended"}}
            doctor is closed with 4410
        at 3 patient/2 connects with $token
        at 3 patient/2 says join-room {{"resume": {{"received": 0}}}}
            patient/2 hears error {{"code": "SESSION_ENDED"}}
            patient/2 is closed with 4410
        at 200 time passes
        "#
    ));
}

#[test]
fn a_room_has_an_age_limit() {
    play(
        r#"
        at 100 doctor connects with $token(ends 20000)
        at 100 doctor says join-room
            doctor hears room-joined {} and more
        at 5000 patient connects with $token(ends 20000)
        at 5000 patient says join-room
            patient hears room-joined {} and more
            doctor hears peer-joined {} and more
            doctor, patient hear room-status {"status": "active"}
        at 14499.999 time passes
        at 14500 time passes
            doctor, patient hear room-status {"status": "ended", "reason": "age-limit"}
            doctor is closed with 4410
            patient is closed with 4410
        at 14501 doctor/2 connects with $token(ends 20000)
        at 14501 doctor/2 says join-room
            doctor/2 hears error {"code": "SESSION_ENDED"}
            doctor/2 is closed with 4410
        "#,
    );
}

#[test]
fn a_room_may_stand_empty_for_a_while() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 10 patient says leave-room
            patient is closed with 1000
            doctor hears peer-left {{"userId": "$patient", "reason": "left"}}
        at 20 doctor says leave-room
            doctor is closed with 1000
        # It is the same room still: it is active already, and was made at the time of the first one.
        at 319.999 doctor/2 connects with $token
        at 319.999 doctor/2 says join-room
            doctor/2 hears room-joined {{
                "participants": {doctor},
                "room": {{
                    "sessionId": "$room", "doctorId": "$doctor", "patientId": "$patient", "status": "active",
                    "roomType": "consultation", "createdAt": "$time(0)", "participants": {doctor}
                }}
            }} and more
        at 400 doctor/2 says leave-room
            doctor/2 is closed with 1000
        at 699.999 time passes
        at 700 patient/2 connects with $token
        at 700 patient/2 says join-room
            patient/2 hears error {{"code": "SESSION_ENDED"}}
            patient/2 is closed with 4410
        "#,
        doctor = r#"[
            {"userId": "$doctor", "userType": "doctor", "connectionState": "connected", "audio": true,
             "video": true, "screen": false, "joinedAt": "$now"}
        ]"#
    ));
}

#[test]
fn a_room_in_which_somebody_is_only_away_is_not_empty() {
    play(
        r#"
        at 0 doctor connects with $token
        at 0 doctor says join-room
            doctor hears room-joined {} and more
        at 10 doctor drops
        # Empty from 70 on.
        at 369 doctor/2 connects with $token
        at 369 doctor/2 says join-room
            doctor/2 hears room-joined {"resumed": false} and more
        "#,
    );
    play(
        r#"
        at 0 doctor connects with $token
        at 0 doctor says join-room
            doctor hears room-joined {} and more
        at 10 doctor drops
        at 370 doctor/2 connects with $token
        at 370 doctor/2 says join-room
            doctor/2 hears error {"code": "SESSION_ENDED"}
            doctor/2 is closed with 4410
        "#,
    );
}
