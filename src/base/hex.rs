//! Hexadecimal digits, read from a table.

/// Stands for what is no digit.
const NONE: u8 = 0xff;

/// What each byte is worth as a digit of either letter case.
static DIGITS: [u8; 256] = {
    let mut digits = [NONE; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        digits[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// Reads bytes one after the other, and says once at the end whether they were all written as they should be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reader {
    seen: u8,
}

impl Reader {
    /// The byte that two digits stand for; any where they are none.
    #[inline]
    pub fn byte(&mut self, high: u8, low: u8) -> u8 {
        let [high, low] = [high, low].map(|digit| DIGITS[usize::from(digit)]);
        self.seen |= high | low;
        high << 4 | low
    }

    /// Whether everything up to here were digits.
    #[inline]
    pub const fn is_right(self) -> bool {
        self.seen < 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_read_as_the_standard_library_reads_it() {
        for byte in 0..=u8::MAX {
            let expected = char::from(byte).to_digit(16).map(|digit| digit as u8);
            for (digits, shift) in [([byte, b'0'], 4), ([b'0', byte], 0)] {
                let mut reader = Reader::default();
                let read = reader.byte(digits[0], digits[1]);
                let read = reader.is_right().then_some(read);
                assert_eq!(read, expected.map(|value| value << shift), "{digits:?}");
                reader.byte(b'a', b'F');
                assert_eq!(reader.is_right(), expected.is_some(), "what was wrong stays wrong");
            }
        }
    }
}
