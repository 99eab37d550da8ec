//! The kinds of values that settings have: how each is parsed, printed and range-checked.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::admission::origin::Origins;
use crate::base::cidr::{self, Networks};
use crate::base::redacted::Redacted;
use crate::base::time::Duration;

use super::problems::quoted;
use super::{Config, SECRET_BYTES_MIN};

/// The kind of a setting's value, and the field of [`Config`] that it sets.
pub(super) enum Kind {
    /// A key or a password: never shown, and readable from a file.
    Secret(fn(&mut Config) -> &mut Redacted<Vec<u8>>),
    /// A password that somebody else has chosen: never shown, and readable from a file.
    Password(fn(&mut Config) -> &mut Redacted<String>),
    /// `true` or `false`.
    Flag(fn(&mut Config) -> &mut bool),
    /// Any text.
    Text(fn(&mut Config) -> &mut Option<String>),
    /// The path of a file.
    Path(fn(&mut Config) -> &mut Option<PathBuf>),
    /// Ranges of IP addresses.
    Networks(fn(&mut Config) -> &mut Networks),
    /// A duration in whole seconds.
    Seconds(RangeInclusive<u64>, fn(&mut Config) -> &mut Duration),
    /// A number; the first field is the unit.
    Count(&'static str, RangeInclusive<u64>, fn(&mut Config) -> &mut usize),
    /// A number that may also be `unlimited`, which is stored as the largest number.
    Limit(&'static str, RangeInclusive<u64>, fn(&mut Config) -> &mut usize),
    /// A number that is derived from other settings if it is not given.
    Optional(&'static str, RangeInclusive<u64>, fn(&mut Config) -> &mut Option<usize>),
    /// A value with rules of its own.
    Own {
        /// What is accepted, in words.
        accepted: &'static str,
        /// Reads the text into the configuration, or says what is wrong with it.
        set: fn(&mut Config, &str) -> Result<(), String>,
        /// The text that would be read as the present value.
        show: fn(&Config) -> String,
    },
}

impl Kind {
    /// What is accepted, in words.
    pub(super) fn accepted(&self) -> String {
        match self {
            Self::Secret(_) => format!("a text of at least {SECRET_BYTES_MIN} random bytes"),
            Self::Flag(_) => "true or false".to_owned(),
            Self::Text(_) | Self::Password(_) => "any text".to_owned(),
            Self::Path(_) => "the path of a PEM file".to_owned(),
            Self::Networks(_) => cidr::ACCEPTED.to_owned(),
            Self::Seconds(range, _) => number_in("seconds", range),
            Self::Count(unit, range, _) | Self::Optional(unit, range, _) => number_in(unit, range),
            Self::Limit(unit, range, _) => format!("{}, or unlimited", number_in(unit, range)),
            Self::Own { accepted, .. } => (*accepted).to_owned(),
        }
    }

    /// Reads `text`, which is neither empty nor padded with blanks.
    pub(super) fn set(&self, config: &mut Config, text: &str) -> Result<(), String> {
        match self {
            Self::Secret(field) => *field(config) = Redacted::new(text.as_bytes().to_vec()),
            Self::Password(field) => *field(config) = Redacted::new(text.to_owned()),
            Self::Flag(field) => *field(config) = flag(text)?,
            Self::Text(field) => *field(config) = Some(text.to_owned()),
            Self::Path(field) => *field(config) = Some(PathBuf::from(text)),
            Self::Networks(field) => {
                *field(config) = Networks::parse(text).map_err(|bad| bad.to_string())?;
            }
            Self::Seconds(range, field) => {
                *field(config) = Duration::from_secs(number(text, range)?)
            }
            Self::Count(_, range, field) => {
                *field(config) = usize::try_from(number(text, range)?).unwrap_or(usize::MAX);
            }
            Self::Limit(_, _, field) if text.eq_ignore_ascii_case("unlimited") => {
                *field(config) = usize::MAX;
            }
            Self::Limit(_, range, field) => {
                *field(config) = usize::try_from(number(text, range)?).unwrap_or(usize::MAX);
            }
            Self::Optional(_, range, field) => {
                *field(config) = usize::try_from(number(text, range)?).ok();
            }
            Self::Own { set, .. } => set(config, text)?,
        }
        Ok(())
    }

    /// Whether two configurations differ here.
    pub(super) fn differs(&self, one: &mut Config, other: &mut Config) -> bool {
        match self {
            Self::Secret(field) => field(one) != field(other),
            Self::Password(field) => field(one) != field(other),
            _ => self.show(one) != self.show(other),
        }
    }

    /// The text that would be read as the value in `config`; empty for none; stars for a secret.
    pub(super) fn show(&self, config: &mut Config) -> String {
        match self {
            Self::Secret(field) if field(config).reveal().is_empty() => String::new(),
            Self::Password(field) if field(config).reveal().is_empty() => String::new(),
            Self::Secret(_) | Self::Password(_) => "****".to_owned(),
            Self::Flag(field) => field(config).to_string(),
            Self::Text(field) => field(config).clone().unwrap_or_default(),
            Self::Path(field) => {
                field(config).as_ref().map(|path| path.display().to_string()).unwrap_or_default()
            }
            Self::Networks(field) => field(config).to_string(),
            Self::Seconds(_, field) => field(config).as_secs().to_string(),
            Self::Count(_, _, field) => field(config).to_string(),
            Self::Limit(_, _, field) => match *field(config) {
                usize::MAX => "unlimited".to_owned(),
                number => number.to_string(),
            },
            Self::Optional(_, _, field) => {
                field(config).map(|number| number.to_string()).unwrap_or_default()
            }
            Self::Own { show, .. } => show(config),
        }
    }

    /// The problem with an out-of-range number that was not set through [`Kind::set`].
    pub(super) fn range_fault(&self, config: &mut Config) -> Option<String> {
        match self {
            // An embedder, or a test, may want less than a second; zero is never intended.
            Self::Seconds(range, field) => {
                let micros = field(config).as_micros();
                let secs = if micros == 0 { 0 } else { micros.div_ceil(1_000_000) };
                in_range(secs, range).err()
            }
            Self::Count(_, range, field) => in_range(*field(config) as u64, range).err(),
            Self::Limit(_, range, field) => {
                let number = Some(*field(config)).filter(|number| *number != usize::MAX);
                number.and_then(|number| in_range(number as u64, range).err())
            }
            Self::Optional(_, range, field) => {
                field(config).and_then(|number| in_range(number as u64, range).err())
            }
            _ => None,
        }
    }
}

/// Reads a list of origins.
pub(super) fn set_origins(config: &mut Config, text: &str) -> Result<(), String> {
    // The wrong entry is shown in errors, so a text that may contain a password is refused here.
    if text.contains('@') {
        return Err("an origin has no user name and no password in it".to_owned());
    }
    config.origins = Origins::parse(text).map_err(|bad| {
        // The accepted values are reported in the same way for every setting.
        let text = bad.to_string();
        text.split_once("; accepted").map_or_else(|| text.clone(), |(fault, _)| fault.to_owned())
    })?;
    Ok(())
}

/// Reads a whole number in `range`.
pub(super) fn number(text: &str, range: &RangeInclusive<u64>) -> Result<u64, String> {
    // `parse` alone would accept a plus sign.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{} is not a whole number in plain digits", quoted(text)));
    }
    // This fails only for a number that is too large for 64 bits.
    let value = text.parse().unwrap_or(u64::MAX);
    in_range(value, range)
}

fn in_range(value: u64, range: &RangeInclusive<u64>) -> Result<u64, String> {
    if range.contains(&value) {
        Ok(value)
    } else if value == 0 {
        Err("0 is out of range (it never means \"no limit\")".to_owned())
    } else if value < *range.start() {
        Err(format!("{value} is too small"))
    } else if value == u64::MAX {
        Err("the number is too large".to_owned())
    } else {
        Err(format!("{value} is too large"))
    }
}

fn flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("{} is neither true nor false", quoted(text))),
    }
}

fn number_in(unit: &str, range: &RangeInclusive<u64>) -> String {
    format!("a whole number of {unit} from {} to {}", range.start(), range.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_plain_digits_in_their_range() {
        assert_eq!(number("1", &(1..=9)), Ok(1));
        assert_eq!(number("9", &(1..=9)), Ok(9));
        for wrong in ["0", "10", "+1", "-1", "1.0", "1s", "0x1", "１", "99999999999999999999999"] {
            assert!(number(wrong, &(1..=9)).is_err(), "{wrong}");
        }
    }
}
