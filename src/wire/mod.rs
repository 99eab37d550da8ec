//! Floor 1: how it is written. HTTP, the WebSocket upgrade and frames, tokens.

pub mod jwt;
pub mod members;
