//! One process writes a log at a time. Whoever comes next waits for the one before it, where it is told to take over.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;

use rustix::process::{Pid, Signal, getpid, kill_process};

use super::OpenError;
use crate::base::time::Duration;

/// How often it is looked whether the one before has left.
const LOOK: Duration = Duration::from_millis(20);

/// Takes the lock of a folder. `patience`: so long the process that has it is waited for, after it was asked to leave.
///
/// # Errors
/// Where another process has it, or it cannot be had at all.
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
                    // The disk may be full. That is told where records cannot be written, and keeps nobody from starting.
                    log::warn!("the next server could not take over from this one: {error}");
                }
                return Ok(lock);
            }
            Err(TryLockError::WouldBlock) if looks > 0 => {
                // There may be one between the two.
                let owner = owner(&mut lock).map_err(failed)?;
                if let Some(pid) = owner.filter(|_| owner != asked) {
                    log::info!("taking over from process {}", pid.as_raw_nonzero());
                    // It may have ended just now, and then the lock is free.
                    let _ = kill_process(pid, Signal::TERM);
                    asked = owner;
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

/// Whoever comes next is to know whom to ask.
fn leave_number(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", getpid().as_raw_nonzero())
}

/// The process that has the lock, once it has left its number.
fn owner(lock: &mut File) -> io::Result<Option<Pid>> {
    let mut text = String::new();
    lock.rewind()?;
    lock.read_to_string(&mut text)?;
    let pid = text.trim().parse().ok().filter(|pid| *pid > 0);
    // Another process may have the same number in another namespace; this one at least is not the one before it.
    Ok(pid.and_then(Pid::from_raw).filter(|pid| *pid != getpid()))
}
