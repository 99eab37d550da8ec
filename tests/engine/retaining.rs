//! How many messages are retained for whom, and until when: nothing that is known to have arrived.

use super::stage::Stage;
use super::{DOCTOR_AND_PATIENT, play, play_with, script};

#[test]
fn arrival_is_asked_for_soon_after_a_message_and_only_then() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 10 doctor says offer to patient
            patient hears the same
        at 10.5 doctor says ice-candidate to patient
            patient hears the same
        at 11 time passes
            patient is pinged
        at 11.2 patient answers
        at 60 time passes
        "#
    ));
}

#[test]
fn what_arrived_cannot_be_asked_for_again() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 doctor says offer to patient {{"id": 1}}
            patient hears the same
            doctor hears ack {{"id": 1}}
        at 2 time passes
            patient is pinged
        # After the ping, and so not proved by its answer.
        at 2.1 doctor says ice-candidate to patient {{"id": 2}}
            patient hears the same
            doctor hears ack {{"id": 2}}
        at 2.2 patient answers
        at 2.3 patient drops
            doctor hears peer-state {{"connectionState": "reconnecting"}} and more
        at 3 patient/2 connects with $token
        at 3 patient/2 says join-room {{"resume": {{"received": 1}}}}
            patient/2 hears room-joined {{"resumed": true}} and more
            patient/2 hears message 2
            doctor hears peer-state {{"connectionState": "connected", "resumed": true}} and more
        at 3.1 patient/2 drops
            doctor hears peer-state {{"connectionState": "reconnecting"}} and more
        # Who asks for the first one contradicts what its own connection has proved.
        at 4 patient/3 connects with $token
        at 4 patient/3 says join-room {{"resume": {{"received": 0}}}}
            patient/3 hears room-joined {{"resumed": false}} and more
            doctor hears peer-state {{"connectionState": "connected", "resumed": false}} and more
        "#
    ));
}

#[test]
fn the_answer_to_an_ordinary_heartbeat_proves_as_much() {
    play(&format!(
        r#"{DOCTOR_AND_PATIENT}
        at 1 patient is pinged
        at 1.1 doctor says offer to patient {{"id": 1}}
            patient hears the same
            doctor hears ack {{"id": 1}}
        at 1.2 patient is pinged
        at 1.3 doctor says offer to patient {{"id": 2}}
            patient hears the same
            doctor hears ack {{"id": 2}}
        # The first proves nothing, the second the first offer.
        at 1.4 patient answers
        at 1.5 patient answers
        at 1.6 patient drops
            doctor hears peer-state {{"connectionState": "reconnecting"}} and more
        at 2 patient/2 connects with $token
        at 2 patient/2 says join-room {{"resume": {{"received": 1}}}}
            patient/2 hears room-joined {{"resumed": true}} and more
            patient/2 hears message 2
            doctor hears peer-state {{"connectionState": "connected", "resumed": true}} and more
        "#
    ));
}

#[test]
fn an_answer_of_an_earlier_connection_proves_nothing() {
    let mut stage = staged(
        r#"
        at 1 doctor says offer to patient {"id": 1}
            patient hears the same
            doctor hears ack {"id": 1}
        at 1.5 patient is pinged
        at 1.6 patient drops
            doctor hears peer-state {"connectionState": "reconnecting"} and more
        at 2 patient/2 connects with $token
        at 2 patient/2 says join-room {"resume": {"received": 0}}
            patient/2 hears room-joined {"resumed": true} and more
            patient/2 hears message 1
            doctor hears peer-state {"connectionState": "connected", "resumed": true} and more
        at 2.1 patient answers
        "#,
    );
    assert!(stage.engine.retained_chunks() > 0);
    perform(
        &mut stage,
        r#"
        at 3 time passes
            patient/2 is pinged
        at 3.1 patient/2 answers
        "#,
    );
    assert_eq!(stage.engine.retained_chunks(), 0);
}

#[test]
fn an_idle_room_keeps_nothing_and_nor_does_an_empty_one() {
    let mut stage = staged(
        r#"
        at 1 doctor says offer to patient
            patient hears the same
        "#,
    );
    assert!(stage.engine.retained_chunks() > 0, "until it is known to have arrived");
    perform(&mut stage, "at 2 time passes\n patient is pinged\n at 2.1 patient answers");
    assert_eq!(stage.engine.retained_chunks(), 0);

    perform(
        &mut stage,
        r#"
        at 3 patient drops
            doctor hears peer-state {"connectionState": "reconnecting"} and more
        at 4 doctor says offer to patient
        "#,
    );
    assert!(stage.engine.retained_chunks() > 0);
    perform(
        &mut stage,
        r#"
        at 63 time passes
            doctor hears peer-left {"userId": "$patient", "reason": "disconnected"}
        "#,
    );
    assert_eq!(stage.engine.retained_chunks(), 0);
}

#[test]
fn whoever_looks_on_leaves_room_for_what_the_others_say() {
    play_with(
        |options| options.retained_bytes_max = 6_000,
        &format!(
            r#"{DOCTOR_AND_PATIENT}
            at 1 observer connects with $token
            at 1 observer says join-room
                observer hears room-joined {{}} and more
                doctor, patient hear peer-joined {{}} and more
            at 2 patient drops
                doctor, observer hear peer-state {{"connectionState": "reconnecting"}} and more
            at 3 observer says ice-candidate to patient {{"id": 1, "padding": "{padding}"}}
                observer hears ack {{"id": 1}}
            at 3 observer says ice-candidate to patient {{"id": 2, "padding": "{padding}"}}
                observer hears error {{"code": "PEER_UNREACHABLE", "id": 2}}
            at 4 doctor says ice-candidate to patient {{"id": 3, "padding": "{padding}"}}
                doctor hears ack {{"id": 3}}
            at 4 doctor says ice-candidate to patient {{"id": 4, "padding": "{padding}"}}
                doctor hears ack {{"id": 4}}
            "#,
            padding = "x".repeat(700),
        ),
    );
}

#[test]
fn past_the_limit_nothing_is_accepted_for_who_is_away() {
    let filler = "x".repeat(600);
    play_with(
        |options| options.retained_bytes_max = 2_300,
        &format!(
            r#"{DOCTOR_AND_PATIENT}
            at 1 patient drops
                doctor hears peer-state {{"connectionState": "reconnecting"}} and more
            at 2 doctor says ice-candidate to patient {{"id": 1, "x": "{filler}"}}
                doctor hears ack {{"id": 1}}
            at 2 doctor says ice-candidate to patient {{"id": 2, "x": "{filler}"}}
                doctor hears ack {{"id": 2}}
            at 2 doctor says ice-candidate to patient {{"id": 3, "x": "{filler}"}}
                doctor hears error {{"code": "PEER_UNREACHABLE", "id": 3}}
            # A smaller one still fits. What was accepted is delivered.
            at 2 doctor says ice-candidate to patient {{"id": 4}}
                doctor hears ack {{"id": 4}}
            at 3 patient/2 connects with $token
            at 3 patient/2 says join-room {{"resume": {{"received": 0}}}}
                patient/2 hears room-joined {{"resumed": true}} and more
                patient/2 hears message 1
                patient/2 hears message 2
                patient/2 hears message 4
                doctor hears peer-state {{"connectionState": "connected", "resumed": true}} and more
            "#
        ),
    );
}

#[test]
fn past_the_limit_the_oldest_are_let_go_while_connected() {
    let filler = "x".repeat(1_000);
    for (received, resumed) in [("0", false), ("1", true), ("3", true)] {
        let missed = match received {
            "1" => "patient/2 hears message 2\n patient/2 hears message 3",
            _ => "",
        };
        play_with(
            |options| options.retained_bytes_max = 3_000,
            &format!(
                r#"{DOCTOR_AND_PATIENT}
                at 1 doctor says ice-candidate to patient {{"id": 1, "x": "{filler}"}}
                    patient hears the same
                    doctor hears ack {{"id": 1}}
                at 1.1 doctor says ice-candidate to patient {{"id": 2, "x": "{filler}"}}
                    patient hears the same
                    doctor hears ack {{"id": 2}}
                at 1.2 doctor says ice-candidate to patient {{"id": 3, "x": "{filler}"}}
                    patient hears the same
                    doctor hears ack {{"id": 3}}
                at 1.3 patient drops
                    doctor hears peer-state {{"connectionState": "reconnecting"}} and more
                at 2 patient/2 connects with $token
                at 2 patient/2 says join-room {{"resume": {{"received": {received}}}}}
                    patient/2 hears room-joined {{"resumed": {resumed}}} and more
                    {missed}
                    doctor hears peer-state {{"connectionState": "connected", "resumed": {resumed}}} and more
                "#
            ),
        );
    }
}

#[test]
fn the_pool_of_all_rooms_is_bounded_too() {
    let filler = "x".repeat(1_500);
    play_with(
        |options| options.retained_bytes_total_max = 4 * 1_024,
        &format!(
            r#"{DOCTOR_AND_PATIENT}
            at 0 doctor@night connects with $token
            at 0 doctor@night says join-room
                doctor@night hears room-joined {{}} and more
            at 0 patient@night connects with $token
            at 0 patient@night says join-room
                patient@night hears room-joined {{}} and more
                doctor@night hears peer-joined {{}} and more
                doctor@night, patient@night hear room-status {{"status": "active"}}
            at 1 patient drops
                doctor hears peer-state {{"connectionState": "reconnecting"}} and more
            at 1 patient@night drops
                doctor@night hears peer-state {{"connectionState": "reconnecting"}} and more
            at 2 doctor says ice-candidate to patient {{"id": 1, "x": "{filler}"}}
                doctor hears ack {{"id": 1}}
            at 2 doctor@night says ice-candidate to patient {{"id": 2, "x": "{filler}"}}
                doctor@night hears ack {{"id": 2}}
            at 2 doctor says ice-candidate to patient {{"id": 3, "x": "{filler}"}}
                doctor hears error {{"code": "PEER_UNREACHABLE", "id": 3}}
            # What is let go by one is there for the other.
            at 3 patient@night/2 connects with $token
            at 3 patient@night/2 says join-room
                patient@night/2 hears room-joined {{"resumed": false}} and more
                doctor@night hears peer-state {{"connectionState": "connected", "resumed": false}} and more
            at 4 doctor says ice-candidate to patient {{"id": 4, "x": "{filler}"}}
                doctor hears ack {{"id": 4}}
            "#
        ),
    );
}

/// A stage after the usual beginning and `more`, with pings as part of the play.
fn staged(more: &str) -> Stage {
    let mut stage = Stage::new(|_| {});
    stage.pings_matter = true;
    perform(&mut stage, &format!("{DOCTOR_AND_PATIENT}{more}"));
    stage
}

fn perform(stage: &mut Stage, more: &str) {
    script::read(more).iter().for_each(|cue| stage.perform(cue));
}
