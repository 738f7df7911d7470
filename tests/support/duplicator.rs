//! Stands between our roles and their queues, and delivers every message several times, late, and in any order.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use contract::Queue;
use futures_util::StreamExt;
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use tokio::task::JoinHandle;

use super::rabbit::{Namespace, Outsider};
use super::until_stored;
use crate::crash::Rng;

pub(crate) struct Duplicator {
    bag: Arc<Bag>,
    round: JoinHandle<()>,
}

#[derive(Default)]
struct Bag {
    /// Copies of taken messages that are still to be delivered.
    open: AtomicI64,
    brought: AtomicU64,
}

impl Duplicator {
    /// From now on it takes every message for a queue of ours, and delivers it `copies` times, each up to `late_ms`
    /// late. It must begin when all processes are at work: a process that starts later binds its queue again.
    pub(crate) async fn between(
        outsider: &Outsider,
        namespace: &Namespace,
        copies: u32,
        late_ms: u64,
        mut rng: Rng,
    ) -> Self {
        let (names, channel) = (namespace.names(), outsider.channel().await);
        let own =
            QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let own = channel.queue_declare("".into(), own, FieldTable::default()).await.unwrap();
        let own = own.name().clone();
        for queue in Queue::ALL {
            let (exchange, name) = (names.queues(), names.queue(queue));
            let bind = async |queue: &str, key: &str| {
                let (queue, exchange, key) = (queue.into(), exchange.as_str().into(), key.into());
                channel
                    .queue_bind(queue, exchange, key, Default::default(), FieldTable::default())
                    .await
                    .unwrap();
            };
            bind(&name, &by_hand(&name)).await;
            bind(own.as_str(), &name).await;
            let unbind = channel.queue_unbind(
                name.as_str().into(),
                exchange.as_str().into(),
                name.as_str().into(),
                FieldTable::default(),
            );
            unbind.await.unwrap();
        }
        let consume = channel.basic_consume(
            own,
            "the duplicator".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let mut letters = consume.await.unwrap();
        let bag = Arc::new(Bag::default());
        let round = tokio::spawn({
            let bag = bag.clone();
            async move {
                while let Some(Ok(letter)) = letters.next().await {
                    let letter = Arc::new(letter);
                    bag.open.fetch_add(i64::from(copies), SeqCst);
                    for _ in 0..copies {
                        let late = Duration::from_millis(rng.below(late_ms.max(1)));
                        tokio::spawn(bring(channel.clone(), letter.clone(), late, bag.clone()));
                    }
                    letter.ack(BasicAckOptions::default()).await.unwrap();
                }
            }
        });
        Self { bag, round }
    }

    /// How many copies it has delivered.
    pub(crate) fn brought(&self) -> u64 {
        self.bag.brought.load(SeqCst)
    }

    pub(crate) async fn wait_until_empty(&self) {
        until_stored("that every copy is delivered", async || self.bag.open.load(SeqCst) == 0).await;
    }
}

impl Drop for Duplicator {
    fn drop(&mut self) {
        self.round.abort();
    }
}

/// Unchanged, and through the same exchange: messages that come another way are not believed to be ours.
async fn bring(channel: Channel, letter: Arc<Delivery>, late: Duration, bag: Arc<Bag>) {
    tokio::time::sleep(late).await;
    let (exchange, properties) = (letter.exchange.clone(), letter.properties.clone());
    let key = by_hand(letter.routing_key.as_str()).into();
    let brought =
        channel.basic_publish(exchange, key, BasicPublishOptions::default(), &letter.data, properties);
    brought.await.unwrap().await.unwrap();
    bag.brought.fetch_add(1, SeqCst);
    bag.open.fetch_sub(1, SeqCst);
}

fn by_hand(queue: &str) -> String {
    format!("by-hand.{queue}")
}
