//! Fixed-window counters: so many per key within a while that begins with the first. They count
//! invalid tokens by network, and closed connections by user and session.

use std::collections::{BTreeMap, VecDeque};

use crate::base::time::{Duration, Instant};

/// How many networks, or users, a table remembers, in 1.1 MiB. Past it, the entry that would expire
/// next is forgotten early: counting would not stop an attacker who controls that many.
pub const KEYS_MAX: usize = 16_384;

/// A counter for each key. One that is not in the table has counted nothing.
#[derive(Debug)]
pub(super) struct FixedWindows<K> {
    /// How many are allowed within a window; `u64::MAX` means any number, and nothing is counted.
    max: u64,
    /// How long a window is. It begins with the first that is counted.
    length: Duration,
    windows: BTreeMap<K, Window>,
    /// All windows, in the order in which they began, which is also the order in which they end.
    order: VecDeque<(Instant, K)>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    since: Instant,
    count: u64,
}

impl<K: Copy + Ord> FixedWindows<K> {
    /// Nothing is counted yet.
    pub(super) const fn new(max: u64, length: Duration) -> Self {
        Self { max, length, windows: BTreeMap::new(), order: VecDeque::new() }
    }

    /// How long this key has to wait, if it has used up what is allowed.
    pub(super) fn wait(&mut self, key: K, now: Instant) -> Option<Duration> {
        self.forget(now);
        let window = self.windows.get(&key).filter(|window| window.count >= self.max)?;
        Some((window.since + self.length).since(now))
    }

    /// Counts one more, or returns how long to [wait](FixedWindows::wait).
    pub(super) fn add(&mut self, key: K, now: Instant) -> Option<Duration> {
        if self.max == u64::MAX {
            return None;
        }
        if let Some(wait) = self.wait(key, now) {
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
            && since + self.length <= now
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

    fn windows(max: u64) -> FixedWindows<u64> {
        FixedWindows::new(max, Duration::from_secs(600))
    }

    fn at(secs: u64) -> Instant {
        Instant::from_micros(5_000_000) + Duration::from_secs(secs)
    }

    #[test]
    fn as_many_as_allowed_are_told_so_and_one_more_has_to_wait_for_the_end_of_the_window() {
        let mut windows = windows(MAX);
        for second in 0..MAX {
            assert_eq!(windows.add(1, at(second)), None);
        }
        assert_eq!(windows.add(1, at(20)), Some(Duration::from_secs(580)));
        assert_eq!(windows.add(2, at(20)), None, "others have their own");
        assert_eq!(windows.add(1, at(599)), Some(Duration::from_secs(1)));
        for _ in 0..MAX {
            assert_eq!(windows.add(1, at(600)), None, "a new window");
        }
        assert!(windows.add(1, at(601)).is_some());
        assert_eq!(
            windows.wait(1, at(601)),
            Some(Duration::from_secs(599)),
            "asking counts nothing"
        );
        assert_eq!(windows.wait(2, at(601)), None);
        assert_eq!(windows.wait(1, at(1_200)), None);
    }

    #[test]
    fn a_clock_that_jumps_forgets_early_or_late_and_nothing_else() {
        let mut windows = windows(1);
        assert_eq!(windows.add(1, at(10_000)), None);
        assert!(windows.add(1, at(0)).is_some(), "it has gone back");
        assert_eq!(windows.add(1, Instant::from_micros(u64::MAX)), None);
        assert!(windows.add(1, at(0)).is_some());
    }

    #[test]
    fn memory_is_bounded_and_who_began_first_is_forgotten_first() {
        let mut windows = windows(1);
        for number in 0..KEYS_MAX as u64 + 10 {
            assert_eq!(windows.add(number, at(0)), None);
        }
        assert_eq!((windows.windows.len(), windows.order.len()), (KEYS_MAX, KEYS_MAX));
        assert!(windows.add(10, at(0)).is_some());
        assert_eq!(windows.add(9, at(0)), None, "it was forgotten");
        assert_eq!(windows.add(8, at(600)), None);
        assert_eq!((windows.windows.len(), windows.order.len()), (1, 1), "all have ended");
    }

    #[test]
    fn without_a_limit_nothing_is_kept() {
        let mut windows = windows(u64::MAX);
        assert!((0..1_000).all(|_| windows.add(1, at(0)).is_none()));
        assert_eq!((windows.wait(1, at(0)), windows.windows.len()), (None, 0));
    }
}
