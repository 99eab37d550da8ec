//! Which web pages may open a connection: the `Origin` of the upgrade (RFC 6454 7, RFC 6455 10.2).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The origins that are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Every page, including one without an origin of its own (`null`). Not for production.
    Any,
    /// These origins, as a browser writes them. An empty list accepts no page at all.
    Listed(Vec<String>),
}

/// An entry of the list is not an origin as a browser writes it, so no browser would ever match it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadOrigin {
    entry: String,
    why: &'static str,
}

impl Origins {
    /// Reads a comma-separated list of origins, or `*` for all. Blanks around an entry are ignored.
    ///
    /// # Errors
    ///
    /// [`BadOrigin`] for the first entry that could never match; its text fits on one line.
    pub fn parse(text: &str) -> Result<Self, BadOrigin> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        let entry = |entry: &str| match check(entry) {
            Ok(()) => Ok(entry.to_owned()),
            Err(why) => Err(BadOrigin { entry: entry.to_owned(), why }),
        };
        text.split(',').map(|part| entry(part.trim())).collect::<Result<_, _>>().map(Self::Listed)
    }

    /// Whether an upgrade with this `Origin` is allowed (`None`: an upgrade without one).
    ///
    /// Origins are compared byte for byte: browsers write an origin in one way only (WHATWG HTML,
    /// "serialization of an origin"). Native clients send none and are accepted unless one is
    /// `required`.
    pub fn allows(&self, origin: Option<&str>, required: bool) -> bool {
        match (origin, self) {
            (None, _) => !required,
            (Some(_), Self::Any) => true,
            (Some(origin), Self::Listed(listed)) => listed.iter().any(|one| one == origin),
        }
    }
}

impl fmt::Display for BadOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `Debug` escapes line breaks and control characters.
        let Self { entry, why } = self;
        write!(
            f,
            "{entry:?} is not an origin: {why}; accepted are `*` alone, or a comma-separated list of \
             http(s)://host[:port] as browsers write it, such as https://clinic.example or http://localhost:3000"
        )
    }
}

impl std::error::Error for BadOrigin {}

/// Checks that `entry` is the serialisation of an origin (RFC 6454 6.2), or says what it is
/// instead.
fn check(entry: &str) -> Result<(), &'static str> {
    match entry {
        "" => return Err("it is empty"),
        "*" => return Err("`*` stands for all origins and cannot be one of a list"),
        "null" => return Err("`null` is what any sandboxed page sends and tells nothing"),
        _ => {}
    }
    let (scheme, rest) = entry.split_once("://").ok_or("it has no scheme")?;
    let default_port = match scheme {
        "http" => "80",
        "https" => "443",
        _ => return Err("the scheme must be http or https, in lower case"),
    };
    if rest.contains('@') {
        return Err("it has a user name");
    }
    if rest.contains(['/', '?', '#', '\\']) {
        return Err("it has a path or a slash at the end");
    }
    // The colons of an IPv6 address are within brackets.
    let port_at = rest.rfind(']').unwrap_or(0);
    let (host, port) = match rest[port_at..].find(':') {
        Some(colon) => (&rest[..port_at + colon], Some(&rest[port_at + colon + 1..])),
        None => (rest, None),
    };
    check_host(host)?;
    match port {
        None => Ok(()),
        Some(port) if port == default_port => Err("browsers leave out the default port"),
        Some(port) => check_port(port),
    }
}

fn check_port(port: &str) -> Result<(), &'static str> {
    let is_decimal = port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
    match port.parse::<u16>() {
        Ok(_) if is_decimal => Ok(()),
        _ => Err("the port must be a number from 1 to 65535"),
    }
}

fn check_host(host: &str) -> Result<(), &'static str> {
    if host.is_empty() {
        return Err("it has no host");
    }
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').ok_or("a bracket is not closed")?;
        let parsed = address.parse().map_err(|_| "the brackets hold no IPv6 address")?;
        return match address == serialised(parsed) {
            true => Ok(()),
            false => Err("the IPv6 address must be in its shortest form, in lower case"),
        };
    }
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err("the host must be in lower case");
    }
    if !host.is_ascii() {
        return Err("an international host must be in its ASCII form (xn--..)");
    }
    if host.bytes().any(|b| !matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.')) {
        return Err("the host has a character that a host cannot have");
    }
    if host.split('.').any(str::is_empty) {
        return Err("the host has an empty part between dots");
    }
    // WHATWG URL, "ends in a number checker": such a host is an IPv4 address or invalid.
    let last = host.rsplit('.').next().unwrap_or(host);
    let is_hex = last.strip_prefix("0x").is_some_and(|x| x.bytes().all(|b| b.is_ascii_hexdigit()));
    let ends_in_number = is_hex || last.bytes().all(|b| b.is_ascii_digit());
    if ends_in_number && host.parse::<Ipv4Addr>().is_err() {
        return Err("an IPv4 address must be four numbers from 0 to 255");
    }
    Ok(())
}

/// The address as WHATWG URL writes it: unlike the standard library, never with a dotted IPv4 part.
fn serialised(address: Ipv6Addr) -> String {
    match (address.to_ipv4_mapped(), address.segments()) {
        (Some(_), [.., high, low]) => format!("::ffff:{high:x}:{low:x}"),
        (None, _) => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &str) -> Origins {
        Origins::parse(text).unwrap_or_else(|bad| panic!("{bad}"))
    }

    #[test]
    fn origins_as_browsers_write_them_are_read() {
        for good in [
            "https://clinic.example",
            "http://localhost",
            "http://localhost:3000",
            "https://a-b.c_d.clinic.example:8443",
            "https://xn--mller-kva.example",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "https://[2001:db8::1]",
            "https://[::ffff:7f00:1]",
            "http://clinic.example:443",
            "https://clinic.example:80",
            "https://clinic.example:65535",
            "https://1e100.net",
            "https://10.example",
        ] {
            assert_eq!(Origins::parse(good), Ok(Origins::Listed(vec![good.into()])), "{good}");
            assert!(listed(good).allows(Some(good), true), "{good}");
        }
        let several = listed(" https://a.example ,http://b.example:1,\thttps://c.example");
        for origin in ["https://a.example", "http://b.example:1", "https://c.example"] {
            assert!(several.allows(Some(origin), false));
        }
        assert_eq!(Origins::parse(" * "), Ok(Origins::Any));
    }

    #[test]
    fn what_no_browser_sends_is_refused_with_the_reason() {
        let table = [
            (
                "it is empty",
                "|,|https://a.example,|,https://a.example|https://a.example,,https://b.example| ",
            ),
            ("cannot be one of a list", "*,https://a.example|https://a.example,*|*,*"),
            ("`null`", "null|https://a.example,null"),
            (
                "no scheme",
                "clinic.example|//clinic.example|localhost:3000|https:clinic.example|https:/a|**",
            ),
            (
                "must be http or https",
                "HTTPS://a.example|wss://a.example|file://|://a| x://a|https ://a.example",
            ),
            ("user name", "https://me@a.example|https://me:pw@a.example|https://@a.example"),
            (
                "path or a slash",
                "https://a.example/|https://a.example/x|https://a.example?x|https://a.example#x|https://a\\b|https:///a\
                 |https://a.example https://b.example",
            ),
            (
                "leave out the default port",
                "https://a.example:443|http://a.example:80|http://[::1]:80",
            ),
            (
                "a number from 1 to 65535",
                "https://a:|https://a:0|https://a:08|https://a:65536|https://a:+1|https://a:1:2|https://a:x",
            ),
            ("no host", "https://|https://:443|http://::1"),
            ("in lower case", "https://A.example|https://[2001:DB8::1]|https://a.XN--p1ai"),
            ("ASCII form", "https://müller.example"),
            (
                "a character that a host cannot have",
                "https://*.example|https://a b|https://a%2eb|https://a;b|https://a.example https|https://::1]",
            ),
            ("empty part", "https://a.|https://.a|https://a..b|https://."),
            (
                "four numbers",
                "http://127.1|http://127.0.0.01|http://256.0.0.1|http://1|http://a.0x7f|http://1.2.3.4.5",
            ),
            ("not closed", "http://[::1|http://[::1:80|http://[::1]x"),
            (
                "no IPv6 address",
                "http://[]|http://[1.2.3.4]|http://[::1%25lo]|http://[::1%lo]|http://[g::]",
            ),
            ("shortest form", "http://[0:0:0:0:0:0:0:1]|http://[::0001]|http://[::ffff:127.0.0.1]"),
        ];
        for (why, entries) in table {
            for bad in entries.split('|') {
                let text = Origins::parse(bad).expect_err(bad).to_string();
                assert!(text.contains(why) && text.contains("accepted are"), "{bad}: {text}");
                assert!(!text.contains('\n'));
            }
        }
        let text = Origins::parse("https://a.example\nX: y").expect_err("a line end").to_string();
        assert!(!text.contains('\n'), "{text}");
    }

    #[test]
    fn a_listed_origin_is_matched_byte_for_byte() {
        let origins = listed("https://clinic.example,http://localhost:3000");
        for origin in [
            "",
            "null",
            "*",
            "https://clinic.example/",
            "https://clinic.example:443",
            "https://clinic.example.",
            "https://clinic.example.attacker.example",
            "https://attacker.example#https://clinic.example",
            "https://xclinic.example",
            "https://x.clinic.example",
            "https://Clinic.example",
            "HTTPS://clinic.example",
            "http://clinic.example",
            "clinic.example",
            " https://clinic.example",
            "https://clinic.example ",
            "https://clinic.example http://localhost:3000",
            "https://clinic.example,http://localhost:3000",
            "https://clinic.example, https://clinic.example",
            "http://localhost",
            "http://localhost:30000",
        ] {
            assert!(!origins.allows(Some(origin), false), "{origin}");
        }
    }

    #[test]
    fn a_client_without_an_origin_is_let_in_unless_one_is_required() {
        for origins in [Origins::Any, Origins::Listed(vec![]), listed("https://clinic.example")] {
            assert!(origins.allows(None, false));
            assert!(!origins.allows(None, true));
        }
        assert!(Origins::Any.allows(Some("null"), true));
        assert!(Origins::Any.allows(Some("https://anything.example"), false));
        assert!(!Origins::Listed(vec![]).allows(Some("https://clinic.example"), false));
    }
}
