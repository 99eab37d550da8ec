//! WebSocket frames (RFC 6455 5): reading what a client sends, in place, and writing what the server sends.
//!
//! Everything that the standard asks of a server is checked here: reserved bits, the mask, control frames, minimal lengths,
//! the size of a message and the number of its fragments, and UTF-8. tungstenite's names are used, and its own reading and
//! writing of the header in tests, as a second opinion.

use std::ops::Range;
use std::str;

pub use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

/// The longest header that the server writes: two bytes and a length of eight, never a mask.
pub const HEADER_BYTES_MAX: usize = 10;

/// The longest payload of a control frame (RFC 6455 5.5).
pub const CONTROL_PAYLOAD_BYTES_MAX: usize = 125;

/// What a decoder lets pass.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The payload of a message, all its fragments together, in bytes.
    pub message_bytes_max: usize,
    /// How many frames a message may be cut into.
    pub fragments_max: u32,
    /// Whether binary messages are allowed.
    pub binary: bool,
}

/// Reads the frames of one client. Between calls it holds numbers only; the bytes are the caller's.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The message whose fragments are arriving.
    message: Option<Message>,
    /// The data frame whose payload is arriving.
    frame: Option<Frame>,
}

#[derive(Debug)]
struct Message {
    text: bool,
    fragments: u32,
    /// How many bytes of a text, from its start, are known to be UTF-8.
    checked: u32,
}

#[derive(Debug)]
struct Frame {
    remaining: u32,
    mask: [u8; 4],
    fin: bool,
}

/// Where the decoder stands in the caller's buffer:
///
/// ```text
///   … given out │ message so far, unmasked │ (gap) │ not looked at yet │ room
///               message                    filled  raw                 end
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    message: usize,
    filled: usize,
    raw: usize,
    end: usize,
}

/// One thing that was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// Nothing more can be told from these bytes.
    More,
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A ping, to be answered with its payload.
    Ping(&'a [u8]),
    /// A pong with the payload of a ping.
    Pong(&'a [u8]),
    /// A close frame with its code, where it holds one.
    Close(Option<CloseCode>),
}

/// What is wrong with the bytes. The connection cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A reserved bit is set though no extension was negotiated (5.2).
    ReservedBits,
    /// An opcode that RFC 6455 does not define (5.2).
    ReservedOpcode,
    /// A client's frame without a mask (5.1).
    NotMasked,
    /// A control frame that is fragmented (5.5).
    ControlFragmented,
    /// A control frame with more than 125 bytes (5.5).
    ControlTooLong,
    /// A length that is not written in the fewest bytes, or with its top bit set (5.2).
    Length,
    /// A continuation of nothing, or a new message within another (5.4).
    Continuation,
    /// A close frame with one byte, or a code that must not be sent (5.5.1, 7.4).
    CloseFrame,
    /// A binary message where none is allowed.
    Binary,
    /// A text or a close reason that is not UTF-8 (8.1).
    NotUtf8,
    /// A message larger than the limit, or cut into too many fragments.
    TooLarge,
}

impl Fault {
    /// The code of the close frame that tells the client (RFC 6455 7.4.1).
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::Binary => CloseCode::Unsupported,
            Self::NotUtf8 => CloseCode::Invalid,
            Self::TooLarge => CloseCode::Size,
            _ => CloseCode::Protocol,
        }
    }
}

impl Decoder {
    /// Reads the next thing in `bytes`, unmasking in place. Call again until it says [`Decoded::More`].
    pub fn decode<'a>(
        &mut self,
        bytes: &'a mut [u8],
        at: &mut Cursor,
        limits: &Limits,
    ) -> Result<Decoded<'a>, Fault> {
        loop {
            if self.frame.is_none() {
                let Some(header) = ClientHeader::read(&bytes[at.raw..at.end])? else {
                    return Ok(Decoded::More);
                };
                let ClientHeader { is_final, mask, len, header_len, .. } = header;
                if let OpCode::Control(control) = header.opcode {
                    // A control frame is at most 131 bytes: wait until it is whole.
                    if at.end - at.raw < header_len + len {
                        return Ok(Decoded::More);
                    }
                    let payload = at.raw + header_len..at.raw + header_len + len;
                    at.raw = payload.end;
                    return read_control(control, mask, &mut bytes[payload]);
                }
                // Nearly every message is a single frame that has arrived completely.
                let is_whole = is_final && len <= at.end - at.raw - header_len;
                if is_whole
                    && self.message.is_none()
                    && header.opcode == OpCode::Data(Data::Text)
                    && len <= limits.message_bytes_max
                {
                    let payload = at.raw + header_len..at.raw + header_len + len;
                    at.skip(header_len + len);
                    unmask(&mut bytes[payload.clone()], mask);
                    return read_text(&bytes[payload]);
                }
                self.begin(header.opcode, len, at, limits)?;
                at.raw += header_len;
                if at.message == at.filled {
                    (at.message, at.filled) = (at.raw, at.raw);
                }
                self.frame = Some(Frame { remaining: len as u32, mask, fin: is_final });
            }
            if !self.take_payload(bytes, at)? {
                return Ok(Decoded::More);
            }
            if let Some(message) = self.end_frame() {
                let whole = at.give_out();
                return if message.text {
                    read_text(&bytes[whole])
                } else {
                    Ok(Decoded::Binary(&bytes[whole]))
                };
            }
        }
    }

    /// Checks a data frame's header against what came before it, before anything of its payload is kept.
    fn begin(
        &mut self,
        opcode: OpCode,
        len: usize,
        at: &Cursor,
        limits: &Limits,
    ) -> Result<(), Fault> {
        match (&mut self.message, opcode) {
            (Some(message), OpCode::Data(Data::Continue)) => {
                message.fragments += 1;
                if message.fragments > limits.fragments_max {
                    return Err(Fault::TooLarge);
                }
            }
            (None, OpCode::Data(Data::Binary)) if !limits.binary => return Err(Fault::Binary),
            (None, OpCode::Data(kind @ (Data::Text | Data::Binary))) => {
                self.message = Some(Message { text: kind == Data::Text, fragments: 1, checked: 0 });
            }
            _ => return Err(Fault::Continuation),
        }
        // What a `u32` does not count, no buffer holds.
        let bytes_max = limits.message_bytes_max.min(u32::MAX as usize);
        if len > bytes_max.saturating_sub(at.assembled()) {
            return Err(Fault::TooLarge);
        }
        Ok(())
    }

    /// Unmasks what is here of the frame's payload and joins it to the message. Whether the frame is whole.
    fn take_payload(&mut self, bytes: &mut [u8], at: &mut Cursor) -> Result<bool, Fault> {
        let (Some(frame), Some(message)) = (&mut self.frame, &mut self.message) else {
            return Ok(true);
        };
        let len = (frame.remaining as usize).min(at.end - at.raw);
        unmask(&mut bytes[at.raw..at.raw + len], frame.mask);
        frame.mask.rotate_left(len % 4);
        frame.remaining -= len as u32;
        if at.filled != at.raw {
            bytes.copy_within(at.raw..at.raw + len, at.filled);
        }
        at.raw += len;
        at.filled += len;
        let whole = frame.remaining == 0;
        // The end of a message is checked with the whole of it; up to there, fail as early as it is wrong.
        if message.text && !(whole && frame.fin) {
            let unchecked = &bytes[at.message + message.checked as usize..at.filled];
            message.checked += match str::from_utf8(unchecked) {
                Ok(text) => text.len() as u32,
                Err(error) if error.error_len().is_none() => error.valid_up_to() as u32,
                Err(_) => return Err(Fault::NotUtf8),
            };
        }
        Ok(whole)
    }

    fn end_frame(&mut self) -> Option<Message> {
        if self.frame.take()?.fin { self.message.take() } else { None }
    }
}

impl Cursor {
    /// Stands before `end` bytes of which the first `assembled` are the unmasked beginning of a message: what
    /// [`Cursor::assembled`] said when the bytes before were kept.
    pub const fn new(assembled: usize, end: usize) -> Self {
        Self { message: 0, filled: assembled, raw: assembled, end }
    }

    /// How many bytes are the unmasked beginning of a message.
    pub const fn assembled(&self) -> usize {
        self.filled - self.message
    }

    /// How many bytes must be kept until more arrive.
    pub const fn kept(&self) -> usize {
        self.assembled() + (self.end - self.raw)
    }

    /// What was not looked at yet.
    pub const fn unread(&self) -> Range<usize> {
        self.raw..self.end
    }

    /// Passes over `len` bytes that were not frames (the request head).
    pub fn skip(&mut self, len: usize) {
        self.raw = self.end.min(self.raw + len);
        (self.message, self.filled) = (self.raw, self.raw);
    }

    /// Passes over everything.
    pub fn skip_all(&mut self) {
        self.skip(self.end);
    }

    /// Moves what must be kept to the front of `bytes`; returns its length.
    pub fn compact(&self, bytes: &mut [u8]) -> usize {
        let assembled = self.assembled();
        if self.message > 0 {
            bytes.copy_within(self.message..self.filled, 0);
        }
        if self.raw > assembled {
            bytes.copy_within(self.raw..self.end, assembled);
        }
        self.kept()
    }

    /// Copies what must be kept to the front of `to`, which has room for [`Cursor::kept`] bytes.
    pub fn copy_kept(&self, from: &[u8], to: &mut [u8]) {
        let (assembled, kept) = (self.assembled(), self.kept());
        to[..assembled].copy_from_slice(&from[self.message..self.filled]);
        to[assembled..kept].copy_from_slice(&from[self.raw..self.end]);
    }

    fn give_out(&mut self) -> Range<usize> {
        let whole = self.message..self.filled;
        (self.message, self.filled) = (self.raw, self.raw);
        whole
    }
}

/// The header of a frame that a client sends.
#[derive(Debug)]
struct ClientHeader {
    is_final: bool,
    opcode: OpCode,
    mask: [u8; 4],
    /// How long the payload is; a length over `usize` is over any limit as well.
    len: usize,
    header_len: usize,
}

impl ClientHeader {
    /// Reads and checks one header. `None`: more bytes are needed.
    ///
    /// The first two bytes are judged as soon as they are here, before the rest of the header is.
    fn read(bytes: &[u8]) -> Result<Option<Self>, Fault> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(Fault::ReservedBits);
        }
        let opcode = first & 0x0f;
        if matches!(opcode, 3..=7 | 11..) {
            return Err(Fault::ReservedOpcode);
        }
        let (opcode, is_final) = (OpCode::from(opcode), first & 0x80 != 0);
        let control = matches!(opcode, OpCode::Control(_));
        if control && !is_final {
            return Err(Fault::ControlFragmented);
        }
        let Some(&second) = bytes.get(1) else { return Ok(None) };
        if second & 0x80 == 0 {
            return Err(Fault::NotMasked);
        }
        let short = second & 0x7f;
        if control && usize::from(short) > CONTROL_PAYLOAD_BYTES_MAX {
            return Err(Fault::ControlTooLong);
        }
        let rest = &bytes[2..];
        let read = match short {
            126 => {
                rest.split_first_chunk().map(|(len, rest)| (u16::from_be_bytes(*len).into(), rest))
            }
            127 => rest.split_first_chunk().map(|(len, rest)| (u64::from_be_bytes(*len), rest)),
            _ => Some((u64::from(short), rest)),
        };
        let Some((len, rest)) = read else { return Ok(None) };
        let Some((mask, payload)) = rest.split_first_chunk() else { return Ok(None) };
        let minimal = match short {
            126 => len > 125,
            127 => len > 0xffff && len >> 63 == 0,
            _ => true,
        };
        if !minimal {
            return Err(Fault::Length);
        }
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let header_len = bytes.len() - payload.len();
        Ok(Some(Self { is_final, opcode, mask: *mask, len, header_len }))
    }
}

fn read_text(payload: &[u8]) -> Result<Decoded<'_>, Fault> {
    simdutf8::basic::from_utf8(payload).map(Decoded::Text).map_err(|_| Fault::NotUtf8)
}

fn read_control(control: Control, mask: [u8; 4], payload: &mut [u8]) -> Result<Decoded<'_>, Fault> {
    unmask(payload, mask);
    match control {
        Control::Ping => Ok(Decoded::Ping(payload)),
        Control::Pong => Ok(Decoded::Pong(payload)),
        Control::Close => read_close(payload).map(Decoded::Close),
        Control::Reserved(_) => Err(Fault::ReservedOpcode),
    }
}

/// The code of a close frame's payload (RFC 6455 5.5.1).
fn read_close(payload: &[u8]) -> Result<Option<CloseCode>, Fault> {
    match payload {
        [] => Ok(None),
        [_] => Err(Fault::CloseFrame),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            // RFC 6455 7.4 and the codes registered with IANA since. tungstenite's `is_allowed` lacks 1014.
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(Fault::CloseFrame);
            }
            str::from_utf8(reason).map_err(|_| Fault::NotUtf8)?;
            Ok(Some(code.into()))
        }
    }
}

/// Removes the mask from a payload (RFC 6455 5.3). `mask` begins with the key byte of the payload's first byte.
pub fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let wide = u64::from(u32::from_ne_bytes(mask)) * 0x1_0000_0001;
    let turn = |word: &mut [u8; 8]| *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    let (blocks, rest) = payload.as_chunks_mut::<64>();
    for block in blocks {
        block.as_chunks_mut().0.iter_mut().for_each(turn);
    }
    let (words, rest) = rest.as_chunks_mut();
    words.iter_mut().for_each(turn);
    rest.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
}

/// A header as the server writes it: final, without a mask.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    bytes: [u8; HEADER_BYTES_MAX],
    len: usize,
}

impl Header {
    /// The header of an unfragmented frame with a payload of `payload_len` bytes.
    pub fn new(opcode: OpCode, payload_len: usize) -> Self {
        let mut bytes = [0; HEADER_BYTES_MAX];
        bytes[0] = 0x80 | u8::from(opcode);
        let len = match payload_len {
            0..=125 => {
                bytes[1] = payload_len as u8;
                2
            }
            126..=0xffff => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&(payload_len as u16).to_be_bytes());
                4
            }
            _ => {
                bytes[1] = 127;
                bytes[2..].copy_from_slice(&(payload_len as u64).to_be_bytes());
                10
            }
        };
        Self { bytes, len }
    }

    /// No header at all, for what travels without frames.
    pub const fn none() -> Self {
        Self { bytes: [0; HEADER_BYTES_MAX], len: 0 }
    }

    /// The bytes to send before the payload.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Appends a control frame (RFC 6455 5.5); a payload past 125 bytes is cut.
pub fn write_control(out: &mut Vec<u8>, control: Control, payload: &[u8]) {
    let payload = &payload[..payload.len().min(CONTROL_PAYLOAD_BYTES_MAX)];
    out.extend_from_slice(Header::new(OpCode::Control(control), payload.len()).as_bytes());
    out.extend_from_slice(payload);
}

/// Appends a close frame with `code` and no reason.
pub fn write_close(out: &mut Vec<u8>, code: CloseCode) {
    write_control(out, Control::Close, &u16::from(code).to_be_bytes());
}
