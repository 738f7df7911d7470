//! The overview page: counts by state, throughput and latency, and what waits for an operator.

use axum::response::Response;
use broker::Depth;
use contract::Time;

use super::charts::{self, line, time};
use super::graph;
use super::html::{Html, Tag, all, tag, text};
use super::live;
use super::page::Page;
use super::parts::{self, badge, number, section};
use crate::board::sampler::{Point, Snapshot};
use crate::call::Call;
use crate::problem::Problem;

pub(super) const PATH: &str = "/";
pub const EVENTS: &str = "/dashboard/events/overview";

pub(super) async fn show(call: Call) -> Result<Response, Problem> {
    let snapshot = call.gateway.board.sampler.snapshot().await?;
    Ok(Page::new(&call, PATH, "Overview").live(EVENTS).with(live_parts(&call, &snapshot)).answer())
}

pub(super) async fn watch(call: Call) -> Result<Response, Problem> {
    live::stream(call, live_parts).await
}

fn live_parts(_: &Call, snapshot: &Snapshot) -> Html {
    all([now(snapshot), orders(snapshot), charts_of(snapshot), flow(snapshot), queues(snapshot)])
}

/// The key figures.
fn now(snapshot: &Snapshot) -> Tag {
    let Snapshot { readiness, vitals, throughput, .. } = snapshot;
    let ended = |at: usize| text(throughput.ended_ms.map_or("–".to_string(), |ms| time(ms[at])));
    let linked = |path: &str, count: u64| -> Html {
        let class = if count > 0 { "bad" } else { "" };
        tag("a").attr("href", path).class(class).with(number(count)).into()
    };
    let of_strangers = tag("a")
        .attr("href", "/dashboard/dead-letters?origin=stranger")
        .with(number(vitals.strangers_dead_letters));
    let facts = [
        ("Orders a second", text(charts::short(throughput.orders_per_s))),
        ("Under way", number(snapshot.sagas_under_way())),
        ("Half end within", ended(0)),
        ("95 of 100 within", ended(1)),
        ("99 of 100 within", ended(2)),
        ("Need attention", linked("/dashboard/sagas?status=needs_attention", snapshot.attention())),
        ("Dead letters", linked("/dashboard/dead-letters", vitals.own_dead_letters())),
        ("Strangers' dead letters", of_strangers.into()),
        ("Oldest unhandled", text(time(age_ms(snapshot.at, vitals.oldest_in_flight)))),
        ("Deadlines due", number(vitals.deadlines_due)),
    ];
    let away = [("the database", &readiness.database), ("the broker", &readiness.broker)].into_iter();
    let away = away.filter(|(_, dependency)| !dependency.ready).map(|(name, dependency)| {
        let why = dependency.why.as_deref().unwrap_or("it does not answer");
        tag("p").class("note bad").text(format_args!("{name} is away: {why}"))
    });
    section("now", "Now").all(away).with(tag("div").class("big").with(parts::facts(facts)))
}

fn age_ms(now: Time, at: Option<Time>) -> u64 {
    at.map_or(0, |at| u64::try_from(now.unix_ms().saturating_sub(at.unix_ms())).unwrap_or_default())
}

fn orders(snapshot: &Snapshot) -> Tag {
    let section = section("orders", "Orders by state");
    let Some(counted) = &snapshot.counted else {
        return section.with(
            tag("p")
                .class("dim")
                .text("They are being counted; there are many. This page shows them as soon as it is done."),
        );
    };
    let states = ["created", "paid", "fulfilled", "cancelled", "refunded", "archived"];
    let count =
        |state: &str| counted.orders.iter().find(|(known, _)| known == state).map_or(0, |(_, count)| *count);
    let total: u64 = counted.orders.iter().map(|(_, count)| *count).sum();
    let facts = states.map(|state| {
        let link = tag("a")
            .attr("href", format_args!("/dashboard/orders?status={state}"))
            .with(number(count(state)));
        tag("div").with(tag("dt").with(badge(state))).with(tag("dd").with(link))
    });
    let all = tag("div").with(tag("dt").text("in all")).with(tag("dd").with(number(total)));
    section.with(tag("dl").class("facts big").all(facts).with(all))
}

fn charts_of(snapshot: &Snapshot) -> Tag {
    let of = |value: fn(&Point) -> Option<f64>| snapshot.history.iter().map(value).collect::<Vec<_>>();
    let charts = [
        line("Orders a second", "", &of(|point| Some(point.orders_per_s))),
        line("95 of 100 end within", "ms", &of(|point| point.ended_ms.map(|ms| ms[1] as f64))),
        line("Messages in queues", "", &of(|point| Some(point.queued as f64))),
        line("Oldest unhandled", "ms", &of(|point| Some(point.oldest_ms as f64))),
    ];
    section("charts", "Since somebody watches").with(tag("div").class("charts").all(charts))
}

fn flow(snapshot: &Snapshot) -> Tag {
    let section = section("flow", "Where orders go");
    match &snapshot.counted {
        None => section.with(graph::flows(&snapshot.under_way.sagas)),
        Some(counted) => section.with(graph::flows(&counted.sagas)),
    }
}

fn queues(snapshot: &Snapshot) -> Tag {
    let rows = snapshot.queues.iter().map(|(queue, depth)| {
        let role = queue.reader();
        let paused = snapshot.pauses.iter().find(|pause| pause.role == role);
        let (messages, oldest) = match depth {
            None => (text("not known"), text("–")),
            Some(Depth { messages, oldest }) => {
                let oldest = oldest.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
                (number(*messages as u64), text(oldest.map_or("–".to_string(), time)))
            }
        };
        let state: Html = match paused {
            Some(pause) => {
                all([badge("paused").into(), text(format_args!(" by {}: {}", pause.by, pause.why))])
            }
            None => badge("at work").into(),
        };
        vec![text(queue), text(role), messages, oldest, state]
    });
    let heads = ["Queue", "Worker", "Messages", "Oldest waits for", "State"];
    section("queues", "Queues").with(parts::table("Queues and their workers", &heads, rows))
}
