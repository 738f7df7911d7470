//! Draws a saga definition's steps with counts: how many sagas went on, how many turned around, and how many are where.

use saga::{Flow, Sketch, SketchStep, Traffic};
use store::census::SagaCount;

use super::html::{Html, Tag, all, tag, text};
use super::parts;

const BOX_WIDTH: usize = 132;
const BOX_HEIGHT: usize = 58;
const GAP: usize = 64;
const TOP: usize = 14;
/// The height of the lane of compensating sagas.
const BACK: usize = 140;
const UNDONE_WIDTH: usize = 96;
const HEIGHT: usize = 180;

/// One drawing for each version of a definition that sagas have used; the checkout's are always drawn.
pub(super) fn flows(sagas: &[SagaCount]) -> Html {
    let mut drawn = Html::default();
    for sketch in saga::sketches() {
        let mut flow = Flow::of(&sketch);
        let its =
            sagas.iter().filter(|saga| saga.definition == sketch.name && saga.version == sketch.version);
        for saga in its {
            flow.add(&saga.phase, &saga.steps, saga.status == "needs_attention", saga.count);
        }
        if sketch.name == "checkout" || flow.steps.iter().any(|step| step.asked > 0) || flow.undone > 0 {
            drawn.push(one(&sketch, &flow));
        }
    }
    drawn
}

fn one(sketch: &Sketch, flow: &Flow) -> Tag {
    let name = sketch.name.replace('_', " ");
    let title = format!("{name}, version {}", sketch.version);
    let drawing = parts::frame(&format!("The flow of {title}"), drawing(sketch, flow, &title));
    tag("div").class("flow").with(tag("h3").text(&title)).with(drawing).with(in_words(sketch, flow, &title))
}

fn drawing(sketch: &Sketch, flow: &Flow, title: &str) -> Tag {
    let columns = sketch.steps.len() + 1;
    let width = columns * (BOX_WIDTH + GAP) + 2;
    let mut svg = tag("svg")
        .class("graph")
        .attr("width", width)
        .attr("height", HEIGHT)
        .attr("viewBox", format_args!("0 0 {width} {HEIGHT}"))
        .attr("role", "img")
        .attr("aria-label", format_args!("{title}: the table below says the same"));
    for (at, (step, traffic)) in sketch.steps.iter().zip(&flow.steps).enumerate() {
        svg = svg
            .with(arrow_to(at, traffic.asked))
            .with(step_box(at, step, traffic))
            .with(way_back(at, traffic));
    }
    let last = sketch.steps.len();
    let turned = flow.steps.iter().rposition(|step| step.declined + step.undone > 0);
    let lane = turned.map(|at| {
        let way = format!("M{} {BACK}H{}m6-5-6 5 6 5", left(at) + BOX_WIDTH / 2, UNDONE_WIDTH + 7);
        tag("path").class("back").attr("d", way)
    });
    svg.with(arrow_to(last, flow.completed))
        .with(end("good", left(last), TOP, BOX_WIDTH, "completed", flow.completed))
        .with(lane)
        .with(end("dim", 2, BACK - BOX_HEIGHT / 2, UNDONE_WIDTH, "undone", flow.undone))
}

fn end(class: &str, x: usize, y: usize, width: usize, name: &str, count: u64) -> Html {
    let words = [label("strong", x + 12, y + 26, name), label("", x + 12, y + 45, &count.to_string())];
    all([rect(&format!("end {class}"), x, y, width)].into_iter().chain(words))
}

fn left(at: usize) -> usize {
    GAP + at * (BOX_WIDTH + GAP)
}

fn step_box(at: usize, step: &SketchStep, traffic: &Traffic) -> Html {
    let x = left(at);
    let class = match traffic {
        Traffic { stuck: 1.., .. } => "step bad",
        Traffic { waits: 0, undoes: 0, .. } => "step",
        _ => "step busy",
    };
    let name = step.name.replace('_', " ");
    let here = match (traffic.waits, traffic.undoes, traffic.stuck) {
        (waits, undoes, stuck) if stuck > 0 => format!("{stuck} stuck, {} more", waits + undoes),
        (waits, 0, 0) => format!("{waits} here"),
        (waits, undoes, _) => format!("{waits} here, {undoes} back"),
    };
    let pivot = step.pivot.then(|| label("dim", x + BOX_WIDTH - 34, TOP + 13, "pivot"));
    let name = label("strong", x + 12, TOP + 28, &name);
    let whole = [rect(class, x, TOP, BOX_WIDTH), name, label("", x + 12, TOP + 46, &here)];
    Html::from(vec![all_of(whole), pivot.into()])
}

/// The arrow from the box before, with the number of sagas that took it.
fn arrow_to(at: usize, count: u64) -> Html {
    let (to, y) = (left(at), TOP + BOX_HEIGHT / 2);
    let from = to - GAP + if at == 0 { 14 } else { 0 };
    let line = tag("path").class("way").attr("d", format_args!("M{from} {y}H{}m-6-5 6 5-6 5", to - 3));
    all_of([line, label("count", to - GAP / 2 - 4, y - 7, &count.to_string())])
}

/// The line down to the lane of compensating sagas.
fn way_back(at: usize, traffic: &Traffic) -> Option<Html> {
    let words = match (traffic.declined, traffic.undone) {
        (0, 0) => return None,
        (declined, 0) => format!("{declined} declined"),
        (0, undone) => format!("{undone} undone"),
        (declined, undone) => format!("{declined} declined, {undone} undone"),
    };
    let (x, from) = (left(at) + BOX_WIDTH / 2, TOP + BOX_HEIGHT);
    let line = tag("path").class("back").attr("d", format_args!("M{x} {from}V{BACK}"));
    Some(all_of([line, label("", x + 6, from + 26, &words)]))
}

fn rect(class: &str, x: usize, y: usize, width: usize) -> Tag {
    tag("rect")
        .class(class)
        .attr("x", x)
        .attr("y", y)
        .attr("width", width)
        .attr("height", BOX_HEIGHT)
        .attr("rx", 8)
}

fn label(class: &str, x: usize, y: usize, words: &str) -> Tag {
    tag("text").class(class).attr("x", x).attr("y", y).text(words)
}

fn all_of<const N: usize>(parts: [Tag; N]) -> Html {
    all(parts)
}

fn in_words(sketch: &Sketch, flow: &Flow, title: &str) -> Tag {
    let rows = sketch.steps.iter().zip(&flow.steps).map(|(step, traffic)| {
        let undo = match step.undo {
            Ok(command) => tag("code").text(command).into(),
            Err(why) => text(why),
        };
        let counts = [traffic.asked, traffic.waits, traffic.stuck, traffic.declined, traffic.undone];
        let words = [text(step.name.replace('_', " ")), tag("code").text(step.ask).into(), undo];
        words.into_iter().chain(counts.map(parts::number)).collect()
    });
    let heads = ["Step", "Asks", "Undone by", "Asked", "Wait here", "Stuck", "Declined", "Undone"];
    let table = parts::table(&format!("{title}, step by step"), &heads, rows);
    tag("details")
        .attr("id", format_args!("flow-{}-{}", sketch.name, sketch.version))
        .with(tag("summary").text("The same as a table"))
        .with(table)
}
