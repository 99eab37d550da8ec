//! Only one process writes a log at a time. A successor waits for its predecessor, if it was told
//! to take over.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;

use rustix::process::{Pid, Signal, getpid, kill_process};

use super::OpenError;
use crate::base::time::Duration;

/// How often to check whether the predecessor has left.
const LOOK: Duration = Duration::from_millis(20);

/// Takes the lock of a folder. With `patience`, the process that holds the lock is asked to leave,
/// and given that long.
///
/// # Errors
/// If another process holds the lock, or it cannot be taken at all.
pub(super) fn take(folder: &Path, patience: Option<Duration>) -> Result<File, OpenError> {
    let path = folder.join("lock");
    let failed = |error| OpenError::Io(path.clone(), error);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut lock = options.open(&path).map_err(failed)?;
    let looks = patience.map_or(0, |patience| patience.as_micros() / LOOK.as_micros());
    let mut asked = None;
    for look in 0..=looks {
        match lock.try_lock() {
            Ok(()) => {
                if let Err(error) = leave_number(&mut lock) {
                    // The disk may be full. That is reported where records cannot be written, and
                    // is no reason not to start.
                    log::warn!("the next server could not take over from this one: {error}");
                }
                return Ok(lock);
            }
            Err(TryLockError::WouldBlock) if looks > 0 => {
                // Another process may have taken the lock in between.
                let owner = read(&mut lock).map_err(failed)?;
                if asked.as_ref() != Some(&owner) {
                    ask_to_leave(&owner);
                    asked = Some(owner);
                }
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        if look < looks {
            thread::sleep(std::time::Duration::from_micros(LOOK.as_micros()));
        }
    }
    Err(OpenError::Locked(folder.to_owned()))
}

/// Leaves our process id and name for a successor.
fn leave_number(lock: &mut File) -> io::Result<()> {
    let own = getpid();
    let name = name_of(own);
    lock.set_len(0)?;
    lock.rewind()?;
    match name {
        Some(name) => writeln!(lock, "{name}"),
        None => writeln!(lock, "{}", own.as_raw_nonzero()),
    }
}

/// The name that the process holding the lock has written; empty before it has written one.
fn read(lock: &mut File) -> io::Result<String> {
    let mut text = String::new();
    lock.rewind()?;
    lock.read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

/// Asks the process of this name to leave, if it is certain that it is the same process: in another
/// container, on another machine, or after some time, the process id may belong to anybody.
fn ask_to_leave(name: &str) {
    let number = name.split(' ').next().and_then(|number| number.parse().ok());
    let pid = number.filter(|number| *number > 0).and_then(Pid::from_raw);
    let Some(pid) = pid else { return };
    if pid == getpid() || name_of(pid).as_deref() != Some(name) {
        log::warn!(
            "whoever writes the audit log calls itself process {}, which is no process that may be asked from here: it has to be \
             stopped in another way",
            pid.as_raw_nonzero()
        );
        return;
    }
    log::info!("taking over from process {}", pid.as_raw_nonzero());
    // It may have ended just now; then the lock is free.
    let _ = kill_process(pid, Signal::TERM);
}

/// A name that no other process has or will have: its process id, its pid namespace, the boot of
/// the machine, and its start time. `None` if there is no such process here, or no `/proc`.
fn name_of(pid: Pid) -> Option<String> {
    let pid = pid.as_raw_nonzero();
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name of the program, in parentheses, and may contain anything
    // (proc_pid_stat(5)).
    let (_, fields) = stat.rsplit_once(')')?;
    let began = fields.split_whitespace().nth(19)?;
    // Some services may not read it. Then none of the servers here can, and they agree.
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let boot = if boot.is_empty() { "-" } else { boot.trim() };
    Some(format!("{pid} {} {boot} {began}", namespace.display()))
}
