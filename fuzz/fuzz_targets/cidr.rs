//! Ranges of addresses: what is read is written and read again as the same range, and it holds what shares its first bits.
//!
//! An input is an entry of a list, a line end, and an address.
#![no_main]

use std::net::IpAddr;

use autamedica_signaling::base::cidr::{Cidr, Networks};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = str::from_utf8(input) else { return };
    let (entry, address) = text.split_once('\n').unwrap_or((text, ""));
    let range = Cidr::parse(entry);
    assert_eq!(range.is_ok(), is_range(entry), "{entry:?}");
    let Ok(range) = range else {
        let told = Cidr::parse(entry).map_err(|bad| bad.to_string());
        assert!(told.is_err_and(|line| !line.contains('\n')));
        return;
    };
    let written = range.to_string();
    assert_eq!(Cidr::parse(&written), Ok(range));
    assert_eq!(Networks::parse(entry).map(|list| list.to_string()), Ok(written.clone()));
    let (first, len) = written.split_once('/').expect("a prefix");
    let (first, len) = (first.parse().expect("an address"), len.parse().expect("a number"));
    assert!(range.contains(first));
    if let Ok(address) = address.parse::<IpAddr>() {
        let (first, address) = (bits(first), bits(address));
        let alike = first.len() == address.len() && first[..len] == address[..len];
        assert_eq!(range.contains(address_of(&address)), alike, "{written}");
    }
});

/// Whether someone who counts bits one by one would take it for a range.
fn is_range(entry: &str) -> bool {
    let (address, len) = match entry.split_once('/') {
        Some((address, len)) => (address, Some(len)),
        None => (entry, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let all = raw_bits(address);
    let len = match len {
        None => Some(all.len()),
        Some(text) => text.parse::<usize>().ok().filter(|len| len.to_string() == text),
    };
    len.is_some_and(|len| len <= all.len() && all[len..].iter().all(|bit| !bit))
}

/// The bits, those of an IPv4 address written as an IPv6 one as IPv4.
fn bits(address: IpAddr) -> Vec<bool> {
    raw_bits(address.to_canonical())
}

fn raw_bits(address: IpAddr) -> Vec<bool> {
    let bytes = match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect()
}

fn address_of(bits: &[bool]) -> IpAddr {
    let number = bits.iter().fold(0_u128, |number, bit| number << 1 | u128::from(*bit));
    match bits.len() {
        32 => IpAddr::V4((number as u32).into()),
        _ => IpAddr::V6(number.into()),
    }
}
