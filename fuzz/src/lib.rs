//! What the fuzz targets share: choices read from an input, a stream that is cut anywhere, JSON read the slow way, and a
//! reactor without sockets with the clients that it serves.

mod carried;
pub mod choices;
pub mod client;
pub mod hall;
mod hearing;
pub mod history;
pub mod inbound;
pub mod json;
pub mod people;
