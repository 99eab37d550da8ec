//! What counts by the network that a connection comes from: how many are inside, and how many
//! tokens from there were invalid.

use super::GateLimits;
use crate::admission::census::Census;
use crate::admission::fixed_windows::FixedWindows;
use crate::admission::network::Network;
use crate::base::time::{Duration, Instant};

/// How long an invalid token counts, from the first one of its network on.
const FAILURES_WINDOW: Duration = Duration::from_secs(600);

/// The counts by network.
#[derive(Debug)]
pub(super) struct Networks {
    connections_max: u64,
    connections: Census<Network>,
    /// A network past its limit is not shut out: valid tokens from it are still accepted, and only
    /// the next failure gets a different answer. So one device with a bad token costs its
    /// neighbours nothing, and guessing gains nothing.
    failures: FixedWindows<Network>,
}

impl Networks {
    pub(super) fn new(limits: &GateLimits) -> Self {
        Self {
            connections_max: limits.per_address_max,
            connections: Census::default(),
            failures: FixedWindows::new(limits.failures_max, FAILURES_WINDOW),
        }
    }

    /// Whether one more connection may come from there.
    pub(super) fn admits(&self, network: Network) -> bool {
        self.connections.count(network) < self.connections_max
    }

    pub(super) fn add_connection(&mut self, network: Network) {
        self.connections.add(network);
    }

    pub(super) fn lose_connection(&mut self, network: Network) {
        self.connections.remove(network);
    }

    /// Counts an invalid token. Returns how long to wait if that was one too many.
    pub(super) fn add_failure(&mut self, network: Network, now: Instant) -> Option<Duration> {
        self.failures.add(network, now)
    }

    pub(super) fn connection_count(&self) -> u64 {
        self.connections.sum()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const NOW: Instant = Instant::from_micros(0);

    fn network(number: u8) -> Network {
        Network::of(IpAddr::from([192, 0, 2, number]))
    }

    #[test]
    fn a_network_has_so_many_and_one_more_only_once_one_has_gone() {
        let limits = GateLimits { per_address_max: 2, ..GateLimits::ORDINARY };
        let mut networks = Networks::new(&limits);
        for _ in 0..2 {
            assert!(networks.admits(network(1)));
            networks.add_connection(network(1));
        }
        assert!(!networks.admits(network(1)) && networks.admits(network(2)));
        networks.lose_connection(network(1));
        assert!(networks.admits(network(1)));
        networks.lose_connection(network(2));
        assert_eq!(networks.connection_count(), 1, "nobody was there");
    }

    #[test]
    fn invalid_tokens_count_for_ten_minutes_and_keep_no_connection_out() {
        let limits = GateLimits { failures_max: 2, ..GateLimits::ORDINARY };
        let mut networks = Networks::new(&limits);
        for _ in 0..2 {
            assert_eq!(networks.add_failure(network(1), NOW), None);
        }
        let wait = Some(Duration::from_secs(600));
        assert_eq!(networks.add_failure(network(1), NOW), wait);
        assert!(networks.admits(network(1)));
        assert_eq!(networks.add_failure(network(2), NOW), None, "others have their own");
        assert_eq!(networks.add_failure(network(1), NOW + Duration::from_secs(600)), None);
    }
}
