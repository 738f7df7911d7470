//! A batch of up to 64 costs the same few statements as a batch of one, and every 64 more cost one for each table.

use std::collections::BTreeMap;

use async_trait::async_trait;
use contract::{MessageId, Need, Role, Table, Time};
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection, SqlitePool};

use super::block::{Blocks, Query, blocks, eight, send, twice_named_blocks};
use super::json::{self, Rows};
use super::writer::Writer;
use super::{Clock, Error, Pause, PauseChange, around, failed, in_table};
use crate::store::pending::RestsOn;
use crate::store::{Changes, DeadChange, Handled, JournalRow, Keeping, Loaded, SavedRecord, Transaction};

/// Reads beside whoever writes, and takes its turn at writing only to keep. What changed in between is found
/// then: by the journal's unique key, and by the versions of the records that are saved. (Records that are only
/// read are written by the same role, and each role has one station in the one process that has the file.)
pub(super) struct Batch {
    readers: SqlitePool,
    /// One for the whole batch, from the first look on.
    reader: Option<PoolConnection<Sqlite>>,
    writer: Writer,
    clock: Clock,
    rests_on: RestsOn,
}

impl Batch {
    pub(super) fn new(readers: SqlitePool, writer: Writer, clock: Clock) -> Self {
        Self { readers, reader: None, writer, clock, rests_on: RestsOn::new() }
    }

    async fn reader(&mut self) -> Result<&mut SqliteConnection, Error> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.readers.acquire().await.map_err(failed)?,
        };
        Ok(self.reader.insert(reader))
    }
}

#[async_trait]
impl Transaction for Batch {
    async fn handled(&mut self, role: Role, ids: &[MessageId]) -> Result<(Time, Vec<Handled>), Error> {
        let now = (self.clock)();
        let mut keys = Rows::new();
        ids.iter().for_each(|id| keys.push_text(id.as_str()));
        let found: Vec<(String, String, String, String)> = sqlx::query_as(
            "select message_id, name, hash, said from journal
             where role = ?1 and message_id in (select value from json_each(?2))",
        )
        .bind(role.name())
        .bind(keys.finish())
        .fetch_all(self.reader().await?)
        .await
        .map_err(failed)?;
        let handled = found.into_iter().map(|(id, name, hash, said)| {
            Ok(Handled { id: json::id(&id)?, name, hash: json::hash(&hash)?, said: json::read_said(&said)? })
        });
        Ok((now, handled.collect::<Result<_, Error>>()?))
    }

    async fn load(&mut self, needs: &[Need]) -> Result<Vec<Loaded>, Error> {
        let (mut loaded, rest) = self.writer.pending().find(needs, &mut self.rests_on);
        for (table, keys) in by_table(&rest) {
            let sql = in_table!(
                table,
                around,
                "select group_concat(id || char(31) || version || char(31) || doc, char(30)) from ",
                " where id in (select value from json_each(?1))"
            );
            let found: Option<String> = sqlx::query_scalar(sql)
                .bind(keys.finish())
                .fetch_one(self.reader().await?)
                .await
                .map_err(failed)?;
            for row in found.iter().flat_map(|found| found.split('\u{1e}')) {
                loaded.push(loaded_from(table, row)?);
            }
        }
        Ok(loaded)
    }

    fn keep(self: Box<Self>, changes: Changes) -> Keeping {
        let Self { reader, writer, rests_on, .. } = *self;
        drop(reader);
        writer.keep(changes, rests_on)
    }
}

fn loaded_from(table: Table, row: &str) -> Result<Loaded, Error> {
    let mut parts = row.split('\u{1f}');
    let (Some(id), Some(version), Some(json)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(json::unreadable("a record", "its row has no three parts"));
    };
    let version = version.parse().map_err(|why| json::unreadable("a version", why))?;
    Ok(Loaded { need: Need { table, id: id.to_string() }, version, json: json.to_string() })
}

fn by_table(needs: &[&Need]) -> BTreeMap<Table, Rows> {
    let mut tables = BTreeMap::new();
    for need in needs {
        tables.entry(need.table).or_insert_with(Rows::new).push_text(&need.id);
    }
    tables
}

/// All of a batch, by as few statements as there are tables and blocks.
pub(super) async fn write(connection: &mut SqliteConnection, changes: &Changes) -> Result<(), Error> {
    let Changes { journal, records, deadlines, dead, pauses } = changes;
    send(connection, &INSERT_JOURNAL, journal, bind_journal).await?;
    write_records(connection, records).await?;
    let mut set = Vec::new();
    let mut clear = Rows::new();
    for (key, deadline) in deadlines {
        match deadline {
            Some((due, message)) => set.push((key, due, message)),
            None => clear.push_text(key),
        }
    }
    send(connection, &SET_DEADLINES, &set, |query, (key, due, message)| {
        let mut kept = String::new();
        json::message(&mut kept, message, &[]);
        query.bind((*key).clone()).bind(due.unix_ms()).bind(kept)
    })
    .await?;
    run(connection, CLEAR_DEADLINES, clear).await?;
    write_dead(connection, dead).await?;
    write_pauses(connection, pauses).await
}

const INSERT_JOURNAL: Blocks = blocks!(
    "journal",
    "insert into ",
    " (role, message_id, name, hash, order_id, cause, at, outcome, said) select * from (values ",
    "(?,?,?,?,?,?,?,?,?)",
    ") where column1 is not null"
);

const SET_DEADLINES: Blocks = blocks!(
    "deadlines",
    "insert into ",
    " (key, due, message) select * from (values ",
    "(?,?,?)",
    ") where column1 is not null
      on conflict (key) do update set due = excluded.due, message = excluded.message"
);

const CLEAR_DEADLINES: &str = "delete from deadlines where key in (select value from json_each(?1))";

fn bind_journal(query: Query, row: &JournalRow) -> Query {
    query
        .bind(row.role.name())
        .bind(row.id.to_string())
        .bind(row.name.clone())
        .bind(row.hash.to_string())
        .bind(row.order_id.map(|id| id.to_string()))
        .bind(row.cause.as_ref().map(ToString::to_string))
        .bind(row.at.to_string())
        .bind(row.outcome.clone())
        .bind(json::said(&row.said))
}

async fn write_records(connection: &mut SqliteConnection, records: &[SavedRecord]) -> Result<(), Error> {
    let mut tables: BTreeMap<Table, (Vec<&SavedRecord>, Vec<&SavedRecord>)> = BTreeMap::new();
    for record in records {
        let (new, old) = tables.entry(record.need.table).or_default();
        if record.version == 0 { new.push(record) } else { old.push(record) }
    }
    for (table, (new, old)) in tables {
        send(connection, &insert_into(table), &new, |query, record| {
            query.bind(record.need.id.clone()).bind(record.json.clone())
        })
        .await?;
        // As an update: what is not there stays away. (`update … from` builds a table in memory for every block.)
        let update = in_table!(
            table,
            twice_named_blocks,
            "insert into ",
            " as kept (id, version, doc) select column1, column2, column3 from (values ",
            "(?,?,?)",
            ") where exists (select 1 from ",
            " where id = column1) on conflict (id) do update
              set version = kept.version + 1, doc = excluded.doc where kept.version = excluded.version"
        );
        let sent = old.len() as u64;
        let met = send(connection, &update, &old, |query, record| {
            query.bind(record.need.id.clone()).bind(record.version).bind(record.json.clone())
        });
        all_met(met.await?, sent, table.name())?;
    }
    Ok(())
}

/// Two tables have columns that are set once, from the first document.
fn insert_into(table: Table) -> Blocks {
    match table {
        Table::Orders => blocks!(
            "orders",
            "insert into ",
            " (id, version, doc, customer_id, created_at)
              select column1, 1, column2, column2 ->> 'customer_id', column2 ->> 'created_at' from (values ",
            "(?,?)",
            ") where column1 is not null"
        ),
        Table::Sagas => blocks!(
            "sagas",
            "insert into ",
            " (id, version, doc, created_at) select column1, 1, column2, column2 ->> 'created_at' from (values ",
            "(?,?)",
            ") where column1 is not null"
        ),
        Table::Submissions
        | Table::Audit
        | Table::Products
        | Table::Discounts
        | Table::Methods
        | Table::Carts
        | Table::Stock
        | Table::Holds
        | Table::Payments
        | Table::Wallets
        | Table::Notices => in_table!(
            table,
            blocks,
            "insert into ",
            " (id, version, doc) select column1, 1, column2 from (values ",
            "(?,?)",
            ") where column1 is not null"
        ),
    }
}

/// Closing comes first: who closes a letter and finds that it died again wants to see it open.
async fn write_dead(connection: &mut SqliteConnection, dead: &[DeadChange]) -> Result<(), Error> {
    let mut bury = Rows::new();
    let mut close = Rows::new();
    for change in dead {
        match change {
            DeadChange::Bury(letter) => bury.push_json(&json::written(letter)),
            DeadChange::Close { id, status } => close.push_json(&json::written(&(id, status))),
        }
    }
    let sent = close.count() as u64;
    all_met(run(connection, CLOSE_LETTERS, close).await?, sent, "dead_letters")?;
    run(connection, BURY_LETTERS, bury).await?;
    Ok(())
}

/// There are at most as many as roles.
async fn write_pauses(connection: &mut SqliteConnection, pauses: &[PauseChange]) -> Result<(), Error> {
    for change in pauses {
        let done = match change {
            PauseChange::Pause(Pause { role, by, why, at }) => {
                sqlx::query("insert into pauses (role, paused_by, why, at) values (?1, ?2, ?3, ?4)")
                    .bind(role.name())
                    .bind(by.clone())
                    .bind(why.clone())
                    .bind(at.to_string())
                    .execute(&mut *connection)
                    .await
            }
            PauseChange::Resume(role) => {
                let resume = sqlx::query("delete from pauses where role = ?1").bind(role.name());
                resume.execute(&mut *connection).await
            }
        };
        all_met(done.map_err(failed)?.rows_affected(), 1, "pauses")?;
    }
    Ok(())
}

const CLOSE_LETTERS: &str = "
    update dead_letters as kept set status = sent.value ->> 1 from json_each(?1) as sent
    where kept.id = sent.value ->> 0 and kept.status = 'open'";

const BURY_LETTERS: &str = "
    insert into dead_letters
        (id, queue, message_id, name, order_id, cause, code, why, attempts, at, body, status)
    select value ->> 'id', value ->> 'queue', value ->> 'message_id', value ->> 'name', value ->> 'order_id',
           value ->> 'cause', value ->> 'code', value ->> 'why', value ->> 'attempts', value ->> 'at',
           value ->> 'body', 'open'
    from json_each(?1) where true
    on conflict (id) do update set
        name = excluded.name, cause = excluded.cause, code = excluded.code, why = excluded.why,
        attempts = excluded.attempts, at = excluded.at, body = excluded.body, status = 'open'";

/// Sends one batch in one statement. Returns how many rows it touched.
async fn run(connection: &mut SqliteConnection, sql: &'static str, rows: Rows) -> Result<u64, Error> {
    if rows.count() == 0 {
        return Ok(0);
    }
    let done = sqlx::query(sql).bind(rows.finish()).execute(connection).await.map_err(failed)?;
    Ok(done.rows_affected())
}

fn all_met(met: u64, sent: u64, table: &str) -> Result<(), Error> {
    if met == sent {
        return Ok(());
    }
    Err(Error::Conflict(format!("{} of {sent} rows in {table} are not as they were", sent - met)))
}
