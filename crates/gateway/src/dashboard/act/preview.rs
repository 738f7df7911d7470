//! Renders a preview: first what cannot be undone, then money, then everything else in order.

use engine::preview::Preview;
use serde_json::Value;

use super::super::html::{Html, Tag, tag, text};
use super::super::parts::{dim, section, table};

pub(in crate::dashboard) fn shown(preview: &Preview) -> Tag {
    let refused = preview.refused.as_ref();
    let refused =
        refused.map(|why| tag("p").class("note bad").text(format_args!("It would be refused: {why}")));
    section("preview", "What it would cause")
        .with(dim("The workers have decided this on the records as they are now. Nothing of it is kept."))
        .with(refused)
        .with(listed("What could not be taken back", preview.for_good.clone()))
        .with(listed("Money", preview.money.iter().map(money).collect()))
        .with(steps(preview))
        .with(changes(preview))
        .with(listed("Deadlines", preview.deadlines.iter().map(deadline).collect()))
        .with(listed("Then it waits", preview.waits_for.iter().map(waiting).collect()))
        .with(listed("Listeners hear", preview.facts.clone()))
}

fn listed(title: &str, lines: Vec<String>) -> Option<Html> {
    let list = tag("ul").all(lines.iter().map(|line| tag("li").text(line)));
    (!lines.is_empty()).then(|| tag("div").with(tag("h3").text(title)).with(list).into())
}

fn money(money: &engine::preview::Money) -> String {
    let amount = money.amount.map(|amount| format!(" of {amount}")).unwrap_or_default();
    let ask = match money.ask.as_str() {
        "query" => "what became of it",
        "charge" => "a charge",
        _ => "a refund",
    };
    format!("the provider is asked for {ask}{amount}, under the key {}", money.key)
}

fn deadline(deadline: &engine::preview::Deadline) -> String {
    match deadline.due {
        Some(due) => format!("{} is due at {due}", deadline.key),
        None => format!("{} is cleared", deadline.key),
    }
}

fn waiting(waiting: &engine::preview::Waiting) -> String {
    format!("{} for {} ({})", waiting.message, waiting.role, waiting.why)
}

fn steps(preview: &Preview) -> Tag {
    let rows = preview.steps.iter().map(|step| {
        vec![
            text(&step.role),
            tag("code").text(&step.message).into(),
            text(&step.outcome),
            text(step.says.join(", ")),
        ]
    });
    tag("div").with(tag("h3").text("Step by step")).with(table(
        "What each worker would decide",
        &["Worker", "Message", "Would come to", "Would say"],
        rows,
    ))
}

fn changes(preview: &Preview) -> Option<Html> {
    let value = |value: &Value| match value {
        Value::Null => text("–"),
        Value::String(word) => text(word),
        other => text(other),
    };
    let rows = preview.changes.iter().map(|change| {
        let what = if change.field.is_empty() { "the whole record is new" } else { &change.field };
        vec![text(&change.table), text(what), value(&change.from), value(&change.to)]
    });
    let table = table("What would be different", &["Record", "Field", "Is", "Would be"], rows);
    (!preview.changes.is_empty())
        .then(|| tag("div").with(tag("h3").text("What would be different")).with(table).into())
}
