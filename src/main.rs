//! The `autamedica-signaling` program.

fn main() {}
