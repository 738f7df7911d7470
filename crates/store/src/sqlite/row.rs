//! Reads columns of a row.

use contract::{OrderId, Time};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::json::{self, unreadable};
use super::{Error, failed};

pub(super) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn text<'a>(row: &'a SqliteRow, column: &str) -> Result<&'a str, Error> {
    row.try_get(column).map_err(failed)
}

pub(super) fn maybe<'a>(row: &'a SqliteRow, column: &str) -> Result<Option<&'a str>, Error> {
    row.try_get(column).map_err(failed)
}

pub(super) fn time(row: &SqliteRow) -> Result<Time, Error> {
    json::time(text(row, "at")?)
}

pub(super) fn order_id(row: &SqliteRow) -> Result<Option<OrderId>, Error> {
    maybe(row, "order_id")?.map(str::parse).transpose().map_err(|why| unreadable("an order's id", why))
}
