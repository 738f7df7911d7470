//! A batch reads on a connection of its own, beside the writer, and needs the writing connection only for its commit.
//! Changes that came in between are found then: by the journal's unique key, and by the versions of the records that
//! are saved. Records that the batch only reads need no check: only this process writes the file, and `LocalHandlers`
//! decides its batches one after the other.

use std::collections::BTreeMap;

use async_trait::async_trait;
use contract::{MessageId, Need, Role, Table, Time};
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection, SqlitePool};

use super::json::{self, Rows};
use super::writer::Writer;
use super::{Clock, Error, around, failed, in_table};
use crate::pending::DependsOn;
use crate::{Changes, Committing, Handled, Loaded, Transaction};

pub(super) struct BatchTransaction {
    readers: SqlitePool,
    /// Kept for the whole batch, from its first read on.
    reader: Option<PoolConnection<Sqlite>>,
    writer: Writer,
    clock: Clock,
    depends_on: DependsOn,
}

impl BatchTransaction {
    pub(super) fn new(readers: SqlitePool, writer: Writer, clock: Clock) -> Self {
        Self { readers, reader: None, writer, clock, depends_on: DependsOn::new() }
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
impl Transaction for BatchTransaction {
    async fn handled(&mut self, role: Role, ids: &[MessageId]) -> Result<(Time, Vec<Handled>), Error> {
        let now = (self.clock)();
        let mut keys = Rows::new();
        ids.iter().for_each(|id| keys.push_text(id.as_str()));
        let found: Vec<(String, String, String, String, String)> = sqlx::query_as(
            "select message_id, name, hash, at, emitted from journal
             where role = ?1 and message_id in (select value from json_each(?2))",
        )
        .bind(role.name())
        .bind(keys.finish())
        .fetch_all(self.reader().await?)
        .await
        .map_err(failed)?;
        let handled = found.into_iter().map(|(id, name, hash, at, emitted)| {
            let id = json::id(&id)?;
            let emitted = json::emitted_before(&emitted, &id, json::time(&at)?);
            Ok(Handled { id, name, hash: json::hash(&hash)?, emitted })
        });
        Ok((now, handled.collect::<Result<_, Error>>()?))
    }

    async fn load(&mut self, needs: &[Need]) -> Result<Vec<Loaded>, Error> {
        let (mut loaded, rest) = self.writer.pending().find(needs, &mut self.depends_on);
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

    fn commit(self: Box<Self>, changes: Changes) -> Committing {
        let Self { reader, writer, depends_on, .. } = *self;
        drop(reader);
        writer.keep(changes, depends_on)
    }
}

fn loaded_from(table: Table, row: &str) -> Result<Loaded, Error> {
    let mut parts = row.split('\u{1f}');
    let (Some(id), Some(version), Some(json)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(json::unreadable("a record", "its row has no three parts"));
    };
    let version = version.parse().map_err(|why| json::unreadable("a version", why))?;
    Ok(Loaded { need: Need { table, id: id.to_string() }, version, json: json.into() })
}

fn by_table(needs: &[&Need]) -> BTreeMap<Table, Rows> {
    let mut tables = BTreeMap::new();
    for need in needs {
        tables.entry(need.table).or_insert_with(Rows::new).push_text(&need.id);
    }
    tables
}
