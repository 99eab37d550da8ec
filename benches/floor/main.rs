//! The CPU time of the server, compared with the least that any program needs to pass the same
//! bytes between the same sockets: a loop that waits, reads and writes, and inspects nothing. Both
//! run in this program, each on threads of its own. They take turns, and only their own threads are
//! measured. Everything stays on one processor.
//!
//! `cargo bench --bench floor`; `-- --test` does everything once and judges nothing.

mod calls;
mod crowd;
mod forwarder;
mod relay;
#[path = "../support/mod.rs"]
mod support;

fn main() {
    let has = |name: &str| std::env::args().any(|arg| arg == name);
    let measures = has("--bench") && !has("--test");
    support::threads::stay_on_one_processor();
    println!(
        "{:<44} {:>12} {:>12} {:>8}",
        "processor time, microseconds", "server", "floor", "ratio"
    );
    let delays = relay::bench(measures);
    calls::bench(measures);
    println!(
        "\n{:<44} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "delay from client to client, microseconds", "p50", "p90", "p99", "p99.9", "max"
    );
    for (name, delays) in delays {
        let us = |quantile: f64| delays.value_at_quantile(quantile) as f64 / 1e3;
        println!(
            "{name:<44} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>9.1}",
            us(0.5),
            us(0.9),
            us(0.99),
            us(0.999),
            us(1.0)
        );
    }
}

/// A row of the table: the median of each of the two, over alternating turns.
fn print_row(name: &str, mut turns: Vec<[f64; 2]>) -> [f64; 2] {
    let mut median = |which: usize| {
        turns.sort_by(|a, b| a[which].total_cmp(&b[which]));
        turns[turns.len() / 2][which]
    };
    let [server, floor] = [0, 1].map(&mut median);
    println!("{name:<44} {server:>12.2} {floor:>12.2} {:>8.2}", server / floor);
    [server, floor]
}
