//! Engine.IO, version 4: the packets below Socket.IO, and how several of them share the body of a
//! request.
//!
//! A packet is a text: its type as a digit, then its data. On a WebSocket each packet is a text
//! message. With polling, the body of a request or response contains one or more packets, separated
//! by [`SEPARATOR`].

use super::http::Request;

/// Separates the packets in a body.
pub const SEPARATOR: char = '\u{1e}';

/// The supported protocol version: `EIO=4` in the query.
pub const VERSION: &str = "4";

/// One packet of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// `1`: the client disconnects.
    Close,
    /// `2probe`: the first packet on a WebSocket that is to replace polling.
    Probe,
    /// `3`: the answer to the server's ping.
    Pong,
    /// `4`: a Socket.IO packet.
    Message(&'a str),
    /// `5`: the client uses the WebSocket from now on.
    Upgrade,
    /// `6`: nothing.
    Noop,
}

/// Why a packet is invalid. The connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Binary data in base64; no binary data is supported.
    Binary,
    /// Not a packet that a client sends.
    Unknown,
}

/// Parses one packet.
///
/// # Errors
/// [`Fault`]: the sender speaks another protocol.
pub fn parse(packet: &str) -> Result<Packet<'_>, Fault> {
    // After a digit, the byte index is a character boundary.
    let data = packet.get(1..).unwrap_or_default();
    match packet.as_bytes().first() {
        Some(b'1') if data.is_empty() => Ok(Packet::Close),
        // In version 3 the client sent pings. Only the probe is left of that.
        Some(b'2') if data == "probe" => Ok(Packet::Probe),
        Some(b'3') if data.is_empty() => Ok(Packet::Pong),
        Some(b'4') => Ok(Packet::Message(data)),
        Some(b'5') if data.is_empty() => Ok(Packet::Upgrade),
        Some(b'6') if data.is_empty() => Ok(Packet::Noop),
        Some(b'b') => Err(Fault::Binary),
        _ => Err(Fault::Unknown),
    }
}

/// The first packet of a body, and the rest of the body; `None` after the last packet.
pub fn next_packet(body: &str) -> (&str, Option<&str>) {
    body.split_once(SEPARATOR).map_or((body, None), |(packet, rest)| (packet, Some(rest)))
}

/// The content of the server's first packet.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// The id of the session.
    pub sid: &'a str,
    /// Whether a WebSocket may take over the session.
    pub may_upgrade: bool,
    /// Time between pings, in milliseconds.
    pub ping_interval_ms: u64,
    /// How long the answer to a ping may take, in milliseconds.
    pub ping_timeout_ms: u64,
    /// The maximum size of a body or message, in bytes.
    pub payload_bytes_max: usize,
}

impl Opening<'_> {
    /// Appends the packet.
    pub fn write(&self, out: &mut Vec<u8>) {
        let upgrades = if self.may_upgrade { "\"websocket\"" } else { "" };
        let Self { sid, ping_interval_ms, ping_timeout_ms, payload_bytes_max, .. } = self;
        let text = format!(
            "0{{\"sid\":\"{sid}\",\"upgrades\":[{upgrades}],\"pingInterval\":{ping_interval_ms},\
             \"pingTimeout\":{ping_timeout_ms},\"maxPayload\":{payload_bytes_max}}}"
        );
        out.extend_from_slice(text.as_bytes());
    }
}

/// The transport of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// HTTP long polling.
    Polling,
    /// WebSocket text messages.
    WebSocket,
}

/// The session that a request is for, and the transport that it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<S> {
    /// The transport.
    pub carrier: Carrier,
    /// The session; `None` for a new one.
    pub sid: Option<S>,
}

/// Why a request is refused, with the number and text of the original server, which its clients
/// know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The transport is neither polling nor WebSocket, or not that of the session.
    Transport,
    /// There is no such session.
    Session,
    /// A session must begin with `GET`.
    Method,
    /// Any other mistake in the request.
    Request,
    /// The session belongs to a page of another origin.
    Forbidden,
    /// Another version than [`VERSION`].
    Version,
}

impl Refusal {
    /// The number and the text.
    pub const fn parts(self) -> (u8, &'static str) {
        match self {
            Self::Transport => (0, "Transport unknown"),
            Self::Session => (1, "Session ID unknown"),
            Self::Method => (2, "Bad handshake method"),
            Self::Request => (3, "Bad request"),
            Self::Forbidden => (4, "Forbidden"),
            Self::Version => (5, "Unsupported protocol version"),
        }
    }
}

/// Reads the query of a request. `read_sid` parses the id of a session.
///
/// # Errors
/// Checked in the same order as by the original server.
pub fn read_query<S>(
    request: &Request<'_>,
    read_sid: impl FnOnce(&str) -> Option<S>,
) -> Result<Query<S>, Refusal> {
    let once = |name: &str| {
        let mut values =
            request.query_parameters().filter(|(key, _)| key == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            // It would be ambiguous which of two values counts.
            _ => Err(Refusal::Request),
        }
    };
    let carrier = match once("transport")?.as_deref() {
        Some("polling") => Carrier::Polling,
        Some("websocket") => Carrier::WebSocket,
        _ => return Err(Refusal::Transport),
    };
    let sid = match once("sid")? {
        Some(sid) => Some(read_sid(&sid).ok_or(Refusal::Session)?),
        None if request.method != "GET" => return Err(Refusal::Method),
        None => None,
    };
    if once("EIO")?.as_deref() != Some(VERSION) {
        return Err(Refusal::Version);
    }
    // JSONP, an answer in a script, is not supported: the browsers that needed it are gone. (`b64`
    // only asks for another encoding of binary data, which is never sent.)
    if once("j")?.is_some() {
        return Err(Refusal::Request);
    }
    Ok(Query { carrier, sid })
}

#[cfg(test)]
mod tests {
    use super::super::http;
    use super::*;

    #[test]
    fn what_a_client_sends_is_known_and_nothing_else_is() {
        for (text, packet) in [
            ("1", Packet::Close),
            ("2probe", Packet::Probe),
            ("3", Packet::Pong),
            ("4", Packet::Message("")),
            ("40{}", Packet::Message("0{}")),
            ("5", Packet::Upgrade),
            ("6", Packet::Noop),
        ] {
            assert_eq!(parse(text), Ok(packet), "{text}");
        }
        for text in ["", "0", "0{}", "2", "3probe", "1x", "5x", "6x", "7", "é", "\u{1e}", " 4"] {
            assert_eq!(parse(text), Err(Fault::Unknown), "{text}");
        }
        assert_eq!(parse("bAQID"), Err(Fault::Binary));
    }

    #[test]
    fn a_body_gives_its_packets_in_order() {
        assert_eq!(next_packet("40"), ("40", None));
        assert_eq!(next_packet("40\u{1e}42[]\u{1e}"), ("40", Some("42[]\u{1e}")));
        assert_eq!(next_packet("\u{1e}3"), ("", Some("3")));
    }

    #[test]
    fn a_request_is_refused_as_the_original_server_does() {
        let read = |method: &str, query: &str| {
            let head = format!("{method} /socket.io/?{query} HTTP/1.1\r\nHost: a\r\n\r\n");
            let (request, _) = http::parse(head.as_bytes(), 0).expect("a head").expect("whole");
            read_query(&request, |sid| (sid == "known").then_some(7))
        };
        use Carrier::{Polling, WebSocket};
        for (query, carrier, sid) in [
            ("EIO=4&transport=polling&t=abc&b64=1", Polling, None),
            ("EIO=4&transport=websocket", WebSocket, None),
            ("EIO=4&transport=websocket&sid=known", WebSocket, Some(7)),
        ] {
            assert_eq!(read("GET", query), Ok(Query { carrier, sid }), "{query}");
        }
        for (method, query, refusal) in [
            ("GET", "", Refusal::Transport),
            ("GET", "EIO=4", Refusal::Transport),
            ("GET", "EIO=4&transport=webtransport", Refusal::Transport),
            ("GET", "EIO=4&transport=constructor", Refusal::Transport),
            ("GET", "EIO=4&transport=polling&sid=other", Refusal::Session),
            ("POST", "EIO=4&transport=polling", Refusal::Method),
            ("GET", "EIO=3&transport=polling", Refusal::Version),
            ("GET", "transport=polling", Refusal::Version),
            ("GET", "EIO=4&transport=polling&transport=websocket", Refusal::Request),
            ("GET", "EIO=4&transport=polling&j=0", Refusal::Request),
        ] {
            assert_eq!(read(method, query), Err(refusal), "{query}");
        }
    }
}
