//! Whoever compares our books with the world's reads all of the world's, page by page, and changes nothing.

use async_trait::async_trait;
use contract::Time;
use sqlx::Row;

use super::{MockWorld, unavailable};
use crate::adapter::Failure;
use crate::audit::{BookedCharge, Books, SentNotice};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargeRow {
    /// The order id.
    pub reference: String,
    pub key: String,
    pub transaction_id: String,
    pub amount_minor: i64,
    pub currency: String,
    /// `pending`, `succeeded` or `failed`, as a query would be told now.
    pub state: String,
    pub refunded_minor: i64,
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
    /// Charges in the order of their keys, from just after the key `after`; begin with the empty one.
    pub async fn charges_page(&self, after: &str, limit: usize) -> Result<Vec<ChargeRow>, Failure> {
        let rows = sqlx::query(
            "select reference, key, transaction_id, amount_minor, currency, refunded_minor,
                    case when ends_ms <= ?3 then outcome else 'pending' end as state
             from charges where key > ?1 order by key limit ?2",
        );
        let rows = rows.bind(after).bind(page(limit)).bind(self.now().unix_ms());
        let rows = rows.fetch_all(&self.reader).await.map_err(unavailable)?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            Ok(ChargeRow {
                reference: row.try_get("reference")?,
                key: row.try_get("key")?,
                transaction_id: row.try_get("transaction_id")?,
                amount_minor: row.try_get("amount_minor")?,
                currency: row.try_get("currency")?,
                state: row.try_get("state")?,
                refunded_minor: row.try_get("refunded_minor")?,
            })
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(unavailable)
    }

    /// Notices in the order in which they were handed over, from just after number `after`; begin with 0.
    pub async fn sent_page(&self, after: i64, limit: usize) -> Result<Vec<SentRow>, Failure> {
        let rows = sqlx::query(
            "select no, channel, key, address, subject, body, at_ms from sent where no > ?1 order by no limit ?2",
        );
        let rows = rows.bind(after).bind(page(limit)).fetch_all(&self.reader).await.map_err(unavailable)?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            Ok(SentRow {
                no: row.try_get("no")?,
                channel: row.try_get("channel")?,
                key: row.try_get("key")?,
                address: row.try_get("address")?,
                subject: row.try_get("subject")?,
                body: row.try_get("body")?,
                at: Time::from_unix_ms(row.try_get("at_ms")?),
            })
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(unavailable)
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
