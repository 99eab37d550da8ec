//! Runs one hot function a given number of times, for a tool that counts instructions: on a busy
//! machine, times say little, but counts are the same each time. `make instructions` runs it under
//! callgrind twice with different numbers; the difference is the cost of the function itself.
//!
//! `instructions` alone lists them, `instructions NAME TIMES` runs one; as a bench it runs each
//! once.

#[path = "../support/mod.rs"]
mod support;

use std::hint::black_box;

use autamedica_signaling::admission::{TokenRules, Tokens};
use autamedica_signaling::base::cidr::Networks;
use autamedica_signaling::base::time::Duration;
use autamedica_signaling::message::request;
use autamedica_signaling::wire::frame::{Cursor, Decoded, Decoder, Limits, unmask};
use autamedica_signaling::wire::json::quoted_at;
use autamedica_signaling::wire::jwt::Key;
use autamedica_signaling::wire::sdp::{CandidateRules, Rules, check_description};
use support::client::upgrade;
use support::clinic::{Kind, Person, SECRET, client_frame};
use support::room::{NOW, Room};

const LIMITS: Limits = Limits { message_bytes_max: 65_536, fragments_max: 1_024, binary: false };

/// Does something this many times.
type Run = fn(u32);

/// All functions by name. Each prepares what it needs, and then runs the given number of times.
const ALL: &[(&str, Run)] = &[
    ("unmask_candidate", |times| unmasks(Kind::Candidate, times)),
    ("unmask_offer", |times| unmasks(Kind::Offer, times)),
    ("frame_candidate", |times| frames(Kind::Candidate, times)),
    ("frame_offer", |times| frames(Kind::Offer, times)),
    ("parse_candidate", |times| parses(Kind::Candidate, times)),
    ("parse_offer", |times| parses(Kind::Offer, times)),
    ("sdp_offer", checks_sdp),
    ("token", tokens),
    ("relay_candidate", |times| relays(Kind::Candidate, times)),
    ("relay_in_turns", relays_in_turns),
    ("relay_offer", |times| relays(Kind::Offer, times)),
    ("call_set_up", calls),
];

fn main() {
    let args: Vec<_> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    match &args[..] {
        [name, times] => {
            let (_, run) =
                ALL.iter().find(|(known, _)| known == name).expect("a name that is known");
            run(times.parse().expect("a number"));
        }
        _ => {
            for (name, run) in ALL {
                run(1);
                println!("{name}");
            }
        }
    }
}

fn text(kind: Kind) -> String {
    let [doctor, patient] = [0, 1].map(|seat| Person::new(1, seat));
    doctor.say(kind, &patient, None)
}

fn unmasks(kind: Kind, times: u32) {
    let mut bytes = text(kind).into_bytes();
    for _ in 0..times {
        unmask(black_box(&mut bytes), [0x37, 0xfa, 0x21, 0x3d]);
    }
}

/// Includes the copy that stands for a read, because unmasking changes the bytes.
fn frames(kind: Kind, times: u32) {
    let frame = client_frame(&text(kind));
    let (mut decoder, mut buffer) = (Decoder::default(), vec![0; 1 << 16]);
    for _ in 0..times {
        buffer[..frame.len()].copy_from_slice(black_box(&frame));
        let mut at = Cursor::new(0, frame.len());
        let decoded = decoder.decode(&mut buffer[..frame.len()], &mut at, &LIMITS);
        assert!(matches!(black_box(decoded), Ok(Decoded::Text(_))));
    }
}

fn parses(kind: Kind, times: u32) {
    let text = text(kind);
    for _ in 0..times {
        assert!(black_box(request::parse(black_box(&text))).request.is_ok());
    }
}

fn checks_sdp(times: u32) {
    let text = text(Kind::Offer);
    let begin = text.rfind(r#""sdp":"v="#).expect("a description") + r#""sdp":"#.len();
    let (description, _) = quoted_at(&text, begin).expect("a string");
    let any = Networks::default();
    let candidates = CandidateRules { relay_only: false, allowed: &any, blocked: &any };
    let rules = Rules { may_send: true, candidates };
    for _ in 0..times {
        assert!(black_box(check_description(black_box(description), rules)).is_ok());
    }
}

fn tokens(times: u32) {
    let keys = vec![Key::new(SECRET.as_bytes()).expect("a secret that is long enough")];
    let leeway = Duration::from_secs(60);
    let tokens = Tokens::new(TokenRules { keys, issuer: None, audience: None, leeway });
    let token = Person::new(1, 0).token(NOW.wall);
    for _ in 0..times {
        assert!(tokens.check(black_box(&token), NOW.wall).is_ok());
    }
}

fn relays(kind: Kind, times: u32) {
    let mut room = Room::new(2);
    let frame = room.say(kind, 1);
    // From here on, the queue of retained messages is full.
    for _ in 0..1_000 {
        room.receive(0, &frame);
        room.seats[1].outbound.clear();
    }
    for _ in 0..times {
        room.receive(0, black_box(&frame));
        let outbound = black_box(&mut room.seats[1].outbound);
        assert!(outbound.len() >= frame.len() - 4, "relayed");
        outbound.clear();
    }
}

/// Candidates from two people in turn, so that no message begins like the previous one.
fn relays_in_turns(times: u32) {
    let mut room = Room::new(2);
    let people = [0, 1].map(|seat: usize| room.seats[seat].person);
    let frames = [[0, 1], [1, 0]].map(|[from, to]: [usize; 2]| {
        client_frame(&people[from].say(Kind::Candidate, &people[to], None))
    });
    for number in 0..2_000 + times as usize {
        let [from, to] = if number % 2 == 0 { [0, 1] } else { [1, 0] };
        room.receive(from, black_box(&frames[from]));
        let outbound = black_box(&mut room.seats[to].outbound);
        assert!(outbound.len() >= frames[from].len() - 4, "relayed");
        outbound.clear();
    }
}

/// Two people connect with tokens, join, set up their call, and leave. Each call has an engine of
/// its own.
fn calls(times: u32) {
    let people = [0, 1].map(|seat| Person::new(1, seat));
    let [doctor, patient] = &people;
    let mut said = Vec::new();
    for (seat, person) in people.iter().enumerate() {
        said.push((seat, upgrade(&person.token(NOW.wall)).into_bytes()));
        said.push((seat, client_frame(&person.join())));
    }
    said.push((0, client_frame(&doctor.say(Kind::Offer, patient, None))));
    said.push((1, client_frame(&patient.answer(doctor))));
    for _ in 0..10 {
        said.push((0, client_frame(&doctor.say(Kind::Candidate, patient, None))));
        said.push((1, client_frame(&patient.say(Kind::Candidate, doctor, None))));
    }
    said.extend(people.iter().map(Person::leave).map(|text| client_frame(&text)).enumerate());
    let mut room = Room::empty(2);
    for _ in 0..times {
        room.begin_anew();
        said.iter().for_each(|(from, bytes)| room.receive(*from, black_box(bytes)));
        // Checks that the call succeeded: any error is shorter, or closes the connection.
        assert!(black_box(&room.seats[1].outbound).len() > 8_000);
    }
}
