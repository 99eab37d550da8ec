//! Bodies of polling clients of Engine.IO: however one comes, the connection hears the packets that a slow reader finds in it, and in
//! that order; and a packet is what that reader says.
//!
//! An input is the body of a request.
#![no_main]

use autamedica_signaling::wire::engine_io::{self, Fault, Packet};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(body) = str::from_utf8(input) else { return };
    let mut packets = Vec::new();
    let mut rest = Some(body);
    while let Some(body) = rest {
        let (packet, behind) = engine_io::next_packet(body);
        packets.push(packet);
        rest = behind;
    }
    assert_eq!(packets, slow_split(body));
    for packet in packets {
        assert_eq!(engine_io::parse(packet), slow_parse(packet), "{packet:?}");
    }
});

/// Cuts a body letter by letter.
fn slow_split(body: &str) -> Vec<String> {
    let mut packets = vec![String::new()];
    for letter in body.chars() {
        match (letter, packets.last_mut()) {
            ('\u{1e}', _) => packets.push(String::new()),
            (_, Some(last)) => last.push(letter),
            (_, None) => {}
        }
    }
    packets
}

/// Reads a packet by the table of the protocol's description.
fn slow_parse(packet: &str) -> Result<Packet<'_>, Fault> {
    let mut letters = packet.chars();
    let kind = letters.next();
    let data = letters.as_str();
    let bare = |packet| if data.is_empty() { Ok(packet) } else { Err(Fault::Unknown) };
    match kind.map(|letter| ("0123456b".find(letter), letter)) {
        Some((Some(1), _)) => bare(Packet::Close),
        Some((Some(2), _)) if data == "probe" => Ok(Packet::Probe),
        Some((Some(3), _)) => bare(Packet::Pong),
        Some((Some(4), _)) => Ok(Packet::Message(data)),
        Some((Some(5), _)) => bare(Packet::Upgrade),
        Some((Some(6), _)) => bare(Packet::Noop),
        Some((_, 'b')) => Err(Fault::Binary),
        _ => Err(Fault::Unknown),
    }
}
