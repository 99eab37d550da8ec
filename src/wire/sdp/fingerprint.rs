//! The fingerprints of certificates in a description (RFC 8122 5).

use sha2::{Digest, Sha256};

use super::Fault;
use crate::base::hex;
use crate::base::redacted::Redacted;

/// How many different fingerprints a description may hold. Browsers show one.
const FINGERPRINTS_MAX: usize = 8;

/// A text longer than the one of a SHA-256 is not compared.
const LAST_BYTES_MAX: usize = 128;

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
#[derive(Clone, Copy)]
pub(super) struct Fingerprints {
    sorted: [Fingerprint; FINGERPRINTS_MAX],
    count: usize,
    /// The last one as it was written: mostly all sections have the same.
    last: [u8; LAST_BYTES_MAX],
    last_len: usize,
}

/// The hash that was made last. Whoever negotiates anew shows the same certificate again.
#[derive(Debug, Default)]
pub struct LastHash(Option<(Redacted<Fingerprints>, FingerprintHash)>);

impl Fingerprints {
    pub(super) const fn new() -> Self {
        let none = Fingerprint { algorithm: Algorithm::Sha256, digest: [0; DIGEST_BYTES_MAX] };
        let last = [0; LAST_BYTES_MAX];
        Self { sorted: [none; FINGERPRINTS_MAX], count: 0, last, last_len: 0 }
    }

    fn sorted(&self) -> &[Fingerprint] {
        &self.sorted[..self.count]
    }

    /// Takes what stands behind `fingerprint:`.
    pub(super) fn add(&mut self, text: &[u8]) -> Result<(), Fault> {
        if self.last[..self.last_len] == *text && !text.is_empty() {
            return Ok(());
        }
        let fingerprint = Fingerprint::read(text).ok_or(Fault::Fingerprint)?;
        if let Some(last) = self.last.get_mut(..text.len()) {
            last.copy_from_slice(text);
            self.last_len = text.len();
        }
        let Err(at) = self.sorted().binary_search(&fingerprint) else { return Ok(()) };
        if self.count == FINGERPRINTS_MAX {
            return Err(Fault::Fingerprints);
        }
        self.sorted[at..=self.count].rotate_right(1);
        self.sorted[at] = fingerprint;
        self.count += 1;
        Ok(())
    }

    fn hash(&self) -> FingerprintHash {
        let mut hash = Sha256::new();
        self.sorted().iter().for_each(|fingerprint| fingerprint.write(&mut hash));
        FingerprintHash(Redacted::new(hash.finalize().into()))
    }
}

impl LastHash {
    /// What stands for these; `None` where there are none.
    pub(super) fn hash(&mut self, fingerprints: &Fingerprints) -> Option<FingerprintHash> {
        if fingerprints.count == 0 {
            return None;
        }
        if let Some((last, hash)) = &self.0
            && last.reveal().sorted() == fingerprints.sorted()
        {
            return Some(*hash);
        }
        let hash = fingerprints.hash();
        self.0 = Some((Redacted::new(*fingerprints), hash));
        Some(hash)
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
        let groups_len = 3 * algorithm.digest_bytes();
        if groups.len() != groups_len - 1 {
            return None;
        }
        // A colon behind the last one too: then all are alike.
        let mut whole = [b':'; 3 * DIGEST_BYTES_MAX];
        whole[..groups.len()].copy_from_slice(groups);
        let parts = whole[..groups_len].as_chunks::<48>().0;
        for (bytes, groups) in digest.as_chunks_mut().0.iter_mut().zip(parts) {
            *bytes = read_groups(groups)?;
        }
        Some(Self { algorithm, digest })
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

/// Of each group two digits, with a colon behind them.
fn read_groups(groups: &[u8; 48]) -> Option<[u8; 16]> {
    let mut digits = [0; 32];
    let mut has_colons = true;
    for (pair, group) in digits.as_chunks_mut::<2>().0.iter_mut().zip(groups.as_chunks::<3>().0) {
        let [high, low, colon] = *group;
        *pair = [high, low];
        has_colons &= colon == b':';
    }
    hex::decode(&digits).filter(|_| has_colons)
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
