//! Holds event loops up in the middle of a turn, so that a test decides what has happened before they go on. A loop calls its
//! journal in each turn, and the journal waits.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use autamedica_signaling::{Entry, Journal, Server};

use super::PATIENCE;

/// How many loops a server here may have.
const LOOPS_MAX: usize = 2;

/// Where a loop can be held up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Each turn, after the loop has seen whether it stops, and before it reads anything.
    Begin,
    /// Late in a turn that has taken entries for the log: nothing more is received in it.
    End,
}

/// Decides which loops go on.
#[derive(Clone, Debug, Default)]
pub struct Gatekeeper(Arc<(Mutex<[State; LOOPS_MAX]>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    /// Where the loop is to be held up.
    closed: Option<Place>,
    /// Where it is held up.
    held: Option<Place>,
    /// How many turns have begun.
    turns: u64,
    /// How many times it goes on though it is held up.
    passes: u64,
}

impl Gatekeeper {
    /// One for all loops of a server.
    pub fn of(server: &mut Server) -> Self {
        let (gate, mut index) = (Self::default(), 0..LOOPS_MAX);
        server.keep_journals(|| {
            let index = index.next().expect("not so many loops");
            Box::new(Log { gate: gate.clone(), index, number: 0 })
        });
        gate
    }

    fn states(&self) -> MutexGuard<'_, [State; LOOPS_MAX]> {
        self.0.0.lock().expect("no panic")
    }

    fn wait<'a>(
        &'a self,
        states: MutexGuard<'a, [State; LOOPS_MAX]>,
        until: impl Fn(&[State; LOOPS_MAX]) -> bool,
    ) -> MutexGuard<'a, [State; LOOPS_MAX]> {
        let goes_on = |states: &mut [State; LOOPS_MAX]| !until(states);
        let (states, waited) =
            self.0.1.wait_timeout_while(states, PATIENCE, goes_on).expect("no panic");
        assert!(!waited.timed_out(), "waited for the event loops");
        states
    }

    /// Called by a loop that gets to a place: goes on once it is open.
    fn pass(&self, index: usize, place: Place) {
        let mut states = self.states();
        states[index].turns += u64::from(place == Place::Begin);
        states[index].held = Some(place).filter(|place| states[index].closed == Some(*place));
        self.0.1.notify_all();
        let goes_on = |state: &State| state.closed != Some(place) || state.passes > 0;
        let mut states = self.wait(states, |states| goes_on(&states[index]));
        let state = &mut states[index];
        if state.held.take().is_some() {
            state.passes = state.passes.saturating_sub(1);
        }
    }

    /// From now on this loop is held up at this place alone.
    pub fn close(&self, index: usize, place: Option<Place>) {
        self.states()[index].closed = place;
        self.0.1.notify_all();
    }

    pub fn wait_until_held(&self, index: usize, place: Place) {
        drop(self.wait(self.states(), |states| states[index].held == Some(place)));
    }

    /// Lets a loop that is held up go on until it is held up in its next turn.
    pub fn step(&self, index: usize, act: impl FnOnce()) {
        act();
        let mut states = self.states();
        states[index].passes += 1;
        let next = states[index].turns + 1;
        self.0.1.notify_all();
        drop(
            self.wait(states, |states| states[index].turns == next && states[index].held.is_some()),
        );
    }

    pub fn turns(&self, index: usize) -> u64 {
        self.states()[index].turns
    }

    pub fn wait_for_turn(&self, index: usize, turn: u64) {
        drop(self.wait(self.states(), |states| states[index].turns >= turn));
    }
}

/// The journal of one loop, whose disk is quick.
struct Log {
    gate: Gatekeeper,
    index: usize,
    number: u64,
}

impl Journal for Log {
    fn take(&mut self, _entry: &Entry<'_>) -> Option<u64> {
        self.number += 1;
        Some(self.number)
    }

    fn publish(&mut self, _awaited: bool) {
        self.gate.pass(self.index, Place::End);
    }

    fn durable(&self) -> u64 {
        self.number
    }

    fn is_available(&self) -> bool {
        self.gate.pass(self.index, Place::Begin);
        true
    }
}
