//! Time as plain integers, so that a test or a fuzzer can invent it. Only the reactor reads a
//! clock.

use std::ops::Add;

/// A moment on a clock that never goes back: microseconds since an arbitrary start. For durations
/// and deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant {
    micros: u64,
}

/// A duration in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration {
    micros: u64,
}

/// A moment on the wall clock: milliseconds since 1970-01-01 UTC. It may jump; only token claims
/// and texts use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WallTime {
    millis: i64,
}

/// Both clocks, read once per turn of the loop and passed down by value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Now {
    /// For durations.
    pub instant: Instant,
    /// For token claims and for times that a person reads.
    pub wall: WallTime,
}

impl Instant {
    /// `micros` microseconds after the start.
    pub const fn from_micros(micros: u64) -> Self {
        Self { micros }
    }

    /// Microseconds since the start.
    pub const fn as_micros(self) -> u64 {
        self.micros
    }

    /// Time since `earlier`; zero if that is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration { micros: self.micros.saturating_sub(earlier.micros) }
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self { micros: self.micros.saturating_add(duration.micros) }
    }
}

impl Duration {
    /// A duration of whole seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self { micros: secs.saturating_mul(1_000_000) }
    }

    /// A duration of whole milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self { micros: millis.saturating_mul(1_000) }
    }

    /// A duration of microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self { micros }
    }

    /// Whole microseconds.
    pub const fn as_micros(self) -> u64 {
        self.micros
    }

    /// This duration minus `other`; zero if that is longer.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self { micros: self.micros.saturating_sub(other.micros) }
    }

    /// Whole seconds, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.micros / 1_000_000
    }
}

impl WallTime {
    /// `millis` milliseconds after 1970-01-01 UTC.
    pub const fn from_millis(millis: i64) -> Self {
        Self { millis }
    }

    /// `secs` seconds after 1970-01-01 UTC (the NumericDate of RFC 7519 2).
    pub const fn from_secs(secs: i64) -> Self {
        Self { millis: secs.saturating_mul(1_000) }
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub const fn as_millis(self) -> i64 {
        self.millis
    }

    /// Whole seconds since 1970-01-01 UTC, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.millis.div_euclid(1_000)
    }

    /// This moment plus `duration`.
    pub const fn plus(self, duration: Duration) -> Self {
        Self { millis: self.millis.saturating_add((duration.micros / 1_000) as i64) }
    }

    /// This moment minus `duration`.
    pub const fn minus(self, duration: Duration) -> Self {
        Self { millis: self.millis.saturating_sub((duration.micros / 1_000) as i64) }
    }

    /// ISO 8601 in UTC with milliseconds, `2026-01-31T23:59:59.999Z`: 24 bytes of ASCII.
    ///
    /// Years outside 0 to 9999 are shown as the nearest end of that range.
    pub fn to_iso8601(self) -> [u8; 24] {
        let civil = self.to_civil();
        let mut text = *b"0000-00-00T00:00:00.000Z";
        digits(&mut text[0..4], civil.year);
        digits(&mut text[5..7], civil.month);
        digits(&mut text[8..10], civil.day);
        digits(&mut text[11..13], civil.hour);
        digits(&mut text[14..16], civil.minute);
        digits(&mut text[17..19], civil.second);
        digits(&mut text[20..23], civil.millisecond);
        text
    }

    /// Reads what [`WallTime::to_iso8601`] writes, and nothing else.
    pub fn parse_iso8601(text: &[u8]) -> Option<Self> {
        let field = |from: usize, to: usize| {
            text.get(from..to)?.iter().try_fold(0, |value, byte| match byte {
                b'0'..=b'9' => Some(value * 10 + i64::from(byte - b'0')),
                _ => None,
            })
        };
        let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
        // Days since 1970-01-01, the inverse of `to_civil` (days_from_civil of the same paper).
        let year_from_march = year - i64::from(month <= 2);
        let era = year_from_march.div_euclid(400);
        let year_of_era = year_from_march.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        let seconds = (field(11, 13)? * 60 + field(14, 16)?) * 60 + field(17, 19)?;
        let time = Self::from_millis((days * 86_400 + seconds) * 1_000 + field(20, 23)?);
        // Rejects every other spelling: 30 February, 24:00, other separators.
        (time.to_iso8601() == text).then_some(time)
    }

    /// The `Date` field of HTTP (IMF-fixdate, RFC 9110 5.6.7), `Sun, 06 Nov 1994 08:49:37 GMT`: 29
    /// bytes of ASCII.
    pub fn to_http_date(self) -> [u8; 29] {
        const DAYS: &[u8; 21] = b"ThuFriSatSunMonTueWed";
        const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
        let civil = self.to_civil();
        let weekday = self.clamped().div_euclid(86_400_000).rem_euclid(7) as usize * 3;
        let month = (civil.month as usize - 1) * 3;
        let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
        text[0..3].copy_from_slice(&DAYS[weekday..weekday + 3]);
        digits(&mut text[5..7], civil.day);
        text[8..11].copy_from_slice(&MONTHS[month..month + 3]);
        digits(&mut text[12..16], civil.year);
        digits(&mut text[17..19], civil.hour);
        digits(&mut text[20..22], civil.minute);
        digits(&mut text[23..25], civil.second);
        text
    }

    fn clamped(self) -> i64 {
        self.millis.clamp(-62_167_219_200_000, 253_402_300_799_999)
    }

    /// The proleptic Gregorian date (Howard Hinnant, "chrono-compatible low-level date algorithms",
    /// civil_from_days).
    fn to_civil(self) -> Civil {
        let millis = self.clamped();
        let days = millis.div_euclid(86_400_000) + 719_468;
        let in_day = millis.rem_euclid(86_400_000) as u32;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Civil {
            year: year as u32,
            month: month as u32,
            day: (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32,
            hour: in_day / 3_600_000,
            minute: in_day / 60_000 % 60,
            second: in_day / 1_000 % 60,
            millisecond: in_day % 1_000,
        }
    }
}

struct Civil {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    millisecond: u32,
}

/// Writes `value` in decimal, right-aligned over the zeros of `field`.
fn digits(field: &mut [u8], mut value: u32) {
    for digit in field.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iso(millis: i64) -> String {
        String::from_utf8(WallTime::from_millis(millis).to_iso8601().to_vec()).expect("ASCII")
    }

    #[test]
    fn iso8601_at_the_edges_of_the_calendar() {
        assert_eq!(iso(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(iso(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(iso(1_709_251_199_999), "2024-02-29T23:59:59.999Z");
        assert_eq!(iso(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
        assert_eq!(iso(i64::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(iso(i64::MIN), "0000-01-01T00:00:00.000Z");
    }

    #[test]
    fn iso8601_reads_back_in_its_one_spelling() {
        for millis in
            [0, -1, 951_782_400_000, 1_709_251_199_999, 4_107_542_400_000, 253_402_300_799_999]
        {
            let time = WallTime::from_millis(millis);
            assert_eq!(WallTime::parse_iso8601(&time.to_iso8601()), Some(time));
        }
        for wrong in
            ["", "2026-02-30T00:00:00.000Z", "2026-01-01T24:00:00.000Z", "2026-01-01 00:00:00.000Z"]
        {
            assert_eq!(WallTime::parse_iso8601(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn http_date_as_in_the_example_of_rfc_9110() {
        let text = WallTime::from_secs(784_111_777).to_http_date();
        assert_eq!(&text, b"Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn durations_saturate_instead_of_wrapping() {
        let late = Instant::from_micros(u64::MAX) + Duration::from_secs(u64::MAX);
        assert_eq!(late.as_micros(), u64::MAX);
        assert_eq!(Instant::default().since(late), Duration::default());
    }
}
