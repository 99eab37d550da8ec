//! Delivers checkpoints: to a file, or as syslog. It runs on its own thread, so that a slow
//! receiver holds nothing up.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use crate::base::time::WallTime;

use super::Checkpoint;

/// How many checkpoints may wait: about an hour's worth.
const QUEUE_MAX: usize = 64;

/// The timeout for connecting to a receiver, and for sending to it.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the end of the log waits for all that is still to be delivered.
const FAREWELL: Duration = Duration::from_secs(3);

/// Facility 13 (log audit), severity 5 (notice): RFC 5424 6.2.1.
const PRIORITY: u32 = 13 * 8 + 5;

/// The handle of the thread.
#[derive(Debug)]
pub struct Announcer {
    lines: SyncSender<(WallTime, String)>,
    progress: Arc<Progress>,
    /// Its other end is dropped when the thread ends.
    over: Receiver<()>,
}

/// What handle and thread know of each other.
#[derive(Debug, Default)]
struct Progress {
    /// Checkpoints that are not yet delivered.
    waiting: AtomicU64,
    /// Checkpoints that could not be delivered.
    failed: AtomicU64,
    /// Nobody waits for the rest any more: it need not be tried.
    abandoned: AtomicBool,
}

impl Announcer {
    /// Starts the thread.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(target: Checkpoint) -> io::Result<Self> {
        let (lines, queue) = sync_channel(QUEUE_MAX);
        let (until_dropped, over) = sync_channel(0);
        let progress = Arc::new(Progress::default());
        let shared = Arc::clone(&progress);
        thread::Builder::new().name("audit-checkpoint".to_owned()).spawn(move || {
            send_all(target, &queue, &shared);
            drop(until_dropped);
        })?;
        Ok(Self { lines, progress, over })
    }

    /// Queues a checkpoint to be sent.
    pub fn tell(&self, time: WallTime, line: String) {
        self.progress.waiting.fetch_add(1, Ordering::Relaxed);
        if self.lines.try_send((time, line)).is_err() {
            self.progress.waiting.fetch_sub(1, Ordering::Relaxed);
            self.progress.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many could not be delivered so far.
    pub fn failed(&self) -> u64 {
        self.progress.failed.load(Ordering::Relaxed)
    }

    /// Sends what is waiting, and ends the thread. A receiver that does not answer holds this up
    /// only for a moment.
    pub fn finish(self) {
        drop(self.lines);
        if self.over.recv_timeout(FAREWELL) == Err(RecvTimeoutError::Timeout) {
            self.progress.abandoned.store(true, Ordering::Relaxed);
            let waiting = self.progress.waiting.load(Ordering::Relaxed);
            log::warn!(
                "the last {waiting} checkpoints of the audit log could not be delivered: their \
                 receiver does not answer"
            );
        }
    }
}

fn send_all(target: Checkpoint, queue: &Receiver<(WallTime, String)>, progress: &Progress) {
    let mut sender = Sender { target, connection: None };
    let mut fine = true;
    for (time, line) in queue {
        if progress.abandoned.load(Ordering::Relaxed) {
            return;
        }
        let sent = sender.send(time, &line);
        progress.waiting.fetch_sub(1, Ordering::Relaxed);
        if let Err(error) = &sent {
            progress.failed.fetch_add(1, Ordering::Relaxed);
            if fine {
                log::warn!("a checkpoint of the audit log could not be delivered: {error}");
            }
        }
        fine = sent.is_ok();
    }
}

struct Sender {
    target: Checkpoint,
    connection: Option<TcpStream>,
}

impl Sender {
    fn send(&mut self, time: WallTime, line: &str) -> io::Result<()> {
        match &self.target {
            Checkpoint::File(path) => append(path, line),
            Checkpoint::Udp(address) => send_datagram(*address, &syslog(time, line)),
            Checkpoint::Tcp(address) => {
                let address = *address;
                let message = syslog(time, line);
                self.send_on_connection(address, &format!("{} {message}", message.len()))
            }
        }
    }

    /// Sends with octet counting (RFC 6587 3.4.1). A message on a connection that the receiver has
    /// just closed would be lost, so this is checked first.
    fn send_on_connection(&mut self, address: SocketAddr, message: &str) -> io::Result<()> {
        let mut connection = match self.connection.take().filter(is_open) {
            Some(connection) => connection,
            None => connect(address)?,
        };
        connection.write_all(message.as_bytes())?;
        self.connection = Some(connection);
        Ok(())
    }
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_data()
}

fn send_datagram(address: SocketAddr, message: &str) -> io::Result<()> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => ([0; 4], 0).into(),
        SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
    };
    UdpSocket::bind(any)?.send_to(message.as_bytes(), address).map(drop)
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let connection = TcpStream::connect_timeout(&address, PATIENCE)?;
    connection.set_write_timeout(Some(PATIENCE))?;
    Ok(connection)
}

/// A receiver sends nothing; all that can be read is the end of the connection.
fn is_open(connection: &TcpStream) -> bool {
    let look = || -> io::Result<usize> {
        connection.set_nonblocking(true)?;
        let read = (&mut &*connection).read(&mut [0; 64]);
        connection.set_nonblocking(false)?;
        read
    };
    match look() {
        Ok(bytes) => bytes > 0,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

/// A syslog message (RFC 5424 6). It names no host and no process: the text identifies them.
fn syslog(time: WallTime, line: &str) -> String {
    let time = time.to_iso8601();
    let time = String::from_utf8_lossy(&time);
    format!("<{PRIORITY}>1 {time} - autamedica-signaling - audit-checkpoint - {line}")
}
