//! A WebRTC signaling server. Through it a doctor and a patient find each other and set up an
//! encrypted video call.
//!
//! - [`Server`]: the whole server, from a [`Config`] to its sockets.
//! - [`engine::Engine`]: the rooms alone, pure, for those who bring their own transport.
//! - [`reactor::Reactor`] with a [`connection::Application`]: the WebSocket layer alone.
//!
//! The modules are layers ("floors"), from the top down: `reactor` and its wing `service` (sockets,
//! clock, threads, files), `connection`, `engine`, `admission`, `message`, `wire`, `base`. Each
//! uses only those below it.

pub mod admission;
pub mod base;
pub mod config;
pub mod connection;
pub mod engine;
pub mod message;
pub mod reactor;
mod server;
pub mod service;
pub mod wire;

pub use config::Config;
pub use server::{BindError, EntriesLost, Entry, Handle, Inherited, Journal, Server};

/// Compiles and runs the code in `docs/embedding.md` like any other example.
#[cfg(doctest)]
#[doc = include_str!("../docs/embedding.md")]
struct EmbeddingDocument;
