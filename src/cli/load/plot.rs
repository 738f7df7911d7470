//! The report as a picture: throughput over time, and how latency is distributed.

use std::fmt::Write;

use super::drive::{Outcome, SLICE};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 200.0;
const MARGIN: f64 = 60.0;
/// The right end of the axis; each step shows a tenth of the orders before: 90 %, 99 %, 99.9 %.
const NINES: f64 = 4.0;

pub(super) fn svg(outcome: &Outcome) -> String {
    let (full_width, full_height) = (WIDTH + 2.0 * MARGIN, 2.0 * (HEIGHT + 1.5 * MARGIN));
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {full_width} {full_height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let seconds = SLICE.as_secs_f64();
    let rates: Vec<(f64, f64)> = outcome
        .ended
        .iter()
        .enumerate()
        .map(|(slice, ended)| (slice as f64 * seconds, *ended as f64 / seconds))
        .collect();
    let end = outcome.took.as_secs_f64().max(seconds);
    let ticks = [0.0, 0.25, 0.5, 0.75, 1.0].map(|part| (part, format!("{:.1} s", part * end)));
    let whole: Vec<_> = rates.iter().map(|(at, rate)| (at / end, *rate)).collect();
    chart(&mut picture, 0.0, "orders ended per second", &whole, &ticks);

    let quantiles = (0..=200).map(|step| f64::from(step) / 200.0);
    let latency: Vec<_> = quantiles
        .map(|along| {
            let quantile = 1.0 - 10f64.powf(-along * NINES);
            (along, outcome.latency_us.value_at_quantile(quantile) as f64 / 1000.0)
        })
        .collect();
    let ticks = [(0.0, "0"), (0.25, "90 %"), (0.5, "99 %"), (0.75, "99.9 %"), (1.0, "99.99 %")];
    let ticks = ticks.map(|(at, name)| (at, name.to_string()));
    chart(
        &mut picture,
        HEIGHT + 1.5 * MARGIN,
        "milliseconds within which so many orders ended",
        &latency,
        &ticks,
    );
    picture.push_str("</svg>\n");
    picture
}

/// `points`: the position on the axis from 0 to 1, and the value.
fn chart(picture: &mut String, top: f64, title: &str, points: &[(f64, f64)], ticks: &[(f64, String)]) {
    let highest = points.iter().map(|(_, value)| *value).fold(1.0, f64::max);
    let (left, top, bottom) = (MARGIN, top + MARGIN, top + MARGIN + HEIGHT);
    let place = |(along, value): &(f64, f64)| {
        format!("{:.1},{:.1}", left + along * WIDTH, bottom - value / highest * HEIGHT)
    };
    let line: Vec<String> = points.iter().map(place).collect();
    writeln!(picture, "<text x=\"{left}\" y=\"{}\" font-weight=\"bold\">{title}</text>", top - 12.0).ok();
    for part in [0.0, 0.5, 1.0] {
        let (y, value) = (bottom - part * HEIGHT, part * highest);
        writeln!(
            picture,
            "<line x1=\"{left}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{value:.0}</text>",
            left + WIDTH,
            left - 6.0,
            y + 4.0
        )
        .ok();
    }
    for (along, name) in ticks {
        let (x, y) = (left + along * WIDTH, bottom + 16.0);
        writeln!(picture, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{name}</text>").ok();
    }
    let line = line.join(" ");
    writeln!(picture, "<polyline points=\"{line}\" fill=\"none\" stroke=\"#1f6feb\" stroke-width=\"1.5\"/>")
        .ok();
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_picture_has_a_point_for_every_slice_and_the_slowest_on_its_right() {
        let mut outcome = Outcome::new().expect("a histogram");
        outcome.ended = vec![10, 30, 20];
        outcome.took = Duration::from_millis(750);
        (1..=1000).for_each(|ms| outcome.latency_us.record(ms * 1000).expect("in range"));
        let picture = svg(&outcome);
        let lines: Vec<&str> = picture.lines().filter(|line| line.starts_with("<polyline")).collect();
        assert_eq!(lines.len(), 2);
        // 40, 120 and 80 a second: the highest reaches the top, the lowest is a third of it.
        assert!(lines[0].contains("points=\"60.0,193.3 300.0,60.0 540.0,126.7\""), "{}", lines[0]);
        assert!(picture.contains(">120</text>") && picture.contains(">0.8 s</text>"), "{picture}");
        assert!(!picture.contains("NaN") && !picture.contains("inf"));
    }
}
