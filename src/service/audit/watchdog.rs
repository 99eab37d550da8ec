//! Watches the writer from beside it: a disk that does not answer gives no error, so somebody else
//! has to say that the log cannot be written.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::shared::Shared;

/// How often the writer is looked at while it works.
const LOOK: Duration = Duration::from_secs(1);

/// After how many looks at the same piece of work the writer is stuck: no client waits longer for
/// its record.
const LOOKS: u32 = 10;

/// What the writer is doing.
#[derive(Debug, Default)]
pub struct Work {
    state: Mutex<State>,
    begun: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the present piece of work, if there is one.
    at: Option<u64>,
    /// How many there have been.
    pieces: u64,
    /// Whether the watchdog found the writer stuck in the present one.
    stuck: bool,
    /// Whether the watchdog sleeps until the next one begins.
    asleep: bool,
    over: bool,
}

impl Work {
    /// A piece of work begins, and the one before has come to its end. Passes `then` whether the
    /// writer was stuck in that.
    pub fn begin<T>(&self, then: impl FnOnce(bool) -> T) -> T {
        let mut state = self.lock();
        state.pieces += 1;
        state.at = Some(state.pieces);
        if std::mem::take(&mut state.asleep) {
            self.begun.notify_one();
        }
        then(std::mem::take(&mut state.stuck))
    }

    /// The present piece of work goes on: the disk has answered, and has more to do. If the writer was
    /// found stuck, that holds until all of it is done.
    pub fn go_on(&self) {
        let mut state = self.lock();
        if state.at.is_some() {
            state.pieces += 1;
            state.at = Some(state.pieces);
        }
    }

    /// How often the writer has shown that it is not stuck.
    #[cfg(test)]
    pub fn pieces(&self) -> u64 {
        self.lock().pieces
    }

    /// The writer has nothing to do. Returns whether it was stuck before.
    pub fn rest(&self) -> bool {
        let mut state = self.lock();
        state.at = None;
        std::mem::take(&mut state.stuck)
    }

    fn end(&self) {
        self.lock().over = true;
        self.begun.notify_one();
    }

    /// Calls `stuck` each time the writer is found stuck, until all is over.
    fn watch(&self, mut stuck: impl FnMut()) {
        let mut state = self.lock();
        let (mut seen, mut looks) = (None, 0);
        while !state.over {
            if state.at.is_none() || state.stuck {
                state.asleep = true;
                let idle = |state: &mut State| state.asleep && !state.over;
                let woken = self.begun.wait_while(state, idle);
                state = woken.unwrap_or_else(PoisonError::into_inner);
                (seen, looks) = (state.at, 0);
                continue;
            }
            let waited = self.begun.wait_timeout_while(state, LOOK, |state| !state.over);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            looks = if state.at == seen { looks + 1 } else { 0 };
            seen = state.at;
            if looks >= LOOKS && seen.is_some() {
                state.stuck = true;
                stuck();
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that watches. It ends when this is dropped.
pub struct Watchdog {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Starts the thread.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(shared: &Arc<Shared>) -> io::Result<Self> {
        let watched = Arc::clone(shared);
        let thread = thread::Builder::new()
            .name("audit-watchdog".to_owned())
            .spawn(move || watched.work.watch(|| watched.is_stuck()))?;
        Ok(Self { shared: Arc::clone(shared), thread: Some(thread) })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.work.end();
        // It has nothing left to do; a panic in it has already been logged.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
