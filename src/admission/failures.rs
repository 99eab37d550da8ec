//! Counts repeated offences: invalid tokens by address, and closes by user and session.

use std::collections::{BTreeMap, VecDeque};

use crate::base::time::{Duration, Instant};

/// How many networks, or users, are remembered, in 1.1 MiB. Past it, the entry that would expire
/// next is forgotten early: counting would not stop an attacker who controls that many.
pub const KEYS_MAX: usize = 16_384;

/// Failures within a time window, by key.
#[derive(Debug)]
pub(super) struct Failures<K> {
    /// How long failures count, from the first one on.
    window: Duration,
    windows: BTreeMap<K, Window>,
    /// All windows, in the order in which they began, which is also the order in which they end.
    order: VecDeque<(Instant, K)>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    since: Instant,
    count: u64,
}

impl<K: Copy + Ord> Failures<K> {
    /// No failures yet. Each counts for `window`.
    pub(super) const fn new(window: Duration) -> Self {
        Self { window, windows: BTreeMap::new(), order: VecDeque::new() }
    }

    /// How long this key has to wait, if it has used up its `max`.
    pub(super) fn wait(&mut self, key: K, max: u64, now: Instant) -> Option<Duration> {
        self.forget(now);
        let window = self.windows.get(&key).filter(|window| window.count >= max)?;
        Some((window.since + self.window).since(now))
    }

    /// Counts one more failure, or returns how long to [wait](Failures::wait).
    pub(super) fn add(&mut self, key: K, max: u64, now: Instant) -> Option<Duration> {
        if let Some(wait) = self.wait(key, max, now) {
            return Some(wait);
        }
        if let Some(window) = self.windows.get_mut(&key) {
            window.count += 1;
            return None;
        }
        if self.order.len() >= KEYS_MAX
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.windows.remove(&oldest);
        }
        self.windows.insert(key, Window { since: now, count: 1 });
        self.order.push_back((now, key));
        None
    }

    fn forget(&mut self, now: Instant) {
        while let Some(&(since, key)) = self.order.front()
            && since + self.window <= now
        {
            self.order.pop_front();
            self.windows.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u64 = 20;

    fn failures() -> Failures<u64> {
        Failures::new(Duration::from_secs(600))
    }

    fn at(secs: u64) -> Instant {
        Instant::from_micros(5_000_000) + Duration::from_secs(secs)
    }

    #[test]
    fn as_many_as_allowed_are_told_so_and_one_more_has_to_wait_for_the_end_of_the_window() {
        let mut failures = failures();
        for second in 0..MAX {
            assert_eq!(failures.add(1, MAX, at(second)), None);
        }
        assert_eq!(failures.add(1, MAX, at(20)), Some(Duration::from_secs(580)));
        assert_eq!(failures.add(2, MAX, at(20)), None, "others have their own");
        assert_eq!(failures.add(1, MAX, at(599)), Some(Duration::from_secs(1)));
        for _ in 0..MAX {
            assert_eq!(failures.add(1, MAX, at(600)), None, "a new window");
        }
        assert!(failures.add(1, MAX, at(601)).is_some());
        assert_eq!(
            failures.wait(1, MAX, at(601)),
            Some(Duration::from_secs(599)),
            "asking counts nothing"
        );
        assert_eq!(failures.wait(2, MAX, at(601)), None);
        assert_eq!(failures.wait(1, MAX, at(1_200)), None);
    }

    #[test]
    fn a_clock_that_jumps_forgets_early_or_late_and_nothing_else() {
        let mut failures = failures();
        assert_eq!(failures.add(1, 1, at(10_000)), None);
        assert!(failures.add(1, 1, at(0)).is_some(), "it has gone back");
        assert_eq!(failures.add(1, 1, Instant::from_micros(u64::MAX)), None);
        assert!(failures.add(1, 1, at(0)).is_some());
    }

    #[test]
    fn memory_is_bounded_and_who_began_first_is_forgotten_first() {
        let mut failures = failures();
        for number in 0..KEYS_MAX as u64 + 10 {
            assert_eq!(failures.add(number, 1, at(0)), None);
        }
        assert_eq!((failures.windows.len(), failures.order.len()), (KEYS_MAX, KEYS_MAX));
        assert!(failures.add(10, 1, at(0)).is_some());
        assert_eq!(failures.add(9, 1, at(0)), None, "it was forgotten");
        assert_eq!(failures.add(8, 1, at(600)), None);
        assert_eq!((failures.windows.len(), failures.order.len()), (1, 1), "all have ended");
    }
}
