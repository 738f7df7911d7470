//! A story as a sequence diagram: a lifeline for each participant, an arrow for each message.

use super::super::html::{Html, Tag, all, tag};
use view::story::{Kind, Lifeline, Step, Story, Verdict};

const COLUMN: usize = 92;
const ROW: usize = 30;
const LEFT: usize = 68;
const TOP: usize = 44;
/// Steps past it are only in the table.
const STEPS_MAX: usize = 200;

pub(super) fn drawn(story: &Story) -> Html {
    let steps = &story.steps[..story.steps.len().min(STEPS_MAX)];
    let width = LEFT + story.lifelines.len() * COLUMN;
    let height = TOP + (steps.len() + 1) * ROW;
    let began = steps.iter().map(|step| step.at.unix_ms()).min().unwrap_or_default();
    let lifelines = story.lifelines.iter().enumerate().map(|(at, lifeline)| column(at, lifeline, height));
    let arrows = steps.iter().enumerate().filter_map(|(at, step)| {
        let place = |name: &str| story.lifelines.iter().position(|lifeline| lifeline.name == name);
        Some(arrow(at, step, place(step.from)?, place(step.to)?, step.at.unix_ms() - began))
    });
    let head = tag("path").attr("d", "M0 0L8 4L0 8z");
    let marker = tag("marker")
        .attr("id", "head")
        .attr("markerWidth", 8)
        .attr("markerHeight", 8)
        .attr("refX", 8)
        .attr("refY", 4)
        .attr("orient", "auto")
        .with(head);
    tag("svg")
        .class("story")
        .attr("width", width)
        .attr("height", height)
        .attr("viewBox", format_args!("0 0 {width} {height}"))
        .attr("role", "img")
        .attr("aria-label", "The story as a sequence diagram: the table below says the same")
        .with(tag("defs").with(marker))
        .all(lifelines)
        .all(arrows)
        .into()
}

fn middle(at: usize) -> usize {
    LEFT + at * COLUMN + COLUMN / 2
}

fn column(at: usize, lifeline: &Lifeline, height: usize) -> Html {
    let x = middle(at);
    let name =
        tag("text").class(if lifeline.outside { "name dim" } else { "name" }).attr("x", x).attr("y", 18);
    let line = tag("line")
        .class(if lifeline.outside { "life outside" } else { "life" })
        .attr("x1", x)
        .attr("x2", x)
        .attr("y1", 28)
        .attr("y2", height);
    all([name.text(&lifeline.name), line])
}

fn arrow(at: usize, step: &Step, from: usize, to: usize, after_ms: i64) -> Html {
    let y = TOP + (at + 1) * ROW - 8;
    let (x1, x2) = (middle(from), middle(to));
    let class = class(step);
    let line = match from == to {
        true => tag("path").attr("d", format_args!("M{x1} {}h26v12h-24", y - 10)),
        false => tag("path").attr("d", format_args!("M{x1} {y}H{x2}")),
    };
    let line = line.class(class).attr("marker-end", "url(#head)");
    let beginning = x1.min(x2) + if from == to { 32 } else { 6 };
    let label = tag("text").class(class).attr("x", beginning).attr("y", y - if from == to { 0 } else { 5 });
    let time = tag("text").class("dim").attr("x", 4).attr("y", y).text(format_args!("+{after_ms} ms"));
    let title = tag("title").text(format_args!("{}: {}", step.verdict.word(), step.words));
    all([time, tag("g").with(title).with(line).with(label.text(&step.name))])
}

fn class(step: &Step) -> &'static str {
    match (step.verdict, step.kind) {
        (Verdict::Dead | Verdict::Buried | Verdict::Alarm, _) => "bad",
        (Verdict::Absorbed | Verdict::Closed, _) => "absorbed",
        (Verdict::UnderWay, _) => "busy",
        (Verdict::Told, _) => "told",
        (Verdict::Done, Kind::Deadline) => "deadline",
        (Verdict::Done, Kind::Command | Kind::Fact | Kind::Reply) => "done",
    }
}

/// A step's verdict as a badge, for the table.
pub(super) fn mark(step: &Step) -> Tag {
    let kind = match step.verdict {
        Verdict::Done => "good",
        Verdict::Absorbed | Verdict::Closed | Verdict::Told => "dim",
        Verdict::Alarm | Verdict::Dead | Verdict::Buried => "bad",
        Verdict::UnderWay => "busy",
    };
    tag("span").class(format_args!("badge {kind}")).text(step.verdict.word())
}
