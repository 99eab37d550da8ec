//! Floor 1: how it is written. HTTP, the WebSocket upgrade and frames, tokens, STUN.

pub mod dns;
pub mod frame;
pub mod http;
pub mod ice_url;
pub mod json;
pub mod jwt;
pub mod members;
pub mod sdp;
pub mod stun;
pub mod turn;
pub mod upgrade;
