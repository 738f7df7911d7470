//! The seats of a role take turns at its queues while there is little, and work side by side while there is much.
//!
//! A batch of one costs as many round trips and commits as a batch of a hundred. So nobody grabs the message that
//! another seat would take along in a moment; and while messages come one after the other, one waits for some more.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};

/// Shared by the seats of one role in one process.
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

/// Whoever holds it is the only one who takes from the queues.
pub(super) struct Permit(OwnedMutexGuard<Last>);

/// Two at once are no accident: more will come.
const SEVERAL: usize = 2;

/// So many flow: who waits twice as long takes twice as many along.
const FLOW: usize = 8;

/// So many messages are worth a seat of their own, and nobody needs to wait for more.
const MANY: usize = 64;

impl Linger {
    /// Waits for so long, or twice that, when there were several messages, but not many.
    pub fn waiting(moment: Duration) -> Self {
        Self { last: Arc::default(), moment }
    }

    pub(super) async fn turn(&self) -> Permit {
        let last = self.last.clone().lock_owned().await;
        let waits = last.waits(self.moment);
        if !waits.is_zero() {
            tokio::time::sleep(waits).await;
        }
        Permit(last)
    }
}

impl Last {
    /// How long the next one waits for company.
    fn waits(&self, moment: Duration) -> Duration {
        match self.messages {
            SEVERAL..FLOW if self.emptied => moment,
            FLOW..MANY if self.emptied => moment * 2,
            _ => Duration::ZERO,
        }
    }
}

impl Permit {
    /// `None` when the next one may take already: this batch was as large as they get, or large enough.
    pub(super) fn took(mut self, messages: usize, portion: usize) -> Option<Self> {
        *self.0 = Last { messages, emptied: messages < portion };
        (messages < portion.min(MANY)).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Linger, MANY};

    const PORTION: usize = 256;

    #[tokio::test]
    async fn a_small_batch_is_seen_through_before_the_next_one_takes() {
        let linger = Linger::default();
        let first = linger.turn().await.took(3, PORTION);
        let second = linger.clone();
        let mut waiting = tokio::spawn(async move { drop(second.turn().await) });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "two seats at a queue with hardly anything in it");
        drop(first);
        (&mut waiting).await.expect("its turn came");
    }

    #[tokio::test]
    async fn large_batches_and_full_portions_go_side_by_side() {
        let linger = Linger::default();
        assert!(linger.turn().await.took(MANY, PORTION).is_none());
        assert!(linger.turn().await.took(16, 16).is_none(), "there is more, and nobody may take it");
        assert!(linger.turn().await.took(15, 16).is_some());
    }

    #[tokio::test]
    async fn it_waits_for_more_only_where_messages_flow() {
        let moment = Duration::from_millis(5);
        let linger = Linger::waiting(moment);
        for (taken, portion, moments) in
            [(1, 256, 0), (2, 256, 1), (7, 256, 1), (8, 256, 2), (63, 256, 2), (64, 256, 0), (16, 16, 0)]
        {
            drop(linger.turn().await.took(taken, portion));
            assert_eq!(
                linger.last.lock().await.waits(moment),
                moment * moments,
                "after {taken} of at most {portion}"
            );
            let (asked, waits) = (std::time::Instant::now(), moment * moments);
            drop(linger.turn().await);
            assert!(asked.elapsed() >= waits, "after {taken} of at most {portion}");
        }
    }
}
