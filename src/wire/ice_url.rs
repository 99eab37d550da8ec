//! The URLs of STUN and TURN servers, as browsers accept them (RFC 7064, RFC 7065).
//!
//! ```text
//!   stun:turn.example.org                       3478, UDP
//!   turn:turn.example.org:3478?transport=tcp
//!   turns:[2001:db8::7]:443?transport=tcp       TLS
//! ```

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The longest host name (RFC 1035 2.3.4, without the dots and lengths of the wire format).
pub const NAME_BYTES_MAX: usize = 253;

/// The URL of a server. Its `Display` is the URL in ASCII, without quotes or backslashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceUrl {
    /// Whether it is STUN or TURN, and whether it uses TLS (over UDP: DTLS).
    pub scheme: Scheme,
    /// The host.
    pub host: Host,
    /// The port, if it is given.
    pub port: Option<u16>,
    /// The transport to a TURN server, if it is given.
    pub transport: Option<Transport>,
}

/// The scheme, before the colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// STUN.
    Stun,
    /// STUN over TLS.
    Stuns,
    /// TURN.
    Turn,
    /// TURN over TLS.
    Turns,
}

/// An address, or a name to be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An address.
    Ip(IpAddr),
    /// A name, of letters, digits, `-`, `_` and dots.
    Name(String),
}

/// The transport of the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// UDP datagrams.
    Udp,
    /// A TCP stream.
    Tcp,
}

/// What is wrong with a URL. Its `Display` says it in half a sentence, and repeats nothing of the
/// URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadUrl {
    /// The scheme is none of the four.
    Scheme,
    /// Slashes, as in URLs of web pages.
    Slashes,
    /// A user name or a password.
    Login,
    /// The host is neither an address nor a name.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
    /// A query other than `?transport=udp` or `?transport=tcp`.
    Query,
    /// A transport for STUN, which has none (RFC 7064).
    StunTransport,
}

const SCHEMES: [(&str, Scheme); 4] = [
    ("stun", Scheme::Stun),
    ("stuns", Scheme::Stuns),
    ("turn", Scheme::Turn),
    ("turns", Scheme::Turns),
];

impl IceUrl {
    /// Parses a URL.
    ///
    /// # Errors
    ///
    /// [`BadUrl`], the first fault from left to right.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let (scheme, rest) = text.split_once(':').ok_or(BadUrl::Scheme)?;
        let scheme = SCHEMES.iter().find(|(name, _)| scheme.eq_ignore_ascii_case(name));
        let (_, scheme) = *scheme.ok_or(BadUrl::Scheme)?;
        if rest.starts_with("//") {
            return Err(BadUrl::Slashes);
        }
        if rest.contains('@') {
            return Err(BadUrl::Login);
        }
        let (place, query) = match rest.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (rest, None),
        };
        let (host, port) = split_port(place)?;
        let transport = match query {
            None => None,
            Some(_) if !scheme.is_turn() => return Err(BadUrl::StunTransport),
            Some("transport=udp") => Some(Transport::Udp),
            Some("transport=tcp") => Some(Transport::Tcp),
            Some(_) => return Err(BadUrl::Query),
        };
        let port = port.map(read_port).transpose()?;
        Ok(Self { scheme, host: read_host(host)?, port, transport })
    }

    /// The effective port (RFC 7064 3.2, RFC 7065 3.1).
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.scheme.is_secure() { 5_349 } else { 3_478 })
    }

    /// The effective transport: the given one, or the default of the scheme.
    pub fn transport(&self) -> Transport {
        let usual = if self.scheme.is_secure() { Transport::Tcp } else { Transport::Udp };
        self.transport.unwrap_or(usual)
    }
}

impl Scheme {
    /// Whether the server relays, and so asks for credentials.
    pub const fn is_turn(self) -> bool {
        matches!(self, Self::Turn | Self::Turns)
    }

    /// Whether it is protected by TLS or DTLS.
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Stuns | Self::Turns)
    }

    /// The name, in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stun => "stun",
            Self::Stuns => "stuns",
            Self::Turn => "turn",
            Self::Turns => "turns",
        }
    }
}

impl Transport {
    /// The name as in URLs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// The host, and the text after its colon.
fn split_port(place: &str) -> Result<(&str, Option<&str>), BadUrl> {
    let end = match place.strip_prefix('[') {
        Some(rest) => rest.find(']').ok_or(BadUrl::Host)? + 2,
        None => place.find(':').unwrap_or(place.len()),
    };
    match place.split_at(end) {
        (host, "") => Ok((host, None)),
        (host, rest) => Ok((host, Some(rest.strip_prefix(':').ok_or(BadUrl::Host)?))),
    }
}

fn read_port(text: &str) -> Result<u16, BadUrl> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0).ok_or(BadUrl::Port)
}

fn read_host(text: &str) -> Result<Host, BadUrl> {
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse::<Ipv6Addr>().map(|ip| Host::Ip(ip.into())).map_err(|_| BadUrl::Host);
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(Host::Ip(ip));
    }
    if is_name(text) { Ok(Host::Name(text.to_ascii_lowercase())) } else { Err(BadUrl::Host) }
}

/// Whether this is a valid host name (RFC 1123 2.1, plus the underscore that some networks use).
pub fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(plain) && !label.starts_with('-')
    };
    let text = text.strip_suffix('.').unwrap_or(text);
    let last = text.rsplit('.').next().unwrap_or_default();
    // Four numbers that are not an address, such as 10.0.0.256, are not a name either.
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= NAME_BYTES_MAX && !is_number && text.split('.').all(is_label)
}

impl fmt::Display for IceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme.as_str(), self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match self.transport {
            Some(transport) => write!(f, "?transport={}", transport.as_str()),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "begins with none of stun:, stuns:, turn: and turns:",
            Self::Slashes => "has // in it, which only addresses of web pages have",
            Self::Login => "has an @ in it: user name and password are settings of their own",
            Self::Host => {
                "names no host (an IPv4 address, an IPv6 address in brackets, or a name of letters, digits and -)"
            }
            Self::Port => "has a port that is not a number from 1 to 65535",
            Self::Query => "has something else behind it than ?transport=udp or ?transport=tcp",
            Self::StunTransport => "has a ? in it, which only turn: and turns: may have",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_written_again() {
        for (text, port, transport) in [
            ("stun:turn.example.org", 3_478, Transport::Udp),
            ("stuns:turn.example.org", 5_349, Transport::Tcp),
            ("turn:192.0.2.7", 3_478, Transport::Udp),
            ("turn:turn_1.example.org:80?transport=tcp", 80, Transport::Tcp),
            ("turn:[2001:db8::7]:65535?transport=udp", 65_535, Transport::Udp),
            ("turns:turn.example.org:443?transport=tcp", 443, Transport::Tcp),
            ("turns:localhost?transport=udp", 5_349, Transport::Udp),
        ] {
            let url = IceUrl::parse(text).expect(text);
            assert_eq!(
                (url.to_string().as_str(), url.port(), url.transport()),
                (text, port, transport)
            );
        }
        let written = IceUrl::parse("TURN:Turn.Example.ORG").map(|url| url.to_string());
        assert_eq!(written.as_deref(), Ok("turn:turn.example.org"));
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        for (text, fault) in [
            ("", BadUrl::Scheme),
            ("turn.example.org", BadUrl::Scheme),
            ("https:turn.example.org", BadUrl::Scheme),
            ("turn.example.org:3478", BadUrl::Scheme),
            ("turn://turn.example.org", BadUrl::Slashes),
            ("turn:user:secret@turn.example.org", BadUrl::Login),
            ("turn:", BadUrl::Host),
            ("turn::3478", BadUrl::Host),
            ("turn:2001:db8::7", BadUrl::Port),
            ("turn:[2001:db8::7", BadUrl::Host),
            ("turn:[2001:db8::7]3478", BadUrl::Host),
            ("turn:[turn.example.org]", BadUrl::Host),
            ("turn:10.0.0.256", BadUrl::Host),
            ("turn:a b", BadUrl::Host),
            ("turn:a\"b", BadUrl::Host),
            ("turn:a..b", BadUrl::Host),
            ("turn:-a", BadUrl::Host),
            ("turn:münchen.example", BadUrl::Host),
            ("turn:a/path", BadUrl::Host),
            ("turn:a:", BadUrl::Port),
            ("turn:a:0", BadUrl::Port),
            ("turn:a:65536", BadUrl::Port),
            ("turn:a:+80", BadUrl::Port),
            ("turn:a?transport=sctp", BadUrl::Query),
            ("turn:a?", BadUrl::Query),
            ("stun:a?transport=udp", BadUrl::StunTransport),
        ] {
            assert_eq!(IceUrl::parse(text), Err(fault), "{text}");
        }
        assert!(!is_name(&"a.".repeat(127)[..253]) || is_name("a"), "a name may have 253 bytes");
        assert!(!is_name(&format!("{}.org", "a".repeat(64))) && !is_name(&"a.".repeat(128)));
    }
}
