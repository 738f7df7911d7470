//! A publish is `Ok` only when the broker has confirmed every piece of it, and what is unconfirmed is bounded.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Confirmation, Connection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::link::{ANSWER, Fault, channel, short, soon};
use super::listeners::Listeners;
use super::outgoing::{Arrival, Outgoing};

/// Why it is unknown whether a message was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// The broker refused it this time, or accepts nothing for now. The connection is fine.
    Refused(String),
    /// The connection should be given up.
    Broken(String),
}

/// How much may be unconfirmed at a time, in KiB, each message counted as at least one: our client has unbounded
/// queues of its own, so this bounds memory when the broker is slow. Beyond it, publishers wait. 16 MiB is several
/// milliseconds of all that a broker on one machine can take.
const OUTSTANDING_KIB: u32 = 16 * 1024;

/// After so many nacks over a channel a new one is opened, whatever else it takes. A queue whose leader has just gone may
/// nack all that comes over the channels of that moment, for as long as its node is away, and take the same messages over
/// a younger channel; other queues take all the while what they are sent.
const NACKS_MAX: usize = 3;

pub(super) struct Publisher {
    connection: Arc<Connection>,
    channel: Mutex<Channel>,
    /// How many messages were nacked over this channel.
    nacks: AtomicUsize,
    room: Arc<Semaphore>,
    /// Written into messages for our own queues: the broker checks it, and the consumer derives the speaker from it.
    login: Option<ShortString>,
    pub(super) listeners: Listeners,
}

impl Publisher {
    /// `login` is the one that `connection` was opened with; a channel for replies does not need it.
    pub(super) async fn open(connection: Arc<Connection>, login: &str) -> Result<Self, Fault> {
        let channel = Mutex::new(confirming(&connection).await?);
        let room = Arc::new(Semaphore::new(OUTSTANDING_KIB as usize));
        let login = ShortString::try_new(login).ok();
        let (nacks, listeners) = (AtomicUsize::new(0), Listeners::default());
        Ok(Self { connection, channel, nacks, room, login, listeners })
    }

    pub(super) async fn confirming(&self) -> Result<Channel, Failed> {
        confirming(&self.connection).await.map_err(|fault| Failed::Broken(fault.to_string()))
    }

    /// Published in this order; the confirms are awaited together.
    pub(super) async fn publish(&self, outgoing: Vec<Outgoing>) -> Result<(), Failed> {
        let channel = self.channel().await?;
        let mut unconfirmed = FuturesUnordered::new();
        let mut result = Ok(());
        for one in outgoing {
            let room = loop {
                let kib = kib(&one);
                match self.room.clone().try_acquire_many_owned(kib) {
                    Ok(room) => break room,
                    // A task that waits for room first awaits its own confirms; otherwise two tasks could wait for
                    // each other.
                    Err(_) if !unconfirmed.is_empty() => first(&mut result, unconfirmed.next().await),
                    Err(_) => break self.wait_for_room(kib).await?,
                }
            };
            let mut confirmed = Box::pin(self.confirmed(&channel, one, room));
            // The first poll hands the message to the connection: so messages leave in order.
            match polled_once(confirmed.as_mut()).await {
                Poll::Ready(confirmed) => first(&mut result, Some(confirmed)),
                Poll::Pending => unconfirmed.push(confirmed),
            }
        }
        // Await all of them, also after a failure: the client would keep an answer that is not awaited for ever.
        while let Some(confirmed) = unconfirmed.next().await {
            first(&mut result, Some(confirmed));
        }
        result
    }

    /// The channel to publish over. Messages that are still unconfirmed on an older one keep it open.
    async fn channel(&self) -> Result<Channel, Failed> {
        let nacks = self.nacks.load(Relaxed);
        // Of several publishers that see this, one opens the new channel, and the others go on with the old one.
        if nacks >= NACKS_MAX && self.nacks.compare_exchange(nacks, 0, Relaxed, Relaxed).is_ok() {
            // Before the old one is given up: a new channel must not get its number.
            let channel = self.confirming().await?;
            tracing::warn!("the broker nacks what is published: it is tried over a new channel");
            *self.current() = channel;
        }
        Ok(self.current().clone())
    }

    fn current(&self) -> MutexGuard<'_, Channel> {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends replies over a channel of their own: a reply queue that an outsider chose must not be able to close the
    /// channel that carries all orders, or cause them to be published again and again.
    pub(super) async fn answer(&self, answers: Vec<Outgoing>) -> Result<(), Failed> {
        if answers.is_empty() {
            return Ok(());
        }
        let own = Self::open(self.connection.clone(), "").await;
        let own = own.map_err(|fault| Failed::Broken(fault.to_string()))?;
        let answered = own.publish(answers).await;
        // It is closed already, if the broker refused one.
        let channel = own.current().clone();
        soon("closing a channel", channel.close(200, short("done"))).await.ok();
        answered
    }

    /// How many AMQP messages of a queue are ready. Asked on a channel of its own: a wrong name closes the channel.
    pub(super) async fn ready_in(&self, name: ShortString) -> Result<usize, Fault> {
        let channel = channel(&self.connection).await?;
        let look = QueueDeclareOptions::durable().passive();
        let queue =
            soon("looking at a queue", channel.queue_declare(name, look, FieldTable::default())).await?;
        soon("closing a channel", channel.close(200, short("done"))).await?;
        Ok(usize::try_from(queue.message_count()).unwrap_or(usize::MAX))
    }

    /// Only a failure that is not the asker's fault is an error: then the reply is published again.
    fn answered(&self, asker: &str, confirmed: Result<Confirmation, Fault>) -> Result<(), Failed> {
        let why = match confirmed {
            Ok(Confirmation::Ack(None)) => return Ok(()),
            Ok(Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_))) => "it is gone".to_string(),
            Ok(Confirmation::Nack(None)) => "it takes nothing".to_string(),
            Ok(Confirmation::NotRequested) => return Err(Failed::unconfirmed()),
            Err(Fault::Forbidden(why) | Fault::Missing(why) | Fault::Differs(why)) => why,
            // The broker closed the channel because of one of them: the others would fail in the same way.
            Err(Fault::Away(why))
                if self.connection.status().connected() && !self.current().status().connected() =>
            {
                why
            }
            Err(Fault::Away(why) | Fault::Garbled(why) | Fault::TooLarge(why)) => {
                return Err(Failed::Broken(why));
            }
        };
        tracing::warn!(queue = asker, "an outcome that was asked for is not sent there: {why}");
        Ok(())
    }

    async fn wait_for_room(&self, kib: u32) -> Result<OwnedSemaphorePermit, Failed> {
        let room = tokio::time::timeout(ANSWER, self.room.clone().acquire_many_owned(kib)).await;
        room.ok().and_then(Result::ok).ok_or_else(|| {
            Failed::Refused(format!(
                "too much is unconfirmed, and nothing was confirmed within {} s",
                ANSWER.as_secs()
            ))
        })
    }

    async fn confirmed(
        &self,
        channel: &Channel,
        one: Outgoing,
        _room: OwnedSemaphorePermit,
    ) -> Result<(), Failed> {
        let Outgoing { exchange, key, arrival, mut properties, body } = one;
        if let (Arrival::InAQueue, Some(login)) = (arrival, &self.login) {
            properties = properties.with_user_id(login.clone());
        }
        let mandatory = match arrival {
            Arrival::InAQueue | Arrival::AtAnAsker => true,
            Arrival::Anywhere | Arrival::AtAChannel => false,
        };
        let options = BasicPublishOptions { mandatory, immediate: false };
        let confirm = async {
            let sent =
                channel.basic_publish(exchange.clone(), key.clone(), options, &body, properties).await?;
            sent.await
        };
        let confirmed = soon("a publish", confirm).await;
        match arrival {
            Arrival::AtAnAsker | Arrival::AtAChannel => return self.answered(key.as_str(), confirmed),
            Arrival::InAQueue | Arrival::Anywhere => {}
        }
        match confirmed {
            Ok(Confirmation::Ack(None)) => Ok(()),
            Ok(Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_))) => Err(Failed::Broken(format!(
                "no queue is bound to exchange {exchange} for {key:?}; `checkout topology apply` puts it right",
                key = key.as_str(),
            ))),
            Ok(Confirmation::Nack(None)) => {
                if channel.id() == self.current().id() {
                    self.nacks.fetch_add(1, Relaxed);
                }
                Err(Failed::not_accepted(&exchange))
            }
            Ok(Confirmation::NotRequested) => Err(Failed::unconfirmed()),
            Err(fault) => Err(Failed::Broken(fault.to_string())),
        }
    }
}

impl Failed {
    pub(super) fn not_accepted(exchange: &ShortString) -> Self {
        Failed::Refused(format!("the broker did not accept a message for {exchange}"))
    }

    pub(super) fn unconfirmed() -> Self {
        Failed::Broken("the broker confirms nothing on this channel".into())
    }
}

async fn confirming(connection: &Connection) -> Result<Channel, Fault> {
    let channel = channel(connection).await?;
    soon("asking for confirms", channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok(channel)
}

/// The first failure counts, except that a broken connection counts more.
pub(super) fn first(result: &mut Result<(), Failed>, confirmed: Option<Result<(), Failed>>) {
    let worse = match (&*result, &confirmed) {
        (_, None | Some(Ok(()))) | (Err(Failed::Broken(_)), _) => false,
        (Ok(()), Some(Err(_))) => true,
        (Err(Failed::Refused(_)), Some(Err(failed))) => matches!(failed, Failed::Broken(_)),
    };
    if let (true, Some(confirmed)) = (worse, confirmed) {
        *result = confirmed;
    }
}

fn kib(one: &Outgoing) -> u32 {
    u32::try_from(one.body.len() / 1024 + 1).unwrap_or(u32::MAX).min(OUTSTANDING_KIB)
}

async fn polled_once<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}
