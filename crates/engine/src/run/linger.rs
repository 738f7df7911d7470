//! Keeps a role's batches large. After a small batch, one consumer of the role takes at a time; if that batch held several
//! messages, it lingers a moment first, and longer if it held many; after a large or full one, all take side by side.
//!
//! A batch of one costs as many round trips and commits as a batch of a hundred, so a consumer must not take the message
//! that the next batch of another would bring along.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};
use tuning::{LARGE_BATCH, LINGER_FROM, LINGER_TWICE_FROM};

/// Shared by the consumers of one role in one process.
#[derive(Clone, Default)]
pub struct Linger {
    last: Arc<Mutex<Last>>,
    moment: Duration,
}

/// The batch that was taken last.
#[derive(Default)]
struct Last {
    messages: usize,
    /// It was all that there was.
    emptied: bool,
}

/// The consumer that holds it is the only one of its role that takes from the queues.
pub(super) struct Permit(OwnedMutexGuard<Last>);

impl Linger {
    /// Lingers for this long, or twice that, after a batch of several messages that was not large.
    pub fn waiting(moment: Duration) -> Self {
        Self { last: Arc::default(), moment }
    }

    pub(super) async fn permit(&self) -> Permit {
        let last = self.last.clone().lock_owned().await;
        let waits = last.waits(self.moment);
        if !waits.is_zero() {
            tokio::time::sleep(waits).await;
        }
        Permit(last)
    }
}

impl Last {
    /// How long the next consumer lingers before it takes.
    fn waits(&self, moment: Duration) -> Duration {
        match self.messages {
            LINGER_FROM..LINGER_TWICE_FROM if self.emptied => moment,
            LINGER_TWICE_FROM..LARGE_BATCH if self.emptied => moment * 2,
            _ => Duration::ZERO,
        }
    }
}

impl Permit {
    /// Keeps the permit while a small batch is handled. `None` after a full or a large one: the next consumer may take.
    pub(super) fn after(mut self, messages: usize, batch_size: usize) -> Option<Self> {
        *self.0 = Last { messages, emptied: messages < batch_size };
        (messages < batch_size.min(LARGE_BATCH)).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, LARGE_BATCH, Linger};

    const BATCH_SIZE: usize = 256;

    #[tokio::test]
    async fn a_small_batch_is_seen_through_before_the_next_one_takes() {
        let linger = Linger::default();
        let first = linger.permit().await.after(3, BATCH_SIZE);
        let second = linger.clone();
        let mut waiting = tokio::spawn(async move { drop(second.permit().await) });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "two consumers at a queue with hardly anything in it");
        drop(first);
        (&mut waiting).await.expect("its turn came");
    }

    #[tokio::test]
    async fn large_and_full_batches_go_side_by_side() {
        let linger = Linger::default();
        assert!(linger.permit().await.after(LARGE_BATCH, BATCH_SIZE).is_none());
        assert!(linger.permit().await.after(16, 16).is_none(), "there is more, and no consumer may take it");
        assert!(linger.permit().await.after(15, 16).is_some());
    }

    #[tokio::test]
    async fn it_waits_for_more_only_where_messages_flow() {
        let moment = Duration::from_millis(5);
        let linger = Linger::waiting(moment);
        for (taken, batch_size, moments) in
            [(1, 256, 0), (2, 256, 1), (7, 256, 1), (8, 256, 2), (63, 256, 2), (64, 256, 0), (16, 16, 0)]
        {
            drop(linger.permit().await.after(taken, batch_size));
            assert_eq!(
                linger.last.lock().await.waits(moment),
                moment * moments,
                "after {taken} of at most {batch_size}"
            );
            let (asked, waits) = (std::time::Instant::now(), moment * moments);
            drop(linger.permit().await);
            assert!(asked.elapsed() >= waits, "after {taken} of at most {batch_size}");
        }
    }
}
