//! The story of an order as lines: time, sender, receiver, message, outcome, and queue time.

use std::process::ExitCode;

use anyhow::{Context, Result};
use contract::OrderId;
use store::Database;
use view::mask::Sight;
use view::story::{self, Step, Story, Verdict};
use view::visible;

use crate::cli::paint;

pub(super) async fn show(
    store: &dyn Database,
    order_id: OrderId,
    personal: bool,
    json: bool,
) -> Result<ExitCode> {
    let sight = if personal { Sight::Personal } else { Sight::Masked };
    let story = story::story(store, order_id, sight).await?;
    let story = story.with_context(|| {
        format!("the journal has nothing of order {order_id}; `checkout order list` shows those there are")
    })?;
    match json {
        true => say!("{}", serde_json::to_string_pretty(&story)?),
        false => print(&story),
    }
    Ok(ExitCode::SUCCESS)
}

fn print(story: &Story) {
    let began = story.steps.first().map_or(0, |first| first.at.unix_ms());
    let rows = story.steps.iter().map(|step| {
        vec![
            format!("+{} ms", step.at.unix_ms() - began),
            format!("{} → {}", step.from, step.to),
            visible(&step.name).into(),
            verdict(step),
            step.waited_ms.map(|ms| format!("{ms} ms")).unwrap_or_default(),
        ]
    });
    say!("{}", paint::table(&["at", "way", "message", "came to", "waited"], rows.collect()));
    if story.left_out > 0 {
        say!("{}", paint::dim(&format!("{} steps in the middle are left out", story.left_out)));
    }
    for deadline in &story.deadlines {
        say!("waits until {}  {}  ({})", deadline.due, deadline.name, deadline.key);
    }
    for wait in story.waits.iter().filter(|wait| wait.total_ms > 0) {
        let (reader, total, longest) = (wait.reader, wait.total_ms, wait.longest_ms);
        say!("{}", paint::dim(&format!("waited for {reader}: {total} ms in all, {longest} ms at most")));
    }
}

fn verdict(step: &Step) -> String {
    let (words, aside) = (visible(&step.words), step.aside());
    let aside = visible(&aside);
    match step.verdict {
        Verdict::Done => format!("{words}{aside}"),
        Verdict::Absorbed => paint::dim(&format!("absorbed: {words}{aside}")),
        Verdict::Alarm => paint::bad(&format!("ALARM: {words}{aside}")),
        Verdict::Dead | Verdict::Buried => paint::bad(&format!("{}: {words}{aside}", step.verdict.word())),
        Verdict::Closed => words.into_owned(),
        Verdict::UnderWay | Verdict::Told => paint::dim(&format!("{}{aside}", step.verdict.word())),
    }
}
