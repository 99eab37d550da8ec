//! The report as a web page: one self-contained file, with a light and a dark theme.

use std::fmt::Write;

use hdrhistogram::Histogram;

use super::options::{Mode, Options};
use super::plot::{Line, Plot};
use super::run::{Outcome, Second, histograms};
use super::verdict::{Judged, is_good, number};

const STYLE: &str = include_str!("report.css");

/// Where the curve of percentiles ends.
const QUANTILE_POINTS: u32 = 80;

pub fn report(options: &Options, outcome: &Outcome, rows: &[Judged]) -> String {
    let (verdict, class) = if is_good(rows) {
        ("All thresholds were met", "good")
    } else {
        ("Not good enough", "bad")
    };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Load test: {verdict}</title>\n\
         <style>{STYLE}</style>\n<main>\n<h1>Load test</h1>\n<p class=\"verdict {class}\">{verdict}</p>\n<p>{}</p>\n",
        asked(options, outcome)
    );
    page += &thresholds(rows);
    page += &plots(outcome);
    page += &percentiles(outcome);
    page += &errors(outcome);
    page += "</main>\n</html>\n";
    page
}

fn asked(options: &Options, outcome: &Outcome) -> String {
    let (what, unit) = match options.mode {
        Mode::Trickle => ("each with a call that was set up and then", "messages a second"),
        Mode::Calls => ("which all together set up and left", "calls a second"),
    };
    let mut text = format!(
        "{} sessions of two people, {what} {} {unit}, for {} s; {} connections in all. Delays count from when a message was \
         due, whatever held it up.",
        number(options.sessions as f64),
        number(options.rate()),
        number(options.duration.as_secs_f64()),
        number(options.connections_wanted() as f64)
    );
    let counts = &outcome.total.counts;
    if options.cut > 0.0 {
        let _ = write!(
            text,
            " {} % of the talkers dropped out every {} s and came back after {} s: {} cut-offs, {} resumed.",
            number(options.cut * 100.0),
            number(options.cut_every.as_secs_f64()),
            number(options.away.as_secs_f64()),
            number(counts.cuts as f64),
            number(counts.resumed as f64)
        );
    }
    let _ = write!(
        text,
        " {} messages sent, {} received.",
        number(counts.sent as f64),
        number(counts.received as f64)
    );
    if outcome.interrupted {
        text += " <strong>It was interrupted: this is what there is.</strong>";
    }
    text
}

fn thresholds(rows: &[Judged]) -> String {
    let mut table =
        "<table>\n<tr><th></th><th>measured</th><th>allowed</th><th></th></tr>\n".to_owned();
    for row in rows {
        let measured = row.measured.map_or("not seen".to_owned(), |value| {
            if value.is_finite() {
                format!("{} {}", number(value), row.unit)
            } else {
                "none".to_owned()
            }
        });
        let (class, met) = match row.is_met() {
            Some(true) => ("good", "met"),
            Some(false) => ("bad", "not met"),
            None => ("", "–"),
        };
        let limit =
            format!("{} {}", row.limit_text(), if row.limit == 0.0 { "" } else { row.unit });
        let _ = writeln!(
            table,
            "<tr><td>{}</td><td class=\"n\">{measured}</td><td class=\"n\">{limit}</td><td class=\"{class}\">{met}</td></tr>",
            row.what
        );
    }
    table + "</table>\n"
}

fn plots(outcome: &Outcome) -> String {
    let measured = Some((outcome.window.0 as f64, outcome.window.1 as f64));
    let over_time =
        |title, lines| Plot { title, lines, marks: Vec::new(), x_name: "seconds", measured }.draw();
    let line = |name, value: &dyn Fn(&Second) -> Option<f64>| {
        let point = |second: &Second| Some((second.at as f64, value(second)?));
        Line { name, points: outcome.seconds.iter().filter_map(point).collect() }
    };
    let delay = |quantile: f64| {
        move |second: &Second| {
            let delay = &second.stats.delay;
            (!delay.is_empty()).then(|| delay.value_at_quantile(quantile) as f64 / 1e3)
        }
    };
    let counts = |second: &Second| second.stats.counts;
    let mut page = "<h2>Delay</h2>\n".to_owned();
    page += &over_time(
        "Relayed messages, ms: half, 99 % and all were quicker",
        vec![line("p50", &delay(0.5)), line("p99", &delay(0.99)), line("max", &delay(1.0))],
    );
    page += &curve(&outcome.total.delay);
    page += "<h2>Throughput</h2>\n";
    page += &over_time(
        "Messages a second",
        vec![
            line("sent", &|second| Some(counts(second).sent as f64)),
            line("received", &|second| Some(counts(second).received as f64)),
        ],
    );
    let kilobytes = |second: &Second| {
        Some((counts(second).bytes_sent + counts(second).bytes_received) as f64 / 1e3)
    };
    page += &over_time("kB a second, both ways", vec![line("kB/s", &kilobytes)]);
    page += &over_time(
        "People in their rooms",
        vec![line("inside", &|second| Some(counts(second).inside as f64))],
    );
    if outcome.before.is_some() {
        page += "<h2>Server</h2>\n";
        page += &over_time(
            "Processor, % of one",
            vec![line("cpu", &|second| Some(second.cpu? * 100.0))],
        );
        page += &over_time(
            "Resident memory, MB",
            vec![line("rss", &|second| Some(second.resident_bytes? as f64 / 1e6))],
        );
    }
    page
}

/// Delay by percentile; each step to the right is ten times as rare.
fn curve(delay: &Histogram<u64>) -> String {
    if delay.is_empty() {
        return String::new();
    }
    let nines = (delay.len() as f64).log10().max(1.0);
    let points = (0..=QUANTILE_POINTS)
        .map(|point| {
            let x = nines * f64::from(point) / f64::from(QUANTILE_POINTS);
            (x, delay.value_at_quantile(1.0 - 10_f64.powf(-x)) as f64 / 1e3)
        })
        .collect();
    let names = ["0 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %", "99.9999 %"];
    let marks = names.iter().enumerate().map(|(at, name)| (at as f64, (*name).to_owned()));
    Plot {
        title: "Delay by percentile, ms",
        lines: vec![Line { name: "delay", points }],
        marks: marks.filter(|(at, _)| *at <= nines).collect(),
        x_name: "so many were quicker",
        measured: None,
    }
    .draw()
}

fn percentiles(outcome: &Outcome) -> String {
    let mut table =
        "<h2>Percentiles, ms</h2>\n<table>\n<tr><th></th><th>times</th><th>mean</th><th>p50</th>\
                     <th>p90</th><th>p99</th><th>p99.9</th><th>max</th></tr>\n"
            .to_owned();
    for (name, histogram) in histograms(&outcome.total) {
        if histogram.is_empty() {
            continue;
        }
        let ms = |micros: f64| format!("<td class=\"n\">{:.3}</td>", micros / 1e3);
        let mut cells = ms(histogram.mean());
        for quantile in [0.5, 0.9, 0.99, 0.999] {
            cells += &ms(histogram.value_at_quantile(quantile) as f64);
        }
        cells += &ms(histogram.max() as f64);
        let times = number(histogram.len() as f64);
        let _ = writeln!(table, "<tr><td>{name}</td><td class=\"n\">{times}</td>{cells}</tr>");
    }
    table + "</table>\n"
}

fn errors(outcome: &Outcome) -> String {
    if outcome.total.errors.is_empty() {
        return String::new();
    }
    let mut table = "<h2>Errors</h2>\n<table>\n<tr><th></th><th>times</th></tr>\n".to_owned();
    for (what, times) in &outcome.total.errors {
        let what = what.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(table, "<tr><td>{what}</td><td class=\"n\">{times}</td></tr>");
    }
    table + "</table>\n"
}
