//! Values that must not reach a log.

use std::fmt;

/// Wraps values that identify a patient or grant access: user and session ids, addresses, tokens,
/// secrets.
///
/// It has no `Display`, and its `Debug` shows nothing of the value, so neither `{}` nor `{:?}` of a
/// structure that contains one can leak it. Code that needs the value calls [`Redacted::reveal`],
/// which is easy to search for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. It must never be passed to a log, a metric or an error text.
    pub const fn reveal(&self) -> &T {
        &self.0
    }

    /// The value itself, for changing it in place. The same rules apply.
    pub const fn reveal_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_value() {
        assert_eq!(format!("{:?}", Some(Redacted::new("marker-7"))), "Some([redacted])");
    }
}
