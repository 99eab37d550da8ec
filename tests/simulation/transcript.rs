//! A run as text for people to read.

use std::cell::RefCell;
use std::rc::Rc;

use super::link::Micros;
use super::plan::SECOND;

/// Lines with their times, shared by those who write them and whoever shows them; a panic does not lose them.
#[derive(Clone, Debug)]
pub struct Lines(Rc<RefCell<Vec<String>>>);

/// Writes lines. Writes nothing unless it is given some, since most runs are never read.
#[derive(Debug)]
pub struct Transcript {
    lines: Option<Lines>,
    now: Micros,
}

impl Lines {
    /// None yet.
    pub fn new() -> Self {
        Self(Rc::default())
    }

    /// All of them.
    pub fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

impl Transcript {
    /// A transcript that is written, or one that is not.
    pub fn new(lines: Option<Lines>) -> Self {
        Self { lines, now: 0 }
    }

    /// What follows happens now.
    pub fn at(&mut self, now: Micros) {
        self.now = now;
    }

    /// Adds a line.
    pub fn line(&mut self, text: impl FnOnce() -> String) {
        if let Some(lines) = &self.lines {
            let (secs, micros) = (self.now / SECOND, self.now % SECOND);
            lines.0.borrow_mut().push(format!("{secs:4}.{micros:06} {}", text()));
        }
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
