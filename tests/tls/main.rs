//! TLS in the server itself: valid clients, invalid clients, and what a call in progress notices of
//! them.
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
mod turns;
