//! The expiry date of a certificate: as much of X.509 (RFC 5280 4.1) and its encoding (DER, X.690)
//! as that needs. Whether the certificate is trusted is decided elsewhere.

use crate::base::time::WallTime;

/// The DER tags that are needed.
const VERSION: u8 = 0xa0;
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;

/// The last moment at which the certificate is valid, its `notAfter`. `None` if it cannot be read.
pub fn not_after(certificate: &[u8]) -> Option<WallTime> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (signed, _) = element(certificate, SEQUENCE)?;
    // The version is omitted if it is the first.
    let signed = element(signed, VERSION).map_or(signed, |(_, rest)| rest);
    let (_, signed) = element(signed, INTEGER)?; // serialNumber
    let (_, signed) = element(signed, SEQUENCE)?; // signature
    let (_, signed) = element(signed, SEQUENCE)?; // issuer
    let (validity, _) = element(signed, SEQUENCE)?;
    let (_, not_after) = time(validity)?;
    time(not_after).map(|(time, _)| time)
}

/// The contents of the element at the front, which must have this tag, and the bytes after it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (length, rest) = length(rest)?;
    (*first == tag).then_some(())?;
    rest.split_at_checked(length)
}

/// A length in its shortest form (X.690 10.1). No certificate needs more than four bytes for it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let count = match *first {
        short @ 0..=0x7f => return Some((short.into(), rest)),
        long => usize::from(long & 0x7f),
    };
    let (digits, rest) = rest.split_at_checked(count).filter(|_| (1..=4).contains(&count))?;
    let length = digits.iter().fold(0_usize, |value, digit| value << 8 | usize::from(*digit));
    let is_shortest = digits[0] != 0 && length > 0x7f;
    is_shortest.then_some((length, rest))
}

/// The time at the front, and the bytes after it. The year has two digits from 1950 to 2049, and
/// four otherwise; the time is always in UTC and has seconds (RFC 5280 4.1.2.5).
fn time(bytes: &[u8]) -> Option<(WallTime, &[u8])> {
    let (digits, rest, century) = match *bytes.first()? {
        UTC_TIME => {
            let (digits, rest) = element(bytes, UTC_TIME)?;
            let century = if *digits.first()? < b'5' { "20" } else { "19" };
            (digits, rest, century)
        }
        _ => {
            let (digits, rest) = element(bytes, GENERALIZED_TIME)?;
            (digits, rest, "")
        }
    };
    let digits = digits.strip_suffix(b"Z").filter(|digits| digits.len() + century.len() == 14)?;
    let digits = [century.as_bytes(), digits].concat();
    let part = |range| std::str::from_utf8(digits.get(range)?).ok();
    let text = format!(
        "{}-{}-{}T{}:{}:{}.000Z",
        part(0..4)?,
        part(4..6)?,
        part(6..8)?,
        part(8..10)?,
        part(10..12)?,
        part(12..14)?
    );
    WallTime::parse_iso8601(text.as_bytes()).map(|time| (time, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An element with its length in the shortest form.
    fn der(tag: u8, contents: &[u8]) -> Vec<u8> {
        let length = match contents.len() {
            len @ 0..=0x7f => vec![len as u8],
            len @ 0x80..=0xff => vec![0x81, len as u8],
            len => [&[0x82][..], &(len as u16).to_be_bytes()].concat(),
        };
        [&[tag][..], &length, contents].concat()
    }

    fn certificate(version: &[u8], validity: &[u8]) -> Vec<u8> {
        let signed = [
            version,
            &der(INTEGER, &[1, 2, 3]),
            &der(SEQUENCE, b"the algorithm"),
            &der(SEQUENCE, &[b'x'; 300]),
            &der(SEQUENCE, validity),
            &der(SEQUENCE, b"and more"),
        ]
        .concat();
        der(SEQUENCE, &[der(SEQUENCE, &signed), b"a signature".to_vec()].concat())
    }

    fn version() -> Vec<u8> {
        der(VERSION, &der(INTEGER, &[2]))
    }

    fn at(text: &str) -> Option<WallTime> {
        WallTime::parse_iso8601(text.as_bytes())
    }

    #[test]
    fn the_end_is_found_in_both_ways_to_write_it() {
        let begin = der(UTC_TIME, b"200101000000Z");
        for (tag, end, expected) in [
            (UTC_TIME, "261231235958Z", "2026-12-31T23:59:58.000Z"),
            (UTC_TIME, "491231235959Z", "2049-12-31T23:59:59.000Z"),
            (UTC_TIME, "500101000000Z", "1950-01-01T00:00:00.000Z"),
            (GENERALIZED_TIME, "20500101000000Z", "2050-01-01T00:00:00.000Z"),
            (GENERALIZED_TIME, "99991231235959Z", "9999-12-31T23:59:59.000Z"),
        ] {
            let validity = [begin.clone(), der(tag, end.as_bytes())].concat();
            assert!(at(expected).is_some());
            assert_eq!(not_after(&certificate(&version(), &validity)), at(expected), "{end}");
            assert_eq!(not_after(&certificate(b"", &validity)), at(expected), "version 1");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        let begin = der(UTC_TIME, b"200101000000Z");
        for (tag, end) in [
            (UTC_TIME, "20261231235958Z"),
            (UTC_TIME, "2612312359Z"),
            (UTC_TIME, "261231235958+0100"),
            (UTC_TIME, "261331235958Z"),
            (UTC_TIME, "26123123595 Z"),
            (UTC_TIME, "\u{661}\u{661}1231235958"),
            (UTC_TIME, ""),
            (GENERALIZED_TIME, "261231235958Z"),
            (GENERALIZED_TIME, "20261231235958.5Z"),
            (GENERALIZED_TIME, "20261231235958"),
            (INTEGER, "20261231235958Z"),
        ] {
            let validity = [begin.clone(), der(tag, end.as_bytes())].concat();
            assert_eq!(not_after(&certificate(&version(), &validity)), None, "{end}");
        }
    }

    #[test]
    fn whatever_is_cut_off_or_changed_is_read_or_not_and_nothing_else_happens() {
        let validity = [der(UTC_TIME, b"200101000000Z"), der(UTC_TIME, b"261231235958Z")].concat();
        let whole = certificate(&version(), &validity);
        for len in 0..whole.len() {
            assert_eq!(not_after(&whole[..len]), None, "the outermost length is not there");
        }
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0x80, 0x81, 0x84, 0x85, 0xff] {
                let mut changed = whole.clone();
                changed[at] = byte;
                let _ = not_after(&changed);
            }
        }
    }

    #[test]
    fn a_length_has_one_spelling() {
        assert_eq!(length(&[5]), Some((5, &[][..])));
        assert_eq!(length(&[0x81, 0x80]), Some((128, &[][..])));
        assert_eq!(length(&[0x84, 1, 0, 0, 0, 9]), Some((1 << 24, &[9][..])));
        for wrong in
            [&[0x80][..], &[0x81, 5], &[0x82, 0, 200], &[0x85, 1, 1, 1, 1, 1], &[0xff], &[]]
        {
            assert_eq!(length(wrong), None, "{wrong:x?}");
        }
    }
}
