//! What a peer sent and what cannot be handled before more arrives.

use super::blocks::{Block, Pool};
use crate::wire::frame::Cursor;

/// The least room for a read behind what is kept, before the block grows.
const ROOM_MIN: usize = 512;

/// A cut head or message. An idle peer has none.
#[derive(Debug)]
pub(super) struct Inbound {
    /// Its marks say how many bytes are used, and how many of these are the unmasked beginning of a message.
    block: Block,
}

impl Inbound {
    /// Keeps what the cursor says of `bytes`, which were read into the shared buffer. `None`: so much is lent already.
    pub(super) fn keep(
        bytes: &[u8],
        at: &Cursor,
        pool: &mut Pool,
        lent_bytes_max: usize,
    ) -> Option<Self> {
        let mut block = pool.borrow_within(at.kept() + ROOM_MIN, lent_bytes_max)?;
        at.copy_kept(bytes, block.bytes_mut());
        block.mark([at.kept() as u32, at.assembled() as u32]);
        Some(Self { block })
    }

    /// Keeps what the cursor says of this block; gives the block back where nothing is left.
    pub(super) fn keep_on(mut self, at: &Cursor, pool: &mut Pool) -> Option<Self> {
        if at.kept() == 0 {
            pool.give_back(self.block);
            return None;
        }
        let used = at.compact(self.block.bytes_mut()) as u32;
        self.block.mark([used, at.assembled() as u32]);
        Some(self)
    }

    /// Makes room for another read. `None`: so much is lent already, and the block is back in the pool.
    pub(super) fn make_room(mut self, pool: &mut Pool, lent_bytes_max: usize) -> Option<Self> {
        let (used, _) = self.kept();
        if self.block.len() - used < ROOM_MIN {
            let marks = self.block.marks();
            self.block = pool.grow(self.block, used, used + ROOM_MIN, lent_bytes_max)?;
            self.block.mark(marks);
        }
        Some(self)
    }

    /// All bytes of the block, also those that are not taken.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.block.bytes_mut()
    }

    /// How many bytes are taken, and how many of them are the unmasked beginning of a message.
    pub(super) fn kept(&self) -> (usize, usize) {
        let [used, assembled] = self.block.marks();
        (used as usize, assembled as usize)
    }

    /// What is kept, and how many of the bytes are the unmasked beginning of a message. The block goes back.
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
