//! The head of an HTTP/1.1 request (RFC 9110, 9112) and the response to it. A connection serves one
//! request, or is upgraded.

use std::borrow::Cow;
use std::str;

use httparse::{EMPTY_HEADER, Status};

use crate::base::time::WallTime;

/// The longest request head in bytes. A longer one is answered with 431.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;

/// How many header fields a request may have.
pub const FIELDS_MAX: usize = 64;

/// A request head with valid syntax.
#[derive(Debug)]
pub struct Request<'a> {
    /// The method, as it was sent.
    pub method: &'a str,
    /// The path, from `/` up to any `?`.
    pub path: &'a str,
    /// The query after the `?`, undecoded.
    pub query: Option<&'a str>,
    /// The version is HTTP/1.0, which cannot be upgraded (RFC 9110 7.8).
    pub is_http_1_0: bool,
    fields: [httparse::Header<'a>; FIELDS_MAX],
}

/// Why a request head cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not HTTP/1.1 or 1.0, or a field is missing, repeated or malformed: 400.
    Malformed,
    /// More than [`HEAD_BYTES_MAX`] bytes or [`FIELDS_MAX`] fields: 431.
    TooLarge,
}

/// Parses the request head at the front of `bytes`. Returns the request and the length of its head
/// in bytes; what follows belongs to the upgraded protocol. `None`: more bytes are needed. `seen`
/// bytes were already examined by an earlier call.
pub fn parse(bytes: &[u8], seen: usize) -> Result<Option<(Request<'_>, usize)>, Fault> {
    let window = &bytes[..bytes.len().min(HEAD_BYTES_MAX)];
    // A head that arrives byte by byte is parsed at its beginning and when it is complete, not with
    // each byte.
    if seen > 0 && !ends_head(&window[seen.saturating_sub(3).min(window.len())..]) {
        return more_or_too_large(window);
    }
    let mut fields = [EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    let len = match request.parse(window) {
        Ok(Status::Complete(len)) => len,
        Ok(Status::Partial) => return more_or_too_large(window),
        Err(httparse::Error::TooManyHeaders) => return Err(Fault::TooLarge),
        Err(_) => return Err(Fault::Malformed),
    };
    let (method, target, version) = match (request.method, request.path, request.version) {
        (Some(method), Some(target), Some(version)) => (method, target, version),
        _ => return Err(Fault::Malformed),
    };
    // httparse accepts a bare LF as a line end. A proxy in front of us may then see other lines
    // than we do (RFC 9112 2.2).
    if has_bare_lf(&window[..len]) {
        return Err(Fault::Malformed);
    }
    let (path, query) = split_target(target).ok_or(Fault::Malformed)?;
    let request = Request { method, path, query, is_http_1_0: version == 0, fields };
    request.check()?;
    Ok(Some((request, len)))
}

impl<'a> Request<'a> {
    /// The value of a field that may occur only once, without surrounding white space. `None` if it
    /// is absent or not ASCII.
    pub fn field(&self, name: &str) -> Option<&'a str> {
        self.values(name).next().and_then(ascii)
    }

    /// Whether there is such a field, whatever its value.
    pub fn has_field(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// Whether every value of a field is ASCII, so that [`Request::field`] and [`Request::list`]
    /// omit nothing.
    pub fn is_ascii(&self, name: &str) -> bool {
        self.values(name).all(<[u8]>::is_ascii)
    }

    /// The values of a field, one for each line; values that are not ASCII are omitted.
    pub fn lines(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.values(name).filter_map(ascii)
    }

    /// Whether a body follows the head. Nothing here reads one.
    pub fn has_body(&self) -> bool {
        self.values("content-length").any(|length| length.iter().any(|&digit| digit != b'0'))
    }

    /// The length of the body that follows the head; `None` if the request does not say.
    pub fn content_length(&self) -> Option<usize> {
        // Only digits remain at this point, so a number that does not fit is over any limit.
        self.field("content-length").map(|length| length.parse().unwrap_or(usize::MAX))
    }

    /// Whether the client sends the body only once it is told to go on (RFC 9110 10.1.1).
    pub fn expects_continue(&self) -> bool {
        !self.is_http_1_0
            && self.list("expect").any(|what| what.eq_ignore_ascii_case("100-continue"))
    }

    /// The elements of a comma-separated field, over all its lines (RFC 9110 5.6.1).
    pub fn list(&self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.values(name)
            .filter_map(ascii)
            .flat_map(|value| value.split(','))
            .map(|element| element.trim_matches([' ', '\t']))
            .filter(|element| !element.is_empty())
    }

    /// Whether the query has a parameter of this name, however it is spelled (letter case,
    /// percent-encoding).
    pub fn has_query_parameter(&self, name: &str) -> bool {
        self.query_parameters().any(|(key, _)| key.eq_ignore_ascii_case(name))
    }

    /// The names and values of the query, decoded (`application/x-www-form-urlencoded`).
    pub fn query_parameters(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        self.query.unwrap_or_default().split(['&', ';']).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(name), percent_decode(value))
        })
    }

    fn values<'b>(&self, name: &'b str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'b> {
        self.fields
            .into_iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
    }

    /// Checks that make a head safe to act on: no two parsers can understand it differently (RFC
    /// 9112 11.2).
    fn check(&self) -> Result<(), Fault> {
        const ONCE: [&str; 6] = [
            "host",
            "origin",
            "authorization",
            "sec-websocket-key",
            "sec-websocket-version",
            "content-length",
        ];
        let hosts = self.values("host").count();
        let repeated = ONCE.iter().any(|name| self.values(name).count() > 1);
        let nameless = hosts == 0 && !self.is_http_1_0;
        let misnamed = !self.values("host").all(is_authority);
        let is_number =
            |value: &[u8]| !value.is_empty() && value.iter().all(|byte| byte.is_ascii_digit());
        let numbers = self.values("content-length").all(is_number);
        let is_chunked = self.values("transfer-encoding").next().is_some();
        if repeated || nameless || misnamed || !numbers || is_chunked {
            return Err(Fault::Malformed);
        }
        Ok(())
    }
}

/// Tells a client that it may send the body of its request.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The `Origin` of a head that cannot be served, if it is certain: it is in a complete line, occurs
/// only once, and no line has an ambiguous end.
pub fn origin_in(head: &[u8]) -> Option<&str> {
    let mut lines = head[..head.len().min(HEAD_BYTES_MAX)].split(|&byte| byte == b'\n');
    lines.next_back(); // the rest after the last line end
    lines.next()?.strip_suffix(b"\r")?;
    let mut found = None;
    for line in lines {
        match line.strip_suffix(b"\r")? {
            [] => break,
            line => {
                let colon = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
                let (name, value) = line.split_at(colon);
                if name.eq_ignore_ascii_case(b"origin") && found.replace(value).is_some() {
                    return None;
                }
            }
        }
    }
    found.and_then(ascii)?.strip_prefix(':').map(|value| value.trim_matches([' ', '\t']))
}

fn more_or_too_large(window: &[u8]) -> Result<Option<(Request<'_>, usize)>, Fault> {
    if window.len() == HEAD_BYTES_MAX { Err(Fault::TooLarge) } else { Ok(None) }
}

fn ends_head(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|end| end == b"\n\r\n")
}

fn has_bare_lf(head: &[u8]) -> bool {
    // httparse skips empty lines before the request line; here they are checked like any other
    // line.
    head.first() == Some(&b'\n') || head.windows(2).any(|pair| pair[1] == b'\n' && pair[0] != b'\r')
}

/// Path and query of an origin-form or absolute-form target (RFC 9112 3.2).
fn split_target(target: &str) -> Option<(&str, Option<&str>)> {
    let origin_form = if target.starts_with('/') { target } else { behind_authority(target)? };
    if origin_form.contains('#') {
        return None;
    }
    let (path, query) = match origin_form.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (origin_form, None),
    };
    // Only an absolute-form target can have an empty path, which stands for `/` (RFC 9110 4.2.3).
    Some((if path.is_empty() { "/" } else { path }, query))
}

/// The text after `http://clinic.example` or `https://clinic.example`. The host may not be empty
/// (RFC 9110 4.2).
fn behind_authority(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    let authority_len = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(authority_len);
    let known = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    (known && !authority.is_empty() && is_authority(authority.as_bytes())).then_some(behind)
}

/// Whether this may name a host, with or without a port (RFC 3986 3.2.2); it may be empty. Somebody's
/// name before an `@` is treated as an error (RFC 9110 4.2.4).
fn is_authority(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte))
}

fn ascii(value: &[u8]) -> Option<&str> {
    str::from_utf8(value).ok().filter(|text| text.is_ascii())
}

/// Decodes `%41` and `+`. What is not an escape stays as it is; what is not UTF-8 when decoded
/// becomes U+FFFD.
fn percent_decode(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits =
            bytes.get(at + 1..at + 3).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let escaped = digits.and_then(|digits| str::from_utf8(digits).ok());
        let escaped = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, escaped) {
            (b'%', Some(value)) => {
                decoded.push(value);
                at += 2;
            }
            (b'+', _) => decoded.push(b' '),
            _ => decoded.push(byte),
        }
        at += 1;
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

/// A response that ends the connection.
#[derive(Debug)]
pub struct Response<'a> {
    /// The status, with its usual reason phrase.
    pub status: StatusCode,
    /// The media type of the body.
    pub content_type: &'static str,
    /// Further fields: name and value.
    pub fields: &'a [(&'static str, &'a str)],
    /// The content.
    pub body: &'a [u8],
}

/// The statuses that the server answers with (RFC 9110 15, RFC 6585).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the RFCs")]
#[repr(u16)]
pub enum StatusCode {
    Ok = 200,
    NoContent = 204,
    BadRequest = 400,
    Unauthorized = 401,
    Forbidden = 403,
    NotFound = 404,
    MethodNotAllowed = 405,
    RequestTimeout = 408,
    ContentTooLarge = 413,
    UpgradeRequired = 426,
    TooManyRequests = 429,
    RequestHeaderFieldsTooLarge = 431,
    ServiceUnavailable = 503,
}

impl StatusCode {
    /// The reason phrase.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::NoContent => "No Content",
            Self::BadRequest => "Bad Request",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "Not Found",
            Self::MethodNotAllowed => "Method Not Allowed",
            Self::RequestTimeout => "Request Timeout",
            Self::ContentTooLarge => "Content Too Large",
            Self::UpgradeRequired => "Upgrade Required",
            Self::TooManyRequests => "Too Many Requests",
            Self::RequestHeaderFieldsTooLarge => "Request Header Fields Too Large",
            Self::ServiceUnavailable => "Service Unavailable",
        }
    }
}

/// Inserts further fields into the response that begins at `start`, directly after its status line.
pub fn add_fields(out: &mut Vec<u8>, start: usize, fields: &[(&str, &str)]) {
    let response = out.get(start..).unwrap_or_default();
    let Some(line_end) = response.windows(2).position(|end| end == b"\r\n") else { return };
    let at = start + line_end + 2;
    let lines = fields.iter().flat_map(|(name, value)| [*name, ": ", *value, "\r\n"]);
    out.splice(at..at, lines.flat_map(str::bytes));
}

/// The content security policy of a response that is not a page: nothing in it may load or run
/// anything.
pub const NO_CONTENT_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

impl Response<'_> {
    /// Appends the response; `head_only` omits the body, as in the response to `HEAD` (RFC 9110
    /// 9.3.2).
    pub fn write(&self, out: &mut Vec<u8>, now: WallTime, head_only: bool) {
        let mut line = |parts: &[&str]| {
            parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
            out.extend_from_slice(b"\r\n");
        };
        let date = now.to_http_date();
        line(&["HTTP/1.1 ", &(self.status as u16).to_string(), " ", self.status.reason()]);
        line(&["Date: ", str::from_utf8(&date).unwrap_or_default()]);
        // RFC 9110 8.6: not in a 204.
        if self.status != StatusCode::NoContent {
            line(&["Content-Type: ", self.content_type]);
            line(&["Content-Length: ", &self.body.len().to_string()]);
        }
        // RFC 9110 7.8: a sender of `Upgrade` must name it in `Connection` as well.
        let has = |wanted| self.fields.iter().any(|(name, _)| *name == wanted);
        line(&[if has("Upgrade") { "Connection: close, Upgrade" } else { "Connection: close" }]);
        line(&["Cache-Control: no-store"]);
        line(&["X-Content-Type-Options: nosniff"]);
        line(&["X-Frame-Options: DENY"]);
        line(&["Referrer-Policy: no-referrer"]);
        line(&["Cross-Origin-Opener-Policy: same-origin"]);
        line(&["Cross-Origin-Resource-Policy: same-origin"]);
        if !has("Content-Security-Policy") {
            line(&["Content-Security-Policy: ", NO_CONTENT_POLICY]);
        }
        self.fields.iter().for_each(|(name, value)| line(&[name, ": ", value]));
        line(&[]);
        if !head_only {
            out.extend_from_slice(self.body);
        }
    }
}
