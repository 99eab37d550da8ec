//! Whether the results meet the thresholds.

use super::options::Options;
use super::run::Outcome;

/// A row of the verdict.
pub struct Judged {
    pub what: &'static str,
    pub unit: &'static str,
    /// `None` if it could not be measured.
    pub measured: Option<f64>,
    pub limit: f64,
    /// Whether the threshold is a minimum, and not a maximum.
    pub is_floor: bool,
}

impl Judged {
    /// `None` if it could not be measured.
    pub fn is_met(&self) -> Option<bool> {
        let met =
            |measured| if self.is_floor { measured >= self.limit } else { measured <= self.limit };
        self.measured.map(met)
    }

    pub fn limit_text(&self) -> String {
        let bound = if self.is_floor { "at least" } else { "at most" };
        if self.limit == 0.0 {
            "none".to_owned()
        } else {
            format!("{bound} {}", number(self.limit))
        }
    }
}

/// Five figures, and what must not happen at all.
pub fn judge(options: &Options, outcome: &Outcome) -> Vec<Judged> {
    let (counts, sessions) = (&outcome.total.counts, options.sessions as f64);
    let at_most =
        |what, unit, measured, limit| Judged { what, unit, measured, limit, is_floor: false };
    let delay = match outcome.total.delay.len() {
        // The run was interrupted before that.
        0 if outcome.interrupted => None,
        // Nothing was relayed, so nothing was relayed in time.
        0 => Some(f64::INFINITY),
        _ => Some(outcome.total.delay.mean() / 1e3),
    };
    let mut rows = vec![
        Judged {
            what: "connections held",
            unit: "",
            measured: Some(outcome.connections_held() as f64),
            limit: options.connections_min() as f64,
            is_floor: true,
        },
        at_most("average delay", "ms", delay, options.max_delay.as_secs_f64() * 1e3),
    ];
    let cpu = outcome.cpu_share().map(|share| share * 100.0);
    rows.push(at_most("processor", "%", cpu, options.max_cpu * 100.0));
    let memory = outcome.resident_max().map(|bytes| bytes as f64 / sessions);
    rows.push(at_most("memory a session", "B", memory, options.max_memory));
    if let Some(limit) = options.max_bandwidth() {
        let measured = outcome.bytes_per_second().map(|bytes| bytes / sessions);
        rows.push(at_most("bandwidth a session", "B/s", measured, limit));
    }
    for (what, count) in [
        ("lost", counts.lost),
        ("duplicated", counts.duplicated),
        ("out of order", counts.reordered),
        ("not resumed", counts.not_resumed),
        ("due and not done", counts.undone),
        ("errors", outcome.total.errors()),
    ] {
        rows.push(at_most(what, "", Some(count as f64), 0.0));
    }
    rows
}

/// Whether no threshold is violated. What could not be measured is not.
pub fn is_good(rows: &[Judged]) -> bool {
    rows.iter().all(|row| row.is_met() != Some(false))
}

/// With as many digits as are useful to read.
pub fn number(value: f64) -> String {
    if value.fract() == 0.0 || value >= 1_000.0 {
        let digits = format!("{value:.0}");
        let (sign, digits) = digits.strip_prefix('-').map_or(("", &*digits), |rest| ("-", rest));
        let groups: Vec<_> = digits
            .as_bytes()
            .rchunks(3)
            .rev()
            .map(|group| String::from_utf8_lossy(group).into_owned())
            .collect();
        format!("{sign}{}", groups.join(","))
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}
