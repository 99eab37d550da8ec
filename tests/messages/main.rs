//! What clients say and what the server says, by the wire contract: what is read, what is refused with which code, and
//! which fields each notice has.

mod bounds;
mod fields;
mod ids;
mod notices;
mod optional;
mod read;
mod shapes;
mod write;
