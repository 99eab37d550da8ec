//! `Forwarded` and `X-Forwarded-For`: the steps are those of a slow reader of RFC 7239, and whatever a client sends, what a
//! proxy writes behind it is read as the proxy meant it, or nothing is believed at all.
//!
//! An input is a line as a client sends it.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use autamedica_signaling::wire::forwarded::{Fault, Node, read_forwarded, x_forwarded_for};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some(line) = str::from_utf8(input).ok().filter(|line| line.is_ascii()) else { return };
    assert_eq!(forwarded(line), slow(line));

    let v4 = Node::Address(Ipv4Addr::new(192, 0, 2, 1).into());
    let v6 = Node::Address(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into());
    for (added, node) in [
        ("for=192.0.2.1", v4),
        ("for=\"192.0.2.1:80\";proto=https", v4),
        ("for=\"[2001:db8::1]\"", v6),
        ("proto=https;for=\"[2001:db8::1]:80\";by=_x", v6),
    ] {
        let behind = forwarded(&format!("{line}, {added}"));
        assert!(
            behind.is_err() || behind.is_ok_and(|nodes| nodes.last() == Some(&node)),
            "{added}"
        );
    }
    let own: Vec<_> = x_forwarded_for(line).collect();
    for (added, node) in [("192.0.2.1", v4), ("[2001:db8::1]:80", v6), ("2001:db8::1", v6)] {
        let behind: Vec<_> = x_forwarded_for(&format!("{line}, {added}")).collect();
        assert_eq!(behind, [&own[..], &[node]].concat());
    }
});

fn forwarded(line: &str) -> Result<Vec<Node>, Fault> {
    let mut nodes = Vec::new();
    read_forwarded(line, |node| nodes.push(node)).map(|()| nodes)
}

/// First the quotations, then the commas between them, then the semicolons.
fn slow(line: &str) -> Result<Vec<Node>, Fault> {
    // Letters that are quoted stand apart from those that are not.
    let mut letters: Vec<(char, bool)> = Vec::new();
    let mut chars = line.chars();
    while let Some(letter) = chars.next() {
        if letter != '"' {
            letters.push((letter, false));
            continue;
        }
        letters.push(('"', false));
        loop {
            match chars.next().ok_or(Fault)? {
                '"' => break,
                '\\' => letters.push((chars.next().filter(|c| is_text(*c)).ok_or(Fault)?, true)),
                other if is_text(other) => letters.push((other, true)),
                _ => return Err(Fault),
            }
        }
        letters.push(('"', false));
    }
    let mut nodes = Vec::new();
    for element in letters.split(|letter| *letter == (',', false)).map(trim) {
        if element.is_empty() {
            continue;
        }
        let mut node = None;
        for pair in element.split(|letter| *letter == (';', false)).map(trim) {
            if let Some(found) = read_pair(pair)? {
                if node.replace(found).is_some() {
                    return Err(Fault);
                }
            }
        }
        nodes.push(node.unwrap_or(Node::Hidden));
    }
    Ok(nodes)
}

fn is_text(letter: char) -> bool {
    letter == '\t' || (' '..='~').contains(&letter)
}

fn trim(mut letters: &[(char, bool)]) -> &[(char, bool)] {
    let is_blank = |letter: &(char, bool)| matches!(letter, (' ' | '\t', false));
    while letters.first().is_some_and(is_blank) {
        letters = &letters[1..];
    }
    while letters.last().is_some_and(is_blank) {
        letters = &letters[..letters.len() - 1];
    }
    letters
}

/// The node of a pair that is named `for`; nothing for the others, and where there is no pair.
fn read_pair(pair: &[(char, bool)]) -> Result<Option<Node>, Fault> {
    if pair.is_empty() {
        return Ok(None);
    }
    let equals = pair.iter().position(|letter| *letter == ('=', false)).ok_or(Fault)?;
    let name: String = pair[..equals].iter().map(|letter| letter.0).collect();
    let is_token =
        |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
    if name.is_empty()
        || !name.chars().all(is_token)
        || pair[..equals].iter().any(|letter| letter.1)
    {
        return Err(Fault);
    }
    let value = &pair[equals + 1..];
    let text: String = match value {
        [('"', false), inner @ .., ('"', false)] if inner.iter().all(|letter| letter.1) => {
            inner.iter().map(|letter| letter.0).collect()
        }
        _ if !value.is_empty()
            && value.iter().all(|(letter, quoted)| {
                !quoted && (is_token(*letter) || "[]:".contains(*letter))
            }) =>
        {
            value.iter().map(|letter| letter.0).collect()
        }
        _ => return Err(Fault),
    };
    Ok(name.eq_ignore_ascii_case("for").then(|| read_node(&text)))
}

/// Tries every way to divide it into an address and a port.
fn read_node(text: &str) -> Node {
    for at in 0..=text.len() {
        let (address, port) = text.split_at(at);
        let port_fits = match port.as_bytes() {
            [] => true,
            [b':', b'_', name @ ..] => {
                !name.is_empty()
                    && name.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
            }
            [b':', digits @ ..] => {
                (1..6).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
            }
            _ => false,
        };
        let address = match address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(v6) => v6.parse::<Ipv6Addr>().ok().map(IpAddr::from),
            None => address.parse::<Ipv4Addr>().ok().map(IpAddr::from),
        };
        if let (true, Some(address)) = (port_fits, address) {
            return Node::Address(address.to_canonical());
        }
    }
    Node::Hidden
}
