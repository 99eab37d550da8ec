//! The server in JSON: the statistics, and what the dashboard shows.

use super::history::{History, Interval};
use super::json::Json;
use super::view::{Bounds, View};
use crate::base::histogram::Histogram;
use crate::base::time::{Duration, WallTime};

/// The window over which rates are computed.
const RATES: Duration = Duration::from_secs(10);

/// The window for the share of errors and for percentiles.
const SHARES: Duration = Duration::from_secs(60);

const MICROS: f64 = 1e6;

/// `/stats`: the seven main numbers, and some more.
pub fn stats(view: &View, history: &History) -> Vec<u8> {
    Json::object(|json| {
        seven(json, view, history);
        let counters = &view.counters;
        json.whole("participants", counters.participants);
        json.whole("connectionsAccepted", counters.accepted);
        json.whole("messagesReceived", counters.received);
        json.whole("messagesRelayed", counters.relayed);
        json.whole("errors", counters.errors.sum());
        json.whole("sessionsEnded", counters.rooms_ended);
        json.flag("auditAvailable", view.audit_ok());
        json.flag("draining", view.draining);
        json.text("version", env!("CARGO_PKG_VERSION"));
    })
}

fn seven(json: &mut Json, view: &View, history: &History) {
    let counters = &view.counters;
    let rates = history.last(RATES);
    let share = history.window(SHARES).map_or(0.0, |(first, last)| {
        let then = &first.counters;
        let since = |now: u64, then: u64| now.saturating_sub(then) as f64;
        let errors = since(last.counters.errors.sum(), then.errors.sum());
        let asked = since(last.counters.received, then.received)
            + since(last.counters.accepted, then.accepted);
        if errors == 0.0 { 0.0 } else { (errors / asked.max(errors)).min(1.0) }
    });
    let each = counters.connected_micros as f64 / MICROS / counters.accepted.max(1) as f64;
    json.whole("activeConnections", counters.connections);
    json.whole("activeSessions", counters.rooms_waiting + counters.rooms_active);
    json.number("messagesPerSecond", Some(rates.map_or(0.0, |one| one.messages_per_second)));
    json.number("avgConnectionTime", Some(each));
    json.number("errorRate", Some(share));
    json.whole("memoryUsage", view.usage.resident_bytes.unwrap_or(0));
    json.number("cpuUsage", Some(rates.map_or(0.0, |one| one.cpu_percent)));
}

/// `/api/overview`: everything that the dashboard shows, with the samples after `since`.
pub fn overview(
    view: &View,
    history: &History,
    bounds: &Bounds,
    started_ms: i64,
    since: WallTime,
) -> Vec<u8> {
    Json::object(|json| {
        json.whole("now", view.now.wall.as_millis().max(0) as u64);
        json.whole("startedAt", started_ms.max(0) as u64);
        json.text("version", env!("CARGO_PKG_VERSION"));
        json.text("logLevel", &log::max_level().as_str().to_ascii_lowercase());
        json.member("health", |json| health(json, view, bounds));
        json.member("stats", |json| seven(json, view, history));
        json.member("sessions", |json| {
            json.whole("waiting", view.counters.rooms_waiting);
            json.whole("active", view.counters.rooms_active);
            json.whole("ended", view.counters.rooms_ended);
            json.whole("participants", view.counters.participants);
            json.whole("absent", view.counters.absent);
            json.whole("revocations", view.counters.revocations);
        });
        json.member("traffic", |json| {
            json.whole("received", view.counters.received);
            json.whole("relayed", view.counters.relayed);
            json.whole("accepted", view.counters.accepted);
        });
        json.member("latency", |json| {
            let relays = history.last(SHARES).map(|one| one.relays).unwrap_or_default();
            percentiles(json, "relay", &relays);
            percentiles(json, "turn", &view.counters.turn_times);
            percentiles(json, "join", &view.counters.joins);
        });
        json.array("bounds", |json| near_bounds(json, view, bounds));
        json.array("limits", |json| {
            let own = [
                ("overrun", view.counters.overrun),
                ("starved", view.counters.starved),
                ("accept_paused", view.counters.accept_paused),
            ];
            let all = view.counters.limits.iter().map(|(limit, hits)| (limit.name(), hits));
            named(json, all.chain(own));
        });
        json.array("errors", |json| named(json, view.counters.errors.iter()));
        json.member("audit", |json| audit(json, view));
        json.array("events", |json| {
            for event in history.events() {
                json.element(|json| {
                    json.whole("at", event.at.as_millis().max(0) as u64);
                    json.text("severity", event.severity.as_str());
                    json.text("kind", event.kind);
                    json.text("detail", event.detail);
                    json.whole("count", event.count);
                });
            }
        });
        json.array("samples", |json| history.intervals(since).for_each(|one| sample(json, &one)));
    })
}

/// Whether the server is healthy, and which part is not.
pub fn health(json: &mut Json, view: &View, bounds: &Bounds) {
    json.flag("alive", view.is_alive());
    json.flag("audit", view.audit_ok());
    json.flag("connections", view.has_room(bounds));
    json.flag("draining", view.draining);
    json.array("loops", |json| {
        for (number, answers) in view.loops.iter().enumerate() {
            json.element(|json| {
                json.whole("loop", number as u64);
                json.flag("responding", *answers);
            });
        }
    });
}

fn percentiles(json: &mut Json, name: &str, times: &Histogram) {
    json.member(name, |json| {
        json.whole("count", times.count());
        for (name, of_thousand) in [("p50", 500), ("p95", 950), ("p99", 990)] {
            let micros = times.quantile_micros(of_thousand);
            json.number(name, micros.map(|micros| micros as f64 / MICROS));
        }
    });
}

fn near_bounds(json: &mut Json, view: &View, bounds: &Bounds) {
    let counters = &view.counters;
    let rooms = counters.rooms_waiting + counters.rooms_active;
    let audit = view.audit.map_or(0, |audit| audit.queued as u64);
    for (name, used, most) in [
        ("connections", counters.connections, bounds.connections_max as u64),
        ("rooms", rooms, bounds.rooms_max as u64),
        ("cut", counters.cut_bytes, bounds.cut_bytes_max as u64),
        ("unsent", counters.unsent_bytes, bounds.unsent_bytes_max as u64),
        ("retained", counters.retained_bytes, bounds.retained_bytes_max as u64),
        ("files", view.open_files.unwrap_or(0), bounds.open_files_max.unwrap_or(0)),
        ("audit", audit, crate::service::audit::ENTRIES_MAX as u64),
    ] {
        json.element(|json| {
            json.text("name", name);
            json.whole("used", used);
            json.whole("limit", most);
        });
    }
}

fn named(json: &mut Json, counts: impl Iterator<Item = (&'static str, u64)>) {
    for (name, count) in counts.filter(|(_, count)| *count > 0) {
        json.element(|json| {
            json.text("name", name);
            json.whole("count", count);
        });
    }
}

fn audit(json: &mut Json, view: &View) {
    let Some(audit) = &view.audit else { return json.flag("kept", false) };
    json.flag("kept", true);
    json.flag("available", audit.available);
    json.whole("queued", audit.queued as u64);
    json.number("lag", Some(view.audit_lag_seconds()));
    json.whole("syncedAt", audit.synced_at.as_millis().max(0) as u64);
    json.whole("segment", audit.segment);
    json.whole("dropped", audit.dropped);
    json.whole("checkpointsFailed", audit.checkpoints_failed);
    json.number("freeBytes", audit.free_bytes.map(|bytes| bytes as f64));
    json.number("forecastDays", audit.forecast_days.map(|days| days as f64));
}

/// Time, connections, active rooms, waiting rooms, messages per second, errors per second,
/// percentiles of the relay latency in seconds, CPU in percent, memory.
fn sample(json: &mut Json, one: &Interval) {
    let quantile =
        |of_thousand| one.relays.quantile_micros(of_thousand).map(|micros| micros as f64 / MICROS);
    json.numbers(&[
        Some(one.at.as_millis() as f64),
        Some(one.counters.connections as f64),
        Some(one.counters.rooms_active as f64),
        Some(one.counters.rooms_waiting as f64),
        Some(one.messages_per_second),
        Some(one.errors_per_second),
        quantile(500),
        quantile(950),
        quantile(990),
        Some(one.cpu_percent),
        one.usage.resident_bytes.map(|bytes| bytes as f64),
    ]);
}
