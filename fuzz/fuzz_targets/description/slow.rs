//! The rules for descriptions and candidates, read once more: with strings, lists and a table for each line.

use std::collections::BTreeSet;
use std::net::IpAddr;

use sha2::{Digest, Sha256};

/// How many characters of a line are looked at.
const LINE_CHARS_MAX: usize = 512;

/// Whether the description passes, and then the hash of its fingerprints where it has some. `rules` is a number of
/// `RULES`.
pub fn description(text: &str, may_send: bool, rules: usize) -> Option<Option<[u8; 32]>> {
    let lines = lines(text)?;
    let mut sections: Vec<Vec<&str>> = vec![vec![]];
    for line in lines.iter().filter(|line| !line.is_empty()) {
        let letter = line.chars().next()?;
        if !letter.is_ascii_lowercase() || line.get(1..2)? != "=" {
            return None;
        }
        if letter == 'm' {
            sections.push(vec![]);
        }
        sections.last_mut()?.push(line);
    }
    let attributes = |lines: &[&str]| -> Option<Vec<(String, String)>> {
        lines.iter().filter_map(|line| line.strip_prefix("a=")).map(name_and_value).collect()
    };
    let session = attributes(&sections[0])?;
    let mut fingerprints = BTreeSet::new();
    for section in &sections {
        for (name, value) in attributes(section)? {
            match name.to_ascii_lowercase().as_str() {
                "crypto" => return None,
                "setup" if name != "setup" || !is_setup(&value) => return None,
                "fingerprint" if name != "fingerprint" => return None,
                "fingerprint" => {
                    fingerprints.insert(fingerprint(&value)?);
                }
                "candidate" if !candidate_line(&format!("{name}{value}"), rules) => return None,
                _ => {}
            }
        }
    }
    for section in &sections[1..] {
        if !section_passes(section[0], &attributes(section)?, &session, may_send)? {
            return None;
        }
    }
    if fingerprints.len() > 8 {
        return None;
    }
    let all: String = fingerprints.iter().map(|one| format!("{one}\n")).collect();
    Some((!fingerprints.is_empty()).then(|| Sha256::digest(all).into()))
}

/// Whether the text passes as the candidate of a message of its own.
pub fn candidate(text: &str, rules: usize) -> bool {
    match lines(text).as_deref() {
        Some([line]) if line.is_empty() => true,
        Some([line]) => candidate_line(line.strip_prefix("a=").unwrap_or(line), rules),
        _ => false,
    }
}

/// What is looked at of each line; nothing where there are control characters.
fn lines(text: &str) -> Option<Vec<String>> {
    let mut lines: Vec<&str> = text.split('\n').collect();
    let last = lines.pop()?;
    let mut lines: Vec<&str> =
        lines.into_iter().map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    lines.push(last);
    let seen = |line: &str| {
        if line.chars().any(|char| is_line_end_to_some(char) && char != '\t') {
            return None;
        }
        let mut seen: String = line.chars().take(LINE_CHARS_MAX).collect();
        if seen.len() < line.len() {
            seen.push('\u{fffd}');
        }
        Some(seen)
    };
    lines.into_iter().map(seen).collect()
}

/// Control characters, those above ASCII too, and the separators of lines and paragraphs.
fn is_line_end_to_some(char: char) -> bool {
    char.is_control() || matches!(char, '\u{2028}' | '\u{2029}')
}

/// The value with its colon.
fn name_and_value(attribute: &str) -> Option<(String, String)> {
    let end = attribute.find(':').unwrap_or(attribute.len());
    let (name, value) = attribute.split_at(end);
    let plain = !name.is_empty() && name.chars().all(|char| char.is_ascii_graphic());
    plain.then(|| (name.to_owned(), value.to_owned()))
}

fn is_setup(value: &str) -> bool {
    [":actpass", ":active", ":passive"].contains(&value)
}

/// As it is hashed.
fn fingerprint(value: &str) -> Option<String> {
    let (hash, digest) = value.strip_prefix(':')?.split_once(' ')?;
    let hash = hash.to_ascii_lowercase();
    let bytes = [("sha-256", 32), ("sha-384", 48), ("sha-512", 64)];
    let (_, bytes) = bytes.into_iter().find(|(name, _)| *name == hash)?;
    let pairs: Vec<&str> = digest.split(':').collect();
    let is_pair =
        |pair: &&str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
    let fits = pairs.len() == bytes && pairs.iter().all(is_pair);
    fits.then(|| format!("{hash} {}", digest.to_ascii_uppercase()))
}

fn section_passes(
    media: &str,
    own: &[(String, String)],
    session: &[(String, String)],
    may_send: bool,
) -> Option<bool> {
    let words: Vec<&str> = media.strip_prefix("m=")?.split(' ').collect();
    let [kind, port, rest @ ..] = &words[..] else { return None };
    let is_plain = |word: &str, is_such: fn(&char) -> bool| {
        !word.is_empty() && word.chars().all(|char| is_such(&char))
    };
    if !is_plain(kind, char::is_ascii_graphic) || !is_plain(port, char::is_ascii_digit) {
        return None;
    }
    let has = |list: &[(String, String)], wanted: &str| {
        list.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted))
    };
    if *port == "0" && !has(own, "bundle-only") {
        return Some(true);
    }
    let known = ["UDP/TLS/RTP/SAVPF", "TCP/TLS/RTP/SAVPF", "UDP/DTLS/SCTP", "TCP/DTLS/SCTP"];
    let is_secure = rest.first().is_some_and(|protocol| known.contains(protocol));
    let says = |name| has(own, name) || has(session, name);
    let only_receives = own
        .iter()
        .any(|(name, value)| value.is_empty() && (name == "recvonly" || name == "inactive"));
    let sends = has(own, "sendrecv") || has(own, "sendonly") || !only_receives;
    let is_data = *kind == "application"
        && rest.first().is_some_and(|protocol| protocol.ends_with("/DTLS/SCTP"));
    Some(is_secure && says("fingerprint") && says("setup") && (may_send || is_data || !sends))
}

fn candidate_line(line: &str, rules: usize) -> bool {
    if rules == 0 {
        return true;
    }
    let Some(words) = line.strip_prefix("candidate:") else { return false };
    let words: Vec<&str> = words.split(' ').collect();
    let graphic = |word: &str| !word.is_empty() && word.chars().all(|char| char.is_ascii_graphic());
    let digits = |word: &str, most: usize| {
        (1..=most).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit())
    };
    let ice = |char: char| char.is_ascii_alphanumeric() || char == '+' || char == '/';
    let [foundation, component, _, priority, address, port, "typ", kind, rest @ ..] = &words[..]
    else {
        return false;
    };
    let shaped = words.iter().all(|word| graphic(word))
        && foundation.len() <= 32
        && foundation.chars().all(ice)
        && digits(component, 3)
        && digits(priority, 10)
        && digits(port, 5)
        && rest.len().is_multiple_of(2);
    let pairs: Vec<(&str, &str)> =
        rest.chunks(2).map(|pair| (pair[0], pair[pair.len() - 1])).collect();
    let related = pairs.first().filter(|(name, _)| *name == "raddr").map(|(_, value)| *value);
    let behind = &pairs[usize::from(related.is_some())..];
    let has_port = behind.first().is_some_and(|(name, _)| *name == "rport");
    if has_port && !digits(behind[0].1, 5) {
        return false;
    }
    let extensions = &behind[usize::from(has_port)..];
    let known = ["typ", "raddr", "rport"];
    let is_known = |word: &str| known.contains(&&*word.to_ascii_lowercase());
    if !shaped || extensions.iter().any(|(name, value)| is_known(name) || is_known(value)) {
        return false;
    }
    match rules {
        1 => *kind == "relay",
        _ => leads(address, rules) && related.is_none_or(|one| is_zero(one) || leads(one, rules)),
    }
}

fn canonical(address: &str) -> Option<IpAddr> {
    let address: IpAddr = address.parse().ok()?;
    Some(match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    })
}

fn is_zero(address: &str) -> bool {
    matches!(canonical(address).map(|ip| ip.to_string()).as_deref(), Some("0.0.0.0" | "::"))
}

fn leads(address: &str, rules: usize) -> bool {
    let Some(ip) = canonical(address) else {
        let Some((label, last)) = address.split_once('.') else { return false };
        return last.eq_ignore_ascii_case("local")
            && !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    };
    match (rules, ip) {
        (2, IpAddr::V4(v4)) => v4.octets()[..3] == [192, 0, 2],
        (2, IpAddr::V6(v6)) => v6.segments()[..2] == [0x2001, 0xdb8],
        (_, IpAddr::V4(v4)) => v4.octets()[..3] != [192, 0, 2] || v4.octets()[3] < 128,
        (_, IpAddr::V6(v6)) => v6.segments() != [0, 0, 0, 0, 0, 0, 0, 1],
    }
}
