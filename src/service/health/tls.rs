//! The client's end of TLS, for a question to this machine's own server. Which certificate it shows
//! does not matter: the names on it are those that patients use, nothing secret is sent, and at the
//! other end of a loopback address there can only be a program that was allowed to listen there.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::anybody::Anybody;

/// Speaks TLS over a stream. The handshake takes place with the first bytes.
///
/// # Errors
/// If TLS itself cannot be set up.
pub fn client(stream: TcpStream) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let provider = Arc::new(ring::default_provider());
    let anybody = Arc::new(Anybody(Arc::clone(&provider)));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(anybody)
        .with_no_client_auth();
    let name = ServerName::from(stream.peer_addr()?.ip());
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, stream))
}
