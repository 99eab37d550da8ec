//! The network that a connection comes from, as limits count it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU64;

/// What counts as one address: an IPv4 address, or the first 64 bits of an IPv6 address. A single
/// machine can choose from a whole /64, so its individual addresses say nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network(NonZeroU64);

impl Network {
    /// The network of an address.
    pub const fn of(address: IpAddr) -> Self {
        let bits = match address.to_canonical() {
            // Below ffff:ffff::/32 there are only multicast addresses (RFC 4291 2.7), and nobody
            // connects from one.
            IpAddr::V4(address) => u64::MAX << 32 | address.to_bits() as u64,
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
        };
        match NonZeroU64::new(bits) {
            Some(bits) => Self(bits),
            // ::/64 contains the loopback address; the next /64 contains nothing (RFC 4291 2.5).
            None => Self(NonZeroU64::MIN),
        }
    }

    /// What is known of the address: all of it, or the first 64 bits of an IPv6 address.
    pub const fn address(self) -> IpAddr {
        let bits = self.0.get();
        match (bits >> 32, bits) {
            (0xffff_ffff, _) => IpAddr::V4(Ipv4Addr::from_bits(bits as u32)),
            (_, 1) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            _ => IpAddr::V6(Ipv6Addr::from_bits((bits as u128) << 64)),
        }
    }
}

/// Shows nothing: an address may identify a person.
impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_is_one_of_version_4_or_64_bits_of_version_6() {
        for (one, other, same) in [
            ("203.0.113.1", "203.0.113.1", true),
            ("203.0.113.1", "203.0.113.2", false),
            ("203.0.113.1", "::ffff:203.0.113.1", true),
            ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::1", "0.0.0.0", false),
            ("::1", "0.0.0.1", false),
            ("127.0.0.1", "::1", false),
        ] {
            let is_same = Network::of(address(one)) == Network::of(address(other));
            assert_eq!(is_same, same, "{one} and {other}");
        }
        for (whole, known) in [
            ("203.0.113.1", "203.0.113.1"),
            ("::ffff:203.0.113.1", "203.0.113.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::1", "::"),
        ] {
            assert_eq!(Network::of(address(whole)).address(), address(known), "{whole}");
        }
        assert!(!format!("{:?}", Network::of(address("203.0.113.1"))).contains("203"));
    }
}
