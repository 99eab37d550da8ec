//! Ids of Socket.IO sessions. Anyone who knows the id of a polling session may speak for it, so it
//! must be impossible to guess.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The length of an id in characters: two that name the reactor, and 120 random bits.
const LETTERS: usize = 22;

/// How many bytes those characters stand for, without the 12 bits at the front.
const SECRET_BYTES: usize = 15;

/// The alphabet of base64url (RFC 4648 5), by value.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// How many reactors the first two characters can distinguish.
pub const REACTORS_MAX: u16 = 64 * 64;

/// The id of a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sid([u8; LETTERS]);

impl Sid {
    /// Parses an id; `None` if it is malformed.
    pub fn read(text: &str) -> Option<Self> {
        let letters: [u8; LETTERS] = text.as_bytes().try_into().ok()?;
        letters.iter().all(|letter| ALPHABET.contains(letter)).then_some(Self(letters))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The reactor where the session began. Only that reactor knows of the session at first, so
    /// this is checked before anything else.
    pub fn reactor(&self) -> u16 {
        let value = |letter| ALPHABET.iter().position(|one| *one == letter).unwrap_or_default();
        (value(self.0[0]) * 64 + value(self.0[1])) as u16
    }
}

/// Shows nothing: an id gives access to a session.
impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Makes ids, all from one secret that is drawn at the start.
pub struct Sids {
    key: Hmac<Sha256>,
    made: u64,
    reactor: u16,
}

impl Sids {
    /// A generator for the sessions of one reactor (below [`REACTORS_MAX`]), from a secret that
    /// nobody else has.
    pub fn new(secret: &[u8; 32], reactor: u16) -> Self {
        // HMAC accepts a key of any length (RFC 2104 3).
        let key = Hmac::new_from_slice(secret);
        Self {
            key: key.unwrap_or_else(|_| Hmac::new(&Default::default())),
            made: 0,
            reactor: reactor % REACTORS_MAX,
        }
    }

    /// Makes a new id.
    pub fn make(&mut self) -> Sid {
        self.made += 1;
        let mut mac = self.key.clone();
        mac.update(&self.reactor.to_be_bytes());
        mac.update(&self.made.to_be_bytes());
        let tag = mac.finalize().into_bytes();
        let mut letters = [ALPHABET[0]; LETTERS];
        letters[0] = ALPHABET[usize::from(self.reactor / 64)];
        letters[1] = ALPHABET[usize::from(self.reactor % 64)];
        // 15 bytes are 20 characters.
        let written = URL_SAFE_NO_PAD.encode_slice(&tag[..SECRET_BYTES], &mut letters[2..]);
        debug_assert_eq!(written, Ok(LETTERS - 2));
        Sid(letters)
    }
}

impl fmt::Debug for Sids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sids").field("made", &self.made).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_names_are_the_same_and_each_tells_its_reactor() {
        let mut names = BTreeSet::new();
        for reactor in [0, 1, 63, 64, REACTORS_MAX - 1] {
            let mut sids = Sids::new(&[7; 32], reactor);
            for _ in 0..1_000 {
                let sid = sids.make();
                assert_eq!(sid.reactor(), reactor);
                assert_eq!(Sid::read(sid.as_str()), Some(sid));
                names.insert(sid.as_str().to_owned());
            }
        }
        assert_eq!(names.len(), 5_000);
        let one = |secret| Sids::new(&[secret; 32], 0).make();
        assert_ne!(one(1), one(2));
    }

    #[test]
    fn what_is_no_name_is_not_read_and_a_name_is_not_shown() {
        let sid = Sids::new(&[7; 32], 0).make();
        assert!(!format!("{sid:?}").contains(&sid.as_str()[4..]));
        let long = format!("{}A", sid.as_str());
        for text in ["", "AA", &long, &sid.as_str()[1..], "AA../../../../../../..", "éééééééééééé"]
        {
            assert_eq!(Sid::read(text), None, "{text}");
        }
    }
}
