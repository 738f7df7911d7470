//! Whatever comes in from outside is journalled before it is published, and answered only then.
//!
//! Its journal row is the idempotency record: the same message again is recognised here, and journalled no second time.
//! It is published again, because who let it in first may have died before that; whoever reads it knows its id.
//! Requests that come close together share one commit.

use std::sync::Arc;

use contract::{Message, Role};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::batch;
use crate::broker::Broker;
use crate::fail;
use crate::retry::Delays;
use crate::store::{Changes, Error, Said, Store};

/// Requests waiting at the door; past that, callers wait.
const WAITING_MAX: usize = 10_000;
const BATCH_MAX: usize = 500;

#[derive(Clone)]
pub struct Door {
    requests: mpsc::Sender<Request>,
}

struct Request {
    message: Arc<Message>,
    answer: oneshot::Sender<Result<Accepted, Refused>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is safe, and on its way.
    New,
    /// It came before, and had the same type and body.
    Repeat,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("this message_id was used before, with another type or body; give every message its own")]
    IdReused,
    #[error("not now: {0}")]
    Unavailable(String),
}

impl Door {
    /// The door, and the task that keeps it.
    pub fn open(
        store: Arc<dyn Store>,
        broker: Arc<dyn Broker>,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (requests, waiting) = mpsc::channel(WAITING_MAX);
        (Self { requests }, keep_door(store, broker, waiting, stop))
    }

    pub async fn accept(&self, message: Message) -> Result<Accepted, Refused> {
        let closed = || Refused::Unavailable("the system is stopping".into());
        let (answer, answered) = oneshot::channel();
        let request = Request { message: Arc::new(message), answer };
        self.requests.send(request).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

async fn keep_door(
    store: Arc<dyn Store>,
    broker: Arc<dyn Broker>,
    mut waiting: mpsc::Receiver<Request>,
    stop: CancellationToken,
) {
    let mut batch = Vec::new();
    loop {
        let count = tokio::select! {
            biased;
            count = waiting.recv_many(&mut batch, BATCH_MAX) => count,
            () = stop.cancelled() => return,
        };
        if count == 0 {
            return;
        }
        let answers = let_in(&*store, &*broker, &batch).await;
        for (request, answer) in batch.drain(..).zip(answers) {
            // Who does not wait for the answer any more will ask again under the same id.
            request.answer.send(answer).ok();
        }
    }
}

async fn let_in(store: &dyn Store, broker: &dyn Broker, batch: &[Request]) -> Vec<Result<Accepted, Refused>> {
    let mut delays = Delays::new();
    let mut lost = false;
    loop {
        // A broker that starts from the journal has what was let in before, whoever died before publishing it.
        match journal(store, batch, lost || !broker.starts_from_journal()).await {
            Ok((answers, said)) => {
                if !said.is_empty() {
                    fail::point("committed", Role::Gateway);
                }
                while broker.publish(&said).await.is_err() {
                    tokio::time::sleep(delays.next_delay()).await;
                }
                if !said.is_empty() {
                    fail::point("published", Role::Gateway);
                }
                return answers;
            }
            Err(Error::Conflict(_)) => {}
            Err(Error::Unknown(_)) => lost = true,
            Err(error @ (Error::Unavailable(_) | Error::Refused(_))) => {
                return vec![Err(Refused::Unavailable(error.to_string())); batch.len()];
            }
        }
        tokio::time::sleep(delays.next_delay()).await;
    }
}

async fn journal(
    store: &dyn Store,
    batch: &[Request],
    say_again: bool,
) -> Result<(Vec<Result<Accepted, Refused>>, Vec<Said>), Error> {
    let mut transaction = store.begin().await?;
    let ids: Vec<_> = batch.iter().map(|request| request.message.id.clone()).collect();
    let (now, handled) = transaction.handled(Role::Gateway, &ids).await?;
    let mut known: std::collections::HashMap<_, _> = handled.into_iter().map(|h| (h.id, h.hash)).collect();
    let mut told = std::collections::HashSet::new();
    let mut changes = Changes::default();
    let (mut answers, mut said) = (Vec::with_capacity(batch.len()), Vec::new());
    for Request { message, .. } in batch {
        let answer = match known.get(&message.id) {
            Some(hash) if *hash != message.hash() => Err(Refused::IdReused),
            Some(_) => {
                if say_again && told.insert(&message.id) {
                    said.push(goes_to(message));
                }
                Ok(Accepted::Repeat)
            }
            None => {
                known.insert(message.id.clone(), message.hash());
                told.insert(&message.id);
                let one = goes_to(message);
                let row =
                    batch::journal_row(Role::Gateway, message, "accepted".into(), vec![one.clone()], now);
                changes.journal.push(row);
                said.push(one);
                Ok(Accepted::New)
            }
        };
        answers.push(answer);
    }
    if !changes.journal.is_empty() {
        transaction.keep(changes).await?;
    }
    Ok((answers, said))
}

fn goes_to(message: &Arc<Message>) -> Said {
    Said { message: message.clone(), queues: message.body.queues().to_vec() }
}
