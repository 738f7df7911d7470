//! An order's changes as they happen, as server-sent events: one for each entry of its audit trail, numbered as there.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use contract::OrderId;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::show;
use crate::gateway::Gateway;
use crate::gateway::auth::Caller;
use crate::gateway::call::Call;
use crate::gateway::hub::{Place, Waiter};
use crate::gateway::problem::Problem;
use crate::view;

/// So often something is said, or whatever stands between us and the reader would hang up.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A reader who is cut off comes again after this.
const RETRY: &str = "retry: 1000\n\n";

pub(super) async fn watch(call: Call) -> Result<Response, Problem> {
    let (gateway, caller, order_id) = (call.gateway.clone(), call.caller()?.clone(), call.order_id()?);
    let waiter = gateway.hub.wait_for(order_id);
    let order = show::of(&gateway, &caller, order_id).await?;
    let seen = call.header("last-event-id").and_then(|id| id.trim().parse().ok()).unwrap_or(0);
    if is_over(&gateway, order_id).await? && entries(&order).len() <= seen {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let place = gateway.hub.place(&caller.id).ok_or_else(|| {
        let why = "you watch as many orders as you may; stop watching one of them";
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_WAITING", why).retry_after(1)
    })?;
    let told = VecDeque::from([RETRY.to_string()]);
    let until = Instant::from_std(caller.until);
    let watching =
        Watching { gateway, caller, order_id, waiter, _place: place, seen, told, over: false, until };
    let events = futures_util::stream::unfold(watching, |mut watching| async move {
        let next = watching.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(next)), watching))
    });
    Ok(([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response())
}

struct Watching {
    gateway: Arc<Gateway>,
    caller: Caller,
    order_id: OrderId,
    waiter: Waiter,
    _place: Place,
    /// The number of the last event that was told.
    seen: usize,
    told: VecDeque<String>,
    over: bool,
    until: Instant,
}

impl Watching {
    /// What to write next; `None` when there is nothing more to come, or the reader should come again.
    async fn next(&mut self) -> Option<String> {
        let mut heartbeat = Instant::now() + HEARTBEAT;
        loop {
            if let Some(text) = self.told.pop_front() {
                return Some(text);
            }
            if self.over || Instant::now() >= self.until {
                return None;
            }
            if Instant::now() >= heartbeat {
                return Some(":\n\n".to_string());
            }
            // Whoever cannot be told now comes again, and is told then.
            self.look().await.ok()?;
            if self.told.is_empty() {
                let stop = self.gateway.stop.clone();
                tokio::select! {
                    () = self.waiter.news() => {}
                    () = tokio::time::sleep_until(self.until.min(heartbeat)) => {}
                    () = stop.cancelled() => return None,
                }
            } else {
                heartbeat = Instant::now() + HEARTBEAT;
            }
        }
    }

    async fn look(&mut self) -> Result<(), Problem> {
        // In this order: what is over has all of its entries.
        self.over = is_over(&self.gateway, self.order_id).await?;
        let order = show::of(&self.gateway, &self.caller, self.order_id).await?;
        let entries = entries(&order);
        for (at, entry) in entries.iter().enumerate().skip(self.seen) {
            let number = at + 1;
            self.told.push_back(format!("id: {number}\nevent: status\ndata: {entry}\n\n"));
        }
        self.seen = self.seen.max(entries.len());
        if self.over {
            let end = json!({"order_id": self.order_id, "status": order["status"]});
            self.told.push_back(format!("id: {}\nevent: end\ndata: {end}\n\n", self.seen));
        }
        Ok(())
    }
}

/// Each with the order's id; a submission that was refused has one change, to `rejected`.
fn entries(order: &Value) -> Vec<Value> {
    if order["status"] == "rejected" {
        return vec![json!({
            "order_id": order["order_id"], "at": order["at"], "from": null, "to": "rejected", "faults": order["faults"],
        })];
    }
    let audit = order["audit"].as_array().cloned().unwrap_or_default();
    let with_id = |mut entry: Value| {
        entry["order_id"] = order["order_id"].clone();
        entry
    };
    audit.into_iter().map(with_id).collect()
}

/// An order that waits for an operator is not final: it will go on.
async fn is_over(gateway: &Gateway, order_id: OrderId) -> Result<bool, Problem> {
    let order = view::order(&*gateway.store, &order_id.to_string()).await?;
    Ok(order.is_some_and(|order| view::is_final(&order) && order["saga"]["status"] != "needs_attention"))
}
