//! Engines that share their counts: how an engine makes room for the rooms of others, and what it
//! leaves behind.

use super::script::read;
use super::stage::Stage;

/// A stage where this has been played.
fn after(script: &str) -> Stage {
    let mut stage = Stage::new(|options| options.rooms_max = 2);
    read(script).iter().for_each(|cue| drop(stage.improvise(cue)));
    stage
}

#[test]
fn a_room_that_stands_empty_is_forgotten_at_once_when_another_engine_needs_its_place() {
    let mut stage = after(
        "at 0 doctor connects with $token
         at 0 doctor says join-room
         at 0 patient@night connects with $token
         at 0 patient@night says join-room
         at 1 doctor says leave-room",
    );
    let mut beside = stage.engine.gate().beside();
    assert!(beside.rooms.admits(2));
    beside.rooms.add();
    assert_eq!(stage.engine.next_deadline(stage.now()), Some(stage.now().instant));
    // Whoever returns to it is one too many, like anybody else.
    let got = stage.improvise(&read("at 2 doctor/2 connects with $token")[0]);
    assert!(got.is_empty());
    assert_eq!((stage.engine.room_count(), beside.rooms.count()), (1, 2));
    let got = stage.improvise(&read("at 2 doctor/2 says join-room")[0]);
    assert_eq!(got.len(), 1, "a refusal");
    assert_eq!((stage.engine.room_count(), beside.rooms.count()), (1, 2));
    assert!(!stage.engine.calls_others(), "there is nothing to forget anywhere");
}

#[test]
fn an_engine_that_finds_no_empty_room_of_its_own_calls_the_others_once() {
    let mut stage = Stage::new(|options| options.rooms_max = 1);
    let mut beside = stage.engine.gate().beside();
    beside.rooms.add();
    beside.rooms.set_empty(1);
    for line in ["at 0 doctor connects with $token", "at 0 doctor says join-room"] {
        assert!(!stage.engine.calls_others());
        stage.improvise(&read(line)[0]);
    }
    assert!(stage.engine.calls_others() && !stage.engine.calls_others());
    assert!(beside.rooms.lose_above(1), "this one is to be forgotten");
}

#[test]
fn an_engine_that_shuts_down_takes_its_own_out_of_what_is_counted_together() {
    let mut stage = after(
        "at 0 doctor connects with $token
         at 0 doctor says join-room
         at 0 patient@night connects with $token
         at 0 patient@night says join-room
         at 1 doctor says leave-room
         at 2 doctor/2 connects with $token",
    );
    let mut beside = stage.engine.gate().beside();
    beside.rooms.add();
    beside.rooms.add();
    assert_eq!((beside.sums()[0], beside.rooms.count()), (2, 4));
    stage.improvise(&read("at 3 the server stops")[0]);
    assert_eq!((beside.sums()[0], beside.rooms.count()), (0, 2));
    beside.rooms.set_empty(1);
    assert!(beside.rooms.admits(2) && !beside.rooms.admits(1), "none of its rooms stands empty");
}
