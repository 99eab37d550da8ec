//! A rate limit for each user in each session: how often it has recently joined, or shown a new
//! certificate.

use std::collections::{BTreeMap, VecDeque};

use super::fixed_windows::KEYS_MAX;
use crate::base::bucket::{Bucket, Rate};
use crate::base::time::{Duration, Instant};

/// A token bucket for each user and session. One that is not in the table has its full burst.
#[derive(Debug)]
pub(super) struct UserRates {
    rate: Rate,
    buckets: BTreeMap<u64, Bucket>,
    /// All keys, in the order in which they were added.
    order: VecDeque<u64>,
}

impl UserRates {
    /// Nobody has done anything yet.
    pub(super) const fn new(rate: Rate) -> Self {
        Self { rate, buckets: BTreeMap::new(), order: VecDeque::new() }
    }

    /// How long this user has to wait before it may do this once more in this session.
    pub(super) fn wait(&self, key: u64, now: Instant) -> Option<Duration> {
        let bucket = self.buckets.get(&key)?;
        let is_empty = bucket.available(&self.rate, now) == 0;
        is_empty.then(|| bucket.time_until(1, &self.rate, now))
    }

    /// Counts one use.
    pub(super) fn add(&mut self, key: u64, now: Instant) {
        if self.rate.is_unlimited() {
            return;
        }
        while let Some(oldest) = self.order.front()
            && (self.order.len() >= KEYS_MAX || self.is_full(*oldest, now))
        {
            self.buckets.remove(oldest);
            self.order.pop_front();
        }
        let bucket = self.buckets.entry(key).or_insert_with(|| {
            self.order.push_back(key);
            Bucket::default()
        });
        bucket.spend(1, &self.rate, now);
    }

    /// Whether a bucket is full, so that it need not be in the table.
    fn is_full(&self, key: u64, now: Instant) -> bool {
        let Self { rate, buckets, .. } = self;
        buckets.get(&key).is_none_or(|bucket| bucket.available(rate, now) == rate.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 2, burst: 3 };

    fn at(millis: u64) -> Instant {
        Instant::from_micros(7_000_000) + Duration::from_millis(millis)
    }

    #[test]
    fn so_many_at_once_and_then_so_many_a_second() {
        let mut rates = UserRates::new(RATE);
        for _ in 0..3 {
            assert_eq!(rates.wait(1, at(0)), None);
            rates.add(1, at(0));
        }
        assert_eq!(rates.wait(1, at(0)), Some(Duration::from_millis(500)));
        assert_eq!(rates.wait(2, at(0)), None, "others have their own");
        assert_eq!(rates.wait(1, at(500)), None);
        rates.add(1, at(500));
        assert_eq!(rates.wait(1, at(600)), Some(Duration::from_millis(400)));
    }

    #[test]
    fn memory_is_bounded_and_who_has_not_come_for_a_while_takes_none() {
        let mut rates = UserRates::new(RATE);
        for key in 0..KEYS_MAX as u64 + 10 {
            rates.add(key, at(0));
        }
        assert_eq!((rates.buckets.len(), rates.order.len()), (KEYS_MAX, KEYS_MAX));
        rates.add(7, at(2_000));
        assert_eq!((rates.buckets.len(), rates.order.len()), (1, 1));
    }

    #[test]
    fn without_a_limit_nobody_is_kept() {
        let mut rates = UserRates::new(Rate::UNLIMITED);
        rates.add(7, at(0));
        assert_eq!((rates.wait(7, at(0)), rates.buckets.len()), (None, 0));
    }
}
