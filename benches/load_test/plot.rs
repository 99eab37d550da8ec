//! Plots as SVG: lines over an axis with round numbers.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 34.0;

/// A line; several pieces if there are gaps.
pub struct Line<'a> {
    pub name: &'a str,
    pub points: Vec<(f64, f64)>,
}

pub struct Plot<'a> {
    pub title: &'a str,
    pub lines: Vec<Line<'a>>,
    /// Labels of the x axis, if it does not just count.
    pub marks: Vec<(f64, String)>,
    pub x_name: &'a str,
    /// The part of the x axis that is measured.
    pub measured: Option<(f64, f64)>,
}

impl Plot<'_> {
    /// A figure with its legend.
    pub fn draw(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        if points().next().is_none() {
            return String::new();
        }
        let x_min = points().map(|point| point.0).fold(f64::INFINITY, f64::min);
        let x_max = points().map(|point| point.0).fold(x_min, f64::max).max(x_min + 1e-9);
        let y_step = step(points().map(|point| point.1).fold(0.0, f64::max));
        let y_max = points().map(|point| point.1).fold(y_step, f64::max);
        let y_max = (y_max / y_step).ceil() * y_step;
        let x = |value: f64| LEFT + (value - x_min) / (x_max - x_min) * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BOTTOM - value / y_max * (HEIGHT - TOP - BOTTOM);

        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            r#"<figure><figcaption>{}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{}">"#,
            self.title, self.title
        );
        if let Some((from, until)) = self.measured {
            let (from, until) = (x(from.max(x_min)), x(until.min(x_max)));
            let (wide, high) = ((until - from).max(0.0), HEIGHT - TOP - BOTTOM);
            let _ = write!(
                out,
                r#"<rect class="measured" x="{from:.1}" y="{TOP}" width="{wide:.1}" height="{high}"/>"#
            );
        }
        self.axes(&mut out, (x_min, x_max), (y_step, y_max), &x, &y);
        for (index, line) in self.lines.iter().enumerate() {
            let path: Vec<_> =
                line.points.iter().map(|p| format!("{:.1},{:.1}", x(p.0), y(p.1))).collect();
            let _ = write!(out, r#"<polyline class="l{index}" points="{}"/>"#, path.join(" "));
        }
        out.push_str("</svg>");
        if self.lines.len() > 1 {
            out.push_str("<p class=\"legend\">");
            for (index, line) in self.lines.iter().enumerate() {
                let _ = write!(out, r#"<span><i class="l{index}"></i>{}</span>"#, line.name);
            }
            out.push_str("</p>");
        }
        out.push_str("</figure>\n");
        out
    }

    fn axes(
        &self,
        out: &mut String,
        (x_min, x_max): (f64, f64),
        (y_step, y_max): (f64, f64),
        x: &dyn Fn(f64) -> f64,
        y: &dyn Fn(f64) -> f64,
    ) {
        let right = WIDTH - RIGHT;
        let mut value = 0.0;
        while value <= y_max * 1.000_1 {
            let (at, text) = (y(value), short(value));
            let _ = write!(
                out,
                r#"<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1}" y2="{at:.1}"/><text x="{}" y="{:.1}" text-anchor="end">{text}</text>"#,
                LEFT - 6.0,
                at + 4.0
            );
            value += y_step;
        }
        let counted = || {
            let every = step(x_max - x_min).max(1.0);
            let first = (x_min / every).ceil() as i64;
            let last = (x_max / every).floor() as i64;
            (first..=last).map(|n| (n as f64 * every, short(n as f64 * every))).collect()
        };
        let marks = if self.marks.is_empty() { counted() } else { self.marks.clone() };
        for (value, text) in marks {
            let _ = write!(
                out,
                r#"<text x="{:.1}" y="{}" text-anchor="middle">{text}</text>"#,
                x(value),
                HEIGHT - BOTTOM + 16.0
            );
        }
        let _ = write!(
            out,
            r#"<text x="{right}" y="{}" text-anchor="end">{}</text>"#,
            HEIGHT - 3.0,
            self.x_name
        );
    }
}

/// A round number, about four of which make up `max`.
fn step(max: f64) -> f64 {
    if max <= 0.0 {
        return 1.0;
    }
    let rough = max / 4.0;
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].iter().map(|n| n * power).find(|step| *step >= rough).unwrap_or(rough)
}

fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
