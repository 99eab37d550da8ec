//! RFC 6455 5 read from a whole stream, a frame at a time, with no regard for speed.

use std::str;

use autamedica_signaling::wire::frame::Limits;

use super::{Event, Told};

/// Reads all of `stream`. What is wrong with the beginning of a frame counts though its end is not there yet.
pub fn read(mut stream: &[u8], limits: &Limits) -> Told {
    let mut told = Told::default();
    let mut message = None;
    loop {
        match read_frame(stream, &mut message, limits) {
            Ok(Some((event, len))) => {
                stream = &stream[len..];
                let is_close = matches!(event, Some(Event::Close(_)));
                told.events.extend(event);
                if is_close {
                    return told;
                }
            }
            Ok(None) => return told,
            Err(code) => return Told { broken: Some(code), ..told },
        }
    }
}

/// A message of which some fragments are there.
struct Message {
    is_text: bool,
    fragments: u32,
    payload: Vec<u8>,
}

/// One frame: what it completes, and its length. `None`: it is not whole.
fn read_frame(
    stream: &[u8],
    message: &mut Option<Message>,
    limits: &Limits,
) -> Result<Option<(Option<Event>, usize)>, u16> {
    let Some(&first) = stream.first() else { return Ok(None) };
    let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
    let is_control = opcode >= 8;
    broken_if(first & 0x70 != 0, 1002)?;
    broken_if(!matches!(opcode, 0..=2 | 8..=10), 1002)?;
    broken_if(is_control && !fin, 1002)?;
    let Some(&second) = stream.get(1) else { return Ok(None) };
    let short = second & 0x7f;
    broken_if(second & 0x80 == 0, 1002)?;
    broken_if(is_control && short > 125, 1002)?;
    let long = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let Some(head) = stream.get(..2 + long + 4) else { return Ok(None) };
    let extended = head[2..2 + long].iter().fold(0, |len, &byte| len << 8 | u64::from(byte));
    let len = if long == 0 { u64::from(short) } else { extended };
    let is_fewest = match long {
        0 => true,
        2 => len >= 126,
        _ => len >= 0x1_0000 && len < 1 << 63,
    };
    broken_if(!is_fewest, 1002)?;
    let coded = &stream[head.len()..];
    let coded = &coded[..coded.len().min(usize::try_from(len).unwrap_or(usize::MAX))];
    let mask = &head[2 + long..];
    let payload: Vec<u8> = coded.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b).collect();
    let is_whole = payload.len() as u64 == len;
    let event = if is_control {
        if !is_whole {
            return Ok(None);
        }
        Some(control(opcode, payload)?)
    } else {
        data(opcode, fin, len, payload, message, limits)?
    };
    Ok(is_whole.then_some((event, head.len() + coded.len())))
}

fn control(opcode: u8, payload: Vec<u8>) -> Result<Event, u16> {
    match (opcode, &*payload) {
        (9, _) => Ok(Event::Ping(payload)),
        (10, _) => Ok(Event::Pong(payload)),
        (_, []) => Ok(Event::Close(None)),
        (_, [_]) => Err(1002),
        (_, [high, low, reason @ ..]) => {
            let code = u16::from_be_bytes([*high, *low]);
            // RFC 6455 7.4.1 and 7.4.2, and the codes that were registered with IANA since.
            broken_if(!matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999), 1002)?;
            broken_if(str::from_utf8(reason).is_err(), 1007)?;
            Ok(Event::Close(Some(code)))
        }
    }
}

/// A data frame of which `payload` is there.
fn data(
    opcode: u8,
    fin: bool,
    len: u64,
    payload: Vec<u8>,
    message: &mut Option<Message>,
    limits: &Limits,
) -> Result<Option<Event>, u16> {
    let before = message.take();
    broken_if((opcode == 0) != before.is_some(), 1002)?;
    let mut now =
        before.unwrap_or(Message { is_text: opcode == 1, fragments: 0, payload: Vec::new() });
    now.fragments += 1;
    broken_if(opcode == 2 && !limits.binary, 1003)?;
    broken_if(now.fragments > limits.fragments_max, 1009)?;
    broken_if(now.payload.len() as u64 + len > limits.message_bytes_max as u64, 1009)?;
    let is_whole = payload.len() as u64 == len;
    now.payload.extend(payload);
    if now.is_text {
        let cut = str::from_utf8(&now.payload).err().map(|error| error.error_len());
        let may_go_on = !(fin && is_whole);
        broken_if(cut.is_some_and(|cut| cut.is_some() || !may_go_on), 1007)?;
    }
    if !(fin && is_whole) {
        *message = Some(now);
        return Ok(None);
    }
    Ok(Some(match now.is_text {
        true => Event::Text(String::from_utf8(now.payload).expect("was checked")),
        false => Event::Binary(now.payload),
    }))
}

fn broken_if(broken: bool, code: u16) -> Result<(), u16> {
    if broken { Err(code) } else { Ok(()) }
}
