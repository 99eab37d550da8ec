//! Counts things by key.

use std::collections::BTreeMap;

/// Counts things by key. There are never more keys than things.
#[derive(Debug)]
pub struct Census<K> {
    counts: BTreeMap<K, u32>,
}

impl<K: Copy + Ord> Census<K> {
    /// How many things have this key.
    pub fn count(&self, key: K) -> u64 {
        self.counts.get(&key).map_or(0, |count| u64::from(*count))
    }

    /// Adds one.
    pub fn add(&mut self, key: K) {
        *self.counts.entry(key).or_default() += 1;
    }

    /// Removes one.
    pub fn remove(&mut self, key: K) {
        if let Some(count) = self.counts.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&key);
            }
        }
    }

    /// How many there are in total.
    pub fn sum(&self) -> u64 {
        self.counts.values().map(|count| u64::from(*count)).sum()
    }
}

impl<K> Default for Census<K> {
    fn default() -> Self {
        Self { counts: BTreeMap::new() }
    }
}
