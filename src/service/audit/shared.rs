//! The state shared by the reactors and the writer: the queue and its flags.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::time::WallTime;

use super::key_file::Keys;
use super::queue::{Item, Queue};
use super::watchdog::Work;
use super::{Entry, Gauges, OwnRecord};

type Wake = Arc<dyn Fn() + Send + Sync>;

/// The shared state.
#[derive(Default)]
pub struct Shared {
    waiting: Mutex<Waiting>,
    woken: Condvar,
    /// What the writer is doing.
    pub work: Work,
    /// The number up to which everything is durable.
    pub durable: AtomicU64,
    /// Whether the log cannot be written at present.
    pub unavailable: AtomicBool,
    told: AtomicU64,
    gauges: Mutex<Gauges>,
    wakes: Mutex<Vec<Wake>>,
    keys: Mutex<Option<Keys>>,
    stage: Mutex<Stage>,
    reached: Condvar,
}

/// How far the writer has come with its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// There may still be something to write.
    #[default]
    Writing,
    /// All that could be written is written, and the folder is given back.
    Written,
    /// The thread has nothing left to do.
    Over,
}

/// What the writer waits for.
#[derive(Default)]
pub struct Waiting {
    /// The entries to be written.
    pub entries: Queue,
    /// Whether the writer must finish.
    pub closing: bool,
    /// Whether somebody waits for one of the entries.
    awaited: bool,
    /// Whether the writer sleeps until something arrives, and not only for a moment.
    asleep: bool,
}

impl Waiting {
    fn is_idle(&self) -> bool {
        !self.closing && !self.awaited && self.entries.is_empty()
    }
}

impl Shared {
    /// Puts an entry into the queue.
    pub fn take(&self, entry: Entry) -> Option<u64> {
        lock(&self.waiting).entries.take(entry)
    }

    /// Puts a record about the server itself into the queue.
    pub fn note(&self, time: WallTime, own: OwnRecord) {
        lock(&self.waiting).entries.note(time, own);
    }

    /// Wakes the writer, so that the waiting entries are written within a moment.
    pub fn wake_writer(&self) {
        let waiting = lock(&self.waiting);
        if waiting.asleep || waiting.entries.is_urgent() {
            self.woken.notify_one();
        }
    }

    /// Wakes the writer, so that the waiting entries are written now.
    pub fn hurry(&self) {
        lock(&self.waiting).awaited = true;
        self.woken.notify_one();
    }

    /// Tells the writer to finish.
    pub fn close(&self) {
        lock(&self.waiting).closing = true;
        self.woken.notify_one();
    }

    /// Waits at most `timeout` until all is over; returns how far the writer has come.
    pub fn wait_over(&self, timeout: Duration) -> Stage {
        let stage = lock(&self.stage);
        let waited = self.reached.wait_timeout_while(stage, timeout, |now| *now < Stage::Over);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Notes how far the writer has come.
    pub fn reach(&self, stage: Stage) {
        *lock(&self.stage) = stage;
        self.reached.notify_all();
    }

    /// Waits for work, and returns the queue: as soon as somebody waits for an entry or the writer
    /// must finish, once there are entries and `linger` has passed, or after `timeout`.
    pub fn wait(&self, linger: Duration, timeout: Duration) -> MutexGuard<'_, Waiting> {
        let mut waiting = self.rest(linger.min(timeout));
        if waiting.is_idle() {
            waiting.asleep = true;
            let idle = |waiting: &mut Waiting| waiting.is_idle();
            let left = timeout.saturating_sub(linger);
            let waited = self.woken.wait_timeout_while(waiting, left, idle);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
            waiting.asleep = false;
            if !waiting.is_idle() && !waiting.awaited && !waiting.closing {
                drop(waiting);
                waiting = self.rest(linger);
            }
        }
        waiting.awaited = false;
        waiting
    }

    /// Returns the queue after `timeout`, or as soon as the writer must finish; if it `heeds` that,
    /// also as soon as something urgent waits.
    pub fn pause(&self, timeout: Duration, heeds: bool) -> MutexGuard<'_, Waiting> {
        let goes_on = |waiting: &mut Waiting| {
            let is_over = waiting.closing || (heeds && waiting.entries.is_urgent());
            !is_over
        };
        let waited = self.woken.wait_timeout_while(lock(&self.waiting), timeout, goes_on);
        let mut waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        waiting.awaited = false;
        waiting
    }

    /// The same, but also returns as soon as somebody waits for an entry.
    fn rest(&self, timeout: Duration) -> MutexGuard<'_, Waiting> {
        let in_no_hurry = |waiting: &mut Waiting| !waiting.closing && !waiting.awaited;
        let waited = self.woken.wait_timeout_while(lock(&self.waiting), timeout, in_no_hurry);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Frees the room of durable items: the first `durable` of those that the writer holds.
    pub fn release(&self, items: &[(u64, Item)], durable: usize) {
        lock(&self.waiting).entries.release(items, durable);
    }

    /// Takes the keys that were read again, if there are any.
    pub fn new_keys(&self) -> Option<Keys> {
        lock(&self.keys).take()
    }

    /// Passes the writer keys that were read again.
    pub fn use_keys(&self, keys: Keys) {
        *lock(&self.keys) = Some(keys);
    }

    /// Publishes the state, and wakes the reactors if it has changed. Returns whether the writer was
    /// stuck until now.
    pub fn publish(&self, unavailable: bool, update: impl FnOnce(&mut Gauges)) -> bool {
        update(&mut lock(&self.gauges));
        let set = |stuck| (stuck, self.unavailable.swap(unavailable, Ordering::AcqRel));
        let (stuck, before) = self.work.begin(set);
        let durable = self.durable.load(Ordering::Acquire);
        if self.told.swap(durable, Ordering::AcqRel) != durable || before != unavailable {
            self.wake_reactors();
        }
        stuck
    }

    /// The writer does not come to an end with what it does: the log cannot be written.
    pub fn is_stuck(&self) {
        if !self.unavailable.swap(true, Ordering::AcqRel) {
            log::error!(
                "the audit log cannot be written: its disk does not answer; nobody is admitted \
                 until it does"
            );
            self.wake_reactors();
        }
    }

    fn wake_reactors(&self) {
        let wakes = lock(&self.wakes).clone();
        wakes.iter().for_each(|wake| wake());
    }

    /// Calls `wake` after each change from now on.
    pub fn on_change(&self, wake: Wake) {
        lock(&self.wakes).push(wake);
    }

    /// The state of the log.
    pub fn gauges(&self, now: WallTime) -> Gauges {
        let (queued, dropped, oldest) = {
            let waiting = lock(&self.waiting);
            let (queued, dropped) = waiting.entries.sizes();
            (queued, dropped, waiting.entries.oldest())
        };
        let available = !self.unavailable.load(Ordering::Acquire);
        let waited = oldest.map_or(0, |oldest| now.as_millis().saturating_sub(oldest.as_millis()));
        let lag_ms = u64::try_from(waited).unwrap_or(0);
        Gauges { queued, dropped, available, lag_ms, ..*lock(&self.gauges) }
    }
}

/// A panic leaves nothing half done here, so a poisoned lock is still usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
