//! The wing of floor 6: the operational log, the pages, the check of the network. The only place that owns threads and files.

pub mod demo;
pub mod log;
pub mod network;
