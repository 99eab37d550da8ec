//! Pseudonyms: the names of sessions, people and addresses in the operational log. They are made
//! with a key that is drawn at each start and never stored, so only the audit log, which contains
//! both, can resolve them.

use std::fmt;
use std::net::IpAddr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::base::redacted::Redacted;
use crate::message::{SessionId, UserId};

const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A pseudonym: a letter for the kind, a hyphen, and 12 random-looking letters and digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name([u8; 14]);

/// Makes pseudonyms, and stores none. A pseudonym is 60 bits of HMAC-SHA256 under its key (RFC
/// 2104). That is a pseudorandom function: without the key, the bits look as if they were drawn at
/// random.
#[derive(Clone, Debug)]
pub struct Names {
    key: Redacted<Hmac<Sha256>>,
}

impl Names {
    /// The pseudonyms of this run, from `seed`, which must be random and must not be stored.
    pub fn new(seed: [u8; 32]) -> Self {
        let mut block = [0; 64];
        block[..32].copy_from_slice(&seed);
        Self { key: Redacted::new(Hmac::new(&block.into())) }
    }

    /// The pseudonym of a session.
    pub fn session(&self, session: SessionId) -> Name {
        self.name(b's', &[session.reveal().as_bytes()])
    }

    /// The pseudonym of a person in a session. In the next session, the same person has another
    /// one.
    pub fn user(&self, session: SessionId, user: UserId) -> Name {
        self.name(b'u', &[session.reveal().as_bytes(), user.reveal().as_bytes()])
    }

    /// The pseudonym of an address.
    pub fn address(&self, address: IpAddr) -> Name {
        match address {
            IpAddr::V4(address) => self.name(b'a', &[&address.octets()]),
            IpAddr::V6(address) => self.name(b'a', &[&address.octets()]),
        }
    }

    /// The parts need no separators: those of one kind always have the same lengths, or there is
    /// only one.
    fn name(&self, kind: u8, parts: &[&[u8]]) -> Name {
        let mut mac = self.key.reveal().clone();
        mac.update(&[kind]);
        parts.iter().for_each(|part| mac.update(part));
        let mut name = [b'-'; 14];
        name[0] = kind;
        for (letter, byte) in name[2..].iter_mut().zip(mac.finalize().into_bytes()) {
            *letter = LETTERS[usize::from(byte % 32)];
        }
        Name(name)
    }
}

impl Name {
    /// The 14 characters.
    pub fn as_str(&self) -> &str {
        // Made of ASCII only.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;

    use uuid::Uuid;

    use super::*;

    fn session(number: u128) -> SessionId {
        SessionId::new(Uuid::from_u128(number))
    }

    fn user(number: u128) -> UserId {
        UserId::new(Uuid::from_u128(number))
    }

    #[test]
    fn a_person_has_another_name_in_every_session_and_the_same_within_one() {
        let names = Names::new([1; 32]);
        let name = names.user(session(1), user(9));
        assert_eq!(names.user(session(1), user(9)), name);
        assert_ne!(names.user(session(2), user(9)), name);
        assert_eq!(names.session(session(1)), names.session(session(1)));
        assert!(name.as_str().starts_with("u-"));
        assert_ne!(Names::new([2; 32]).user(session(1), user(9)), name, "and in every run");
    }

    #[test]
    fn no_two_have_the_same_name() {
        let names = Names::new([1; 32]);
        let mut seen = BTreeSet::new();
        for number in 0..10_000 {
            let (session, user) = (session(number), user(number));
            let address = IpAddr::V4(Ipv4Addr::from_bits(number as u32));
            assert!(seen.insert(names.session(session)));
            assert!(seen.insert(names.user(session, user)));
            assert!(seen.insert(names.address(address)));
        }
    }
}
