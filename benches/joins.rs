//! What the audit log costs when people join: how many joins per second a server handles with the
//! log written ahead, and without one, in the same run. Several people join at the same time, so
//! that their records share a sync.
//!
//! `cargo bench --bench joins`; `-- --test` uses few joins and judges nothing.

#[path = "support/mod.rs"]
mod support;

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Instant;

use autamedica_signaling::reactor::clock::wall_time;
use support::client::Client;
use support::clinic::Person;
use support::server::Running;

/// How many people join at the same time.
const CROWD: u32 = 64;

fn main() {
    let measures = std::env::args().any(|arg| arg == "--bench")
        && !std::env::args().any(|arg| arg == "--test");
    let joins = if measures { 6_000 } else { 128 };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("joins-bench").join("audit");
    println!(
        "{joins} joins, {CROWD} at a time, each a connection with its token and a room of its own"
    );
    let without = rate(&Running::start(), joins);
    println!("without an audit log: {without:.0} a second");
    let with = rate(&Running::start_with_log(&folder), joins);
    println!("written ahead:        {with:.0} a second, {:.2} of that", with / without);
}

/// Joins per second.
fn rate(server: &Running, joins: u32) -> f64 {
    let (address, next) = (server.address(), AtomicU32::new(0));
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CROWD {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= joins {
                        return;
                    }
                    drop(Client::join(address, &Person::new(number, 0), wall_time()));
                }
            });
        }
    });
    f64::from(joins) / begun.elapsed().as_secs_f64()
}
