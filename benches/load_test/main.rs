//! The load test: people in sessions, who send on schedule whatever the server does, and a verdict.
//!
//! `make load-test SESSIONS=100 DURATION=60s`; [docs/load-test.md](../../docs/load-test.md)
//! describes the rest.

use std::process::ExitCode;

#[path = "mod.rs"]
mod load_test;

fn main() -> ExitCode {
    load_test::run(std::env::args().skip(1)).into()
}
