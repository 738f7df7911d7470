//! The world in a schema of its own, for any number of processes: one key is booked once, whichever process asks.
//!
//! Each machine uses its own clock. Where one is slow, an event comes that much later, and a courier whose clock is
//! fast may deliver an event that another has taken; event ids make that harmless.

mod connect;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use contract::Time;
use retry::Delays;
use sqlx::FromRow;
use sqlx::postgres::PgRow;
use store::Error;
use store::postgres::connections::{Connections, Held, Statement};
use store::postgres::failed;
use tokio::sync::OnceCell;

use super::books::{Books, Entries};
use super::lines::{
    self, ChargePageLine, DueLine, EventLine, KnownChargeLine, NoticeLine, RefundLine, RefusedLine,
    SentPageLine,
};
use super::rules::{Charge, Refund};
use super::storage::{Decide, MockStorage, NEVER_MS, TAKEN_MS, Wanted};

pub(super) struct PostgresStorage {
    connections: Connections,
    /// Set once the schema exists.
    built: OnceCell<()>,
    closed: AtomicBool,
}

/// How often a transaction is tried when others conflict with it. Each conflict means that another one finished, so
/// few are needed.
const TRIES: u32 = 8;
/// An event that another process booked is found this late at most.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl PostgresStorage {
    /// The schema is created when it is first needed.
    pub(super) fn at(url: &str) -> Result<Self, Error> {
        let connections = connect::connections(url)?;
        Ok(Self { connections, built: OnceCell::new(), closed: AtomicBool::new(false) })
    }

    async fn take(&self) -> Result<Held, Error> {
        if self.closed.load(Relaxed) {
            return Err(Error::Unavailable("it was closed".into()));
        }
        self.built.get_or_try_init(async || connect::build(self.connections.take().await?).await).await?;
        self.connections.take().await
    }

    async fn rows<L>(&self, statement: Statement) -> Result<Vec<L>, Error>
    where
        L: for<'r> FromRow<'r, PgRow>,
    {
        lines_of(&self.take().await?.rows(statement).await?)
    }

    /// Rows that do not exist yet cannot be locked: if all charges are new, no transaction is needed for reading.
    async fn change_once(&self, wanted: &Wanted<'_>, decide: &mut Decide<'_>) -> Result<(), Error> {
        let mut held = self.take().await?;
        let mut before = load(&mut held, LOOK_AT_CHARGES, wanted).await?;
        if !before.is_empty() {
            held.begin().await?;
            before = load(&mut held, LOCK_CHARGES, wanted).await?;
        }
        let mut books = before.clone();
        let later = lines::of_events(&decide(&mut books))?;
        keep(held, &books.since(&before), &later).await
    }
}

#[async_trait]
impl MockStorage for PostgresStorage {
    async fn look(&self, wanted: &Wanted<'_>) -> Result<Books, Error> {
        load(&mut self.take().await?, LOOK_AT_CHARGES, wanted).await
    }

    async fn change(&self, wanted: &Wanted<'_>, decide: &mut Decide<'_>) -> Result<(), Error> {
        let mut delays = Delays::new();
        for _ in 1..TRIES {
            match self.change_once(wanted, decide).await {
                // Another process booked the same key since the read, or the transactions conflicted.
                Err(Error::Conflict(_)) => tokio::time::sleep(delays.next_delay()).await,
                done => return done,
            }
        }
        self.change_once(wanted, decide).await
    }

    /// In the order of their keys, so that two processes with the same notices do not deadlock.
    async fn put(
        &self,
        channel: &str,
        notices: &[NoticeLine<'_>],
        now: Time,
    ) -> Result<HashSet<String>, Error> {
        let mut notices = notices.to_vec();
        notices.sort_by_key(|(key, ..)| *key);
        let (keys, addresses, subjects, bodies): (Vec<_>, Vec<_>, Vec<_>, Vec<_>) =
            notices.into_iter().collect();
        let put = sqlx::query(
            "insert into sent (channel, key, address, subject, body, at_ms)
             select $1, key, address, subject, body, $2
             from unnest($3::text[], $4::text[], $5::text[], $6::text[]) as new (key, address, subject, body)
             on conflict (channel, key) do nothing returning key",
        );
        let put = put.bind(channel).bind(now.unix_ms());
        let new = self.rows(put.bind(keys).bind(addresses).bind(subjects).bind(bodies)).await?;
        Ok(new.into_iter().map(|(key,)| key).collect())
    }

    async fn take_due(&self, now: Time, limit: usize) -> Result<Vec<DueLine>, Error> {
        let taken = sqlx::query(
            "with due as (
                 select id, due_ms from events where not delivered and due_ms <= $1
                 order by due_ms, id limit $2 for update skip locked
             ), taken as (
                 update events set due_ms = $3 from due where events.id = due.id
                 returning due.due_ms, events.id, copies, body
             )
             select copies, body, coalesce(tries, 0) from taken left join posts on event_id = id
             order by due_ms, id",
        );
        let taken = taken.bind(now.unix_ms()).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        self.rows(taken.bind(now.plus_ms(TAKEN_MS.unsigned_abs()).unix_ms())).await
    }

    async fn delivered(&self, ids: &[&str]) -> Result<(), Error> {
        let delivered = sqlx::query(
            "update events set delivered = true from (
                 select id from events where id = any($1) and not delivered order by id for update
             ) as brought where events.id = brought.id",
        );
        self.take().await?.execute(delivered.bind(ids)).await.map(drop)
    }

    async fn refused(&self, id: &str, answer: &str, now: Time, again: Option<Time>) -> Result<(), Error> {
        let refused = sqlx::query(
            "with refused as (
                 insert into posts (event_id, tries, answer, at_ms, given_up) values ($1, 1, $2, $3, $4)
                 on conflict (event_id) do update set
                     tries = posts.tries + 1, answer = excluded.answer, at_ms = excluded.at_ms,
                     given_up = excluded.given_up
             )
             update events set due_ms = $5 where id = $1",
        );
        let refused = refused.bind(id).bind(answer).bind(now.unix_ms()).bind(again.is_none());
        let refused = refused.bind(again.map_or(NEVER_MS, Time::unix_ms));
        self.take().await?.execute(refused).await.map(drop)
    }

    async fn refused_page(&self, after: &str, limit: i64) -> Result<Vec<RefusedLine>, Error> {
        let page = sqlx::query(
            "select event_id, tries, answer, at_ms, given_up from posts join events on id = event_id
             where not delivered and event_id > $1 order by event_id limit $2",
        );
        self.rows(page.bind(after).bind(limit)).await
    }

    async fn next_due(&self) -> Result<Option<i64>, Error> {
        let due = sqlx::query("select min(due_ms) from events where not delivered");
        let due: Vec<(Option<i64>,)> = self.rows(due).await?;
        Ok(due.first().and_then(|(due,)| *due))
    }

    fn look_again_after(&self) -> Duration {
        LOOK_AGAIN
    }

    async fn charges_page(&self, after: &str, limit: i64, now: Time) -> Result<Vec<ChargePageLine>, Error> {
        let page = sqlx::query(
            "select reference, c.key, coalesce(t.transaction_id, c.transaction_id), amount_minor, currency,
                    case when ends_ms <= $3 then outcome else 'pending' end, refunded_minor, t.key is not null
             from charges c left join told t on t.key = c.key where c.key > $1 order by c.key limit $2",
        );
        self.rows(page.bind(after).bind(limit).bind(now.unix_ms())).await
    }

    /// While notices are being sent, a smaller number may become visible after a larger one: at rest none is missed.
    async fn sent_page(&self, after: i64, limit: i64) -> Result<Vec<SentPageLine>, Error> {
        let page = sqlx::query(
            "select no, channel, key, address, subject, body, at_ms from sent where no > $1 order by no limit $2",
        );
        self.rows(page.bind(after).bind(limit)).await
    }

    /// Idle connections close when the last user is gone.
    async fn close(&self) {
        self.closed.store(true, Relaxed);
    }
}

macro_rules! charges {
    ($end:literal) => {
        concat!(
            "select key, reference, transaction_id, amount_minor, currency, outcome, failure_code, ends_ms,
                    told_times, refunds, refunded_minor, refunds_failed,
                    (select t.transaction_id from told t where t.key = charges.key)
             from charges
             where key = any($1::text[] || array(select t.key from told t where t.transaction_id = any($2)))
                or transaction_id = any($2)
             order by key",
            $end
        )
    };
}

const LOOK_AT_CHARGES: &str = charges!("");
/// A refund locks its charge, so that two refunds see each other.
const LOCK_CHARGES: &str = charges!(" for update");

async fn load(held: &mut Held, charges: &'static str, wanted: &Wanted<'_>) -> Result<Books, Error> {
    let mut books = Books::default();
    if !(wanted.charges.is_empty() && wanted.transactions.is_empty()) {
        let charges = sqlx::query(charges).bind(&wanted.charges).bind(&wanted.transactions);
        for line in lines_of::<KnownChargeLine>(&held.rows(charges).await?)? {
            books.put_charge(lines::charge(line)?);
        }
    }
    if !wanted.refunds.is_empty() {
        let refunds = sqlx::query(
            "select key, id, reference, transaction_id, amount_minor, currency, failure_code, told_ms
             from refunds where key = any($1)",
        );
        for line in lines_of::<RefundLine>(&held.rows(refunds.bind(&wanted.refunds)).await?)? {
            books.put_refund(lines::refund(line)?);
        }
    }
    Ok(books)
}

fn lines_of<L: for<'r> FromRow<'r, PgRow>>(rows: &[PgRow]) -> Result<Vec<L>, Error> {
    rows.iter().map(|row| L::from_row(row).map_err(failed)).collect()
}

type Texts = Vec<String>;
type Numbers = Vec<i64>;
/// Many [`ChargeLine`]s, column by column: a batch is one statement.
type ChargeColumns = (
    Texts,
    Texts,
    Texts,
    Numbers,
    Texts,
    Texts,
    Vec<Option<String>>,
    Vec<Option<i64>>,
    Numbers,
    Texts,
    Numbers,
    Numbers,
);
type ChangedColumns<'a> =
    (Vec<&'a str>, Texts, Vec<Option<String>>, Vec<Option<i64>>, Numbers, Numbers, Numbers);
type RefundColumns = (Texts, Texts, Texts, Texts, Numbers, Texts, Vec<Option<String>>, Numbers);

/// No row replaces another: a key that was booked meanwhile is an error, and the change is decided anew.
async fn keep(mut held: Held, entries: &Entries<'_>, later: &[EventLine]) -> Result<(), Error> {
    let mut statements = Vec::new();
    if !entries.charges.is_empty() {
        statements.push(insert_charges(&entries.charges));
    }
    if !entries.changed.is_empty() {
        statements.push(update_charges(&entries.changed));
    }
    if !entries.told.is_empty() {
        statements.extend([insert_told(&entries.told), silence(&entries.told)]);
    }
    if !entries.refunds.is_empty() {
        statements.push(insert_refunds(&entries.refunds));
    }
    if !later.is_empty() {
        statements.push(insert_events(later));
    }
    if !held.in_transaction() && statements.len() == 1 {
        return held.rows_and_commit(statements.remove(0)).await.map(drop);
    }
    if statements.is_empty() {
        return Ok(());
    }
    if !held.in_transaction() {
        held.begin().await?;
    }
    for statement in statements {
        held.execute(statement).await?;
    }
    held.commit().await
}

fn insert_charges(charges: &[&Charge]) -> Statement {
    let columns: ChargeColumns = charges.iter().map(|charge| lines::of_charge(charge)).collect();
    let (keys, references, transactions, minors, currencies, outcomes, codes, ends, told, ways, back, failed) =
        columns;
    let insert = sqlx::query(
        "insert into charges (key, reference, transaction_id, amount_minor, currency, outcome, failure_code,
                ends_ms, told_times, refunds, refunded_minor, refunds_failed)
         select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[],
                $7::text[], $8::bigint[], $9::bigint[], $10::text[], $11::bigint[], $12::bigint[])",
    );
    let insert = insert.bind(keys).bind(references).bind(transactions).bind(minors).bind(currencies);
    insert.bind(outcomes).bind(codes).bind(ends).bind(told).bind(ways).bind(back).bind(failed)
}

fn update_charges(changed: &[&Charge]) -> Statement {
    let (keys, outcomes, codes, ends, told, back, failed): ChangedColumns<'_> =
        changed.iter().map(|charge| lines::of_changed(charge)).collect();
    let update = sqlx::query(
        "update charges set outcome = new.outcome, failure_code = new.failure_code, ends_ms = new.ends_ms,
                told_times = new.told_times, refunded_minor = new.refunded_minor,
                refunds_failed = new.refunds_failed
         from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
              as new (key, outcome, failure_code, ends_ms, told_times, refunded_minor, refunds_failed)
         where charges.key = new.key",
    );
    update.bind(keys).bind(outcomes).bind(codes).bind(ends).bind(told).bind(back).bind(failed)
}

fn insert_told(told: &[&Charge]) -> Statement {
    let (keys, names): (Vec<_>, Vec<_>) = told.iter().map(lines::of_told).collect();
    let insert = sqlx::query(
        "insert into told (key, transaction_id) select * from unnest($1::text[], $2::text[])
         on conflict (key) do update set transaction_id = excluded.transaction_id",
    );
    insert.bind(keys).bind(names)
}

/// Cancels the events that the charges would have sent.
fn silence(told: &[&Charge]) -> Statement {
    let ids: Vec<_> = told.iter().map(|charge| charge.event_id()).collect();
    sqlx::query("update events set delivered = true where id = any($1)").bind(ids)
}

fn insert_refunds(refunds: &[&Refund]) -> Statement {
    let (keys, ids, references, transactions, minors, currencies, codes, told): RefundColumns =
        refunds.iter().map(|refund| lines::of_refund(refund)).collect();
    let insert = sqlx::query(
        "insert into refunds (key, id, reference, transaction_id, amount_minor, currency, failure_code, told_ms)
         select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[],
                $7::text[], $8::bigint[])",
    );
    let insert = insert.bind(keys).bind(ids).bind(references).bind(transactions).bind(minors);
    insert.bind(currencies).bind(codes).bind(told)
}

/// An event that is told again, because it was asked for again, is already queued or delivered.
fn insert_events(later: &[EventLine]) -> Statement {
    let (ids, due, copies, bodies): (Vec<_>, Vec<_>, Vec<_>, Vec<_>) = later.iter().cloned().collect();
    sqlx::query(
        "insert into events (id, due_ms, copies, body)
         select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[])
         on conflict (id) do nothing",
    )
    .bind(ids)
    .bind(due)
    .bind(copies)
    .bind(bodies)
}
