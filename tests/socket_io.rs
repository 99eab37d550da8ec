//! Socket.IO clients, valid and invalid, byte by byte: what they receive, the result of violations,
//! and that every limit applies to them too. The real clients are tested in `tests/browser`.

mod common;

#[path = "socket_io/client.rs"]
mod client;
#[path = "socket_io/limits.rs"]
mod limits;
#[path = "socket_io/moving.rs"]
mod moving;
#[path = "socket_io/polling.rs"]
mod polling;
#[path = "socket_io/refused.rs"]
mod refused;
#[path = "socket_io/web_socket.rs"]
mod web_socket;
