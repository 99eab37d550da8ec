//! Bounded memory pools for unfinished data: partial messages on the way in, unsent bytes on the
//! way out.

/// The smallest block: enough for a short notice or a partial candidate.
pub(super) const SMALLEST: usize = 1_024;

/// Sizes double from [`SMALLEST`]; the largest is over 1 GiB, more than any limit allows.
const CLASSES: usize = 21;

/// The classes that have a few blocks from the start: up to 8 KiB, which is enough for an offer.
const ORDINARY_CLASSES: usize = 4;
const ORDINARY_BLOCKS: usize = 8;

/// A borrowed buffer. Its size is a power of two. It is one pointer wide, because every connection
/// has room for two of them and nearly none has one.
#[derive(Debug)]
pub(super) struct Block(Box<Contents>);

#[derive(Debug)]
struct Contents {
    bytes: Box<[u8]>,
    marks: [u32; 2],
}

/// Lends blocks, takes them back, and keeps some for reuse. Lends at most a configured total.
#[derive(Debug)]
pub(super) struct Pool {
    free: [Vec<Block>; CLASSES],
    free_bytes: usize,
    free_bytes_max: usize,
    lent_bytes: usize,
    lent_bytes_max: usize,
}

impl Block {
    fn new(size: usize) -> Self {
        Self(Box::new(Contents { bytes: vec![0; size].into_boxed_slice(), marks: [0; 2] }))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.0.bytes.len()
    }

    /// Two numbers that the borrower may store with the block.
    pub(super) fn marks(&self) -> [u32; 2] {
        self.0.marks
    }

    pub(super) fn mark(&mut self, marks: [u32; 2]) {
        self.0.marks = marks;
    }
}

impl Pool {
    pub(super) fn new(lent_bytes_max: usize, free_bytes_max: usize) -> Self {
        let free = std::array::from_fn(|_| Vec::new());
        let mut pool = Self { free, free_bytes: 0, free_bytes_max, lent_bytes: 0, lent_bytes_max };
        // The blocks that an ordinary turn needs at the same time exist from the start: 120 KiB,
        // untouched until used.
        for class in 0..ORDINARY_CLASSES {
            for _ in 0..ORDINARY_BLOCKS {
                pool.keep(Block::new(SMALLEST << class));
            }
        }
        pool
    }

    /// Lends a block of at least `bytes`; `None` if the total is reached.
    pub(super) fn borrow(&mut self, bytes: usize) -> Option<Block> {
        self.borrow_within(bytes, usize::MAX)
    }

    /// The same for a borrower that gets nothing once `lent_bytes_max` is lent in total.
    pub(super) fn borrow_within(&mut self, bytes: usize, lent_bytes_max: usize) -> Option<Block> {
        let class = class_of(bytes)?;
        let size = SMALLEST << class;
        if self.lent_bytes + size > self.lent_bytes_max.min(lent_bytes_max) {
            return None;
        }
        self.lent_bytes += size;
        match self.free[class].pop() {
            Some(block) => {
                self.free_bytes -= size;
                Some(block)
            }
            None => Some(Block::new(size)),
        }
    }

    /// The same for more than is needed, but only while at most a quarter of the total is lent.
    pub(super) fn borrow_from_plenty(&mut self, bytes: usize) -> Option<Block> {
        self.borrow_within(bytes, self.lent_bytes_max / 4)
    }

    /// Takes a block back.
    pub(super) fn give_back(&mut self, block: Block) {
        self.lent_bytes -= block.len();
        self.keep(block);
    }

    fn keep(&mut self, block: Block) {
        let size = block.len();
        if let Some(class) =
            class_of(size).filter(|_| self.free_bytes + size <= self.free_bytes_max)
        {
            self.free_bytes += size;
            self.free[class].push(block);
        }
    }

    /// Exchanges a block for a larger one that begins with the same `used` bytes. `None`: the total
    /// is reached, and the block is back in the pool.
    pub(super) fn grow(
        &mut self,
        block: Block,
        used: usize,
        bytes: usize,
        lent_bytes_max: usize,
    ) -> Option<Block> {
        let larger = self.borrow_within(bytes, lent_bytes_max);
        let grown = larger.map(|mut larger| {
            larger.bytes_mut()[..used].copy_from_slice(&block.bytes()[..used]);
            larger
        });
        self.give_back(block);
        grown
    }

    /// How many bytes are lent.
    pub(super) fn lent_bytes(&self) -> usize {
        self.lent_bytes
    }
}

fn class_of(bytes: usize) -> Option<usize> {
    let size = bytes.max(SMALLEST).checked_next_power_of_two()?;
    let class = (size / SMALLEST).trailing_zeros() as usize;
    (class < CLASSES).then_some(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lends_up_to_its_sum_and_lends_again_what_came_back() {
        let mut pool = Pool::new(4_096, 4_096);
        let first = pool.borrow(1).expect("room");
        let second = pool.borrow(1_025).expect("room");
        assert_eq!((first.len(), second.len()), (1_024, 2_048));
        assert!(pool.borrow(2_000).is_none(), "3 of 4 KiB are lent");
        pool.give_back(second);
        assert_eq!(pool.lent_bytes(), 1_024);
        assert!(pool.borrow(2_000).is_some());
        assert!(pool.borrow(usize::MAX).is_none());
    }

    #[test]
    fn some_are_lent_nothing_while_others_still_are() {
        let mut pool = Pool::new(4_096, 0);
        assert!(pool.borrow_within(2_048, 2_048).is_some());
        assert!(pool.borrow_within(1, 2_048).is_none());
        assert!(pool.borrow(2_048).is_some());
        assert!(pool.borrow(1).is_none());
    }

    #[test]
    fn a_block_that_cannot_grow_is_not_lost() {
        let mut pool = Pool::new(2_048, 0);
        let block = pool.borrow(1_024).expect("room");
        assert!(pool.grow(block, 10, 2_000, 4_096).is_none());
        assert_eq!(pool.lent_bytes(), 0);
    }
}
