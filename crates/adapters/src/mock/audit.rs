//! Lets an auditor read all of the world's books, page by page, and changes nothing.

use async_trait::async_trait;
use audit::{BookedCharge, Books, SentNotice};
use contract::Time;

use super::lines::{ChargePageLine, SentPageLine};
use super::{MockWorld, failure};
use crate::Failure;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargeRow {
    /// The order id.
    pub reference: String,
    pub key: String,
    /// The provider's id of the charge.
    pub transaction_id: String,
    pub amount_minor: i64,
    pub currency: String,
    /// `pending`, `succeeded` or `failed`, as a query would say now.
    pub state: String,
    pub refunded_minor: i64,
    /// An event from outside told of it before these books did.
    pub told_outside: bool,
}

/// Holds an address in full, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct SentRow {
    pub no: i64,
    /// `email` or `sms`.
    pub channel: String,
    pub key: String,
    pub address: String,
    pub subject: Option<String>,
    pub body: String,
    pub at: Time,
}

impl MockWorld {
    /// Charges by key, from just after the key `after`; begin with the empty one.
    pub async fn charges_page(&self, after: &str, limit: usize) -> Result<Vec<ChargeRow>, Failure> {
        let page = self.storage.charges_page(after, page(limit), self.now());
        Ok(page.await.map_err(|error| failure(&error))?.into_iter().map(ChargeRow::of).collect())
    }

    /// Notices in the order in which they were sent, from just after number `after`; begin with 0.
    pub async fn sent_page(&self, after: i64, limit: usize) -> Result<Vec<SentRow>, Failure> {
        let page = self.storage.sent_page(after, page(limit)).await.map_err(|error| failure(&error))?;
        Ok(page.into_iter().map(SentRow::of).collect())
    }
}

impl ChargeRow {
    fn of(line: ChargePageLine) -> Self {
        let (reference, key, transaction_id, amount_minor, currency, state, refunded_minor, told_outside) =
            line;
        Self { reference, key, transaction_id, amount_minor, currency, state, refunded_minor, told_outside }
    }
}

impl SentRow {
    fn of(line: SentPageLine) -> Self {
        let (no, channel, key, address, subject, body, at_ms) = line;
        Self { no, channel, key, address, subject, body, at: Time::from_unix_ms(at_ms) }
    }
}

fn page(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[async_trait]
impl Books for MockWorld {
    async fn charges(&self, after: &str, limit: usize) -> anyhow::Result<Vec<BookedCharge>> {
        let page = self.charges_page(after, limit).await?;
        let booked = |row: ChargeRow| BookedCharge {
            captured: row.state == "succeeded",
            reference: row.reference,
            key: row.key,
            transaction_id: row.transaction_id,
            amount_minor: row.amount_minor,
            currency: row.currency,
            refunded_minor: row.refunded_minor,
            told_outside: row.told_outside,
        };
        Ok(page.into_iter().map(booked).collect())
    }

    async fn sent(&self, after: i64, limit: usize) -> anyhow::Result<Vec<SentNotice>> {
        let page = self.sent_page(after, limit).await?;
        Ok(page
            .into_iter()
            .map(|row| SentNotice { no: row.no, channel: row.channel, key: row.key })
            .collect())
    }
}
