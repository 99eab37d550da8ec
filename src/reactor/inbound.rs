//! Input from a peer that cannot be handled before more arrives.

use super::blocks::{Block, Pool};
use crate::wire::frame::Cursor;

/// The minimum room for a read after the kept bytes; with less, the block grows.
const ROOM_MIN: usize = 512;

/// The largest small block: a request head, a `join-room`, a candidate.
const SMALL_MAX: usize = 4 * 1024;

/// How much of the pool may be in use for a peer to still get a small block, or a large one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    small: usize,
    large: usize,
}

impl Share {
    /// The whole pool.
    pub(super) const ALL: Self = Self { small: usize::MAX, large: usize::MAX };

    /// The share of strangers in a pool of `bytes`. One address cannot have enough small blocks to
    /// fill what is reserved for them here, so a client from elsewhere finds one.
    pub(super) const fn of_strangers(bytes: usize) -> Self {
        Self { small: bytes / 2, large: bytes / 4 }
    }

    const fn for_block(self, bytes: usize) -> usize {
        if bytes <= SMALL_MAX { self.small } else { self.large }
    }
}

/// A partial head or message. An idle peer has none.
#[derive(Debug)]
pub(super) struct Inbound {
    /// Its marks say how many bytes are used, and how many of these are the unmasked beginning of a
    /// message.
    block: Block,
}

impl Inbound {
    /// Keeps the bytes that the cursor marks of `bytes`, which were read into the shared buffer.
    /// `None`: too much of the pool is in use.
    pub(super) fn keep(bytes: &[u8], at: &Cursor, pool: &mut Pool, share: Share) -> Option<Self> {
        let needed = at.kept() + ROOM_MIN;
        let mut block = pool.borrow_within(needed, share.for_block(needed))?;
        at.copy_kept(bytes, block.bytes_mut());
        block.mark([at.kept() as u32, at.assembled() as u32]);
        Some(Self { block })
    }

    /// Keeps the bytes that the cursor marks of this block, and gives the block back if nothing is
    /// left.
    pub(super) fn keep_on(mut self, at: &Cursor, pool: &mut Pool) -> Option<Self> {
        if at.kept() == 0 {
            pool.give_back(self.block);
            return None;
        }
        let used = at.compact(self.block.bytes_mut()) as u32;
        self.block.mark([used, at.assembled() as u32]);
        Some(self)
    }

    /// Makes room for another read. `None`: too much of the pool is in use, and the block is back
    /// in the pool.
    pub(super) fn make_room(mut self, pool: &mut Pool, share: Share) -> Option<Self> {
        let (used, _) = self.kept();
        if self.block.len() - used < ROOM_MIN {
            let marks = self.block.marks();
            let needed = used + ROOM_MIN;
            self.block = pool.grow(self.block, used, needed, share.for_block(needed))?;
            self.block.mark(marks);
        }
        Some(self)
    }

    /// All bytes of the block, including unused ones.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.block.bytes_mut()
    }

    /// How many bytes are used, and how many of them are the unmasked beginning of a message.
    pub(super) fn kept(&self) -> (usize, usize) {
        let [used, assembled] = self.block.marks();
        (used as usize, assembled as usize)
    }

    /// The kept bytes, and how many of them are the unmasked beginning of a message. The block goes
    /// back to the pool.
    pub(super) fn take(self, pool: &mut Pool) -> (Vec<u8>, usize) {
        let (used, assembled) = self.kept();
        let kept = self.block.bytes()[..used].to_vec();
        self.give_back(pool);
        (kept, assembled)
    }

    pub(super) fn give_back(self, pool: &mut Pool) {
        pool.give_back(self.block);
    }
}
