//! Deletes old journal rows and dead letters, and outsiders' dead letters above their limit, in short transactions,
//! so that other writers hardly wait.

use std::sync::Arc;
use std::time::Duration;

use contract::Time;
use engine::dead;
use store::{Database, Error, Pruned};
use tokio_util::sync::CancellationToken;

/// A flood of outsiders' dead letters grows for this long before any of them is evicted.
const EVERY: Duration = Duration::from_secs(5);
/// Prunes once in this many rounds.
const PRUNES_EVERY: u32 = 6;
const PRUNED_AT_ONCE: usize = 200;

pub(super) async fn prune_loop(store: Arc<dyn Database>, keep_days: u64, stop: CancellationToken) {
    let keep_ms = i64::try_from(keep_days.saturating_mul(24 * 3600 * 1000)).unwrap_or(i64::MAX);
    let mut round = 0u32;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        round = round.wrapping_add(1);
        if let Err(why) = evict(&*store).await {
            tracing::warn!("evicting outsiders' dead letters failed, and is tried again: {why}");
        }
        if !round.is_multiple_of(PRUNES_EVERY) {
            continue;
        }
        if let Err(why) = prune(&*store, keep_ms).await {
            tracing::warn!("housekeeping waits: {why}");
        }
    }
}

async fn evict(store: &dyn Database) -> Result<(), Error> {
    let letters = dead::evict(store, dead::STRANGERS_LETTERS_MAX).await?;
    if letters > 0 {
        tracing::warn!(letters, "evicted the oldest of too many dead letters that outsiders caused");
    }
    Ok(())
}

async fn prune(store: &dyn Database, keep_ms: i64) -> Result<(), Error> {
    store.advance_mark().await?;
    let before = Time::from_unix_ms(store.now().await?.unix_ms().saturating_sub(keep_ms));
    let Pruned { orders, others } = store.prune(before, PRUNED_AT_ONCE).await?;
    if orders > 0 || others > 0 {
        tracing::info!(orders, others, "pruned the journal of ended orders, and rows of no order");
    }
    Ok(())
}
