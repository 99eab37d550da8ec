//! What threads outside of the loops have of them, and what the loops have of each other.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use mio::Waker;

use super::commands::Letter;
use super::counters::{Counters, Snapshot};
use super::tls::Tls;
use crate::admission::door::Rules;

#[derive(Debug)]
pub(super) struct Shared {
    /// One for each reactor, by its number.
    pub(super) lanes: Vec<Lane>,
    /// Whether it was told to stop.
    pub(super) stop: AtomicBool,
    /// How many signals have told it so: the second means at once.
    pub(super) signals: AtomicU32,
    /// How many of the loops have not ended.
    pub(super) running: AtomicUsize,
    pub(super) reload: AtomicBool,
    pub(super) local_addr: SocketAddr,
}

/// What others do for one reactor, and see of it.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) waker: Waker,
    /// What newcomers are to be shown from the next turn on.
    pub(super) tls: Mutex<Option<Tls>>,
    /// What decides from then on who may come in.
    pub(super) rules: Mutex<Option<Rules>>,
    pub(super) counters: Counters,
    pub(super) letters: mpsc::Sender<Letter>,
}

impl Shared {
    /// Lets a reactor look at once at what others do for it.
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

    /// Says good-bye to everybody (close code 1012) and ends the loop. Returns at once.
    pub fn shutdown(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether it has been told to stop, by [`Handle::shutdown`] or a signal.
    pub fn is_stopping(&self) -> bool {
        self.shared.stop.load(Ordering::Acquire)
    }

    /// Has what was read from files at the start read again, as SIGHUP does. Returns at once; what came of it is logged.
    pub fn reload(&self) {
        self.shared.reload.store(true, Ordering::Release);
        self.wake();
    }

    /// Shows newcomers another certificate. Whoever is connected stays so. Changes nothing where there was none at the start:
    /// a port does not begin to speak TLS. Returns at once.
    pub fn use_tls(&self, tls: Tls) {
        let lanes = &self.shared.lanes;
        for (lane, tls) in lanes.iter().zip(vec![tls; lanes.len()]) {
            // Nothing is done under the lock that could leave it half done.
            let mut next = lane.tls.lock().unwrap_or_else(|broken| broken.into_inner());
            *next = Some(tls);
        }
        self.wake();
    }

    /// Has others decide who may come in. Whoever is connected stays so. Returns at once.
    pub fn use_rules(&self, rules: Rules) {
        let lanes = &self.shared.lanes;
        for (lane, rules) in lanes.iter().zip(vec![rules; lanes.len()]) {
            // Nothing is done under the lock that could leave it half done.
            let mut next = lane.rules.lock().unwrap_or_else(|broken| broken.into_inner());
            *next = Some(rules);
        }
        self.wake();
    }

    /// Lets the loops look at once at what others do for them.
    pub fn wake(&self) {
        self.shared.wake_all();
    }

    /// What was counted up to the last turn, over all reactors.
    pub fn counters(&self) -> Snapshot {
        let lanes = self.shared.lanes.iter().map(|lane| lane.counters.read());
        lanes.fold(Snapshot::default(), |sum, lane| sum.and(&lane))
    }
}

/// The end of a loop, however it comes about. The rooms of the others would go on without it, but whoever belongs to one of
/// its own, or is told to go there, would wait for nothing.
pub(super) struct End(pub(super) Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Release);
        self.0.running.fetch_sub(1, Ordering::AcqRel);
        // The first hears signals for all, and waits for this.
        self.0.wake_all();
    }
}
