//! Frames: the decoder reads what a slow reader of RFC 6455 reads, however the bytes are cut; tungstenite's server reads
//! the same, but for a few things that it lets pass, each of which is named here.
//!
//! The first byte of an input says how the rest is to be taken: `r` for bytes as they are, anything else for frames to be
//! composed (see [`composed`]). The second says what passes (see [`limits`]), the third how the stream is cut.
#![no_main]

use autamedica_signaling::wire::frame::{Decoded, Decoder, Fault, Limits};
use autamedica_signaling_fuzz::choices::Choices;
use autamedica_signaling_fuzz::inbound::Inbound;
use libfuzzer_sys::fuzz_target;

#[path = "frame_stream/other.rs"]
mod other;
#[path = "frame_stream/slow.rs"]
mod slow;

/// Streams up to this length are cut at every index.
const EVERYWHERE_MAX: usize = 300;

/// What a reader tells of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// In order.
    events: Vec<Event>,
    /// The code of the close frame that ends it, where it is broken.
    broken: Option<u16>,
}

/// One thing that was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
}

fuzz_target!(|input: &[u8]| {
    let mut choices = Choices::new(input);
    let is_raw = choices.byte() == b'r';
    let limits = limits(choices.byte());
    let step = usize::from(choices.byte());
    let stream = if is_raw { choices.rest().to_vec() } else { composed(choices) };

    let (told, fault) = decoded([&*stream], &limits);
    assert_eq!(told, slow::read(&stream, &limits), "{fault:?}");
    other::compare(&told, fault, &stream, &limits);
    if step > 0 {
        assert_eq!(decoded(stream.chunks(step), &limits), (told, fault), "in steps of {step}");
    } else if stream.len() <= EVERYWHERE_MAX {
        let whole = (told, fault);
        for at in 0..=stream.len() {
            let (front, back) = stream.split_at(at);
            assert_eq!(decoded([front, back], &limits), whole, "cut at {at}");
        }
    }
});

/// What may pass: the two lowest bits say how large a message, the next two in how many pieces, the next whether binary.
fn limits(choice: u8) -> Limits {
    Limits {
        message_bytes_max: [16, 125, 1_000, 70_000][usize::from(choice & 3)],
        fragments_max: [1, 2, 4, 1_000][usize::from(choice >> 2 & 3)],
        binary: choice & 0x10 == 0,
    }
}

/// Frames from their parts: the first byte; how the length is written, in the two lowest bits (in the fewest bytes, in two,
/// in eight, in eight with the top bit set), with the top bit for no mask and the others for how often the payload is
/// repeated; and the payload behind its length.
fn composed(mut choices: Choices<'_>) -> Vec<u8> {
    let mut stream = Vec::new();
    while !choices.is_empty() && stream.len() < 200_000 {
        let (first, form) = (choices.byte(), choices.byte());
        let times = [1, 2, 3, 4, 16, 64, 256, 300][usize::from(form >> 2 & 7)];
        let payload = choices.text().repeat(times);
        let len = payload.len();
        let unmasked = form & 0x80 != 0;
        let short = match (form & 3, len) {
            (0, 0..=125) => len as u8,
            (0, 0..=0xffff) | (1, _) => 126,
            _ => 127,
        };
        stream.extend_from_slice(&[first, short | if unmasked { 0 } else { 0x80 }]);
        match short {
            126 => stream.extend_from_slice(&(len as u16).to_be_bytes()),
            127 => {
                let top = if form & 3 == 3 { 1 << 63 } else { 0 };
                stream.extend_from_slice(&(len as u64 | top).to_be_bytes());
            }
            _ => {}
        }
        let mask = if unmasked { [0; 4] } else { [first, form, 0x5c, len as u8] };
        if !unmasked {
            stream.extend_from_slice(&mask);
        }
        stream.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    }
    stream
}

/// What our decoder tells of a stream that comes in chunks.
fn decoded<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    limits: &Limits,
) -> (Told, Option<Fault>) {
    let (mut decoder, mut inbound) = (Decoder::default(), Inbound::default());
    let (mut events, mut fault) = (Vec::new(), None);
    for chunk in chunks {
        inbound.read(chunk, |bytes, at| {
            while fault.is_none() && !matches!(events.last(), Some(Event::Close(_))) {
                match decoder.decode(bytes, at, limits) {
                    Ok(Decoded::More) => return,
                    Ok(thing) => events.push(event(&thing)),
                    Err(found) => fault = Some(found),
                }
            }
            at.skip_all();
        });
    }
    (Told { events, broken: fault.map(|fault| fault.close_code().into()) }, fault)
}

fn event(thing: &Decoded<'_>) -> Event {
    match *thing {
        Decoded::Text(text) => Event::Text(text.to_owned()),
        Decoded::Binary(bytes) => Event::Binary(bytes.to_vec()),
        Decoded::Ping(payload) => Event::Ping(payload.to_vec()),
        Decoded::Pong(payload) => Event::Pong(payload.to_vec()),
        Decoded::Close(code) => Event::Close(code.map(u16::from)),
        Decoded::More => unreachable!("more is no event"),
    }
}
