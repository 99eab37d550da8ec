//! Tokens that an operator has revoked. They stay revoked across reconnects, and the audit log
//! restores them after a restart.

use std::collections::BTreeMap;

use crate::admission::Grant;
use crate::base::time::WallTime;
use crate::message::record::{Revocation, Revoked};

/// How many revocations are remembered. One more is refused, because none of the earlier ones may
/// be forgotten.
const REVOCATIONS_MAX: usize = 16_384;

/// What is revoked, and until when.
#[derive(Debug, Default)]
pub(super) struct Revocations {
    until: BTreeMap<Revoked, WallTime>,
}

impl Revocations {
    /// Adds a revocation, or lifts one if `until` has passed. Returns `false` if the table is full.
    pub(super) fn insert(&mut self, revocation: Revocation, now: WallTime) -> bool {
        let Revocation { what, until } = revocation;
        if until <= now {
            self.until.remove(&what);
            return true;
        }
        if self.until.len() >= REVOCATIONS_MAX && !self.until.contains_key(&what) {
            self.until.retain(|_, until| *until > now);
        }
        if self.until.len() >= REVOCATIONS_MAX && !self.until.contains_key(&what) {
            return false;
        }
        self.until.insert(what, until);
        true
    }

    /// Whether a token is revoked.
    pub(super) fn contains(&self, grant: &Grant, now: WallTime) -> bool {
        if self.until.is_empty() {
            return false;
        }
        let holds = |what| self.until.get(&what).is_some_and(|until| *until > now);
        holds(Revoked::User(grant.user))
            || holds(Revoked::Session(grant.session))
            || grant.token.is_some_and(|token| holds(Revoked::Token(token)))
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.until.len()
    }

    /// The revocations that are still in effect.
    pub(super) fn list(&self, now: WallTime) -> Vec<Revocation> {
        let all = self.until.iter().filter(|(_, until)| **until > now);
        all.map(|(what, until)| Revocation { what: *what, until: *until }).collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::message::{Permissions, Role, SessionId, TokenId, UserId};

    const GRANT: Grant = Grant {
        user: UserId::new(Uuid::from_u128(1)),
        role: Role::Patient,
        session: SessionId::new(Uuid::from_u128(2)),
        permissions: Permissions::ALL,
        room_type: None,
        token: Some(TokenId::from_hash([3; 8])),
        expires_at: WallTime::from_secs(100),
    };

    fn at(secs: i64) -> WallTime {
        WallTime::from_secs(secs)
    }

    #[test]
    fn each_kind_holds_until_its_time_and_can_be_lifted() {
        for what in [
            Revoked::User(GRANT.user),
            Revoked::Session(GRANT.session),
            Revoked::Token(TokenId::from_hash([3; 8])),
        ] {
            let mut revoked = Revocations::default();
            assert!(!revoked.contains(&GRANT, at(1)));
            assert!(revoked.insert(Revocation { what, until: at(10) }, at(1)));
            assert!(revoked.contains(&GRANT, at(9)) && !revoked.contains(&GRANT, at(10)));
            let other = Grant {
                user: UserId::new(Uuid::from_u128(9)),
                session: SessionId::new(Uuid::from_u128(9)),
                token: None,
                ..GRANT
            };
            assert!(!revoked.contains(&other, at(9)));
            assert!(revoked.insert(Revocation { what, until: at(2) }, at(2)));
            assert!(!revoked.contains(&GRANT, at(3)), "lifted");
        }
    }

    #[test]
    fn none_is_forgotten_for_another_and_old_ones_make_room() {
        let mut revoked = Revocations::default();
        let user = |number| Revoked::User(UserId::new(Uuid::from_u128(number)));
        for number in 0..REVOCATIONS_MAX as u128 {
            assert!(revoked.insert(Revocation { what: user(number), until: at(10) }, at(0)));
        }
        let more = Revocation { what: user(u128::MAX), until: at(20) };
        assert!(!revoked.insert(more, at(9)));
        assert!(
            revoked.insert(Revocation { what: user(0), until: at(30) }, at(9)),
            "known already"
        );
        assert!(revoked.insert(more, at(10)));
        assert_eq!((revoked.len(), revoked.list(at(10)).len()), (2, 2));
    }
}
