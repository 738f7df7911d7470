//! The audit page: every claim with the number of things checked and the violations found.

use audit::{Check, Report};
use axum::response::Response;
use contract::OrderId;

use super::charts::time;
use super::html::{Html, Tag, all, path, tag, text};
use super::live;
use super::page::{self, Page};
use super::parts::{self, badge, number, section};
use crate::board::auditor::Hurry;
use crate::board::sampler::Snapshot;
use crate::call::Call;
use crate::problem::Problem;
use crate::state::Gateway;

pub(super) const PATH: &str = "/dashboard/promises";
pub(super) const EVENTS: &str = "/dashboard/events/promises";
pub(super) const CHECK: &str = "/dashboard/promises/check";

pub(super) async fn show(call: Call) -> Result<Response, Problem> {
    call.gateway.board.auditor.keep_fresh();
    let button = parts::form(&call, CHECK).with(parts::button("Check all of it now"));
    let page = Page::new(&call, PATH, "Promises").live(EVENTS).with(panel(&call.gateway));
    let about = "Our own books, the journal and the provider's books are read from the first line to the last, by rules \
                 that share nothing with the workers.";
    Ok(page.with(tag("section").class("card").with(tag("p").text(about)).with(button)).answer())
}

pub(super) async fn watch(call: Call) -> Result<Response, Problem> {
    live::stream(call, live_parts).await
}

pub(super) async fn check(call: Call) -> Result<Response, Problem> {
    call.gateway.board.auditor.begin(Hurry::Now);
    Ok(page::see_other(PATH))
}

fn live_parts(call: &Call, _: &Snapshot) -> Html {
    call.gateway.board.auditor.keep_fresh();
    panel(&call.gateway).into()
}

/// The last result, and the current run if there is one.
pub(super) fn panel(gateway: &Gateway) -> Tag {
    let auditor = &gateway.board.auditor;
    let section = section("promises", "What is promised, and what was found");
    let runs = auditor.runs_for().map(|since| {
        let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        tag("p").class("dim").text(format_args!("A check has been going on for {}.", time(ms)))
    });
    let Some(last) = auditor.last() else { return section.with(runs) };
    let took = time(u64::try_from(last.took.as_millis()).unwrap_or(u64::MAX));
    let at = last.at.map_or(String::new(), |at| at.to_string());
    let when = tag("p").class("dim").text(format_args!("Last checked {at}, in {took}."));
    match &last.report {
        Err(why) => {
            section.with(tag("p").class("note bad").text(format_args!("It cannot be checked here: {why}")))
        }
        Ok(report) => section.with(verdict(report)).with(checks(report)),
    }
    .with(when)
    .with(runs)
}

fn verdict(report: &Report) -> Tag {
    let violated: u64 = report.checks.iter().map(|check| check.violated).sum();
    let seen = format!("{} orders and {} journal rows were read", report.orders, report.journal_rows);
    let note = match violated {
        0 => tag("p").class("note good").text(format_args!("Every promise holds. {seen}.")),
        count => {
            tag("p").class("note bad").text(format_args!("{count} times a promise was found broken. {seen}."))
        }
    };
    note.attr("id", "verdict")
}

fn checks(report: &Report) -> Tag {
    let rows = report.checks.iter().map(|check| {
        let verdict = badge(check.verdict());
        vec![text(check.id), claim(check), number(check.examined), number(check.violated), verdict.into()]
    });
    let heads = ["Name", "Promise", "Looked at", "Broken", "Verdict"];
    parts::table("Each promise, how often it was looked at, and how often broken", &heads, rows)
}

fn claim(check: &Check) -> Html {
    let told = check.violations.iter().map(|violation| tag("li").class("bad").with(linked(violation)));
    all([text(check.claim), tag("ul").flag("hidden", check.violated == 0).all(told).into()])
}

/// A violation in which each order id is a link.
fn linked(violation: &str) -> Html {
    const ID_CHARS: usize = 36;
    let (mut html, mut rest) = (Html::default(), violation);
    while let Some(at) = (0..rest.len())
        .find(|at| rest.get(*at..at + ID_CHARS).is_some_and(|id| id.parse::<OrderId>().is_ok()))
    {
        let id = &rest[at..at + ID_CHARS];
        html.push(text(&rest[..at]));
        html.push(tag("a").attr("href", path(&["dashboard", "orders", id])).text(id));
        rest = &rest[at + ID_CHARS..];
    }
    html.push(text(rest));
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_leads_to_every_order_that_it_names() {
        let id = "01932b4a-1111-7000-8000-000000000001";
        let html = linked(&format!("é {id} <b> {id}"));
        let link = format!("<a href=\"/dashboard/orders/{id}\">{id}</a>");
        assert_eq!(html.as_str(), format!("é {link} &lt;b&gt; {link}"));
    }
}
