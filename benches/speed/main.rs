//! How long the steps of handling a message take, each compared with its floor: the least that any
//! program would do with the same bytes.
//!
//! `cargo bench --bench speed` measures everything and ends with a table of ratios, `-- FILTER`
//! some of it, and `-- --test` runs each once.

mod frames;
mod messages;
mod ratios;
mod relay;
#[path = "../support/mod.rs"]
mod support;
mod turn;

fn main() {
    let mut speed = ratios::Speed::from_args();
    frames::bench(&mut speed);
    messages::bench(&mut speed);
    relay::bench(&mut speed);
    turn::bench(&mut speed);
    speed.finish();
}
