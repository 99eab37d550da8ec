//! What reactors and the writer share: the queue, and its state.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::time::WallTime;

use super::key_file::Keys;
use super::queue::{Item, Queue};
use super::{Entry, Gauges, OwnRecord};

type Wake = Arc<dyn Fn() + Send + Sync>;

/// Shared between threads.
#[derive(Default)]
pub struct Shared {
    waiting: Mutex<Waiting>,
    woken: Condvar,
    /// The number up to which everything is durable.
    pub durable: AtomicU64,
    /// Whether the log cannot be written now.
    pub unavailable: AtomicBool,
    told: AtomicU64,
    gauges: Mutex<Gauges>,
    wakes: Mutex<Vec<Wake>>,
    keys: Mutex<Option<Keys>>,
    finished: Mutex<bool>,
    finish: Condvar,
}

/// What the writer waits for.
#[derive(Default)]
pub struct Waiting {
    /// What is to be written.
    pub entries: Queue,
    /// Whether it is to come to an end.
    pub closing: bool,
    /// Whether somebody waits for one of the entries.
    awaited: bool,
    /// Whether the writer sleeps until something comes, and not just for a moment.
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

    /// Puts something of the server's own into the queue.
    pub fn note(&self, time: WallTime, own: OwnRecord) {
        lock(&self.waiting).entries.note(time, own);
    }

    /// Has what waits written within a moment.
    pub fn wake_writer(&self) {
        if lock(&self.waiting).asleep {
            self.woken.notify_one();
        }
    }

    /// Has what waits written now.
    pub fn hurry(&self) {
        lock(&self.waiting).awaited = true;
        self.woken.notify_one();
    }

    /// Tells the writer to come to an end.
    pub fn close(&self) {
        lock(&self.waiting).closing = true;
        self.woken.notify_one();
    }

    /// Waits at most `timeout` for the writer's end; whether it has come.
    pub fn wait_finished(&self, timeout: Duration) -> bool {
        let finished = lock(&self.finished);
        let waited = self.finish.wait_timeout_while(finished, timeout, |finished| !*finished);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// The writer has come to its end.
    pub fn finish(&self) {
        *lock(&self.finished) = true;
        self.finish.notify_all();
    }

    /// The queue, once somebody waits for an entry, or there is one and `linger` has passed, or it is to close, or all of
    /// `timeout` has passed.
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

    /// The queue once `timeout` has passed, or it is to close.
    pub fn pause(&self, timeout: Duration) -> MutexGuard<'_, Waiting> {
        let goes_on = |waiting: &mut Waiting| !waiting.closing;
        let waited = self.woken.wait_timeout_while(lock(&self.waiting), timeout, goes_on);
        let mut waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        waiting.awaited = false;
        waiting
    }

    /// The same, or once somebody waits for an entry.
    fn rest(&self, timeout: Duration) -> MutexGuard<'_, Waiting> {
        let in_no_hurry = |waiting: &mut Waiting| !waiting.closing && !waiting.awaited;
        let waited = self.woken.wait_timeout_while(lock(&self.waiting), timeout, in_no_hurry);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Frees the room of what is durable.
    pub fn release(&self, items: &[(u64, Item)]) {
        lock(&self.waiting).entries.release(items);
    }

    /// The keys that were read anew, where there are some.
    pub fn new_keys(&self) -> Option<Keys> {
        lock(&self.keys).take()
    }

    /// Hands the writer keys that were read anew.
    pub fn use_keys(&self, keys: Keys) {
        *lock(&self.keys) = Some(keys);
    }

    /// Says how it stands, and wakes the reactors where that is news.
    pub fn publish(&self, unavailable: bool, update: impl FnOnce(&mut Gauges)) {
        update(&mut lock(&self.gauges));
        let before = self.unavailable.swap(unavailable, Ordering::AcqRel);
        let durable = self.durable.load(Ordering::Acquire);
        if self.told.swap(durable, Ordering::AcqRel) != durable || before != unavailable {
            let wakes = lock(&self.wakes).clone();
            wakes.iter().for_each(|wake| wake());
        }
    }

    /// Calls `wake` after each change from now on.
    pub fn on_change(&self, wake: Wake) {
        lock(&self.wakes).push(wake);
    }

    /// How it stands.
    pub fn gauges(&self) -> Gauges {
        let (queued, dropped) = lock(&self.waiting).entries.sizes();
        let available = !self.unavailable.load(Ordering::Acquire);
        Gauges { queued, dropped, available, ..*lock(&self.gauges) }
    }
}

/// Nothing here is left half done by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
