//! Money moves at the provider only under a key, and the result comes back as the provider's own event.
//!
//! `PaymentProvider` is the seam. Its promise:
//!
//! * Asking again under a used key moves nothing again; it answers as it did before.
//! * [`Answer::Accepted`] means: the result will be told by an event, or at least to a query.
//! * `Unavailable` means that the result is unknown: it may have happened. `Refused` means that it did not.

#![allow(clippy::enum_variant_names)] // the messages of an inbox keep their own names

use std::sync::Arc;

use async_trait::async_trait;
use contract::{
    Body, ChargeStanding, Message, Outcome, ProviderAnswer, ProviderCharge, ProviderEvent, ProviderQuery,
    ProviderRefund, ProviderTold, Role, Time, inbox,
};

use super::{Adapter, Done, Failure};

/// The answers are in the order of the asks.
#[async_trait]
pub trait PaymentProvider: Send + Sync + 'static {
    async fn charge(&self, asks: &[&ProviderCharge]) -> Vec<Result<Answer, Failure>>;

    async fn refund(&self, asks: &[&ProviderRefund]) -> Vec<Result<Answer, Failure>>;

    /// Trusted events from outside told of this. A provider that keeps books of its own already knows it.
    async fn told(&self, news: &[&ProviderTold]) -> Vec<Result<(), Failure>> {
        news.iter().map(|_| Ok(())).collect()
    }

    /// How the charge under a key stands in the provider's books, now.
    async fn query(&self, asks: &[&ProviderQuery]) -> Vec<Result<ChargeStanding, Failure>>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was received; events come later, by another way.
    Accepted,
    /// It is finished, with these results. A provider may tell a result more than once.
    Told(Vec<ProviderEvent>),
}

inbox! {
    enum Ask { ProviderTold, ProviderCharge, ProviderRefund, ProviderQuery }
}

pub struct ProviderAdapter<P: ?Sized>(pub Arc<P>);

#[async_trait]
impl<P: PaymentProvider + ?Sized> Adapter for ProviderAdapter<P> {
    const ROLE: Role = Role::Provider;

    /// What was told from outside goes first, so that nothing is charged that is already paid; then charges and
    /// refunds, queries last. This order changes no answer: a refund names a transaction that only an earlier answer
    /// gave, and a query is answered as late as possible.
    ///
    /// A charge whose time is over is not asked for. It may have been asked for before, so that its answer is how it
    /// stands in the provider's books.
    async fn perform(&self, batch: &[Arc<Message>], now: Time) -> Vec<Result<Done, Failure>> {
        let (mut news, mut charges, mut refunds, mut queries) = (vec![], vec![], vec![], vec![]);
        let mut overdue = vec![];
        for message in batch {
            match Ask::read(&message.body) {
                Some(Ask::ProviderTold(told)) => news.push(told),
                Some(Ask::ProviderCharge(ask)) if is_overdue(ask, now) => overdue.push(in_place_of(ask)),
                Some(Ask::ProviderCharge(ask)) => charges.push(ask),
                Some(Ask::ProviderRefund(ask)) => refunds.push(ask),
                Some(Ask::ProviderQuery(ask)) => queries.push(ask),
                None => {}
            }
        }
        let mut heard = self.0.told(&news).await.into_iter();
        let mut charged = self.0.charge(&charges).await.into_iter();
        let mut refunded = self.0.refund(&refunds).await.into_iter();
        let asked_for = queries.len();
        queries.extend(&overdue);
        let mut standings = self.0.query(&queries).await;
        let mut of_overdue = standings.split_off(asked_for.min(standings.len())).into_iter();
        let mut standings = standings.into_iter();
        let done = batch.iter().map(|message| match Ask::read(&message.body) {
            Some(Ask::ProviderTold(_)) => heard.next().unwrap_or_else(unanswered).map(|()| known()),
            Some(Ask::ProviderCharge(ask)) if is_overdue(ask, now) => {
                let standing = of_overdue.next().unwrap_or_else(unanswered);
                standing.map(|charge| not_charged(ask, charge))
            }
            Some(Ask::ProviderCharge(_)) => charged.next().unwrap_or_else(unanswered).map(asked),
            Some(Ask::ProviderRefund(_)) => refunded.next().unwrap_or_else(unanswered).map(asked),
            Some(Ask::ProviderQuery(ask)) => {
                standings.next().unwrap_or_else(unanswered).map(|charge| answered(ask, charge))
            }
            None => Ok(Done::misrouted(Role::Provider, message)),
        });
        done.collect()
    }
}

fn asked(answer: Answer) -> Done {
    match answer {
        Answer::Accepted => Done { outcome: Outcome::Done("accepted"), send: Vec::new() },
        Answer::Told(events) => {
            let send = events.into_iter().map(Body::ProviderEvent).collect();
            Done { outcome: Outcome::Done("told"), send }
        }
    }
}

fn is_overdue(ask: &ProviderCharge, now: Time) -> bool {
    ask.not_after.is_some_and(|not_after| now > not_after)
}

fn in_place_of(ask: &ProviderCharge) -> ProviderQuery {
    ProviderQuery { key: ask.key.clone(), order_id: ask.order_id }
}

fn not_charged(ask: &ProviderCharge, charge: ChargeStanding) -> Done {
    let what = "its time is over: the provider was asked what it took, and for nothing more";
    Done { outcome: Outcome::Done(what), ..answered(&in_place_of(ask), charge) }
}

fn known() -> Done {
    Done { outcome: Outcome::Done("it stands in the provider's books"), send: Vec::new() }
}

fn answered(ask: &ProviderQuery, charge: ChargeStanding) -> Done {
    let answer = ProviderAnswer { key: ask.key.clone(), order_id: ask.order_id, charge };
    Done { outcome: Outcome::Done("answered"), send: vec![Body::ProviderAnswer(answer)] }
}

/// A provider that returns fewer answers than asks breaks its promise; asking again is safe.
fn unanswered<T>() -> Result<T, Failure> {
    Err(Failure::Unavailable("the payment provider", "it left an ask without an answer".into()))
}
