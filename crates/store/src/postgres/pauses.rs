//! Paused roles, and the numbers that tell how healthy the system is: from small tables and the head of the journal.

use std::time::Duration;

use contract::Time;
use sqlx::Row;

use super::connections::{Connections, Statement};
use super::flight::{in_flight, readers};
use super::look::text;
use super::{Error, PostgresStore, failed, json};
use crate::{Pause, PauseChange, Vitals};

/// One statement for each change; there are at most as many as roles.
pub(super) fn statements(changes: Vec<PauseChange>) -> impl Iterator<Item = Statement> {
    changes.into_iter().map(|change| match change {
        PauseChange::Pause(Pause { role, by, why, at }) => {
            const SQL: &str = "insert into pauses (role, paused_by, why, at)
                values ($1, $2, $3, timestamptz 'epoch' + $4::bigint * interval '1 millisecond')";
            sqlx::query(SQL).bind(role.name()).bind(by).bind(why).bind(at.unix_ms())
        }
        PauseChange::Resume(role) => {
            const SQL: &str = "with gone as (delete from pauses where role = $1 returning 1)
                select must_meet((select count(*) from gone), 1, 'pauses')";
            sqlx::query(SQL).bind(role.name())
        }
    })
}

pub(super) async fn all(pool: &Connections) -> Result<Vec<Pause>, Error> {
    const SQL: &str = "select role, paused_by, why, floor(extract(epoch from at) * 1000)::bigint as at_ms
        from pauses order by role";
    let kept = pool.take().await?.rows(sqlx::query(SQL)).await?;
    let pause = |row: &sqlx::postgres::PgRow| {
        let role = json::role(text(row, "role")?);
        Ok(Pause {
            role: role?,
            by: text(row, "paused_by")?.to_string(),
            why: text(row, "why")?.to_string(),
            at: Time::from_unix_ms(row.try_get("at_ms").map_err(failed)?),
        })
    };
    kept.iter().map(pause).collect()
}

/// How many rows after the mark are searched. The statement repeats the number as a literal, because `concat!` takes no
/// constants.
const ROWS_MAX: i64 = 1000;

/// A probe must answer fast.
const QUERY_AT_MOST: Duration = Duration::from_secs(2);

impl PostgresStore {
    /// The second value tells whether the mark has to move first: it never passes a message in flight, so the oldest
    /// one is among the first rows after it, unless the mark is far behind.
    pub(super) async fn take_vitals(&self) -> Result<(Vitals, bool), Error> {
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
        held.begin_long(QUERY_AT_MOST).await?;
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
