//! Joining: the three ways to present a token, and the result of each invalid one.

use super::play;

#[test]
fn a_doctor_and_a_patient_meet() {
    play(
        r#"
        at 0 doctor connects with $token
        at 1 doctor says join-room {"id": "first"}
            doctor hears room-joined {
                "participants": [
                    {"userId": "$doctor", "userType": "doctor", "connectionState": "connected",
                     "audio": true, "video": true, "screen": false, "joinedAt": "$time(1)"}
                ],
                "room": {
                    "sessionId": "$room", "doctorId": "$doctor", "patientId": null,
                    "roomType": "consultation", "createdAt": "$time(1)", "status": "waiting",
                    "participants": [
                        {"userId": "$doctor", "userType": "doctor", "connectionState": "connected",
                         "audio": true, "video": true, "screen": false, "joinedAt": "$time(1)"}
                    ]
                },
                "polite": false, "iceServers": [], "iceTransportPolicy": "all", "resumed": false,
                "stream": 1800000001000, "heartbeatSeconds": 25, "serverTime": "$now"
            }
            doctor hears ack {"id": "first"}
        at 2 patient connects with $token
        at 2.5 patient says join-room {"id": 2, "media": {"video": false}}
            patient hears room-joined {
                "participants": [
                    {"userId": "$doctor", "userType": "doctor", "connectionState": "connected",
                     "audio": true, "video": true, "screen": false, "joinedAt": "$time(1)"},
                    {"userId": "$patient", "userType": "patient", "connectionState": "connected",
                     "audio": true, "video": false, "screen": false, "joinedAt": "$time(2.5)"}
                ],
                "room": {
                    "sessionId": "$room", "doctorId": "$doctor", "patientId": "$patient",
                    "roomType": "consultation", "createdAt": "$time(1)", "status": "active",
                    "participants": [
                        {"userId": "$doctor", "userType": "doctor", "connectionState": "connected",
                         "audio": true, "video": true, "screen": false, "joinedAt": "$time(1)"},
                        {"userId": "$patient", "userType": "patient", "connectionState": "connected",
                         "audio": true, "video": false, "screen": false, "joinedAt": "$time(2.5)"}
                    ]
                },
                "polite": true, "iceServers": [], "iceTransportPolicy": "all", "resumed": false,
                "stream": 1800000002500, "heartbeatSeconds": 25, "serverTime": "$now"
            }
            patient hears ack {"id": 2}
            doctor hears peer-joined {
                "userId": "$patient", "userType": "patient", "audio": true, "video": false, "screen": false
            }
            doctor, patient hear room-status {"status": "active"}
        "#,
    );
}

#[test]
fn a_token_in_the_join_is_as_good_as_one_at_the_door() {
    play(
        r#"
        at 0 patient connects
        at 5 patient says join-room {"authToken": "$token"}
            patient hears room-joined {"polite": true} and more
        # Both ways at once: the same person is the same person.
        at 6 doctor connects with $token
        at 6 doctor says join-room {"authToken": "$token(ends 7200)"}
            doctor hears room-joined {"polite": false} and more
            patient hears peer-joined {"userId": "$doctor", "userType": "doctor"}
            patient, doctor hear room-status {"status": "active"}
        "#,
    );
}

#[test]
fn no_token_at_all_may_be_made_up_for() {
    play(
        r#"
        at 0 patient connects
        at 1 patient says join-room {"id": 1}
            patient hears error {"code": "UNAUTHORIZED", "id": 1}
        at 1 patient says join-room {"id": 2, "authToken": null}
            patient hears error {"code": "UNAUTHORIZED", "id": 2}
        at 2 patient says join-room {"authToken": "$token"}
            patient hears room-joined {} and more
        "#,
    );
}

#[test]
fn a_bad_token_in_the_join_is_the_end_whatever_is_wrong_with_it() {
    for token in
        ["", "x", "a.b.c", "$token(forged)", "$token(begins 3600)", "$token(ends -7200, forged)"]
    {
        for entrance in ["", "with $token"] {
            play(&format!(
                r#"
                at 0 patient connects {entrance}
                at 1 patient says join-room {{"id": 1, "authToken": "{token}"}}
                    patient hears error {{"code": "TOKEN_INVALID", "message": "the token is not valid", "id": 1}}
                    patient is closed with 4401
                at 1 patient says join-room {{"authToken": "$token"}}
                "#
            ));
        }
    }
}

#[test]
fn a_token_counts_until_its_end_and_the_leeway_and_then_says_so() {
    play(
        r#"
        at 99.999 patient/1 connects
        at 99.999 patient/1 says join-room {"authToken": "$token(ends 40)"}
            patient/1 hears room-joined {} and more
        at 99.999 time passes
            patient/1 hears token-expiring {"exp": 1800000040}
        at 99.999 patient/1 says leave-room
            patient/1 is closed with 1000
        at 100 patient/2 connects
        at 100 patient/2 says join-room {"id": 1, "authToken": "$token(ends 40)"}
            patient/2 hears error {"code": "TOKEN_EXPIRED", "id": 1}
            patient/2 is closed with 4401
        at 100 patient/2 says join-room {"authToken": "$token"}
        "#,
    );
}

#[test]
fn a_fresh_token_in_the_join_takes_the_place_of_that_of_the_door() {
    play(
        r#"
        at 0 doctor connects with $token(ends 120)
        at 59.999 doctor says join-room {"authToken": "$token"}
            doctor hears room-joined {} and more
        at 500 time passes
        "#,
    );
}

#[test]
fn the_message_must_say_what_the_token_says() {
    for claim in [
        r#""userId": "$doctor""#,
        r#""userId": "$patient-2""#,
        r#""userType": "doctor""#,
        r#""userType": "observer""#,
        r#""sessionId": "$room(night)""#,
        // A good token, but of somebody else than the token of the door.
        r#""authToken": "$token(of patient-2)""#,
        r#""authToken": "$token(of doctor)", "userId": "$doctor", "userType": "doctor""#,
        r#""authToken": "$token(as observer)""#,
        r#""authToken": "$token(of patient@night)", "sessionId": "$room(night)""#,
    ] {
        for (entrance, token) in [("with $token", ""), ("", r#""authToken": "$token","#)] {
            if claim.contains("authToken") && !token.is_empty() {
                continue;
            }
            play(&format!(
                r#"
                at 0 patient connects {entrance}
                at 1 patient says join-room {{"id": 1, {token} {claim}}}
                    patient hears error {{"code": "FORBIDDEN", "id": 1}}
                at 2 patient says join-room {{"authToken": "$token"}}
                    patient hears room-joined {{}} and more
                "#
            ));
        }
    }
}

#[test]
fn a_token_in_the_join_alone_must_be_of_whom_the_message_names() {
    play(
        r#"
        at 0 patient connects
        at 1 patient says join-room {"id": 1, "authToken": "$token(of doctor)"}
            patient hears error {"code": "FORBIDDEN", "id": 1}
        at 1 patient says join-room {"id": 2, "authToken": "$token(of patient@night)"}
            patient hears error {"code": "FORBIDDEN", "id": 2}
        at 2 patient says join-room {"authToken": "$token"}
            patient hears room-joined {} and more
        "#,
    );
}

#[test]
fn joining_needs_a_permission() {
    for permissions in
        ["room:signal", "room:signal, room:media, room:end", "room:emergency", "room:joins"]
    {
        play(&format!(
            r#"
            at 0 doctor connects with $token({permissions})
            at 1 doctor says join-room {{"id": 1}}
                doctor hears error {{"code": "FORBIDDEN", "id": 1}}
            at 1 doctor says join-room {{"authToken": "$token(room:join)"}}
                doctor hears room-joined {{}} and more
            "#
        ));
    }
}

#[test]
fn who_has_no_token_must_join_in_time() {
    play(
        r#"
        at 0 patient connects
        at 3 patient says ping
            patient hears pong {"serverTime": "$now"}
        # Being refused is not joining.
        at 9 patient says join-room
            patient hears error {"code": "UNAUTHORIZED"}
        at 9.999999 time passes
        at 10 time passes
            patient is closed with 4408
        at 10 patient says join-room {"authToken": "$token"}
        at 60 time passes
        "#,
    );
}

#[test]
fn who_joined_or_left_is_not_waited_for() {
    play(
        r#"
        at 0 patient connects
        at 0 observer connects
        at 9.999 patient says join-room {"authToken": "$token"}
            patient hears room-joined {} and more
        at 9.999 observer drops
        # Somebody else has the place of the observer by now, and time of their own.
        at 9.999 observer-2 connects
        at 19.998 time passes
        at 19.999 time passes
            observer-2 is closed with 4408
        at 30 time passes
        "#,
    );
}

#[test]
fn a_connection_joins_once() {
    play(
        r#"
        at 0 doctor connects with $token
        at 0 doctor says join-room
            doctor hears room-joined {} and more
        at 1 doctor says join-room {"id": 1}
            doctor hears error {"code": "ALREADY_JOINED", "id": 1}
        at 1 doctor says join-room {"id": 2, "authToken": "$token(forged)"}
            doctor hears error {"code": "ALREADY_JOINED", "id": 2}
        at 1 doctor says join-room {"id": 3, "sessionId": "$room(night)", "authToken": "$token(of doctor@night)"}
            doctor hears error {"code": "ALREADY_JOINED", "id": 3}
        at 2 doctor says ping
            doctor hears pong {"serverTime": "$now"}
        "#,
    );
}

#[test]
fn before_joining_nothing_else_can_be_said() {
    for entrance in ["", "with $token"] {
        play(&format!(
            r#"
            at 0 doctor connects with $token
            at 0 doctor says join-room
                doctor hears room-joined {{}} and more
            at 0 patient connects {entrance}
            at 1 patient says offer to doctor {{"id": 1}}
                patient hears error {{"code": "NOT_IN_ROOM", "id": 1}}
            at 1 patient says answer to doctor {{"id": 2}}
                patient hears error {{"code": "NOT_IN_ROOM", "id": 2}}
            at 1 patient says ice-candidate to doctor {{"id": 3}}
                patient hears error {{"code": "NOT_IN_ROOM", "id": 3}}
            at 1 patient says leave-room {{"id": 4}}
                patient hears error {{"code": "NOT_IN_ROOM", "id": 4}}
            at 1 patient says ping {{"id": 5}}
                patient hears pong {{"serverTime": "$now"}}
                patient hears ack {{"id": 5}}
            "#
        ));
    }
}
