//! Keeps the journal short: what ended long ago goes, in small steps that hold nobody up.

use std::sync::Arc;
use std::time::Duration;

use contract::Time;
use tokio_util::sync::CancellationToken;

use crate::store::Store;

const EVERY: Duration = Duration::from_secs(30);
const PRUNED_AT_ONCE: usize = 200;

pub(super) async fn keep_house(store: Arc<dyn Store>, keep_days: u64, stop: CancellationToken) {
    let keep_ms = i64::try_from(keep_days.saturating_mul(24 * 3600 * 1000)).unwrap_or(i64::MAX);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let cleaned = async {
            store.advance_mark().await?;
            let before = Time::from_unix_ms(store.now().await?.unix_ms().saturating_sub(keep_ms));
            store.prune(before, PRUNED_AT_ONCE).await
        };
        match cleaned.await {
            Ok(0) => {}
            Ok(orders) => tracing::info!(orders, "pruned the journal of ended orders"),
            Err(why) => tracing::warn!("housekeeping waits: {why}"),
        }
    }
}
