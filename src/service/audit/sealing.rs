//! The sealed part of a record: the identities, readable only with the encryption key. Pure.
//!
//! `sealed = base64url(number of the key, 4 bytes || nonce, 24 bytes || ChaCha20-Poly1305 (RFC
//! 8439) ciphertext and tag)`. Each record has a key of its own, `HMAC-SHA256(encryption key,
//! nonce)`. The key is used once, so the nonce of the cipher is zero, and a single record can be
//! opened for somebody without the others. The plain part of the record is authenticated with it,
//! so a sealed part cannot be moved to another record.

use chacha20poly1305::aead::Aead;
use chacha20poly1305::aead::Payload;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce};

use crate::base::redacted::Redacted;

use super::chain::{from_text, hmac_sha256, to_text};

const NONCE_BYTES: usize = 24;
const HEAD_BYTES: usize = 4 + NONCE_BYTES;

/// An encryption key, by its number in the key file.
#[derive(Clone, Debug)]
pub struct EncryptionKey {
    /// Its number.
    pub id: u32,
    /// The key.
    pub key: Redacted<[u8; 32]>,
}

/// Seals records, each with a nonce that was never used before.
#[derive(Debug)]
pub struct Sealer {
    key: EncryptionKey,
    /// Random for each run.
    run: [u8; 16],
    sealed: u64,
}

/// A parsed sealed part.
#[derive(Debug)]
pub struct Sealed {
    /// The number of the key that opens it.
    pub key_id: u32,
    nonce: [u8; NONCE_BYTES],
    ciphertext: Vec<u8>,
}

impl Sealer {
    /// Seals with `key`. `run` must be random, and different for each run.
    pub const fn new(key: EncryptionKey, run: [u8; 16]) -> Self {
        Self { key, run, sealed: 0 }
    }

    /// The number of the key.
    pub const fn key_id(&self) -> u32 {
        self.key.id
    }

    /// Seals `secret` for the record whose plain part is `plain`, as text.
    pub fn seal(&mut self, plain: &[u8], secret: &[u8]) -> String {
        self.sealed += 1;
        let mut nonce = [0; NONCE_BYTES];
        nonce[..16].copy_from_slice(&self.run);
        nonce[16..].copy_from_slice(&self.sealed.to_be_bytes());
        let cipher = cipher(&hmac_sha256(self.key.key.reveal(), &[&nonce]));
        let payload = Payload { msg: secret, aad: plain };
        // Encryption fails only past 256 GiB. Then the sealed part is empty, which shows that it
        // could not be sealed.
        let ciphertext = cipher.encrypt(&Nonce::default(), payload).unwrap_or_default();
        let mut bytes = Vec::with_capacity(HEAD_BYTES + ciphertext.len());
        bytes.extend_from_slice(&self.key.id.to_be_bytes());
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&ciphertext);
        to_text(&bytes)
    }
}

impl Sealed {
    /// Parses the text.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let bytes = from_text(text)?;
        let (id, rest) = bytes.split_first_chunk()?;
        let (nonce, ciphertext) = rest.split_first_chunk()?;
        Some(Self {
            key_id: u32::from_be_bytes(*id),
            nonce: *nonce,
            ciphertext: ciphertext.to_vec(),
        })
    }

    /// The key of this one record.
    pub fn record_key(&self, key: &EncryptionKey) -> [u8; 32] {
        hmac_sha256(key.key.reveal(), &[&self.nonce])
    }

    /// Opens it with the key of the record; `None` if the key, the text or the plain part does not
    /// match.
    pub fn open(&self, record_key: &[u8; 32], plain: &[u8]) -> Option<Vec<u8>> {
        let payload = Payload { msg: &self.ciphertext, aad: plain };
        cipher(record_key).decrypt(&Nonce::default(), payload).ok()
    }

    /// Opens it with the one of `keys` that sealed it.
    pub fn open_with(&self, keys: &[EncryptionKey], plain: &[u8]) -> Option<Vec<u8>> {
        let key = keys.iter().find(|key| key.id == self.key_id)?;
        self.open(&self.record_key(key), plain)
    }
}

fn cipher(key: &[u8; 32]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&(*key).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u32) -> EncryptionKey {
        EncryptionKey { id, key: Redacted::new([id as u8; 32]) }
    }

    #[test]
    fn opens_with_its_key_and_beside_its_record_only() {
        let mut sealer = Sealer::new(key(2), [9; 16]);
        let text = sealer.seal(b"plain", b"secret");
        let sealed = Sealed::parse(text.as_bytes()).expect("sealed");
        assert_eq!(sealed.open_with(&[key(1), key(2)], b"plain").as_deref(), Some(&b"secret"[..]));
        assert_eq!(sealed.open_with(&[key(2)], b"other"), None);
        assert_eq!(sealed.open_with(&[key(1)], b"plain"), None);
        assert_eq!(sealed.open(&[2; 32], b"plain"), None, "the key of all is not that of one");
    }

    #[test]
    fn the_same_twice_does_not_look_the_same() {
        let mut sealer = Sealer::new(key(1), [9; 16]);
        assert_ne!(sealer.seal(b"plain", b"secret"), sealer.seal(b"plain", b"secret"));
    }

    #[test]
    fn what_is_too_short_is_nothing() {
        assert!(Sealed::parse(b"").is_none());
        assert!(Sealed::parse(to_text(&[0; HEAD_BYTES - 1]).as_bytes()).is_none());
        let none = Sealed::parse(to_text(&[0; HEAD_BYTES]).as_bytes()).expect("a head");
        assert_eq!(none.open(&[0; 32], b""), None);
    }
}
