//! An audit reads everything; one that no person waits for leaves most of the time to others.

use std::time::Instant;

tokio::task_local! {
    /// How many times as long as a page took to read the audit pauses after it.
    static RESTS: u32;
}

/// Others get nineteen twentieths of the time.
const GENTLE: u32 = 19;

pub(super) async fn gently<T>(work: impl Future<Output = T>) -> T {
    RESTS.scope(GENTLE, work).await
}

/// Reads a page, then pauses if the audit is paced.
pub(super) async fn paced<T>(page: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let read = page.await;
    if let Ok(rests) = RESTS.try_with(|rests| *rests) {
        tokio::time::sleep(started.elapsed() * rests).await;
    }
    read
}
