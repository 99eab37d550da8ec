//! The parts of the load test, which a test runs as well.
//!
//! ```text
//!   options   the command line             run       the whole course, and its output meanwhile
//!   worker    a thread: sockets, schedule  session   two people and their call
//!   link      a socket, with TLS or not    frames    WebSocket, client side
//!   server    a server of our own          watch     the server's CPU time and memory
//!   stats     what is counted              verdict   whether the thresholds are met
//!   json, html, plot                       the reports
//! ```

mod alarm;
#[path = "../../src/service/health/anybody.rs"]
mod anybody;
mod frames;
mod html;
mod json;
mod link;
mod options;
mod people;
mod plot;
mod run;
mod schedule;
mod server;
mod session;
mod stats;
mod target;
mod verdict;
mod watch;
mod worker;

#[path = "../support/clinic.rs"]
#[allow(dead_code, reason = "a part of it is for benches")]
mod clinic;

/// All thresholds were met.
const GOOD: u8 = 0;
/// At least one was not.
const BAD: u8 = 1;
/// It could not be run.
const NOT_RUN: u8 = 2;

/// Runs the load test with these arguments, and returns the exit code.
pub fn run(args: impl Iterator<Item = String>) -> u8 {
    let options = match options::parse(args) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{}", options::HELP);
            return GOOD;
        }
        Err(problem) => {
            eprintln!("{problem}\nTry --help.");
            return NOT_RUN;
        }
    };
    match run::run(&options) {
        Ok(true) => GOOD,
        Ok(false) => BAD,
        Err(problem) => {
            eprintln!("{problem}");
            NOT_RUN
        }
    }
}
