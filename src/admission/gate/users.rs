//! What counts by user, whatever network they come from: how many connections each has, and what
//! each has done in each session.

use super::{GateLimits, RETRY_AFTER};
use crate::admission::Grant;
use crate::admission::census::Census;
use crate::admission::fixed_windows::FixedWindows;
use crate::admission::user_rates::UserRates;
use crate::base::limits::Limit;
use crate::base::time::{Duration, Instant};
use crate::message::UserId;

/// How long a connection counts that was closed for what it did, from the first one on.
const CLOSES_WINDOW: Duration = Duration::from_secs(60);

/// The counts by user ([`fold`]), and by user and session ([`bearer`]).
#[derive(Debug)]
pub(super) struct Users {
    connections_max: u64,
    /// By user.
    connections: Census<u64>,
    /// By bearer: connections that were closed for what they did.
    closes: FixedWindows<u64>,
    /// By bearer.
    joins: UserRates,
    /// By bearer. Not by place, so that leaving and joining again does not reset it.
    certificates: UserRates,
}

impl Users {
    pub(super) fn new(limits: &GateLimits) -> Self {
        Self {
            connections_max: limits.per_user_max,
            connections: Census::default(),
            closes: FixedWindows::new(limits.closes_max, CLOSES_WINDOW),
            joins: UserRates::new(limits.joins),
            certificates: UserRates::new(limits.certificates),
        }
    }

    /// Whether one more connection may use a token that grants this. If not: the limit that is hit,
    /// and when to try again.
    pub(super) fn check(&mut self, grant: &Grant, now: Instant) -> Result<(), (Limit, Duration)> {
        let bearer = bearer(grant);
        if let Some(wait) = self.closes.wait(bearer, now) {
            return Err((Limit::UserCloses, wait));
        }
        if let Some(wait) = self.joins.wait(bearer, now) {
            return Err((Limit::UserJoins, wait));
        }
        match self.connections.count(fold(grant.user)) < self.connections_max {
            true => Ok(()),
            false => Err((Limit::UserConnections, RETRY_AFTER)),
        }
    }

    pub(super) fn add_connection(&mut self, user: UserId) {
        self.connections.add(fold(user));
    }

    pub(super) fn lose_connection(&mut self, user: UserId) {
        self.connections.remove(fold(user));
    }

    pub(super) fn add_close(&mut self, grant: &Grant, now: Instant) {
        self.closes.add(bearer(grant), now);
    }

    pub(super) fn add_join(&mut self, grant: &Grant, now: Instant) {
        self.joins.add(bearer(grant), now);
    }

    /// Whether this user may present a new certificate in this session now.
    pub(super) fn admits_certificate(&self, grant: &Grant, now: Instant) -> bool {
        self.certificates.wait(bearer(grant), now).is_none()
    }

    pub(super) fn add_certificate(&mut self, grant: &Grant, now: Instant) {
        self.certificates.add(bearer(grant), now);
    }

    pub(super) fn connection_count(&self) -> u64 {
        self.connections.sum()
    }
}

/// 64 bits that stand for a user in a session. So a stolen token affects only the session that it
/// is for.
fn bearer(grant: &Grant) -> u64 {
    let session = grant.session.reveal().as_u128();
    let session = (session >> 64) as u64 ^ (session as u64).rotate_left(32);
    fold(grant.user) ^ session.rotate_left(17)
}

/// 64 bits of a user's id: half the memory, and two people who count as one are rarer than a disk
/// error. Ids come from signed tokens, so nobody can choose two that fold to the same value.
fn fold(user: UserId) -> u64 {
    let bits = user.reveal().as_u128();
    (bits >> 64) as u64 ^ (bits as u64).rotate_left(32)
}

#[cfg(test)]
pub(super) mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::base::bucket::Rate;
    use crate::base::time::WallTime;
    use crate::message::{Permissions, Role, SessionId};

    const NOW: Instant = Instant::from_micros(0);

    pub(in crate::admission::gate) fn grant(user: u128, session: u128) -> Grant {
        Grant {
            user: UserId::new(Uuid::from_u128(user)),
            role: Role::Doctor,
            session: SessionId::new(Uuid::from_u128(session)),
            permissions: Permissions::default(),
            room_type: None,
            token: None,
            expires_at: WallTime::default(),
        }
    }

    fn users(limits: GateLimits) -> Users {
        Users::new(&limits)
    }

    fn at(secs: u64) -> Instant {
        NOW + Duration::from_secs(secs)
    }

    #[test]
    fn a_user_has_so_many_connections_in_all_sessions_together() {
        let mut users = users(GateLimits { per_user_max: 2, ..GateLimits::ORDINARY });
        let one = UserId::new(Uuid::from_u128(1));
        users.lose_connection(one);
        users.add_connection(one);
        assert_eq!(users.check(&grant(1, 1), NOW), Ok(()));
        users.add_connection(one);
        for session in [1, 2] {
            let refused = Err((Limit::UserConnections, RETRY_AFTER));
            assert_eq!(users.check(&grant(1, session), NOW), refused);
        }
        assert_eq!(users.check(&grant(2, 1), NOW), Ok(()));
        users.lose_connection(one);
        assert_eq!(users.check(&grant(1, 1), NOW), Ok(()));
    }

    #[test]
    fn who_is_closed_again_and_again_has_to_wait_until_a_minute_is_over() {
        let mut users = users(GateLimits { closes_max: 2, ..GateLimits::ORDINARY });
        let one = grant(1, 1);
        for second in 0..2 {
            assert_eq!(users.check(&one, at(second)), Ok(()));
            users.add_close(&one, at(second));
        }
        let wait = Err((Limit::UserCloses, Duration::from_secs(58)));
        assert_eq!(users.check(&one, at(2)), wait);
        assert_eq!(users.check(&grant(2, 1), at(2)), Ok(()), "others have their own");
        // Somebody who has stolen an old token can lock its owner out of nothing else.
        assert_eq!(users.check(&grant(1, 2), at(2)), Ok(()));
        // A connection that existed before.
        users.add_close(&one, at(3));
        assert_eq!(users.check(&one, at(60)), Ok(()));
    }

    #[test]
    fn who_comes_in_again_and_again_has_to_wait() {
        let joins = Rate { per_second: 1, burst: 2 };
        let mut users = users(GateLimits { joins, ..GateLimits::ORDINARY });
        let one = grant(1, 1);
        (0..2).for_each(|_| users.add_join(&one, NOW));
        let wait = Err((Limit::UserJoins, Duration::from_secs(1)));
        assert_eq!(users.check(&one, NOW), wait);
        assert_eq!(users.check(&grant(2, 1), NOW), Ok(()));
        assert_eq!(users.check(&grant(1, 2), NOW), Ok(()));
        assert_eq!(users.check(&one, at(1)), Ok(()));
    }

    #[test]
    fn who_shows_one_certificate_after_the_other_has_to_wait_and_may_come_in_meanwhile() {
        let certificates = Rate { per_second: 1, burst: 2 };
        let mut users = users(GateLimits { certificates, ..GateLimits::ORDINARY });
        let one = grant(1, 1);
        for _ in 0..2 {
            assert!(users.admits_certificate(&one, NOW));
            users.add_certificate(&one, NOW);
        }
        assert!(!users.admits_certificate(&one, NOW));
        assert!(users.admits_certificate(&grant(2, 1), NOW));
        assert!(users.admits_certificate(&grant(1, 2), NOW));
        assert_eq!(users.check(&one, NOW), Ok(()));
        assert!(users.admits_certificate(&one, at(1)));
    }

    #[test]
    fn without_limits_nobody_waits() {
        let mut users = users(GateLimits::UNLIMITED);
        let one = grant(1, 1);
        for _ in 0..1_001 {
            users.add_close(&one, NOW);
            users.add_join(&one, NOW);
            users.add_certificate(&one, NOW);
        }
        assert_eq!(users.check(&one, NOW), Ok(()));
        assert!(users.admits_certificate(&one, NOW));
    }
}
