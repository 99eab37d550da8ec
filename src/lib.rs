//! The WebRTC signaling server through which a doctor and a patient find each other and set up an encrypted video call.
//!
//! - [`Server`]: the whole server, from a [`Config`] to its sockets.
//! - [`engine::Engine`]: the rooms alone, pure, for those who bring their own transport.
//! - [`reactor::Reactor`] with a [`connection::Application`]: the WebSocket layer alone.
//!
//! Modules are floors, and use only those below them: `reactor` and its wing `service` (sockets, clock, threads, files),
//! `connection`, `engine`, `admission`, `message`, `wire`, `base`.

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
pub use server::{BindError, Entry, Handle, Inherited, Journal, Server};

/// What `docs/embedding.md` shows is compiled and run like any other example.
#[cfg(doctest)]
#[doc = include_str!("../docs/embedding.md")]
struct EmbeddingDocument;
