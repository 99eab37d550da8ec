//! Floor 1: wire formats. HTTP, the WebSocket upgrade and frames, Engine.IO and Socket.IO, tokens,
//! proxy headers, STUN, the expiry of a certificate.

pub mod dns;
pub mod engine_io;
pub mod forwarded;
pub mod frame;
pub mod http;
pub mod ice_url;
pub mod json;
pub mod jwt;
pub mod members;
pub mod proxy_header;
pub mod quick;
mod scan;
pub mod sdp;
pub mod sid;
pub mod socket_io;
pub mod stun;
pub mod turn;
pub mod upgrade;
pub mod x509;
