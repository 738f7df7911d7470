//! What a worker parked while its sender waits is told to the sender, in the worker's own words, and given up: nobody
//! else needs to look at that dead letter.

use contract::{MessageId, Queue};
use engine::dead;
use engine::operator::Operator;
use store::batch::dead_letter_id;
use store::{DeadStatus, Store};

use super::problem::Problem;

/// `None`: it was not parked.
pub(super) async fn told(
    store: &dyn Store,
    queue: Queue,
    id: &MessageId,
    by: &str,
) -> Result<Option<Problem>, Problem> {
    let letter = store.dead_letter(&dead_letter_id(queue.name(), id.as_str())).await?;
    let Some(letter) = letter.filter(|letter| letter.status == DeadStatus::Open) else { return Ok(None) };
    if let Err(why) = dead::discard(store, &letter.id, &Operator::new(by, "its sender was told")).await {
        tracing::warn!("a refused message stays a dead letter: {why:#}");
    }
    Ok(Some(Problem::unprocessable(&letter.code.to_uppercase(), letter.why)))
}
