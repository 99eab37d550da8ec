//! Limits on connections by address and by user. Pure, bounded tables that know nothing of sockets.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::Grant;
pub use super::census::Census;
use super::failures::Failures;
pub use super::network::Network;
use super::user_rates::UserRates;
use crate::base::bucket::Rate;
use crate::base::limits::Limit;
use crate::base::time::{Duration, Instant};
use crate::message::UserId;

/// How long an invalid token counts, from the first one of its address on.
const AUTHENTICATION_WINDOW: Duration = Duration::from_secs(600);

/// The same for a connection that was closed for what it did, by user and session.
const CLOSES_WINDOW: Duration = Duration::from_secs(60);

/// When to try again if another connection has to go first.
pub const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The limits; `u64::MAX` means unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateLimits {
    /// WebSockets of one address.
    pub per_address_max: u64,
    /// Connections of one user.
    pub per_user_max: u64,
    /// Failed authentications of one address within ten minutes.
    pub failures_max: u64,
    /// Connections of one user in one session that were closed for what they did, within a minute.
    pub closes_max: u64,
    /// How often one user may join one session.
    pub joins: Rate,
    /// How often one user may present a new certificate in one session.
    pub certificates: Rate,
}

impl GateLimits {
    /// The default limits of a server.
    pub const ORDINARY: Self = Self {
        per_address_max: 1_000,
        per_user_max: 8,
        failures_max: 20,
        closes_max: 10,
        joins: Rate { per_second: 5, burst: 1_000 },
        // A browser makes one for each connection. Connections to all members of the largest room
        // may begin at once, and again.
        certificates: Rate { per_second: 5, burst: 256 },
    };

    /// No limits.
    pub const UNLIMITED: Self = Self {
        per_address_max: u64::MAX,
        per_user_max: u64::MAX,
        failures_max: u64::MAX,
        closes_max: u64::MAX,
        joins: Rate::UNLIMITED,
        certificates: Rate::UNLIMITED,
    };
}

/// Counts who is inside, by address and by user, and who has failed to get in.
///
/// Several engines share their counts if one gate was made [beside](Gate::beside) the other. A lock
/// protects the counts; it is taken only when a connection arrives or leaves. Rooms are counted
/// without a lock.
#[derive(Debug)]
pub struct Gate {
    limits: GateLimits,
    common: Arc<Common>,
    /// The network of each connection, by index.
    origins: Vec<Option<Network>>,
    /// How many of the empty rooms belong to this gate.
    empty_rooms: usize,
}

/// The counts that all gates made beside each other share.
#[derive(Debug, Default)]
struct Common {
    counts: Mutex<Counts>,
    rooms: AtomicUsize,
    empty_rooms: AtomicUsize,
}

#[derive(Debug)]
struct Counts {
    addresses: Census<Network>,
    /// By [`fold`]: half the memory, and two people who count as one are rarer than a disk error.
    users: Census<u64>,
    /// A network past its limit is not shut out: valid tokens from it are still accepted, and only
    /// the next failure gets a different answer. So one device with a bad token costs its
    /// neighbours nothing, and guessing gains nothing.
    failures: Failures<Network>,
    /// By [`bearer`]: connections that were closed for what they did.
    closes: Failures<u64>,
    /// By [`bearer`].
    joins: UserRates,
    /// By [`bearer`]. Not by place, so that leaving and joining again does not reset it.
    certificates: UserRates,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            addresses: Census::default(),
            users: Census::default(),
            failures: Failures::new(AUTHENTICATION_WINDOW),
            closes: Failures::new(CLOSES_WINDOW),
            joins: UserRates::default(),
            certificates: UserRates::default(),
        }
    }
}

impl Gate {
    /// A gate with nobody inside.
    pub fn new(limits: GateLimits) -> Self {
        Self { limits, common: Arc::default(), origins: Vec::new(), empty_rooms: 0 }
    }

    /// A gate for other connections; the limits apply to both gates together.
    pub fn beside(&self) -> Self {
        let common = Arc::clone(&self.common);
        Self { limits: self.limits, common, origins: Vec::new(), empty_rooms: 0 }
    }

    /// Whether one more connection may come from this address.
    pub fn admits_from(&self, address: IpAddr) -> bool {
        self.limits.per_address_max == u64::MAX
            || self.counts().addresses.count(Network::of(address)) < self.limits.per_address_max
    }

    /// Whether one more connection may use a token that grants this. If not: the limit that is hit,
    /// and when to try again.
    pub fn check_bearer(&self, grant: &Grant, now: Instant) -> Result<(), (Limit, Duration)> {
        let GateLimits { per_user_max, closes_max, joins, .. } = self.limits;
        let (bearer, mut counts) = (bearer(grant), self.counts());
        if let Some(wait) = counts.closes.wait(bearer, closes_max, now) {
            return Err((Limit::UserCloses, wait));
        }
        if let Some(wait) = counts.joins.wait(bearer, &joins, now) {
            return Err((Limit::UserJoins, wait));
        }
        match counts.users.count(fold(grant.user)) < per_user_max {
            true => Ok(()),
            false => Err((Limit::UserConnections, RETRY_AFTER)),
        }
    }

    /// A connection with a token that grants this comes in.
    pub fn joined(&mut self, grant: &Grant, now: Instant) {
        let rate = self.limits.joins;
        if !rate.is_unlimited() {
            self.counts().joins.add(bearer(grant), &rate, now);
        }
    }

    /// Whether a user with a token that grants this may present a new certificate now.
    pub fn admits_certificate(&self, grant: &Grant, now: Instant) -> bool {
        let rate = self.limits.certificates;
        rate.is_unlimited() || self.counts().certificates.wait(bearer(grant), &rate, now).is_none()
    }

    /// Counts a new certificate.
    pub fn certificate_shown(&mut self, grant: &Grant, now: Instant) {
        let rate = self.limits.certificates;
        if !rate.is_unlimited() {
            self.counts().certificates.add(bearer(grant), &rate, now);
        }
    }

    /// A connection with such a token was closed for what it did.
    pub fn closed(&mut self, grant: &Grant, now: Instant) {
        let max = self.limits.closes_max;
        if max < u64::MAX {
            self.counts().closes.add(bearer(grant), max, now);
        }
    }

    /// The connection at `index` comes from this address, and counts until [`Gate::depart`].
    pub fn arrive(&mut self, index: u32, address: IpAddr) {
        self.arrive_from(index, Network::of(address));
    }

    /// The same for a connection of which only the network is known.
    pub fn arrive_from(&mut self, index: u32, network: Network) {
        self.depart(index);
        let index = index as usize;
        if index >= self.origins.len() {
            self.origins.resize(index + 1, None);
        }
        self.origins[index] = Some(network);
        self.counts().addresses.add(network);
    }

    /// The connection at `index` is gone. Returns its network, if it had arrived.
    pub fn depart(&mut self, index: u32) -> Option<Network> {
        let network = self.origins.get_mut(index as usize).and_then(Option::take)?;
        self.counts().addresses.remove(network);
        Some(network)
    }

    /// The network of the connection at `index`, if it is known.
    pub fn origin(&self, index: u32) -> Option<Network> {
        self.origins.get(index as usize).copied().flatten()
    }

    /// A connection belongs to this user, and counts until [`Gate::lose_user`].
    pub fn add_user(&mut self, user: UserId) {
        self.counts().users.add(fold(user));
    }

    /// A connection of this user no longer counts.
    pub fn lose_user(&mut self, user: UserId) {
        self.counts().users.remove(fold(user));
    }

    /// How many rooms there are, over all shared gates.
    pub fn room_count(&self) -> usize {
        self.common.rooms.load(Ordering::Acquire)
    }

    /// Whether there may be one more room within `max`, possibly because an empty one can be
    /// forgotten for it. If several ask at the same moment, each of them may be told yes.
    pub fn admits_room(&self, max: usize) -> bool {
        let empty = self.common.empty_rooms.load(Ordering::Acquire);
        self.room_count().saturating_sub(empty) < max
    }

    /// There is one more room.
    pub fn add_room(&mut self) {
        self.common.rooms.fetch_add(1, Ordering::AcqRel);
    }

    /// A room is gone.
    pub fn lose_room(&mut self) {
        self.lose_room_above(0);
    }

    /// Takes a room out of the count if there are more than `max`. The caller that gets `true` must
    /// forget one of its own rooms; nobody else forgets one for the same reason.
    pub fn lose_room_above(&mut self, max: usize) -> bool {
        let less = |rooms: usize| if rooms > max { rooms.checked_sub(1) } else { None };
        self.common.rooms.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).is_ok()
    }

    /// Sets how many of the rooms that this gate has counted are empty now.
    pub fn set_empty_rooms(&mut self, count: usize) {
        let before = std::mem::replace(&mut self.empty_rooms, count);
        let all = &self.common.empty_rooms;
        match count.checked_sub(before) {
            Some(more) => all.fetch_add(more, Ordering::AcqRel),
            None => all.fetch_sub(before - count, Ordering::AcqRel),
        };
    }

    /// A client at this address has shown an invalid token. Returns how long to wait if that was
    /// one too many.
    pub fn failed_from(&mut self, address: IpAddr, now: Instant) -> Option<Duration> {
        self.failed(Network::of(address), now)
    }

    /// The same for the connection at `index`. If its network is unknown, nothing is counted.
    pub fn failed_at(&mut self, index: u32, now: Instant) -> Option<Duration> {
        self.failed(self.origin(index)?, now)
    }

    /// How many connections count by user, and by address, over all shared gates.
    pub fn sums(&self) -> [u64; 2] {
        let counts = self.counts();
        [counts.users.sum(), counts.addresses.sum()]
    }

    fn failed(&mut self, network: Network, now: Instant) -> Option<Duration> {
        let max = self.limits.failures_max;
        if max == u64::MAX { None } else { self.counts().failures.add(network, max, now) }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Nothing is done under the lock that could leave it half done.
        self.common.counts.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

/// 64 bits that stand for a user in a session. So a stolen token affects only the session that it
/// is for.
fn bearer(grant: &Grant) -> u64 {
    let session = grant.session.reveal().as_u128();
    let session = (session >> 64) as u64 ^ (session as u64).rotate_left(32);
    fold(grant.user) ^ session.rotate_left(17)
}

/// 64 bits of a user's id. Ids come from signed tokens, so nobody can choose two that fold to the
/// same value.
fn fold(user: UserId) -> u64 {
    let bits = user.reveal().as_u128();
    (bits >> 64) as u64 ^ (bits as u64).rotate_left(32)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::base::time::WallTime;
    use crate::message::{Permissions, Role, SessionId};

    const NOW: Instant = Instant::from_micros(0);

    fn grant(user: u128, session: u128) -> Grant {
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

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_has_so_many_and_one_more_only_once_one_has_gone() {
        let limits = GateLimits { per_address_max: 2, ..GateLimits::ORDINARY };
        let mut gate = Gate::new(limits);
        let (here, there) = (address("192.0.2.1"), address("192.0.2.2"));
        for index in 0..2 {
            assert!(gate.admits_from(here));
            gate.arrive(index, here);
        }
        assert!(!gate.admits_from(here) && gate.admits_from(there));
        gate.depart(1);
        gate.depart(1);
        gate.depart(9);
        assert!(gate.admits_from(here), "once gone is gone");
        gate.arrive(0, there);
        assert_eq!(gate.sums(), [0, 1], "an index that is used again has left where it was");
        gate.depart(0);
        assert_eq!(gate.counts().addresses.sum(), 0);
    }

    #[test]
    fn gates_beside_each_other_count_together() {
        let limits = GateLimits {
            per_address_max: 2,
            per_user_max: 2,
            failures_max: 1,
            ..GateLimits::ORDINARY
        };
        let mut one = Gate::new(limits);
        let mut other = one.beside();
        let (here, user) = (address("192.0.2.1"), UserId::new(Uuid::from_u128(1)));
        for gate in [&mut one, &mut other] {
            gate.arrive(0, here);
            gate.add_user(user);
        }
        for gate in [&one, &other] {
            assert!(!gate.admits_from(here) && gate.check_bearer(&grant(1, 1), NOW).is_err());
        }
        assert_eq!(one.failed_at(0, Instant::default()), None);
        assert!(other.failed_at(0, Instant::default()).is_some());
        // A connection moves from one to the other.
        let network = one.depart(0).expect("it had arrived");
        other.arrive_from(1, network);
        assert!(!one.admits_from(here) && one.depart(0).is_none());
        one.add_room();
        other.add_room();
        other.lose_room();
        assert_eq!((one.room_count(), other.room_count()), (1, 1));
    }

    #[test]
    fn a_room_that_stands_empty_anywhere_makes_place_for_another_and_is_forgotten_once() {
        let mut one = Gate::new(GateLimits::ORDINARY);
        let mut other = one.beside();
        one.add_room();
        one.add_room();
        assert!(!other.admits_room(2));
        one.set_empty_rooms(2);
        one.set_empty_rooms(1);
        assert!(other.admits_room(2) && one.admits_room(2));
        other.add_room();
        assert!(!other.admits_room(2) && !one.admits_room(2), "that place is given away");
        assert!(one.lose_room_above(2) && !other.lose_room_above(2));
        one.set_empty_rooms(0);
        assert_eq!(one.room_count(), 2);
        assert!(!other.admits_room(2) && other.admits_room(3));
    }

    #[test]
    fn a_user_has_so_many_wherever_they_come_from() {
        let mut gate = Gate::new(GateLimits { per_user_max: 2, ..GateLimits::ORDINARY });
        let one = UserId::new(Uuid::from_u128(1));
        let admits = |gate: &Gate, user| gate.check_bearer(&grant(user, 1), NOW).is_ok();
        gate.lose_user(one);
        gate.add_user(one);
        assert!(admits(&gate, 1));
        gate.add_user(one);
        assert!(!admits(&gate, 1) && admits(&gate, 2));
        gate.lose_user(one);
        assert!(admits(&gate, 1));
    }

    #[test]
    fn who_is_closed_again_and_again_has_to_wait_until_a_minute_is_over() {
        let mut gate = Gate::new(GateLimits { closes_max: 2, ..GateLimits::ORDINARY });
        let (one, at) = (grant(1, 1), |secs| NOW + Duration::from_secs(secs));
        for second in 0..2 {
            assert_eq!(gate.check_bearer(&one, at(second)), Ok(()));
            gate.closed(&one, at(second));
        }
        let mut beside = gate.beside();
        let wait = Err((Limit::UserCloses, Duration::from_secs(58)));
        assert_eq!(beside.check_bearer(&one, at(2)), wait);
        assert_eq!(gate.check_bearer(&one, at(2)), wait);
        assert_eq!(beside.check_bearer(&grant(2, 1), at(2)), Ok(()), "others have their own");
        // Somebody who has stolen an old token can lock its owner out of nothing else.
        assert_eq!(beside.check_bearer(&grant(1, 2), at(2)), Ok(()));
        // A connection that existed before.
        beside.closed(&one, at(3));
        assert_eq!(gate.check_bearer(&one, at(60)), Ok(()));
    }

    #[test]
    fn who_comes_in_again_and_again_has_to_wait() {
        let joins = Rate { per_second: 1, burst: 2 };
        let mut gate = Gate::new(GateLimits { joins, ..GateLimits::ORDINARY });
        let one = grant(1, 1);
        (0..2).for_each(|_| gate.joined(&one, NOW));
        let wait = Err((Limit::UserJoins, Duration::from_secs(1)));
        assert_eq!(gate.beside().check_bearer(&one, NOW), wait);
        assert_eq!(gate.check_bearer(&grant(2, 1), NOW), Ok(()));
        assert_eq!(gate.check_bearer(&grant(1, 2), NOW), Ok(()));
        assert_eq!(gate.check_bearer(&one, NOW + Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn without_limits_nobody_waits() {
        let mut gate = Gate::new(GateLimits::UNLIMITED);
        for _ in 0..1_001 {
            gate.closed(&grant(1, 1), NOW);
            gate.joined(&grant(1, 1), NOW);
        }
        assert_eq!(gate.check_bearer(&grant(1, 1), NOW), Ok(()));
    }

    #[test]
    fn failures_count_together_before_and_after_the_upgrade() {
        let mut gate = Gate::new(GateLimits { failures_max: 2, ..GateLimits::ORDINARY });
        let (here, now) = (address("2001:db8::1"), Instant::default());
        gate.arrive(3, address("2001:db8::2"));
        assert_eq!(gate.failed_from(here, now), None);
        assert_eq!(gate.failed_at(3, now), None);
        assert_eq!(gate.failed_from(here, now), Some(Duration::from_secs(600)));
        assert_eq!(gate.failed_at(3, now), Some(Duration::from_secs(600)));
        assert_eq!(gate.failed_at(4, now), None, "from nowhere");
        let mut gate = Gate::new(GateLimits::UNLIMITED);
        assert!((0..1_000).all(|_| gate.failed_from(here, now).is_none()));
    }
}
