//! A request head read line by line, with no regard for speed.

use std::str;

/// The lines of a head.
pub struct Lines<'a> {
    pub method: &'a str,
    pub target: &'a str,
    pub version: &'a str,
    /// Names in lower case, and values without the white space around them.
    pub fields: Vec<(String, &'a [u8])>,
}

impl<'a> Lines<'a> {
    /// Reads a whole head. `None` where its lines do not end in CR LF, or are no lines of a head.
    pub fn read(head: &'a [u8]) -> Option<Self> {
        let mut lines = Vec::new();
        let mut rest = head.strip_suffix(b"\r\n\r\n")?;
        // RFC 9112 2.2: empty lines before the request line are passed over.
        while let Some(after) = rest.strip_prefix(b"\r\n") {
            rest = after;
        }
        while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
            lines.push(&rest[..end]);
            rest = &rest[end + 2..];
        }
        lines.push(rest);
        if head.starts_with(b"\n") || lines.iter().any(|line| line.contains(&b'\n')) {
            return None;
        }
        let first = str::from_utf8(lines.first()?).ok()?;
        let [method, target, version] = first.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let fields = lines[1..].iter().map(|line| field(line)).collect::<Option<_>>()?;
        Some(Self { method, target, version, fields })
    }

    pub fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().filter(move |(other, _)| other == name).map(|(_, value)| *value)
    }

    /// The value of a field that occurs once.
    pub fn only(&self, name: &str) -> Option<&'a str> {
        let mut values = self.values(name);
        let value = values.next().filter(|_| values.next().is_none());
        value.and_then(|value| str::from_utf8(value).ok())
    }

    /// Whether a comma-separated field has this element, in either letter case.
    pub fn lists(&self, name: &str, wanted: &str) -> bool {
        self.elements(name).any(|element| element.eq_ignore_ascii_case(wanted))
    }

    /// The same, in the letter case that is given.
    pub fn lists_exactly(&self, name: &str, wanted: &str) -> bool {
        self.elements(name).any(|element| element == wanted)
    }

    /// Whether the token is presented, in either of the two ways.
    pub fn shows(&self, token: &str) -> bool {
        let bearer = self.only("authorization").is_some_and(|value| {
            let scheme = value.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer "));
            scheme && value[7..].trim_matches(' ') == token
        });
        bearer || self.lists_exactly("sec-websocket-protocol", &format!("bearer.{token}"))
    }

    /// Whether anything is presented as a token, good or not.
    pub fn offers_token(&self) -> bool {
        let starts = |value: &[u8], name: &str| {
            value.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
        };
        let field = self.values("authorization").any(|value| {
            starts(value, "bearer") && matches!(value.get(6), None | Some(b' ' | b'\t'))
        });
        let offered = |list: &'a [u8]| list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        let mut protocols = self.values("sec-websocket-protocol").flat_map(offered);
        field || protocols.any(|name| name.starts_with(b"bearer."))
    }

    /// The rule against which the head is, on top of the grammar.
    pub fn why_not(&self) -> Option<&'static str> {
        let count = |name| self.values(name).count();
        let once =
            ["host", "origin", "authorization", "sec-websocket-key", "sec-websocket-version"];
        // RFC 9112 3.2: `/path` or `http://host/path`.
        let is_target = match self.target.split_once("://") {
            Some((scheme, rest)) if !self.target.starts_with('/') => {
                let known = ["http", "https"].iter().any(|name| scheme.eq_ignore_ascii_case(name));
                let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
                known && !authority.is_empty() && is_authority(authority.as_bytes())
            }
            _ => self.target.starts_with('/'),
        };
        let is_number = |value: &[u8]| !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let rules = [
            (once.iter().any(|name| count(name) > 1), "a field twice"),
            (self.version == "HTTP/1.1" && count("host") != 1, "RFC 9112 3.2: one Host"),
            (!self.values("host").all(is_authority), "RFC 3986 3.2: no name of a host"),
            (count("transfer-encoding") > 0, "a body"),
            (count("content-length") > 1, "two lengths"),
            (self.values("content-length").any(|length| !is_number(length)), "no length"),
            (!is_target || self.target.contains('#'), "not the target of a GET"),
        ];
        rules.iter().find(|(broken, _)| *broken).map(|(_, why)| *why)
    }

    fn elements(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let texts = self.values(name).filter(|value| value.is_ascii());
        let texts = texts.filter_map(|value| str::from_utf8(value).ok());
        texts.flat_map(|value| value.split(',')).map(|element| element.trim_matches([' ', '\t']))
    }
}

/// `host`, `host:port`, or nothing: unreserved characters, delimiters within a part, percent signs, colons and brackets.
fn is_authority(text: &[u8]) -> bool {
    let is_odd = |byte: &u8| match byte {
        0..=b' ' | 0x7f.. => true,
        byte => b"\"#/<>?@\\^`{|}".contains(byte),
    };
    !text.iter().any(is_odd)
}

fn field(line: &[u8]) -> Option<(String, &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let name = str::from_utf8(&line[..colon]).ok()?.to_ascii_lowercase();
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let mut value = &line[colon + 1..];
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    (!name.is_empty() && name.bytes().all(token)).then_some((name, value))
}
