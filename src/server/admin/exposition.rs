//! Metrics in the Prometheus text format (version 0.0.4). The number of series depends only on the
//! rows here, limits, errors and loops, never on clients. Nothing in them names a person or a
//! session.

use std::fmt::{Display, Write};

use super::view::{Bounds, View};
use crate::base::histogram::Histogram;
use crate::reactor::Snapshot;
use crate::service::audit::Gauges;

/// The media type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const COUNTER: &str = "counter";
const GAUGE: &str = "gauge";

/// The text written so far.
#[derive(Default)]
struct Page(String);

/// All metrics.
pub fn write(view: &View, bounds: &Bounds, started_ms: i64) -> String {
    let mut page = Page::default();
    page.state(view, bounds);
    page.traffic(&view.counters);
    page.refusals(&view.counters);
    page.times(&view.counters);
    page.pools(view, bounds);
    if let Some(audit) = &view.audit {
        page.audit(audit, view);
    }
    page.process(view, bounds, started_ms);
    page.0
}

impl Page {
    fn state(&mut self, view: &View, bounds: &Bounds) {
        let Snapshot { rooms_waiting, rooms_active, participants, absent, .. } = view.counters;
        self.family("signaling_build_info", GAUGE, "The version that runs; the value is 1.");
        self.sample("signaling_build_info", &[("version", &env!("CARGO_PKG_VERSION"))], 1);
        self.family(
            "signaling_loop_responding",
            GAUGE,
            "Whether an event loop answers within a second.",
        );
        for (number, answers) in view.loops.iter().enumerate() {
            self.sample("signaling_loop_responding", &[("loop", &number)], u64::from(*answers));
        }
        let ready = view.audit_ok() && view.has_room(bounds) && !view.draining;
        self.gauge("signaling_ready", "Whether newcomers can be let in.", u64::from(ready));
        self.gauge(
            "signaling_draining",
            "Whether the server is shutting down.",
            u64::from(view.draining),
        );
        self.gauge(
            "signaling_connections",
            "Connections at the moment.",
            view.counters.connections,
        );
        self.gauge(
            "signaling_connections_limit",
            "Connections that there may be.",
            bounds.connections_max,
        );
        self.family("signaling_rooms", GAUGE, "Rooms at the moment, by their status.");
        self.sample("signaling_rooms", &[("status", &"waiting")], rooms_waiting);
        self.sample("signaling_rooms", &[("status", &"active")], rooms_active);
        self.gauge("signaling_rooms_limit", "Rooms that there may be.", bounds.rooms_max);
        self.family(
            "signaling_participants",
            GAUGE,
            "Participants of rooms; those who are absent have dropped and may return.",
        );
        let present = participants.saturating_sub(absent);
        self.sample("signaling_participants", &[("state", &"present")], present);
        self.sample("signaling_participants", &[("state", &"absent")], absent);
        self.gauge(
            "signaling_revocations",
            "Revocations that are remembered.",
            view.counters.revocations,
        );
        self.family("signaling_queue_length", GAUGE, "What waits, by the queue it waits in.");
        let audit_queued = view.audit.map_or(0, |audit| audit.queued as u64);
        for (queue, length) in [
            ("audit_records", audit_queued),
            ("awaiting_record", view.counters.unrecorded),
            ("resting_connections", view.counters.resting),
            ("newcomers", view.counters.newcomers),
            ("unread_connections", view.counters.unread),
        ] {
            self.sample("signaling_queue_length", &[("queue", &queue)], length);
        }
    }

    fn traffic(&mut self, counters: &Snapshot) {
        for (name, help, value) in [
            ("signaling_connections_accepted_total", "Connections accepted.", counters.accepted),
            (
                "signaling_messages_received_total",
                "Whole messages received from clients.",
                counters.received,
            ),
            ("signaling_messages_sent_total", "Messages queued for clients.", counters.sent),
            (
                "signaling_messages_relayed_total",
                "Messages passed on from one participant to another.",
                counters.relayed,
            ),
            ("signaling_pings_total", "Pings sent.", counters.pings),
            ("signaling_rooms_ended_total", "Rooms that have ended.", counters.rooms_ended),
            ("signaling_turns_total", "Turns of the event loops.", counters.turns),
            (
                "signaling_socket_reads_total",
                "System calls that read from clients.",
                counters.reads,
            ),
            (
                "signaling_socket_writes_total",
                "System calls that write to clients.",
                counters.writes,
            ),
            (
                "signaling_proxy_headers_rejected_total",
                "Connections closed for their PROXY header.",
                counters.proxy_headers_bad,
            ),
            (
                "signaling_strangers_total",
                "Connections closed before TLS because their address is not allowed.",
                counters.strangers,
            ),
        ] {
            self.counter(name, help, value);
        }
    }

    fn refusals(&mut self, counters: &Snapshot) {
        let connected = counters.connected_micros as f64 / 1e6;
        self.counter(
            "signaling_connection_seconds_total",
            "How long there were connections, summed over all of them.",
            connected,
        );
        let name = "signaling_tls_handshakes_total";
        self.family(name, COUNTER, "TLS handshakes, by what came of them.");
        self.sample(name, &[("outcome", &"completed")], counters.handshakes);
        self.sample(name, &[("outcome", &"failed")], counters.handshakes_failed);
        let name = "signaling_limit_hits_total";
        self.family(name, COUNTER, "How often each limit was met.");
        for (limit, hits) in counters.limits.iter() {
            self.sample(name, &[("limit", &limit.name())], hits);
        }
        for (limit, hits) in [
            ("overrun", counters.overrun),
            ("starved", counters.starved),
            ("accept_paused", counters.accept_paused),
        ] {
            self.sample(name, &[("limit", &limit)], hits);
        }
        let name = "signaling_errors_total";
        self.family(
            name,
            COUNTER,
            "Errors told to clients, over WebSocket or HTTP, by their code.",
        );
        for (code, count) in counters.errors.iter() {
            self.sample(name, &[("code", &code)], count);
        }
    }

    fn times(&mut self, counters: &Snapshot) {
        self.histogram(
            "signaling_relay_seconds",
            "How long relayed messages were in the server, from the beginning of the turn that read them until they were written.",
            &counters.relays,
        );
        self.histogram(
            "signaling_turn_seconds",
            "How long turns of the event loops were, without the wait before them.",
            &counters.turn_times,
        );
        self.histogram(
            "signaling_join_record_seconds",
            "How long those who may enter a room waited for the record of it.",
            &counters.joins,
        );
    }

    fn pools(&mut self, view: &View, bounds: &Bounds) {
        let pools = [
            ("cut", view.counters.cut_bytes, bounds.cut_bytes_max),
            ("unsent", view.counters.unsent_bytes, bounds.unsent_bytes_max),
            ("retained", view.counters.retained_bytes, bounds.retained_bytes_max),
        ];
        let name = "signaling_pool_bytes";
        self.family(name, GAUGE, "Memory in use for cut, unsent and retained messages.");
        pools.iter().for_each(|(pool, bytes, _)| self.sample(name, &[("pool", pool)], bytes));
        let name = "signaling_pool_limit_bytes";
        self.family(name, GAUGE, "Memory that there may be in use for them.");
        pools.iter().for_each(|(pool, _, bytes)| self.sample(name, &[("pool", pool)], bytes));
    }

    fn audit(&mut self, audit: &Gauges, view: &View) {
        self.gauge(
            "signaling_audit_available",
            "Whether the audit log can be written.",
            u64::from(audit.available),
        );
        self.gauge(
            "signaling_audit_lag_seconds",
            "How long the oldest record has waited to be on the disk, at most.",
            view.audit_lag_seconds(),
        );
        let synced = audit.synced_at.as_millis() as f64 / 1e3;
        self.gauge(
            "signaling_audit_last_sync_timestamp_seconds",
            "When all that waited was on the disk last.",
            synced,
        );
        self.gauge(
            "signaling_audit_segment",
            "The number of the segment that is written.",
            audit.segment,
        );
        for (name, help, value) in [
            ("signaling_audit_records_dropped_total", "Records that found no room.", audit.dropped),
            (
                "signaling_audit_written_bytes_total",
                "Bytes written to the audit log.",
                audit.bytes_written,
            ),
            ("signaling_audit_syncs_total", "Syncs of the audit log.", audit.syncs),
            (
                "signaling_audit_checkpoints_failed_total",
                "Checkpoints that could not be delivered.",
                audit.checkpoints_failed,
            ),
        ] {
            self.counter(name, help, value);
        }
        if let Some(free) = audit.free_bytes {
            self.gauge(
                "signaling_audit_disk_free_bytes",
                "What the disk of the audit log has left, looked at once an hour.",
                free,
            );
        }
        if let Some(days) = audit.forecast_days {
            let seconds = days.saturating_mul(86_400);
            self.gauge(
                "signaling_audit_disk_full_seconds",
                "How long until that is used up at the present rate.",
                seconds,
            );
        }
    }

    fn process(&mut self, view: &View, bounds: &Bounds, started_ms: i64) {
        let cpu = view.usage.cpu_micros as f64 / 1e6;
        self.counter("process_cpu_seconds_total", "Processor time of the process.", cpu);
        let started = started_ms as f64 / 1e3;
        self.gauge("process_start_time_seconds", "When the process was started.", started);
        for (name, help, value) in [
            ("process_resident_memory_bytes", "Memory that is in use.", view.usage.resident_bytes),
            (
                "process_virtual_memory_bytes",
                "Memory that has an address.",
                view.usage.virtual_bytes,
            ),
            ("process_threads", "Threads of the process.", view.usage.threads),
            ("process_open_fds", "File descriptors that are open.", view.open_files),
            ("process_max_fds", "File descriptors that may be open.", bounds.open_files_max),
        ] {
            value.into_iter().for_each(|value| self.gauge(name, help, value));
        }
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, COUNTER, help);
        self.sample(name, &[], value);
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, GAUGE, help);
        self.sample(name, &[], value);
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &dyn Display)], value: impl Display) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"{text}\"", if at == 0 { '{' } else { ',' });
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }

    fn histogram(&mut self, name: &str, help: &str, times: &Histogram) {
        self.family(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        for (bound, count) in times.cumulative() {
            self.sample(&bucket, &[("le", &(bound as f64 / 1e6))], count);
        }
        self.sample(&bucket, &[("le", &"+Inf")], times.count());
        self.sample(&format!("{name}_sum"), &[], times.sum_micros() as f64 / 1e6);
        self.sample(&format!("{name}_count"), &[], times.count());
    }
}
