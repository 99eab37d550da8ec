//! What threads outside the loops can see and do with them, and what the loops share with each
//! other.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use mio::Waker;

use super::commands::Letter;
use super::counters::{Counters, Snapshot};
use super::ending::Ending;
use super::tls::Tls;
use crate::admission::door::Rules;

#[derive(Debug)]
pub(super) struct Shared {
    /// One for each reactor, by its number.
    pub(super) lanes: Vec<Lane>,
    /// Whether it was told to stop.
    pub(super) stop: AtomicBool,
    /// How many signals have told it to stop: the second means at once.
    pub(super) signals: AtomicU32,
    /// When they may end.
    pub(super) ending: Ending,
    pub(super) reload: AtomicBool,
    pub(super) local_addr: SocketAddr,
}

/// What other threads can set for one reactor, and see of it.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) waker: Waker,
    /// The certificate that newcomers are shown from the next turn on.
    pub(super) tls: Mutex<Option<Tls>>,
    /// The new rules of admission.
    pub(super) rules: Mutex<Option<Rules>>,
    pub(super) counters: Counters,
    pub(super) letters: mpsc::Sender<Letter>,
}

impl Shared {
    /// Wakes the reactor, so that it looks at its mailbox at once.
    pub(super) fn wake(&self, index: usize) {
        if let Some(lane) = self.lanes.get(index) {
            // A waker fails only where the loop is gone, and then there is nobody to wake.
            let _ = lane.waker.wake();
        }
    }

    pub(super) fn wake_all(&self) {
        (0..self.lanes.len()).for_each(|index| self.wake(index));
    }
}

/// Talks to the running reactors of a server from another thread.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) shared: Arc<Shared>,
}

impl Handle {
    /// The address that it listens on, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local_addr
    }

    /// Starts a graceful shutdown: tells everybody to come back (close code 1012) and ends the
    /// loop. Returns at once.
    pub fn shutdown(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether it has been told to stop, by [`Handle::shutdown`] or a signal.
    pub fn is_stopping(&self) -> bool {
        self.shared.stop.load(Ordering::Acquire)
    }

    /// Reads the files that were read at the start again, as SIGHUP does. Returns at once; the
    /// result is logged.
    pub fn reload(&self) {
        self.shared.reload.store(true, Ordering::Release);
        self.wake();
    }

    /// Shows newcomers another certificate. Connected clients stay connected. Changes nothing if
    /// there was no certificate at the start: a port does not begin to speak TLS. Returns at once.
    pub fn use_tls(&self, tls: Tls) {
        let lanes = &self.shared.lanes;
        for (lane, tls) in lanes.iter().zip(vec![tls; lanes.len()]) {
            // Nothing is done under the lock that could leave it half done.
            let mut next = lane.tls.lock().unwrap_or_else(|broken| broken.into_inner());
            *next = Some(tls);
        }
        self.wake();
    }

    /// Replaces the rules of admission. Connected clients stay connected. Returns at once.
    pub fn use_rules(&self, rules: Rules) {
        let lanes = &self.shared.lanes;
        for (lane, rules) in lanes.iter().zip(vec![rules; lanes.len()]) {
            // Nothing is done under the lock that could leave it half done.
            let mut next = lane.rules.lock().unwrap_or_else(|broken| broken.into_inner());
            *next = Some(rules);
        }
        self.wake();
    }

    /// Wakes the loops, so that they look at their mailboxes at once.
    pub fn wake(&self) {
        self.shared.wake_all();
    }

    /// The counters up to the last turn, over all reactors.
    pub fn counters(&self) -> Snapshot {
        let lanes = self.shared.lanes.iter().map(|lane| lane.counters.read());
        lanes.fold(Snapshot::default(), |sum, lane| sum.and(&lane))
    }
}

/// The end of a loop, however it happens. The rooms of the other loops could go on, but connections
/// that belong to one of its rooms, or are sent there, would wait for nothing.
pub(super) struct End {
    pub(super) shared: Arc<Shared>,
    pub(super) index: usize,
}

impl Drop for End {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.ending.ended(self.index);
        // The first reactor receives signals for all, and waits for this.
        self.shared.wake_all();
    }
}
