//! The administrator's listener: who may ask, what it tells, what it does, and what the audit log says of that.

#[path = "../common/mod.rs"]
mod common;

mod access;
mod acting;
mod loops;
mod numbers;
mod prometheus;
mod restart;
mod socket_io;
mod support;
