//! Stock rows are hot: many orders change the same product. Locked from load to commit, a best-selling product would
//! let one process work at a time. So a batch loads stock without a lock, and its write adds the difference between
//! what it decided and what it had loaded to the row's present numbers. No goods are promised twice: if too little is
//! left by then, nothing of the batch is written, and it starts over.

use std::collections::HashMap;

use contract::Table;
use serde::Deserialize;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::{Columns, Statement, journal, texts};
use crate::Loaded;

/// The stock numbers that a batch has loaded, by product.
#[derive(Default)]
pub(in crate::postgres) struct Found(HashMap<String, Counts>);

#[derive(Clone, Copy, Default, Deserialize)]
struct Counts {
    on_hand: Option<i64>,
    reserved: Option<i64>,
    received: Option<i64>,
}

impl Found {
    /// The first load of a product counts; a batch does not load a record again that it is going to change.
    pub(in crate::postgres) fn note(&mut self, loaded: &[Loaded]) {
        for one in loaded.iter().filter(|one| one.need.table == Table::Stock) {
            // From an unreadable document no difference can be computed: such a row is written only if its version is
            // unchanged.
            let counts = serde_json::from_str(&one.json).unwrap_or_default();
            self.0.entry(one.need.id.clone()).or_insert(counts);
        }
    }
}

/// Large batches that change stock under contention take this advisory lock first. They then wait once,
/// instead of for one row after another while they hold the rows before it. Small batches do without it. Each schema has its own lock.
pub(in crate::postgres) const TURN: &str = "select pg_advisory_xact_lock('stock'::regclass::oid::integer, 0)";

/// Locks the rows in key order, which avoids a deadlock, and reads their numbers after that, so that each of two
/// batches adds to what the other has committed. A row that has not changed since the load is written as it was
/// decided. A changed one is written with the sums only if the batch had read its numbers, and reserved goods exceed the
/// stock neither as decided nor as summed; if only other fields changed, the sums are the decided numbers.
macro_rules! added {
    ($ids:literal, $versions:literal, $docs:literal, $on_hand:literal, $reserved:literal, $received:literal,
     $found_on_hand:literal, $found_reserved:literal, $found_received:literal) => {
        concat!(
            "sent_stock as (
                select * from unnest(",
            $ids, "::text[], ", $versions, "::bigint[], ", $docs, "::text[], ",
            $on_hand, "::bigint[], ", $reserved, "::bigint[], ", $received, "::bigint[], ",
            $found_on_hand, "::bigint[], ", $found_reserved, "::bigint[], ", $found_received, "::bigint[])
                as sent (id, version, doc, on_hand, reserved, received, found_on_hand, found_reserved, found_received)),
            there_stock as (
                select id, version, doc, on_hand, reserved from stock
                where id = any(", $ids, "::text[]) order by id for update),
            added_stock as (
                select sent.*, there.version as version_there, there.doc as doc_there,
                       there.on_hand as on_hand_there, there.reserved as reserved_there,
                       sent.on_hand + coalesce(there.on_hand - sent.found_on_hand, 0) as on_hand_then,
                       sent.reserved + coalesce(there.reserved - sent.found_reserved, 0) as reserved_then
                from there_stock as there join sent_stock as sent using (id)
                where sent.version > 0),
            changed_stock as (
                update stock as kept
                set version = version_there + 1, on_hand = on_hand_then, reserved = reserved_then,
                    doc = case when version_there = added.version then added.doc else
                        (added.doc::jsonb || jsonb_strip_nulls(jsonb_build_object(
                            'on_hand', on_hand_then, 'reserved', reserved_then, 'received', added.received
                            + (doc_there::jsonb ->> 'received')::bigint - added.found_received)))::text end
                from added_stock as added
                where kept.id = added.id and case
                    when version_there = added.version then true
                    when found_on_hand is null or found_reserved is null then false
                    when on_hand_there = found_on_hand and reserved_there = found_reserved then true
                    else added.reserved <= added.on_hand and reserved_then between 0 and on_hand_then end
                returning version_there <> added.version as otherwise),
            new_stock as (
                insert into stock (id, version, doc, on_hand, reserved)
                select id, 1, doc, on_hand, reserved from sent_stock where version = 0
                on conflict (id) do nothing
                returning false as otherwise),
            kept_stock as (select otherwise from changed_stock union all select otherwise from new_stock)"
        )
    };
}
pub(super) use added;

/// How many rows were written with other numbers than decided, because they had changed since the load.
macro_rules! otherwise {
    () => {
        "(select count(*) from kept_stock where otherwise) as otherwise"
    };
}
pub(super) use otherwise;

/// Whether stock was written with other numbers than decided.
pub(in crate::postgres) fn is_otherwise(answer: &[PgRow]) -> bool {
    answer.iter().any(|row| row.try_get::<i64, _>("otherwise").is_ok_and(|rows| rows > 0))
}

pub(super) const STATEMENT: &str = concat!(
    "with ",
    journal!(),
    ", ",
    added!("$11", "$12", "$13", "$14", "$15", "$16", "$17", "$18", "$19"),
    ", ",
    records!("holds", "", "$20::text[], $21::bigint[], $22::text[]", ""),
    " select ",
    all_met!("stock", "$11"),
    ", ",
    all_met!("holds", "$20"),
    ", ",
    otherwise!()
);

pub(super) fn bind(statement: Statement, stock: Columns, found: &Found) -> Statement {
    let found: Vec<Counts> =
        stock.ids.iter().map(|id| found.0.get(id).copied().unwrap_or_default()).collect();
    let numbers = |number: fn(&Counts) -> Option<i64>| found.iter().map(number).collect::<Vec<_>>();
    statement
        .bind(stock.ids)
        .bind(stock.versions)
        .bind(texts(&stock.docs))
        .bind(stock.on_hand)
        .bind(stock.reserved)
        .bind(stock.received)
        .bind(numbers(|counts| counts.on_hand))
        .bind(numbers(|counts| counts.reserved))
        .bind(numbers(|counts| counts.received))
}
