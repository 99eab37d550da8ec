//! Unsent bytes to a peer.

use std::io;
use std::mem;

use super::blocks::{Block, Pool, SMALLEST};

/// Unsent bytes, in one block. A peer with nothing unsent has no block.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    /// Its marks are the number of bytes sent, and the end of the queued ones.
    block: Option<Block>,
}

/// There is no room for more: the peer does not read, or the pool is empty.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Outbound {
    /// Appends one message, either all of it or nothing. An empty queue accepts a message of any
    /// size, however small the limit.
    ///
    /// About `ahead` more bytes will probably follow. While the pool has plenty, the block has room
    /// for them too, because a queue has to be moved each time it grows.
    pub(super) fn push(
        &mut self,
        parts: &[&[u8]],
        limit: usize,
        ahead: usize,
        pool: &mut Pool,
    ) -> Result<(), Full> {
        let len = parts.iter().map(|part| part.len()).sum::<usize>();
        let unsent = self.unsent();
        if !self.is_empty() && unsent + len > limit {
            return Err(Full);
        }
        self.make_room(len, ahead.min(limit.saturating_sub(unsent + len)), pool)?;
        let Some(block) = &mut self.block else { return Err(Full) };
        let [sent, mut end] = block.marks();
        // For a message that is sent as it was received, most parts are empty.
        for part in parts.iter().filter(|part| !part.is_empty()) {
            let start = end as usize;
            block.bytes_mut()[start..start + part.len()].copy_from_slice(part);
            end += part.len() as u32;
        }
        block.mark([sent, end]);
        Ok(())
    }

    /// Writes as much as possible. Returns `true` if nothing is left. `write` returns how many
    /// bytes it accepted.
    pub(super) fn flush(
        &mut self,
        mut write: impl FnMut(&[u8]) -> io::Result<usize>,
        pool: &mut Pool,
    ) -> io::Result<bool> {
        while let Some(block) = &mut self.block {
            let [sent, end] = block.marks();
            let unsent = &block.bytes()[sent as usize..end as usize];
            match write(unsent) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) if len == unsent.len() => self.clear(pool),
                Ok(len) => block.mark([sent + len as u32, end]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.tighten(pool);
                    return Ok(false);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Takes the unsent bytes. The block is returned to the pool.
    pub(super) fn take(&mut self, pool: &mut Pool) -> Vec<u8> {
        let unsent = |block: &Block| {
            let [sent, end] = block.marks();
            block.bytes()[sent as usize..end as usize].to_vec()
        };
        let unsent = self.block.as_ref().map(unsent).unwrap_or_default();
        self.clear(pool);
        unsent
    }

    pub(super) fn clear(&mut self, pool: &mut Pool) {
        if let Some(block) = self.block.take() {
            pool.give_back(block);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.block.is_none()
    }

    fn unsent(&self) -> usize {
        self.block.as_ref().map_or(0, |block| {
            let [sent, end] = block.marks();
            (end - sent) as usize
        })
    }

    /// Exchanges a block that is mostly unused for a smaller one: a peer that reads slowly must not
    /// hold more than it needs.
    fn tighten(&mut self, pool: &mut Pool) {
        let unsent = self.unsent();
        let bytes = (2 * unsent).max(SMALLEST);
        let wide = self.block.as_mut().filter(|block| bytes <= block.len() / 2);
        if let Some(block) = wide
            && let Some(mut smaller) = pool.borrow(bytes)
        {
            let [sent, end] = block.marks();
            smaller.bytes_mut()[..unsent]
                .copy_from_slice(&block.bytes()[sent as usize..end as usize]);
            smaller.mark([0, unsent as u32]);
            pool.give_back(mem::replace(block, smaller));
        }
    }

    fn make_room(&mut self, len: usize, ahead: usize, pool: &mut Pool) -> Result<(), Full> {
        let Some(mut block) = self.block.take() else {
            let block = if ahead > 0 { pool.borrow_from_plenty(len + ahead) } else { None };
            let mut block = block.or_else(|| pool.borrow(len)).ok_or(Full)?;
            block.mark([0, 0]);
            self.block = Some(block);
            return Ok(());
        };
        let [sent, mut end] = block.marks().map(|mark| mark as usize);
        let unsent = end - sent;
        if end + len > block.len() {
            // Move to the front of the same block only if at least as much was sent since the last
            // time. Otherwise a peer that reads in small steps would have its whole queue moved for
            // each message.
            let stays = unsent + len <= block.len() && sent >= unsent;
            let wanted = (unsent + len).max(block.len() + 1);
            match if stays { None } else { pool.borrow(wanted) } {
                Some(mut larger) => {
                    larger.bytes_mut()[..unsent].copy_from_slice(&block.bytes()[sent..end]);
                    pool.give_back(mem::replace(&mut block, larger));
                }
                // Also if no larger block is available: what was queued must not be lost.
                None => block.bytes_mut().copy_within(sent..end, 0),
            }
            end = unsent;
            block.mark([0, end as u32]);
        }
        let fits = end + len <= block.len();
        self.block = Some(block);
        if fits { Ok(()) } else { Err(Full) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepts `room` bytes, then would block.
    struct Pipe {
        taken: Vec<u8>,
        room: usize,
    }

    impl Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let len = bytes.len().min(self.room);
            if len == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.taken.extend_from_slice(&bytes[..len]);
            self.room -= len;
            Ok(len)
        }
    }

    #[test]
    fn bytes_leave_in_order_however_they_are_taken() {
        for room in 1..40 {
            let mut pool = Pool::new(1 << 20, 1 << 20);
            let mut outbound = Outbound::default();
            let mut pipe = Pipe { taken: Vec::new(), room: 0 };
            let mut expected = Vec::new();
            for n in 0..200_u8 {
                let message = [n; 37];
                expected.extend_from_slice(&message);
                assert_eq!(
                    outbound.push(&[&message[..5], &message[5..]], 1 << 16, 0, &mut pool),
                    Ok(())
                );
                pipe.room = room;
                outbound.flush(|bytes| pipe.write(bytes), &mut pool).expect("no error");
            }
            pipe.room = usize::MAX;
            assert!(outbound.flush(|bytes| pipe.write(bytes), &mut pool).expect("no error"));
            assert_eq!(pipe.taken, expected);
            assert_eq!(pool.lent_bytes(), 0, "an empty queue holds no block");
        }
    }

    #[test]
    fn who_reads_little_by_little_holds_a_block_of_at_most_twice_the_limit() {
        const LIMIT: usize = 1 << 16;
        let mut pool = Pool::new(1 << 20, 0);
        let mut outbound = Outbound::default();
        let mut pipe = Pipe { taken: Vec::new(), room: 0 };
        let (mut queued, mut most) = (0, 0);
        for n in 0..20_000_usize {
            let message = vec![n as u8; 1 + n * 7 % 900];
            queued += usize::from(outbound.push(&[&message], LIMIT, 0, &mut pool).is_ok());
            pipe.room = 300;
            outbound.flush(|bytes| pipe.write(bytes), &mut pool).expect("no error");
            most = most.max(pool.lent_bytes());
        }
        assert!(queued > 10_000, "as fast as it reads, all the time");
        assert_eq!(most, 2 * LIMIT);
    }

    #[test]
    fn what_follows_has_room_from_the_start_as_long_as_there_is_plenty() {
        let mut pool = Pool::new(1 << 17, 0);
        let [mut first, mut second] = [(); 2].map(|()| Outbound::default());
        let message = [7; 300];
        assert_eq!(first.push(&[&message], 1 << 16, 20_000, &mut pool), Ok(()));
        assert_eq!(pool.lent_bytes(), 1 << 15);
        assert_eq!(second.push(&[&message], 1 << 16, 20_000, &mut pool), Ok(()));
        assert_eq!(pool.lent_bytes(), (1 << 15) + 1_024, "a quarter of the pool is lent");
        for _ in 0..66 {
            assert_eq!(first.push(&[&message], 1 << 16, 0, &mut pool), Ok(()));
        }
        assert_eq!(pool.lent_bytes(), (1 << 15) + 1_024, "it did not grow");

        let mut small = Pool::new(1 << 20, 0);
        let mut outbound = Outbound::default();
        assert_eq!(outbound.push(&[&message], 500, 1 << 16, &mut small), Ok(()));
        assert_eq!(small.lent_bytes(), 1_024, "no more than the limit lets follow");
    }

    #[test]
    fn who_reads_slowly_does_not_hold_what_is_not_used() {
        let mut pool = Pool::new(1 << 20, 0);
        let mut outbound = Outbound::default();
        let message: Vec<_> = (0..20_000).map(|n| (n % 251) as u8).collect();
        assert_eq!(outbound.push(&[&message], 1 << 16, 0, &mut pool), Ok(()));
        let mut pipe = Pipe { taken: Vec::new(), room: 19_700 };
        assert!(!outbound.flush(|bytes| pipe.write(bytes), &mut pool).expect("no error"));
        assert_eq!(pool.lent_bytes(), 1_024);
        assert_eq!(outbound.push(&[b"and more"], 1 << 16, 0, &mut pool), Ok(()));
        pipe.room = usize::MAX;
        assert!(outbound.flush(|bytes| pipe.write(bytes), &mut pool).expect("no error"));
        assert_eq!(pipe.taken, [&message[..], b"and more"].concat());
        assert_eq!(pool.lent_bytes(), 0);
    }

    #[test]
    fn a_full_queue_refuses_whole_messages_and_keeps_the_others() {
        let mut pool = Pool::new(1 << 20, 0);
        let mut outbound = Outbound::default();
        assert_eq!(outbound.push(&[&[1; 500]], 100, 0, &mut pool), Ok(()), "the first always fits");
        assert_eq!(outbound.push(&[&[2; 1]], 100, 0, &mut pool), Err(Full));
        let mut pipe = Pipe { taken: Vec::new(), room: usize::MAX };
        assert!(outbound.flush(|bytes| pipe.write(bytes), &mut pool).expect("no error"));
        assert_eq!(pipe.taken, [1; 500]);
    }

    #[test]
    fn an_exhausted_pool_refuses_and_keeps_what_was_queued() {
        let mut pool = Pool::new(1_024, 0);
        let mut outbound = Outbound::default();
        assert_eq!(outbound.push(&[&[1; 1_000]], 1 << 20, 0, &mut pool), Ok(()));
        assert_eq!(outbound.push(&[&[2; 100]], 1 << 20, 0, &mut pool), Err(Full));
        let mut pipe = Pipe { taken: Vec::new(), room: usize::MAX };
        assert!(outbound.flush(|bytes| pipe.write(bytes), &mut pool).expect("no error"));
        assert_eq!(pipe.taken, [1; 1_000]);
    }
}
