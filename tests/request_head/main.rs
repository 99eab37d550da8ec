//! The request head (RFC 9110, 9112) and the opening handshake of WebSocket (RFC 6455 4.2): what is
//! accepted, what is refused, and that it does not matter how the network splits the bytes.

mod arriving;
mod fields;
mod handshake;
mod refused;
mod target;

use autamedica_signaling::wire::http::{self, Fault, Request};

/// A head with these lines, its empty line included.
fn head(lines: &[&str]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line, "\r\n"]).chain(["\r\n"]).collect::<String>().into_bytes()
}

/// A `GET` of this target.
fn get(target: &str) -> Vec<u8> {
    head(&[&format!("GET {target} HTTP/1.1"), "Host: clinic.example"])
}

/// The request that `bytes` are, which are a whole head and nothing else.
fn read(bytes: &[u8]) -> Request<'_> {
    match http::parse(bytes, 0) {
        Ok(Some((request, len))) if len == bytes.len() => request,
        other => panic!("{}: {other:?}", String::from_utf8_lossy(bytes)),
    }
}

/// Why `bytes` are refused.
fn fault(bytes: &[u8]) -> Option<Fault> {
    http::parse(bytes, 0).err()
}
