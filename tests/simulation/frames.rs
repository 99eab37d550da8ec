//! The client's half of RFC 6455: masked frames out, the server's frames in.

use super::random::Random;

/// Opcodes.
pub const TEXT: u8 = 1;
/// Opcode of a binary frame.
pub const BINARY: u8 = 2;
/// Opcode of a close frame.
pub const CLOSE: u8 = 8;
/// Opcode of a ping.
pub const PING: u8 = 9;
/// Opcode of a pong.
pub const PONG: u8 = 10;

/// A frame of the server.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    /// Which kind.
    pub opcode: u8,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// Appends one masked frame.
pub fn write(
    out: &mut impl Extend<u8>,
    last: bool,
    opcode: u8,
    payload: &[u8],
    random: &mut Random,
) {
    let mut frame = vec![if last { 0x80 | opcode } else { opcode }];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    let mask = (random.next() as u32).to_be_bytes();
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    out.extend(frame);
}

/// Appends a text message, sometimes in fragments with a ping between them.
pub fn write_text(out: &mut impl Extend<u8>, text: &str, random: &mut Random) {
    let bytes = text.as_bytes();
    if bytes.is_empty() || random.chance(80) {
        return write(out, true, TEXT, bytes, random);
    }
    let (mut rest, mut opcode) = (bytes, TEXT);
    while !rest.is_empty() {
        let len = 1 + random.below(rest.len() as u64) as usize;
        let (now, later) = rest.split_at(len);
        write(out, later.is_empty(), opcode, now, random);
        if random.chance(20) && !later.is_empty() {
            write(out, true, PING, b"between", random);
        }
        (rest, opcode) = (later, 0);
    }
}

/// Takes the first frame out of `bytes`; `None`: it is not whole yet. `Err` where the server breaks the rules.
pub fn read(bytes: &mut Vec<u8>) -> Result<Option<Frame>, String> {
    let [first, second, ..] = bytes[..] else { return Ok(None) };
    if first & 0x70 != 0 || second & 0x80 != 0 || first & 0x80 == 0 {
        return Err(format!("the server's frame begins with {first:#x} {second:#x}"));
    }
    let (start, len) = match (second & 0x7f, bytes.len()) {
        (126, ..4) | (127, ..10) => return Ok(None),
        (126, _) => (4, usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
        (127, _) => {
            let mut length = [0; 8];
            length.copy_from_slice(&bytes[2..10]);
            (10, u64::from_be_bytes(length) as usize)
        }
        (len, _) => (2, usize::from(len)),
    };
    let opcode = first & 0x0f;
    if opcode >= 8 && len > 125 || !matches!(opcode, 1 | 2 | 8..=10) {
        return Err(format!("the server's frame has opcode {opcode} and {len} bytes"));
    }
    if bytes.len() < start + len {
        return Ok(None);
    }
    let payload = bytes[start..start + len].to_vec();
    bytes.drain(..start + len);
    Ok(Some(Frame { opcode, payload }))
}
