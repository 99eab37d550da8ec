//! Ground: what every floor stands on and what knows nothing of signaling.

pub mod arena;
pub mod deadlines;
pub mod redacted;
pub mod time;
