//! Counts orders and sagas without locking rows. Ended ones are read row by row; running ones are found by what they
//! wait for: a deadline or an operator.

use std::time::Duration;

use async_trait::async_trait;
use contract::Time;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::{Error, PostgresStore, failed};
use crate::census::{Census, Reports, SagaCount};

/// Past this, a count over all orders of a large shop is given up.
const AT_MOST: Duration = Duration::from_secs(120);

/// The columns that sagas are grouped by. `offset 0` keeps Postgres from parsing the document again for each field.
macro_rules! places {
    ($from:literal) => {
        concat!(
            "select coalesce(d ->> 'definition', ''), coalesce((d ->> 'version')::bigint, 0), status, coalesce((d -> 'progress' -> 'phase')::text, 'null'),
                    coalesce((d -> 'progress' -> 'steps')::text, 'null'), count(*)
             from (select g.status, g.doc::jsonb as d from ",
            $from,
            " offset 0) as read group by 1, 2, 3, 4, 5"
        )
    };
}

/// The ids of sagas that have not ended: each has a deadline, or waits for an operator.
macro_rules! under_way {
    ($rest:expr) => {
        concat!(
            "with open (id) as (select key from deadlines union select id from sagas where waiting) ",
            $rest
        )
    };
}

#[async_trait]
impl Reports for PostgresStore {
    async fn census(&self, from: Time, to: Time) -> Result<Census, Error> {
        let orders = sqlx::query(
            "select status, count(*) from orders where created_at >= $1 and created_at < $2 group by status",
        );
        let sagas = sqlx::query(places!("sagas g where g.created_at >= $1 and g.created_at < $2"));
        let (from, to) = (from.to_string(), to.to_string());
        let mut held = self.connections.take().await?;
        held.begin_long(AT_MOST).await?;
        let orders = held.rows(orders.bind(from.clone()).bind(to.clone())).await?;
        let sagas = held.rows(sagas.bind(from).bind(to)).await?;
        held.commit().await?;
        census(&orders, &sagas)
    }

    async fn census_under_way(&self) -> Result<Census, Error> {
        let orders = sqlx::query(under_way!(
            "select o.status, count(*) from open join orders o on o.id = open.id
         where o.status in ('created', 'paid') group by o.status"
        ));
        let sagas = sqlx::query(under_way!(places!("open join sagas g on g.id = open.id")));
        let mut held = self.connections.take().await?;
        let orders = held.rows(orders).await?;
        census(&orders, &held.rows(sagas).await?)
    }
}

fn census(orders: &[PgRow], sagas: &[PgRow]) -> Result<Census, Error> {
    let number = |row: &PgRow, at: usize| row.try_get::<i64, _>(at).map_err(failed).map(i64::unsigned_abs);
    let text = |row: &PgRow, at: usize| row.try_get::<String, _>(at).map_err(failed);
    let saga_count = |row: &PgRow| {
        Ok(SagaCount {
            definition: text(row, 0)?,
            version: u32::try_from(number(row, 1)?).unwrap_or_default(),
            status: text(row, 2)?,
            phase: text(row, 3)?,
            steps: text(row, 4)?,
            count: number(row, 5)?,
        })
    };
    Ok(Census {
        orders: orders
            .iter()
            .map(|row| Ok((text(row, 0)?, number(row, 1)?)))
            .collect::<Result<_, Error>>()?,
        sagas: sagas.iter().map(saga_count).collect::<Result<_, Error>>()?,
    })
}
