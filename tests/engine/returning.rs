//! A connection drops, and its participant returns in time, or does not.

use super::{DOCTOR_AND_PATIENT, play};

#[test]
fn a_place_is_kept_for_the_grace_and_no_longer() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 patient drops
            doctor hears peer-state {{"userId": "$patient", "connectionState": "reconnecting",
                "audio": true, "video": true, "screen": false}}
        # Told once, whatever the transport says again.
        at 1 patient drops
        at 1 patient says ping
        at 60.999999 time passes
        at 61 time passes
            doctor hears peer-left {{"userId": "$patient", "reason": "disconnected"}}
        at 62 doctor says offer to patient {{"id": 1}}
            doctor hears error {{"code": "PEER_NOT_FOUND", "id": 1}}
        # Who comes after that is a newcomer.
        at 63 patient/2 connects with $token
        at 63 patient/2 says join-room {{"resume": {{"received": 0}}}}
            patient/2 hears room-joined {{"resumed": false}} and more
            doctor hears peer-joined {{"userId": "$patient", "userType": "patient"}}
        "#
    ));
}

#[test]
fn who_returns_hears_what_was_said_meanwhile_and_nothing_else() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 doctor says offer to patient {{"id": 1}}
            patient hears the same
            doctor hears ack {{"id": 1}}
        at 2 patient drops
            doctor hears peer-state {{"userId": "$patient", "connectionState": "reconnecting"}} and more
        # Accepted is acknowledged, though nobody hears it yet.
        at 3 doctor says ice-candidate to patient {{"id": 2, "candidate": {{"candidate": "a\tb"}}}}
            doctor hears ack {{"id": 2}}
        at 4 doctor says media-control to patient {{"id": 3, "audio": false}}
            doctor hears ack {{"id": 3}}
        at 5 doctor sends  {{"sessionId":"$room", "type" : "offer","id":4,"x":[1.0e0],"sdp":{{"type":"offer","sdp":"v=0"}},"fromUserId":"$doctor","toUserId":"$patient"}}
            doctor hears ack {{"id": 4}}
        at 30 patient/2 connects with $token
        at 31 patient/2 says join-room {{"id": "back", "resume": {{"received": 1}}}}
            patient/2 hears room-joined {{"resumed": true, "polite": true}} and more
            patient/2 hears ack {{"id": "back"}}
            patient/2 hears message 2
            patient/2 hears message 3
            patient/2 hears message 4
            doctor hears peer-state {{"userId": "$patient", "connectionState": "connected", "audio": true,
                "video": true, "screen": false, "resumed": true}}
        at 32 doctor says offer to patient
            patient/2 hears the same
        # The grace that began with the drop is over.
        at 62 time passes
        at 100 time passes
        "#
    ));
}

#[test]
fn what_was_sent_but_lost_on_the_way_is_sent_again() {
    // The connection breaks with messages on the way; the answers to pings never came.
    for received in 0..=4 {
        let missed: String =
            (received + 1..=4).map(|id| format!("patient/2 hears message {id}\n")).collect();
        play(&format!(
            r#"{DOCTOR_AND_PATIENT}
            at 1 doctor says offer to patient {{"id": 1}}
                patient hears the same
                doctor hears ack {{"id": 1}}
            at 1 doctor says ice-candidate to patient {{"id": 2}}
                patient hears the same
                doctor hears ack {{"id": 2}}
            at 1.5 doctor says ice-candidate to patient {{"id": 3}}
                patient hears the same
                doctor hears ack {{"id": 3}}
            at 1.9 patient drops
                doctor hears peer-state {{"connectionState": "reconnecting", "userId": "$patient"}} and more
            at 1.9 doctor says ice-candidate to patient {{"id": 4}}
                doctor hears ack {{"id": 4}}
            at 3 patient/2 connects with $token
            at 3 patient/2 says join-room {{"resume": {{"received": {received}}}}}
                patient/2 hears room-joined {{"resumed": true}} and more
                {missed}
                doctor hears peer-state {{"connectionState": "connected", "userId": "$patient", "resumed": true}} and more
            "#
        ));
    }
}

#[test]
fn a_count_goes_on_over_returns_until_one_begins_anew() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 doctor says offer to patient {{"id": 1}}
            patient hears the same
            doctor hears ack {{"id": 1}}
        at 1.1 patient drops
            doctor hears peer-state {{"connectionState": "reconnecting"}} and more
        at 2 patient/2 connects with $token
        at 2 patient/2 says join-room {{"resume": {{"received": 0}}}}
            patient/2 hears room-joined {{"resumed": true}} and more
            patient/2 hears message 1
            doctor hears peer-state {{"connectionState": "connected", "resumed": true}} and more
        at 2.1 doctor says offer to patient {{"id": 2}}
            patient/2 hears the same
            doctor hears ack {{"id": 2}}
        at 2.2 patient/2 drops
            doctor hears peer-state {{"connectionState": "reconnecting"}} and more
        # One and two since the first room-joined, of which it has the first.
        at 3 patient/3 connects with $token
        at 3 patient/3 says join-room {{"resume": {{"received": 1}}}}
            patient/3 hears room-joined {{"resumed": true}} and more
            patient/3 hears message 2
            doctor hears peer-state {{"connectionState": "connected", "resumed": true}} and more
        at 3.1 patient/3 drops
            doctor hears peer-state {{"connectionState": "reconnecting"}} and more
        # Without a word of what it has, it begins anew and so does the count.
        at 4 patient/4 connects with $token
        at 4 patient/4 says join-room
            patient/4 hears room-joined {{"resumed": false}} and more
            doctor hears peer-state {{"connectionState": "connected", "resumed": false}} and more
        at 4.1 doctor says offer to patient {{"id": 3}}
            patient/4 hears the same
            doctor hears ack {{"id": 3}}
        at 4.2 patient/4 drops
            doctor hears peer-state {{"connectionState": "reconnecting"}} and more
        at 5 patient/5 connects with $token
        at 5 patient/5 says join-room {{"resume": {{"received": 0}}}}
            patient/5 hears room-joined {{"resumed": true}} and more
            patient/5 hears message 3
            doctor hears peer-state {{"connectionState": "connected", "resumed": true}} and more
        "#
    ));
}

#[test]
fn a_count_of_more_than_was_sent_begins_anew_and_both_sides_know() {
    for received in ["2", "18446744073709551615"] {
        play(&format!(
            r#"{DOCTOR_AND_PATIENT}
            at 1 doctor says offer to patient {{"id": 1}}
                patient hears the same
                doctor hears ack {{"id": 1}}
            at 1.1 patient drops
                doctor hears peer-state {{"connectionState": "reconnecting"}} and more
            at 2 patient/2 connects with $token
            at 2 patient/2 says join-room {{"resume": {{"received": {received}}}}}
                patient/2 hears room-joined {{"resumed": false}} and more
                doctor hears peer-state {{"connectionState": "connected", "resumed": false}} and more
            "#
        ));
    }
}

#[test]
fn a_takeover_may_resume_too() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 patient says offer to doctor {{"id": 1}}
            doctor hears the same
            patient hears ack {{"id": 1}}
        at 1.1 patient says ice-candidate to doctor {{"id": 2}}
            doctor hears the same
            patient hears ack {{"id": 2}}
        at 1.2 doctor/2 connects with $token
        at 1.2 doctor/2 says join-room {{"id": 3, "resume": {{"received": 1}}}}
            doctor hears error {{"code": "REPLACED"}}
            doctor is closed with 4409
            doctor/2 hears room-joined {{"resumed": true, "polite": false}} and more
            doctor/2 hears ack {{"id": 3}}
            doctor/2 hears message 2
            patient hears peer-state {{"userId": "$doctor", "connectionState": "connected", "resumed": true}} and more
        "#
    ));
}

#[test]
fn a_return_needs_all_that_a_join_needs() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 patient drops
            doctor hears peer-state {{"connectionState": "reconnecting"}} and more
        at 2 patient/2 connects
        at 2 patient/2 says join-room {{"id": 1, "resume": {{"received": 0}}}}
            patient/2 hears error {{"code": "UNAUTHORIZED", "id": 1}}
        at 2 patient/2 says join-room {{"id": 2, "authToken": "$token(room:signal)", "resume": {{"received": 0}}}}
            patient/2 hears error {{"code": "FORBIDDEN", "id": 2}}
        at 2 patient/2 says join-room {{"id": 3, "authToken": "$token(forged)", "resume": {{"received": 0}}}}
            patient/2 hears error {{"code": "TOKEN_INVALID", "id": 3}}
            patient/2 is closed with 4401
        # Nothing of that has lengthened or shortened the grace.
        at 60.999 time passes
        at 61 time passes
            doctor hears peer-left {{"userId": "$patient", "reason": "disconnected"}}
        "#
    ));
}

#[test]
fn the_seat_of_who_is_away_is_held() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 doctor drops
            patient hears peer-state {{"userId": "$doctor", "connectionState": "reconnecting"}} and more
        at 2 doctor-2 connects with $token
        at 2 doctor-2 says join-room {{"id": 1}}
            doctor-2 hears error {{"code": "ROLE_TAKEN", "id": 1}}
        at 61 time passes
            patient hears peer-left {{"userId": "$doctor", "reason": "disconnected"}}
        at 61 doctor-2 says join-room
            doctor-2 hears room-joined {{"resumed": false}} and more
            patient hears peer-joined {{"userId": "$doctor-2", "userType": "doctor"}}
        # Then the first one is too late.
        at 62 doctor/2 connects with $token
        at 62 doctor/2 says join-room {{"resume": {{"received": 0}}}}
            doctor/2 hears error {{"code": "ROLE_TAKEN"}}
        "#
    ));
}

#[test]
fn who_joins_meanwhile_sees_who_is_away() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 doctor drops
            patient hears peer-state {{"connectionState": "reconnecting"}} and more
        at 2 observer connects with $token
        at 2 observer says join-room
            observer hears room-joined {{"participants": [
                {{"userId": "$doctor", "userType": "doctor", "connectionState": "reconnecting",
                  "audio": true, "video": true, "screen": false, "joinedAt": "$time(0)"}},
                {{"userId": "$patient", "userType": "patient", "connectionState": "connected",
                  "audio": true, "video": true, "screen": false, "joinedAt": "$time(0)"}},
                {{"userId": "$observer", "userType": "observer", "connectionState": "connected",
                  "audio": true, "video": true, "screen": false, "joinedAt": "$time(2)"}}
            ]}} and more
            patient hears peer-joined {{"userId": "$observer", "userType": "observer"}}
        at 3 doctor/2 connects with $token
        at 3 doctor/2 says join-room {{"resume": {{"received": 0}}}}
            doctor/2 hears room-joined {{"resumed": true}} and more
            # Nothing has shown yet that it heard of the patient, either.
            doctor/2 hears peer-state {{"userId": "$patient", "resumed": false}} and more
            doctor/2 hears peer-state {{"userId": "$observer", "resumed": false}} and more
            patient, observer hear peer-state {{"userId": "$doctor", "connectionState": "connected",
                "audio": true, "video": true, "screen": false, "resumed": true}}
        "#
    ));
}

#[test]
fn both_may_be_away_and_still_find_each_other() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 doctor says offer to patient {{"id": 1}}
            patient hears the same
            doctor hears ack {{"id": 1}}
        at 2 patient drops
            doctor hears peer-state {{"connectionState": "reconnecting"}} and more
        at 2.5 doctor says ice-candidate to patient {{"id": 2}}
            doctor hears ack {{"id": 2}}
        at 3 doctor drops
        at 20 patient/2 connects with $token
        at 20 patient/2 says join-room {{"resume": {{"received": 1}}}}
            patient/2 hears room-joined {{"resumed": true}} and more
            patient/2 hears message 2
        at 21 patient/2 says answer to doctor {{"id": 3}}
            patient/2 hears ack {{"id": 3}}
        at 22 doctor/2 connects with $token
        at 22 doctor/2 says join-room {{"resume": {{"received": 0}}}}
            doctor/2 hears room-joined {{"resumed": true}} and more
            doctor/2 hears message 3
            doctor/2 hears peer-state {{"userId": "$patient", "resumed": false}} and more
            patient/2 hears peer-state {{"userId": "$doctor", "connectionState": "connected", "resumed": true}} and more
        "#
    ));
}

#[test]
fn who_returns_hears_once_who_began_anew_meanwhile() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 patient says offer to doctor {{"id": 1}}
            doctor hears the same
            patient hears ack {{"id": 1}}
        at 2 doctor drops
            patient hears peer-state {{"connectionState": "reconnecting"}} and more
        at 3 patient/2 connects with $token
        at 3 patient/2 says join-room
            patient hears error {{"code": "REPLACED"}}
            patient is closed with 4409
            patient/2 hears room-joined {{"resumed": false}} and more
        at 4 doctor/2 connects with $token
        at 4 doctor/2 says join-room {{"id": 2, "resume": {{"received": 1, "stream": 1800000000000}}}}
            doctor/2 hears room-joined {{"resumed": true, "stream": 1800000000000}} and more
            doctor/2 hears ack {{"id": 2}}
            doctor/2 hears peer-state {{"userId": "$patient", "connectionState": "connected", "resumed": false}} and more
            patient/2 hears peer-state {{"userId": "$doctor", "connectionState": "connected", "resumed": true}} and more
        # The next message shows that it has heard of that.
        at 5 patient/2 says offer to doctor {{"id": 3}}
            doctor/2 hears the same
            patient/2 hears ack {{"id": 3}}
        at 5.5 doctor/2 drops
            patient/2 hears peer-state {{"connectionState": "reconnecting"}} and more
        at 6 doctor/3 connects with $token
        at 6 doctor/3 says join-room {{"resume": {{"received": 2, "stream": 1800000000000}}}}
            doctor/3 hears room-joined {{"resumed": true}} and more
            patient/2 hears peer-state {{"connectionState": "connected", "resumed": true}} and more
        "#
    ));
}

#[test]
fn a_count_of_another_stream_than_the_present_one_is_worth_nothing() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 patient says offer to doctor {{"id": 1}}
            doctor hears the same
            patient hears ack {{"id": 1}}
        # The answer to this one is lost.
        at 2 doctor/2 connects with $token
        at 2 doctor/2 says join-room
            doctor hears error {{"code": "REPLACED"}}
            doctor is closed with 4409
            doctor/2 hears room-joined {{"resumed": false, "stream": 1800000002000}} and more
            patient hears peer-state {{"connectionState": "connected", "resumed": false}} and more
        at 3 patient says offer to doctor {{"id": 2}}
            doctor/2 hears the same
            patient hears ack {{"id": 2}}
        at 4 doctor/3 connects with $token
        at 4 doctor/3 says join-room {{"resume": {{"received": 1, "stream": 1800000000000}}}}
            doctor/2 hears error {{"code": "REPLACED"}}
            doctor/2 is closed with 4409
            doctor/3 hears room-joined {{"resumed": false, "stream": 1800000004000}} and more
            patient hears peer-state {{"connectionState": "connected", "resumed": false}} and more
        "#
    ));
}

#[test]
fn leaving_for_good_after_a_return_is_told_once() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 patient drops
            doctor hears peer-state {{"connectionState": "reconnecting"}} and more
        at 2 patient/2 connects with $token
        at 2 patient/2 says join-room {{"resume": {{"received": 0}}}}
            patient/2 hears room-joined {{"resumed": true}} and more
            doctor hears peer-state {{"connectionState": "connected"}} and more
        at 3 patient/2 says leave-room
            patient/2 is closed with 1000
            doctor hears peer-left {{"userId": "$patient", "reason": "left"}}
        at 200 time passes
        "#
    ));
}
