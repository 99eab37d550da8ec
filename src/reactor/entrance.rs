//! The entrance that all reactors of a server share: how many connections there are, how many
//! requests are arriving, and how many may come in. A lock is taken only when a connection arrives
//! or its request is complete.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::admission::gate::{Census, Network};
use crate::base::bucket::{Bucket, Rate};
use crate::base::time::{Duration, Instant};

/// The counts over all reactors.
#[derive(Debug, Default)]
pub(super) struct Entrance {
    connections: AtomicUsize,
    /// Connections that were accepted and have not come in yet.
    waiting: AtomicUsize,
    /// Connections that wait or whose request head is still arriving, by network.
    heads: Mutex<Census<Network>>,
    /// How many may come in now.
    newcomers: Mutex<Bucket>,
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
        lock(&self.heads).add(network);
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a connection of this network no longer waits.
    pub(super) fn call(&self, network: Network) {
        lock(&self.heads).remove(network);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// Lets a connection of this network in, whose request head is still to come. Returns how many
    /// connections there were before.
    pub(super) fn enter(&self, network: Network) -> usize {
        lock(&self.heads).add(network);
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts a session without a socket of its own as one more connection. Returns `false` if
    /// there are `max` already.
    pub(super) fn add_place(&self, max: usize) -> bool {
        let more = |count: usize| (count < max).then_some(count + 1);
        self.connections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// How many connections of a network wait or are sending their request head.
    pub(super) fn heads_of(&self, network: Network) -> u64 {
        lock(&self.heads).count(network)
    }

    /// Notes that a request head is complete, or never will be.
    pub(super) fn pass(&self, network: Network) {
        lock(&self.heads).remove(network);
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
