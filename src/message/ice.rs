//! `RTCIceServer[]`: the STUN and TURN servers that help two clients to connect through their
//! networks.

use std::fmt::Display;
use std::io::Write;

use crate::wire::ice_url::IceUrl;
use crate::wire::json;
use crate::wire::turn::Login;

/// The servers that a client is told of.
#[derive(Clone, Copy, Debug)]
pub struct IceServers<'a> {
    /// STUN servers, which tell a client its public address.
    pub stun: &'a [IceUrl],
    /// TURN servers, which relay.
    pub turn: &'a [IceUrl],
    /// The credentials for the TURN servers.
    pub login: Option<&'a Login>,
}

impl IceServers<'_> {
    /// Writes the array as `RTCPeerConnection` expects it. Servers that require credentials are
    /// omitted if there are none.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut separator = "[";
        if !self.stun.is_empty() {
            write(out, format_args!("{separator}{{\"urls\":"));
            write_urls(out, self.stun);
            write(out, "}");
            separator = ",";
        }
        if let Some(login) = self.login.filter(|_| !self.turn.is_empty()) {
            write(out, format_args!("{separator}{{\"urls\":"));
            write_urls(out, self.turn);
            write(out, ",\"username\":");
            json::write_string(out, login.username.reveal());
            write(out, ",\"credential\":");
            json::write_string(out, login.password.reveal());
            write(out, "}");
            separator = ",";
        }
        write(out, if separator == "[" { "[]" } else { "]" });
    }
}

/// A URL contains nothing that JSON would escape.
fn write_urls(out: &mut Vec<u8>, urls: &[IceUrl]) {
    for (index, url) in urls.iter().enumerate() {
        let before = if index == 0 { "[" } else { "," };
        write(out, format_args!("{before}\"{url}\""));
    }
    write(out, "]");
}

fn write(out: &mut Vec<u8>, text: impl Display) {
    // Writing to a vector cannot fail.
    let written = write!(out, "{text}");
    debug_assert!(written.is_ok());
}
