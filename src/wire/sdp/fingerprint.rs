//! The fingerprints of certificates in a description (RFC 8122 5).

use sha2::{Digest, Sha256};

use super::Fault;
use crate::base::hex;
use crate::base::redacted::Redacted;

/// How many different fingerprints a description may hold. Browsers show one.
const FINGERPRINTS_MAX: usize = 8;

/// The longest digest, in bytes.
const DIGEST_BYTES_MAX: usize = 64;

/// Stands for all the fingerprints of a description: the SHA-256 of `sha-256 AB:CD:…` in lower and upper case as here, LF
/// behind each, the different ones in the order of their bytes.
///
/// Whoever has the fingerprints can compute it; nobody learns them from it. It depends neither on how often each occurs,
/// nor on where, nor on its letter case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FingerprintHash(Redacted<[u8; 32]>);

impl FingerprintHash {
    /// The SHA-256.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.reveal()
    }

    /// Its first half: enough to tell two apart, for who keeps many.
    pub fn half(&self) -> Redacted<[u8; 16]> {
        let mut half = [0; 16];
        half.copy_from_slice(&self.as_bytes()[..16]);
        Redacted::new(half)
    }

    /// For tests.
    #[cfg(test)]
    pub(crate) const fn made_up(byte: u8) -> Self {
        Self(Redacted::new([byte; 32]))
    }
}

/// The hash functions that are strong enough, in the order of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Sha256,
    Sha384,
    Sha512,
}

/// One of them, with its digest and zeros behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fingerprint {
    algorithm: Algorithm,
    digest: [u8; DIGEST_BYTES_MAX],
}

/// The different fingerprints of a description, sorted.
pub(super) struct Fingerprints {
    sorted: [Fingerprint; FINGERPRINTS_MAX],
    count: usize,
}

impl Fingerprints {
    pub(super) const fn new() -> Self {
        let none = Fingerprint { algorithm: Algorithm::Sha256, digest: [0; DIGEST_BYTES_MAX] };
        Self { sorted: [none; FINGERPRINTS_MAX], count: 0 }
    }

    /// Takes what stands behind `fingerprint:`.
    pub(super) fn add(&mut self, text: &[u8]) -> Result<(), Fault> {
        let fingerprint = Fingerprint::read(text).ok_or(Fault::Fingerprint)?;
        let Err(at) = self.sorted[..self.count].binary_search(&fingerprint) else { return Ok(()) };
        if self.count == FINGERPRINTS_MAX {
            return Err(Fault::Fingerprints);
        }
        self.sorted[at..=self.count].rotate_right(1);
        self.sorted[at] = fingerprint;
        self.count += 1;
        Ok(())
    }

    /// `None` where there are no fingerprints.
    pub(super) fn hash(&self) -> Option<FingerprintHash> {
        let mut hash = Sha256::new();
        for fingerprint in &self.sorted[..self.count] {
            fingerprint.write(&mut hash);
        }
        (self.count > 0).then(|| FingerprintHash(Redacted::new(hash.finalize().into())))
    }
}

impl Fingerprint {
    /// Either letter case, though RFC 8122 has capitals: what stands there can be read in one way only.
    fn read(text: &[u8]) -> Option<Self> {
        let space = text.iter().position(|byte| *byte == b' ')?;
        let (name, groups) = (&text[..space], &text[space + 1..]);
        let known = [Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512];
        let is_named =
            |algorithm: &Algorithm| name.eq_ignore_ascii_case(algorithm.name().as_bytes());
        let algorithm = known.into_iter().find(is_named)?;
        let mut digest = [0; DIGEST_BYTES_MAX];
        if groups.len() != 3 * algorithm.digest_bytes() - 1 {
            return None;
        }
        let mut digits = hex::Reader::default();
        for (byte, group) in digest.iter_mut().zip(groups.chunks(3)) {
            *byte = match *group {
                [high, low] | [high, low, b':'] => digits.byte(high, low),
                _ => return None,
            };
        }
        digits.is_right().then_some(Self { algorithm, digest })
    }

    fn write(&self, hash: &mut Sha256) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let mut text = [b':'; 3 * DIGEST_BYTES_MAX];
        let digest = &self.digest[..self.algorithm.digest_bytes()];
        for (group, byte) in text.chunks_exact_mut(3).zip(digest) {
            let [high, low] = [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
            group[..2].copy_from_slice(&[high, low]);
        }
        hash.update(self.algorithm.name());
        hash.update(b" ");
        hash.update(&text[..3 * digest.len() - 1]);
        hash.update(b"\n");
    }
}

impl Algorithm {
    const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    const fn digest_bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}
