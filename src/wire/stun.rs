//! STUN messages (RFC 8489): the part that is needed to ask a STUN server for an address and a TURN
//! server for a relay (RFC 8656). The client's half: requests are written, answers are parsed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;

use crate::base::redacted::Redacted;

/// The length of the fixed header.
pub const HEADER_BYTES: usize = 20;

/// The magic cookie, which distinguishes STUN from other protocols on the same port (RFC 8489 5).
const COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();

/// The value with which FINGERPRINT is combined by XOR (RFC 8489 14.7).
const FINGERPRINT_XOR: u32 = 0x5354_554e;

const MAC_BYTES: usize = 20;

/// The transaction id: matches a response to its request. Random for each request, but the same for
/// retransmissions.
pub type Transaction = [u8; 12];

/// The method of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Asks for the address that the server sees.
    Binding,
    /// Asks for an allocation.
    Allocate,
    /// Extends an allocation, or ends it with a lifetime of 0.
    Refresh,
    /// Any other method.
    Other(u16),
}

/// The class of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A request, which expects a response.
    Request,
    /// An indication, which expects none.
    Indication,
    /// A success response.
    Success,
    /// An error response.
    Error,
}

/// The numbers of attributes (RFC 8489 18.3, RFC 8656 18).
pub mod attribute {
    /// USERNAME
    pub const USERNAME: u16 = 0x0006;
    /// MESSAGE-INTEGRITY
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    /// ERROR-CODE
    pub const ERROR_CODE: u16 = 0x0009;
    /// LIFETIME
    pub const LIFETIME: u16 = 0x000d;
    /// REALM
    pub const REALM: u16 = 0x0014;
    /// NONCE
    pub const NONCE: u16 = 0x0015;
    /// XOR-RELAYED-ADDRESS
    pub const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    /// REQUESTED-TRANSPORT
    pub const REQUESTED_TRANSPORT: u16 = 0x0019;
    /// XOR-MAPPED-ADDRESS
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    /// SOFTWARE
    pub const SOFTWARE: u16 = 0x8022;
    /// FINGERPRINT
    pub const FINGERPRINT: u16 = 0x8028;
}

/// The key of MESSAGE-INTEGRITY (RFC 8489 9.2.2): MD5 of user name, realm and password.
///
/// Texts are used as they are, without OpaqueString (RFC 8265): operators of TURN servers avoid
/// what it would change.
#[derive(Clone, Debug)]
pub struct Key(Redacted<[u8; 16]>);

impl Key {
    /// The key of a long-term credential.
    pub fn long_term(username: &str, realm: &[u8], password: &str) -> Self {
        let parts = [username.as_bytes(), b":", realm, b":", password.as_bytes()];
        let hash = parts.iter().fold(Md5::new(), |hash, part| hash.chain_update(part));
        Self(Redacted::new(hash.finalize().into()))
    }

    fn mac(&self) -> Option<Hmac<Sha1>> {
        Hmac::new_from_slice(self.0.reveal()).ok()
    }
}

/// A request being written. The attributes are in the order in which they were added.
#[derive(Clone, Debug)]
pub struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// A request without attributes.
    pub fn new(method: Method, transaction: Transaction) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&type_bits(method, Class::Request).to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&COOKIE);
        bytes.extend_from_slice(&transaction);
        Self { bytes }
    }

    /// Adds an attribute. A value that is too long for a message is omitted; the server then finds
    /// the attribute missing.
    #[must_use]
    pub fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let padded = value.len().next_multiple_of(4);
        let body = self.bytes.len() - HEADER_BYTES + 4 + padded;
        let (Ok(length), Ok(body)) = (u16::try_from(value.len()), u16::try_from(body)) else {
            return self;
        };
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(HEADER_BYTES + usize::from(body), 0);
        self.bytes[2..4].copy_from_slice(&body.to_be_bytes());
        self
    }

    /// Adds MESSAGE-INTEGRITY over everything added so far.
    #[must_use]
    pub fn signed(self, key: &Key) -> Self {
        let at = self.bytes.len();
        let mac = key.mac().map(|mac| integrity(mac, &self.bytes, at).finalize().into_bytes());
        match mac {
            Some(mac) => self.with(attribute::MESSAGE_INTEGRITY, &mac),
            None => self,
        }
    }

    /// Adds FINGERPRINT, and returns the message.
    pub fn finish(self) -> Vec<u8> {
        let at = self.bytes.len();
        let value = fingerprint(&self.bytes, at);
        self.with(attribute::FINGERPRINT, &value.to_be_bytes()).bytes
    }
}

/// A message whose structure has been checked: header, length, and the sequence of attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    bytes: &'a [u8],
}

/// The bytes are not exactly one complete STUN message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotStun;

/// The state of the next message in a stream (RFC 8489 6.2.2: its own length frames it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Incomplete.
    More,
    /// Complete: this many bytes.
    Whole(usize),
    /// Not STUN.
    Broken,
}

/// Looks for a complete message at the beginning of a stream.
pub fn frame(stream: &[u8]) -> Frame {
    // The first byte already tells, and so does each byte of the cookie.
    let begins = stream.first().is_none_or(|byte| byte & 0xc0 == 0);
    let cookie = stream.get(4..).unwrap_or_default();
    if !begins || cookie.iter().zip(COOKIE).any(|(byte, wanted)| *byte != wanted) {
        return Frame::Broken;
    }
    let Some(length) = stream.get(2..4) else { return Frame::More };
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    match HEADER_BYTES + length {
        _ if length % 4 != 0 => Frame::Broken,
        whole if whole <= stream.len() => Frame::Whole(whole),
        _ => Frame::More,
    }
}

impl<'a> Message<'a> {
    /// Checks the structure of a datagram, or of a message that [`frame`] found.
    ///
    /// # Errors
    ///
    /// [`NotStun`] for anything but one complete message.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NotStun> {
        if bytes.len() < HEADER_BYTES || frame(bytes) != Frame::Whole(bytes.len()) {
            return Err(NotStun);
        }
        let mut rest = &bytes[HEADER_BYTES..];
        while !rest.is_empty() {
            (_, _, rest) = split_attribute(rest).ok_or(NotStun)?;
        }
        Ok(Self { bytes })
    }

    /// The method.
    pub fn method(&self) -> Method {
        let bits = self.type_bits();
        match (bits & 0x3e00) >> 2 | (bits & 0x00e0) >> 1 | bits & 0x000f {
            0x001 => Method::Binding,
            0x003 => Method::Allocate,
            0x004 => Method::Refresh,
            other => Method::Other(other),
        }
    }

    /// The class.
    pub fn class(&self) -> Class {
        match self.type_bits() & 0x0110 {
            0x0000 => Class::Request,
            0x0010 => Class::Indication,
            0x0100 => Class::Success,
            _ => Class::Error,
        }
    }

    /// The transaction id.
    pub fn transaction(&self) -> Transaction {
        let mut transaction = [0; 12];
        transaction.copy_from_slice(&self.bytes[8..HEADER_BYTES]);
        transaction
    }

    /// All attributes, each with its offset.
    pub fn attributes(&self) -> impl Iterator<Item = (usize, u16, &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        let mut rest = &bytes[HEADER_BYTES..];
        std::iter::from_fn(move || {
            let at = bytes.len() - rest.len();
            let (kind, value, behind) = split_attribute(rest)?;
            rest = behind;
            Some((at, kind, value))
        })
    }

    /// The first attribute of a type. Attributes after MESSAGE-INTEGRITY are ignored (RFC 8489
    /// 14.5).
    pub fn find(&self, wanted: u16) -> Option<&'a [u8]> {
        for (_, kind, value) in self.attributes() {
            if kind == wanted {
                return Some(value);
            }
            if kind == attribute::MESSAGE_INTEGRITY {
                return None;
            }
        }
        None
    }

    /// ERROR-CODE, 300 to 699, if there is one (RFC 8489 14.8).
    pub fn error_code(&self) -> Option<u16> {
        let value = self.find(attribute::ERROR_CODE)?;
        let (class, number) = (value.get(2)? & 0x07, *value.get(3)?);
        let code = u16::from(class) * 100 + u16::from(number);
        ((3..=6).contains(&class) && number <= 99).then_some(code)
    }

    /// An address that is combined by XOR with cookie and transaction id, so that no middlebox
    /// rewrites it (RFC 8489 14.2).
    pub fn xor_address(&self, kind: u16) -> Option<SocketAddr> {
        let value = self.find(kind)?;
        let (family, port) = (*value.get(1)?, value.get(2..4)?);
        let mask = &self.bytes[4..HEADER_BYTES];
        let port = u16::from_be_bytes([port[0] ^ mask[0], port[1] ^ mask[1]]);
        let address = value.get(4..)?.iter().zip(mask).map(|(byte, mask)| byte ^ mask);
        let address: Vec<u8> = address.collect();
        let ip: IpAddr = match (family, value.len()) {
            (1, 8) => Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?).into(),
            (2, 20) => Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?).into(),
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }

    /// Whether the sender has the key; `None` if the message has no MESSAGE-INTEGRITY.
    pub fn is_signed_by(&self, key: &Key) -> Option<bool> {
        self.is_signed_with(key.mac()?)
    }

    /// Whether FINGERPRINT is correct and the last attribute; `None` if there is none.
    pub fn has_fingerprint(&self) -> Option<bool> {
        let mut found = self.attributes().filter(|(_, kind, _)| *kind == attribute::FINGERPRINT);
        let (at, _, value) = found.next()?;
        let is_right = value == fingerprint(&self.bytes[..at], at).to_be_bytes();
        Some(is_right && at + 8 == self.bytes.len())
    }

    fn is_signed_with(&self, mac: Hmac<Sha1>) -> Option<bool> {
        let mut all = self.attributes();
        let (at, _, value) = all.find(|(_, kind, _)| *kind == attribute::MESSAGE_INTEGRITY)?;
        Some(integrity(mac, &self.bytes[..at], at).verify_slice(value).is_ok())
    }

    fn type_bits(&self) -> u16 {
        u16::from_be_bytes([self.bytes[0], self.bytes[1]])
    }
}

/// The type and value of the attribute at the front, and the bytes after its padding.
fn split_attribute(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let behind = rest.get(length.next_multiple_of(4)..)?;
    Some((u16::from_be_bytes([head[0], head[1]]), &rest[..length], behind))
}

/// The message type: the bits of method and class are interleaved (RFC 8489 5).
fn type_bits(method: Method, class: Class) -> u16 {
    let method = match method {
        Method::Binding => 0x001,
        Method::Allocate => 0x003,
        Method::Refresh => 0x004,
        Method::Other(bits) => bits & 0x0fff,
    };
    let class = match class {
        Class::Request => 0x0000,
        Class::Indication => 0x0010,
        Class::Success => 0x0100,
        Class::Error => 0x0110,
    };
    (method & 0x0f80) << 2 | (method & 0x0070) << 1 | method & 0x000f | class
}

/// The MAC over the first `at` bytes, with a header length that includes MESSAGE-INTEGRITY itself
/// (RFC 8489 14.5).
fn integrity(mut mac: Hmac<Sha1>, bytes: &[u8], at: usize) -> Hmac<Sha1> {
    mac.update(&bytes[..2]);
    mac.update(&length_up_to(at + 4 + MAC_BYTES));
    mac.update(&bytes[4..at]);
    mac
}

/// The checksum over the first `at` bytes, with a header length that includes FINGERPRINT itself
/// (RFC 8489 14.7).
fn fingerprint(bytes: &[u8], at: usize) -> u32 {
    let length = length_up_to(at + 8);
    let parts = bytes[..2].iter().chain(&length).chain(&bytes[4..at]);
    // The CRC-32 of ITU V.42, bit by bit. Fast enough for a few hundred bytes now and then.
    let crc = parts.fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    });
    !crc ^ FINGERPRINT_XOR
}

fn length_up_to(end: usize) -> [u8; 2] {
    // It cannot be longer: the attribute would not fit into its message.
    u16::try_from(end - HEADER_BYTES).unwrap_or(u16::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests;
