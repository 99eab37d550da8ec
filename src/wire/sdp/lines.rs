//! The lines of the text that a JSON string stands for.

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
    let mut rest = inner.unwrap_or_default();
    let mut line = Line { bytes: [0; LINE_BYTES_MAX + 1], len: 0 };
    let mut after_cr = false;
    loop {
        let (run, behind) = rest.split_at(rest.find('\\').unwrap_or(rest.len()));
        // The only control character that a JSON string may hold as it is.
        if run.contains('\x7f') || (after_cr && !run.is_empty()) {
            return Err(Fault::Line);
        }
        line.push(run.as_bytes());
        let Some((byte, behind)) = unescape(behind) else { break };
        rest = behind;
        match byte {
            b'\n' => {
                each(line.get())?;
                line.len = 0;
                after_cr = false;
            }
            _ if after_cr => return Err(Fault::Line),
            b'\r' => after_cr = true,
            b'\t' => line.push(b"\t"),
            byte if byte.is_ascii_control() => return Err(Fault::Line),
            byte => line.push(&[byte]),
        }
    }
    if after_cr { Err(Fault::Line) } else { each(line.get()) }
}

/// The beginning of a line.
struct Line {
    bytes: [u8; LINE_BYTES_MAX + 1],
    len: usize,
}

impl Line {
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

    fn get(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The byte that the escape stands for with which a text begins, and what is behind it.
fn unescape(text: &str) -> Option<(u8, &str)> {
    let mut chars = text.strip_prefix('\\')?.chars();
    Some(match chars.next()? {
        'b' => (0x08, chars.as_str()),
        'f' => (0x0c, chars.as_str()),
        'r' => (b'\r', chars.as_str()),
        'n' => (b'\n', chars.as_str()),
        't' => (b'\t', chars.as_str()),
        'u' => {
            let (digits, behind) = chars.as_str().split_at_checked(4)?;
            let unit = u16::from_str_radix(digits, 16).ok()?;
            let ascii = u8::try_from(unit).ok().filter(u8::is_ascii);
            (ascii.unwrap_or(FOREIGN), behind)
        }
        other => (u8::try_from(other).unwrap_or(FOREIGN), chars.as_str()),
    })
}
