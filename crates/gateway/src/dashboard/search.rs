//! The search pages for orders and sagas.

use axum::response::Response;
use contract::Time;
use serde::Deserialize;
use serde_json::Value;
use view::search::{self, Found, Wanted};

use super::html::{Html, Tag, path, tag, text};
use super::page::Page;
use super::parts::{badge, field, section, table};
use crate::call::Call;
use crate::orders::{cursor, read_cursor};
use crate::problem::Problem;

pub(super) const ORDERS: &str = "/dashboard/orders";
pub(super) const SAGAS: &str = "/dashboard/sagas";

const LIMIT: usize = 50;

const ORDER_STATES: [&str; 6] = ["created", "paid", "fulfilled", "cancelled", "refunded", "archived"];
const SAGA_STATES: [&str; 6] = ["running", "unwinding", "needs_attention", "completed", "undone", "awaited"];
/// The choices of the idle-time filter.
const AGES: [(&str, &str); 5] = [
    ("60", "a minute"),
    ("600", "ten minutes"),
    ("3600", "an hour"),
    ("86400", "a day"),
    ("604800", "a week"),
];

/// The search form's fields; an empty field does not filter.
#[derive(Clone, Default, Deserialize)]
struct SearchQuery {
    #[serde(default)]
    q: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    step: String,
    #[serde(default)]
    idle_s: String,
    #[serde(default)]
    cursor: String,
}

pub(super) async fn orders(call: Call) -> Result<Response, Problem> {
    let query: SearchQuery = call.query()?;
    let found = search::orders(&*call.gateway.store, &query.wanted()?).await?;
    let rows = found.items.iter().map(|order| {
        let id = word(order, "order_id");
        vec![
            link(&id),
            badge(&word(order, "status")).into(),
            text(money(&order["total"])),
            text(word(order, "customer_id")),
            text(word(order, "created_at")),
            text(word(order, "reason").replace('_', " ")),
        ]
    });
    let heads = ["Order", "State", "Total", "Customer", "Created", "Because"];
    let list = table("Orders, newest first", &heads, rows);
    Ok(answer(&call, ORDERS, "Orders", &ORDER_STATES, &query, &found, list))
}

pub(super) async fn sagas(call: Call) -> Result<Response, Problem> {
    let query: SearchQuery = call.query()?;
    let found = search::sagas(&*call.gateway.store, &query.wanted()?).await?;
    let rows = found.items.iter().map(|saga| {
        let name = match saga["return_no"].as_u64() {
            Some(0) | None => word(saga, "definition").replace('_', " "),
            Some(number) => format!("return {number}"),
        };
        vec![
            link(&word(saga, "order_id")),
            text(name),
            badge(&word(saga, "status")).into(),
            text(word(saga, "step").replace('_', " ")),
            text(word(saga, "updated_at")),
            text(saga["attention"]["why"].as_str().unwrap_or_default()),
        ]
    });
    let heads = ["Order", "Saga", "State", "Step", "Last heard of", "Because"];
    let list = table("Sagas, newest first", &heads, rows);
    Ok(answer(&call, SAGAS, "Sagas", &SAGA_STATES, &query, &found, list))
}

impl SearchQuery {
    fn wanted(&self) -> Result<Wanted, Problem> {
        let given = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_string());
        let idle_s = given(&self.idle_s).map(|text| text.parse()).transpose();
        let why = "idle_s is a number of seconds";
        Ok(Wanted {
            q: given(&self.q),
            status: given(&self.status),
            step: given(&self.step),
            idle_s: idle_s.map_err(|_| Problem::bad_request("QUERY_INVALID", why))?,
            before: given(&self.cursor).map(|cursor| read_cursor(&cursor)).transpose()?,
            limit: LIMIT,
            ..Wanted::default()
        })
    }

    /// The link to the next page of the same search.
    fn next(&self, here: &str, (at, id): &(Time, String)) -> Option<String> {
        let cursor = cursor(*at, id.get(..36)?.parse().ok()?);
        let fields = [
            ("q", self.q.as_str()),
            ("status", &self.status),
            ("step", &self.step),
            ("idle_s", &self.idle_s),
            ("cursor", &cursor),
        ];
        let query = serde_urlencoded::to_string(fields).ok()?;
        Some(format!("{here}?{query}"))
    }
}

fn answer(
    call: &Call,
    here: &'static str,
    title: &str,
    states: &[&str],
    query: &SearchQuery,
    found: &Found,
    list: Tag,
) -> Response {
    let input = |value: &str| tag("input").attr("value", value);
    let form = tag("form")
        .attr("method", "get")
        .attr("action", here)
        .class("row")
        .with(field("q", "Beginning of the id, or customer", input(&query.q).attr("type", "search")))
        .with(field("status", "State", select(&query.status, states.iter().map(|state| (*state, *state)))))
        .with(field(
            "step",
            "Step",
            select(&query.step, search::steps().into_iter().map(|step| (step, step))),
        ))
        .with(field("idle_s", "Nothing heard for", select(&query.idle_s, AGES)))
        .with(tag("p").class("field").with(tag("button").class("main").text("Find")));
    let next = found.next.as_ref().and_then(|next| query.next(here, next));
    let next =
        next.map(|next| tag("p").with(tag("a").attr("href", next).attr("rel", "next").text("Older ones")));
    let none = found.items.is_empty().then(|| tag("p").class("dim").text("None is like that."));
    let list =
        section("found", "Found").with((!found.items.is_empty()).then_some(list)).with(none).with(next);
    Page::new(call, here, title).with(section("search", "Search").with(form)).with(list).answer()
}

fn select<'a>(chosen: &str, choices: impl IntoIterator<Item = (&'a str, &'a str)>) -> Tag {
    let option = |(value, name): (&str, &str)| {
        let option = tag("option").attr("value", value).text(name.replace('_', " "));
        option.flag("selected", value == chosen)
    };
    tag("select").with(option(("", "any"))).all(choices.into_iter().map(option))
}

/// The path of an order's page.
pub(super) fn order_at(order_id: &str) -> String {
    format!("{ORDERS}{}", path(&[order_id]))
}

pub(super) fn link(order_id: &str) -> Html {
    tag("a").attr("href", order_at(order_id)).class("mono").text(order_id).into()
}

pub(super) fn word(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_string()
}

pub(super) fn money(value: &Value) -> String {
    match (value["amount"].as_str(), value["currency"].as_str()) {
        (Some(amount), Some(currency)) => format!("{amount} {currency}"),
        _ => "–".to_string(),
    }
}
