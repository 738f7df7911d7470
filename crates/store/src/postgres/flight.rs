//! A message is in flight from the commit that sends it until a commit handles it, and not while it is an open dead letter;
//! nothing else decides this. The numbers that tell how healthy the system is are taken here, too.
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

use async_trait::async_trait;
use contract::{Queue, Time};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::connections::Held;
use super::row::{text, time};
use super::{Error, PostgresStore, failed, json};
use crate::belief::once_each;
use crate::{InFlight, Outbox, Read, Unreadable, Vitals};

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

#[async_trait]
impl Outbox for PostgresStore {
    async fn in_flight(&self) -> Result<Vec<Read<InFlight>>, Error> {
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

    async fn advance_mark(&self) -> Result<(), Error> {
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

    async fn vitals(&self) -> Result<Vitals, Error> {
        let (vitals, behind) = self.take_vitals().await?;
        // A login that may only read cannot move the mark: it gets the numbers as they are.
        if !behind || self.advance_mark().await.is_err() {
            return Ok(vitals);
        }
        Ok(self.take_vitals().await?.0)
    }
}

impl PostgresStore {
    /// The second value tells whether the mark has to move first: it never passes a message in flight, so the oldest
    /// one is among the first rows after it, unless the mark is far behind.
    async fn take_vitals(&self) -> Result<(Vitals, bool), Error> {
        const SQL: &str = concat!(
            "select (select count(*) from dead_letters where status = 'open' and not stranger) as own,
                    (select count(*) from dead_letters where status = 'open' and stranger) as strangers,
                    (select value from meta where key = 'letters_evicted') as evicted,
                    (select count(*) from deadlines
                     where due <= timestamptz 'epoch' + $4::bigint * interval '1 millisecond') as due,
                    (select case when isfinite(j.at) then floor(extract(epoch from j.at) * 1000)::bigint end",
            in_flight!("j.seq > $3 and j.seq <= $3 + 1000"),
            " order by j.seq limit 1) as oldest,
                    exists (select 1 from journal where seq > $3 + 1000) as more"
        );
        let now = self.time().await?;
        let mut held = self.connections.take().await?;
        held.begin_long(VITALS_AT_MOST).await?;
        let mark = held.rows(sqlx::query("select value from meta where key = 'mark'")).await?;
        let mark: i64 = mark.first().map_or(Ok(0), |row| row.try_get(0).map_err(failed))?;
        let mark = mark.min(i64::MAX - ROWS_MAX);
        let (queues, readers) = readers();
        let asked = sqlx::query(SQL).bind(queues).bind(readers).bind(mark).bind(now.unix_ms());
        let found = held.rows(asked).await?;
        held.commit().await?;
        let row = found.first().ok_or_else(|| json::unreadable("the vitals", "there are none"))?;
        let count = |name| row.try_get::<i64, _>(name).map(i64::unsigned_abs).map_err(failed);
        let oldest: Option<i64> = row.try_get("oldest").map_err(failed)?;
        let behind = oldest.is_none() && row.try_get("more").map_err(failed)?;
        let strangers_dead_letters = count("strangers")?;
        let vitals = Vitals {
            now,
            open_dead_letters: count("own")? + strangers_dead_letters,
            strangers_dead_letters,
            evicted_dead_letters: count("evicted")?,
            deadlines_due: count("due")?,
            oldest_in_flight: oldest.map(Time::from_unix_ms),
        };
        Ok((vitals, behind))
    }
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

/// How many rows after the mark are searched. The statement repeats the number as a literal, because `concat!` takes no
/// constants.
const ROWS_MAX: i64 = 1000;

/// A probe must answer fast.
const VITALS_AT_MOST: Duration = Duration::from_secs(2);
