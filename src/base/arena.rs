//! Slots with stable indices whose keys go stale when the slot is freed.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::num::NonZeroU32;

use slab::Slab;

/// A [`Slab`] whose keys carry a generation: a key that is kept after its entry was removed finds
/// nothing, even if the slot has been reused.
#[derive(Debug)]
pub struct Arena<T> {
    slots: Slab<T>,
    /// The generation of each slot. Kept in a vector of its own, because padding beside an entry
    /// would make 8 bytes of it.
    generations: Vec<u32>,
    next_generation: u32,
}

/// Names one entry of an [`Arena`]: a dense index, which other tables may use too, and a
/// generation.
pub struct Key<T> {
    /// One more than the index, so that an `Option` of a key takes no more space than a key.
    number: NonZeroU32,
    generation: u32,
    of: PhantomData<fn() -> T>,
}

impl<T> Arena<T> {
    /// An empty arena, which allocates nothing yet.
    pub const fn new() -> Self {
        Self { slots: Slab::new(), generations: Vec::new(), next_generation: 0 }
    }

    /// An empty arena with memory for this many entries. The system provides the memory as it is
    /// used, and entries are never moved.
    pub fn with_capacity(entries: usize) -> Self {
        let generations = Vec::with_capacity(entries);
        Self { slots: Slab::with_capacity(entries), generations, next_generation: 0 }
    }

    /// Puts `value` into a free slot.
    pub fn insert(&mut self, value: T) -> Key<T> {
        self.insert_with(|_| value)
    }

    /// Puts the result of `make` into a free slot; `make` is given the key first.
    pub fn insert_with(&mut self, make: impl FnOnce(Key<T>) -> T) -> Key<T> {
        let generation = self.next_generation;
        self.next_generation = generation.wrapping_add(1);
        let entry = self.slots.vacant_entry();
        let index = entry.key();
        let key = Key::from_parts(index as u32, generation);
        entry.insert(make(key));
        if index >= self.generations.len() {
            self.generations.resize(index + 1, 0);
        }
        self.generations[index] = generation;
        key
    }

    /// Removes the entry and frees its slot.
    pub fn remove(&mut self, key: Key<T>) -> Option<T> {
        self.get(key)?;
        self.slots.try_remove(key.index() as usize)
    }

    /// The entry, unless it was removed.
    pub fn get(&self, key: Key<T>) -> Option<&T> {
        self.slots.get(key.index() as usize).filter(|_| self.serves(key))
    }

    /// The entry, unless it was removed.
    pub fn get_mut(&mut self, key: Key<T>) -> Option<&mut T> {
        if self.serves(key) { self.slots.get_mut(key.index() as usize) } else { None }
    }

    /// The key of the present entry at `index`.
    pub fn key_at(&self, index: u32) -> Option<Key<T>> {
        let generation = self.generations.get(index as usize)?;
        self.slots.contains(index as usize).then(|| Key::from_parts(index, *generation))
    }

    /// Entries in the order of their indices.
    pub fn iter(&self) -> impl Iterator<Item = (Key<T>, &T)> {
        let key = |index: usize| Key::from_parts(index as u32, self.generations[index]);
        self.slots.iter().map(move |(index, value)| (key(index), value))
    }

    /// Whether a key belongs to the present use of its slot.
    fn serves(&self, key: Key<T>) -> bool {
        self.generations.get(key.index() as usize) == Some(&key.generation)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Key<T> {
    /// A key from its parts, as returned by [`Key::index`] and [`Key::generation`].
    pub const fn from_parts(index: u32, generation: u32) -> Self {
        let number = match NonZeroU32::new(index.wrapping_add(1)) {
            Some(number) => number,
            // No arena has that many entries, so this key finds nothing.
            None => NonZeroU32::MAX,
        };
        Self { number, generation, of: PhantomData }
    }

    /// The dense index: smaller than the largest number of entries at any time.
    pub const fn index(self) -> u32 {
        self.number.get() - 1
    }

    /// Distinguishes this use of the slot from others.
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

// Implemented by hand, because a derive would require the same of `T`.
impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.number, self.generation) == (other.number, other.generation)
    }
}

impl<T> Eq for Key<T> {}

impl<T> Hash for Key<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.number, self.generation).hash(state);
    }
}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index(), self.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_costs_no_more_than_a_key_and_every_index_can_be_named() {
        assert_eq!(size_of::<Option<Key<u64>>>(), 8);
        for index in [0, 1, u32::MAX - 1] {
            assert_eq!(Key::<u64>::from_parts(index, 7).index(), index);
        }
        let arena = Arena::<u64>::new();
        assert_eq!(arena.get(Key::from_parts(u32::MAX, 0)), None);
    }

    #[test]
    fn a_stale_key_finds_nothing_in_a_reused_slot() {
        let mut arena = Arena::new();
        let old = arena.insert("doctor");
        assert_eq!(arena.remove(old), Some("doctor"));
        let new = arena.insert("patient");
        assert_eq!(new.index(), old.index());
        assert_eq!(arena.get(old), None);
        assert_eq!(arena.remove(old), None);
        assert_eq!(arena.get(new), Some(&"patient"));
        assert_eq!(arena.key_at(new.index()), Some(new));
    }
}
