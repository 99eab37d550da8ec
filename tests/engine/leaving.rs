//! How participants leave: by a message, by the end of a connection, by the end of the server. Each
//! exit is announced once.

use super::{DOCTOR_AND_PATIENT, play};

#[test]
fn who_says_so_leaves_at_once_and_is_told_of_once() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 patient says leave-room {{"id": 1}}
            patient hears ack {{"id": 1}}
            patient is closed with 1000
            doctor hears peer-left {{"userId": "$patient", "reason": "left"}}
        # What still comes over the wire does not count.
        at 1 patient says leave-room {{"id": 2}}
        at 1 patient says ping {{"id": 3}}
        at 1 patient says offer to doctor {{"id": 4}}
        at 1 patient says join-room {{"id": 5}}
        at 1 patient sends nonsense
        at 1 patient drops
        at 1 patient drops
        at 200 time passes
        at 201 doctor says leave-room
            doctor is closed with 1000
        "#
    ));
}

#[test]
fn who_left_may_come_again() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 patient says leave-room
            patient is closed with 1000
            doctor hears peer-left {{"userId": "$patient", "reason": "left"}}
        at 2 patient/again connects with $token
        at 2 patient/again says join-room
            patient/again hears room-joined {{"resumed": false}} and more
            doctor hears peer-joined {{"userId": "$patient", "userType": "patient"}}
        # The old connection is not the new one, though it had the same place among the connections.
        at 3 patient says leave-room
        at 3 patient drops
        at 4 doctor says offer to patient
            patient/again hears the same
        "#
    ));
}

#[test]
fn who_has_not_joined_leaves_without_a_word() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 observer connects with $token
        at 1 observer drops
        at 1 observer-2 connects
        at 2 observer-2 drops
        at 2 observer-2 drops
        at 60 time passes
        "#
    ));
}

#[test]
fn a_server_that_stops_says_so_to_everybody() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 observer connects
        at 1 doctor@night connects with $token
        at 2 the server stops
            doctor hears error {{"code": "SERVER_SHUTDOWN"}} and more
            doctor is closed with 1012
            patient hears error {{"code": "SERVER_SHUTDOWN"}} and more
            patient is closed with 1012
            observer hears error {{"code": "SERVER_SHUTDOWN"}} and more
            observer is closed with 1012
            doctor@night hears error {{"code": "SERVER_SHUTDOWN"}} and more
            doctor@night is closed with 1012
        at 2 doctor says offer to patient
        at 2 patient drops
        at 2 the server stops
        at 60 time passes
        "#
    ));
}
