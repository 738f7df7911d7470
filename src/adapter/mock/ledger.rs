//! What the books on disk say is what the rules said: they are loaded, asked in memory, and saved in one transaction.

use std::collections::HashMap;

use async_trait::async_trait;
use contract::{
    ChargeStanding, Currency, Money, ProviderCharge, ProviderEvent, ProviderQuery, ProviderRefund, Time,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, SqliteConnection, Transaction};

use super::books::Books;
use super::rules::{Charge, DueEvent, Ends, Refund, Refunds, Refusal};
use super::{MockWorld, json, unreadable};
use crate::adapter::Failure;
use crate::adapter::provider::{Answer, PaymentProvider};

#[async_trait]
impl PaymentProvider for MockWorld {
    async fn charge(&self, asks: &[&ProviderCharge]) -> Vec<Result<Answer, Failure>> {
        each(asks.len(), self.charge_all(asks).await)
    }

    async fn refund(&self, asks: &[&ProviderRefund]) -> Vec<Result<Answer, Failure>> {
        each(asks.len(), self.refund_all(asks).await)
    }

    async fn query(&self, asks: &[&ProviderQuery]) -> Vec<Result<ChargeStanding, Failure>> {
        match self.query_all(asks).await {
            Ok(standings) => standings.into_iter().map(Ok).collect(),
            Err(error) => all_unavailable(asks.len(), &error),
        }
    }
}

impl MockWorld {
    async fn charge_all(&self, asks: &[&ProviderCharge]) -> Result<Vec<Said>, sqlx::Error> {
        if asks.is_empty() {
            return Ok(Vec::new());
        }
        let mut transaction = self.writer.begin_with(WRITE).await?;
        let keys: Vec<_> = asks.iter().map(|ask| ask.key.as_str()).collect();
        let mut books = Books::default();
        load_charges(&mut transaction, &mut books, CHARGES_BY_KEY, &keys).await?;
        let now = self.now();
        let told = asks.iter().map(|ask| books.charge(&self.settings, ask, now)).collect();
        self.keep(transaction, &books, told, now).await
    }

    async fn refund_all(&self, asks: &[&ProviderRefund]) -> Result<Vec<Said>, sqlx::Error> {
        if asks.is_empty() {
            return Ok(Vec::new());
        }
        let mut transaction = self.writer.begin_with(WRITE).await?;
        let transactions: Vec<_> = asks.iter().map(|ask| ask.transaction_id.as_str()).collect();
        let keys: Vec<_> = asks.iter().map(|ask| ask.key.as_str()).collect();
        let mut books = Books::default();
        load_charges(&mut transaction, &mut books, CHARGES_BY_TRANSACTION, &transactions).await?;
        load_refunds(&mut transaction, &mut books, &keys).await?;
        let now = self.now();
        let told = asks.iter().map(|ask| books.refund(&self.settings, ask, now)).collect();
        self.keep(transaction, &books, told, now).await
    }

    async fn query_all(&self, asks: &[&ProviderQuery]) -> Result<Vec<ChargeStanding>, sqlx::Error> {
        if asks.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<_> = asks.iter().map(|ask| ask.key.as_str()).collect();
        let mut books = Books::default();
        let mut connection = self.reader.acquire().await?;
        load_charges(&mut connection, &mut books, CHARGES_BY_KEY, &keys).await?;
        let now = self.now();
        Ok(asks.iter().map(|ask| books.query(ask, now)).collect())
    }

    /// Commits; what is due by now is the answer, the rest is left to the courier.
    async fn keep(
        &self,
        mut transaction: Transaction<'_, Sqlite>,
        books: &Books,
        told: Vec<Result<Vec<DueEvent>, Refusal>>,
        now: Time,
    ) -> Result<Vec<Said>, sqlx::Error> {
        save_charges(&mut transaction, books).await?;
        save_refunds(&mut transaction, books).await?;
        let mut later = Vec::new();
        let mut said = Vec::with_capacity(told.len());
        for told in told {
            said.push(told.map(|told| {
                let (at_once, rest): (Vec<_>, Vec<_>) = told.into_iter().partition(|told| told.due <= now);
                later.extend(rest);
                match at_once.is_empty() {
                    true => Answer::Accepted,
                    false => Answer::Told(at_once.into_iter().map(|told| told.event).collect()),
                }
            }));
        }
        save_events(&mut transaction, &later).await?;
        transaction.commit().await?;
        if !later.is_empty() {
            self.booked.notify_waiters();
        }
        Ok(said)
    }
}

type Said = Result<Answer, Refusal>;

/// Takes the write lock before looking: who looks first and writes then may find the books changed.
const WRITE: &str = "begin immediate";

const CHARGES_BY_KEY: &str = "select * from charges where key in (select value from json_each(?1))";
const CHARGES_BY_TRANSACTION: &str =
    "select * from charges where transaction_id in (select value from json_each(?1))";

fn each(count: usize, said: Result<Vec<Said>, sqlx::Error>) -> Vec<Result<Answer, Failure>> {
    match said {
        Ok(said) => {
            let refused = |why: Refusal| Failure::Refused("the mock provider", why.to_string());
            said.into_iter().map(|said| said.map_err(refused)).collect()
        }
        Err(error) => all_unavailable(count, &error),
    }
}

fn all_unavailable<T>(count: usize, error: &sqlx::Error) -> Vec<Result<T, Failure>> {
    (0..count).map(|_| Err(Failure::Unavailable("the mock world", error.to_string()))).collect()
}

async fn load_charges(
    connection: &mut SqliteConnection,
    books: &mut Books,
    sql: &'static str,
    values: &[&str],
) -> Result<(), sqlx::Error> {
    for row in sqlx::query(sql).bind(json(&values)?).fetch_all(connection).await? {
        books.put_charge(charge_of(&row)?);
    }
    Ok(())
}

async fn load_refunds(
    connection: &mut SqliteConnection,
    books: &mut Books,
    keys: &[&str],
) -> Result<(), sqlx::Error> {
    let known = sqlx::query("select * from refunds where key in (select value from json_each(?1))");
    for row in known.bind(json(&keys)?).fetch_all(connection).await? {
        books.put_refund(Refund {
            key: row.try_get("key")?,
            reference: parsed(&row, "reference")?,
            transaction_id: row.try_get("transaction_id")?,
            amount: amount(&row)?,
            failure_code: row.try_get("failure_code")?,
            told_at: Time::from_unix_ms(row.try_get("told_ms")?),
        });
    }
    Ok(())
}

fn charge_of(row: &SqliteRow) -> Result<Charge, sqlx::Error> {
    let at = row.try_get::<Option<i64>, _>("ends_ms")?.map(Time::from_unix_ms);
    let ends = match (row.try_get("outcome")?, at, row.try_get("failure_code")?) {
        ("never", None, None) => Ends::Never,
        ("succeeded", Some(at), None) => Ends::Succeeds { at },
        ("failed", Some(at), Some(code)) => Ends::Fails { at, code },
        _ => return Err(unreadable("outcome")),
    };
    let refunds = match row.try_get("refunds")? {
        "succeed" => Refunds::Succeed,
        "first_fails" => Refunds::FirstFails,
        "all_fail" => Refunds::AllFail,
        _ => return Err(unreadable("way with refunds")),
    };
    Ok(Charge {
        key: row.try_get("key")?,
        reference: parsed(row, "reference")?,
        transaction_id: row.try_get("transaction_id")?,
        amount: amount(row)?,
        ends,
        told_times: row.try_get("told_times")?,
        refunds,
        refunded_minor: row.try_get("refunded_minor")?,
        refunds_failed: row.try_get("refunds_failed")?,
    })
}

fn parsed<T: std::str::FromStr>(row: &SqliteRow, column: &str) -> Result<T, sqlx::Error> {
    row.try_get::<&str, _>(column)?.parse().map_err(|_| unreadable(column))
}

fn amount(row: &SqliteRow) -> Result<Money, sqlx::Error> {
    let currency = Currency::from_code(row.try_get("currency")?).ok_or_else(|| unreadable("currency"))?;
    Money::from_minor(row.try_get("amount_minor")?, currency).map_err(|_| unreadable("amount"))
}

/// Of a charge that is there, only what refunds do to it can change.
async fn save_charges(connection: &mut SqliteConnection, books: &Books) -> Result<(), sqlx::Error> {
    let rows: Vec<_> = books.charges().map(charge_row).collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into charges (key, reference, transaction_id, amount_minor, currency, outcome, failure_code,
                ends_ms, told_times, refunds, refunded_minor, refunds_failed)
         select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
                value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11
         from json_each(?1) where true
         on conflict (key) do update
         set refunded_minor = excluded.refunded_minor, refunds_failed = excluded.refunds_failed
         where refunded_minor <> excluded.refunded_minor or refunds_failed <> excluded.refunds_failed",
    )
    .bind(json(&rows)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// The columns in their order.
fn charge_row(charge: &Charge) -> serde_json::Value {
    let (outcome, failure_code, at) = match &charge.ends {
        Ends::Never => ("never", None, None),
        Ends::Succeeds { at } => ("succeeded", None, Some(at)),
        Ends::Fails { at, code } => ("failed", Some(code), Some(at)),
    };
    let refunds = match charge.refunds {
        Refunds::Succeed => "succeed",
        Refunds::FirstFails => "first_fails",
        Refunds::AllFail => "all_fail",
    };
    serde_json::json!([
        charge.key,
        charge.reference,
        charge.transaction_id,
        charge.amount.minor(),
        charge.amount.currency().code(),
        outcome,
        failure_code,
        at.map(|at| at.unix_ms()),
        charge.told_times,
        refunds,
        charge.refunded_minor,
        charge.refunds_failed,
    ])
}

async fn save_refunds(connection: &mut SqliteConnection, books: &Books) -> Result<(), sqlx::Error> {
    let rows: Vec<_> = books
        .refunds()
        .map(|refund| {
            serde_json::json!([
                refund.key,
                refund.id(),
                refund.reference,
                refund.transaction_id,
                refund.amount.minor(),
                refund.amount.currency().code(),
                refund.failure_code,
                refund.told_at.unix_ms(),
            ])
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into refunds (key, id, reference, transaction_id, amount_minor, currency, failure_code, told_ms)
         select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
                value ->> 7
         from json_each(?1) where true
         on conflict (key) do nothing",
    )
    .bind(json(&rows)?)
    .execute(connection)
    .await?;
    Ok(())
}

async fn save_events(connection: &mut SqliteConnection, later: &[DueEvent]) -> Result<(), sqlx::Error> {
    if later.is_empty() {
        return Ok(());
    }
    let mut events: HashMap<&str, (i64, u32, &ProviderEvent)> = HashMap::new();
    for told in later {
        events.entry(&told.event.id).or_insert((told.due.unix_ms(), 0, &told.event)).1 += 1;
    }
    let rows = events
        .iter()
        .map(|(id, (due_ms, copies, event))| Ok((id, due_ms, copies, json(event)?)))
        .collect::<Result<Vec<_>, sqlx::Error>>()?;
    sqlx::query(
        "insert into events (id, due_ms, copies, body)
         select value ->> 0, value ->> 1, value ->> 2, value ->> 3 from json_each(?1)",
    )
    .bind(json(&rows)?)
    .execute(connection)
    .await?;
    Ok(())
}
