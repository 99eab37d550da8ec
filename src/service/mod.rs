//! The wing of floor 6: the operational log and the pages. The only place that owns threads and files.

pub mod demo;
pub mod log;
