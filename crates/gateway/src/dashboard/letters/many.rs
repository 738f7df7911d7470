//! A bulk action on a group of dead letters, and its progress.

use axum::response::Response;
use engine::dead::{self, BulkAction};
use engine::operator::Operator;
use serde::Deserialize;
use store::Letters;

use super::super::html::{Tag, tag};
use super::super::page::see_other;
use super::super::parts::section;
use super::{Group, PATH, checked_reason};
use crate::board::bulk::BulkActions;
use crate::call::Call;
use crate::problem::Problem;

/// The most letters for one action; it takes the newest, and can be repeated for the rest.
const LETTERS_MAX: usize = 10_000;
#[derive(Deserialize)]
struct Why {
    #[serde(default)]
    why: String,
}

pub(in crate::dashboard) async fn replay_all(call: Call) -> Result<Response, Problem> {
    begin(call, BulkAction::Replay).await
}

pub(in crate::dashboard) async fn discard_all(call: Call) -> Result<Response, Problem> {
    begin(call, BulkAction::Discard).await
}

async fn begin(call: Call, action: BulkAction) -> Result<Response, Problem> {
    let (group, Why { why }): (Group, Why) = (call.form()?, call.form()?);
    let who = Operator::new(&*call.caller()?.id, checked_reason(&why)?);
    let wanted = Letters { limit: LETTERS_MAX, ..group.wanted() };
    let letters = call.gateway.store.letters(&wanted).await?;
    // Oldest first. The list is fixed here, so a letter that fails again is not retried in a loop.
    let ids: Vec<String> = letters.into_iter().rev().map(|letter| letter.id).collect();
    let verb = if action == BulkAction::Replay { "Sending again" } else { "Giving up" };
    let bulk = call.gateway.board.bulk.clone();
    bulk.begin(format!("{verb}: {}", group.title()), ids.len())?;
    let gateway = call.gateway.clone();
    tokio::spawn(async move {
        for id in ids {
            if gateway.stop.is_cancelled() {
                break;
            }
            let done = match action {
                BulkAction::Replay => dead::replay(&*gateway.store, &*gateway.broker, &id, &who).await,
                BulkAction::Discard => dead::discard(&*gateway.store, &id, &who).await,
            };
            bulk.step(&id, done);
        }
        bulk.end();
    });
    Ok(see_other(PATH))
}

/// Without an action it is an empty element, which live updates can replace.
pub(super) fn progress(bulk: &BulkActions) -> Tag {
    let Some(action) = bulk.current() else { return tag("div").attr("id", "progress") };
    let failed = action.failed.len() + action.more_failed;
    let state = if action.under_way { "under way" } else { "done" };
    let words = format!("{} of {} {state}, {failed} could not be dealt with", action.done, action.total);
    let bar = tag("progress")
        .attr("max", action.total)
        .attr("value", action.done + failed)
        .attr("aria-label", &action.what);
    let failed = action.failed.iter().map(|why| tag("li").text(why));
    section("progress", &action.what)
        .with(bar)
        .with(tag("p").attr("role", "status").text(words))
        .with(tag("ul").all(failed))
}
