//! Wakes a loop at an exact time. The loop's own wait counts in whole milliseconds, and a client
//! that sends up to a millisecond late would make the server look slow.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use mio::Waker;

/// Ends when it is dropped.
pub struct Alarm {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    next: Mutex<Next>,
    changed: Condvar,
}

enum Next {
    Nothing,
    At(Instant),
    End,
}

impl Alarm {
    pub fn new(waker: Waker) -> Self {
        let shared = Arc::new(Shared { next: Mutex::new(Next::Nothing), changed: Condvar::new() });
        let theirs = Arc::clone(&shared);
        let thread = Some(thread::spawn(move || ring(&theirs, &waker)));
        Self { shared, thread }
    }

    /// Sets the time. It replaces the one that was set before.
    pub fn set(&self, at: Instant) {
        *self.shared.lock() = Next::At(at);
        self.shared.changed.notify_one();
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        *self.shared.lock() = Next::End;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It can fail only by a panic, which has been printed.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Next> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ring(shared: &Shared, waker: &Waker) {
    let mut next = shared.lock();
    loop {
        let wait = match *next {
            Next::End => return,
            Next::Nothing => None,
            Next::At(at) => Some(at.saturating_duration_since(Instant::now())),
        };
        next = match wait {
            None => shared.changed.wait(next).unwrap_or_else(PoisonError::into_inner),
            Some(wait) if wait.is_zero() => {
                // The loop checks the time by itself too, so a lost call costs only a moment.
                let _ = waker.wake();
                *next = Next::Nothing;
                next
            }
            Some(wait) => {
                let waited = shared.changed.wait_timeout(next, wait);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}
