//! WebSocket frames as a client sends them (RFC 6455 5), and as the server answers: what is
//! accepted, what is refused, and that it does not matter how the network splits the bytes.

mod client;
mod cuts;
mod refused;
mod utf8;
mod written;
