//! Candidates (RFC 8839 5.1), and where they may lead.

use std::net::IpAddr;

use super::Fault;
use crate::base::cidr::Networks;

/// What holds for candidates, in descriptions and on their own. Where nothing does, they are not looked into.
#[derive(Clone, Copy, Debug)]
pub struct CandidateRules<'a> {
    /// Only `typ relay` may pass.
    pub relay_only: bool,
    /// Where there are any, the only networks that addresses may be in.
    pub allowed: &'a Networks,
    /// Networks that no address may be in.
    pub blocked: &'a Networks,
}

/// A candidate, as far as the rules go.
struct Candidate<'a> {
    is_relay: bool,
    address: &'a [u8],
    /// Where it was found, or what it is a relay of.
    related: Option<&'a [u8]>,
}

impl CandidateRules<'_> {
    /// Checks `candidate:…`.
    pub(super) fn check(&self, line: &[u8]) -> Result<(), Fault> {
        let judges_addresses = !self.allowed.is_empty() || !self.blocked.is_empty();
        if !self.relay_only && !judges_addresses {
            return Ok(());
        }
        let candidate = Candidate::read(line).ok_or(Fault::Candidate)?;
        if self.relay_only && !candidate.is_relay {
            return Err(Fault::NotRelay);
        }
        let related = candidate.related.is_none_or(|address| self.may_relate(address));
        let passes = !judges_addresses || (self.may_lead_to(candidate.address) && related);
        if passes { Ok(()) } else { Err(Fault::Address) }
    }

    fn may_lead_to(&self, address: &[u8]) -> bool {
        match ip(address) {
            Some(ip) => {
                (self.allowed.is_empty() || self.allowed.contains(ip)) && !self.blocked.contains(ip)
            }
            // Any other name would have to be looked up to be judged.
            None => is_mdns(address),
        }
    }

    /// Browsers that keep the address to themselves write zeros.
    fn may_relate(&self, address: &[u8]) -> bool {
        ip(address).is_some_and(|ip| ip.to_canonical().is_unspecified())
            || self.may_lead_to(address)
    }
}

impl<'a> Candidate<'a> {
    /// Strictly: readers differ in what they find in a candidate that is not written as it should be.
    fn read(line: &'a [u8]) -> Option<Self> {
        let mut words = line.strip_prefix(b"candidate:")?.split(|byte| *byte == b' ');
        let mut word = |is_right: fn(&[u8]) -> bool| words.next().filter(|word| is_right(word));
        word(|foundation| foundation.len() <= 32 && all(foundation, is_ice_char))?;
        word(|component| is_number(component, 3))?;
        word(|transport| all(transport, u8::is_ascii_graphic))?;
        word(|priority| is_number(priority, 10))?;
        let address = word(|address| all(address, u8::is_ascii_graphic))?;
        word(|port| is_number(port, 5))?;
        word(|typ| typ == b"typ")?;
        let kind = word(|kind| all(kind, u8::is_ascii_graphic))?;
        let mut next = words.next();
        let mut related = None;
        if next == Some(b"raddr") {
            related = Some(words.next().filter(|address| all(address, u8::is_ascii_graphic))?);
            next = words.next();
        }
        if next == Some(b"rport") {
            words.next().filter(|port| is_number(port, 5))?;
            next = words.next();
        }
        // Extensions are pairs. Some readers find any of these names anywhere.
        while let Some(name) = next {
            for word in [name, words.next()?] {
                let known = [&b"typ"[..], b"raddr", b"rport"];
                if !all(word, u8::is_ascii_graphic)
                    || known.iter().any(|known| word.eq_ignore_ascii_case(known))
                {
                    return None;
                }
            }
            next = words.next();
        }
        Some(Self { is_relay: kind == b"relay", address, related })
    }
}

fn ip(address: &[u8]) -> Option<IpAddr> {
    str::from_utf8(address).ok()?.parse().ok()
}

/// One label and `.local`: a name that stands for an address of the local network, which is not told.
fn is_mdns(address: &[u8]) -> bool {
    const SUFFIX: &[u8] = b".local";
    let (label, suffix) = address.split_at(address.len().saturating_sub(SUFFIX.len()));
    suffix.eq_ignore_ascii_case(SUFFIX)
        && all(label, |byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

fn is_ice_char(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

fn is_number(word: &[u8], digits_max: usize) -> bool {
    word.len() <= digits_max && all(word, u8::is_ascii_digit)
}

/// Whether there are bytes, and all of them are such.
fn all(word: &[u8], is_such: impl Fn(&u8) -> bool) -> bool {
    !word.is_empty() && word.iter().all(is_such)
}
