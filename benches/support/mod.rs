//! Shared by benches and counting tests: people, their messages, and a client that allocates
//! nothing once it has joined.

#![allow(dead_code, reason = "each program that includes this uses a part of it")]

pub mod client;
pub mod clinic;
pub mod process;
pub mod room;
pub mod server;
pub mod threads;
