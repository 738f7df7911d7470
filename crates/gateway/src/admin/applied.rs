//! Sends a command that belongs to no order and waits until the worker has applied or refused it, or the timeout has
//! passed.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use contract::{Body, Message, MessageId, Queue, Role, Table};
use engine::ingress::Refused;
use serde_json::{Value, json};
use store::Database;

use crate::call::Call;
use crate::parked;
use crate::problem::Problem;

const WAIT: Duration = Duration::from_secs(5);
/// No fact tells that such a command is applied, so the journal is polled: first after this pause, which then doubles …
const POLL_FIRST: Duration = Duration::from_millis(5);
/// … up to this.
const POLL_SLOWEST: Duration = Duration::from_millis(200);

/// Answers with the record: 200 after the command was applied, 202 with the record as it stands if that takes too long.
pub(super) async fn apply(call: &Call, body: Body, table: Table, key: &str) -> Result<Response, Problem> {
    let (store, caller) = (&*call.gateway.store, call.caller()?);
    let id = call.message_id(&caller.id).await?;
    let queue =
        body.queues().first().copied().ok_or_else(|| Problem::internal("a command without a queue"))?;
    let message = Message::new(id.clone(), store.now().await?, body);
    call.send(message).await.map_err(|refused| match refused {
        Refused::IdReused => Problem::key_reused(),
        Refused::Unavailable(_) => Problem::unavailable(refused),
    })?;
    let applied = applied(store, queue, &id, &caller.id);
    let status = match tokio::time::timeout(call.would_wait().unwrap_or(WAIT), applied).await {
        Ok(applied) => applied.map(|()| StatusCode::OK)?,
        Err(_) => StatusCode::ACCEPTED,
    };
    let now: Value = match store.get(table, key).await? {
        Some(doc) => serde_json::from_str(&doc).map_err(Problem::internal)?,
        None => json!({}),
    };
    Ok((status, Json(now)).into_response())
}

/// Waits until a worker has handled the message, and until all messages that this caused are handled too.
async fn applied(store: &dyn Database, queue: Queue, id: &MessageId, by: &str) -> Result<(), Problem> {
    let mut waiting = vec![(queue, id.clone())];
    let mut delay = POLL_FIRST;
    while let Some((queue, id)) = waiting.last().cloned() {
        if let Some(said) = handled(store, queue.reader(), &id).await? {
            waiting.pop();
            waiting.extend(said);
            continue;
        }
        if let Some(refused) = parked::reply_if_parked(store, queue, &id, by).await? {
            return Err(refused);
        }
        tokio::time::sleep(delay).await;
        delay = (delay * 2).min(POLL_SLOWEST);
    }
    Ok(())
}

async fn handled(
    store: &dyn Database,
    role: Role,
    id: &MessageId,
) -> Result<Option<Vec<(Queue, MessageId)>>, store::Error> {
    let (_, handled) = store.begin().await?.handled(role, std::slice::from_ref(id)).await?;
    let said = handled.into_iter().next().map(|handled| handled.emitted);
    let each = |said: store::Emitted| {
        let id = said.message.id.clone();
        said.queues.into_iter().map(move |queue| (queue, id.clone())).collect::<Vec<_>>()
    };
    Ok(said.map(|said| said.into_iter().flat_map(each).collect()))
}
