//! The provider answers what the rules say about its books, and saves it before it answers.

use async_trait::async_trait;
use contract::{ChargeStanding, ProviderCharge, ProviderQuery, ProviderRefund, ProviderTold, Time};
use store::Error;

use super::books::Books;
use super::rules::{DueEvent, Refusal};
use super::storage::Wanted;
use super::{MockWorld, failure};
use crate::Failure;
use crate::provider::{Answer, PaymentProvider};

#[async_trait]
impl PaymentProvider for MockWorld {
    async fn charge(&self, asks: &[&ProviderCharge]) -> Vec<Result<Answer, Failure>> {
        let wanted = Wanted { charges: each(asks, |ask| &ask.key), ..Wanted::default() };
        let rule =
            |books: &mut Books, now| asks.iter().map(|ask| books.charge(&self.settings, ask, now)).collect();
        self.book(asks.len(), &wanted, rule).await
    }

    async fn refund(&self, asks: &[&ProviderRefund]) -> Vec<Result<Answer, Failure>> {
        let wanted = Wanted {
            transactions: each(asks, |ask| &ask.transaction_id),
            charges: asks.iter().filter_map(|ask| Some(ask.charged.as_ref()?.key.as_str())).collect(),
            refunds: each(asks, |ask| &ask.key),
        };
        let rule =
            |books: &mut Books, now| asks.iter().map(|ask| books.refund(&self.settings, ask, now)).collect();
        self.book(asks.len(), &wanted, rule).await
    }

    async fn told(&self, news: &[&ProviderTold]) -> Vec<Result<(), Failure>> {
        let mut wanted = Wanted::default();
        for told in news {
            let charge = match told {
                ProviderTold::Charge(charge) => Some(charge),
                ProviderTold::Refund(refund) => {
                    wanted.transactions.push(&refund.transaction_id);
                    wanted.refunds.push(&refund.key);
                    refund.charged.as_ref()
                }
            };
            wanted.charges.extend(charge.map(|charge| charge.key.as_str()));
        }
        let rule = |books: &mut Books, now| {
            news.iter().for_each(|told| books.learn(told, now));
            news.iter().map(|_| Ok(Vec::new())).collect()
        };
        let booked = self.book(news.len(), &wanted, rule).await;
        booked.into_iter().map(|answer| answer.map(drop)).collect()
    }

    async fn query(&self, asks: &[&ProviderQuery]) -> Vec<Result<ChargeStanding, Failure>> {
        if asks.is_empty() {
            return Vec::new();
        }
        let wanted = Wanted { charges: each(asks, |ask| &ask.key), ..Wanted::default() };
        match self.storage.look(&wanted).await {
            Ok(books) => {
                let now = self.now();
                asks.iter().map(|ask| Ok(books.query(ask, now))).collect()
            }
            Err(error) => all_failed(asks.len(), &error),
        }
    }
}

type Said = Result<Vec<DueEvent>, Refusal>;

impl MockWorld {
    /// Saves what `rule` decided, then returns it. What is due by now is the answer; the courier delivers the rest.
    async fn book(
        &self,
        count: usize,
        wanted: &Wanted<'_>,
        mut rule: impl FnMut(&mut Books, Time) -> Vec<Said> + Send,
    ) -> Vec<Result<Answer, Failure>> {
        if count == 0 {
            return Vec::new();
        }
        let (mut answers, mut rings) = (Vec::new(), false);
        let mut decide = |books: &mut Books| {
            let now = self.now();
            let mut later = Vec::new();
            // With time zero nothing is due at once.
            let at_once = if self.settings.courier_brings_all { Time::default() } else { now };
            answers = rule(books, now).into_iter().map(|said| answer(said, at_once, &mut later)).collect();
            rings = !later.is_empty();
            later
        };
        if let Err(error) = self.storage.change(wanted, &mut decide).await {
            return all_failed(count, &error);
        }
        if rings {
            self.booked.notify_waiters();
        }
        answers
    }
}

fn answer(said: Said, at_once: Time, later: &mut Vec<DueEvent>) -> Result<Answer, Failure> {
    let told = said.map_err(|why| Failure::Refused("the mock provider", why.to_string()))?;
    let (at_once, rest): (Vec<_>, Vec<_>) = told.into_iter().partition(|told| told.due <= at_once);
    later.extend(rest);
    Ok(match at_once.is_empty() {
        true => Answer::Accepted,
        false => Answer::Told(at_once.into_iter().map(|told| told.event).collect()),
    })
}

fn each<'a, A>(asks: &[&'a A], what: impl Fn(&'a A) -> &'a String) -> Vec<&'a str> {
    asks.iter().map(|ask| what(ask).as_str()).collect()
}

fn all_failed<T>(count: usize, error: &Error) -> Vec<Result<T, Failure>> {
    (0..count).map(|_| Err(failure(error))).collect()
}
