//! Work on a whole group, one at a time in a process; whoever looks sees how far it has come.

use std::sync::{Arc, Mutex, PoisonError};

use axum::response::Response;
use serde::Deserialize;

use super::super::html::{Tag, tag};
use super::super::page::see;
use super::super::parts::section;
use super::{Group, PATH, must_say};
use crate::dead::{self, Deed};
use crate::gateway::call::Call;
use crate::gateway::problem::Problem;
use crate::operator::Operator;
use crate::store::Letters;

/// Whoever has more begins with the newest of them, and then again.
const LETTERS_MAX: usize = 10_000;
/// Of those that could not be dealt with, so many are named.
const FAILED_MAX: usize = 20;

/// The last work, or the one under way.
#[derive(Default)]
pub(in crate::gateway::dashboard) struct Works(Mutex<Option<Work>>);

struct Work {
    what: String,
    total: usize,
    done: usize,
    failed: Vec<String>,
    more_failed: usize,
    under_way: bool,
}

#[derive(Deserialize)]
struct Why {
    #[serde(default)]
    why: String,
}

pub(in crate::gateway::dashboard) async fn replay_all(call: Call) -> Result<Response, Problem> {
    begin(call, Deed::Replay).await
}

pub(in crate::gateway::dashboard) async fn discard_all(call: Call) -> Result<Response, Problem> {
    begin(call, Deed::Discard).await
}

async fn begin(call: Call, deed: Deed) -> Result<Response, Problem> {
    let (group, Why { why }): (Group, Why) = (call.form()?, call.form()?);
    let who = Operator::new(&*call.caller()?.id, must_say(&why)?);
    let wanted = Letters { limit: LETTERS_MAX, ..group.wanted() };
    let letters = call.gateway.store.letters(&wanted).await?;
    // Oldest first. Which ones is settled here: whatever dies again meanwhile waits for another look.
    let ids: Vec<String> = letters.into_iter().rev().map(|letter| letter.id).collect();
    let verb = if deed == Deed::Replay { "Sending again" } else { "Giving up" };
    let works = call.gateway.board.works.clone();
    works.begin(format!("{verb}: {}", group.title()), ids.len())?;
    let gateway = call.gateway.clone();
    tokio::spawn(async move {
        for id in ids {
            if gateway.stop.is_cancelled() {
                break;
            }
            let done = match deed {
                Deed::Replay => dead::replay(&*gateway.store, &*gateway.broker, &id, &who).await,
                Deed::Discard => dead::discard(&*gateway.store, &id, &who).await,
            };
            works.step(&id, done);
        }
        works.end();
    });
    Ok(see(PATH))
}

impl Works {
    fn begin(&self, what: String, total: usize) -> Result<(), Problem> {
        let mut work = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if work.as_ref().is_some_and(|work| work.under_way) {
            let why = "another group is being worked on; look again when that is done";
            return Err(Problem::conflict("NOT_POSSIBLE", why));
        }
        *work = Some(Work { what, total, done: 0, failed: Vec::new(), more_failed: 0, under_way: true });
        Ok(())
    }

    fn step(&self, id: &str, done: anyhow::Result<()>) {
        self.with(|work| match done {
            Ok(()) => work.done += 1,
            Err(why) if work.failed.len() < FAILED_MAX => work.failed.push(format!("{id}: {why:#}")),
            Err(_) => work.more_failed += 1,
        });
    }

    fn end(&self) {
        self.with(|work| work.under_way = false);
    }

    fn with(&self, change: impl FnOnce(&mut Work)) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(change);
    }

    /// It is there also while there is nothing to say, so that it can be replaced when there is.
    pub(super) fn progress(self: &Arc<Self>) -> Tag {
        let work = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(work) = work.as_ref() else { return tag("div").attr("id", "progress") };
        let failed = work.failed.len() + work.more_failed;
        let state = if work.under_way { "under way" } else { "done" };
        let words = format!("{} of {} {state}, {failed} could not be dealt with", work.done, work.total);
        let bar = tag("progress")
            .attr("max", work.total)
            .attr("value", work.done + failed)
            .attr("aria-label", &work.what);
        let failed = work.failed.iter().map(|why| tag("li").text(why));
        section("progress", &work.what)
            .with(bar)
            .with(tag("p").attr("role", "status").text(words))
            .with(tag("ul").all(failed))
    }
}
