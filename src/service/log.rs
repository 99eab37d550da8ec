//! The operational log: lines on standard output, written by a thread of its own so that a slow terminal or pipe never
//! holds up the reactor. Lines that find the queue full are dropped, counted, and told of.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::base::time::WallTime;
use crate::wire::json;

/// How many lines may wait to be written.
const QUEUE_LINES_MAX: usize = 4_096;

/// How long a flush waits for a terminal or pipe that takes nothing: once for room in the queue, once for the writing. The
/// program is to end then, with or without its last lines.
const FLUSH_TRIES_MAX: u32 = 100;
const FLUSH_TRY: Duration = Duration::from_millis(10);

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Our side of the `log` facade.
#[derive(Debug)]
struct Logger {
    lines: SyncSender<Line>,
    dropped: AtomicU64,
    wall_time: fn() -> WallTime,
    format: Format,
}

#[derive(Debug)]
enum Line {
    Text(Vec<u8>),
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
}

/// Makes the program's log write to standard output. Only this crate's own lines are written: what a dependency logs has not
/// been checked for patients' data.
///
/// # Errors
/// Where another logger is in place, or no thread can be had.
pub fn install(level: LevelFilter, format: Format, wall_time: fn() -> WallTime) -> io::Result<()> {
    let (lines, queue) = sync_channel(QUEUE_LINES_MAX);
    thread::Builder::new().name("log".to_owned()).spawn(move || write_lines(&queue))?;
    let logger = Logger { lines, dropped: AtomicU64::new(0), wall_time, format };
    log::set_boxed_logger(Box::new(logger)).map_err(io::Error::other)?;
    log::set_max_level(level);
    Ok(())
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
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0
            && !self.put(Level::Warn, &format!("{dropped} lines of this log were dropped"))
        {
            self.dropped.fetch_add(dropped, Ordering::Relaxed);
        }
        if !self.put(record.level(), &record.args().to_string()) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {
        let (done, written) = sync_channel(1);
        let mut flush = Line::Flush(done);
        for _ in 0..FLUSH_TRIES_MAX {
            match self.lines.try_send(flush) {
                Ok(()) => {
                    // Fails where the writer is gone or stuck, and then nothing is left to wait for.
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
    fn put(&self, level: Level, message: &str) -> bool {
        let line = write_line(self.format, (self.wall_time)(), level, message);
        self.lines.try_send(Line::Text(line)).is_ok()
    }
}

fn write_line(format: Format, time: WallTime, level: Level, message: &str) -> Vec<u8> {
    let mut line = Vec::with_capacity(64 + message.len());
    match format {
        Format::Json => {
            line.extend_from_slice(b"{\"timestamp\":\"");
            line.extend_from_slice(&time.to_iso8601());
            line.extend_from_slice(b"\",\"level\":\"");
            line.extend_from_slice(level.as_str().to_ascii_lowercase().as_bytes());
            line.extend_from_slice(b"\",\"message\":");
            json::write_string(&mut line, message);
            line.push(b'}');
        }
        Format::Text => {
            line.extend_from_slice(&time.to_iso8601());
            line.extend_from_slice(format!(" {level:<5} ").as_bytes());
            // A line is a line, whatever a message holds.
            line.extend(
                message.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }),
            );
        }
    }
    line.push(b'\n');
    line
}

fn write_lines(queue: &Receiver<Line>) {
    let mut output = io::stdout();
    for line in queue {
        match line {
            // Nobody can be told that the log cannot be written, and the calls go on.
            Line::Text(line) => drop(output.write_all(&line).and_then(|()| output.flush())),
            Line::Flush(done) => drop(done.send(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_forge_a_second_line() {
        let time = WallTime::from_millis(0);
        let json = write_line(Format::Json, time, Level::Info, "a\n\"b\"");
        assert_eq!(
            String::from_utf8_lossy(&json),
            "{\"timestamp\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\",\"message\":\"a\\n\\\"b\\\"\"}\n"
        );
        let text = write_line(Format::Text, time, Level::Warn, "a\r\nb");
        assert_eq!(String::from_utf8_lossy(&text), "1970-01-01T00:00:00.000Z WARN  a  b\n");
    }
}
