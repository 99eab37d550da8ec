//! Attacks over real sockets, a table for each kind: what is sent, and the only permitted answer.
//! Meanwhile two others are in a call, which must not lose, reorder or delay anything, and must not
//! receive a byte from the attacker.

mod common;

// The first, since its macro makes tests of the tables.
#[macro_use]
#[path = "attacks/hall.rs"]
mod hall;

#[path = "attacks/abusers.rs"]
mod abusers;
#[path = "attacks/claims.rs"]
mod claims;
#[path = "attacks/forms.rs"]
mod forms;
#[path = "attacks/frames.rs"]
mod frames;
#[cfg(feature = "tls")]
#[path = "attacks/handshakes.rs"]
mod handshakes;
#[path = "attacks/heads.rs"]
mod heads;
#[path = "attacks/oversize.rs"]
mod oversize;
#[cfg(feature = "tls")]
#[path = "attacks/records.rs"]
mod records;
#[path = "attacks/replays.rs"]
mod replays;
#[path = "attacks/rooms.rs"]
mod rooms;
#[path = "attacks/tokens.rs"]
mod tokens;
#[path = "attacks/utf8.rs"]
mod utf8;
