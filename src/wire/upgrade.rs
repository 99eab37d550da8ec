//! The opening handshake of WebSocket, server side (RFC 6455 4.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tungstenite::handshake::derive_accept_key;

use super::http::Request;

/// The only supported version of the protocol.
pub const VERSION: &str = "13";

/// A request to open a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgrade<'a> {
    key: &'a str,
}

/// Why a request is not a valid handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not ask for WebSocket, or asks for another version, or is not HTTP/1.1: 426.
    NotAnUpgrade,
    /// Its key is missing or not 16 bytes in base64, or it has a body, which could be mistaken for
    /// the first frames: 400.
    Malformed,
}

impl<'a> Upgrade<'a> {
    /// Reads the header fields of RFC 6455 4.2.1.
    pub fn read(request: &Request<'a>) -> Result<Self, Fault> {
        let mut upgrade = request.list("upgrade");
        let mut connection = request.list("connection");
        let asked = upgrade.any(|protocol| protocol.eq_ignore_ascii_case("websocket"))
            && connection.any(|option| option.eq_ignore_ascii_case("upgrade"));
        if !asked || request.is_http_1_0 || request.field("sec-websocket-version") != Some(VERSION)
        {
            return Err(Fault::NotAnUpgrade);
        }
        if request.has_body() {
            return Err(Fault::Malformed);
        }
        let key = request.field("sec-websocket-key").ok_or(Fault::Malformed)?;
        let mut nonce = [0; 18];
        match STANDARD.decode_slice(key, &mut nonce) {
            Ok(16) => Ok(Self { key }),
            _ => Err(Fault::Malformed),
        }
    }

    /// Appends the response that completes the handshake (RFC 6455 4.2.2); it selects no extension.
    pub fn write_accept(&self, out: &mut Vec<u8>, protocol: Option<&str>) {
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
        );
        out.extend_from_slice(b"Sec-WebSocket-Accept: ");
        out.extend_from_slice(derive_accept_key(self.key.as_bytes()).as_bytes());
        if let Some(protocol) = protocol {
            out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
            out.extend_from_slice(protocol.as_bytes());
        }
        out.extend_from_slice(b"\r\n\r\n");
    }
}
