//! The entrance that all reactors of a server share: how many connections there are, how many
//! requests are arriving, and how many may come in. A lock is taken only when a connection arrives
//! or its request is complete.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::admission::gate::{Census, Network, Strangers};
use crate::base::bucket::{Bucket, Rate};
use crate::base::time::{Duration, Instant};

/// The counts over all reactors.
#[derive(Debug, Default)]
pub(super) struct Entrance {
    connections: AtomicUsize,
    /// Connections that were accepted and have not come in yet.
    waiting: AtomicUsize,
    networks: Mutex<Networks>,
    /// How many may come in now.
    newcomers: Mutex<Bucket>,
}

/// Counts by network.
#[derive(Debug, Default)]
struct Networks {
    /// Connections that wait or whose request head is still arriving.
    heads: Census<Network>,
    /// Connections that have come in and have not said who they are: their request is still
    /// arriving, or they are WebSockets without a token.
    unknown: Strangers,
}

/// What a connection counts for in its network.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    /// As a request that is under way.
    pub(super) head: bool,
    /// As one that has not said who it is.
    pub(super) unknown: bool,
    /// It came over the limit, only to be told so.
    pub(super) over: bool,
}

impl Entrance {
    /// How many connections there are.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// How many sockets there are, including those of waiting connections.
    pub(super) fn present(&self) -> usize {
        self.connections() + self.waiting()
    }

    /// How many of them wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Notes that a connection of this network begins to wait.
    pub(super) fn wait(&self, network: Network) {
        lock(&self.networks).heads.add(network);
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a connection of this network no longer waits.
    pub(super) fn call(&self, network: Network) {
        lock(&self.networks).heads.remove(network);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// Lets a connection of this network in, whose request head is still to come. Of so many places
    /// one is kept for it if it `has_place`. Returns what it counts for from now on.
    pub(super) fn enter(&self, network: Network, places: usize, has_place: bool) -> Counted {
        let before = self.connections.fetch_add(1, Ordering::Relaxed);
        let over = before >= places && !has_place;
        let mut networks = lock(&self.networks);
        networks.heads.add(network);
        match over {
            true => networks.unknown.add_over(network),
            false => networks.unknown.add(network),
        }
        Counted { head: true, unknown: true, over }
    }

    /// Counts a session without a socket of its own as one more connection. Returns `false` if
    /// there are `max` already.
    pub(super) fn add_place(&self, max: usize) -> bool {
        let more = |count: usize| (count < max).then_some(count + 1);
        self.connections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Notes that a session of this network, which has no socket of its own, has not said who it is.
    pub(super) fn add_unknown(&self, network: Network) {
        lock(&self.networks).unknown.add(network);
    }

    /// How many connections of a network wait or are sending their request head.
    pub(super) fn heads_of(&self, network: Network) -> u64 {
        lock(&self.networks).heads.count(network)
    }

    /// Whether those who have not said who they are crowd a server with so many places.
    pub(super) fn is_crowded(&self, places: usize) -> bool {
        lock(&self.networks).unknown.are_a_crowd(places)
    }

    /// The network of which one gives its place, of so many that are all taken, to one more
    /// connection of this network: see [`Strangers::give_way_to`].
    pub(super) fn give_way_to(&self, newcomer: Network, places: usize) -> Option<Network> {
        lock(&self.networks).unknown.give_way_to(newcomer, places)
    }

    /// Notes that one of this network, at another loop, has been asked to give way.
    pub(super) fn ask_to_give_way(&self, network: Network) {
        lock(&self.networks).unknown.ask(network);
    }

    /// Notes that it has, or that nobody could.
    pub(super) fn has_given_way(&self, network: Network) {
        lock(&self.networks).unknown.answer(network);
    }

    /// Notes that a connection of this network counts for no more than `now`.
    pub(super) fn count_less(&self, network: Network, counted: &mut Counted, now: Counted) {
        let passes = counted.head && !now.head;
        let is_known = counted.unknown && !now.unknown;
        if !passes && !is_known {
            return;
        }
        let mut networks = lock(&self.networks);
        if passes {
            counted.head = false;
            networks.heads.remove(network);
        }
        if is_known {
            counted.unknown = false;
            match counted.over {
                true => networks.unknown.remove_over(network),
                false => networks.unknown.remove(network),
            }
        }
    }

    /// Notes that a connection has gone.
    pub(super) fn leave(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether one more may come in; otherwise how long to wait until there are `together`.
    pub(super) fn check(&self, rate: &Rate, together: u64, now: Instant) -> Result<(), Duration> {
        let newcomers = lock(&self.newcomers);
        match newcomers.available(rate, now) {
            0 => Err(newcomers.time_until(together, rate, now)),
            _ => Ok(()),
        }
    }

    /// Whether one more may come in.
    pub(super) fn has_room(&self, rate: &Rate, now: Instant) -> bool {
        lock(&self.newcomers).available(rate, now) > 0
    }

    /// Counts one more that comes in.
    pub(super) fn accept(&self, rate: &Rate, now: Instant) {
        lock(&self.newcomers).spend(1, rate, now);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is done under a lock here that could leave it half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn network(number: u8) -> Network {
        Network::of(IpAddr::from([192, 0, 2, number]))
    }

    #[test]
    fn a_connection_counts_for_its_network_until_it_has_said_who_it_is() {
        let entrance = Entrance::default();
        let [mut one, mut other] = [1, 2].map(|number| entrance.enter(network(number), 2, false));
        let new = one;
        assert_eq!((new.over, other.over, entrance.connections()), (false, false, 2));
        // A request that was answered, and a WebSocket without a token.
        entrance.count_less(network(1), &mut one, Counted { head: true, ..Counted::default() });
        entrance.count_less(
            network(2),
            &mut other,
            Counted { unknown: true, ..Counted::default() },
        );
        assert_eq!([1, 2].map(|number| entrance.heads_of(network(number))), [1, 0]);
        assert_eq!([8, 9].map(|places| entrance.is_crowded(places)), [true, false]);
        // What was over once never comes back.
        entrance.count_less(network(1), &mut one, new);
        assert_eq!([8, 9].map(|places| entrance.is_crowded(places)), [true, false]);
        for _ in 0..2 {
            entrance.count_less(network(1), &mut one, Counted::default());
            entrance.count_less(network(2), &mut other, Counted::default());
        }
        assert_eq!((entrance.heads_of(network(1)), entrance.is_crowded(1)), (0, false));
    }

    #[test]
    fn those_over_the_limit_are_no_crowd() {
        let entrance = Entrance::default();
        let counted =
            [false, false, true].map(|has_place| entrance.enter(network(1), 1, has_place));
        assert_eq!(counted.map(|counted| counted.over), [false, true, false]);
        assert_eq!([16, 17].map(|places| entrance.is_crowded(places)), [true, false]);
        for mut counted in counted {
            entrance.count_less(network(1), &mut counted, Counted::default());
        }
        assert!(!entrance.is_crowded(1));
    }

    #[test]
    fn those_who_wait_are_no_strangers_yet() {
        let entrance = Entrance::default();
        for number in [1, 2, 2, 2, 2, 3] {
            entrance.enter(network(number), 6, false);
        }
        (0..5).for_each(|_| entrance.wait(network(3)));
        assert_eq!(entrance.give_way_to(network(4), 6), Some(network(2)));
        assert_eq!(entrance.give_way_to(network(3), 6), Some(network(2)));
    }
}
