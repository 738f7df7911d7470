//! Counts orders and sagas without blocking the writer. Ended ones are read row by row; running ones are found by what
//! they wait for: a deadline or an operator.

use async_trait::async_trait;
use contract::Time;
use serde_json::Value;

use super::{Error, SqliteStore, failed, json};
use crate::census::{Census, Reports, SagaCount};

/// The columns that sagas are grouped by. One `json_extract` for all fields takes half as long as one for each.
macro_rules! places {
    ($from:literal) => {
        concat!(
            "select json_extract(
                g.doc, '$.definition', '$.version', '$.status', '$.progress.phase', '$.progress.steps'), count(*)
             from ",
            $from,
            " group by 1"
        )
    };
}

/// The ids of sagas that have not ended: each has a deadline, or waits for an operator.
macro_rules! under_way {
    ($rest:expr) => {
        concat!(
            "with open (id) as (
                select key from deadlines union select id from sagas where status = 'needs_attention') ",
            $rest
        )
    };
}

#[async_trait]
impl Reports for SqliteStore {
    async fn census(&self, from: Time, to: Time) -> Result<Census, Error> {
        let orders = sqlx::query_as(
            "select status, count(*) from orders where created_at >= ?1 and created_at < ?2 group by status",
        );
        let sagas = sqlx::query_as(places!("sagas g where g.created_at >= ?1 and g.created_at < ?2"));
        let (from, to) = (from.to_string(), to.to_string());
        let orders = orders.bind(&from).bind(&to).fetch_all(&self.readers).await.map_err(failed)?;
        let sagas = sagas.bind(&from).bind(&to).fetch_all(&self.readers).await.map_err(failed)?;
        census(orders, sagas)
    }

    async fn census_under_way(&self) -> Result<Census, Error> {
        let orders = sqlx::query_as(under_way!(
            "select o.status, count(*) from open cross join orders o on o.id = open.id
          where o.status in ('created', 'paid') group by o.status"
        ));
        let sagas = sqlx::query_as(under_way!(places!("open cross join sagas g on g.id = open.id")));
        let orders = orders.fetch_all(&self.readers).await.map_err(failed)?;
        census(orders, sagas.fetch_all(&self.readers).await.map_err(failed)?)
    }
}

fn census(orders: Vec<(String, i64)>, sagas: Vec<(String, i64)>) -> Result<Census, Error> {
    let saga_count = |(place, count): (String, i64)| {
        // A saga that has not begun has no definition yet.
        let place: (Option<String>, Option<u32>, String, Value, Value) =
            serde_json::from_str(&place).map_err(|why| json::unreadable("where a saga stands", why))?;
        let (definition, version, status, phase, steps) = place;
        Ok(SagaCount {
            definition: definition.unwrap_or_default(),
            version: version.unwrap_or_default(),
            status,
            phase: phase.to_string(),
            steps: steps.to_string(),
            count: count.unsigned_abs(),
        })
    };
    Ok(Census {
        orders: orders.into_iter().map(|(status, count)| (status, count.unsigned_abs())).collect(),
        sagas: sagas.into_iter().map(saga_count).collect::<Result<_, Error>>()?,
    })
}
