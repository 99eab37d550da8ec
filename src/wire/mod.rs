//! Floor 1: how it is written. HTTP, the WebSocket upgrade and frames, tokens.

pub mod frame;
pub mod http;
pub mod json;
pub mod jwt;
pub mod members;
pub mod sdp;
pub mod upgrade;
