//! Archives orders that ended long ago, by a message to each: no process changes an order record directly.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use contract::{Body, Message, MessageId, OrderArchive, Speaker, Status, Table, Time};
use engine::ingress::Ingress;
use store::{Database, Filter};
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(30);
const AT_ONCE: usize = 200;
const DAY_MS: u64 = 24 * 3600 * 1000;
/// The statuses in which an order may be archived.
const ENDED: [Status; 3] = [Status::Fulfilled, Status::Cancelled, Status::Refunded];

pub(super) async fn keep_archive(
    store: Arc<dyn Database>,
    ingress: Ingress,
    after_days: u64,
    stop: CancellationToken,
) {
    let after_ms = i64::try_from(after_days.saturating_mul(DAY_MS)).unwrap_or(i64::MAX);
    // Where the last round stopped for each status: an order that cannot be archived yet does not block the others.
    let mut places: [Option<(Time, String)>; ENDED.len()] = Default::default();
    loop {
        for (status, place) in ENDED.into_iter().zip(&mut places) {
            match archive_next(&*store, &ingress, status, after_ms, place).await {
                Ok(0) => {}
                Ok(orders) => tracing::info!(orders, "ended orders are asked to be put away"),
                Err(why) => tracing::warn!("ended orders wait to be put away: {why:#}"),
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Archives the next few, from the newest to the oldest and then again from the newest.
async fn archive_next(
    store: &dyn Database,
    ingress: &Ingress,
    status: Status,
    after_ms: i64,
    place: &mut Option<(Time, String)>,
) -> Result<usize> {
    let now = store.now().await?;
    let last = Time::from_unix_ms(now.unix_ms().saturating_sub(after_ms));
    let status = Some(status.name().to_string());
    let filter = Filter { status, to: Some(last), before: place.take(), limit: AT_ONCE, ..Filter::default() };
    let mut asked = 0;
    for doc in store.list(Table::Orders, &filter).await? {
        let order: order::Order = serde_json::from_str(&doc)?;
        *place = Some((order.created_at, order.order_id.to_string()));
        if order.updated_at >= last {
            continue;
        }
        // The id changes every day, so that an order that could not be archived is asked again the next day.
        let day = now.unix_ms().unsigned_abs() / DAY_MS;
        let id = MessageId::of_name(order.order_id, &format!("archive/{}/{day}", order.order_id));
        let body = Body::OrderArchive(OrderArchive { order_id: order.order_id, ..Default::default() });
        ingress.bring(Message::new(id, now, body).said_by(Speaker::Timers)).await?;
        asked += 1;
    }
    Ok(asked)
}
