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

/// The bytes that end or break a run of plain text in a JSON string: quotes, backslashes and control characters.
#[inline]
pub const fn special(eight: u64) -> u64 {
    // With this bit turned the quote and the blank change places, so that one comparison finds quotes and what is below blanks.
    let turned = eight ^ (ONES * 2);
    let backslash = eight ^ (ONES * b'\\' as u64);
    (turned.wrapping_sub(ONES * 0x21) | backslash.wrapping_sub(ONES)) & !eight & TOPS
}

/// The same for one byte.
#[inline]
pub const fn is_special(byte: u8) -> bool {
    (byte ^ 2 < 0x21) | (byte == b'\\')
}

/// Where from `at` on the first byte is that `marks` finds in a word, and `is_found` in a byte of the rest.
#[inline]
pub fn position(
    bytes: &[u8],
    at: usize,
    marks: impl Fn(u64) -> u64,
    is_found: impl Fn(u8) -> bool,
) -> Option<usize> {
    let (words, rest) = bytes.get(at..)?.as_chunks();
    let mut at = at;
    for word in words {
        let found = marks(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    Some(at + rest.iter().position(|byte| is_found(*byte))?)
}

/// The same, where it is likely some way off: in blocks of which is told first whether there is one.
#[inline]
pub fn distant_position(
    bytes: &[u8],
    at: usize,
    marks: impl Fn(u64) -> u64,
    is_found: impl Fn(u8) -> bool,
) -> Option<usize> {
    // Without an early end within a block the compiler makes vector code of it.
    let has_one = |block: &[u8; 16]| block.iter().fold(false, |any, byte| any | is_found(*byte));
    let mut at = at;
    for block in bytes.get(at..)?.as_chunks().0 {
        if has_one(block) {
            return Some(at + position(block, 0, marks, is_found)?);
        }
        at += 16;
    }
    position(bytes, at, marks, is_found)
}

/// Which of 64 bytes equal `byte`, one bit for each. Not inlined, because its callers need the registers.
#[inline(never)]
pub fn equal_of_64(block: &[u8; 64], byte: u8) -> u64 {
    // The compiler makes vector code of this loop. Then a different bit is kept of each byte of a word, and the multiplication
    // collects these bits in the highest byte.
    let mut marks = [0; 64];
    for (mark, other) in marks.iter_mut().zip(block) {
        *mark = if *other == byte { u8::MAX } else { 0 };
    }
    marks.as_chunks().0.iter().fold(0, |all, eight| {
        let bits = u64::from_le_bytes(*eight) & 0x8040_2010_0804_0201;
        all >> 8 | bits.wrapping_mul(ONES) & 0xff << 56
    })
}

/// Whether there are no control characters, and behind each backslash there is an `r` or an `n`; the last byte must be none.
pub fn escapes_only_line_ends(bytes: &[u8]) -> bool {
    let behind = bytes.get(1..).unwrap_or_default();
    // As few steps as there can be for each byte: the smallest one, and what of `r` and `n` differs behind a backslash.
    let (least, others) = bytes.iter().zip(behind).fold((u8::MAX, 0), |seen, (byte, next)| {
        let other = next.wrapping_sub(b'n') & !(b'r' - b'n');
        (seen.0.min(*byte), seen.1 | if *byte == b'\\' { other } else { 0 })
    });
    least >= b' ' && others == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each byte at each place, among neighbours that differ from it as little as can be.
    #[test]
    fn the_first_one_is_found_wherever_it_stands() {
        type Marks = fn(u64) -> u64;
        type IsFound = fn(u8) -> bool;
        let kinds: [(Marks, IsFound); 5] = [
            (special, is_special),
            (|eight| equal(eight, b':'), |byte| byte == b':'),
            (|eight| equal(eight, 0), |byte| byte == 0),
            (|eight| below(eight, 0x21), |byte| byte < 0x21),
            (not_printable, |byte| byte >= 0x7f),
        ];
        for (marks, is_found) in kinds {
            for byte in 0..=u8::MAX {
                for place in 0..35 {
                    for around in [b'0', b';', b'~', b'!', byte.wrapping_add(1), byte] {
                        let mut bytes = [around; 35];
                        bytes[place] = byte;
                        for begin in [0, 1, 19] {
                            let expected = (begin..35).find(|at| is_found(bytes[*at]));
                            for position in [position, distant_position] {
                                let found = position(&bytes, begin, marks, is_found);
                                assert_eq!(found, expected, "{byte} in {bytes:?} from {begin}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn of_64_bytes_each_that_is_found_has_its_bit() {
        for byte in 0..=u8::MAX {
            for around in [!byte, byte ^ 1, byte ^ 0x80] {
                for place in 0..64 {
                    let mut block = [around; 64];
                    block[place] = byte;
                    assert_eq!(equal_of_64(&block, byte), 1 << place, "{block:?}");
                    assert_eq!(equal_of_64(&block, around), !(1 << place), "{block:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_special_in_a_string() {
        for byte in 0..=u8::MAX {
            let expected = matches!(byte, b'"' | b'\\' | ..0x20);
            assert_eq!(is_special(byte), expected, "{byte}");
        }
        for (text, fine) in [
            (&br"a\r\nb"[..], true),
            (br"\r\r\n\n", true),
            (br"a\tb", false),
            (br"a\", true),
            (b"a\nb\x1f ", false),
            (b"", true),
        ] {
            for before in 0..40 {
                let text = [&vec![b'.'; before][..], text, b"\""].concat();
                let expected = fine && !text.ends_with(br#"\""#);
                assert_eq!(escapes_only_line_ends(&text), expected, "{text:?}");
            }
        }
    }
}
