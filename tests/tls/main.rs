//! TLS in the server itself: who speaks it well, who does not, and what a call beside them notices of that.
#![cfg(feature = "tls")]

#[path = "../common/mod.rs"]
mod common;

mod calls;
mod costs;
mod crowds;
mod ends;
mod process;
mod programs;
mod reload;
mod strangers;
