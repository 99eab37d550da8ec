//! The operational log: lines on standard output, written by a separate thread, so that a slow
//! terminal or pipe never holds up the reactor. Lines that find the queue full are dropped, counted
//! and reported; so are those that strangers cause past a rate.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use log::kv::{Error, Key, Source, Value, VisitSource};
use log::{Level, LevelFilter, Log, Metadata, Record};

use super::crowd::{COUNTED_MS, CROWD, Crowd};
use crate::base::time::WallTime;
use crate::wire::json;

/// How many lines may wait to be written.
const QUEUE_LINES_MAX: usize = 4_096;

/// How long a flush waits for a terminal or pipe that accepts nothing: once for room in the queue,
/// once for the writing. After that the program ends, with or without its last lines.
const FLUSH_TRIES_MAX: u32 = 100;
const FLUSH_TRY: Duration = Duration::from_millis(10);

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Json,
    /// For people, coloured on a terminal.
    Text {
        /// Whether levels are coloured.
        colour: bool,
    },
}

/// The implementation of the `log` facade.
#[derive(Debug)]
struct Logger {
    lines: SyncSender<Line>,
    dropped: AtomicU64,
    look: Look,
    crowd: Arc<Mutex<Crowd>>,
}

/// The format of lines, and the clock for their times.
#[derive(Clone, Copy, Debug)]
struct Look {
    wall_time: fn() -> WallTime,
    format: Format,
}

#[derive(Debug)]
enum Line {
    Text(Vec<u8>),
    /// Answered once everything before it is written.
    Flush(SyncSender<()>),
}

/// Makes the program's log write to standard output. Only this crate's own lines are written: what
/// a dependency logs has not been checked for patients' data.
///
/// # Errors
/// If another logger is installed, or no thread can be started.
pub fn install(level: LevelFilter, format: Format, wall_time: fn() -> WallTime) -> io::Result<()> {
    let (lines, queue) = sync_channel(QUEUE_LINES_MAX);
    let look = Look { wall_time, format };
    let crowd = Arc::new(Mutex::new(Crowd::default()));
    let logger = Logger { lines, dropped: AtomicU64::new(0), look, crowd: Arc::clone(&crowd) };
    thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_lines(&queue, look, &crowd))?;
    log::set_boxed_logger(Box::new(logger)).map_err(io::Error::other)?;
    log::set_max_level(level);
    Ok(())
}

/// A line of this log that is written whatever the level is.
pub fn announcement(format: Format, time: WallTime, message: &str, url: &str) -> String {
    let line = write_line(format, time, Level::Info, message, &[("url", url)]);
    String::from_utf8_lossy(&line).into_owned()
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("autamedica_signaling")
            && metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        if record.target() == CROWD && !lock(&self.crowd).pass((self.look.wall_time)()) {
            return;
        }
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        let lost = format!("{dropped} lines of this log were dropped");
        if dropped > 0 && !self.put(Level::Warn, &lost, &[("dropped", dropped)]) {
            self.dropped.fetch_add(dropped, Ordering::Relaxed);
        }
        if !self.put(record.level(), &record.args().to_string(), &record.key_values()) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {
        let (done, written) = sync_channel(1);
        let mut flush = Line::Flush(done);
        for _ in 0..FLUSH_TRIES_MAX {
            match self.lines.try_send(flush) {
                Ok(()) => {
                    // Fails if the writer is gone or stuck; then there is nothing left to wait for.
                    let _ = written.recv_timeout(FLUSH_TRY * FLUSH_TRIES_MAX);
                    return;
                }
                Err(TrySendError::Full(again)) => flush = again,
                Err(TrySendError::Disconnected(_)) => return,
            }
            thread::sleep(FLUSH_TRY);
        }
    }
}

impl Logger {
    fn put(&self, level: Level, message: &str, fields: &dyn Source) -> bool {
        let line = self.look.line(level, message, fields);
        self.lines.try_send(Line::Text(line)).is_ok()
    }
}

impl Look {
    fn line(self, level: Level, message: &str, fields: &dyn Source) -> Vec<u8> {
        write_line(self.format, (self.wall_time)(), level, message, fields)
    }
}

fn lock(crowd: &Mutex<Crowd>) -> MutexGuard<'_, Crowd> {
    crowd.lock().unwrap_or_else(|broken| broken.into_inner())
}

fn write_line(
    format: Format,
    time: WallTime,
    level: Level,
    message: &str,
    fields: &dyn Source,
) -> Vec<u8> {
    let mut line = Vec::with_capacity(128 + message.len());
    match format {
        Format::Json => {
            line.extend_from_slice(b"{\"timestamp\":\"");
            line.extend_from_slice(&time.to_iso8601());
            line.extend_from_slice(b"\",\"level\":\"");
            line.extend_from_slice(level.as_str().to_ascii_lowercase().as_bytes());
            line.extend_from_slice(b"\",\"message\":");
            json::write_string(&mut line, message);
            // This cannot fail, and a field that did would be left out.
            let _ = fields.visit(&mut JsonFields(&mut line));
            line.push(b'}');
        }
        Format::Text { colour } => {
            let (on, off) = if colour { (colour_of(level), "\x1b[0m") } else { ("", "") };
            line.extend_from_slice(&time.to_iso8601());
            line.extend_from_slice(format!(" {on}{level:<5}{off} ").as_bytes());
            push_line(&mut line, message);
            let _ = fields.visit(&mut TextFields(&mut line, colour));
        }
    }
    line.push(b'\n');
    line
}

/// Writes `,"name":value`: numbers and booleans as such, everything else as a string. A missing
/// value is left out.
struct JsonFields<'a>(&'a mut Vec<u8>);

impl<'kvs> VisitSource<'kvs> for JsonFields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        if is_absent(&value) {
            return Ok(());
        }
        self.0.push(b',');
        json::write_string(self.0, key.as_str());
        self.0.push(b':');
        let text = value.to_string();
        if value.to_u64().is_some() || value.to_i64().is_some() || value.to_bool().is_some() {
            self.0.extend_from_slice(text.as_bytes());
        } else {
            json::write_string(self.0, &text);
        }
        Ok(())
    }
}

/// Writes ` name=value`.
struct TextFields<'a>(&'a mut Vec<u8>, bool);

impl<'kvs> VisitSource<'kvs> for TextFields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        if is_absent(&value) {
            return Ok(());
        }
        let (dim, off) = if self.1 { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        self.0.extend_from_slice(format!(" {dim}{key}={off}").as_bytes());
        push_line(self.0, &value.to_string());
        Ok(())
    }
}

fn is_absent(value: &Value<'_>) -> bool {
    value.to_borrowed_str().is_none() && value.to_string() == "None"
}

/// Appends a text without line breaks: a line stays a line, whatever a message contains.
fn push_line(line: &mut Vec<u8>, text: &str) {
    line.extend(text.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }));
}

const fn colour_of(level: Level) -> &'static str {
    match level {
        Level::Error => "\x1b[31m",
        Level::Warn => "\x1b[33m",
        Level::Info => "\x1b[32m",
        Level::Debug | Level::Trace => "\x1b[34m",
    }
}

fn write_lines(queue: &Receiver<Line>, look: Look, crowd: &Mutex<Crowd>) {
    let mut output = io::stdout();
    // If the log cannot be written, nobody can be told, and the calls go on.
    let mut write = |line: &[u8]| drop(output.write_all(line).and_then(|()| output.flush()));
    loop {
        let line = match queue.recv_timeout(Duration::from_millis(COUNTED_MS)) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let last_words = matches!(line, Some(Line::Flush(_)));
        let left_out = lock(crowd).left_out((look.wall_time)(), last_words);
        if let Some(count) = left_out {
            let told = format!("{count} lines that anybody can cause were left out");
            write(&look.line(Level::Warn, &told, &[("suppressed", count)]));
        }
        match line {
            Some(Line::Text(line)) => write(&line),
            Some(Line::Flush(done)) => drop(done.send(())),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: WallTime = WallTime::from_millis(0);

    fn line(format: Format, message: &str, fields: &[(&str, Value<'_>)]) -> String {
        String::from_utf8(write_line(format, TIME, Level::Warn, message, &fields)).expect("UTF-8")
    }

    #[test]
    fn a_message_or_field_cannot_forge_a_second_line() {
        let fields = [("f", Value::from("x\n\"y\""))];
        assert_eq!(
            line(Format::Json, "a\n\"b\"", &fields),
            "{\"timestamp\":\"1970-01-01T00:00:00.000Z\",\"level\":\"warn\",\"message\":\"a\\n\\\"b\\\"\",\
             \"f\":\"x\\n\\\"y\\\"\"}\n"
        );
        assert_eq!(
            line(Format::Text { colour: false }, "a\r\nb", &fields),
            "1970-01-01T00:00:00.000Z WARN  a  b f=x \"y\"\n"
        );
    }

    #[test]
    fn numbers_are_numbers_and_what_is_absent_is_left_out() {
        let absent: Option<&str> = None;
        let fields = [
            ("connection", Value::from(7)),
            ("userId", Value::from_display(&"None the wiser")),
            ("role", Value::from_debug(&absent)),
            ("emergency", Value::from(true)),
        ];
        let text = line(Format::Text { colour: false }, "m", &fields);
        assert!(text.ends_with(" m connection=7 userId=None the wiser emergency=true\n"), "{text}");
        let json = line(Format::Json, "m", &fields);
        let expected = r#""connection":7,"userId":"None the wiser","emergency":true}"#;
        assert!(json.trim_end().ends_with(expected), "{json}");
    }
}
