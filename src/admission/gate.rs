//! Who is inside and who wants to come in, counted by network and by user. Pure, bounded tables
//! that know nothing of sockets.

mod networks;
mod rooms;
mod strangers;
mod users;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use networks::Networks;
pub use rooms::RoomCount;
pub use strangers::Strangers;
use users::Users;

use super::Grant;
pub use super::census::Census;
pub use super::network::Network;
use crate::base::bucket::Rate;
use crate::base::limits::Limit;
use crate::base::time::{Duration, Instant};
use crate::message::UserId;

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

/// What an engine must know of the connections and rooms of all engines of its server.
///
/// Gates that were made [beside](Gate::beside) each other count together. Locks protect the counts
/// of connections; they are taken only when a connection arrives or leaves, or shows a new
/// certificate. Rooms are counted without a lock.
#[derive(Debug)]
pub struct Gate {
    networks: Arc<Mutex<Networks>>,
    users: Arc<Mutex<Users>>,
    /// The count of rooms.
    pub rooms: RoomCount,
    /// The network of each connection of this gate's engine, by index.
    origins: Vec<Option<Network>>,
}

impl Gate {
    /// A gate with nobody inside.
    pub fn new(limits: GateLimits) -> Self {
        Self {
            networks: Arc::new(Mutex::new(Networks::new(&limits))),
            users: Arc::new(Mutex::new(Users::new(&limits))),
            rooms: RoomCount::default(),
            origins: Vec::new(),
        }
    }

    /// A gate for other connections; the limits apply to both gates together.
    pub fn beside(&self) -> Self {
        Self {
            networks: Arc::clone(&self.networks),
            users: Arc::clone(&self.users),
            rooms: self.rooms.beside(),
            origins: Vec::new(),
        }
    }

    /// Whether one more connection may come from this address.
    pub fn admits_from(&self, address: IpAddr) -> bool {
        lock(&self.networks).admits(Network::of(address))
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
        lock(&self.networks).add_connection(network);
    }

    /// The connection at `index` is gone. Returns its network, if it had arrived.
    pub fn depart(&mut self, index: u32) -> Option<Network> {
        let network = self.origins.get_mut(index as usize).and_then(Option::take)?;
        lock(&self.networks).lose_connection(network);
        Some(network)
    }

    /// The network of the connection at `index`, if it is known.
    pub fn origin(&self, index: u32) -> Option<Network> {
        self.origins.get(index as usize).copied().flatten()
    }

    /// A client at this address has shown an invalid token. Returns how long to wait if that was
    /// one too many.
    pub fn failed_from(&mut self, address: IpAddr, now: Instant) -> Option<Duration> {
        lock(&self.networks).add_failure(Network::of(address), now)
    }

    /// The same for the connection at `index`. If its network is unknown, nothing is counted.
    pub fn failed_at(&mut self, index: u32, now: Instant) -> Option<Duration> {
        let network = self.origin(index)?;
        lock(&self.networks).add_failure(network, now)
    }

    /// Whether one more connection may use a token that grants this. If not: the limit that is hit,
    /// and when to try again.
    pub fn check_bearer(&self, grant: &Grant, now: Instant) -> Result<(), (Limit, Duration)> {
        lock(&self.users).check(grant, now)
    }

    /// A connection belongs to this user, and counts until [`Gate::lose_user`].
    pub fn add_user(&mut self, user: UserId) {
        lock(&self.users).add_connection(user);
    }

    /// A connection of this user no longer counts.
    pub fn lose_user(&mut self, user: UserId) {
        lock(&self.users).lose_connection(user);
    }

    /// A connection with a token that grants this comes in.
    pub fn joined(&mut self, grant: &Grant, now: Instant) {
        lock(&self.users).add_join(grant, now);
    }

    /// A connection with such a token was closed for what it did.
    pub fn closed(&mut self, grant: &Grant, now: Instant) {
        lock(&self.users).add_close(grant, now);
    }

    /// Whether a user with a token that grants this may present a new certificate now.
    pub fn admits_certificate(&self, grant: &Grant, now: Instant) -> bool {
        lock(&self.users).admits_certificate(grant, now)
    }

    /// Counts a new certificate.
    pub fn certificate_shown(&mut self, grant: &Grant, now: Instant) {
        lock(&self.users).add_certificate(grant, now);
    }

    /// How many connections count by user, and by address, over all shared gates.
    pub fn sums(&self) -> [u64; 2] {
        [lock(&self.users).connection_count(), lock(&self.networks).connection_count()]
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is done under a lock here that could leave it half done.
    mutex.lock().unwrap_or_else(|broken| broken.into_inner())
}

#[cfg(test)]
mod tests {
    use super::users::tests::grant;
    use super::*;

    const NOW: Instant = Instant::from_micros(0);

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_connection_counts_for_its_address_from_its_arrival_to_its_departure() {
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
        assert_eq!(gate.sums(), [0, 0]);
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
        let (here, grant) = (address("192.0.2.1"), grant(1, 1));
        for gate in [&mut one, &mut other] {
            gate.arrive(0, here);
            gate.add_user(grant.user);
        }
        for gate in [&one, &other] {
            assert!(!gate.admits_from(here) && gate.check_bearer(&grant, NOW).is_err());
        }
        assert_eq!(one.failed_at(0, NOW), None);
        assert!(other.failed_at(0, NOW).is_some());
        // A connection moves from one to the other.
        let network = one.depart(0).expect("it had arrived");
        other.arrive_from(1, network);
        assert!(!one.admits_from(here) && one.depart(0).is_none());
        one.rooms.add();
        assert_eq!(other.rooms.count(), 1);
    }

    #[test]
    fn what_a_user_has_done_is_known_at_each_gate() {
        let joins = Rate { per_second: 1, burst: 1 };
        let limits =
            GateLimits { closes_max: 1, joins, certificates: joins, ..GateLimits::ORDINARY };
        let mut one = Gate::new(limits);
        let other = one.beside();
        one.closed(&grant(1, 1), NOW);
        one.joined(&grant(2, 1), NOW);
        one.certificate_shown(&grant(3, 1), NOW);
        let limit_of =
            |user| other.check_bearer(&grant(user, 1), NOW).err().map(|(limit, _)| limit);
        assert_eq!(
            [1, 2, 3].map(limit_of),
            [Some(Limit::UserCloses), Some(Limit::UserJoins), None]
        );
        assert_eq!(
            [2, 3].map(|user| other.admits_certificate(&grant(user, 1), NOW)),
            [true, false]
        );
    }

    #[test]
    fn failures_count_together_before_and_after_the_upgrade() {
        let mut gate = Gate::new(GateLimits { failures_max: 2, ..GateLimits::ORDINARY });
        let here = address("2001:db8::1");
        gate.arrive(3, address("2001:db8::2"));
        assert_eq!(gate.failed_from(here, NOW), None);
        assert_eq!(gate.failed_at(3, NOW), None);
        assert_eq!(gate.failed_from(here, NOW), Some(Duration::from_secs(600)));
        assert_eq!(gate.failed_at(3, NOW), Some(Duration::from_secs(600)));
        assert_eq!(gate.failed_at(4, NOW), None, "from nowhere");
        let mut gate = Gate::new(GateLimits::UNLIMITED);
        assert!((0..1_000).all(|_| gate.failed_from(here, NOW).is_none()));
    }
}
