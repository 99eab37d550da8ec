//! A return allocates nothing either: a participant who drops, misses messages and returns to its
//! place is sent them from memory that already exists. It is the only test in its program, because
//! the allocator counts for all threads.

#[path = "../benches/support/mod.rs"]
mod support;

use std::alloc::System;

use autamedica_signaling::admission::{TokenRules, Tokens};
use autamedica_signaling::base::time::{Duration, Instant, Now, WallTime};
use autamedica_signaling::engine::{Effect, Effects, Engine, Options, PeerId};
use autamedica_signaling::wire::jwt::Key;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::clinic::{Kind, Person, SECRET};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const NOW: Now = Now { instant: Instant::from_micros(0), wall: WallTime::from_secs(1_800_000_000) };

/// What is missed by whoever is away.
const MISSED: u64 = 10;

#[test]
fn who_comes_back_is_given_the_rest_without_an_allocation() {
    let key = Key::new(SECRET.as_bytes()).expect("a secret that is long enough");
    let tokens = Tokens::new(TokenRules {
        keys: vec![key],
        issuer: None,
        audience: None,
        leeway: Duration::from_secs(60),
    });
    let mut engine = Engine::new(Options::new(tokens.clone()));
    let mut effects = Effects::new();
    let [doctor, patient] = [0, 1].map(|seat| Person::new(1, seat));
    let [doctors, patients] = [0, 1].map(|index| PeerId { index, generation: 0 });
    for (peer, person) in [(doctors, &doctor), (patients, &patient)] {
        let grant = tokens.check(&person.token(NOW.wall), NOW.wall).expect("a good token");
        engine.connected(peer, Some(grant), NOW);
        engine.receive(peer, &person.join(), NOW, &mut effects);
    }
    let grant = tokens.check(&patient.token(NOW.wall), NOW.wall).expect("a good token");
    let said = [Kind::Offer, Kind::Candidate].map(|kind| doctor.say(kind, &patient, Some(7)));
    let mut received = 0;

    let mut visit = |generation: u32| {
        let before = PeerId { index: 1, generation: generation - 1 };
        let back = PeerId { index: 1, generation };
        engine.left(before, NOW, &mut effects);
        for _ in 0..MISSED / 2 {
            said.iter().for_each(|text| {
                effects.clear();
                engine.receive(doctors, text, NOW, &mut effects);
            });
        }
        let join = patient.join();
        let open = join.trim_end_matches('}');
        let rejoin = format!(r#"{open},"resume":{{"received":{received}}}}}"#);
        received += MISSED;
        effects.clear();
        engine.connected(back, Some(grant), NOW);
        let region = Region::new(ALLOCATOR);
        engine.receive(back, &rejoin, NOW, &mut effects);
        let change = region.change();
        let sent = effects
            .iter()
            .filter(|effect| matches!(effect, Effect::Send { to, .. } if *to == back));
        assert_eq!(sent.count() as u64, 1 + MISSED, "room-joined, and the rest");
        change.allocations + change.reallocations
    };
    let first = visit(1);
    assert!(first > 0, "the counter counts");
    for generation in 2..10 {
        assert_eq!(visit(generation), 0, "return {generation}");
    }
}
