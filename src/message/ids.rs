//! The ids of users and sessions.

use std::fmt;
use std::num::NonZeroU64;

use uuid::Uuid;

use crate::base::hex;
use crate::base::redacted::Redacted;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Redacted<Uuid>);

        impl $name {
            /// Wraps a UUID.
            pub const fn new(uuid: Uuid) -> Self {
                Self(Redacted::new(uuid))
            }

            /// Parses the text form of RFC 9562 4: 36 characters with hyphens, either letter case,
            /// nothing around it.
            pub fn parse(text: &str) -> Option<Self> {
                read_uuid(text.as_bytes().try_into().ok()?).map(Self::new)
            }

            /// The 36 characters in lower case, as the server writes them.
            pub fn to_text(self) -> [u8; 36] {
                let mut text = [0; 36];
                self.0.reveal().hyphenated().encode_lower(&mut text);
                text
            }

            /// The UUID. It must never be passed to a log, a metric or an error text.
            pub const fn reveal(&self) -> &Uuid {
                self.0.reveal()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "[redacted]"))
            }
        }
    };
}

/// `Uuid` itself also accepts braces, `urn:uuid:` and 32 digits, and is slower.
#[inline]
fn read_uuid(text: &[u8; 36]) -> Option<Uuid> {
    let mut digits = [0; 32];
    digits[..8].copy_from_slice(&text[..8]);
    digits[8..12].copy_from_slice(&text[9..13]);
    digits[12..16].copy_from_slice(&text[14..18]);
    digits[16..20].copy_from_slice(&text[19..23]);
    digits[20..].copy_from_slice(&text[24..]);
    let has_hyphens = [text[8], text[13], text[18], text[23]] == *b"----";
    hex::decode(&digits).filter(|_| has_hyphens).map(Uuid::from_bytes)
}

id! {
    /// A person: the `userId` of a token.
    UserId
}

id! {
    /// A medical session, and so a room: the `sessionId` of a token.
    SessionId
}

/// Identifies a token by its `jti`: a part of its hash, since the text is not needed again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(Redacted<NonZeroU64>);

impl TokenId {
    /// An id from the first 8 bytes of a hash.
    pub const fn from_hash(hash: [u8; 8]) -> Self {
        // `None` means that there is no `jti`, so the hash 0 shares its id with another hash.
        match NonZeroU64::new(u64::from_be_bytes(hash)) {
            Some(number) => Self(Redacted::new(number)),
            None => Self(Redacted::new(NonZeroU64::MIN)),
        }
    }

    /// The 8 bytes.
    pub const fn to_hash(self) -> [u8; 8] {
        self.0.reveal().get().to_be_bytes()
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenId[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_36_characters_of_rfc_9562_are_an_id() {
        let lower = "6f1f0c2e-8a52-4c6e-9d1e-0b6f3a7c5d21";
        let id = UserId::parse(lower).expect("lower case");
        assert_eq!(UserId::parse(&lower.to_uppercase()), Some(id));
        assert_eq!(&id.to_text(), lower.as_bytes());
        for wrong in [
            "",
            "6f1f0c2e8a524c6e9d1e0b6f3a7c5d21",
            "{6f1f0c2e-8a52-4c6e-9d1e-0b6f3a7c5d21}",
            "urn:uuid:6f1f0c2e-8a52-4c6e-9d1e-0b6f3a7c5d21",
            "6f1f0c2e-8a52-4c6e-9d1e-0b6f3a7c5d2g",
            "6f1f0c2e-8a52-4c6e-9d1e-0b6f3a7c5d2",
            "6f1f0c2e-8a524-c6e-9d1e-0b6f3a7c5d21",
            " 6f1f0c2e-8a52-4c6e-9d1e-0b6f3a7c5d2",
        ] {
            assert_eq!(UserId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn debug_does_not_show_the_id() {
        assert_eq!(format!("{:?}", SessionId::new(Uuid::nil())), "SessionId[redacted]");
    }
}
