//! A token expires while its connection is open, or is replaced in time.

use autamedica_signaling::base::time::Duration;

use super::stage::Stage;
use super::{DOCTOR_AND_PATIENT, play, script};

#[test]
fn a_token_that_ends_is_announced_and_then_is_the_end_of_the_connection() {
    play(
        r#"
        at 0 doctor connects with $token
        at 0 doctor says join-room
            doctor hears room-joined {} and more
        at 0 patient connects with $token(ends 300)
        at 0 patient says join-room
            patient hears room-joined {} and more
            doctor hears peer-joined {} and more
            doctor, patient hear room-status {"status": "active"}
        at 239.999 time passes
        at 240 time passes
            patient hears token-expiring {"exp": 1800000300}
        at 359.999 patient says offer to doctor
            doctor hears the same
        at 360 time passes
            patient hears error {"code": "TOKEN_EXPIRED"}
            patient is closed with 4401
            doctor hears peer-state {"userId": "$patient", "connectionState": "reconnecting"} and more
        # Its place is held like that of one that dropped.
        at 419.999 time passes
        at 420 time passes
            doctor hears peer-left {"userId": "$patient", "reason": "token-expired"}
        "#,
    );
}

#[test]
fn who_comes_back_with_a_new_token_has_missed_nothing() {
    play(
        r#"
        at 0 doctor connects with $token
        at 0 doctor says join-room
            doctor hears room-joined {} and more
        at 0 patient connects with $token(ends 300)
        at 0 patient says join-room
            patient hears room-joined {} and more
            doctor hears peer-joined {} and more
            doctor, patient hear room-status {"status": "active"}
        at 240 time passes
            patient hears token-expiring {"exp": 1800000300}
        at 360 time passes
            patient hears error {"code": "TOKEN_EXPIRED"}
            patient is closed with 4401
            doctor hears peer-state {"connectionState": "reconnecting"} and more
        at 361 doctor says offer to patient {"id": 1}
            doctor hears ack {"id": 1}
        at 362 patient/2 connects with $token
        at 362 patient/2 says join-room {"resume": {"received": 0}}
            patient/2 hears room-joined {"resumed": true} and more
            patient/2 hears message 1
            doctor hears peer-state {"connectionState": "connected", "resumed": true} and more
        # Then dropping is dropping again.
        at 363 patient/2 drops
            doctor hears peer-state {"connectionState": "reconnecting"} and more
        at 423 time passes
            doctor hears peer-left {"userId": "$patient", "reason": "disconnected"}
        "#,
    );
}

#[test]
fn a_token_with_little_left_is_announced_at_once_also_before_joining() {
    play(
        r#"
        at 0 doctor connects with $token(ends 30)
        at 0 time passes
            doctor hears token-expiring {"exp": 1800000030}
        at 89.999 time passes
        at 90 time passes
            doctor hears error {"code": "TOKEN_EXPIRED"}
            doctor is closed with 4401
        # Who has gone is not told.
        at 100 patient connects with $token(ends 200)
        at 130 patient drops
        at 300 time passes
        "#,
    );
}

#[test]
fn a_new_token_takes_the_place_of_the_one_before() {
    play(
        r#"
        at 0 doctor connects with $token(ends 300)
        at 1 doctor says refresh-token {"id": 1, "authToken": "$token(ends 600)"}
            doctor hears ack {"id": 1}
        at 2 doctor says join-room
            doctor hears room-joined {} and more
        at 540 time passes
            doctor hears token-expiring {"exp": 1800000600}
        at 550 doctor says refresh-token {"authToken": "$token(ends 900)"}
        # It may also end sooner, and may allow less.
        at 560 doctor says refresh-token {"id": 2, "authToken": "$token(ends 700, room:join)"}
            doctor hears ack {"id": 2}
        at 561 doctor says end-session {"id": 3}
            doctor hears error {"code": "FORBIDDEN", "id": 3}
        at 640 time passes
            doctor hears token-expiring {"exp": 1800000700}
        at 760 time passes
            doctor hears error {"code": "TOKEN_EXPIRED"}
            doctor is closed with 4401
        "#,
    );
}

#[test]
fn a_refresh_with_the_wrong_token_changes_nothing() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 patient says refresh-token {{"id": 1, "authToken": "$token(forged)"}}
            patient hears error {{"code": "TOKEN_INVALID", "id": 1}}
        at 1 patient says refresh-token {{"id": 2, "authToken": "$token(begins 600)"}}
            patient hears error {{"code": "TOKEN_INVALID", "id": 2}}
        at 100 patient says refresh-token {{"id": 3, "authToken": "$token(ends 10)"}}
            patient hears error {{"code": "TOKEN_EXPIRED", "id": 3}}
        at 100 patient says refresh-token {{"id": 4, "authToken": "$token(of patient-2)"}}
            patient hears error {{"code": "FORBIDDEN", "id": 4}}
        at 100 patient says refresh-token {{"id": 5, "authToken": "$token(as doctor)"}}
            patient hears error {{"code": "FORBIDDEN", "id": 5}}
        at 100 patient says refresh-token {{"id": 6, "authToken": "$token(of patient@night)"}}
            patient hears error {{"code": "FORBIDDEN", "id": 6}}
        at 100 patient says refresh-token {{"id": 7}}
            patient hears error {{"code": "BAD_MESSAGE", "id": 7}}
        at 101 patient says offer to doctor
            doctor hears the same
        at 102 observer connects
        at 103 observer says refresh-token {{"id": 8, "authToken": "$token"}}
            observer hears error {{"code": "UNAUTHORIZED", "id": 8}}
        "#
    ));
}

#[test]
fn a_clock_that_jumps_forwards_ends_tokens_but_moves_nothing_else() {
    play(
        r#"
        at 0 doctor connects with $token(ends 100000)
        at 0 doctor says join-room
            doctor hears room-joined {} and more
        at 0 patient connects with $token(ends 300)
        at 0 patient says join-room
            patient hears room-joined {} and more
            doctor hears peer-joined {} and more
            doctor, patient hear room-status {"status": "active"}
        at 10 observer connects
        at 11 the clock jumps by 7200
        at 11 time passes
            patient hears error {"code": "TOKEN_EXPIRED"}
            patient is closed with 4401
            doctor hears peer-state {"connectionState": "reconnecting"} and more
        # Durations are not the wall clock's matter.
        at 20 time passes
            observer is closed with 4408
        at 70.999 time passes
        at 71 time passes
            doctor hears peer-left {"userId": "$patient", "reason": "token-expired"}
        "#,
    );
}

#[test]
fn a_jump_is_noticed_within_15_seconds_however_long_tokens_last() {
    let mut stage = Stage::new(|_| {});
    let play = "at 0 doctor connects with $token(ends 100000)\nat 1 doctor says ping\ndoctor hears pong {} and more";
    script::read(play).iter().for_each(|cue| stage.perform(cue));
    let now = stage.now();
    let due = stage.engine.next_deadline(now).expect("something to wait for");
    assert!(due.since(now.instant) <= Duration::from_secs(15), "{due:?} after {now:?}");
}

#[test]
fn a_clock_that_jumps_back_lets_a_token_last_longer() {
    play(
        r#"
        at 0 doctor connects with $token(ends 300)
        at 0 doctor says join-room
            doctor hears room-joined {} and more
        at 100 the clock jumps by -50
        at 289.999 time passes
        at 290 time passes
            doctor hears token-expiring {"exp": 1800000300}
        at 409.999 time passes
        at 410 time passes
            doctor hears error {"code": "TOKEN_EXPIRED"}
            doctor is closed with 4401
        "#,
    );
}

#[test]
fn a_takeover_brings_its_own_token() {
    play(
        r#"
        at 0 doctor connects with $token(ends 300)
        at 0 doctor says join-room
            doctor hears room-joined {} and more
        at 1 doctor/2 connects with $token(ends 600)
        at 1 doctor/2 says join-room
            doctor hears error {"code": "REPLACED"}
            doctor is closed with 4409
            doctor/2 hears room-joined {} and more
        at 539.999 time passes
        at 540 time passes
            doctor/2 hears token-expiring {"exp": 1800000600}
        "#,
    );
}
