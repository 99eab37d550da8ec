//! The client's end: frames written by hand, and a reader that keeps partial messages as the
//! reactor does.

use autamedica_signaling::wire::frame::{
    CloseCode, Control, Cursor, Decoded, Decoder, Fault, Limits,
};

pub const FIN: u8 = 0x80;
pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// No byte is zero and none occurs twice, so that a mask applied wrongly shows.
pub const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Room for all that the tests send.
pub const LIMITS: Limits = Limits { message_bytes_max: 100_000, fragments_max: 16, binary: true };

/// A masked frame whose length is written in the fewest bytes.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = match payload.len() {
        len @ 0..=125 => vec![first, 0x80 | len as u8],
        len @ 126..=0xffff => [&[first, 0x80 | 126][..], &(len as u16).to_be_bytes()].concat(),
        len => [&[first, 0x80 | 127][..], &(len as u64).to_be_bytes()].concat(),
    };
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// A close frame with `code` and a reason.
pub fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat())
}

/// What was read, to be kept and compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
    /// Nothing behind it was read.
    Broken(Fault),
}

impl Heard {
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    fn from(decoded: Decoded<'_>) -> Option<Self> {
        Some(match decoded {
            Decoded::More => return None,
            Decoded::Text(text) => Self::text(text),
            Decoded::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Decoded::Ping(payload) => Self::Ping(payload.to_vec()),
            Decoded::Pong(payload) => Self::Pong(payload.to_vec()),
            Decoded::Close(code) => Self::Close(code.map(CloseCode::into)),
        })
    }
}

/// Hears `bytes` as they are cut into `reads`: everything that was decoded, in order.
///
/// Between reads nothing is kept but what the cursor asks for: copied out of the shared buffer into a block, or moved to the
/// front of the block it is in already.
pub fn hear<'a>(reads: impl IntoIterator<Item = &'a [u8]>, limits: &Limits) -> Vec<Heard> {
    let mut decoder = Decoder::default();
    let mut heard = Vec::new();
    // What is kept, and how much of it is the unmasked beginning of a message.
    let mut block: Option<(Vec<u8>, usize)> = None;
    for read in reads {
        let (mut buffer, assembled, in_block) = match block.take() {
            Some((kept, assembled)) => ([&kept, read].concat(), assembled, true),
            None => (read.to_vec(), 0, false),
        };
        let mut at = Cursor::new(assembled, buffer.len());
        loop {
            match decoder.decode(&mut buffer, &mut at, limits) {
                Ok(decoded) => match Heard::from(decoded) {
                    Some(thing) => heard.push(thing),
                    None => break,
                },
                Err(fault) => {
                    heard.push(Heard::Broken(fault));
                    return heard;
                }
            }
        }
        if at.kept() == 0 {
            continue;
        }
        let assembled = at.assembled();
        let kept = if in_block {
            let len = at.compact(&mut buffer);
            buffer.truncate(len);
            buffer
        } else {
            let mut copy = vec![0; at.kept()];
            at.copy_kept(&buffer, &mut copy);
            copy
        };
        block = Some((kept, assembled));
    }
    heard
}

/// Hears `bytes` in one read.
pub fn hear_whole(bytes: &[u8], limits: &Limits) -> Vec<Heard> {
    hear([bytes], limits)
}

/// The control frame kinds, by opcode.
pub const CONTROLS: [(u8, Control); 3] =
    [(CLOSE, Control::Close), (PING, Control::Ping), (PONG, Control::Pong)];
