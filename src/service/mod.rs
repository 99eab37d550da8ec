//! The wing of floor 6: the operational log, the audit log, the pages, the checks of the network
//! and of health, the resources of the process, reports to its supervisor, and work beside the
//! event loops. The only place that owns threads and files.

pub mod audit;
pub mod crowd;
pub mod demo;
pub mod health;
pub mod log;
pub mod names;
pub mod network;
pub mod process;
pub mod session_log;
pub mod supervisor;
pub mod worker;
