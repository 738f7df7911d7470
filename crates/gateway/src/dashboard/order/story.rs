//! The story as a diagram and as a table, which has more detail and serves screen readers.

use super::super::html::{Html, Tag, all, path, tag, text};
use super::super::letters;
use super::super::parts::{frame, section, table};
use super::diagram;
use view::story::{Step, Story, Wait};

pub(super) fn shown(story: &Story) -> Tag {
    let began = story.steps.iter().map(|step| step.at.unix_ms()).min().unwrap_or_default();
    let rows = story.steps.iter().map(|step| {
        vec![
            text(format_args!("+{} ms", step.at.unix_ms() - began)),
            text(format_args!("{} → {}", step.from, step.to)),
            message(step),
            all([
                diagram::mark(step).into(),
                text(format_args!(" {}{}", step.words, step.aside())),
                letter(step),
            ]),
            text(step.waited_ms.map_or("–".to_string(), |ms| format!("{ms} ms"))),
            text(step.says.join(", ")),
        ]
    });
    let heads = ["At", "Way", "Message", "Came to", "Had waited", "Emitted because of it"];
    let left_out = (story.left_out > 0).then(|| {
        tag("p").class("dim").text(format_args!("{} steps in the middle are left out.", story.left_out))
    });
    section("story", "Story")
        .with(tag("p").text(in_short(story)))
        .with(frame("The story as a diagram", diagram::drawn(story)))
        .with(left_out)
        .with(tag("h3").text("Message by message"))
        .with(table("The story message by message", &heads, rows))
        .with(waits(&story.waits))
}

fn in_short(story: &Story) -> String {
    let (steps, seconds) = (story.steps.len() + story.left_out, story.took_ms as f64 / 1000.0);
    format!("{steps} messages in {seconds:.1} s, among {} who take part.", story.lifelines.len())
}

fn message(step: &Step) -> Html {
    let name = tag("code").text(&step.name);
    let Some(payload) = &step.payload else { return name.into() };
    let payload = serde_json::to_string_pretty(payload).unwrap_or_default();
    let id = tag("p").class("small dim").text(&step.message_id);
    tag("details")
        .with(tag("summary").with(name))
        .with(id)
        .with(tag("pre").attr("tabindex", "0").text(payload))
        .into()
}

fn letter(step: &Step) -> Html {
    let to = step.letter.as_ref().map(|id| format!("{}{}", letters::PATH, path(&[id])));
    to.map(|to| all([text(" "), tag("a").attr("href", to).text("the letter").into()])).into()
}

fn waits(waits: &[Wait]) -> Option<Html> {
    let rows: Vec<_> = waits
        .iter()
        .map(|wait| {
            let Wait { reader, messages, total_ms, longest_ms } = wait;
            vec![
                text(reader),
                text(messages),
                text(format_args!("{total_ms} ms")),
                text(format_args!("{longest_ms} ms")),
            ]
        })
        .collect();
    let heads = ["Reader", "Messages", "In all", "At most"];
    let section = tag("div").with(tag("h3").text("Where the time went")).with(table("Waits", &heads, rows));
    (!waits.is_empty()).then(|| section.into())
}
