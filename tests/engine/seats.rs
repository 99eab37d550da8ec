//! One doctor, one patient, and observers up to the room's limit; and how a room becomes active.

use super::{DOCTOR_AND_PATIENT, play, play_with};

#[test]
fn a_seat_is_held_by_one_person() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 doctor-2 connects with $token
        at 1 doctor-2 says join-room {{"id": 1}}
            doctor-2 hears error {{"code": "ROLE_TAKEN", "id": 1}}
        at 1 patient-2 connects
        at 1 patient-2 says join-room {{"id": 1, "authToken": "$token"}}
            patient-2 hears error {{"code": "ROLE_TAKEN", "id": 1}}
        # Nothing has changed by that, and who was refused is not inside.
        at 2 doctor says offer to patient-2 {{"id": 2}}
            doctor hears error {{"code": "PEER_NOT_FOUND", "id": 2}}
        at 2 patient-2 says offer to doctor {{"id": 2}}
            patient-2 hears error {{"code": "NOT_IN_ROOM", "id": 2}}
        at 2 doctor says offer to patient
            patient hears the same
        "#
    ));
}

#[test]
fn a_seat_is_free_once_its_holder_has_left() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 doctor-2 connects with $token
        at 1 doctor-2 says join-room
            doctor-2 hears error {{"code": "ROLE_TAKEN"}}
        at 2 doctor says leave-room
            doctor is closed with 1000
            patient hears peer-left {{"userId": "$doctor", "reason": "left"}}
        # The room does not go back to waiting, and so does not become active again.
        at 3 doctor-2 says join-room
            doctor-2 hears room-joined {{"polite": false}} and more
            patient hears peer-joined {{"userId": "$doctor-2", "userType": "doctor"}}
        at 4 doctor-2 says offer to patient
            patient hears the same
        at 5 doctor connects with $token
        at 5 doctor says join-room
            doctor hears error {{"code": "ROLE_TAKEN"}}
        "#
    ));
}

#[test]
fn the_room_names_the_doctor_and_the_patient_of_now() {
    play(
        r#"
        at 0 patient connects with $token
        at 0 patient says join-room
            patient hears room-joined {
                "polite": true, "iceServers": [], "iceTransportPolicy": "all", "resumed": false,
                "stream": 1800000000000, "heartbeatSeconds": 25, "serverTime": "$now",
                "participants": [
                    {"userId": "$patient", "userType": "patient", "connectionState": "connected",
                     "audio": true, "video": true, "screen": false, "joinedAt": "$now"}
                ],
                "room": {
                    "sessionId": "$room", "doctorId": null, "patientId": "$patient",
                    "roomType": "consultation", "createdAt": "$now", "status": "waiting",
                    "participants": [
                        {"userId": "$patient", "userType": "patient", "connectionState": "connected",
                         "audio": true, "video": true, "screen": false, "joinedAt": "$now"}
                    ]
                }
            }
        "#,
    );
}

#[test]
fn a_room_waits_until_doctor_and_patient_have_come() {
    play(
        r#"
        at 0 observer connects with $token
        at 0 observer says join-room
            observer hears room-joined {"polite": true} and more
        at 1 patient connects with $token
        at 1 patient says join-room
            patient hears room-joined {"polite": true} and more
            observer hears peer-joined {"userId": "$patient", "userType": "patient"}
        at 2 observer-2 connects with $token
        at 2 observer-2 says join-room
            observer-2 hears room-joined {"polite": true} and more
            observer, patient hear peer-joined {"userId": "$observer-2", "userType": "observer"}
        at 3 doctor connects with $token
        at 3 doctor says join-room {"id": 1}
            doctor hears room-joined {"polite": false} and more
            doctor hears ack {"id": 1}
            observer, patient, observer-2 hear peer-joined {"userId": "$doctor", "userType": "doctor"}
            observer, patient, observer-2, doctor hear room-status {"status": "active"}
        at 4 observer-3 connects with $token
        at 4 observer-3 says join-room
            observer-3 hears room-joined {} and more
            observer, patient, observer-2, doctor hear peer-joined {"userId": "$observer-3", "userType": "observer"}
        "#,
    );
}

#[test]
fn observers_leave_the_seats_of_doctor_and_patient_free() {
    let mut script = String::new();
    let mut inside = Vec::new();
    for number in 1..=6 {
        let name = format!("observer-{number}");
        script += &format!("at {number} {name} connects with $token\n");
        script += &format!(
            "at {number} {name} says join-room\n  {name} hears room-joined {{}} and more\n"
        );
        if !inside.is_empty() {
            let others = inside.join(", ");
            script += &format!(
                "{others} hear peer-joined {{\"userId\": \"${name}\", \"userType\": \"observer\"}}\n"
            );
        }
        inside.push(name);
    }
    let all = inside.join(", ");
    play(
        &format!(
            r#"{script}
        at 7 observer-7 connects with $token
        at 7 observer-7 says join-room {{"id": 1}}
            observer-7 hears error {{"code": "ROOM_FULL", "id": 1}}
        at 8 doctor connects with $token
        at 8 doctor says join-room
            doctor hears room-joined {{}} and more
            {all} hear peer-joined {{"userId": "$doctor", "userType": "doctor"}}
        at 9 patient connects with $token
        at 9 patient says join-room
            patient hears room-joined {{}} and more
            {all}, doctor hear peer-joined {{"userId": "$patient", "userType": "patient"}}
            {all}, doctor, patient hear room-status {{"status": "active"}}
        at 10 observer-7 says join-room {{"id": 2}}
            observer-7 hears error {{"code": "ROOM_FULL", "id": 2}}
        at 11 observer-1 says leave-room
            observer-1 is closed with 1000
            observer-2, observer-3, observer-4, observer-5, observer-6, doctor, patient hear
                peer-left {{"userId": "$observer-1", "reason": "left"}}
        at 12 observer-7 says join-room
            observer-7 hears room-joined {{}} and more
            observer-2, observer-3, observer-4, observer-5, observer-6, doctor, patient hear
                peer-joined {{"userId": "$observer-7", "userType": "observer"}}
        "#
        )
        .replace("hear\n", "hear "),
    );
}

#[test]
fn a_room_for_two_is_for_no_observer_whoever_comes_first() {
    play_with(
        |options| options.participants_max = 2,
        r#"
        at 0 observer connects with $token
        at 0 observer says join-room
            observer hears error {"code": "ROOM_FULL"}
        at 1 doctor connects with $token
        at 1 doctor says join-room
            doctor hears room-joined {} and more
        at 2 observer says join-room
            observer hears error {"code": "ROOM_FULL"}
        "#,
    );
}

#[test]
fn those_inside_hear_what_a_newcomer_does_not_send() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 observer connects with $token
        at 1 observer says join-room {{"media": {{"audio": false, "video": false}}}}
            observer hears room-joined {{}} and more
            doctor, patient hear peer-joined {{
                "userId": "$observer", "userType": "observer", "audio": false, "video": false, "screen": false
            }}
        at 2 observer-2 connects with $token
        at 2 observer-2 says join-room {{"media": {{"audio": true, "video": true}}}}
            observer-2 hears room-joined {{}} and more
            doctor, patient, observer hear peer-joined {{"userId": "$observer-2", "userType": "observer"}}
        "#
    ));
}

#[test]
fn the_type_of_the_room_is_the_doctors_to_choose_unless_a_token_says_it() {
    for (doctor_says, patient_token, doctor_token, room_type) in [
        ("", "", "", "consultation"),
        (r#"{"roomType": "emergency"}"#, "", "", "emergency"),
        (r#"{"roomType": null}"#, "", "", "consultation"),
        (r#"{"roomType": "emergency"}"#, "", "for follow-up", "follow-up"),
        ("", "for follow-up", "", "follow-up"),
        // Also a token that has come before.
        (r#"{"roomType": "emergency"}"#, "for follow-up", "", "follow-up"),
        ("", "for follow-up", "for emergency", "emergency"),
    ] {
        play(&format!(
            r#"
            # A patient has no say in it.
            at 0 patient connects with $token({patient_token})
            at 0 patient says join-room {{"roomType": "emergency"}}
                patient hears room-joined {{}} and more
            at 0 doctor connects with $token({doctor_token})
            at 0 doctor says join-room {doctor_says}
                doctor hears room-joined {{
                    "polite": false, "iceServers": [], "iceTransportPolicy": "all", "resumed": false,
                    "stream": 1800000000001, "heartbeatSeconds": 25,
                    "serverTime": "$now", "participants": {participants},
                    "room": {{
                        "sessionId": "$room", "doctorId": "$doctor", "patientId": "$patient",
                        "roomType": "{room_type}", "createdAt": "$now", "status": "active",
                        "participants": {participants}
                    }}
                }}
                patient hears peer-joined {{"userId": "$doctor", "userType": "doctor"}}
                patient, doctor hear room-status {{"status": "active"}}
            "#,
            participants = r#"[
                {"userId": "$patient", "userType": "patient", "connectionState": "connected",
                 "audio": true, "video": true, "screen": false, "joinedAt": "$now"},
                {"userId": "$doctor", "userType": "doctor", "connectionState": "connected",
                 "audio": true, "video": true, "screen": false, "joinedAt": "$now"}
            ]"#
        ));
    }
}
