//! A write is answered once a worker has applied it. The record keeps the results of the last writes, and is polled
//! until it has this one's.

use std::time::Duration;

use contract::{Answers, Body, Fault, Message, MessageId, Stored};
use engine::ingress::Refused;
use serde::de::DeserializeOwned;

use super::call::Call;
use super::problem::Problem;

/// The timeout of a caller that sends no `Prefer: wait`; the worker usually takes milliseconds.
const WAIT: Duration = Duration::from_secs(5);
const POLL_FIRST: Duration = Duration::from_millis(2);
/// Each pause is twice the one before, up to this: a worker that has not answered by then is away or far behind, and
/// polling must not keep the database busy meanwhile.
const POLL_SLOWEST: Duration = Duration::from_secs(1);

/// The result of a write: the record after it, the worker's refusal, or neither before the timeout.
pub(super) enum Written<R> {
    Done(R),
    Refused(Fault),
    NotYet,
}

/// Sends the message and waits for its result in the record `key`.
pub(super) async fn write<R: Stored + DeserializeOwned>(
    call: &Call,
    id: MessageId,
    body: Body,
    key: &str,
    answers: fn(&R) -> &Answers,
) -> Result<Written<R>, Problem> {
    send(call, id.clone(), body).await?;
    let Some(record) = poll(call, key, |record: &R| answers(record).to(&id).is_some()).await? else {
        return Ok(Written::NotYet);
    };
    let refused = answers(&record).to(&id).and_then(|answer| answer.refused.clone());
    Ok(refused.map_or_else(|| Written::Done(record), Written::Refused))
}

/// Journals and publishes the message. A repeat with the same id has no effect.
pub(super) async fn send(call: &Call, id: MessageId, body: Body) -> Result<(), Problem> {
    let now = call.gateway.store.now().await?;
    match call.send(Message::new(id, now, body)).await {
        Ok(_) => Ok(()),
        Err(Refused::IdReused) => {
            let why = "this Idempotency-Key was used before, for something else; give every request its own";
            Err(Problem::unprocessable("IDEMPOTENCY_KEY_REUSED", why))
        }
        Err(refused @ Refused::Unavailable(_)) => Err(Problem::unavailable(refused)),
    }
}

/// Polls the record until `is_right`, or until the timeout. A caller that already has as many waits as allowed is
/// answered after the first read.
pub(super) async fn poll<R: Stored + DeserializeOwned>(
    call: &Call,
    key: &str,
    is_right: impl Fn(&R) -> bool,
) -> Result<Option<R>, Problem> {
    let caller = call.caller.as_ref().map_or_else(|| key.into(), |caller| caller.id.clone());
    let permit = call.gateway.hub.wait_permit(&caller);
    let time = permit.as_ref().map_or(Duration::ZERO, |_| call.would_wait().unwrap_or(WAIT));
    let until = tokio::time::Instant::now() + time;
    let mut pause = POLL_FIRST;
    loop {
        if let Some(record) = read::<R>(call, key).await?.filter(&is_right) {
            return Ok(Some(record));
        }
        if tokio::time::Instant::now() >= until {
            return Ok(None);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(POLL_SLOWEST);
    }
}

pub(super) async fn read<R: Stored + DeserializeOwned>(call: &Call, key: &str) -> Result<Option<R>, Problem> {
    let doc = call.gateway.store.get(R::TABLE, key).await?;
    doc.map(|doc| serde_json::from_str(&doc)).transpose().map_err(Problem::internal)
}
