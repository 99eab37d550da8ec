//! Checking a token allocates nothing. In a storm of reconnects every client goes through this
//! check, so it is worth a proof.

use std::alloc::System;

use autamedica_signaling::admission::mint::{Ticket, mint};
use autamedica_signaling::admission::{TokenRules, Tokens};
use autamedica_signaling::base::time::{Duration, WallTime};
use autamedica_signaling::message::{Role, RoomType, SessionId, UserId};
use autamedica_signaling::wire::jwt::{self, Key};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const NOON: WallTime = WallTime::from_secs(1_800_000_000);
const ID: &str = "6f1f0c2e-8a52-4c6e-9d1e-0b6f3a7c5d21";

/// How often `work` allocates: the least of some runs, since other threads of the test program are counted as well.
fn allocations_of(work: impl Fn()) -> usize {
    let count = || {
        let region = Region::new(ALLOCATOR);
        work();
        let change = region.change();
        change.allocations + change.reallocations
    };
    (0..20).map(|_| count()).min().unwrap_or(usize::MAX)
}

#[test]
fn an_ordinary_token_is_checked_without_an_allocation() {
    let key = |fill| Key::new(&[fill; 32]).expect("32 bytes");
    let ticket = Ticket {
        user: UserId::parse(ID).expect("a uuid"),
        role: Role::Doctor,
        session: SessionId::parse(ID).expect("a uuid"),
        permissions: &["room:*", "room:emergency", "records:read"],
        room_type: Some(RoomType::FollowUp),
        issued_at: NOON,
        lifetime: Duration::from_secs(3_600),
        issuer: Some("https://clinic.example"),
        audience: Some("calls"),
        id: Some("6f1f0c2e"),
    };
    let tokens = Tokens::new(TokenRules {
        keys: vec![key(2), key(1)],
        issuer: Some("https://clinic.example".into()),
        audience: Some("calls".into()),
        leeway: Duration::from_secs(60),
    });
    let good = mint(&key(1), &ticket);
    let forged = mint(&key(3), &ticket);
    let nested = jwt::sign(
        &key(1),
        &format!(
            r#"{{"userId":"{ID}","userType":"doctor","sessionId":"{ID}","permissions":["room:*"],"exp":1800003600,
            "iat":1800000000.5,
            "iss":"https://clinic.example","aud":["records","calls"],"org":{{"units":[[1],[{{}}]]}}}}"#
        ),
    );
    let escaped = mint(&key(1), &Ticket { id: Some("\""), ..ticket });

    assert_eq!(allocations_of(|| assert!(tokens.check(&good, NOON).is_ok())), 0);
    assert_eq!(allocations_of(|| assert!(tokens.check(&nested, NOON).is_ok())), 0);
    assert_eq!(allocations_of(|| assert!(tokens.check(&forged, NOON).is_err())), 0);
    assert!(
        allocations_of(|| assert!(tokens.check(&escaped, NOON).is_ok())) > 0,
        "the counter counts"
    );
}
