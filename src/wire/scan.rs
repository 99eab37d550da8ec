//! Bytes that are looked for sixteen at a time: in a [`u8x16`] all bits of those bytes are set that are found.

use std::ops::RangeInclusive;

use wide::u8x16;

/// The characters of ASCII that control nothing.
pub const PRINTABLE: RangeInclusive<u8> = b' '..=b'~';

/// The bytes that are `byte`.
#[inline(always)]
pub fn equal(block: u8x16, byte: u8) -> u8x16 {
    block.simd_eq(u8x16::splat(byte))
}

/// The bytes up to `bound`.
#[inline(always)]
pub fn up_to(block: u8x16, bound: u8) -> u8x16 {
    block.min(u8x16::splat(bound)).simd_eq(block)
}

/// The bytes that are 0x7f and above.
#[inline(always)]
pub fn not_printable(block: u8x16) -> u8x16 {
    block.max(u8x16::splat(0x7f)).simd_eq(block)
}

/// The bytes that end or break a run of plain text in a JSON string: quotes, backslashes and control characters.
#[inline(always)]
pub fn special(block: u8x16) -> u8x16 {
    equal(block, b'"') | equal(block, b'\\') | up_to(block, 0x1f)
}

/// Where from `at` on the first byte is that `marks` finds.
#[inline]
pub fn position(bytes: &[u8], at: usize, marks: impl Fn(u8x16) -> u8x16) -> Option<usize> {
    let (blocks, rest) = bytes.get(at..)?.as_chunks();
    let first = |block: &[u8; 16]| {
        let found = marks(u8x16::new(*block)).to_bitmask();
        (found != 0).then_some(found.trailing_zeros() as usize)
    };
    let mut at = at;
    for block in blocks {
        if let Some(place) = first(block) {
            return Some(at + place);
        }
        at += block.len();
    }
    first(&padded(rest)).filter(|place| *place < rest.len()).map(|place| at + place)
}

/// The first sixteen bytes, or all of them and zeros. By words: what is copied byte by byte and then read at once stalls the
/// processor.
#[inline]
pub fn padded(bytes: &[u8]) -> [u8; 16] {
    let len = bytes.len();
    // Where the words overlap, both hold the same bytes.
    let word = if let Some(bytes) = bytes.first_chunk::<16>() {
        return *bytes;
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk()) {
        u128::from(u64::from_le_bytes(*first))
            | u128::from(u64::from_le_bytes(*last)) << (8 * (len - 8))
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk()) {
        u128::from(u32::from_le_bytes(*first))
            | u128::from(u32::from_le_bytes(*last)) << (8 * (len - 4))
    } else {
        bytes.iter().rev().fold(0, |word, byte| word << 8 | u128::from(*byte))
    };
    word.to_le_bytes()
}

/// Bytes that are looked at 64 at a time.
pub struct Block([u8x16; 4]);

impl Block {
    #[inline(always)]
    pub fn new(bytes: &[u8; 64]) -> Self {
        let blocks: &[[u8; 16]] = bytes.as_chunks().0;
        Self(std::array::from_fn(|at| u8x16::new(blocks[at])))
    }

    /// Which of them equal `byte`, one bit for each.
    #[inline(always)]
    pub fn equal(&self, byte: u8) -> u64 {
        let [first, second, third, fourth] =
            self.0.map(|block| u64::from(equal(block, byte).to_bitmask()));
        first | second << 16 | third << 32 | fourth << 48
    }
}

/// The smallest and the largest of the bytes of some blocks.
pub struct Extremes {
    least: u8x16,
    most: u8x16,
}

impl Default for Extremes {
    fn default() -> Self {
        Self { least: u8x16::splat(u8::MAX), most: u8x16::splat(0) }
    }
}

impl Extremes {
    #[inline(always)]
    pub fn add(&mut self, block: &Block) {
        self.least = block.0.iter().fold(self.least, |least, block| least.min(*block));
        self.most = block.0.iter().fold(self.most, |most, block| most.max(*block));
    }

    /// Whether all are [`PRINTABLE`]. So they are if there are none.
    pub fn are_printable(&self) -> bool {
        self.least.reduce_min() >= *PRINTABLE.start() && self.most.reduce_max() <= *PRINTABLE.end()
    }
}

/// Whether there are no control characters, and behind each backslash there is an `r` or an `n`.
pub fn escapes_only_line_ends(bytes: &[u8]) -> bool {
    let behind = bytes.get(1..).unwrap_or_default();
    // As few steps as there can be for each byte: the smallest one, and what of `r` and `n` differs behind a backslash.
    let (least, others) = bytes.iter().zip(behind).fold((u8::MAX, 0), |seen, (byte, next)| {
        let other = next.wrapping_sub(b'n') & !(b'r' - b'n');
        (seen.0.min(*byte), seen.1 | if *byte == b'\\' { other } else { 0 })
    });
    let ends_well = bytes.last().is_none_or(|last| *last >= b' ' && *last != b'\\');
    least >= b' ' && others == 0 && ends_well
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each byte at each place, among neighbours that differ from it as little as can be.
    #[test]
    fn the_first_one_is_found_wherever_it_stands() {
        type Marks = fn(u8x16) -> u8x16;
        type IsFound = fn(u8) -> bool;
        let kinds: [(Marks, IsFound); 5] = [
            (special, |byte| matches!(byte, b'"' | b'\\' | ..0x20)),
            (|block| equal(block, b':'), |byte| byte == b':'),
            (|block| equal(block, 0), |byte| byte == 0),
            (|block| up_to(block, b' '), |byte| byte <= b' '),
            (not_printable, |byte| byte >= 0x7f),
        ];
        for (marks, is_found) in kinds {
            for byte in 0..=u8::MAX {
                for place in 0..35 {
                    for around in [b'0', b';', b'~', b'!', byte.wrapping_add(1), byte] {
                        let mut bytes = [around; 35];
                        bytes[place] = byte;
                        for begin in [0, 1, 3, 19, 35] {
                            let expected = (begin..35).find(|at| is_found(bytes[*at]));
                            let found = position(&bytes, begin, marks);
                            assert_eq!(found, expected, "{byte} in {bytes:?} from {begin}");
                        }
                    }
                }
            }
        }
        assert_eq!(position(b"a", 2, special), None);
    }

    #[test]
    fn short_texts_are_padded_with_zeros() {
        let text: Vec<_> = (1..=20).collect();
        for len in 0..=20 {
            let mut expected = [0; 16];
            expected[..len.min(16)].copy_from_slice(&text[..len.min(16)]);
            assert_eq!(padded(&text[..len]), expected);
        }
    }

    #[test]
    fn of_64_bytes_each_that_is_found_has_its_bit() {
        for byte in 0..=u8::MAX {
            for around in [!byte, byte ^ 1, byte ^ 0x80] {
                for place in 0..64 {
                    let mut block = [around; 64];
                    block[place] = byte;
                    let wide = Block::new(&block);
                    assert_eq!(wide.equal(byte), 1 << place, "{block:?}");
                    assert_eq!(wide.equal(around), !(1 << place), "{block:?}");
                    let mut extremes = Extremes::default();
                    assert!(extremes.are_printable());
                    extremes.add(&Block::new(&[b' '; 64]));
                    extremes.add(&wide);
                    let expected = block.iter().all(|byte| matches!(byte, b' '..=b'~'));
                    assert_eq!(extremes.are_printable(), expected, "{block:?}");
                }
            }
        }
    }

    #[test]
    fn which_strings_have_no_escapes_but_line_ends() {
        for (text, fine) in [
            (&br"a\r\nb"[..], true),
            (br"\r\r\n\n", true),
            (br"a\tb", false),
            (br"a\", false),
            (b"a\x1f", false),
            (b"a\nb\x1f ", false),
            (b"", true),
        ] {
            for before in 0..40 {
                let text = [&vec![b'.'; before][..], text].concat();
                assert_eq!(escapes_only_line_ends(&text), fine, "{text:?}");
            }
        }
    }
}
