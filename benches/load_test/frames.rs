//! WebSocket frames (RFC 6455 5.2) as a client writes and reads them.

use std::ops::Range;

pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;
pub const TEXT: u8 = 1;

/// The longest frame of the server.
const FRAME_BYTES_MAX: u64 = 1 << 20;

/// A complete frame.
pub struct Frame {
    pub opcode: u8,
    pub payload: Range<usize>,
    /// The offset of the next frame.
    pub end: usize,
}

/// Appends a masked frame.
pub fn write(out: &mut Vec<u8>, opcode: u8, payload: &[u8], mask: [u8; 4]) {
    out.push(0x80 | opcode);
    match payload.len() {
        len @ 0..=125 => out.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// The frame that begins at `at`, or `None` if more bytes are needed. The server sends each message
/// in one frame.
pub fn read(bytes: &[u8], at: usize) -> Result<Option<Frame>, &'static str> {
    let here = &bytes[at..];
    let (header, len) = match *here {
        [_, 127, a, b, c, d, e, f, g, h, ..] => (10, u64::from_be_bytes([a, b, c, d, e, f, g, h])),
        [_, 126, high, low, ..] => (4, u64::from(u16::from_be_bytes([high, low]))),
        [_, len @ 0..=125, ..] => (2, u64::from(len)),
        [_, 128..=255, ..] => return Err("a masked frame"),
        _ => return Ok(None),
    };
    if here[0] & 0xf0 != 0x80 {
        return Err("a frame that is not the whole message");
    }
    if len > FRAME_BYTES_MAX {
        return Err("a frame of over a MiB");
    }
    let payload = at + header..at + header + len as usize;
    let (opcode, end) = (here[0] & 0x0f, payload.end);
    Ok((end <= bytes.len()).then_some(Frame { opcode, payload, end }))
}
