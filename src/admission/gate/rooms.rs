//! Counts rooms over all engines, without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many rooms there are, and how many of them stand empty. Each engine has one, and those made
/// beside each other count together.
#[derive(Debug, Default)]
pub struct RoomCount {
    all: Arc<Totals>,
    /// How many of the empty rooms are this engine's.
    own_empty: usize,
}

#[derive(Debug, Default)]
struct Totals {
    rooms: AtomicUsize,
    empty: AtomicUsize,
}

impl RoomCount {
    /// The count of another engine; each knows the rooms of both.
    pub(super) fn beside(&self) -> Self {
        Self { all: Arc::clone(&self.all), own_empty: 0 }
    }

    /// How many rooms there are.
    pub fn count(&self) -> usize {
        self.all.rooms.load(Ordering::Acquire)
    }

    /// Whether there may be one more room within `max`, possibly because an empty one can be
    /// forgotten for it. If several ask at the same moment, each of them may be told yes.
    pub fn admits(&self, max: usize) -> bool {
        let empty = self.all.empty.load(Ordering::Acquire);
        self.count().saturating_sub(empty) < max
    }

    /// There is one more room.
    pub fn add(&mut self) {
        self.all.rooms.fetch_add(1, Ordering::AcqRel);
    }

    /// A room is gone.
    pub fn lose(&mut self) {
        self.lose_above(0);
    }

    /// Takes a room out of the count if there are more than `max`. The caller that gets `true` must
    /// forget one of its own rooms; nobody else forgets one for the same reason.
    pub fn lose_above(&mut self, max: usize) -> bool {
        let less = |rooms: usize| if rooms > max { rooms.checked_sub(1) } else { None };
        self.all.rooms.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).is_ok()
    }

    /// Sets how many of this engine's rooms are empty now.
    pub fn set_empty(&mut self, count: usize) {
        let before = std::mem::replace(&mut self.own_empty, count);
        let all = &self.all.empty;
        match count.checked_sub(before) {
            Some(more) => all.fetch_add(more, Ordering::AcqRel),
            None => all.fetch_sub(before - count, Ordering::AcqRel),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_engines_see_the_rooms_of_each() {
        let mut one = RoomCount::default();
        let mut other = one.beside();
        one.add();
        other.add();
        other.lose();
        assert_eq!((one.count(), other.count()), (1, 1));
        one.lose();
        one.lose();
        assert_eq!(other.count(), 0, "never fewer than none");
    }

    #[test]
    fn a_room_that_stands_empty_anywhere_makes_place_for_another_and_is_forgotten_once() {
        let mut one = RoomCount::default();
        let mut other = one.beside();
        one.add();
        one.add();
        assert!(!other.admits(2));
        one.set_empty(2);
        one.set_empty(1);
        assert!(other.admits(2) && one.admits(2));
        other.add();
        assert!(!other.admits(2) && !one.admits(2), "that place is given away");
        assert!(one.lose_above(2) && !other.lose_above(2));
        one.set_empty(0);
        assert_eq!(one.count(), 2);
        assert!(!other.admits(2) && other.admits(3));
    }
}
