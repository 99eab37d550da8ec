//! A stream that comes in chunks, kept between them the way the reactor keeps it.

use autamedica_signaling::wire::frame::Cursor;

/// The least room for a read behind what is kept, as in the reactor: chunks meet the end of a block.
const ROOM_MIN: usize = 512;

/// What is kept is moved to where the next chunk is read while it is no longer than this; a longer beginning stays in its
/// block. The reactor moves more, but then hardly anything that a fuzzer makes up would stay.
const MOVED_MAX: usize = 64;

/// What lies in a block behind what was read into it: whoever looks at it finds no zeros.
const STALE: u8 = 0xa5;

/// What was read and not handled yet.
#[derive(Debug, Default)]
pub struct Inbound {
    block: Option<Block>,
}

#[derive(Debug)]
struct Block {
    bytes: Vec<u8>,
    used: usize,
    assembled: usize,
}

impl Inbound {
    /// Shows again what is kept, now that somebody else handles it.
    pub fn look_again(&mut self, handle: impl FnOnce(&mut [u8], &mut Cursor)) {
        if let Some(mut block) = self.block.take() {
            let mut at = Cursor::new(block.assembled, block.used);
            handle(&mut block.bytes[..block.used], &mut at);
            self.block = block.keep_on(&at);
        }
    }

    /// Reads `chunk`, in several reads where the block has no room for it. After each, `handle` is shown all that is there
    /// and says by the cursor what must be kept.
    pub fn read(&mut self, mut chunk: &[u8], mut handle: impl FnMut(&mut [u8], &mut Cursor)) {
        while !chunk.is_empty() {
            let mut kept = self.block.take();
            if let Some(mut block) = kept.take_if(|block| block.used > MOVED_MAX) {
                let len = block.fill(chunk);
                chunk = &chunk[len..];
                let mut at = Cursor::new(block.assembled, block.used);
                handle(&mut block.bytes[..block.used], &mut at);
                self.block = block.keep_on(&at);
            } else {
                let (kept, assembled) = kept
                    .as_ref()
                    .map_or((&[][..], 0), |block| (&block.bytes[..block.used], block.assembled));
                let mut shared = [kept, chunk].concat();
                chunk = &[];
                let mut at = Cursor::new(assembled, shared.len());
                handle(&mut shared, &mut at);
                self.block = Block::keep(&shared, &at);
            }
        }
    }
}

impl Block {
    fn keep(bytes: &[u8], at: &Cursor) -> Option<Self> {
        if at.kept() == 0 {
            return None;
        }
        let mut block = vec![STALE; (at.kept() + ROOM_MIN).next_power_of_two()];
        at.copy_kept(bytes, &mut block);
        Some(Self { bytes: block, used: at.kept(), assembled: at.assembled() })
    }

    fn keep_on(mut self, at: &Cursor) -> Option<Self> {
        if at.kept() == 0 {
            return None;
        }
        self.used = at.compact(&mut self.bytes);
        self.bytes[self.used..].fill(STALE);
        self.assembled = at.assembled();
        Some(self)
    }

    /// One read into what room there is.
    fn fill(&mut self, chunk: &[u8]) -> usize {
        if self.bytes.len() - self.used < ROOM_MIN {
            self.bytes.resize((self.used + ROOM_MIN).next_power_of_two(), STALE);
        }
        let len = chunk.len().min(self.bytes.len() - self.used);
        self.bytes[self.used..self.used + len].copy_from_slice(&chunk[..len]);
        self.used += len;
        len
    }
}
