//! Relayed messages that may have to be sent again. They are kept in order, for each participant,
//! until they are known to have arrived.
//!
//! All queues share one bounded pool of chunks. A queue is a chain of chunks that holds its
//! messages one after the other, each as length and bytes. It allocates nothing once the pool is
//! warm.

/// Bytes of one chunk: three candidates, or a fifth of an offer.
const CHUNK_BYTES: usize = 1_024;

/// How many free chunks are kept for reuse; more go back to the system.
const FREE_CHUNKS_MAX: usize = 4_096;

/// The length before each message.
const LENGTH_BYTES: usize = 4;

const NONE: u32 = u32::MAX;

/// The chunks of all queues.
#[derive(Debug)]
pub(super) struct Pool {
    chunks: Vec<Chunk>,
    /// Free chunks with memory, and slots without.
    warm: Vec<u32>,
    cold: Vec<u32>,
    chunks_max: usize,
}

#[derive(Debug)]
struct Chunk {
    bytes: Option<Box<[u8; CHUNK_BYTES]>>,
    next: u32,
}

/// The messages kept for one participant: the last `kept` of those that were `sent`, counted from
/// its last `room-joined` with `resumed` false.
#[derive(Debug)]
pub(super) struct Queue {
    sent: u64,
    kept: u32,
    /// Bytes of the messages, without their lengths.
    bytes: u32,
    first: u32,
    last: u32,
    /// Where the first message begins in the first chunk, and the last one ends in the last.
    head: u16,
    tail: u16,
}

impl Pool {
    /// A pool for at most `bytes_max` bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        let chunks_max = bytes_max / CHUNK_BYTES;
        Self { chunks: Vec::new(), warm: Vec::new(), cold: Vec::new(), chunks_max }
    }

    /// How many chunks hold something.
    pub(super) fn bytes_used(&self) -> usize {
        self.chunks_used() * CHUNK_BYTES
    }

    pub(super) fn chunks_used(&self) -> usize {
        self.chunks.len() - self.warm.len() - self.cold.len()
    }

    /// Whether `len` more bytes would fit after those of `queue`.
    fn fits(&self, queue: &Queue, len: usize) -> bool {
        let room_in_last =
            if queue.last == NONE { 0 } else { CHUNK_BYTES - usize::from(queue.tail) };
        let needed = (LENGTH_BYTES + len).saturating_sub(room_in_last).div_ceil(CHUNK_BYTES);
        self.chunks_used() + needed <= self.chunks_max
    }

    fn take(&mut self) -> u32 {
        let index = self.warm.pop().or_else(|| self.cold.pop()).unwrap_or_else(|| {
            self.chunks.push(Chunk { bytes: None, next: NONE });
            // Growing here means that returning chunks never allocates.
            self.warm.reserve(self.chunks.len());
            self.cold.reserve(self.chunks.len());
            self.chunks.len() as u32 - 1
        });
        let chunk = &mut self.chunks[index as usize];
        chunk.bytes.get_or_insert_with(|| Box::new([0; CHUNK_BYTES]));
        chunk.next = NONE;
        index
    }

    fn give_back(&mut self, index: u32) {
        if self.warm.len() < FREE_CHUNKS_MAX {
            self.warm.push(index);
        } else {
            self.chunks[index as usize].bytes = None;
            self.cold.push(index);
        }
    }

    /// Writes a message with its length, if the last chunk has room for both.
    fn write_at_once(
        &mut self,
        queue: &mut Queue,
        length: &[u8; LENGTH_BYTES],
        message: &[u8],
    ) -> bool {
        let chunk = self.chunks.get_mut(queue.last as usize).and_then(|it| it.bytes.as_deref_mut());
        let room = chunk.and_then(|bytes| bytes.get_mut(usize::from(queue.tail)..));
        let Some((first, rest)) = room.and_then(|room| room.split_first_chunk_mut()) else {
            return false;
        };
        let Some(rest) = rest.get_mut(..message.len()) else { return false };
        *first = *length;
        rest.copy_from_slice(message);
        queue.tail += (LENGTH_BYTES + message.len()) as u16;
        true
    }

    fn write(&mut self, queue: &mut Queue, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if queue.last == NONE || usize::from(queue.tail) == CHUNK_BYTES {
                let index = self.take();
                match queue.last {
                    NONE => queue.first = index,
                    last => self.chunks[last as usize].next = index,
                }
                (queue.last, queue.tail) = (index, 0);
            }
            let start = usize::from(queue.tail);
            let len = bytes.len().min(CHUNK_BYTES - start);
            if let Some(room) = &mut self.chunks[queue.last as usize].bytes {
                room[start..start + len].copy_from_slice(&bytes[..len]);
            }
            queue.tail += len as u16;
            bytes = &bytes[len..];
        }
    }

    /// Passes the next `len` bytes from a place to `piece`, and returns the place after them.
    fn read(&self, mut at: Place, mut len: usize, mut piece: impl FnMut(&[u8])) -> Place {
        while len > 0 {
            let chunk = &self.chunks[at.chunk as usize];
            if at.offset == CHUNK_BYTES {
                at = Place { chunk: chunk.next, offset: 0 };
                continue;
            }
            let taken = len.min(CHUNK_BYTES - at.offset);
            if let Some(bytes) = &chunk.bytes {
                piece(&bytes[at.offset..at.offset + taken]);
            }
            at.offset += taken;
            len -= taken;
        }
        at
    }

    fn read_length(&self, at: Place) -> (usize, Place) {
        // Usually all of it is in one chunk.
        let chunk = self.chunks.get(at.chunk as usize).and_then(|it| it.bytes.as_deref());
        if let Some(length) = chunk.and_then(|bytes| bytes.get(at.offset..)?.first_chunk()) {
            let behind = Place { offset: at.offset + LENGTH_BYTES, ..at };
            return (u32::from_le_bytes(*length) as usize, behind);
        }
        let mut length = [0; LENGTH_BYTES];
        let mut filled = 0;
        let behind = self.read(at, LENGTH_BYTES, |piece| {
            length[filled..filled + piece.len()].copy_from_slice(piece);
            filled += piece.len();
        });
        (u32::from_le_bytes(length) as usize, behind)
    }
}

#[derive(Clone, Copy)]
struct Place {
    chunk: u32,
    offset: usize,
}

impl Queue {
    /// An empty queue, which holds no chunk.
    pub(super) const fn new() -> Self {
        Self { sent: 0, kept: 0, bytes: 0, first: NONE, last: NONE, head: 0, tail: 0 }
    }

    /// How many messages were sent in all.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether nothing is kept.
    pub(super) const fn is_empty(&self) -> bool {
        self.kept == 0
    }

    /// How many messages were released.
    const fn released(&self) -> u64 {
        self.sent - self.kept as u64
    }

    /// Whether everything after the first `received` messages is still kept.
    pub(super) const fn can_resume(&self, received: u64) -> bool {
        self.released() <= received && received <= self.sent
    }

    /// Counts a message that is being sent, and keeps it, releasing the oldest ones if the limit
    /// requires it. If it does not fit at all, nothing is kept any more: an incomplete sequence is
    /// of no use.
    pub(super) fn push(&mut self, message: &[u8], bytes_max: usize, pool: &mut Pool) {
        while !self.has_room(message, bytes_max, pool) {
            if self.is_empty() {
                self.sent += 1;
                return;
            }
            self.release(self.released() + 1, pool);
        }
        self.append(message, pool);
    }

    /// Keeps a message for a participant who is away. Returns `false` if it does not fit; then
    /// nothing changed.
    pub(super) fn hold(&mut self, message: &[u8], bytes_max: usize, pool: &mut Pool) -> bool {
        let fits = self.has_room(message, bytes_max, pool);
        if fits {
            self.append(message, pool);
        }
        fits
    }

    /// Releases the messages up to number `arrived`.
    pub(super) fn release(&mut self, arrived: u64, pool: &mut Pool) {
        while self.released() < arrived.min(self.sent) {
            let (len, behind) = pool.read_length(self.start());
            let end = pool.read(behind, len, |_| {});
            while self.first != end.chunk {
                let next = pool.chunks[self.first as usize].next;
                pool.give_back(self.first);
                self.first = next;
            }
            self.head = end.offset as u16;
            self.bytes -= len as u32;
            self.kept -= 1;
        }
        if self.is_empty() {
            self.free(pool);
        }
    }

    /// Releases everything and counts from the beginning.
    pub(super) fn reset(&mut self, pool: &mut Pool) {
        self.free(pool);
        (self.sent, self.kept, self.bytes) = (0, 0, 0);
    }

    /// Passes each kept message to `each`, as something that appends it to a buffer.
    pub(super) fn replay(&self, pool: &Pool, mut each: impl FnMut(&dyn Fn(&mut Vec<u8>))) {
        let mut at = self.start();
        for _ in 0..self.kept {
            let (len, text) = pool.read_length(at);
            each(&|out| {
                pool.read(text, len, |piece| out.extend_from_slice(piece));
            });
            at = pool.read(text, len, |_| {});
        }
    }

    /// How many chunks it holds. For checks.
    pub(super) fn chunks(&self, pool: &Pool) -> usize {
        let mut count = 0;
        let mut chunk = self.first;
        while chunk != NONE {
            count += 1;
            chunk = pool.chunks[chunk as usize].next;
        }
        count
    }

    fn start(&self) -> Place {
        Place { chunk: self.first, offset: usize::from(self.head) }
    }

    fn has_room(&self, message: &[u8], bytes_max: usize, pool: &Pool) -> bool {
        self.bytes as usize + message.len() <= bytes_max && pool.fits(self, message.len())
    }

    fn append(&mut self, message: &[u8], pool: &mut Pool) {
        let length = (message.len() as u32).to_le_bytes();
        if !pool.write_at_once(self, &length, message) {
            pool.write(self, &length);
            pool.write(self, message);
        }
        self.bytes += message.len() as u32;
        (self.sent, self.kept) = (self.sent + 1, self.kept + 1);
    }

    fn free(&mut self, pool: &mut Pool) {
        while self.first != NONE {
            let next = pool.chunks[self.first as usize].next;
            pool.give_back(self.first);
            self.first = next;
        }
        (self.last, self.head, self.tail) = (NONE, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u64) -> Vec<u8> {
        vec![number as u8; 1 + (number as usize * 377) % 2_900]
    }

    fn replayed(queue: &Queue, pool: &Pool) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        queue.replay(pool, |write| {
            let mut text = Vec::new();
            write(&mut text);
            all.push(text);
        });
        all
    }

    #[test]
    fn exactly_the_rest_is_replayed_whatever_was_released() {
        for arrived in 0..=12 {
            let mut pool = Pool::new(1 << 20);
            let mut queue = Queue::new();
            (1..=12).for_each(|number| queue.push(&message(number), 1 << 20, &mut pool));
            queue.release(arrived, &mut pool);
            let expected: Vec<_> = (arrived + 1..=12).map(message).collect();
            assert_eq!(replayed(&queue, &pool), expected);
            assert!((arrived..=12).all(|received| queue.can_resume(received)));
            assert!(arrived == 0 || !queue.can_resume(arrived - 1));
            assert!(!queue.can_resume(13));
            assert_eq!(queue.chunks(&pool), pool.chunks_used());
            queue.release(u64::MAX, &mut pool);
            assert_eq!(pool.chunks_used(), 0, "an idle queue holds no chunk");
        }
    }

    #[test]
    fn the_oldest_go_first_while_connected() {
        let mut pool = Pool::new(1 << 20);
        let mut queue = Queue::new();
        (0..10).for_each(|_| queue.push(&[7; 100], 350, &mut pool));
        assert!(queue.can_resume(7) && !queue.can_resume(6));
        queue.push(&[7; 351], 350, &mut pool);
        assert!(queue.is_empty() && queue.can_resume(11), "what never fits leaves nothing behind");
        assert_eq!(pool.chunks_used(), 0);
    }

    #[test]
    fn who_is_away_keeps_what_was_promised() {
        let mut pool = Pool::new(4 * CHUNK_BYTES);
        let mut queue = Queue::new();
        assert!(queue.hold(&[1; 3_000], usize::MAX, &mut pool));
        assert!(!queue.hold(&[2; 3_000], usize::MAX, &mut pool), "the pool is used up");
        assert!(!queue.hold(&[2; 100], 3_050, &mut pool), "its own limit is reached");
        assert_eq!(replayed(&queue, &pool), [[1; 3_000]]);
        queue.reset(&mut pool);
        assert_eq!((queue.sent(), pool.chunks_used()), (0, 0));
    }
}
