//! The lines of the text that a JSON string stands for.

use memchr::memchr;

use super::Fault;

/// How much of a line is looked at. The longest that matter whole are candidates with all their extensions; a fingerprint
/// of SHA-512 has 213 bytes.
const LINE_BYTES_MAX: usize = 512;

/// Stands for what is not ASCII, and behind a line that was cut off, so that neither is taken for something plain.
const FOREIGN: u8 = 0xff;

/// Calls `each` with each line of the text that the JSON string `quoted` stands for, up to [`LINE_BYTES_MAX`] bytes and
/// [`FOREIGN`]. Lines end in LF or CR LF; what is behind the last of these is a line too. Letters that are not ASCII come
/// as some bytes that are not either.
///
/// # Errors
///
/// What `each` returned first; [`Fault::Line`] where there are control characters other than tabs, and so other lines for
/// other readers.
pub(super) fn for_each_line(
    quoted: &str,
    mut each: impl FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let inner = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let mut rest = inner.unwrap_or_default().as_bytes();
    // The only control character that a JSON string may hold as it is.
    if memchr(0x7f, rest).is_some() {
        return Err(Fault::Line);
    }
    let mut line = Line { bytes: [0; LINE_BYTES_MAX + 1], len: 0 };
    loop {
        let run = memchr(b'\\', rest).unwrap_or(rest.len());
        // Nearly every line is one run, and can be read where it stands.
        if let (run, [b'\\', b'r', b'\\', b'n', behind @ ..]) = rest.split_at(run)
            && run.len() <= LINE_BYTES_MAX
        {
            each(run)?;
            rest = behind;
            continue;
        }
        let behind = line.read(rest)?;
        each(&line.bytes[..line.len])?;
        match behind {
            Some(behind) => rest = behind,
            None => return Ok(()),
        }
    }
}

/// The beginning of a line.
struct Line {
    bytes: [u8; LINE_BYTES_MAX + 1],
    len: usize,
}

impl Line {
    /// Reads the line with which a text begins, and returns what is behind its end; nothing where the text ends with it.
    fn read<'a>(&mut self, mut rest: &'a [u8]) -> Result<Option<&'a [u8]>, Fault> {
        self.len = 0;
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
            let ascii = u8::try_from(unit).ok().filter(u8::is_ascii);
            (ascii.unwrap_or(FOREIGN), behind)
        }
        other => (*other, behind),
    })
}
