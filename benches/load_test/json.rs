//! All figures as JSON, for other programs.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::options::{Mode, Options};
use super::run::{Outcome, Second, histograms};
use super::verdict::{Judged, is_good};

pub fn report(options: &Options, outcome: &Outcome, rows: &[Judged]) -> Value {
    let counts = &outcome.total.counts;
    let delays: Map<String, Value> = histograms(&outcome.total)
        .into_iter()
        .zip(["relay", "relayAfterCut", "callSetUp", "join", "loadTestLate"])
        .map(|((_, histogram), name)| (name.to_owned(), percentiles(histogram)))
        .collect();
    json!({
        "version": 1,
        "good": is_good(rows),
        "interrupted": outcome.interrupted,
        "asked": {
            "mode": match options.mode { Mode::Trickle => "trickle", Mode::Calls => "calls" },
            "sessions": options.sessions,
            "connections": options.connections_wanted(),
            "rate": options.rate(),
            "durationSeconds": options.duration.as_secs_f64(),
            "cutShare": options.cut,
            "threads": options.threads,
        },
        "verdict": rows.iter().map(judged).collect::<Vec<_>>(),
        "microseconds": delays,
        "counts": {
            "due": counts.due,
            "sent": counts.sent,
            "received": counts.received,
            "lost": counts.lost,
            "duplicated": counts.duplicated,
            "reordered": counts.reordered,
            "undone": counts.undone,
            "calls": counts.calls,
            "cuts": counts.cuts,
            "resumed": counts.resumed,
            "notResumed": counts.not_resumed,
            "bytesSent": counts.bytes_sent,
            "bytesReceived": counts.bytes_received,
        },
        "errors": outcome.total.errors,
        "server": {
            "cpuShare": outcome.cpu_share(),
            "residentBytesBefore": outcome.before.map(|sample| sample.resident_bytes),
            "residentBytesMax": outcome.resident_max(),
        },
        "connectionsHeld": outcome.connections_held(),
        "bytesPerSecond": outcome.bytes_per_second(),
        "measuredSeconds": [outcome.window.0, outcome.window.1],
        "seconds": outcome.seconds.iter().map(second).collect::<Vec<_>>(),
    })
}

fn judged(row: &Judged) -> Value {
    json!({
        "what": row.what,
        "unit": row.unit,
        "measured": row.measured.filter(|measured| measured.is_finite()),
        (if row.is_floor { "atLeast" } else { "atMost" }): row.limit,
        "met": row.is_met(),
    })
}

fn percentiles(histogram: &Histogram<u64>) -> Value {
    let at = |quantile| histogram.value_at_quantile(quantile);
    json!({
        "count": histogram.len(),
        "mean": histogram.mean(),
        "p50": at(0.5),
        "p90": at(0.9),
        "p99": at(0.99),
        "p99.9": at(0.999),
        "max": histogram.max(),
    })
}

fn second(second: &Second) -> Value {
    let counts = &second.stats.counts;
    json!({
        "at": second.at,
        "inside": counts.inside,
        "sent": counts.sent,
        "received": counts.received,
        "calls": counts.calls,
        "cuts": counts.cuts,
        "bytes": counts.bytes_sent + counts.bytes_received,
        "relayMicroseconds": percentiles(&second.stats.delay),
        "cpuShare": second.cpu,
        "residentBytes": second.resident_bytes,
        "errors": second.stats.errors(),
    })
}
