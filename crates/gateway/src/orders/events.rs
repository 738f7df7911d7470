//! Streams an order's changes as server-sent events: one for each entry of its audit trail, with the entry's number.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use contract::OrderId;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::show;
use crate::auth::Caller;
use crate::call::Call;
use crate::hub::{WaitPermit, Waiter};
use crate::problem::Problem;
use crate::state::Gateway;

/// An idle stream gets a comment this often; otherwise proxies would close it.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A client that loses its connection reconnects after this.
const RETRY: Duration = Duration::from_secs(1);

pub(super) async fn watch(call: Call) -> Result<Response, Problem> {
    let (gateway, caller, order_id) = (call.gateway.clone(), call.caller()?.clone(), call.order_id()?);
    // Before the order is read, so that refusing one stream too many costs no query.
    let permit = gateway.hub.wait_permit(&caller.id).ok_or_else(|| {
        let why = "you watch as many orders as you may; stop watching one of them";
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_WAITING", why).retry_after(1)
    })?;
    let waiter = gateway.hub.wait_for(order_id);
    let seen = call.header("last-event-id").and_then(|id| id.trim().parse().ok()).unwrap_or(0);
    let told = VecDeque::from([Event::default().retry(RETRY)]);
    let until = Instant::from_std(caller.until);
    let mut watching =
        OrderStream { gateway, caller, order_id, waiter, _permit: permit, seen, told, over: false, until };
    watching.look().await?;
    if watching.over && watching.seen <= seen {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let events = futures_util::stream::unfold(watching, |mut watching| async move {
        let next = watching.next().await?;
        Some((Ok::<_, Infallible>(next), watching))
    });
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

struct OrderStream {
    gateway: Arc<Gateway>,
    caller: Caller,
    order_id: OrderId,
    waiter: Waiter,
    _permit: WaitPermit,
    /// The number of the last event that was sent or queued.
    seen: usize,
    told: VecDeque<Event>,
    over: bool,
    until: Instant,
}

impl OrderStream {
    /// The next event; `None` when the order is final, or when the client should reconnect.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.told.pop_front() {
                return Some(event);
            }
            if self.over || Instant::now() >= self.until {
                return None;
            }
            tokio::select! {
                () = self.waiter.news() => {}
                () = tokio::time::sleep_until(self.until) => return None,
                () = self.gateway.stop.cancelled() => return None,
            }
            // On an error the stream ends; the client reconnects and gets what it missed.
            self.look().await.ok()?;
        }
    }

    async fn look(&mut self) -> Result<(), Problem> {
        let order = show::whole(&self.gateway, &self.caller, self.order_id).await?;
        // The view reads the saga before the audit trail, so a final order has all of its entries.
        self.over = is_over(&order);
        let order = show::for_caller(order, &self.caller);
        let entries = entries(&order);
        for (at, entry) in entries.iter().enumerate().skip(self.seen) {
            let number = (at + 1).to_string();
            self.told.push_back(Event::default().id(number).event("status").data(entry.to_string()));
        }
        self.seen = self.seen.max(entries.len());
        if self.over {
            let end = json!({"order_id": self.order_id, "status": order["status"]});
            let number = self.seen.to_string();
            self.told.push_back(Event::default().id(number).event("end").data(end.to_string()));
        }
        Ok(())
    }
}

/// The audit entries, each with the order's id. A rejected submission has one entry, to `rejected`.
fn entries(order: &Value) -> Vec<Value> {
    if order["status"] == "rejected" {
        return vec![json!({
            "order_id": order["order_id"], "at": order["at"], "from": null, "to": "rejected", "errors": order["errors"],
        })];
    }
    let audit = order["audit"].as_array().cloned().unwrap_or_default();
    let with_id = |mut entry: Value| {
        entry["order_id"] = order["order_id"].clone();
        entry
    };
    audit.into_iter().map(with_id).collect()
}

/// An order that waits for an operator is not final: it will change again.
fn is_over(order: &Value) -> bool {
    view::is_final(order) && order["saga"]["status"] != "needs_attention"
}
