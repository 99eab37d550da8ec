//! Clients of Socket.IO, right and wrong, byte by byte: what they get, what becomes of those who do what they may not, and that
//! every limit holds for them too. The real clients are tested in `tests/browser`.

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
