//! How often each error was reported, over WebSocket or HTTP.

/// Every code that an `error` message or the body of an HTTP refusal may have, and one for all
/// others.
pub const CODES: [&str; 29] = [
    "ALREADY_JOINED",
    "AUDIT_UNAVAILABLE",
    "BAD_JSON",
    "BAD_MESSAGE",
    "BAD_REQUEST",
    "FORBIDDEN",
    "HEAD_TOO_LARGE",
    "INTERNAL",
    "MESSAGE_TOO_LARGE",
    "METHOD_NOT_ALLOWED",
    "NOT_FOUND",
    "NOT_IN_ROOM",
    "PEER_NOT_FOUND",
    "PEER_UNREACHABLE",
    "RATE_LIMITED",
    "REPLACED",
    "REQUEST_TIMEOUT",
    "ROLE_TAKEN",
    "ROOM_FULL",
    "SDP_REJECTED",
    "SERVER_FULL",
    "SERVER_SHUTDOWN",
    "SESSION_ENDED",
    "TOKEN_EXPIRED",
    "TOKEN_INVALID",
    "UNAUTHORIZED",
    "UNKNOWN_TYPE",
    "UPGRADE_REQUIRED",
    OTHER,
];

const OTHER: &str = "OTHER";

/// How often each code was reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Errors([u64; CODES.len()]);

impl Errors {
    /// No errors.
    pub const NONE: Self = Self([0; CODES.len()]);

    /// The numbers that `count` returns for each code.
    pub fn new(count: impl Fn(usize) -> u64) -> Self {
        Self(std::array::from_fn(count))
    }

    /// Adds one error.
    pub fn add(&mut self, code: &str) {
        let at = CODES.iter().position(|known| *known == code).unwrap_or(CODES.len() - 1);
        self.0[at] += 1;
    }

    /// Each code, and how often it was reported.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CODES.iter().copied().zip(self.0)
    }

    /// The total.
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The sum of two counts.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        self.0.iter_mut().zip(&others.0).for_each(|(mine, theirs)| *mine += theirs);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_knows_is_counted_too() {
        let mut errors = Errors::default();
        ["NOT_FOUND", "NOT_FOUND", "A_NEW_ONE"].iter().for_each(|code| errors.add(code));
        let of = |wanted| errors.iter().find(|(code, _)| *code == wanted).map(|(_, count)| count);
        assert_eq!((of("NOT_FOUND"), of(OTHER), of("FORBIDDEN")), (Some(2), Some(1), Some(0)));
        assert_eq!((errors.sum(), errors.and(&errors).sum()), (3, 6));
        assert_eq!(Errors::new(|at| errors.0[at]), errors);
    }
}
