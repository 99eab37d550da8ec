//! Hexadecimal digits.

/// The 16 bytes that 32 hexadecimal digits of either case stand for.
///
/// Every digit takes the same few steps without a branch, so that the compiler can vectorise them.
#[inline]
pub fn decode(digits: &[u8; 32]) -> Option<[u8; 16]> {
    let mut values = [0; 32];
    let mut right = true;
    for (value, digit) in values.iter_mut().zip(digits) {
        let number = digit.wrapping_sub(b'0');
        let letter = (digit | 0x20).wrapping_sub(b'a');
        right &= (number < 10) | (letter < 6);
        *value = if number < 10 { number } else { letter.wrapping_add(10) };
    }
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(values.as_chunks::<2>().0) {
        let [high, low] = pair;
        *byte = high << 4 | low;
    }
    right.then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_read_as_the_standard_library_reads_it() {
        for byte in 0..=u8::MAX {
            let expected = char::from(byte).to_digit(16).map(|digit| digit as u8);
            for place in 0..32 {
                let mut digits = *b"0123456789abcdefFEDCBA9876543210";
                digits[place] = byte;
                let read = decode(&digits);
                assert_eq!(read.is_some(), expected.is_some(), "{byte} at {place}");
                let shift = if place % 2 == 0 { 4 } else { 0 };
                let value = read.map(|bytes| bytes[place / 2] >> shift & 15);
                assert_eq!(value, expected, "{byte} at {place}");
            }
        }
        let bytes =
            u128::from_str_radix("0123456789abcdefFEDCBA9876543210", 16).map(u128::to_be_bytes);
        assert_eq!(decode(b"0123456789abcdefFEDCBA9876543210"), bytes.ok());
    }
}
