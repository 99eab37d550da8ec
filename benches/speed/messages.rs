//! Parsing a message, compared with looking at each of its bytes; and verifying a token, compared
//! with the hash of its signature.

use std::hint::black_box;

use autamedica_signaling::admission::{TokenRules, Tokens};
use autamedica_signaling::base::time::{Duration, WallTime};
use autamedica_signaling::message::request;
use autamedica_signaling::wire::jwt::Key;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::ratios::{Pair, Speed};
use crate::support::clinic::{Kind, Person, SECRET};

const NOON: WallTime = WallTime::from_secs(1_800_000_000);

pub fn bench(speed: &mut Speed) {
    let [doctor, patient] = [0, 1].map(|seat| Person::new(1, seat));
    for (name, kind) in [("offer", Kind::Offer), ("candidate", Kind::Candidate)] {
        let text = doctor.say(kind, &patient, Some(7));
        let work = || assert!(request::parse(black_box(&text)).request.is_ok());
        let floor = || {
            black_box(black_box(&text).bytes().fold(0, |all, byte| all ^ byte));
        };
        let pair =
            Pair { group: "envelope", name, floor: "a look at each byte", bytes: text.len() };
        speed.compare(&pair, work, floor);
    }
    token(speed, &doctor.token(NOON));
}

fn token(speed: &mut Speed, token: &str) {
    let tokens = Tokens::new(TokenRules {
        keys: vec![Key::new(SECRET.as_bytes()).expect("a secret that is long enough")],
        issuer: None,
        audience: None,
        leeway: Duration::from_secs(60),
    });
    let keyed = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key of any length");
    let (signed, _) = token.rsplit_once('.').expect("a signature");
    let work = || assert!(tokens.check(black_box(token), NOON).is_ok());
    let floor = || {
        let mut mac = keyed.clone();
        mac.update(black_box(signed.as_bytes()));
        black_box(mac.finalize());
    };
    let pair = Pair { group: "token", name: "check", floor: "HMAC-SHA256", bytes: token.len() };
    speed.compare(&pair, work, floor);
}
