//! Receives facts while this process has listeners, over a queue that is deleted with its connection.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use contract::Message;
use futures_util::StreamExt;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection, Consumer};

use super::Shared;
use super::incoming::{Incoming, outsiders_now, read_fact};
use super::link::{Fault, channel, fault, short, soon};

/// Facts are for observing: when no listener keeps up, the oldest are dropped instead of filling the broker.
const FACTS_MAX: u32 = 65_536;

/// How soon it is noticed that the last listener is gone.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Runs until something fails, and returns the fault.
pub(super) async fn listen(shared: Arc<Shared>, connection: Arc<Connection>) -> Fault {
    let channel = match channel(&connection).await {
        Ok(channel) => channel,
        Err(fault) => return fault,
    };
    loop {
        shared.until_a_listener_comes().await;
        let ended = async {
            let (name, consumer) = consume(&shared, &channel).await?;
            hear(&shared, name, consumer, &channel).await
        };
        let ended = ended.await;
        shared.heard.send_replace(BTreeSet::new());
        match ended {
            Ok(()) => {}
            Err(Fault::Forbidden(why)) => {
                tracing::error!("facts cannot be heard, because this user may not: {why}");
                return std::future::pending().await;
            }
            Err(
                fault @ (Fault::Missing(_)
                | Fault::Differs(_)
                | Fault::Away(_)
                | Fault::Garbled(_)
                | Fault::TooLarge(_)),
            ) => {
                return fault;
            }
        }
    }
}

async fn consume(shared: &Shared, channel: &Channel) -> Result<(ShortString, Consumer), Fault> {
    let name = short(shared.names.listener());
    let mut arguments = FieldTable::default();
    arguments.insert(short("x-max-length"), AMQPValue::LongLongInt(i64::from(FACTS_MAX)));
    let options = QueueDeclareOptions::exclusive().auto_delete();
    soon("declaring a queue", channel.queue_declare(name.clone(), options, arguments)).await?;
    let consume = channel.basic_consume(
        name.clone(),
        ShortString::default(),
        BasicConsumeOptions { no_ack: true, ..Default::default() },
        FieldTable::default(),
    );
    Ok((name, soon("consuming", consume).await?))
}

/// Binds the names that a listener wants and that are not bound yet.
async fn bind(shared: &Shared, channel: &Channel, name: &ShortString) -> Result<(), Fault> {
    let wanted = shared.to_hear().clone();
    let heard = shared.heard.borrow().clone();
    for key in wanted.difference(&heard) {
        let bind = channel.queue_bind(
            name.clone(),
            short(shared.names.events()),
            short(*key),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        soon("binding a queue", bind).await?;
    }
    shared.heard.send_replace(wanted);
    Ok(())
}

/// Returns when the last listener is gone.
async fn hear(
    shared: &Shared,
    name: ShortString,
    mut consumer: Consumer,
    channel: &Channel,
) -> Result<(), Fault> {
    bind(shared, channel, &name).await?;
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            _ = look.tick() => if shared.facts.receiver_count() == 0 {
                let cancel = channel.basic_cancel(consumer.tag(), BasicCancelOptions::default());
                return soon("ending a consumer", cancel).await;
            },
            () = shared.listens.notified() => bind(shared, channel, &name).await?,
            heard = consumer.next() => match heard {
                Some(Ok(delivery)) => {
                    let fact: Option<Message> = read_fact(&Incoming::from(&delivery), outsiders_now());
                    // Having no listener is no failure.
                    fact.map(|fact| shared.facts.send(Arc::new(fact)).ok());
                }
                Some(Err(error)) => return Err(fault(error)),
                None => return Err(Fault::Away("the broker ended it".into())),
            },
        }
    }
}
