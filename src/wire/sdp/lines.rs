//! The lines of the text that a JSON string stands for.

use memchr::{memchr, memchr3_iter};

use super::Fault;
use crate::wire::json::Quoted;
use crate::wire::scan::{self, Block, Extremes, PRINTABLE};

/// How much of a line is looked at. The longest that matter whole are candidates with all their extensions; a fingerprint
/// of SHA-512 has 213 bytes.
const LINE_BYTES_MAX: usize = 512;

/// How a line begins, for a first look.
pub(super) type Head = [u8; 12];

/// A block of 64 bytes, and behind its last byte as much as is looked at of a line end and the line that follows.
const WINDOW: usize = 64 + 16;

/// Stands for what is not ASCII, and behind a line that was cut off, so that neither is taken for something plain.
const FOREIGN: u8 = 0xff;

/// Calls `each` with each line of the text that the string `quoted` stands for, up to [`LINE_BYTES_MAX`] bytes and
/// [`FOREIGN`]. Lines end in LF or CR LF; what is behind the last of these is a line too. Letters that are not ASCII come
/// as some bytes that are not either.
///
/// `each` may be spared lines for which `is_idle` is true. `is_idle` gets the bytes with which the line begins, and if it is
/// shorter, those that follow as well.
///
/// # Errors
///
/// What `each` returned first; [`Fault::Line`] if the string is no JSON, and where there are control characters other than tabs, or
/// separators of lines or paragraphs (U+2028, U+2029), and so other lines for other readers.
#[inline]
pub(super) fn for_each_line(
    quoted: Quoted<'_>,
    is_idle: impl Fn(&Head) -> bool,
    mut each: impl FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let text = quoted.inner().as_bytes();
    // Where the next line begins and whether it is idle; which escapes of the next block are the LF of a CR in this one. Each
    // block is searched on its own: if the search for a line end began behind the previous one, each line would have to wait for
    // the one before.
    let (mut at, mut idle, mut line_feeds) = (0, false, 0);
    let (mut seen, mut extremes) = (0, Extremes::default());
    'odd: while let Some(window) = text.get(seen..).and_then(|text| text.first_chunk::<WINDOW>()) {
        let Some(block) = window.first_chunk() else { break };
        let block = Block::new(block);
        extremes.add(&block);
        let escapes = block.equal(b'\\');
        let mut ends = escapes & !(escapes << 2 | line_feeds);
        if escapes != ends | ends << 2 | line_feeds {
            break;
        }
        line_feeds = ends >> 62;
        while ends != 0 {
            let end = ends.trailing_zeros() as usize;
            ends &= ends - 1;
            let behind = window.get(end..).and_then(|behind| behind.first_chunk::<16>());
            let Some([a, b, c, d, next @ ..]) = behind else { break 'odd };
            let end = seen + end;
            if u32::from_le_bytes([*a, *b, *c, *d]) != u32::from_le_bytes(*br"\r\n") {
                break 'odd;
            }
            if !idle {
                let line = &text[at..end];
                if line.len() > LINE_BYTES_MAX {
                    break 'odd;
                }
                each(line)?;
            }
            at = end + 4;
            idle = is_idle(next);
        }
        seen += 64;
    }
    // The rest: what follows the last line end, or everything from an odd line on.
    let rest = &text[at..];
    // Usually everything is printable ASCII, and all escapes are line ends.
    let is_plain = extremes.are_printable() && is_printable(&text[seen..]);
    if !(is_plain && scan::escapes_only_line_ends(rest) || quoted.is_json() && !holds_control(text))
    {
        return Err(Fault::Line);
    }
    each_other_line(rest, &mut each)
}

/// The same for a text that may have odd lines.
#[inline(never)]
fn each_other_line(
    mut rest: &[u8],
    each: &mut impl FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    loop {
        let (line, end) = rest.split_at(next_escape(rest));
        let behind = end.strip_prefix(br"\r\n");
        let is_plain = line.len() <= LINE_BYTES_MAX && (behind.is_some() || end.is_empty());
        let behind = if is_plain {
            each(line)?;
            behind
        } else {
            each_odd_line(rest, each)?
        };
        match behind {
            Some(behind) => rest = behind,
            None => return Ok(()),
        }
    }
}

/// Whether there is nothing but ASCII without control characters.
fn is_printable(text: &[u8]) -> bool {
    // Without an early exit the compiler makes vector code of this.
    text.iter().fold(true, |all, byte| all & PRINTABLE.contains(byte))
}

/// Whether there is a control character of those that a JSON string may hold as they are (DEL, and U+0080 to U+009F), or a line or
/// paragraph separator: some readers end a line there.
#[inline(never)]
fn holds_control(text: &[u8]) -> bool {
    memchr3_iter(0x7f, 0xc2, 0xe2, text).any(|at| match text[at..] {
        [0xc2, next, ..] => next < 0xa0,
        [0xe2, 0x80, 0xa8 | 0xa9, ..] | [0x7f, ..] => true,
        _ => false,
    })
}

/// The only line of the text that `quoted` stands for, where that is plainly written.
pub(super) fn plain_line(quoted: Quoted<'_>) -> Option<&[u8]> {
    let line = quoted.inner().as_bytes();
    // Without an early end the compiler makes vector code of it.
    let is_odd = line.iter().fold(false, |odd, byte| odd | (*byte == b'\\') | (*byte >= 0x7f));
    (!is_odd && line.len() <= LINE_BYTES_MAX).then_some(line)
}

/// Where the first backslash is, or the end of the text.
#[inline]
fn next_escape(text: &[u8]) -> usize {
    scan::position(text, 0, |block| scan::equal(block, b'\\')).unwrap_or(text.len())
}

/// Reads a line with something else in it than plain text, or without CR LF behind it. What is behind its end.
#[inline(never)]
fn each_odd_line<'a>(
    rest: &'a [u8],
    each: &mut impl FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<Option<&'a [u8]>, Fault> {
    let mut line = Line { bytes: [0; LINE_BYTES_MAX + 1], len: 0 };
    let behind = line.read(rest)?;
    each(&line.bytes[..line.len])?;
    Ok(behind)
}

/// The beginning of a line.
struct Line {
    bytes: [u8; LINE_BYTES_MAX + 1],
    len: usize,
}

impl Line {
    /// Reads the line with which a text begins, and returns what is behind its end; nothing where the text ends with it.
    fn read<'a>(&mut self, mut rest: &'a [u8]) -> Result<Option<&'a [u8]>, Fault> {
        loop {
            let (run, behind) = rest.split_at(memchr(b'\\', rest).unwrap_or(rest.len()));
            self.push(run);
            let Some((byte, behind)) = unescape(behind) else { return Ok(None) };
            rest = behind;
            match byte {
                b'\r' => match unescape(behind) {
                    Some((b'\n', behind)) => return Ok(Some(behind)),
                    _ => return Err(Fault::Line),
                },
                b'\n' => return Ok(Some(behind)),
                b'\t' => self.push(b"\t"),
                byte if byte.is_ascii_control() => return Err(Fault::Line),
                byte => self.push(&[byte]),
            }
        }
    }

    fn push(&mut self, run: &[u8]) {
        let room = LINE_BYTES_MAX - self.len.min(LINE_BYTES_MAX);
        let (fits, cut) = run.split_at(run.len().min(room));
        let end = self.len + fits.len();
        if let Some(place) = self.bytes.get_mut(self.len..end) {
            place.copy_from_slice(fits);
            self.len = end;
        }
        if !cut.is_empty() {
            self.bytes[LINE_BYTES_MAX] = FOREIGN;
            self.len = self.bytes.len();
        }
    }
}

/// The byte that the escape stands for with which a text begins, and what is behind it.
fn unescape(text: &[u8]) -> Option<(u8, &[u8])> {
    let [b'\\', escape, behind @ ..] = text else { return None };
    Some(match escape {
        b'b' => (0x08, behind),
        b'f' => (0x0c, behind),
        b'r' => (b'\r', behind),
        b'n' => (b'\n', behind),
        b't' => (b'\t', behind),
        b'u' => {
            let (digits, behind) = behind.split_first_chunk::<4>()?;
            let digits = str::from_utf8(digits).ok()?;
            let unit = u16::from_str_radix(digits, 16).ok()?;
            let byte = match unit {
                // As good as a vertical tab.
                0x80..=0x9f | 0x2028 | 0x2029 => 0x0b,
                _ => u8::try_from(unit).ok().filter(u8::is_ascii).unwrap_or(FOREIGN),
            };
            (byte, behind)
        }
        other => (*other, behind),
    })
}
