//! Certificates for a test, and TLS clients.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use autamedica_signaling::Config;
use autamedica_signaling::base::time::WallTime;
use autamedica_signaling::reactor::clock;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use super::raw::Response;
use super::{TestServer, client};

pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// The name that the certificates are for.
pub const HOST: &str = "localhost";

/// A certificate that vouches for itself, its key, and the files that hold them.
#[derive(Clone, Debug)]
pub struct Pair {
    pub cert: String,
    pub key: String,
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}

impl Pair {
    /// A new one, in files of its own.
    pub fn new() -> Self {
        Self::of(|_| {})
    }

    /// A new one with an end: so many days from now, or before.
    pub fn ending_in(days: i64) -> Self {
        let end = clock::wall_time().as_millis() + days * 86_400_000;
        let date = WallTime::from_millis(end).to_iso8601();
        let part = |range: Range<usize>| {
            str::from_utf8(&date[range]).expect("ASCII").parse::<u16>().expect("digits")
        };
        Self::of(|params| {
            let (month, day) = (part(5..7) as u8, part(8..10) as u8);
            params.not_after = rcgen::date_time_ymd(part(0..4).into(), month, day);
        })
    }

    fn of(change: impl FnOnce(&mut rcgen::CertificateParams)) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let names = [HOST.to_owned(), "127.0.0.1".to_owned()];
        let mut params = rcgen::CertificateParams::new(names).expect("names");
        change(&mut params);
        let key = rcgen::KeyPair::generate().expect("a key");
        let cert = params.self_signed(&key).expect("a certificate").pem();
        let key = key.serialize_pem();
        let file = |end: &str, text: &str| {
            let name = format!("pair-{}-{number}.{end}", std::process::id());
            let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
            std::fs::write(&path, text).expect("a file");
            path
        };
        let (cert_file, key_file) = (file("crt", &cert), file("key", &key));
        Self { cert, key, cert_file, key_file }
    }

    /// Has a server show it.
    pub fn show(&self, config: &mut Config) {
        config.tls_cert = Some(self.cert_file.clone());
        config.tls_key = Some(self.key_file.clone());
    }

    /// Puts it where another was.
    pub fn replace(&self, other: &Self) {
        std::fs::write(&other.key_file, &self.key).expect("written");
        std::fs::write(&other.cert_file, &self.cert).expect("written");
    }

    pub fn certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.cert.as_bytes()).expect("a certificate")
    }

    /// A client that trusts this certificate and no other.
    pub fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        self.client_of(ring::default_provider(), versions)
    }

    /// The same with other ciphers.
    pub fn client_of(
        &self,
        provider: CryptoProvider,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate()).expect("a root");
        ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    /// Connects; the handshake happens with the first use.
    pub fn connect(&self, address: SocketAddr) -> Stream {
        self.over(client::connect(address), self.client(rustls::ALL_VERSIONS))
    }

    pub fn over(&self, stream: TcpStream, config: ClientConfig) -> Stream {
        let name = ServerName::try_from(HOST).expect("a name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
        StreamOwned::new(connection, stream)
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // A clone may have done it.
        let _ = std::fs::remove_file(&self.cert_file);
        let _ = std::fs::remove_file(&self.key_file);
    }
}

/// A server that shows this pair, to which all clients speak TLS unless they are told its address alone.
pub fn start(pair: &Pair, change: impl FnOnce(&mut Config)) -> TestServer {
    let mut server = TestServer::start_with(|config| {
        pair.show(config);
        change(config);
    });
    server.tls = Some(Arc::new(pair.client(rustls::ALL_VERSIONS)));
    server
}

/// Sends a request, and reads the answer up to the end that the server announces: a cut line would be an error.
pub fn ask(stream: &mut Stream, request: &str) -> Response {
    stream.write_all(request.as_bytes()).expect("sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an answer and a proper end");
    Response::parse(&bytes)
}
