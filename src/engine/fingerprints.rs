//! The certificates that a participant has shown, as far as they must be told apart.

use crate::wire::sdp::FingerprintHash;

/// How many are remembered. A browser makes a certificate for each connection, and most rooms have no more than four people.
const REMEMBERED: usize = 3;

/// What a participant showed in its offers and answers, the latest first.
#[derive(Debug, Default)]
pub(super) struct Fingerprints {
    recent: [Option<FingerprintHash>; REMEMBERED],
}

impl Fingerprints {
    /// Notes what an offer or answer shows. `true`: this participant has not shown it before, or so long ago that three
    /// others came since.
    pub(super) fn note(&mut self, shown: FingerprintHash) -> bool {
        let known = self.recent.iter().position(|recent| *recent == Some(shown));
        // The oldest makes room.
        self.recent[..=known.unwrap_or(REMEMBERED - 1)].rotate_right(1);
        self.recent[0] = Some(shown);
        known.is_none()
    }

    /// What the last one showed.
    pub(super) const fn last(&self) -> Option<FingerprintHash> {
        self.recent[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(byte: u8) -> FingerprintHash {
        FingerprintHash::made_up(byte)
    }

    #[test]
    fn what_was_shown_before_is_not_new() {
        let mut fingerprints = Fingerprints::default();
        assert_eq!(fingerprints.last(), None);
        for round in 0..3 {
            // One connection to each of three others.
            for other in 0..3 {
                assert_eq!(fingerprints.note(shown(other)), round == 0, "{round} {other}");
                assert_eq!(fingerprints.last(), Some(shown(other)));
            }
        }
        assert!(!fingerprints.note(shown(0)), "it stood last, and moves to the front");
        assert!(fingerprints.note(shown(3)));
        assert!(!fingerprints.note(shown(0)));
        assert!(fingerprints.note(shown(1)), "it was forgotten for the one before");
    }
}
