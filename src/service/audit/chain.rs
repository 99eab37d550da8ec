//! The chain of the audit log: it binds each record to all those before it, with keys that only go
//! forward. Pure.
//!
//! `mac = HMAC-SHA256(key of the epoch, mac of the record before || SHA-256(body))`. Each key is
//! replaced by `HMAC-SHA256(key, "autamedica-audit next epoch")` and erased. So an intruder finds
//! only a key that cannot forge earlier records.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hmac::{Hmac, KeyInit, Mac as _};
use sha2::{Digest, Sha256};

use crate::base::redacted::Redacted;

/// A message authentication code, or a hash: 32 bytes.
pub type Mac = [u8; 32];

/// Base64url of 32 bytes is this long.
pub const MAC_TEXT_BYTES: usize = 43;

/// The code before the very first record.
pub const BEGINNING: Mac = [0; 32];

/// How many epochs a reader advances to find the key of a record: one per minute for 60 years.
pub const EPOCHS_MAX: u64 = 32_000_000;

const NEXT_EPOCH: &[u8] = b"autamedica-audit next epoch";
const CHECKPOINT: &[u8] = b"autamedica-audit checkpoint";

/// The key of one epoch.
#[derive(Clone, Debug)]
pub struct EpochKey {
    epoch: u64,
    key: Redacted<[u8; 32]>,
}

/// The end of the chain: its last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the record; 0 if there is none yet.
    pub seq: u64,
    /// The code of the record.
    pub mac: Mac,
}

impl Head {
    /// Before the first record.
    pub const BEGINNING: Self = Self { seq: 0, mac: BEGINNING };
}

impl EpochKey {
    /// The key of `epoch`. The key of epoch 0 is the verification key, which signs nothing itself.
    pub const fn new(epoch: u64, key: [u8; 32]) -> Self {
        Self { epoch, key: Redacted::new(key) }
    }

    /// Its number.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The key itself, for the file that stores it.
    pub const fn reveal(&self) -> &[u8; 32] {
        self.key.reveal()
    }

    /// The verification key as a line of a key file.
    pub fn to_key_line(&self) -> String {
        format!("verify {}", to_text(self.key.reveal()))
    }

    /// The key of the next epoch.
    #[must_use]
    pub fn next(&self) -> Self {
        Self::new(self.epoch.saturating_add(1), hmac_sha256(self.key.reveal(), &[NEXT_EPOCH]))
    }

    /// The key of `epoch`; `None` if that is in the past, or further ahead than any log gets.
    pub fn at(&self, epoch: u64) -> Option<Self> {
        if epoch < self.epoch || epoch - self.epoch > EPOCHS_MAX {
            return None;
        }
        let mut key = self.clone();
        while key.epoch < epoch {
            key = key.next();
        }
        Some(key)
    }

    /// The code of a record whose body has this hash and which follows the code `before`.
    pub fn mac(&self, before: &Mac, body_sha256: &Mac) -> Mac {
        hmac_sha256(self.key.reveal(), &[before, body_sha256])
    }

    /// The code of a checkpoint.
    pub fn checkpoint_mac(&self, body: &[u8]) -> Mac {
        hmac_sha256(self.key.reveal(), &[CHECKPOINT, body])
    }
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> Mac {
    Sha256::digest(bytes).into()
}

/// HMAC-SHA256 (RFC 2104) over the concatenated parts.
pub fn hmac_sha256(key: &[u8; 32], parts: &[&[u8]]) -> Mac {
    // A key that is shorter than the block is padded with zeros (RFC 2104 2).
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Base64url without padding.
pub fn to_text(bytes: &[u8]) -> String {
    BASE64URL.encode(bytes)
}

/// Reads base64url without padding, only in its canonical spelling.
pub fn from_text(text: &[u8]) -> Option<Vec<u8>> {
    BASE64URL.decode(text).ok()
}

/// Reads 32 bytes.
pub fn mac_from_text(text: &[u8]) -> Option<Mac> {
    if text.len() != MAC_TEXT_BYTES {
        return None;
    }
    from_text(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_as_in_the_second_test_case_of_rfc_4231_with_a_key_of_32_bytes() {
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let mac = hmac_sha256(&key, &[b"what do ya want ", b"for nothing?"]);
        // Zeros after a short key are equal to its padding, so this is the published value.
        assert_eq!(mac[..8], [0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e]);
    }

    #[test]
    fn keys_go_forward_only() {
        let first = EpochKey::new(0, [7; 32]);
        let third = first.at(3).expect("ahead");
        assert_eq!(third.reveal(), first.next().next().next().reveal());
        assert!(third.at(2).is_none());
        assert!(first.at(u64::MAX).is_none(), "and not without end");
    }

    #[test]
    fn a_text_has_one_spelling() {
        let text = to_text(&[0xff; 32]);
        assert_eq!(mac_from_text(text.as_bytes()), Some([0xff; 32]));
        let other = text.replace(|_| true, "_");
        assert_eq!(text[..42], other[..42]);
        assert_eq!(mac_from_text(other.as_bytes()), None, "bits behind the last byte");
    }
}
