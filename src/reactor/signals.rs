//! Signals that are no events of a loop.

use std::io;
use std::sync::Arc;

use signal_hook::consts::SIGXFSZ;

/// Past a limit of the size of files (`RLIMIT_FSIZE`), a write fails from now on like one on a full
/// disk. Without this, the system ends the program without a word.
///
/// # Errors
/// If the handler cannot be installed.
pub fn outlive_limit_of_files() -> io::Result<()> {
    // It is enough that there is a handler: nobody reads the flag.
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map(drop)
}
