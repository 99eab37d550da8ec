//! The administrator's listener: who may use it, what it shows, what it does, and the audit records
//! of that.

#[path = "../common/mod.rs"]
mod common;

mod access;
mod acting;
mod loops;
mod numbers;
mod prometheus;
mod restart;
mod socket_io;
mod stuck;
mod support;
