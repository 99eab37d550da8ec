//! Which addresses may connect, and which proxies are trusted to report the client's address.

use std::net::IpAddr;

use super::door::Refusal;
use crate::base::cidr::Networks;
use crate::wire::forwarded::{self, Node};
use crate::wire::http::Request;

/// The lists. By default everyone may connect, and no proxy is trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Who may connect; empty: everyone.
    pub allowed: Networks,
    /// The trusted proxies.
    pub trusted_proxies: Networks,
}

/// Who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// From this address.
    Known(IpAddr),
    /// A trusted proxy does not report the client's address; this one is the proxy's.
    Hidden(IpAddr),
}

impl Client {
    /// The address that limits count by and records name.
    pub const fn address(self) -> IpAddr {
        let (Self::Known(address) | Self::Hidden(address)) = self;
        address
    }
}

impl Addresses {
    /// Whether a connection from this address may be accepted at all: the address is allowed, or is
    /// a proxy's that may speak for an allowed one.
    pub fn may_knock(&self, from: IpAddr) -> bool {
        self.allowed.is_empty()
            || self.allowed.contains(from)
            || self.trusted_proxies.contains(from)
    }

    /// Whether the client that [`Addresses::client`] found with the same arguments may connect.
    ///
    /// # Errors
    /// [`Refusal::Address`] if it is not on the list.
    pub fn admit(
        &self,
        client: Client,
        from: IpAddr,
        request: &Request<'_>,
    ) -> Result<(), Refusal> {
        let allowed = match client {
            _ if self.allowed.is_empty() => true,
            Client::Known(address) => {
                self.allowed.contains(address) || self.is_probe(address, from, request)
            }
            Client::Hidden(_) => false,
        };
        if allowed { Ok(()) } else { Err(Refusal::Address) }
    }

    /// Who sent a request: the nearest hop on its way to us that is not a trusted proxy.
    ///
    /// Unless a trusted proxy is at the other end, the fields mean nothing: anybody can write them.
    /// A proxy that adds to one of the two fields may forward the other one as a stranger wrote it.
    /// So if both are present, they must agree.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] if the fields are broken or contradict each other.
    pub fn client(&self, from: IpAddr, request: &Request<'_>) -> Result<Client, Refusal> {
        const FORWARDED: &str = "forwarded";
        const X_FORWARDED_FOR: &str = "x-forwarded-for";
        if !self.trusted_proxies.contains(from) {
            return Ok(Client::Known(from));
        }
        if !request.is_ascii(FORWARDED) || !request.is_ascii(X_FORWARDED_FOR) {
            return Err(Refusal::Malformed);
        }
        let (mut way, mut other_way) = (Way::default(), Way::default());
        for line in request.lines(FORWARDED) {
            forwarded::read_forwarded(line, |node| self.go(&mut way, node))
                .map_err(|_| Refusal::Malformed)?;
        }
        for line in request.lines(X_FORWARDED_FOR) {
            forwarded::x_forwarded_for(line).for_each(|node| self.go(&mut other_way, node));
        }
        match (way.client(from), other_way.client(from)) {
            (Some(client), None) | (None, Some(client)) => Ok(client),
            (None, None) => Ok(Client::Known(from)),
            (Some(client), Some(other)) if client == other => Ok(client),
            _ => Err(Refusal::Malformed),
        }
    }

    /// Takes one more hop into account, on the way to us.
    fn go(&self, way: &mut Way, node: Node) {
        *way = match (node, *way) {
            (Node::Hidden, _) => Way::Hidden,
            (Node::Address(address), _) if !self.trusted_proxies.contains(address) => {
                Way::Client(Client::Known(address))
            }
            // If the first hop is itself a trusted proxy, it speaks for itself.
            (Node::Address(proxy), Way::Nowhere) => Way::Client(Client::Known(proxy)),
            (Node::Address(proxy), Way::Hidden) => Way::Client(Client::Hidden(proxy)),
            (Node::Address(_), client @ Way::Client(_)) => client,
        };
    }

    /// Whether a proxy, or a program on this machine, makes a health check on its own behalf.
    fn is_probe(&self, client: IpAddr, from: IpAddr, request: &Request<'_>) -> bool {
        let near = from.to_canonical().is_loopback() || self.trusted_proxies.contains(from);
        near && client == from && matches!(request.path, "/health" | "/ready")
    }
}

/// What is known after some hops, starting from the client's end.
#[derive(Clone, Copy, Debug, Default)]
enum Way {
    #[default]
    Nowhere,
    /// The last hop was hidden; the next one names the proxy that it was hidden from.
    Hidden,
    Client(Client),
}

impl Way {
    /// The client, if the way ends at the proxy `from`; `None` if there was no hop.
    const fn client(self, from: IpAddr) -> Option<Client> {
        match self {
            Self::Nowhere => None,
            Self::Hidden => Some(Client::Hidden(from)),
            Self::Client(client) => Some(client),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn networks(text: &str) -> Networks {
        Networks::parse(text).expect("ranges")
    }

    fn ask<T>(path: &str, fields: &str, judge: impl FnOnce(&Request<'_>) -> T) -> T {
        let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let (request, _) = http::parse(head.as_bytes(), 0).expect("a head").expect("a whole one");
        judge(&request)
    }

    fn client(fields: &str) -> Result<Client, Refusal> {
        let trusted_proxies = networks("10.0.0.0/8,2001:db8:f::/48");
        let addresses = Addresses { trusted_proxies, ..Addresses::default() };
        ask("/ws", fields, |request| addresses.client(ip("10.0.0.1"), request))
    }

    fn admitted(
        addresses: &Addresses,
        path: &str,
        from: IpAddr,
        fields: &str,
    ) -> Result<(), Refusal> {
        ask(path, fields, |request| {
            addresses.admit(addresses.client(from, request)?, from, request)
        })
    }

    #[test]
    fn the_nearest_that_is_no_trusted_proxy_is_the_client() {
        for (fields, expected) in [
            ("", "10.0.0.1"),
            ("X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1"),
            ("X-Forwarded-For: 6.6.6.6, 192.0.2.1\r\n", "192.0.2.1"),
            ("X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.0.0.2, 10.0.0.3\r\n", "192.0.2.1"),
            (
                "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 192.0.2.1\r\nx-forwarded-for: 10.1.1.1\r\n",
                "192.0.2.1",
            ),
            ("X-Forwarded-For: \"junk, unknown, 192.0.2.1:5\r\n", "192.0.2.1"),
            ("X-Forwarded-For: 10.0.0.9, 10.0.0.8\r\n", "10.0.0.9"),
            (
                "X-Forwarded-For: ::ffff:10.0.0.9, ::ffff:192.0.2.1, ::ffff:10.0.0.2\r\n",
                "192.0.2.1",
            ),
            ("X-Forwarded-For: [2001:db8::7]:443, 2001:db8:f::1\r\n", "2001:db8::7"),
            ("Forwarded: for=6.6.6.6, for=192.0.2.1;proto=https, for=10.0.0.2\r\n", "192.0.2.1"),
            ("Forwarded: for=6.6.6.6\r\nForwarded: for=\"[2001:db8::7]:1\"\r\n", "2001:db8::7"),
            ("Forwarded: for=192.0.2.1\r\nX-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1"),
            ("X-Real-IP: 6.6.6.6\r\nX-Client-IP: 6.6.6.6\r\n", "10.0.0.1"),
        ] {
            assert_eq!(client(fields), Ok(Client::Known(ip(expected))), "{fields}");
        }
    }

    #[test]
    fn a_client_that_a_proxy_hides_is_not_taken_for_somebody_else() {
        for (fields, proxy) in [
            ("X-Forwarded-For: 6.6.6.6, unknown\r\n", "10.0.0.1"),
            ("X-Forwarded-For: 6.6.6.6, unknown, 10.0.0.2, 10.0.0.3\r\n", "10.0.0.2"),
            ("Forwarded: for=6.6.6.6, for=_x, for=10.0.0.2\r\n", "10.0.0.2"),
            ("Forwarded: proto=https\r\n", "10.0.0.1"),
        ] {
            assert_eq!(client(fields), Ok(Client::Hidden(ip(proxy))), "{fields}");
        }
    }

    #[test]
    fn fields_that_are_broken_or_contradict_each_other_are_refused() {
        for fields in [
            "Forwarded: for=\"192.0.2.1\r\n",
            "Forwarded: for=192.0.2.1, nonsense\r\n",
            "Forwarded: for=\"\r\nForwarded: for=192.0.2.1\r\n",
            "Forwarded: for=6.6.6.6\r\nX-Forwarded-For: 192.0.2.1\r\n",
            "Forwarded: for=unknown\r\nX-Forwarded-For: 192.0.2.1\r\n",
            "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: \u{e9}\r\n",
        ] {
            assert_eq!(client(fields), Err(Refusal::Malformed), "{fields}");
        }
    }

    #[test]
    fn nobody_believes_a_stranger() {
        let addresses =
            Addresses { allowed: networks("192.0.2.0/24"), trusted_proxies: networks("10.0.0.1") };
        let stranger = ip("198.51.100.1");
        for fields in
            ["X-Forwarded-For: 192.0.2.1\r\n", "Forwarded: for=192.0.2.1\r\n", "Forwarded: \"\r\n"]
        {
            assert_eq!(admitted(&addresses, "/ws", stranger, fields), Err(Refusal::Address));
            assert_eq!(admitted(&addresses, "/ws", ip("192.0.2.9"), fields), Ok(()));
        }
        assert!(!addresses.may_knock(stranger));
        assert!(addresses.may_knock(ip("::ffff:192.0.2.9")) && addresses.may_knock(ip("10.0.0.1")));
        assert!(Addresses::default().may_knock(stranger));
    }

    #[test]
    fn only_the_list_lets_in_but_probes_may_ask_for_our_health() {
        let addresses = Addresses {
            allowed: networks("192.0.2.0/24,2001:db8::/32"),
            trusted_proxies: networks("10.0.0.1"),
        };
        let admitted = |path: &str, from: &str, fields: &str| {
            admitted(&addresses, path, ip(from), fields).is_ok()
        };
        for path in ["/ws", "/health", "/nothing"] {
            assert!(admitted(path, "192.0.2.1", "") && admitted(path, "::ffff:192.0.2.1", ""));
            assert!(admitted(path, "2001:db8::1", "") && !admitted(path, "2001:db9::1", ""));
            assert!(admitted(path, "10.0.0.1", "X-Forwarded-For: 192.0.2.1\r\n"));
            assert!(!admitted(path, "10.0.0.1", "X-Forwarded-For: 6.6.6.6\r\n"), "{path}");
            assert!(!admitted(path, "10.0.0.1", "Forwarded: for=unknown\r\n"), "{path}");
            assert!(!admitted(path, "6.6.6.6", ""));
        }
        for near in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1"] {
            assert!(admitted("/health", near, "") && admitted("/ready", near, ""), "{near}");
            assert!(!admitted("/ws", near, ""), "{near}");
        }
    }
}
