//! What happened, for people to read.

use super::link::Micros;
use super::plan::SECOND;

/// Lines with their times. Writes nothing unless it is on, since most runs are never read.
#[derive(Debug, Default)]
pub struct Transcript {
    on: bool,
    now: Micros,
    lines: Vec<String>,
}

impl Transcript {
    /// A transcript that is written, or one that is not.
    pub fn new(on: bool) -> Self {
        Self { on, ..Self::default() }
    }

    /// What follows happens now.
    pub fn at(&mut self, now: Micros) {
        self.now = now;
    }

    /// Adds a line.
    pub fn line(&mut self, text: impl FnOnce() -> String) {
        if self.on {
            let (secs, micros) = (self.now / SECOND, self.now % SECOND);
            self.lines.push(format!("{secs:4}.{micros:06} {}", text()));
        }
    }

    /// All lines.
    pub fn into_lines(self) -> Vec<String> {
        self.lines
    }
}

/// A message in short: without the long parts.
pub fn short(text: &str) -> String {
    let text = text
        .replace("-0000-4000-8000-", "-")
        .replace("-00000000000", "-")
        .replace("-0000000000", "-");
    match text.char_indices().nth(220) {
        Some((end, _)) => format!("{} … ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}
