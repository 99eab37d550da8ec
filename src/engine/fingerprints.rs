//! The certificates that a participant has shown, as far as they must be told apart.

use crate::base::redacted::Redacted;
use crate::wire::sdp::FingerprintHash;

/// How many are remembered. A browser makes a certificate for each connection, and most rooms have no more than four people.
const REMEMBERED: usize = 3;

/// The first halves of the hashes of what a participant showed in its offers and answers, the latest first.
#[derive(Debug, Default)]
pub(super) struct Fingerprints {
    /// Apart from the participant, since most of the time most have shown none.
    recent: Option<Box<Recent>>,
}

type Recent = [Option<Redacted<[u8; 16]>>; REMEMBERED];

impl Fingerprints {
    /// Whether this participant has shown it lately.
    pub(super) fn know(&self, shown: &FingerprintHash) -> bool {
        let half = Some(shown.half());
        self.recent.as_ref().is_some_and(|recent| recent.contains(&half))
    }

    /// Notes what an offer or answer shows. `true`: this participant has not shown it before, or so long ago that three
    /// others came since.
    pub(super) fn note(&mut self, shown: FingerprintHash) -> bool {
        let half = Some(shown.half());
        let recent = self.recent.get_or_insert_default();
        let known = recent.iter().position(|recent| *recent == half);
        // The oldest makes room.
        recent[..=known.unwrap_or(REMEMBERED - 1)].rotate_right(1);
        recent[0] = half;
        known.is_none()
    }

    /// What the last one showed.
    pub(super) fn last(&self) -> Option<Redacted<[u8; 16]>> {
        self.recent.as_ref()?[0]
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
                assert_eq!(fingerprints.know(&shown(other)), round > 0, "{round} {other}");
                assert_eq!(fingerprints.note(shown(other)), round == 0, "{round} {other}");
                assert_eq!(fingerprints.last(), Some(shown(other).half()));
            }
        }
        assert!(!fingerprints.note(shown(0)), "it stood last, and moves to the front");
        assert!(fingerprints.note(shown(3)));
        assert!(!fingerprints.note(shown(0)));
        assert!(fingerprints.note(shown(1)), "it was forgotten for the one before");
    }
}
