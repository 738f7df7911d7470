//! Takes the next batch from a role's queues, in their order, and rests while the role is paused.

use std::time::Duration;

use broker::Delivery;
use futures_util::future::BoxFuture;
use retry::Delays;
use tokio_util::sync::CancellationToken;

use super::Consumer;

/// A broker answers for each queue in its own time. At the start, and after a pause, each queue is asked this much later than
/// the one before it, so that an order's submission does not overtake what was asked of that order while its role was away.
pub(super) const HEAD_START: Duration = Duration::from_millis(250);

impl Consumer {
    /// A batch from the first queue that has one; `None` when it is time to stop.
    pub(super) async fn take(
        &self,
        stop: &CancellationToken,
        mut head_start: Duration,
    ) -> Option<Vec<Delivery>> {
        let role = self.handler.role();
        let mut delays = Delays::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                () = self.paused.over(role) => {}
            }
            let takes = self.queues.iter().zip(0..).map(|(queue, place)| -> BoxFuture<'_, _> {
                match head_start * place {
                    Duration::ZERO => self.broker.take(*queue, self.batch_size.next()),
                    later => Box::pin(async move {
                        tokio::time::sleep(later).await;
                        self.broker.take(*queue, self.batch_size.next()).await
                    }),
                }
            });
            // Polled in order, so that accepted work goes before new work. The others are dropped; they have taken nothing yet.
            let first = first_ready(takes.collect());
            let taken = tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                () = self.paused.begins(role) => {
                    tracing::info!(%role, "paused");
                    for queue in self.queues {
                        self.broker.rest(*queue).await;
                    }
                    head_start = HEAD_START;
                    continue;
                }
                taken = first => taken,
            };
            match taken {
                Ok(deliveries) => return Some(deliveries),
                Err(away) => {
                    tracing::warn!(%role, "{away}; waiting for it");
                    tokio::time::sleep(delays.next_delay()).await;
                }
            }
        }
    }
}

/// The first of these futures that is ready, polled in order.
async fn first_ready<T>(mut takes: Vec<BoxFuture<'_, T>>) -> T {
    std::future::poll_fn(move |context| {
        for take in &mut takes {
            if let std::task::Poll::Ready(taken) = take.as_mut().poll(context) {
                return std::task::Poll::Ready(taken);
            }
        }
        std::task::Poll::Pending
    })
    .await
}
