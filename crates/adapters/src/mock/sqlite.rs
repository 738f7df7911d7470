//! The world in a file of its own: one connection writes it, and a commit is on disk when it returns.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use contract::Time;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Sqlite, SqliteConnection, Transaction};
use store::Error;
use store::sqlite::failed;

use super::books::{Books, Entries};
use super::lines::{
    self, ChargePageLine, DueLine, EventLine, KnownChargeLine, NoticeLine, RefundLine, RefusedLine,
    SentPageLine,
};
use super::rules::Charge;
use super::storage::{Decide, MockStorage, NEVER_MS, Wanted};

pub(super) struct SqliteStorage {
    /// One connection: SQLite has one writer at a time, and queueing here is fairer than its busy waiting.
    writer: SqlitePool,
    reader: SqlitePool,
}

/// How long to wait for another process that writes to the same file.
const BUSY: Duration = Duration::from_secs(10);
/// Connections for what only reads: provider queries, the auditor's pages, and looking for due events.
const READERS: u32 = 4;

const SCHEMA: &str = include_str!("sqlite/schema.sql");

/// Takes the write lock before reading; otherwise the books could change between the read and the write.
const WRITE: &str = "begin immediate";

impl SqliteStorage {
    pub(super) async fn open(path: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            // As in our own database (crates/store/src/sqlite.rs): a sixth of the time that a batch of charges takes.
            .pragma("wal_autocheckpoint", "8192")
            .pragma("temp_store", "memory")
            .disable_statement_logging();
        // A file does not disconnect, so the connection need not be tested before each batch.
        let pool =
            |connections| SqlitePoolOptions::new().max_connections(connections).test_before_acquire(false);
        let writer = pool(1).connect_with(options.clone()).await?;
        sqlx::raw_sql(SCHEMA).execute(&writer).await?;
        let reader = pool(READERS).connect_lazy_with(options);
        Ok(Self { writer, reader })
    }
}

#[async_trait]
impl MockStorage for SqliteStorage {
    async fn look(&self, wanted: &Wanted<'_>) -> Result<Books, Error> {
        load(&mut *self.reader.acquire().await.map_err(failed)?, wanted).await
    }

    async fn change(&self, wanted: &Wanted<'_>, decide: &mut Decide<'_>) -> Result<(), Error> {
        let mut writer = self.writer.acquire().await.map_err(failed)?;
        let changed = change(&mut writer, wanted, decide).await;
        if changed.is_err() {
            writer.close_on_drop();
        }
        changed
    }

    async fn put(
        &self,
        channel: &str,
        notices: &[NoticeLine<'_>],
        now: Time,
    ) -> Result<HashSet<String>, Error> {
        let put = sqlx::query_scalar(
            "insert into sent (channel, key, address, subject, body, at_ms)
             select ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, ?2 from json_each(?3) where true
             on conflict (channel, key) do nothing returning key",
        );
        let put = put.bind(channel).bind(now.unix_ms()).bind(json(&notices).map_err(failed)?);
        Ok(put.fetch_all(&self.writer).await.map_err(failed)?.into_iter().collect())
    }

    /// No claim is written: a file has only one courier, because two processes on one file would be two systems.
    async fn take_due(&self, now: Time, limit: usize) -> Result<Vec<DueLine>, Error> {
        let due = sqlx::query_as(
            "select copies, body, coalesce(tries, 0) from events left join posts on event_id = id
             where delivered = 0 and due_ms <= ?1 order by due_ms, id limit ?2",
        );
        let due = due.bind(now.unix_ms()).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        due.fetch_all(&self.reader).await.map_err(failed)
    }

    async fn delivered(&self, ids: &[&str]) -> Result<(), Error> {
        let delivered =
            sqlx::query("update events set delivered = 1 where id in (select value from json_each(?1))");
        delivered.bind(json(&ids).map_err(failed)?).execute(&self.writer).await.map_err(failed)?;
        Ok(())
    }

    async fn refused(&self, id: &str, answer: &str, now: Time, again: Option<Time>) -> Result<(), Error> {
        let mut writer = self.writer.acquire().await.map_err(failed)?;
        let written = refuse(&mut writer, id, answer, now, again).await;
        if written.is_err() {
            writer.close_on_drop();
        }
        written
    }

    async fn refused_page(&self, after: &str, limit: i64) -> Result<Vec<RefusedLine>, Error> {
        let page = sqlx::query_as(
            "select event_id, tries, answer, at_ms, given_up from posts join events on id = event_id
             where delivered = 0 and event_id > ?1 order by event_id limit ?2",
        );
        page.bind(after).bind(limit).fetch_all(&self.reader).await.map_err(failed)
    }

    async fn next_due(&self) -> Result<Option<i64>, Error> {
        let due = sqlx::query_scalar("select min(due_ms) from events where delivered = 0");
        due.fetch_one(&self.reader).await.map_err(failed)
    }

    fn look_again_after(&self) -> Duration {
        Duration::MAX
    }

    async fn charges_page(&self, after: &str, limit: i64, now: Time) -> Result<Vec<ChargePageLine>, Error> {
        let page = sqlx::query_as(
            "select reference, c.key, coalesce(t.transaction_id, c.transaction_id), amount_minor, currency,
                    case when ends_ms <= ?3 then outcome else 'pending' end, refunded_minor, t.key is not null
             from charges c left join told t on t.key = c.key where c.key > ?1 order by c.key limit ?2",
        );
        page.bind(after).bind(limit).bind(now.unix_ms()).fetch_all(&self.reader).await.map_err(failed)
    }

    async fn sent_page(&self, after: i64, limit: i64) -> Result<Vec<SentPageLine>, Error> {
        let page = sqlx::query_as(
            "select no, channel, key, address, subject, body, at_ms from sent where no > ?1 order by no limit ?2",
        );
        page.bind(after).bind(limit).fetch_all(&self.reader).await.map_err(failed)
    }

    /// Afterwards everything is in the one file, without its log beside it.
    async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

// SQLite rolls a transaction back by itself when the disk is full, and the client does not notice: after any failure the
// caller closes the connection, and the pool opens another one.

async fn change(
    writer: &mut SqliteConnection,
    wanted: &Wanted<'_>,
    decide: &mut Decide<'_>,
) -> Result<(), Error> {
    let mut transaction = writer.begin_with(WRITE).await.map_err(failed)?;
    let before = load(&mut transaction, wanted).await?;
    let mut books = before.clone();
    let later = lines::of_events(&decide(&mut books))?;
    let entries = books.since(&before);
    match entries.is_empty() && later.is_empty() {
        true => transaction.rollback().await.map_err(failed),
        false => keep(transaction, &entries, &later).await.map_err(failed),
    }
}

async fn refuse(
    writer: &mut SqliteConnection,
    id: &str,
    answer: &str,
    now: Time,
    again: Option<Time>,
) -> Result<(), Error> {
    let mut transaction = writer.begin_with(WRITE).await.map_err(failed)?;
    sqlx::query(
        "insert into posts (event_id, tries, answer, at_ms, given_up) values (?1, 1, ?2, ?3, ?4)
         on conflict (event_id) do update set
             tries = tries + 1, answer = excluded.answer, at_ms = excluded.at_ms,
             given_up = excluded.given_up",
    )
    .bind(id)
    .bind(answer)
    .bind(now.unix_ms())
    .bind(again.is_none())
    .execute(&mut *transaction)
    .await
    .map_err(failed)?;
    let due = sqlx::query("update events set due_ms = ?2 where id = ?1");
    let due = due.bind(id).bind(again.map_or(NEVER_MS, Time::unix_ms));
    due.execute(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

async fn load(connection: &mut SqliteConnection, wanted: &Wanted<'_>) -> Result<Books, Error> {
    let mut books = Books::default();
    if !(wanted.charges.is_empty() && wanted.transactions.is_empty()) {
        let charges: Vec<KnownChargeLine> = sqlx::query_as(
            "select key, reference, transaction_id, amount_minor, currency, outcome, failure_code, ends_ms,
                    told_times, refunds, refunded_minor, refunds_failed,
                    (select t.transaction_id from told t where t.key = charges.key)
             from charges
             where key in (select value from json_each(?1) union all
                           select key from told where transaction_id in (select value from json_each(?2)))
                or transaction_id in (select value from json_each(?2))",
        )
        .bind(json(&wanted.charges).map_err(failed)?)
        .bind(json(&wanted.transactions).map_err(failed)?)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed)?;
        for line in charges {
            books.put_charge(lines::charge(line)?);
        }
    }
    if !wanted.refunds.is_empty() {
        let refunds: Vec<RefundLine> = sqlx::query_as(
            "select key, id, reference, transaction_id, amount_minor, currency, failure_code, told_ms
             from refunds where key in (select value from json_each(?1))",
        )
        .bind(json(&wanted.refunds).map_err(failed)?)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed)?;
        for line in refunds {
            books.put_refund(lines::refund(line)?);
        }
    }
    Ok(books)
}

async fn keep(
    mut transaction: Transaction<'_, Sqlite>,
    entries: &Entries<'_>,
    later: &[EventLine],
) -> Result<(), sqlx::Error> {
    insert_charges(&mut transaction, &entries.charges).await?;
    update_charges(&mut transaction, &entries.changed).await?;
    keep_told(&mut transaction, &entries.told).await?;
    insert_refunds(&mut transaction, entries).await?;
    insert_events(&mut transaction, later).await?;
    transaction.commit().await
}

async fn insert_charges(connection: &mut SqliteConnection, charges: &[&Charge]) -> Result<(), sqlx::Error> {
    if charges.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = charges.iter().map(|charge| lines::of_charge(charge)).collect();
    sqlx::query(
        "insert into charges (key, reference, transaction_id, amount_minor, currency, outcome, failure_code,
                ends_ms, told_times, refunds, refunded_minor, refunds_failed)
         select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
                value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11
         from json_each(?1)",
    )
    .bind(json(&lines)?)
    .execute(connection)
    .await?;
    Ok(())
}

async fn update_charges(connection: &mut SqliteConnection, changed: &[&Charge]) -> Result<(), sqlx::Error> {
    if changed.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = changed.iter().map(|charge| lines::of_changed(charge)).collect();
    sqlx::query(
        "update charges set outcome = value ->> 1, failure_code = value ->> 2, ends_ms = value ->> 3,
                told_times = value ->> 4, refunded_minor = value ->> 5, refunds_failed = value ->> 6
         from json_each(?1) where charges.key = value ->> 0",
    )
    .bind(json(&rows)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// Saves the ids that events from outside gave, and cancels the events that these charges would have sent.
async fn keep_told(connection: &mut SqliteConnection, told: &[&Charge]) -> Result<(), sqlx::Error> {
    if told.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into told (key, transaction_id) select value ->> 0, value ->> 1 from json_each(?1) where true
         on conflict (key) do update set transaction_id = excluded.transaction_id",
    )
    .bind(json(&told.iter().map(lines::of_told).collect::<Vec<_>>())?)
    .execute(&mut *connection)
    .await?;
    let over = sqlx::query("update events set delivered = 1 where id in (select value from json_each(?1))");
    let ids: Vec<_> = told.iter().map(|charge| charge.event_id()).collect();
    over.bind(json(&ids)?).execute(connection).await?;
    Ok(())
}

async fn insert_refunds(connection: &mut SqliteConnection, entries: &Entries<'_>) -> Result<(), sqlx::Error> {
    if entries.refunds.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = entries.refunds.iter().map(|refund| lines::of_refund(refund)).collect();
    sqlx::query(
        "insert into refunds (key, id, reference, transaction_id, amount_minor, currency, failure_code, told_ms)
         select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
                value ->> 7
         from json_each(?1)",
    )
    .bind(json(&lines)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// An event that is told again, because it was asked for again, is already queued or delivered.
async fn insert_events(connection: &mut SqliteConnection, later: &[EventLine]) -> Result<(), sqlx::Error> {
    if later.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into events (id, due_ms, copies, body)
         select value ->> 0, value ->> 1, value ->> 2, value ->> 3 from json_each(?1) where true
         on conflict (id) do nothing",
    )
    .bind(json(&later)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// A batch is passed to SQLite as one JSON array, so that it needs one statement for each table.
fn json(rows: &impl serde::Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(rows).map_err(|error| sqlx::Error::Encode(error.into()))
}

#[cfg(test)]
mod tests;
