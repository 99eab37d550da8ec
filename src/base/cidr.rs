//! Ranges of IP addresses in CIDR notation (RFC 4632 3.1, RFC 4291 2.3), for lists of allowed or
//! trusted addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is accepted as a list of ranges, in words.
pub const ACCEPTED: &str = "addresses or ranges in CIDR notation separated by commas, such as \
                            10.0.0.0/8,192.0.2.7,2001:db8::/32";

/// A range of addresses of one family.
///
/// An IPv4-mapped IPv6 address (`::ffff:10.0.0.1`) is treated as the IPv4 address, both in a range
/// and in a lookup. Otherwise a range contains only addresses of its own family: `::/0` is all of
/// IPv6, and no IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// Canonical; no bit is set after the prefix.
    first: IpAddr,
    prefix_len: u8,
}

/// Some ranges; by default none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Cidr>);

/// An entry is neither an address nor a range. Its `Display` fits on one line and says what is
/// wrong; [`ACCEPTED`] says what is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadCidr {
    entry: String,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Empty,
    NotAnAddress,
    Prefix {
        max: u8,
    },
    /// Probably a mistake, either in the address or in the prefix length. This is the range if the
    /// address was wrong.
    BitsBehindPrefix(Cidr),
}

impl Cidr {
    /// Reads `10.0.0.0/8`, `2001:db8::/32`, or one address without a prefix. Nothing is guessed: no
    /// leading zeros, no netmask, no zone, no bits set after the prefix.
    ///
    /// # Errors
    ///
    /// [`BadCidr`], with the entry in it.
    pub fn parse(entry: &str) -> Result<Self, BadCidr> {
        read(entry).map_err(|fault| BadCidr { entry: entry.to_owned(), fault })
    }

    /// Whether the range contains the address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                (first.to_bits() ^ address.to_bits()) & mask_v4(self.prefix_len) == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                (first.to_bits() ^ address.to_bits()) & mask_v6(self.prefix_len) == 0
            }
            _ => false,
        }
    }
}

impl Networks {
    /// The empty list.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Reads entries separated by commas. Blanks around an entry are ignored; an empty entry is an
    /// error.
    ///
    /// # Errors
    ///
    /// [`BadCidr`] for the first entry that is wrong.
    pub fn parse(text: &str) -> Result<Self, BadCidr> {
        text.split(',').map(|entry| Cidr::parse(entry.trim())).collect::<Result<_, _>>().map(Self)
    }

    /// Whether any of the ranges contains the address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(address))
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the list contains every address of a family.
    pub fn hold_everybody(&self) -> bool {
        self.hold_all_of(|address| match address {
            IpAddr::V4(address) => Some((address.to_bits().into(), 32)),
            IpAddr::V6(_) => None,
        }) || self.hold_all_of(|address| match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some((address.to_bits(), 128)),
        })
    }

    /// The same for one family. `bits` returns the bits of an address of that family, and how many
    /// it has.
    fn hold_all_of(&self, bits: impl Fn(IpAddr) -> Option<(u128, u32)>) -> bool {
        let mut spans: Vec<_> = self
            .0
            .iter()
            .filter_map(|range| {
                let (first, width) = bits(range.first)?;
                let rest = ones(width - u32::from(range.prefix_len));
                Some((first, first | rest, ones(width)))
            })
            .collect();
        spans.sort_unstable();
        let mut next = 0;
        for (first, last, end) in spans {
            match first <= next && last >= next {
                true if last == end => return true,
                true => next = last + 1,
                false => {}
            }
        }
        false
    }
}

/// A number with this many low bits set.
const fn ones(count: u32) -> u128 {
    match u128::MAX.checked_shr(128 - count) {
        Some(ones) => ones,
        None => 0,
    }
}

fn read(entry: &str) -> Result<Cidr, Fault> {
    if entry.is_empty() {
        return Err(Fault::Empty);
    }
    let (address, prefix) = match entry.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (entry, None),
    };
    // The standard library accepts no leading zeros, no zone and no blanks.
    let address: IpAddr = address.parse().map_err(|_| Fault::NotAnAddress)?;
    let max = if address.is_ipv4() { 32 } else { 128 };
    let prefix_len = match prefix {
        Some(prefix) => decimal(prefix).filter(|len| *len <= max).ok_or(Fault::Prefix { max })?,
        None => max,
    };
    let first = match address {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask_v4(prefix_len))),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask_v6(prefix_len))),
    };
    if first != address {
        return Err(Fault::BitsBehindPrefix(Cidr { first, prefix_len }));
    }
    // A range of mapped addresses has a prefix of at least 96 bits: with a shorter one, some bits
    // of `ffff` would be set after the prefix.
    let canonical = first.to_canonical();
    let mapped_len = if canonical == first { 0 } else { 96 };
    Ok(Cidr { first: canonical, prefix_len: prefix_len.saturating_sub(mapped_len) })
}

/// A decimal number: no sign, no leading zero.
fn decimal(text: &str) -> Option<u8> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    if plain && !leading_zero { text.parse().ok() } else { None }
}

/// The mask of a prefix. A shift by the full width is not defined, so a prefix of 0 is handled
/// separately.
fn mask_v4(prefix_len: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix_len)).unwrap_or_default()
}

fn mask_v6(prefix_len: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix_len)).unwrap_or_default()
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix_len)
    }
}

/// The list in the form in which it can be read again.
impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{range}")?;
        }
        Ok(())
    }
}

impl fmt::Display for BadCidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `Debug` escapes line breaks and control characters.
        let entry = &self.entry;
        match self.fault {
            Fault::Empty => f.write_str("there is an empty entry"),
            Fault::NotAnAddress => {
                write!(f, "{entry:?} does not begin with an IPv4 or IPv6 address in plain notation")
            }
            Fault::Prefix { max } => {
                write!(f, "{entry:?} has a prefix length that is not a number from 0 to {max}")
            }
            Fault::BitsBehindPrefix(range) => {
                write!(f, "{entry:?} has bits set behind the prefix (the range would be {range})")
            }
        }
    }
}

impl std::error::Error for BadCidr {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_told_however_it_is_written() {
        for (list, everybody) in [
            ("0.0.0.0/0", true),
            ("10.0.0.1,::/0", true),
            ("::ffff:0.0.0.0/96", true),
            ("128.0.0.0/1,10.0.0.0/8,0.0.0.0/1", true),
            ("0.0.0.0/2,64.0.0.0/2,128.0.0.0/2,192.0.0.0/2", true),
            ("8000::/1,::/1", true),
            ("0.0.0.0/1", false),
            ("128.0.0.0/1", false),
            ("0.0.0.0/1,192.0.0.0/2", false),
            ("0.0.0.0/1,8000::/1", false),
            ("0.0.0.0/1,::/1", false),
            ("0.0.0.0,255.255.255.255", false),
            ("::1", false),
        ] {
            let networks = Networks::parse(list).expect("ranges");
            assert_eq!(networks.hold_everybody(), everybody, "{list}");
        }
        assert!(!Networks::none().hold_everybody());
    }

    fn holds(range: &str, address: &str) -> bool {
        let range = Cidr::parse(range).expect("a range");
        range.contains(address.parse().expect("an address"))
    }

    #[test]
    fn a_range_holds_what_shares_its_prefix() {
        for (range, first, last, before, behind) in [
            ("10.0.0.0/8", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"),
            ("192.0.2.128/25", "192.0.2.128", "192.0.2.255", "192.0.2.127", "192.0.3.0"),
            ("192.0.2.6/31", "192.0.2.6", "192.0.2.7", "192.0.2.5", "192.0.2.8"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.7", "192.0.2.6", "192.0.2.8"),
            ("192.0.2.7/32", "192.0.2.7", "192.0.2.7", "192.0.2.6", "192.0.2.8"),
            ("2001:db8::/32", "2001:db8::", "2001:db8:ffff::1", "2001:db7::", "2001:db9::"),
            ("fe80::/10", "fe80::", "febf::1", "fe7f::", "fec0::"),
            ("::1", "::1", "0::1", "::", "::2"),
        ] {
            assert!(holds(range, first) && holds(range, last), "{range}");
            assert!(!holds(range, before) && !holds(range, behind), "{range}");
        }
    }

    #[test]
    fn no_prefix_is_all_of_one_family() {
        for v4 in ["0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"] {
            assert!(holds("0.0.0.0/0", v4) && !holds("::/0", v4), "{v4}");
        }
        for v6 in ["::", "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::1.2.3.4"] {
            assert!(holds("::/0", v6) && !holds("0.0.0.0/0", v6), "{v6}");
        }
    }

    #[test]
    fn an_ipv4_address_written_as_ipv6_is_ipv4_on_both_sides() {
        assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(holds("::ffff:10.0.0.0/104", "10.1.2.3"));
        assert!(holds("::ffff:a00:0/104", "::ffff:10.1.2.3"));
        assert!(!holds("::ffff:10.0.0.0/104", "11.1.2.3"));
        assert!(holds("::ffff:0.0.0.0/96", "11.1.2.3"));
        assert!(!holds("::/64", "::ffff:10.1.2.3"));
        let read = |text| Cidr::parse(text).map(|range| range.to_string());
        assert_eq!(read("::ffff:10.0.0.0/104").as_deref(), Ok("10.0.0.0/8"));
        assert_eq!(read("::ffff:10.0.0.1").as_deref(), Ok("10.0.0.1/32"));
    }

    #[test]
    fn nothing_is_guessed() {
        for (wrong, why) in [
            ("", "empty"),
            ("localhost", "plain notation"),
            ("10", "plain notation"),
            ("10.0.0/8", "plain notation"),
            ("010.0.0.0/8", "plain notation"),
            ("0x0a.0.0.0", "plain notation"),
            ("256.0.0.0", "plain notation"),
            ("10.0.0.0 /8", "plain notation"),
            ("[::1]", "plain notation"),
            ("fe80::1%eth0", "plain notation"),
            ("/8", "plain notation"),
            ("10.0.0.0/", "from 0 to 32"),
            ("10.0.0.0/33", "from 0 to 32"),
            ("10.0.0.0/08", "from 0 to 32"),
            ("10.0.0.0/+8", "from 0 to 32"),
            ("10.0.0.0/-1", "from 0 to 32"),
            ("10.0.0.0/8/8", "from 0 to 32"),
            ("10.0.0.0/255.0.0.0", "from 0 to 32"),
            ("10.0.0.0/256", "from 0 to 32"),
            ("::/129", "from 0 to 128"),
            ("10.1.2.3/8", "would be 10.0.0.0/8"),
            ("0.0.0.1/0", "would be 0.0.0.0/0"),
            ("2001:db8::1/32", "would be 2001:db8::/32"),
            ("::ffff:10.0.0.0/80", "would be ::/80"),
        ] {
            let text = Cidr::parse(wrong).expect_err(wrong).to_string();
            assert!(text.contains(why), "{wrong}: {text}");
        }
    }

    #[test]
    fn a_list_is_separated_by_commas_and_shown_as_it_would_be_read() {
        let list = Networks::parse("10.0.0.0/8, 192.0.2.7 ,2001:DB8::/32").expect("a list");
        assert_eq!(list.to_string(), "10.0.0.0/8,192.0.2.7/32,2001:db8::/32");
        assert_eq!(Networks::parse(&list.to_string()), Ok(list.clone()));
        assert!(list.contains("10.9.9.9".parse().expect("an address")));
        assert!(!list.contains("192.0.2.8".parse().expect("an address")));
        for wrong in ["", ",", "10.0.0.0/8,", "10.0.0.0/8 192.0.2.7", "10.0.0.0/8;::1"] {
            assert!(Networks::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Networks::default().is_empty() && Networks::default().to_string().is_empty());
        assert!(Networks::parse(ACCEPTED.rsplit(' ').next().expect("a word")).is_ok());
        assert_eq!(
            Networks::parse("::1,\u{1b}[2J").expect_err("wrong").to_string(),
            "\"\\u{1b}[2J\" does not begin with an IPv4 or IPv6 address in plain notation"
        );
    }
}
