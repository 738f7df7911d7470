//! A message is in flight from the commit that sends it to the commit that handles it; no other state decides on this.

use async_trait::async_trait;
use contract::Queue;

use super::{Error, SqliteStore, failed, json};
use crate::belief::once_each;
use crate::{InFlight, Outbox, Read, Unreadable, Vitals};

/// What follows the `select`: the messages in the outboxes of the journal rows that `$rows` picks ("queue id" in
/// `q.value`), without those that were handled and those that are open dead letters. ?1 maps each queue to the role
/// that reads it ([`readers`]). `cross join` keeps SQLite from reversing the loops.
macro_rules! in_flight {
    ($rows:literal) => {
        concat!(
            " from journal j cross join json_each(j.outbox) q
              where ",
            $rows,
            " and j.outbox <> '[]'
              and not exists (
                select 1 from journal h
                where h.role = ?1 ->> substr(q.value, 1, instr(q.value, ' ') - 1)
                  and h.message_id = substr(q.value, instr(q.value, ' ') + 1))
              and not exists (
                select 1 from dead_letters d
                where d.status = 'open' and d.message_id = substr(q.value, instr(q.value, ' ') + 1)
                  and d.queue = substr(q.value, 1, instr(q.value, ' ') - 1))"
        )
    };
}

pub(super) use in_flight;

#[async_trait]
impl Outbox for SqliteStore {
    async fn in_flight(&self) -> Result<Vec<Read<InFlight>>, Error> {
        // Of a message that was sent twice (by a replay), the first row of each role.
        const SQL: &str = concat!(
            "with found as (select q.value as line, min(j.seq) as first, q.key as place",
            in_flight!("j.seq > coalesce((select value from meta where key = 'mark'), 0)"),
            " group by q.value, j.role)
             select substr(line, 1, instr(line, ' ') - 1), substr(line, instr(line, ' ') + 1),
                    seq, role, emitted, message_id, at
             from found join journal on seq = first order by first, place"
        );
        let found: Vec<FoundRow> =
            sqlx::query_as(SQL).bind(readers()).fetch_all(&self.readers).await.map_err(failed)?;
        Ok(once_each(found.iter().map(in_flight_row).collect()))
    }

    async fn advance_mark(&self) -> Result<(), Error> {
        const SQL: &str = concat!(
            "select coalesce((select j.seq - 1",
            in_flight!("j.seq > coalesce((select value from meta where key = 'mark'), 0)"),
            " order by j.seq limit 1), (select max(seq) from journal), 0)"
        );
        // One statement sees one snapshot. Rows that are committed after it have higher numbers than all it saw.
        let mark: i64 =
            sqlx::query_scalar(SQL).bind(readers()).fetch_one(&self.readers).await.map_err(failed)?;
        let mut open = self.writer.begin().await?;
        sqlx::query(
            "insert into meta (key, value) values ('mark', ?1)
             on conflict (key) do update set value = max(value, excluded.value)",
        )
        .bind(mark)
        .execute(open.connection()?)
        .await
        .map_err(failed)?;
        open.commit().await
    }

    async fn vitals(&self) -> Result<Vitals, Error> {
        let (vitals, behind) = self.take_vitals().await?;
        // A process that may only read cannot move the mark: it gets the numbers as they are.
        if !behind || self.advance_mark().await.is_err() {
            return Ok(vitals);
        }
        Ok(self.take_vitals().await?.0)
    }
}

impl SqliteStore {
    /// The second value tells whether the mark has to move first: it never passes a message in flight, so the oldest
    /// one is among the first rows after it, unless the mark is far behind.
    async fn take_vitals(&self) -> Result<(Vitals, bool), Error> {
        const SQL: &str = concat!(
            "select (select count(*) from dead_letters where status = 'open' and not stranger),
                    (select count(*) from dead_letters where status = 'open' and stranger),
                    (select value from meta where key = 'letters_evicted'),
                    (select count(*) from deadlines where due <= ?2),
                    (select j.at",
            in_flight!(
                "j.seq > coalesce((select value from meta where key = 'mark'), 0)
                 and j.seq <= coalesce((select value from meta where key = 'mark'), 0) + 1000"
            ),
            " order by j.seq limit 1),
                    (select max(seq) from journal) > coalesce((select value from meta where key = 'mark'), 0) + 1000"
        );
        let now = (self.clock)();
        type Found = (i64, i64, i64, i64, Option<String>, Option<bool>);
        let (own, strangers, evicted, due, oldest, more): Found = sqlx::query_as(SQL)
            .bind(readers())
            .bind(now.unix_ms())
            .fetch_one(&self.readers)
            .await
            .map_err(failed)?;
        let oldest = oldest.map(|at| at.parse()).transpose();
        let oldest_in_flight = oldest.map_err(|why: String| json::unreadable("a time", why))?;
        let behind = oldest_in_flight.is_none() && more == Some(true);
        let vitals = Vitals {
            now,
            open_dead_letters: own.unsigned_abs() + strangers.unsigned_abs(),
            strangers_dead_letters: strangers.unsigned_abs(),
            evicted_dead_letters: evicted.unsigned_abs(),
            deadlines_due: due.unsigned_abs(),
            oldest_in_flight,
        };
        Ok((vitals, behind))
    }
}

/// Queue and message id; the journal row's number, role, emitted messages, message id and time.
type FoundRow = (String, String, i64, String, String, String, String);

fn in_flight_row(found: &FoundRow) -> Read<InFlight> {
    let (_, _, seq, role, ..) = found;
    read_in_flight(found).map_err(|why| Unreadable::in_journal(*seq, role, why))
}

fn read_in_flight((queue, id, _, role, emitted, by, at): &FoundRow) -> Result<InFlight, Error> {
    Ok(InFlight {
        role: json::role(role)?,
        queue: json::queue(queue)?,
        message: json::find_emitted(emitted, &json::id(by)?, json::time(at)?, id)?,
    })
}

/// {"queue": "the role that reads it", …}
pub(super) fn readers() -> String {
    let pairs = Queue::ALL.map(|queue| format!("\"{}\":\"{}\"", queue.name(), queue.reader().name()));
    format!("{{{}}}", pairs.join(","))
}
