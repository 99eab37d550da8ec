//! Reports to a service manager (sd_notify(3)): that the server is ready, that it is ending, that
//! it is alive, and its status in one line. They are datagrams to a socket that the manager names,
//! so no library is needed.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time;

use crate::base::time::Duration;

/// How often the server is checked, unless the manager wants to hear of it more often.
const TICK: Duration = Duration::from_secs(1);

/// After how many checks the status line is sent again, if it has changed: each one is work for the
/// manager.
const STATUS_TICKS: u32 = 10;

/// The state of an event loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulse {
    /// It responds.
    Turns,
    /// It does not respond in time.
    Stuck,
    /// It has ended.
    Ended,
}

/// The server as the supervisor sees it.
pub trait Supervised: Send + 'static {
    /// The state of each event loop. Waits for their answers, but no longer than `patience` in
    /// total.
    fn pulses(&mut self, patience: Duration) -> Vec<Pulse>;

    /// Whether the server has been told to stop.
    fn is_stopping(&self) -> bool;

    /// The current number of connections.
    fn connections(&self) -> u64;
}

/// The manager's socket.
#[derive(Debug)]
pub struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Manager {
    /// Opens the socket at the address in `NOTIFY_SOCKET`: a path, or `@` and an abstract name.
    ///
    /// # Errors
    /// If that is no such address, or the system has no socket left.
    pub fn at(name: &OsStr) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'@', abstract_name @ ..] => abstract_address(abstract_name)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let socket = UnixDatagram::unbound()?;
        // A manager that does not read must not block us.
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address })
    }

    fn tell(&self, state: &str) -> bool {
        let sent = self.socket.send_to_addr(state.as_bytes(), &self.address);
        match sent {
            Ok(_) => true,
            Err(error) => {
                log::debug!("the service manager was not told {state}: {error}");
                false
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_name: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The thread that reports to the manager. It ends when this is dropped.
#[derive(Debug)]
pub struct Watch {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to report `server` to `manager`: that it is ready, once every event loop has
    /// answered, and so on. `watchdog` is how long the manager waits for a keep-alive before it
    /// kills the process. None is sent while a loop is stuck.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn begin(
        manager: Manager,
        watchdog: Option<Duration>,
        server: impl Supervised,
    ) -> io::Result<Self> {
        let (end, ended) = channel();
        let told = Told { manager, watchdog, ready: false, stopping: false, status: String::new() };
        let thread = thread::Builder::new().name("supervisor".to_owned());
        let thread = thread.spawn(move || told.go_on(server, &ended))?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // Its result carries no information.
            let _ = thread.join();
        }
    }
}

/// What the manager has been told so far.
struct Told {
    manager: Manager,
    watchdog: Option<Duration>,
    ready: bool,
    stopping: bool,
    status: String,
}

impl Told {
    /// Runs until the other end of `ended` is dropped.
    fn go_on(mut self, mut server: impl Supervised, ended: &Receiver<()>) {
        // A keep-alive is sent after half of the time, or after three quarters if a loop takes as
        // long as it may: a busy loop is not a stuck one.
        let tick = self.watchdog.map_or(TICK, |every| TICK.min(half(every)));
        let patience = self.watchdog.map_or(half(TICK), |every| half(half(every)));
        let mut ticks = 0_u32;
        loop {
            let status_is_due = ticks.is_multiple_of(STATUS_TICKS);
            self.look(&mut server, patience, status_is_due);
            ticks = ticks.wrapping_add(1);
            if ended.recv_timeout(std_time(tick)) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        self.say_stopping();
    }

    fn look(&mut self, server: &mut impl Supervised, patience: Duration, status_is_due: bool) {
        let stopping = server.is_stopping();
        if stopping {
            self.say_stopping();
        }
        if self.watchdog.is_some() || !self.ready {
            let pulses = server.pulses(patience);
            let alive = is_alive(&pulses, stopping);
            if alive && !stopping && !self.ready {
                self.ready = self.manager.tell("READY=1");
            }
            if alive && self.watchdog.is_some() {
                self.manager.tell("WATCHDOG=1");
            }
        }
        let status = status(stopping, server.connections());
        if (status_is_due || stopping) && self.ready && status != self.status {
            self.manager.tell(&format!("STATUS={status}"));
            self.status = status;
        }
    }

    fn say_stopping(&mut self) {
        if !self.stopping {
            self.stopping = self.manager.tell("STOPPING=1");
        }
    }
}

/// Whether a keep-alive may be sent: not while a loop is stuck. A loop may have ended only if the
/// server is stopping.
fn is_alive(pulses: &[Pulse], stopping: bool) -> bool {
    pulses.iter().all(|pulse| match pulse {
        Pulse::Turns => true,
        Pulse::Ended => stopping,
        Pulse::Stuck => false,
    })
}

fn status(stopping: bool, connections: u64) -> String {
    let what = if stopping { "shutting down" } else { "serving" };
    format!("{what}, {connections} connections")
}

const fn half(duration: Duration) -> Duration {
    Duration::from_micros(duration.as_micros() / 2)
}

const fn std_time(duration: Duration) -> time::Duration {
    time::Duration::from_micros(duration.as_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stuck_loop_is_no_sign_of_life_and_an_ended_one_only_at_the_end() {
        use Pulse::{Ended, Stuck, Turns};
        assert!(is_alive(&[Turns, Turns], false));
        assert!(!is_alive(&[Turns, Stuck], false));
        assert!(!is_alive(&[Stuck, Turns], true));
        assert!(!is_alive(&[Turns, Ended], false), "where one ends, all should");
        assert!(is_alive(&[Turns, Ended], true));
        assert!(is_alive(&[Ended, Ended], true));
    }

    #[test]
    fn an_address_that_is_none_is_refused() {
        for name in ["", "relative", "vsock:2:1234"] {
            assert!(Manager::at(OsStr::new(name)).is_err(), "{name}");
        }
        assert!(Manager::at(OsStr::new(&format!("/{}", "x".repeat(200)))).is_err());
    }
}
