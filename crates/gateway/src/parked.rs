//! When a worker parks a message whose sender still waits, the sender gets the worker's reason, and the dead letter is
//! discarded: no operator needs to see it.

use contract::{MessageId, Queue};
use engine::dead;
use engine::operator::Operator;
use store::batch::dead_letter_id;
use store::{Database, DeadStatus};

use super::problem::Problem;

/// The worker's reason; `None` if the message was not parked.
pub(super) async fn reply_if_parked(
    store: &dyn Database,
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
