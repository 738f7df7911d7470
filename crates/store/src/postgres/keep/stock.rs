//! Stock is what orders share. Locked from reading to commit, the best-selling products would let one process work at a
//! time. So nobody locks it for deciding: what a batch changed is the difference to what it had found, and that is
//! added to what is there by the time it is kept. Whoever was promised something gets it: if others were faster, and
//! not enough is left, the batch is not kept and starts over.

use std::collections::HashMap;

use contract::Table;
use serde::Deserialize;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::{Columns, Statement, journal, texts};
use crate::Loaded;

/// The numbers on which a batch has decided.
#[derive(Default)]
pub(in crate::postgres) struct Found(HashMap<String, Counts>);

#[derive(Clone, Copy, Default, Deserialize)]
struct Counts {
    on_hand: Option<i64>,
    reserved: Option<i64>,
    received: Option<i64>,
}

impl Found {
    /// What was read first counts: nobody reads twice what he is about to change.
    pub(in crate::postgres) fn note(&mut self, loaded: &[Loaded]) {
        for one in loaded.iter().filter(|one| one.need.table == Table::Stock) {
            // What is no document of stock has no numbers; then it has to be what it was.
            let counts = serde_json::from_str(&one.json).unwrap_or_default();
            self.0.entry(one.need.id.clone()).or_insert(counts);
        }
    }
}

/// Who changes many rows where others do so too waits once, for its turn, and not for one row after the other while it
/// keeps the others waiting for those before. Whoever changes a few waits for rows alone. Each schema has a turn of its own.
pub(in crate::postgres) const TURN: &str = "select pg_advisory_xact_lock('stock'::regclass::oid::integer, 0)";

/// Locked in key order, and read once it is: two who want the same rows wait for each other and do not embrace, and
/// each adds to what the other has left. A row that is as it was found is written as it was decided.
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

/// How many rows are there otherwise than they were decided, because others had changed them.
macro_rules! otherwise {
    () => {
        "(select count(*) from kept_stock where otherwise) as otherwise"
    };
}
pub(super) use otherwise;

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
