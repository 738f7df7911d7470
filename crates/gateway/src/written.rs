//! A write is answered once it is applied: its record remembers what became of the last ones, and is looked at until then.

use std::time::Duration;

use contract::{Answers, Body, Fault, Message, MessageId, Stored};
use engine::ingress::Refused;
use serde::de::DeserializeOwned;

use super::call::Call;
use super::problem::Problem;

/// How long to wait for the worker when nobody says how long; it usually takes milliseconds.
const WAIT: Duration = Duration::from_secs(5);
const LOOK_FIRST: Duration = Duration::from_millis(2);
/// Each pause is twice the one before, up to this: a worker that has not answered by then is away or far behind, and its
/// callers must not keep the database busy meanwhile.
const LOOK_LAST: Duration = Duration::from_secs(1);

/// The record after the write, or `None` if it has not come that far.
pub(super) enum Written<R> {
    Done(R),
    Refused(Fault),
    NotYet,
}

/// Lets the message in, and waits for what the record `key` says about it.
pub(super) async fn write<R: Stored + DeserializeOwned>(
    call: &Call,
    id: MessageId,
    body: Body,
    key: &str,
    answers: fn(&R) -> &Answers,
) -> Result<Written<R>, Problem> {
    let_in(call, id.clone(), body).await?;
    let Some(record) = look_for(call, key, |record: &R| answers(record).to(&id).is_some()).await? else {
        return Ok(Written::NotYet);
    };
    let refused = answers(&record).to(&id).and_then(|answer| answer.refused.clone());
    Ok(refused.map_or_else(|| Written::Done(record), Written::Refused))
}

/// Journals and publishes it. Whatever was let in under this id before is not let in again.
pub(super) async fn let_in(call: &Call, id: MessageId, body: Body) -> Result<(), Problem> {
    let now = call.gateway.store.now().await?;
    match call.let_in(Message::new(id, now, body)).await {
        Ok(_) => Ok(()),
        Err(Refused::IdReused) => {
            let why = "this Idempotency-Key was used before, for something else; give every request its own";
            Err(Problem::unprocessable("IDEMPOTENCY_KEY_REUSED", why))
        }
        Err(refused @ Refused::Unavailable(_)) => Err(Problem::unavailable(refused)),
    }
}

/// Looks at the record again and again until it is as wanted, or the caller has waited long enough. A caller with as many
/// waiting requests as one may have is answered after the first look.
pub(super) async fn look_for<R: Stored + DeserializeOwned>(
    call: &Call,
    key: &str,
    is_right: impl Fn(&R) -> bool,
) -> Result<Option<R>, Problem> {
    let caller = call.caller.as_ref().map_or_else(|| key.into(), |caller| caller.id.clone());
    let place = call.gateway.hub.place(&caller);
    let time = place.as_ref().map_or(Duration::ZERO, |_| call.would_wait().unwrap_or(WAIT));
    let until = tokio::time::Instant::now() + time;
    let mut pause = LOOK_FIRST;
    loop {
        if let Some(record) = read::<R>(call, key).await?.filter(&is_right) {
            return Ok(Some(record));
        }
        if tokio::time::Instant::now() >= until {
            return Ok(None);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LOOK_LAST);
    }
}

pub(super) async fn read<R: Stored + DeserializeOwned>(call: &Call, key: &str) -> Result<Option<R>, Problem> {
    let doc = call.gateway.store.get(R::TABLE, key).await?;
    doc.map(|doc| serde_json::from_str(&doc)).transpose().map_err(Problem::internal)
}
