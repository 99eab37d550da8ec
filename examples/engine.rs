//! The rooms alone, for programs with a transport of their own: inputs go in, and effects come out
//! for the program to carry out. There is no socket, no clock, and no thread, so a whole call takes
//! no time.
//!
//! ```sh
//! cargo run --example engine
//! ```

use std::error::Error;

use autamedica_signaling::admission::mint::{Ticket, mint};
use autamedica_signaling::admission::{TokenRules, Tokens};
use autamedica_signaling::base::time::{Duration, Instant, Now, WallTime};
use autamedica_signaling::engine::{Effect, Effects, Engine, Options, PeerId};
use autamedica_signaling::message::{Role, SessionId, UserId};
use autamedica_signaling::wire::jwt::Key;

const SESSION: &str = "0d9c6a1b-4b3f-4f0e-8a77-5f1c2e9b8d34";
const DOCTOR: &str = "6f1f0c2e-8a52-4c6e-9d1e-0b6f3a7c5d21";
const PATIENT: &str = "1b1a3f5e-2f0d-4c55-b8a9-7d6c0a1e9f42";

fn main() -> Result<(), Box<dyn Error>> {
    let key = Key::new(b"a secret of at least 32 bytes ...")?;
    let mut engine = Engine::new(Options::new(Tokens::new(TokenRules {
        keys: vec![key.clone()],
        issuer: None,
        audience: None,
        leeway: Duration::from_secs(60),
    })));

    // A connection is named by a small index of yours, and a generation that distinguishes
    // successive uses of the index.
    let (doctor, patient) =
        (PeerId { index: 0, generation: 0 }, PeerId { index: 1, generation: 0 });
    let mut now = Now { instant: Instant::default(), wall: WallTime::from_secs(1_800_000_000) };
    let mut effects = Effects::new();
    for (peer, user, role) in [(doctor, DOCTOR, Role::Doctor), (patient, PATIENT, Role::Patient)] {
        engine.connected(peer, None, now);
        let token = token(&key, user, role, now)?;
        let join = format!(
            r#"{{"type":"join-room","sessionId":"{SESSION}","userId":"{user}","userType":"{}","authToken":"{token}"}}"#,
            role.as_str()
        );
        engine.receive(peer, &join, now, &mut effects);
        carry_out(&mut effects, "");
    }

    let offer = format!(
        r#"{{"type":"offer","sessionId":"{SESSION}","fromUserId":"{DOCTOR}","toUserId":"{PATIENT}","sdp":{{"type":"offer","sdp":"v=0\r\n"}},"id":1}}"#
    );
    engine.receive(doctor, &offer, now, &mut effects);
    carry_out(&mut effects, &offer);

    // Your loop wakes up when something is due, and when a connection is gone.
    if let Some(due) = engine.next_deadline(now) {
        now.instant = due;
        engine.advance(now, &mut effects);
    }
    engine.left(patient, now, &mut effects);
    carry_out(&mut effects, "");
    Ok(())
}

/// Carries out the effects in order. `received` is the message that was passed in.
fn carry_out(effects: &mut Effects, received: &str) {
    for effect in effects.iter() {
        match effect {
            Effect::Send { to, payload } => {
                let text = effects.text(payload, received.as_bytes());
                println!("to {}: {}", to.index, String::from_utf8_lossy(text));
            }
            // Your transport's own ping. Pass its answer to `ponged`, with the mark that
            // `ping_mark` returns now.
            Effect::Ping { peer } => println!("ping {}", peer.index),
            Effect::Hold { peer } => println!("hold {}", peer.index),
            Effect::Resume { peer } => println!("resume {}", peer.index),
            Effect::Close { peer, code } => println!("close {} with {code}", peer.index),
        }
    }
    effects.clear();
}

fn token(key: &Key, user: &str, role: Role, now: Now) -> Result<String, &'static str> {
    let ticket = Ticket {
        user: UserId::parse(user).ok_or("not a user id")?,
        role,
        session: SessionId::parse(SESSION).ok_or("not a session id")?,
        permissions: &["room:*"],
        room_type: None,
        issued_at: now.wall,
        lifetime: Duration::from_secs(3_600),
        issuer: None,
        audience: None,
        id: None,
    };
    Ok(mint(key, &ticket))
}
