//! Expiring credentials for TURN servers, as coturn's `use-auth-secret` checks them: a server with
//! the shared secret can verify them without asking anybody.
//!
//! ```text
//!   username = <end, in seconds since 1970> ":" <opaque id>
//!   password = base64(HMAC-SHA1(secret, username))
//! ```
//!
//! The id is not that of a user: it identifies nobody, and is different each time.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64URL};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

use crate::base::redacted::Redacted;
use crate::base::time::WallTime;

/// The shortest secret. Every client gets a user name and a password, and could try secrets on them
/// offline.
pub const SECRET_BYTES_MIN: usize = 32;

/// The length of an opaque id in bytes: enough that no two are the same, and none can be guessed.
const ID_BYTES: usize = 15;

/// Credentials for a TURN server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user name.
    pub username: Redacted<String>,
    /// The password; `credential` in `RTCIceServer`.
    pub password: Redacted<String>,
}

/// Makes credentials from the secret that it shares with the TURN servers.
#[derive(Clone)]
pub struct Minter {
    keyed: Box<Keyed>,
}

/// Two HMAC states that are already keyed, and are cloned for each pair of credentials.
#[derive(Clone)]
struct Keyed {
    secret: Hmac<Sha1>,
    ids: Hmac<Sha256>,
}

/// The secret has fewer than [`SECRET_BYTES_MIN`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortSecret;

impl Minter {
    /// A minter for `secret`. Its opaque ids come from `seed`, which must be random and known to
    /// nobody else.
    ///
    /// # Errors
    ///
    /// [`ShortSecret`] under [`SECRET_BYTES_MIN`].
    pub fn new(secret: &[u8], seed: &[u8; 32]) -> Result<Self, ShortSecret> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(ShortSecret);
        }
        let secret = Hmac::new_from_slice(secret).map_err(|_| ShortSecret)?;
        let ids = Hmac::new_from_slice(seed).map_err(|_| ShortSecret)?;
        Ok(Self { keyed: Box::new(Keyed { secret, ids }) })
    }

    /// The credentials with number `number`, which expire at `ends_at`. Each number must be used
    /// only once.
    pub fn mint(&self, number: u64, ends_at: WallTime) -> Login {
        let mut id = self.keyed.ids.clone();
        id.update(&number.to_be_bytes());
        let id = BASE64URL.encode(&id.finalize().into_bytes()[..ID_BYTES]);
        // Rounded down, so that they never outlive what they are bound to.
        let username = format!("{}:{id}", ends_at.as_secs().max(0));
        let password = password(&self.keyed.secret, &username);
        Login { username: Redacted::new(username), password: Redacted::new(password) }
    }
}

fn password(secret: &Hmac<Sha1>, username: &str) -> String {
    let mut mac = secret.clone();
    mac.update(username.as_bytes());
    BASE64.encode(mac.finalize().into_bytes())
}

impl fmt::Debug for Minter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Minter[redacted]")
    }
}

impl fmt::Display for ShortSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a secret must have at least {SECRET_BYTES_MIN} bytes")
    }
}

impl std::error::Error for ShortSecret {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const SECRET: &[u8] = b"marker-secret-0123456789-0123456789";
    const NOON: WallTime = WallTime::from_millis(1_800_000_000_999);

    #[test]
    fn the_password_is_the_one_that_coturn_computes() {
        // printf %s 1800000000:opaque | openssl dgst -sha1 -hmac
        // marker-secret-0123456789-0123456789 -binary | base64
        let secret = Hmac::new_from_slice(SECRET).expect("a key");
        assert_eq!(password(&secret, "1800000000:opaque"), "EpFRR5lKMJM4pFdaHxp1YAm2HfM=");
    }

    #[test]
    fn a_login_says_when_it_ends_and_nothing_else_and_is_never_the_same() {
        let minter = Minter::new(SECRET, &[7; 32]).expect("long enough");
        let mut ids = BTreeSet::new();
        for number in 0..1_000 {
            let login = minter.mint(number, NOON);
            let (end, id) = login.username.reveal().split_once(':').expect("two parts");
            assert_eq!((end, id.len()), ("1800000000", 20));
            assert_eq!(
                login.password.reveal(),
                &password(&minter.keyed.secret, login.username.reveal())
            );
            assert!(ids.insert(id.to_owned()));
        }
        let other = Minter::new(SECRET, &[8; 32]).expect("long enough").mint(0, NOON);
        assert!(!ids.contains(other.username.reveal().split_once(':').expect("two parts").1));
        assert_eq!(minter.mint(5, NOON), minter.mint(5, NOON), "the same input, the same login");
    }

    #[test]
    fn no_secret_is_shown_or_short() {
        let minter = Minter::new(SECRET, &[b'!'; 32]).expect("long enough");
        let shown = format!("{minter:?} {:?}", minter.mint(1, NOON));
        assert!(!shown.contains("marker") && !shown.contains("1800000000") && !shown.contains('!'));
        assert_eq!(Minter::new(&SECRET[..31], &[0; 32]).err(), Some(ShortSecret));
    }
}
