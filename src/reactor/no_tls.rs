//! Replaces `tls.rs` in a program that was built without TLS: types without values.

use std::fmt;
use std::io::{self, Read, Write};

use super::counters::Snapshot;
use super::transport::Filled;
use crate::base::time::WallTime;

/// There is none: the feature `tls` is off.
#[derive(Clone, Debug)]
pub enum Tls {}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPair;

/// There is none.
#[derive(Debug)]
pub(super) enum Session {}

impl Tls {
    /// Always an error: the feature `tls` is off.
    ///
    /// # Errors
    /// Always.
    pub fn from_pem(_chain: &[u8], _key: &[u8]) -> Result<Self, BadPair> {
        Err(BadPair)
    }

    /// There is none.
    pub const fn not_after(&self) -> Option<WallTime> {
        match *self {}
    }

    pub(super) fn session(&self) -> Option<Session> {
        match *self {}
    }
}

impl Session {
    pub(super) fn is_handshaking(&self) -> bool {
        match *self {}
    }

    pub(super) fn wants_write(&self) -> bool {
        match *self {}
    }

    pub(super) fn read(&mut self, _: &mut impl Read, _: &mut [u8], _: &mut Snapshot) -> Filled {
        match *self {}
    }

    pub(super) fn begin(&mut self, _: &[u8], _: &mut Snapshot) -> Filled {
        match *self {}
    }

    pub(super) fn shake(&mut self, _: &[u8]) {
        match *self {}
    }

    pub(super) fn write(&mut self, _: &mut impl Write, _: &[u8], _: &mut u64) -> io::Result<usize> {
        match *self {}
    }

    pub(super) fn send(&mut self, _: &mut impl Write, _: &mut u64) -> io::Result<bool> {
        match *self {}
    }

    pub(super) fn close(&mut self, _: &mut impl Write, _: &mut u64) -> io::Result<bool> {
        match *self {}
    }
}

impl BadPair {
    /// Whether the key is to blame rather than the certificate.
    pub const fn is_about_key(self) -> bool {
        false
    }
}

impl fmt::Display for BadPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("has no use: this program was built without TLS")
    }
}

impl std::error::Error for BadPair {}
