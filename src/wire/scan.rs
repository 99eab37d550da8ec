//! Bytes that are looked for eight at a time: a word has the top bit of each of its bytes set that is found.
//!
//! Above the first one that is found there may be bits too many, since what is added or taken away may be carried over.

const ONES: u64 = u64::from_le_bytes([1; 8]);
const TOPS: u64 = ONES << 7;

/// The bytes that are `byte`.
#[inline]
pub const fn equal(eight: u64, byte: u8) -> u64 {
    let others = eight ^ (ONES * byte as u64);
    others.wrapping_sub(ONES) & !others & TOPS
}

/// The bytes below `bound`, which is at most 0x80.
#[inline]
pub const fn below(eight: u64, bound: u8) -> u64 {
    eight.wrapping_sub(ONES * bound as u64) & !eight & TOPS
}

/// The bytes that are 0x7f and above.
#[inline]
pub const fn not_printable(eight: u64) -> u64 {
    (eight | eight.wrapping_add(ONES)) & TOPS
}

/// Where from `at` on the first byte is that `marks` finds in a word, and `is_found` in a byte of the rest.
#[inline]
pub fn position(
    bytes: &[u8],
    mut at: usize,
    marks: impl Fn(u64) -> u64,
    is_found: impl Fn(u8) -> bool,
) -> Option<usize> {
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let found = marks(u64::from_le_bytes(*eight));
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    Some(at + rest.iter().position(|byte| is_found(*byte))?)
}

/// Whether there is a byte below a blank.
pub fn has_controls(bytes: &[u8]) -> bool {
    // Without an early end the compiler makes vector code of it.
    bytes.iter().fold(false, |found, byte| found | (*byte < b' '))
}

/// Whether behind each backslash there is an `r` or an `n`; the last byte must be none.
pub fn escapes_only_line_ends(bytes: &[u8]) -> bool {
    let behind = bytes.get(1..).unwrap_or_default();
    // The same here.
    !bytes.iter().zip(behind).fold(false, |others, (byte, next)| {
        others | ((*byte == b'\\') & (*next != b'r') & (*next != b'n'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each byte at each place, among neighbours that differ from it as little as can be.
    #[test]
    fn the_first_one_is_found_wherever_it_stands() {
        type Marks = fn(u64) -> u64;
        type IsFound = fn(u8) -> bool;
        let kinds: [(Marks, IsFound); 4] = [
            (|eight| equal(eight, b':'), |byte| byte == b':'),
            (|eight| equal(eight, 0), |byte| byte == 0),
            (|eight| below(eight, 0x21), |byte| byte < 0x21),
            (not_printable, |byte| byte >= 0x7f),
        ];
        for (marks, is_found) in kinds {
            for byte in 0..=u8::MAX {
                for place in 0..19 {
                    for around in [b'0', b';', b'~', b'!', byte.wrapping_add(1), byte] {
                        let mut bytes = [around; 19];
                        bytes[place] = byte;
                        for begin in [0, 1, 5] {
                            let expected = (begin..19).find(|at| is_found(bytes[*at]));
                            let found = position(&bytes, begin, marks, is_found);
                            assert_eq!(found, expected, "{byte} in {bytes:?} from {begin}");
                        }
                    }
                }
            }
        }
        assert!(has_controls(b"0123456789abcdef0123456789\x1f") && !has_controls(b" \x7f\xff"));
    }
}
