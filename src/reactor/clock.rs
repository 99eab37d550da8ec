//! The only place that asks what time it is and draws random bits. Clocks that the standard library
//! does not know are read in `service/process.rs` for it.

use std::time;

use uuid::Uuid;

use crate::base::time::{Instant, Now, WallTime};
use crate::service::process;

/// Reads both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: time::Instant,
}

impl Clock {
    /// A clock whose monotonic time starts now.
    pub fn new() -> Self {
        Self { start: time::Instant::now() }
    }

    /// The time on both clocks.
    pub fn read(&self) -> Now {
        Now { instant: self.instant(), wall: wall_time() }
    }

    /// The time on the monotonic clock.
    pub fn instant(&self) -> Instant {
        let micros = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        Instant::from_micros(micros)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// The time since the machine was switched on. Unlike the monotonic clock, this one goes on while the
/// machine is suspended, as the wall clock does.
pub fn since_boot() -> Instant {
    Instant::from_micros(process::since_boot_micros())
}

/// The time on the wall clock.
pub fn wall_time() -> WallTime {
    let since_epoch = time::SystemTime::now().duration_since(time::UNIX_EPOCH);
    // A clock before 1970 is not set yet; every token is refused until it is.
    let millis = since_epoch.map_or(0, |since| since.as_millis());
    WallTime::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// A random id (RFC 9562 5.4), from the operating system's entropy.
pub fn random_uuid() -> Uuid {
    Uuid::new_v4()
}

/// A random secret of 32 bytes in which at least 244 bits are random.
pub fn random_secret() -> [u8; 32] {
    let mut secret = [0; 32];
    secret[..16].copy_from_slice(random_uuid().as_bytes());
    secret[16..].copy_from_slice(random_uuid().as_bytes());
    secret
}
