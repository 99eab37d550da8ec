//! Too many messages, connections and rooms, and users who join twice.

use autamedica_signaling::admission::GateLimits;
use autamedica_signaling::base::bucket::Rate;
use autamedica_signaling::engine::{Duplicates, Options, Rates};

use super::{DOCTOR_AND_PATIENT, play, play_with};

fn slow(options: &mut Options) {
    options.rates = Rates {
        signal: Rate { per_second: 1, burst: 2 },
        state: Rate { per_second: 1, burst: 3 },
        stranger: Rate { per_second: 1, burst: 1 },
    };
}

#[test]
fn one_message_too_many_is_refused_with_its_id_and_the_next_is_obeyed() {
    play_with(
        slow,
        &format!(
            r#"{DOCTOR_AND_PATIENT}
        at 1 doctor says offer to patient {{"id": 1}}
            patient hears the same
            doctor hears ack {{"id": 1}}
        at 1 doctor says offer to patient {{"id": 2}}
            patient hears the same
            doctor hears ack {{"id": 2}}
        at 1 doctor says offer to patient {{"id": 3}}
            doctor hears error {{"code": "RATE_LIMITED", "id": 3}}
        # The others are of another kind, and the patient is another.
        at 1 doctor says ping
            doctor hears pong {{"serverTime": "$now"}}
        at 1 patient says answer to doctor
            doctor hears the same
        at 2 doctor says offer to patient {{"id": 4}}
            patient hears the same
            doctor hears ack {{"id": 4}}
        at 2 doctor says offer to patient {{"id": 5}}
            doctor hears error {{"code": "RATE_LIMITED", "id": 5}}
        "#
        ),
    );
}

/// Wherever it is broken, and whatever it was meant to be.
#[test]
fn what_is_no_json_counts_among_the_other_messages() {
    let unlike = |options: &mut Options| {
        options.rates.signal = Rate { per_second: 1, burst: 100 };
        options.rates.state = Rate { per_second: 1, burst: 3 };
    };
    for broken in
        [r#"{"type":"rollback","sdp":"\q"}"#, r#"{"type":"offer","sdp":"v=0\r\n\q"}"#, "{"]
    {
        let sends = format!(
            r#"doctor sends {{"type":"offer","sessionId":"$room","fromUserId":"$doctor","toUserId":"$patient","sdp":{broken}}}"#
        );
        play_with(
            unlike,
            &format!(
                r#"{DOCTOR_AND_PATIENT}
            at 1 {sends}
                doctor hears error {{"code": "BAD_JSON"}}
            at 1 {sends}
                doctor hears error {{"code": "BAD_JSON"}}
            at 1 doctor says ping
                doctor hears pong {{"serverTime": "$now"}}
            at 1 {sends}
                doctor hears error {{"code": "RATE_LIMITED"}}
            at 1 doctor says offer to patient
                patient hears the same
            at 2 {sends}
                doctor hears error {{"code": "BAD_JSON"}}
            "#
            ),
        );
    }
}

#[test]
fn a_stranger_is_heard_once_a_second() {
    play_with(
        slow,
        r#"
        at 0 doctor connects
        at 0 doctor says ping
            doctor hears pong {"serverTime": "$now"}
        at 0 doctor says ping {"id": 1}
            doctor hears error {"code": "RATE_LIMITED", "id": 1}
        at 1 doctor says join-room {"id": 2, "authToken": "$token"}
            doctor hears room-joined {} and more
            doctor hears ack {"id": 2}
        at 1 doctor says ping
            doctor hears pong {"serverTime": "$now"}
        "#,
    );
}

#[test]
fn a_user_with_as_many_connections_as_allowed_is_turned_away_with_the_token() {
    let few = |options: &mut Options| {
        options.gate = GateLimits { per_user_max: 1, ..GateLimits::ORDINARY };
    };
    play_with(
        few,
        r#"
        at 0 doctor connects with $token
        at 0 doctor/2 connects
        at 0 doctor/2 says join-room {"id": 1, "authToken": "$token"}
            doctor/2 hears error {"code": "RATE_LIMITED", "id": 1}
            doctor/2 is closed with 4429
        at 1 doctor drops
        at 1 doctor/3 connects
        at 1 doctor/3 says join-room {"authToken": "$token"}
            doctor/3 hears room-joined {} and more
        # Who is gone for now counts no longer, and may come back.
        at 2 doctor/3 drops
        at 3 doctor/4 connects
        at 3 doctor/4 says join-room {"authToken": "$token"}
            doctor/4 hears room-joined {} and more
        "#,
    );
}

#[test]
fn one_room_too_many_is_not_opened_and_one_that_has_ended_makes_room() {
    play_with(
        |options| options.rooms_max = 1,
        r#"
        at 0 doctor connects with $token
        at 0 doctor says join-room
            doctor hears room-joined {} and more
        at 1 doctor@night connects with $token
        at 1 doctor@night says join-room {"id": 1}
            doctor@night hears error {"code": "SERVER_FULL", "id": 1}
        at 2 doctor says end-session
            doctor hears room-status {"status": "ended"}
            doctor is closed with 4410
        at 3 doctor@night says join-room {"id": 2}
            doctor@night hears room-joined {} and more
            doctor@night hears ack {"id": 2}
        "#,
    );
}

#[test]
fn an_empty_room_is_forgotten_before_anybody_is_refused_one_and_its_session_is_not_over() {
    play_with(
        |options| options.rooms_max = 1,
        r#"
        at 0 doctor connects with $token
        at 0 doctor says join-room
            doctor hears room-joined {} and more
        at 1 doctor says leave-room
            doctor is closed with 1000
        at 2 doctor@night connects with $token
        at 2 doctor@night says join-room
            doctor@night hears room-joined {} and more
        at 3 doctor@night says leave-room
            doctor@night is closed with 1000
        at 4 doctor/2 connects with $token
        at 4 doctor/2 says join-room
            doctor/2 hears room-joined {} and more
        "#,
    );
}

fn reject(options: &mut Options) {
    options.duplicates = Duplicates::Reject;
}

#[test]
fn an_older_connection_that_answers_stays() {
    play_with(
        reject,
        &format!(
            r#"{DOCTOR_AND_PATIENT}
        at 1 doctor/2 connects with $token
        at 1 doctor/2 says join-room {{"id": 1}}
            doctor is pinged
            doctor/2 is held
        # While it waits, a second one is refused at once.
        at 2 doctor/3 connects with $token
        at 2 doctor/3 says join-room {{"id": 2}}
            doctor/3 hears error {{"code": "ALREADY_JOINED", "id": 2}}
        at 3 doctor answers
        at 3 time passes
            doctor/2 is let go on
            doctor/2 hears error {{"code": "ALREADY_JOINED", "id": 1}}
        at 4 patient says answer to doctor
            doctor hears the same
        at 5 time passes
            doctor is pinged
        "#
        ),
    );
}

#[test]
fn an_older_connection_that_does_not_answer_is_given_up() {
    play_with(
        reject,
        &format!(
            r#"{DOCTOR_AND_PATIENT}
        at 1 doctor/2 connects with $token
        at 1 doctor/2 says join-room {{"id": 1}}
            doctor is pinged
            doctor/2 is held
        at 4 time passes
            doctor/2 is let go on
            doctor is closed with 4480
            patient hears peer-state {{"userId": "$doctor", "connectionState": "reconnecting"}} and more
            doctor/2 hears room-joined {{}} and more
            doctor/2 hears ack {{"id": 1}}
            patient hears peer-state {{"userId": "$doctor", "connectionState": "connected"}} and more
        at 5 patient says answer to doctor
            doctor/2 hears the same
        at 6 time passes
            doctor/2 is pinged
        "#
        ),
    );
}

#[test]
fn who_waits_gets_the_place_at_once_when_the_older_one_goes_and_may_go_itself() {
    play_with(
        reject,
        &format!(
            r#"{DOCTOR_AND_PATIENT}
        at 1 doctor/2 connects with $token
        at 1 doctor/2 says join-room
            doctor is pinged
            doctor/2 is held
        at 2 doctor drops
            patient hears peer-state {{"userId": "$doctor", "connectionState": "reconnecting"}} and more
        at 2 time passes
            doctor/2 is let go on
            doctor/2 hears room-joined {{}} and more
            patient hears peer-state {{"userId": "$doctor", "connectionState": "connected"}} and more
        at 3 doctor/3 connects with $token
        at 3 doctor/3 says join-room
            doctor/2 is pinged
            doctor/3 is held
        at 4 doctor/3 drops
        at 4 time passes
        at 10 patient says answer to doctor
            doctor/2 hears the same
        at 11 time passes
            doctor/2 is pinged
        "#
        ),
    );
}

#[test]
fn a_takeover_in_another_part_asks_nobody() {
    play_with(
        reject,
        &format!(
            r#"{DOCTOR_AND_PATIENT}
        at 1 patient/2 connects with $token(as observer)
        at 1 patient/2 says join-room {{"id": 1, "userType": "observer"}}
            patient/2 hears error {{"code": "ROLE_TAKEN", "id": 1}}
        "#
        ),
    );
}

#[test]
fn ordinary_limits_let_a_call_begin() {
    let candidates: String = (0..150)
        .map(|_| "        at 1 doctor says ice-candidate to patient\n            patient hears the same\n")
        .collect();
    play(&format!("{DOCTOR_AND_PATIENT}\n{candidates}"));
}
