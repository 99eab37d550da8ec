//! When the loops of a server that stops may end. They wait for each other: a request may have to
//! go from the loop that accepted it to the one that has its session, so none ends while another
//! still has somebody to tell, or while a connection is on its way to it.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How far each loop is. A lock protects it; it is taken only when a connection moves, and in the
/// turns of a server that stops.
#[derive(Debug)]
pub(super) struct Ending {
    loops: Mutex<Vec<Loop>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Loop {
    stage: Stage,
    /// How many connections are on their way to it.
    incoming: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// It serves clients, or has yet to tell some of them that the server stops.
    #[default]
    Busy,
    /// It has nobody left to tell.
    Told,
    /// It handles nothing any more.
    Ended,
}

impl Ending {
    /// So many loops begin.
    pub(super) fn of(count: usize) -> Self {
        Self { loops: Mutex::new(vec![Loop::default(); count]) }
    }

    /// How many loops have not ended.
    pub(super) fn running(&self) -> usize {
        self.loops().iter().filter(|one| one.stage != Stage::Ended).count()
    }

    /// A connection is about to be sent to this loop. `false`: the loop has ended.
    pub(super) fn send_to(&self, index: usize) -> bool {
        match self.loops().get_mut(index) {
            Some(one) if one.stage != Stage::Ended => {
                one.incoming += 1;
                true
            }
            _ => false,
        }
    }

    /// This loop has taken over a connection that was sent to it, and has it to tell now.
    pub(super) fn received_by(&self, index: usize) {
        if let Some(one) = self.loops().get_mut(index) {
            one.incoming = one.incoming.saturating_sub(1);
            if one.stage == Stage::Told {
                one.stage = Stage::Busy;
            }
        }
    }

    /// This loop says whether it has told everybody. Returns `true` if the others should know,
    /// because it had not before.
    pub(super) fn report(&self, index: usize, has_told: bool) -> bool {
        let stage = if has_told { Stage::Told } else { Stage::Busy };
        let mut loops = self.loops();
        let Some(one) = loops.get_mut(index).filter(|one| one.stage != Stage::Ended) else {
            return false;
        };
        mem::replace(&mut one.stage, stage) != stage && has_told
    }

    /// Ends this loop, if all that have not ended have told everybody and no connection is on its
    /// way to one of them. Returns whether it did: then nothing is sent to it any more.
    pub(super) fn try_end(&self, index: usize) -> bool {
        let mut loops = self.loops();
        let is_ready = |one: &Loop| match one.stage {
            Stage::Busy => false,
            Stage::Told => one.incoming == 0,
            Stage::Ended => true,
        };
        let ends = loops.iter().all(is_ready);
        if ends && let Some(one) = loops.get_mut(index) {
            one.stage = Stage::Ended;
        }
        ends
    }

    /// This loop has ended, whatever the others do.
    pub(super) fn ended(&self, index: usize) {
        if let Some(one) = self.loops().get_mut(index) {
            one.stage = Stage::Ended;
        }
    }

    fn loops(&self) -> MutexGuard<'_, Vec<Loop>> {
        // Nothing is done under the lock that could leave it half done.
        self.loops.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_told(count: usize) -> Ending {
        let ending = Ending::of(count);
        (0..count).for_each(|index| assert!(ending.report(index, true)));
        ending
    }

    #[test]
    fn none_ends_before_all_have_told() {
        let ending = Ending::of(2);
        assert!(!ending.try_end(0));
        assert!(ending.report(0, true) && !ending.report(0, true), "the others are told once");
        assert!(!ending.try_end(0) && !ending.try_end(1));
        assert!(ending.report(1, true));
        assert!(ending.try_end(0));
        assert_eq!(ending.running(), 1);
        assert!(ending.try_end(1));
        assert_eq!(ending.running(), 0);
    }

    #[test]
    fn none_ends_while_a_connection_is_on_its_way() {
        let ending = all_told(2);
        assert!(ending.send_to(1));
        assert!(!ending.try_end(0) && !ending.try_end(1), "neither sees it any more, or yet");
        ending.received_by(1);
        assert!(!ending.try_end(0) && !ending.try_end(1), "it has to be told");
        assert!(!ending.report(1, false) && ending.report(1, true));
        assert!(ending.try_end(1) && ending.try_end(0));
    }

    #[test]
    fn several_on_their_way_count_each() {
        let ending = all_told(2);
        assert!(ending.send_to(0) && ending.send_to(0));
        ending.received_by(0);
        ending.report(0, true);
        assert!(!ending.try_end(1));
        ending.received_by(0);
        ending.report(0, true);
        assert!(ending.try_end(1));
    }

    #[test]
    fn nothing_is_sent_to_a_loop_that_has_ended() {
        let ending = all_told(2);
        assert!(ending.try_end(1));
        assert!(!ending.send_to(1) && !ending.send_to(2));
        assert!(ending.try_end(0), "and nothing waits for it");
    }

    #[test]
    fn who_comes_late_to_one_loop_keeps_those_that_have_not_ended() {
        let ending = all_told(3);
        assert!(ending.try_end(0));
        ending.report(1, false);
        assert!(!ending.try_end(1) && !ending.try_end(2), "that connection may have to move");
        assert!(ending.report(1, true) && ending.try_end(2) && ending.try_end(1));
    }

    #[test]
    fn a_loop_that_breaks_keeps_nobody_whatever_was_on_its_way_to_it() {
        let ending = Ending::of(2);
        assert!(ending.send_to(1));
        ending.ended(1);
        assert!(!ending.report(1, true), "it says nothing any more");
        assert!(ending.report(0, true) && ending.try_end(0));
    }
}
