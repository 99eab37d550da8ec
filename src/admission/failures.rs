//! Who has shown tokens that are not valid, and how many.

use std::collections::{BTreeMap, VecDeque};

use super::gate::Network;
use crate::base::time::{Duration, Instant};

/// For how long failures count, from the first one on.
pub const WINDOW: Duration = Duration::from_secs(600);

/// So many networks are remembered, in 1.1 MiB. Past it the one that is forgotten next anyway is forgotten at once: whoever
/// commands so many addresses would not be stopped by counting them.
pub const NETWORKS_MAX: usize = 16_384;

/// Failed authentications by network.
///
/// A network past its limit is not shut out: its good tokens still come in, and only what fails again gets another
/// answer. So one device with a bad token costs its neighbours nothing, and guessing gains nothing.
#[derive(Debug, Default)]
pub(super) struct Failures {
    windows: BTreeMap<Network, Window>,
    /// All windows, in the order in which they began, which is the order in which they end.
    order: VecDeque<(Instant, Network)>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    since: Instant,
    count: u64,
}

impl Failures {
    /// Counts one more. How long the network has to wait where it had used up its `max` before.
    pub(super) fn add(&mut self, network: Network, max: u64, now: Instant) -> Option<Duration> {
        self.forget(now);
        if let Some(window) = self.windows.get_mut(&network) {
            if window.count >= max {
                return Some((window.since + WINDOW).since(now));
            }
            window.count += 1;
            return None;
        }
        if self.order.len() >= NETWORKS_MAX
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.windows.remove(&oldest);
        }
        self.windows.insert(network, Window { since: now, count: 1 });
        self.order.push_back((now, network));
        None
    }

    fn forget(&mut self, now: Instant) {
        while let Some(&(since, network)) = self.order.front()
            && since + WINDOW <= now
        {
            self.order.pop_front();
            self.windows.remove(&network);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    const MAX: u64 = 20;

    fn network(number: u32) -> Network {
        Network::of(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    fn at(secs: u64) -> Instant {
        Instant::from_micros(5_000_000) + Duration::from_secs(secs)
    }

    #[test]
    fn as_many_as_allowed_are_told_so_and_one_more_has_to_wait_for_the_end_of_the_window() {
        let mut failures = Failures::default();
        for second in 0..MAX {
            assert_eq!(failures.add(network(1), MAX, at(second)), None);
        }
        assert_eq!(failures.add(network(1), MAX, at(20)), Some(Duration::from_secs(580)));
        assert_eq!(failures.add(network(2), MAX, at(20)), None, "others have their own");
        assert_eq!(failures.add(network(1), MAX, at(599)), Some(Duration::from_secs(1)));
        for _ in 0..MAX {
            assert_eq!(failures.add(network(1), MAX, at(600)), None, "a new window");
        }
        assert!(failures.add(network(1), MAX, at(601)).is_some());
    }

    #[test]
    fn a_clock_that_jumps_forgets_early_or_late_and_nothing_else() {
        let mut failures = Failures::default();
        assert_eq!(failures.add(network(1), 1, at(10_000)), None);
        assert!(failures.add(network(1), 1, at(0)).is_some(), "it has gone back");
        assert_eq!(failures.add(network(1), 1, Instant::from_micros(u64::MAX)), None);
        assert!(failures.add(network(1), 1, at(0)).is_some());
    }

    #[test]
    fn memory_is_bounded_and_who_began_first_is_forgotten_first() {
        let mut failures = Failures::default();
        for number in 0..NETWORKS_MAX as u32 + 10 {
            assert_eq!(failures.add(network(number), 1, at(0)), None);
        }
        assert_eq!((failures.windows.len(), failures.order.len()), (NETWORKS_MAX, NETWORKS_MAX));
        assert!(failures.add(network(10), 1, at(0)).is_some());
        assert_eq!(failures.add(network(9), 1, at(0)), None, "it was forgotten");
        assert_eq!(failures.add(network(8), 1, at(600)), None);
        assert_eq!((failures.windows.len(), failures.order.len()), (1, 1), "all have ended");
    }
}
