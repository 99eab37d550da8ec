//! Ground: basics that every floor uses, and that know nothing of signaling.

pub mod arena;
pub mod bucket;
pub mod cidr;
pub mod deadlines;
pub mod hex;
pub mod histogram;
pub mod limits;
pub mod redacted;
pub mod time;
