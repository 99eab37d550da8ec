//! Decoding masked frames to texts, compared with a copy of the same bytes. The work includes that
//! copy too: it stands for the read.

use std::hint::black_box;

use autamedica_signaling::wire::frame::{Cursor, Decoded, Decoder, Limits};

use crate::ratios::{Pair, Speed};
use crate::support::clinic::client_frame;

const LIMITS: Limits = Limits { message_bytes_max: 65_536, fragments_max: 1_024, binary: false };

/// How many frames arrive together.
const TOGETHER: usize = 8;

pub fn bench(speed: &mut Speed) {
    for (size, len) in [("200 B", 200), ("5 KB", 5_000)] {
        let frame = client_frame(&"v=0 a=candidate ".repeat(len / 16 + 1)[..len]);
        let mut pair = Pair { group: "frame", name: size, floor: "memcpy", bytes: frame.len() };
        compare(speed, &pair, &[&frame], 1);

        let name = format!("{size}, cut in two");
        pair.name = &name;
        let (first, second) = frame.split_at(frame.len() / 2);
        compare(speed, &pair, &[first, second], 1);

        let name = format!("{size}, {TOGETHER} in one read");
        let frames = frame.repeat(TOGETHER);
        pair = Pair { name: &name, bytes: frames.len(), ..pair };
        compare(speed, &pair, &[&frames], TOGETHER);
    }
}

/// Decodes the bytes of these reads, which contain this many messages.
fn compare(speed: &mut Speed, pair: &Pair<'_>, reads: &[&[u8]], messages: usize) {
    let mut decoder = Decoder::default();
    let (mut shared, mut block) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let work =
        || assert_eq!(decode(&mut decoder, black_box(reads), &mut shared, &mut block), messages);
    let mut buffer = vec![0; 1 << 16];
    let floor = || {
        let mut end = 0;
        for read in black_box(reads) {
            buffer[end..end + read.len()].copy_from_slice(read);
            end += read.len();
        }
        black_box(&buffer[..end]);
    };
    speed.compare(pair, work, floor);
}

/// Decodes as the reactor does: reads go into the shared buffer, and partial messages continue in a
/// block. Returns the number of messages.
fn decode(decoder: &mut Decoder, reads: &[&[u8]], shared: &mut [u8], block: &mut [u8]) -> usize {
    let (mut kept, mut assembled, mut messages) = (0, 0, 0);
    for read in reads {
        let is_fresh = kept == 0;
        let buffer = if is_fresh { &mut *shared } else { &mut *block };
        let end = kept + read.len();
        buffer[kept..end].copy_from_slice(read);
        let mut at = Cursor::new(assembled, end);
        while let Ok(Decoded::Text(text)) = decoder.decode(&mut buffer[..end], &mut at, &LIMITS) {
            black_box(text);
            messages += 1;
        }
        (kept, assembled) = (at.kept(), at.assembled());
        if kept > 0 && is_fresh {
            at.copy_kept(shared, block);
        } else if kept > 0 {
            at.compact(block);
        }
    }
    messages
}
