//! A customer's own orders, page by page. A cursor holds only the position where a page ended; the customer always
//! comes from the token.

use axum::Json;
use axum::response::{IntoResponse, Response};
use contract::{Currency, Money, OrderId, Time};
use serde_json::json;
use store::{History, Totals};

use super::shapes::Wanted;
use super::show;
use crate::call::Call;
use crate::problem::Problem;

const LIMIT: u32 = 20;
const LIMIT_MAX: u32 = 100;
const SEARCH_CHARS_MAX: usize = 100;

pub(super) async fn list(call: Call) -> Result<Response, Problem> {
    let (caller, wanted) = (call.caller()?, call.query::<Wanted>()?);
    let limit = limit_of(wanted.limit)?;
    if wanted.q.as_ref().is_some_and(|text| text.chars().count() > SEARCH_CHARS_MAX || text.contains('\0')) {
        let why = format!("q has at most {SEARCH_CHARS_MAX} characters");
        return Err(Problem::bad_request("QUERY_INVALID", why));
    }
    let history = History {
        status: wanted.status.map(|status| status.name().to_string()),
        failed_too: wanted.failed.unwrap_or(wanted.status == Some(contract::Status::Cancelled)),
        from: wanted.from,
        to: wanted.to,
        holding: wanted.q.filter(|text| !text.is_empty()),
        totals: totals(wanted.min_total, wanted.max_total, wanted.currency)?,
        before: wanted.cursor.as_deref().map(read_cursor).transpose()?,
        // One more than asked for shows whether there is another page.
        limit: limit + 1,
    };
    let mut docs = call.gateway.store.history(&caller.id, &history).await?;
    let more = docs.len() > limit;
    docs.truncate(limit);
    let records: Vec<order::Order> = docs
        .iter()
        .map(|doc| serde_json::from_str(doc))
        .collect::<Result<_, _>>()
        .map_err(Problem::internal)?;
    let next = records.last().filter(|_| more).map(|last| cursor(last.created_at, last.order_id));
    let shown = view::in_list(&*call.gateway.store, &records).await?;
    let orders: Vec<_> = shown.into_iter().map(|order| show::for_caller(order, caller)).collect();
    Ok(Json(json!({"items": orders, "next": next})).into_response())
}

pub(crate) fn limit_of(asked: Option<u32>) -> Result<usize, Problem> {
    match asked.unwrap_or(LIMIT) {
        limit @ 1..=LIMIT_MAX => Ok(limit as usize),
        _ => Err(Problem::bad_request("QUERY_INVALID", format!("limit lies between 1 and {LIMIT_MAX}"))),
    }
}

/// An amount needs a currency.
pub(crate) fn totals(
    min: Option<String>,
    max: Option<String>,
    currency: Option<String>,
) -> Result<Totals, Problem> {
    let invalid = |why: String| Problem::bad_request("QUERY_INVALID", why);
    let Some(code) = currency else {
        return match min.or(max) {
            None => Ok(Totals::default()),
            Some(_) => Err(invalid("say with `currency` what min_total and max_total are amounts of".into())),
        };
    };
    let currency = Currency::from_code(&code)
        .ok_or_else(|| invalid("currency is a code of ISO 4217, like EUR".into()))?;
    let minor = |name: &str, amount: Option<String>| {
        let read = amount.map(|amount| Money::parse(&amount, currency)).transpose();
        read.map(|money| money.map(Money::minor)).map_err(|why| invalid(format!("{name}: {why}")))
    };
    let (from_minor, to_minor) = (minor("min_total", min)?, minor("max_total", max)?);
    Ok(Totals { from_minor, to_minor, currency: Some(currency.code().to_string()) })
}

/// Time and id in hex, so that it looks opaque and clients do not take it apart.
pub(crate) fn cursor(at: Time, id: OrderId) -> String {
    format!("{:012x}{}", at.unix_ms(), id.uuid().simple())
}

pub(crate) fn read_cursor(text: &str) -> Result<(Time, String), Problem> {
    let read = || {
        let (at, id) = text.split_at_checked(12)?;
        let at = i64::from_str_radix(at, 16).ok().filter(|_| text.len() == 44)?;
        Some((Time::from_unix_ms(at), id.parse::<OrderId>().ok()?.to_string()))
    };
    read().ok_or_else(|| {
        Problem::bad_request(
            "CURSOR_INVALID",
            "give the `next` of a page as it was, or begin without a cursor",
        )
    })
}
