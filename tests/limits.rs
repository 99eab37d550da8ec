//! Each limit against a client that ignores it, over real sockets. Meanwhile a call goes on, and
//! loses nothing.

mod common;

#[path = "limits/beside.rs"]
mod beside;
#[path = "limits/crowds.rs"]
mod crowds;
#[path = "limits/document.rs"]
mod document;
#[path = "limits/door.rs"]
mod door;
#[path = "limits/full.rs"]
mod full;
#[path = "limits/memory.rs"]
mod memory;
#[path = "limits/messages.rs"]
mod messages;
#[path = "limits/rooms.rs"]
mod rooms;
#[path = "limits/times.rs"]
mod times;
#[path = "limits/waiting.rs"]
mod waiting;
