//! A message is in flight from the commit that sends it until a commit handles it, and not while it is an open dead letter;
//! nothing else decides this. Due deadlines are taken here, too.
//!
//! The mark says up to which journal row nothing is in flight. Row numbers are taken in order, but their transactions
//! commit in any order: a row may appear below rows that were visible long before. So the mark stays below every number
//! that an open transaction may have taken. It is computed in two steps:
//!
//! 1. A transaction gets its id before it takes a row number (see the default of `journal.seq`). So when we read the
//!    last number, and *then* get an id of our own, every number up to that one was taken under an older id than ours.
//! 2. Once no transaction with an older id is open (`pg_snapshot_xmin` has reached ours), every row up to that number
//!    is visible, or never will be.
//!
//! On a busy database an older transaction is always open, so the pair of number and id is stored in `meta` and checked
//! by the next call.

use std::time::Duration;

use contract::{Message, Queue};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::connections::Held;
use super::look::{rows, text, time};
use super::{Error, InFlight, PostgresStore, Read, failed, json};
use crate::Unreadable;
use crate::belief::once_each;

/// The messages in the outboxes of the journal rows that `$rows` picks, without those that were handled and those that
/// are open dead letters. $1 are queues, $2 the role that reads each. The `limit 1` makes Postgres look each message up
/// by its key; without it, Postgres scans the whole journal.
macro_rules! in_flight {
    ($rows:literal) => {
        concat!(
            " from journal j
              cross join lateral unnest(string_to_array(j.outbox, E'\\n')) with ordinality as sent (line, place)
              cross join lateral (select split_part(line, ' ', 1) as queue,
                                         substr(line, strpos(line, ' ') + 1) collate \"C\" as id) as pair
              join unnest($1::text[], $2::text[]) as reader (queue, role) on reader.queue = pair.queue
              left join lateral (
                select true as known from journal h
                where h.role = reader.role and h.message_id = pair.id limit 1) as handled on true
              left join lateral (
                select true as known from dead_letters d
                where d.status = 'open' and d.message_id = pair.id and d.queue = pair.queue limit 1) as dead on true
              where ",
            $rows,
            " and j.outbox <> '' and handled.known is null and dead.known is null"
        )
    };
}
pub(super) use in_flight;

/// Long, because a start after a long outage reads all messages that were journalled during it.
const QUERY_AT_MOST: Duration = Duration::from_secs(300);

impl PostgresStore {
    pub(super) async fn find_in_flight(&self) -> Result<Vec<Read<InFlight>>, Error> {
        // Of a message that was sent twice (by a replay), the first row of each role.
        const SQL: &str = concat!(
            "select found.queue, found.id, kept.seq, kept.role, kept.emitted, kept.message_id,
                    case when isfinite(kept.at) then (extract(epoch from kept.at) * 1000)::bigint end as at_ms from (
                select distinct on (pair.queue, pair.id, j.role) pair.queue, pair.id, j.seq, place",
            in_flight!("j.seq > $3"),
            " order by pair.queue, pair.id, j.role, j.seq, place) as found
             join journal kept on kept.seq = found.seq order by found.seq, found.place"
        );
        let mut held = self.connections.take().await?;
        held.begin_long(QUERY_AT_MOST).await?;
        let mark = number(&held.rows(sqlx::query("select value from meta where key = 'mark'")).await?)?;
        let (queues, readers) = readers();
        let found = held.rows(sqlx::query(SQL).bind(queues).bind(readers).bind(mark)).await?;
        held.commit().await?;
        Ok(once_each(found.iter().map(in_flight_row).collect::<Result<_, _>>()?))
    }

    pub(super) async fn move_mark(&self) -> Result<(), Error> {
        const LAST: &str =
            "select case when is_called then last_value else last_value - 1 end from journal_seq";
        let mut held = self.connections.take().await?;
        held.begin_long(QUERY_AT_MOST).await?;
        // Before anything else, while this transaction has no id: the row lock below gives it one.
        let last = number(&held.rows(sqlx::query(LAST)).await?)?;
        // Concurrent calls wait here for each other.
        let mark =
            number(&held.rows(sqlx::query("select value from meta where key = 'mark' for update")).await?)?;
        let visible = visible_up_to(&mut held, last).await?;
        let mut reached = mark;
        for _ in 0..PIECES_MAX {
            let to = visible.min(reached.saturating_add(PIECE_ROWS));
            if to <= reached {
                break;
            }
            let first = first_in_flight(&mut held, reached, to).await?;
            reached = first.map_or(to, |first| first.saturating_sub(1));
            if first.is_some() {
                break;
            }
        }
        let moved = sqlx::query("update meta set value = greatest(value, $1) where key = 'mark'");
        held.execute(moved.bind(reached)).await?;
        held.commit().await
    }

    pub(super) async fn take_due(
        &self,
        limit: usize,
        again_after_s: u64,
    ) -> Result<Vec<(String, Read<Message>)>, Error> {
        // Of several timers that poll at once, each skips the rows that another one has locked.
        const SQL: &str = "
            with clock as (
                select case when $1::bigint is null then clock_timestamp()
                            else timestamptz 'epoch' + $1::bigint * interval '1 millisecond' end as now),
            due as (
                select key, due, message from deadlines
                where due <= (select now from clock) order by due, key limit $2 for update skip locked),
            moved as (
                update deadlines set due = (select now from clock) + $3::bigint * interval '1 second'
                where key = any(array(select key from due)))
            select key, message from due order by due, key";
        let again_after_s = bounded(again_after_s);
        let asked = sqlx::query(SQL).bind(self.own_time_ms()).bind(rows(limit)).bind(again_after_s);
        let taken = self.connections.take().await?.rows(asked).await?;
        let due = |row: &PgRow| {
            let key = text(row, "key")?.to_string();
            let message = json::read_message(text(row, "message")?);
            let message = message.map_err(|why| Unreadable::deadline(&key, why));
            Ok((key, message))
        };
        taken.iter().map(due).collect()
    }

    pub(super) async fn move_deadlines(&self, keys: &[String], by_s: u64) -> Result<(), Error> {
        const SQL: &str = "
            update deadlines set due = $3::bigint * interval '1 second'
                + case when $1::bigint is null then clock_timestamp()
                       else timestamptz 'epoch' + $1::bigint * interval '1 millisecond' end
            where key = any($2::text[])";
        let moved = sqlx::query(SQL).bind(self.own_time_ms()).bind(keys.to_vec()).bind(bounded(by_s));
        self.connections.take().await?.rows(moved).await.map(drop)
    }
}

fn bounded(again_after_s: u64) -> i64 {
    i64::try_from(again_after_s).unwrap_or(i64::MAX).min(AGAIN_AFTER_S_MAX)
}

/// How many journal rows one statement searches, and how many statements one call makes: about a second in all. If more
/// rows are written between two calls, the mark falls behind, and catches up in quieter hours.
const PIECE_ROWS: i64 = 20_000;
const PIECES_MAX: usize = 10;

/// Most messages are handled a moment later, by a row of the same piece. So a join within the piece comes first, and
/// only the messages it leaves over are looked up by key. That takes half the time of looking up each one.
async fn first_in_flight(held: &mut Held, from: i64, to: i64) -> Result<Option<i64>, Error> {
    const SQL: &str = "
        with piece as materialized (
            select seq, role, message_id, outbox from journal where seq > $3 and seq <= $4),
        pairs as (
            select piece.seq, pair.queue, reader.role, pair.id from piece
            cross join lateral unnest(string_to_array(piece.outbox, E'\\n')) as sent (line)
            cross join lateral (select split_part(line, ' ', 1) as queue,
                                       substr(line, strpos(line, ' ') + 1) collate \"C\" as id) as pair
            join unnest($1::text[], $2::text[]) as reader (queue, role) on reader.queue = pair.queue
            where piece.outbox <> ''),
        left_over as materialized (
            select * from pairs where not exists (
                select from piece h where h.role = pairs.role and h.message_id = pairs.id))
        select min(seq) from left_over o
        where (select true from journal h where h.role = o.role and h.message_id = o.id limit 1) is null
          and (select true from dead_letters d
               where d.status = 'open' and d.message_id = o.id and d.queue = o.queue limit 1) is null";
    let (queues, readers) = readers();
    let found = held.rows(sqlx::query(SQL).bind(queues).bind(readers).bind(from).bind(to)).await?;
    let first = found.first().ok_or_else(|| json::unreadable("the journal", "it did not answer"))?;
    first.try_get(0).map_err(failed)
}

/// A hundred years. A much larger value would overflow a timestamp.
const AGAIN_AFTER_S_MAX: i64 = 100 * 365 * 24 * 3600;

/// The highest known number up to which every row that will ever be visible is visible; 0 while none is known. `last` was
/// the last number before this transaction had an id.
async fn visible_up_to(held: &mut Held, last: i64) -> Result<i64, Error> {
    const OPEN: &str = "select pg_snapshot_xmin(pg_current_snapshot())::text::bigint";
    let own = number(&held.rows(sqlx::query("select pg_current_xact_id()::text::bigint")).await?)?;
    // A statement of its own, because it needs a snapshot from after the id was assigned.
    let oldest_open = number(&held.rows(sqlx::query(OPEN)).await?)?;
    if oldest_open >= own {
        return Ok(last);
    }
    let waiting =
        sqlx::query("select value from meta where key in ('next_mark', 'next_mark_xid') order by key");
    let waiting = held.rows(waiting).await?;
    let value = |at: usize| waiting.get(at).map_or(Ok(0), |row| row.try_get::<i64, _>(0).map_err(failed));
    let (seq, xid) = (value(0)?, value(1)?);
    if oldest_open < xid {
        // A transaction that the stored pair waits for is still open.
        return Ok(0);
    }
    let next = sqlx::query(
        "update meta set value = case key when 'next_mark' then $1 else $2 end
         where key in ('next_mark', 'next_mark_xid')",
    );
    held.execute(next.bind(last).bind(own)).await?;
    Ok(seq)
}

fn in_flight_row(row: &PgRow) -> Result<Read<InFlight>, Error> {
    let seq = row.try_get("seq").map_err(failed)?;
    let role = text(row, "role")?;
    Ok(read_in_flight(row, role).map_err(|why| Unreadable::in_journal(seq, role, why)))
}

fn read_in_flight(row: &PgRow, role: &str) -> Result<InFlight, Error> {
    let (by, at) = (json::id(text(row, "message_id")?)?, time(row, "at_ms")?);
    Ok(InFlight {
        role: json::role(role)?,
        queue: json::queue(text(row, "queue")?)?,
        message: json::find_emitted(text(row, "emitted")?, &by, at, text(row, "id")?)?,
    })
}

pub(super) fn number(rows: &[PgRow]) -> Result<i64, Error> {
    let first = rows.first().ok_or_else(|| json::unreadable("meta", "a row is missing"))?;
    first.try_get(0).map_err(failed)
}

/// Every queue, and beside it the role that reads it.
pub(super) fn readers() -> (Vec<&'static str>, Vec<&'static str>) {
    Queue::ALL.map(|queue| (queue.name(), queue.reader().name())).into_iter().unzip()
}
