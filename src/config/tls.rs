//! The files of the certificate and its key.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::base::time::{Duration, WallTime};
use crate::reactor::Tls;

use super::source::{read_bounded, why_unreadable};
use super::{Config, Problem};

const ACCEPTED_CERT: &str = "a PEM file with the server's certificate first and then those between it and its root, as \
                             `fullchain.pem` of an ACME client";
const ACCEPTED_KEY: &str = "a PEM file with the private key of that certificate, without a pass phrase (PKCS #8, PKCS #1 or SEC 1)";

/// How long before a certificate expires each start warns of it. ACME clients renew earlier, so
/// something is wrong then.
const SOON: Duration = Duration::from_secs(30 * 86_400);

/// Where `TLS_CERT` and `TLS_KEY` are; read at the start, and again on SIGHUP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    cert: PathBuf,
    key: PathBuf,
}

impl Config {
    /// The files of the certificate and its key, if both are set.
    pub fn tls_files(&self) -> Option<TlsFiles> {
        let (cert, key) = (self.tls_cert.clone()?, self.tls_key.clone()?);
        Some(TlsFiles { cert, key })
    }
}

impl TlsFiles {
    /// Reads them.
    ///
    /// # Errors
    /// The problem with one of them.
    pub fn load(&self) -> Result<Tls, Problem> {
        self.load_by(read_bounded)
    }

    /// Whether every user on this machine may read the key. This is no error, because containers
    /// mount secrets in this way.
    pub fn is_key_open(&self) -> bool {
        const READ_BY_OTHERS: u32 = 0o004;
        let mode = std::fs::metadata(&self.key).map(|about| about.permissions().mode());
        mode.is_ok_and(|mode| mode & READ_BY_OTHERS != 0)
    }

    /// The same, with another way to read a file.
    pub(super) fn load_by(
        &self,
        read: impl Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<Tls, Problem> {
        let read = |name, path: &Path, accepted| {
            let fault = |error| format!("the file that it names {}", why_unreadable(&error));
            read(path).map_err(|error| Problem::new(name, fault(error), accepted))
        };
        let chain = read("TLS_CERT", &self.cert, ACCEPTED_CERT)?;
        let key = read("TLS_KEY", &self.key, ACCEPTED_KEY)?;
        Tls::from_pem(&chain, &key).map_err(|bad| {
            let (name, accepted) = match bad.is_about_key() {
                true => ("TLS_KEY", ACCEPTED_KEY),
                false => ("TLS_CERT", ACCEPTED_CERT),
            };
            Problem::new(name, format!("the file that it names {bad}"), accepted)
        })
    }
}

/// A warning about a certificate that has expired, or will within 30 days. It is no reason to stop:
/// calls in progress continue, and some clients do not check.
pub fn end_of_certificate(tls: &Tls, now: WallTime) -> Option<String> {
    let end = tls.not_after()?;
    let text = end.to_iso8601();
    let date = String::from_utf8_lossy(text.get(..10)?);
    if end < now {
        return Some(format!("TLS_CERT: the certificate ended on {date}; browsers refuse it"));
    }
    let days = (end.as_secs() - now.as_secs()) / 86_400;
    (end < now.plus(SOON))
        .then(|| format!("TLS_CERT: the certificate ends on {date}, in {days} days"))
}
