//! Ground: what every floor stands on and what knows nothing of signaling.

pub mod arena;
pub mod bucket;
pub mod cidr;
pub mod deadlines;
pub mod hex;
pub mod histogram;
pub mod limits;
pub mod redacted;
pub mod time;
