//! The client that a proxy reports: the fields `Forwarded` (RFC 7239) and `X-Forwarded-For`. Only
//! what a trusted proxy has written means anything; `crate::admission` decides which part that is.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

/// One hop: from where a proxy was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// From this address.
    Address(IpAddr),
    /// It is not disclosed (`unknown`, `_hidden`), or not written as an address.
    Hidden,
}

/// An unterminated quoted string, or anything else that two parsers could understand differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault;

/// Calls `step` with each hop in one `Forwarded` line, in order: the last one was added by the
/// proxy next to us.
///
/// An unquoted address may have a port or brackets. The RFC requires quotes there, but the meaning
/// is clear.
///
/// # Errors
/// At the first violation of the grammar (RFC 7239 4), even after valid hops.
pub fn read_forwarded(line: &str, mut step: impl FnMut(Node)) -> Result<(), Fault> {
    let mut rest = skip_blanks(line);
    while !rest.is_empty() {
        // Lists may have empty elements (RFC 9110 5.6.1).
        if let Some(behind) = rest.strip_prefix(',') {
            rest = skip_blanks(behind);
            continue;
        }
        let (node, behind) = read_element(rest)?;
        step(node);
        rest = behind;
    }
    Ok(())
}

/// The hops in one `X-Forwarded-For` line, in order. There is no standard; common practice is a
/// comma-separated list of addresses, some with a port, IPv6 addresses with a port in brackets.
pub fn x_forwarded_for(line: &str) -> impl Iterator<Item = Node> {
    let elements = line.split(',').map(|element| element.trim_matches([' ', '\t']));
    elements.filter(|element| !element.is_empty()).map(|element| match element.parse() {
        Ok(IpAddr::V6(bare)) => Node::Address(bare.into()).canonical(),
        _ => read_node(element),
    })
}

/// One element, and the text after its comma.
fn read_element(mut rest: &str) -> Result<(Node, &str), Fault> {
    let mut node = None;
    loop {
        // A pair may be omitted (RFC 7239 4).
        if !rest.starts_with([';', ',']) && !rest.is_empty() {
            let (name, value, behind) = read_pair(rest)?;
            if name.eq_ignore_ascii_case("for") && node.replace(read_node(&value)).is_some() {
                return Err(Fault);
            }
            rest = skip_blanks(behind);
        }
        let more = rest.strip_prefix(';').map(skip_blanks);
        match (more, rest.strip_prefix(',')) {
            (Some(behind), _) => rest = behind,
            (None, Some(behind)) => return Ok((node.unwrap_or(Node::Hidden), skip_blanks(behind))),
            (None, None) if rest.is_empty() => return Ok((node.unwrap_or(Node::Hidden), rest)),
            (None, None) => return Err(Fault),
        }
    }
}

/// `name=value` or `name="value"`, and the text after it.
fn read_pair(text: &str) -> Result<(&str, Cow<'_, str>, &str), Fault> {
    let (name, rest) = split_while(text, is_token_char);
    let rest = rest.strip_prefix('=').filter(|_| !name.is_empty()).ok_or(Fault)?;
    if let Some(quoted) = rest.strip_prefix('"') {
        let (value, behind) = read_quoted(quoted)?;
        return Ok((name, value, behind));
    }
    let (value, behind) = split_while(rest, |byte| is_token_char(byte) || b"[]:".contains(&byte));
    if value.is_empty() { Err(Fault) } else { Ok((name, value.into(), behind)) }
}

/// The text before the closing quote, and the text after it (RFC 9110 5.6.4).
fn read_quoted(text: &str) -> Result<(Cow<'_, str>, &str), Fault> {
    let mut unescaped = String::new();
    let mut from = 0;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' if from == 0 => return Ok((text[..at].into(), &text[at + 1..])),
            b'"' => {
                unescaped.push_str(&text[from..at]);
                return Ok((unescaped.into(), &text[at + 1..]));
            }
            b'\\' => {
                bytes.next().filter(|(_, byte)| is_text(*byte)).ok_or(Fault)?;
                unescaped.push_str(&text[from..at]);
                from = at + 1;
            }
            _ if is_text(byte) => {}
            _ => return Err(Fault),
        }
    }
    Err(Fault)
}

/// A node (RFC 7239 6): an address, possibly with a port, or an obfuscated name.
fn read_node(text: &str) -> Node {
    let (address, port): (Option<IpAddr>, &str) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((v6, port)) => (v6.parse().ok().map(IpAddr::V6), port),
            None => (None, ""),
        },
        None => {
            let (v4, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (v4.parse::<Ipv4Addr>().ok().map(IpAddr::V4), port)
        }
    };
    match address {
        Some(address) if port.is_empty() || is_port(port) => Node::Address(address).canonical(),
        _ => Node::Hidden,
    }
}

/// A port of up to five digits after a colon, or an obfuscated one.
fn is_port(text: &str) -> bool {
    let Some(port) = text.strip_prefix(':') else { return false };
    match port.strip_prefix('_') {
        Some(name) => {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !name.is_empty() && name.bytes().all(fits)
        }
        None => (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

impl Node {
    /// An IPv4-mapped IPv6 address becomes the IPv4 address.
    fn canonical(self) -> Self {
        match self {
            Self::Address(address) => Self::Address(address.to_canonical()),
            Self::Hidden => self,
        }
    }
}

fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

/// The longest ASCII prefix whose bytes all fit, and the rest.
fn split_while(text: &str, fits: impl Fn(u8) -> bool) -> (&str, &str) {
    text.split_at(text.bytes().position(|byte| !fits(byte)).unwrap_or(text.len()))
}

/// A `tchar` of RFC 9110 5.6.2.
fn is_token_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// An ASCII character that is allowed in a quoted string.
fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hops as text: addresses, and `-` for hidden ones.
    fn told(nodes: impl IntoIterator<Item = Node>) -> String {
        let text = |node| match node {
            Node::Address(address) => address.to_string(),
            Node::Hidden => "-".to_owned(),
        };
        nodes.into_iter().map(text).collect::<Vec<_>>().join(" ")
    }

    fn forwarded(line: &str) -> Result<String, Fault> {
        let mut nodes = Vec::new();
        read_forwarded(line, |node| nodes.push(node)).map(|()| told(nodes))
    }

    #[test]
    fn forwarded_lines_are_read_as_the_rfc_writes_them() {
        for (line, steps) in [
            ("", ""),
            (" , ,", ""),
            ("for=192.0.2.43", "192.0.2.43"),
            ("for=\"_gazonk\"", "-"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("for=192.0.2.43, for=198.51.100.17", "192.0.2.43 198.51.100.17"),
            (
                "for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown",
                "192.0.2.43 2001:db8:cafe::17 -",
            ),
            ("proto=https;for=\"192.0.2.43:47011\" ; by=_x,by=1.2.3.4", "192.0.2.43 -"),
            ("for=\"192.0.2.43:_port\"", "192.0.2.43"),
            ("for=_hidden, for=_SEVKISEK", "- -"),
            ("for=192.0.2.43:80,for=[::1]:80,for=[::ffff:192.0.2.1]", "192.0.2.43 ::1 192.0.2.1"),
            (";for=192.0.2.1;;,;", "192.0.2.1 -"),
            ("for=\"192.0.2\\.1\"", "192.0.2.1"),
            ("for=\"a, for=1.2.3.4\", for=192.0.2.1", "- 192.0.2.1"),
            ("for=\"a\\\", for=1.2.3.4\", for=192.0.2.1", "- 192.0.2.1"),
            ("host=\"x;for=1.2.3.4\";for=192.0.2.1", "192.0.2.1"),
            ("for=banana, for=::1, for=\"::1\", for=\"[::1\", for=\"1.2.3.4:\"", "- - - - -"),
            ("for=\"1.2.3.4:123456\", for=1.2.3.4:x, for=\"[1.2.3.4]\", for=\"\"", "- - - -"),
        ] {
            assert_eq!(forwarded(line).as_deref(), Ok(steps), "{line}");
        }
    }

    #[test]
    fn a_client_cannot_swallow_with_a_quote_what_the_proxy_adds() {
        for proxy in ["for=198.51.100.7", "for=\"[2001:db8::7]\"", "for=198.51.100.7;by=\"_x\""] {
            for client in ["for=\"", "for=\"1.1.1.1", "for=\"\\", "x=\"", "for=1.1.1.1;x=\"y", "\""]
            {
                let line = format!("{client}, {proxy}");
                assert_eq!(forwarded(&line), Err(Fault), "{line}");
            }
        }
        for line in [
            "for",
            "for=",
            "=x",
            "for =x",
            "for= x",
            "for=x y",
            "for=x;;y",
            "for=x\"y\"",
            "for=\"x\"y",
            "for=(x)",
        ] {
            assert_eq!(forwarded(line), Err(Fault), "{line}");
        }
        assert_eq!(forwarded("for=1.2.3.4;for=5.6.7.8"), Err(Fault), "which of them?");
        assert_eq!(forwarded("for=\"a\x7f\""), Err(Fault));
        assert_eq!(forwarded("for=é"), Err(Fault));
    }

    #[test]
    fn x_forwarded_for_is_read_as_it_is_in_use() {
        for (line, steps) in [
            ("", ""),
            (" ,, ", ""),
            ("192.0.2.1", "192.0.2.1"),
            ("203.0.113.1,\t192.0.2.1 , 2001:db8::1", "203.0.113.1 192.0.2.1 2001:db8::1"),
            ("192.0.2.1:51234, [2001:db8::1]:443, [::1]", "192.0.2.1 2001:db8::1 ::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            (
                "unknown, 10.0.0.1x, 010.0.0.1, fe80::1%eth0, \"192.0.2.1\", 1.2.3.4 5.6.7.8",
                "- - - - - -",
            ),
        ] {
            assert_eq!(told(x_forwarded_for(line)), steps, "{line}");
        }
    }
}
