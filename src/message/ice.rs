//! `RTCIceServer[]`: the servers that help two clients to find a way to each other through their networks.

use std::fmt::Display;
use std::io::Write;

use crate::wire::ice_url::IceUrl;
use crate::wire::json;
use crate::wire::turn::Login;

/// What a client is told of them.
#[derive(Clone, Copy, Debug)]
pub struct IceServers<'a> {
    /// Servers that tell a client its public address.
    pub stun: &'a [IceUrl],
    /// Servers that relay.
    pub turn: &'a [IceUrl],
    /// What opens those that relay.
    pub login: Option<&'a Login>,
}

impl IceServers<'_> {
    /// Writes the array, as `RTCPeerConnection` takes it. Servers that want a login are left out where there is none.
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

/// An address holds nothing that JSON would escape.
fn write_urls(out: &mut Vec<u8>, urls: &[IceUrl]) {
    for (index, url) in urls.iter().enumerate() {
        let before = if index == 0 { "[" } else { "," };
        write(out, format_args!("{before}\"{url}\""));
    }
    write(out, "]");
}

fn write(out: &mut Vec<u8>, text: impl Display) {
    // Writing into a vector cannot fail.
    let written = write!(out, "{text}");
    debug_assert!(written.is_ok());
}
