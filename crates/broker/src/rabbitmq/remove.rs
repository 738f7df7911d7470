//! Deletes everything with one prefix from the broker, for systems that were only tried out.

use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};

use super::link::{channel, close, short, soon};
use super::topology::topology;
use super::{Options, Unavailable, by_hand};

/// Deletes exchanges, and queues with their content. What does not exist is no failure.
pub async fn remove(options: &Options) -> Result<(), Unavailable> {
    let (connection, names) = by_hand(options).await?;
    let topology = topology(&names);
    let removed = async {
        let channel = channel(&connection).await?;
        for queue in topology.queues {
            let delete = channel.queue_delete(short(queue.name), QueueDeleteOptions::default());
            soon("deleting a queue", delete).await?;
        }
        for exchange in topology.exchanges {
            let delete = channel.exchange_delete(short(exchange.name), ExchangeDeleteOptions::default());
            soon("deleting an exchange", delete).await?;
        }
        Ok(())
    };
    let removed = removed.await;
    close(&connection).await;
    removed.map_err(|fault: super::link::Fault| Unavailable(fault.to_string()))
}
