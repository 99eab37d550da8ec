//! Several rooms at once, with people who do anything in any order: nobody ever hears of another
//! room than their own.
//!
//! The stage does the checking: after each step the engine is consistent, and every text is
//! searched for the ids of all other rooms. The same people are in several rooms at the same time.

use super::cast::Person;
use super::script::Action;
use super::stage::{Got, Stage};

/// SplitMix64: numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % count as u64) as usize
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

const PEOPLE: [&str; 5] = ["doctor", "doctor-2", "patient", "observer", "observer-2"];
const ROOMS: [&str; 3] = ["day", "night", "ward"];
const DEVICES: [&str; 2] = ["", "/phone"];

/// A cue of somebody, as a line of a script: mostly sensible, sometimes into another room or as someone else.
fn invent(dice: &mut Dice, actor: &str) -> String {
    let to = dice.one_of(&PEOPLE);
    let elsewhere = dice.one_of(&ROOMS);
    let other = dice.one_of(&PEOPLE);
    let spoiled = match dice.below(16) {
        0 => format!(r#"{{"sessionId": "$room({elsewhere})"}}"#),
        1 => format!(r#"{{"fromUserId": "${other}", "userId": "${other}"}}"#),
        2 => format!(r#"{{"sessionId": "$room({elsewhere})", "fromUserId": "${other}"}}"#),
        3 => r#"{"id": 1}"#.to_owned(),
        _ => String::new(),
    };
    match dice.below(40) {
        0 => format!("{actor} drops"),
        1 => format!("{actor} connects"),
        2 => format!(r#"{actor} says join-room {{"authToken": "$token(of {other}@{elsewhere})"}}"#),
        3 => format!("{actor} says leave-room {spoiled}"),
        4 if dice.below(20) == 0 => format!("{actor} says end-session {spoiled}"),
        4 => format!(r#"{actor} says media-state {{"audio": true, "video": false}}"#),
        5 => format!(r#"{actor} says connection-state {{"state": "failed"}}"#),
        6 => format!(r#"{actor} says media-control to {to} {{"audio": false}}"#),
        7 => format!(
            r#"{actor} says refresh-token {{"authToken": "$token(of {other}@{elsewhere})"}}"#
        ),
        8 => format!(r#"{actor} says join-room {{"resume": {{"received": {}}}}}"#, dice.below(3)),
        9..17 => format!("{actor} connects with $token"),
        17..25 => format!("{actor} says join-room {spoiled}"),
        25..35 => format!("{actor} says offer to {to} {spoiled}"),
        _ => format!("{actor} says ice-candidate to {to} {spoiled}"),
    }
}

#[test]
fn nobody_hears_of_another_room_whatever_people_do() {
    let mut relayed = 0;
    for seed in 0..10 {
        let mut dice = Dice(seed);
        let mut stage = Stage::new(|_| {});
        for step in 0..800 {
            let device = dice.one_of(&DEVICES);
            let actor = format!("{}@{}{device}", dice.one_of(&PEOPLE), dice.one_of(&ROOMS));
            let line = format!("at {} {}", step / 10, invent(&mut dice, &actor));
            let cue = super::script::read(&line).remove(0);
            let connects = matches!(cue.action, Action::Connects { .. });
            // A play may have somebody speak who is gone, but not somebody who never came.
            if connects && stage.is_present(&actor) || !connects && !stage.knows(&actor) {
                continue;
            }
            let got = stage.improvise(&cue);
            relayed += got.iter().filter(|got| is_from_another(got, &actor)).count();
        }
    }
    assert!(relayed > 150, "much was relayed: {relayed}");
}

fn is_from_another(got: &Got, speaker: &str) -> bool {
    matches!(got, Got::HeardTheSame { actor } if Person::of(actor) != Person::of(speaker))
}
