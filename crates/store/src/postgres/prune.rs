//! Deletes journal rows of orders that ended long ago, a few orders at a time, oldest first, and old rows that belong
//! to no order.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use contract::Time;
use sqlx::Row;

use super::flight::{in_flight, number, readers};
use super::{Error, PostgresStore, failed};
use crate::{Pruned, Pruning};

/// How many journal rows one step of pruning reads.
const WINDOW_ROWS: i64 = 10_000;

/// A call gives up after this many windows without anything to prune; the next call continues there.
const WINDOWS_MAX: usize = 50;

/// Rows that belong to no order are deleted in transactions of at most this size, so that other writers hardly wait.
const OTHERS_AT_ONCE: i64 = 1000;

/// At most this many such transactions in one call.
const OTHERS_STEPS_MAX: usize = 10;

const STEP_AT_MOST: Duration = Duration::from_secs(60);

/// A range of journal rows, reduced to what pruning needs.
struct Window {
    last: i64,
    /// Whether its oldest row is old enough.
    old: bool,
    /// The ended orders that have rows in it.
    orders: Vec<String>,
}

#[async_trait]
impl Pruning for PostgresStore {
    /// Walks the journal, not the orders: pruned rows are gone, while a pruned order would be found again each time.
    async fn prune(&self, before: Time, limit: usize) -> Result<Pruned, Error> {
        let mut pruned = Pruned { orders: 0, others: self.prune_letters(before).await? };
        let mut from = self.pruned_to.load(Ordering::Relaxed);
        for _ in 0..WINDOWS_MAX {
            let window = self.window(from, before).await?;
            for _ in 0..OTHERS_STEPS_MAX {
                let others = self.prune_others(from, window.last, before).await?;
                pruned.others += others;
                if others < OTHERS_AT_ONCE.unsigned_abs() {
                    break;
                }
            }
            for some in window.orders.chunks(limit.max(1)) {
                pruned.orders = self.prune_these(some, before).await?;
                if pruned.orders > 0 {
                    break;
                }
            }
            if pruned != Pruned::default() {
                break;
            }
            // Past the last row that is old enough: the next call begins at the oldest row again.
            from = if window.old { window.last } else { 0 };
            if from == 0 {
                break;
            }
        }
        self.pruned_to.store(from, Ordering::Relaxed);
        Ok(pruned)
    }
}

impl PostgresStore {
    async fn window(&self, from: i64, before: Time) -> Result<Window, Error> {
        const SQL: &str = "
            with piece as (select seq, order_id, at from journal where seq > $1 order by seq limit $2)
            select coalesce(max(seq), 0),
                   coalesce(min(at) < timestamptz 'epoch' + $3::bigint * interval '1 millisecond', false),
                   array(select met.id from (select distinct order_id::text as id from piece) as met
                         cross join lateral (select status, updated_at from orders where id = met.id limit 1) as o
                         where o.status in ('archived', 'cancelled', 'refunded', 'fulfilled') and o.updated_at < $4)
            from piece";
        let mut held = self.connections.take().await?;
        held.begin_long(STEP_AT_MOST).await?;
        let asked =
            sqlx::query(SQL).bind(from).bind(WINDOW_ROWS).bind(before.unix_ms()).bind(before.to_string());
        let found = held.rows(asked).await?;
        held.commit().await?;
        let row = found.first().ok_or_else(|| Error::Unavailable("the window did not answer".into()))?;
        Ok(Window {
            last: row.try_get(0).map_err(failed)?,
            old: row.try_get(1).map_err(failed)?,
            orders: row.try_get(2).map_err(failed)?,
        })
    }

    async fn prune_these(&self, orders: &[String], before: Time) -> Result<u64, Error> {
        // A policy may forbid the login to delete rows of the last day (scripts/postgres-roles.sql). Orders whose rows
        // it could not delete are not counted, so that the caller goes on to the next orders.
        // It needs no lock, because one statement sees one snapshot: a row that is written about one of these orders at
        // the same moment is not visible to it, and stays.
        // A saga's id is its order's, or that and "/return/n" ('0' comes after '/'): one range of its key.
        const SQL: &str = concat!(
            "with ended as (
                select o.id::uuid as order_id from orders o
                where o.id = any($3::text[])
                  and o.status in ('archived', 'cancelled', 'refunded', 'fulfilled') and o.updated_at < $4
                  and (
                    select true from sagas g
                    where g.id >= o.id and g.id < o.id || '0' and (g.id = o.id or g.id > o.id || '/')
                      and g.status not in ('completed', 'undone') limit 1) is null
                  and not exists (select 1 from dead_letters l where l.order_id = o.id::uuid and l.status = 'open')
                  and not exists (select 1",
            in_flight!("j.order_id = o.id::uuid"),
            ")),
             gone as (delete from journal where order_id in (select order_id from ended) returning order_id),
             faded as (delete from redelivery_stats where order_id in (select order_id from ended))
             select count(distinct order_id) from gone"
        );
        let (queues, readers) = readers();
        let mut held = self.connections.take().await?;
        held.begin_long(STEP_AT_MOST).await?;
        held.rows(sqlx::query(OPEN_JOURNAL)).await?;
        let asked =
            sqlx::query(SQL).bind(queues).bind(readers).bind(orders.to_vec()).bind(before.to_string());
        let pruned = number(&held.rows(asked).await?)?;
        held.commit().await?;
        Ok(pruned.unsigned_abs())
    }

    /// Only up to the mark: nothing is in flight there, so no row is needed any more to recognise a redelivery.
    async fn prune_others(&self, from: i64, to: i64, before: Time) -> Result<u64, Error> {
        const SQL: &str = "
            with old as (
                select j.seq, j.order_id from journal j
                left join lateral (
                    select true as known from orders o where o.id = j.order_id::text limit 1) as ordered on true
                left join lateral (
                    select true as known from dead_letters l
                    where l.order_id = j.order_id and l.status = 'open' and not l.stranger limit 1) as dead on true
                where j.seq > $1 and j.seq <= least($2, (select value from meta where key = 'mark'))
                  and j.at < timestamptz 'epoch' + $3::bigint * interval '1 millisecond'
                  and (j.order_id is null or (ordered.known is null and dead.known is null))
                order by j.seq limit $4),
            gone as (
                delete from journal where seq = any(array(select seq from old))
                returning role, message_id),
            faded as (
                delete from redelivery_stats e using gone where e.message_id = gone.message_id and e.role = gone.role),
            forgotten as (
                delete from submissions where id = any(array(
                    select met.order_id::text from (select distinct order_id from old) as met
                    where met.order_id is not null and not exists (
                        select 1 from journal j
                        where j.order_id = met.order_id and not exists (select 1 from old where old.seq = j.seq)))))
            select count(*) from gone";
        let mut held = self.connections.take().await?;
        held.begin_long(STEP_AT_MOST).await?;
        held.rows(sqlx::query(OPEN_JOURNAL)).await?;
        let asked = sqlx::query(SQL).bind(from).bind(to).bind(before.unix_ms()).bind(OTHERS_AT_ONCE);
        let gone = number(&held.rows(asked).await?)?;
        held.commit().await?;
        Ok(gone.unsigned_abs())
    }

    async fn prune_letters(&self, before: Time) -> Result<u64, Error> {
        const SQL: &str = "
            with gone as (
                delete from dead_letters where id = any(array(
                    select id from dead_letters
                    where status <> 'open' and (stranger or order_id is null)
                      and at < timestamptz 'epoch' + $1::bigint * interval '1 millisecond'
                    order by at limit $2))
                returning 1)
            select count(*) from gone";
        let asked = sqlx::query(SQL).bind(before.unix_ms()).bind(OTHERS_AT_ONCE);
        Ok(number(&self.connections.take().await?.rows(asked).await?)?.unsigned_abs())
    }
}

/// Allows deletes from the journal for this transaction alone; a trigger refuses all others.
const OPEN_JOURNAL: &str = "select set_config('checkout.pruning', 'on', true)";
