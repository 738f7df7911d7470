//! Small line charts over time, with the current value and the maximum.

use std::fmt::Write;

use super::html::{Tag, tag};

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 60.0;

/// A line through `values`, oldest first, with gaps for missing values. The label has the same numbers as text.
pub(super) fn line(name: &str, unit: &str, values: &[Option<f64>]) -> Tag {
    let most = values.iter().flatten().copied().fold(0.0, f64::max);
    let now = values.last().copied().flatten();
    let told = |value: Option<f64>| {
        value.map_or("nothing yet".to_string(), |value| format!("{} {unit}", short(value)))
    };
    let words = format!("{name}: now {}, at most {}", told(now), told(now.map(|_| most)));
    let svg = tag("svg")
        .class("chart")
        .attr("viewBox", format_args!("0 0 {WIDTH} {HEIGHT}"))
        .attr("preserveAspectRatio", "none")
        .attr("role", "img")
        .attr("aria-label", &words)
        .with(tag("path").class("line").attr("d", path(values, most)));
    tag("figure")
        .with(
            tag("figcaption")
                .with(tag("span").class("dim").text(name))
                .text(" ")
                .with(tag("strong").text(told(now))),
        )
        .with(svg)
        .with(tag("p").class("dim small").text(format_args!("at most {}", told(now.map(|_| most)))))
}

fn path(values: &[Option<f64>], most: f64) -> String {
    let step = WIDTH / values.len().saturating_sub(1).max(1) as f64;
    let mut path = String::new();
    let mut drawing = false;
    for (at, value) in values.iter().enumerate() {
        let Some(value) = value else {
            drawing = false;
            continue;
        };
        let height = if most > 0.0 { value / most * (HEIGHT - 4.0) } else { 0.0 };
        let (x, y) = (at as f64 * step, HEIGHT - 2.0 - height);
        let word = if drawing { 'L' } else { 'M' };
        write!(path, "{word}{x:.1} {y:.1}").unwrap_or_default();
        if !drawing {
            // Makes a single point visible.
            path.push_str("h.01");
        }
        drawing = true;
    }
    path
}

/// About three significant digits.
pub(super) fn short(value: f64) -> String {
    match value {
        v if v >= 100.0 || v.fract() == 0.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

/// A duration in milliseconds, in a readable unit.
pub(super) fn time(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..120_000 => format!("{} s", short(ms as f64 / 1000.0)),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} days", ms / 86_400_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_holes_where_nothing_is_known() {
        assert_eq!(
            path(&[Some(0.0), Some(2.0), None, Some(1.0)], 2.0),
            "M0.0 58.0h.01L100.0 2.0M300.0 30.0h.01"
        );
        assert_eq!(path(&[], 0.0), "");
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        for (ms, said) in
            [(7, "7 ms"), (1500, "1.50 s"), (180_000, "3 min"), (7_200_000, "2 h"), (900_000_000, "10 days")]
        {
            assert_eq!(time(ms), said);
        }
    }
}
