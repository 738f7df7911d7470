//! Takes everything with one prefix off the broker again, for systems that were only tried.

use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};

use super::link::{channel, close, short, soon};
use super::topology::topology;
use super::{Options, Unavailable, by_hand};

/// Queues with all that lies in them. What is not there is no failure.
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
