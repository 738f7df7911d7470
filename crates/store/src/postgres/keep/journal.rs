//! Writes journal rows: a small batch's from arrays in its one statement, a large batch's by `copy` before it.
//!
//! Either way the rows are numbered in the order of handling and written in the order of role and message id, so that two
//! replicas that got the same messages lock in the same order and cannot deadlock.
//!
//! `case when pg_current_xact_id() is not null` gives the transaction its own id before it takes a number; `flight.rs`
//! says why.

use contract::MessageId;
use sqlx::Row;
use uuid::Uuid;

use super::super::connections::{Held, Statement};
use super::super::{Error, copy, failed, json};
use crate::JournalRow;
use crate::columns::fitting;
use crate::owed::Handles;

macro_rules! journal {
    () => {
        "journalled as (
            insert into journal (seq, role, message_id, name, hash, order_id, cause, at, outcome, emitted, outbox)
            select numbers.taken[place], role, message_id, name, hash::uuid, order_id::uuid, cause,
                   timestamptz 'epoch' + at_ms * interval '1 millisecond', outcome, emitted, outbox
            from (select array_agg(case when pg_current_xact_id() is not null then nextval('journal_seq') end) as taken
                  from generate_series(1, cardinality($1::text[]))) as numbers,
                 unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
                        $8::text[], $9::text[], $10::text[]) with ordinality
                as sent (role, message_id, name, hash, order_id, cause, at_ms, outcome, emitted, outbox, place)
            order by role collate \"C\", message_id collate \"C\")"
    };
}
pub(super) use journal;

const ALONE: &str = concat!("with ", journal!(), " select 1");

const NUMBERS: &str = "select case when pg_current_xact_id() is not null then nextval('journal_seq') end
    from generate_series(1, $1)";

const COPY: &str =
    "copy journal (seq, role, message_id, name, hash, order_id, cause, at, outcome, emitted, outbox)
    from stdin (format binary)";

pub(super) fn alone(rows: Vec<JournalRow>) -> Statement {
    bind_journal(sqlx::query(ALONE), rows)
}

pub(super) fn bind_journal(statement: Statement, rows: Vec<JournalRow>) -> Statement {
    let handles = Handles::of(&rows);
    statement
        .bind(each(&rows, |row| row.role.name()))
        .bind(each(&rows, |row| row.id.as_str()))
        .bind(each(&rows, |row| fitting(&row.name)))
        .bind(each(&rows, |row| row.hash.to_string()))
        .bind(each(&rows, |row| row.order_id.map(|id| id.to_string())))
        .bind(each(&rows, |row| row.cause.as_ref().map(MessageId::as_str)))
        .bind(each(&rows, |row| row.at.unix_ms()))
        .bind(each(&rows, |row| fitting(&row.outcome)))
        .bind(each(&rows, json::emitted))
        .bind(each(&rows, |row| still_to_handle(row, &handles)))
}

fn each<'a, T>(rows: &'a [JournalRow], column: impl Fn(&'a JournalRow) -> T) -> Vec<T> {
    rows.iter().map(column).collect()
}

/// Copies the rows in, as a part of the open transaction.
pub(in crate::postgres) async fn copied(held: &mut Held, rows: &[JournalRow]) -> Result<(), Error> {
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let numbers = held.rows(sqlx::query(NUMBERS).bind(count)).await?;
    let numbers: Vec<i64> =
        numbers.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(failed)?;
    let mut numbered: Vec<(i64, &JournalRow)> = numbers.into_iter().zip(rows).collect();
    numbered.sort_unstable_by_key(|(_, row)| (row.role.name(), &row.id));
    let handles = Handles::of(rows);
    let emitted = rows.iter().flat_map(|row| &row.emitted).map(|emitted| emitted.message.json().len() + 200);
    let mut copy = copy::Rows::<11>::with_room(rows.len() * 300 + emitted.sum::<usize>());
    for (seq, row) in numbered {
        copy.row().bigint(seq).text(row.role.name()).text(row.id.as_str()).text(&fitting(&row.name));
        copy.uuid(Uuid::from_bytes(row.hash.to_bytes()));
        match row.order_id {
            Some(id) => copy.uuid(id.uuid()),
            None => copy.null(),
        };
        match &row.cause {
            Some(cause) => copy.text(cause.as_str()),
            None => copy.null(),
        };
        copy.time(row.at)
            .text(&fitting(&row.outcome))
            .text(&json::emitted(row))
            .text(&still_to_handle(row, &handles));
    }
    held.copy(COPY, copy.finish()).await
}

/// For the column `outbox`: a line "queue id" for each message in `emitted` that this batch does not handle itself. No id
/// contains a line break.
fn still_to_handle(row: &JournalRow, handles: &Handles<'_>) -> String {
    handles.leaves(row).collect::<Vec<_>>().join("\n")
}
