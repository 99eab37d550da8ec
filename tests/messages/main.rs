//! The messages of clients and of the server: what is accepted, what is refused with which code,
//! and which fields each notice has.

mod bounds;
mod fields;
mod ids;
mod notices;
mod optional;
mod read;
mod shapes;
mod write;
