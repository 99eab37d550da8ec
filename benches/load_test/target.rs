//! Where the server is, and how to connect to it.

use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, Error, RootCertStore};

use super::anybody::Anybody;
use super::options::Options;

/// Where systems keep the certificates that they trust.
const SYSTEM_CERTIFICATES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    /// The value of the `Host` field.
    pub host: String,
    pub path: String,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Target {
    /// A plain-text server at an address.
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, host: address.to_string(), path: "/ws".to_owned(), tls: None }
    }

    pub fn parse(url: &str, options: &Options) -> Result<Self, String> {
        let (is_secure, rest) = match url.split_once("://") {
            Some(("ws", rest)) => (false, rest),
            Some(("wss", rest)) => (true, rest),
            _ => return Err(format!("--url {url}: an address begins with ws:// or wss://")),
        };
        let (host, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let path = if path.is_empty() { "/ws" } else { path };
        let default = if is_secure { 443 } else { 80 };
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => {
                (name, port.parse().map_err(|_| format!("--url {url}: {port:?} is no port"))?)
            }
            _ => (host, default),
        };
        let name = name.trim_start_matches('[').trim_end_matches(']');
        let mut found =
            (name, port).to_socket_addrs().map_err(|error| format!("{name}: {error}"))?;
        let address = found.next().ok_or_else(|| format!("{name}: there is no such address"))?;
        let tls = is_secure.then(|| {
            let name = ServerName::try_from(name.to_owned());
            Ok((Arc::new(config(options)?), name.map_err(|error| format!("--url {url}: {error}"))?))
        });
        let tls = tls.transpose().map_err(|error: String| error)?;
        Ok(Self { address, host: host.to_owned(), path: path.to_owned(), tls })
    }

    /// The client's end of a new TLS connection, if TLS is used.
    pub fn tls(&self) -> Result<Option<ClientConnection>, Error> {
        let new = |(config, name): &(Arc<_>, ServerName<'static>)| {
            ClientConnection::new(Arc::clone(config), name.clone())
        };
        self.tls.as_ref().map(new).transpose()
    }
}

fn config(options: &Options) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let config = if options.insecure {
        // Accepts any certificate, whatever its name, but the server must have its key.
        let anybody = Arc::new(Anybody(provider));
        builder.dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth()
    } else {
        builder.with_root_certificates(roots(options)?).with_no_client_auth()
    };
    Ok(config)
}

fn roots(options: &Options) -> Result<RootCertStore, String> {
    let there = || SYSTEM_CERTIFICATES.iter().map(Path::new).find(|path| path.exists());
    let path = options.ca.as_deref().or_else(there);
    let path =
        path.ok_or("this system keeps no certificates where one would look: say --ca FILE")?;
    let pem = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut roots = RootCertStore::empty();
    // Certificates that cannot be parsed are not trusted; the handshake will show it.
    let (added, _) =
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
    if added == 0 { Err(format!("{}: no certificates in it", path.display())) } else { Ok(roots) }
}
