//! The wing of floor 6: the operational log, the audit log, the pages, the check of the network, what the process uses. The only place that owns
//! threads and files.

pub mod audit;
pub mod demo;
pub mod log;
pub mod names;
pub mod network;
pub mod process;
pub mod session_log;
