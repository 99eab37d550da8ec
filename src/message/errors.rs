//! How often each error was told, over WebSocket or HTTP.

/// Every code that an `error` message or the body of an HTTP refusal may carry, and one for what is none of them.
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

/// How often each code was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Errors([u64; CODES.len()]);

impl Errors {
    /// None yet.
    pub const NONE: Self = Self([0; CODES.len()]);

    /// As many as `count` says of each.
    pub fn new(count: impl Fn(usize) -> u64) -> Self {
        Self(std::array::from_fn(count))
    }

    /// One more.
    pub fn add(&mut self, code: &str) {
        let at = CODES.iter().position(|known| *known == code).unwrap_or(CODES.len() - 1);
        self.0[at] += 1;
    }

    /// Each code with how often it was told.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CODES.iter().copied().zip(self.0)
    }

    /// All of them together.
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }

    /// These and others together.
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
