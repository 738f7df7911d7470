//! Rows go in by blocks of 1, 8 or 64, each a statement that SQLite has prepared already.
//!
//! Measured against one JSON text for the whole batch, unpacked by `json_each`: about two thirds of the CPU time,
//! because documents are bound as they are and not parsed and printed again on their way into the row.

use sqlx::sqlite::SqliteArguments;
use sqlx::{Sqlite, SqliteConnection};

use super::{Error, failed};

pub(super) type Query = sqlx::query::Query<'static, Sqlite, SqliteArguments>;

/// The same statement for each size of block, smallest first.
pub(super) type Blocks = [(usize, &'static str); 3];

/// `$before $name $between (row), (row), … $after`. Rows that a block has no use for are all NULL: `$after`
/// must leave them out.
macro_rules! blocks {
    ($name:literal, $before:literal, $between:literal, $row:literal, $after:literal) => {
        [
            (1, concat!($before, $name, $between, $row, $after)),
            (8, concat!($before, $name, $between, eight!($row), $after)),
            (64, concat!($before, $name, $between, eight!(eight!($row)), $after)),
        ]
    };
}

/// The same, with the table's name once more between `$after` and `$last`.
macro_rules! twice_named_blocks {
    ($name:literal, $before:literal, $between:literal, $row:literal, $after:literal, $last:literal) => {
        [
            (1, concat!($before, $name, $between, $row, $after, $name, $last)),
            (8, concat!($before, $name, $between, eight!($row), $after, $name, $last)),
            (64, concat!($before, $name, $between, eight!(eight!($row)), $after, $name, $last)),
        ]
    };
}

macro_rules! eight {
    ($($row:tt)*) => {
        concat!(
            $($row)*, ",", $($row)*, ",", $($row)*, ",", $($row)*, ",",
            $($row)*, ",", $($row)*, ",", $($row)*, ",", $($row)*
        )
    };
}
pub(super) use {blocks, eight, twice_named_blocks};

/// Sends every row, `bind` giving its values to the statement. Returns how many rows were touched.
pub(super) async fn send<R>(
    connection: &mut SqliteConnection,
    blocks: &Blocks,
    rows: &[R],
    bind: impl Fn(Query, &R) -> Query,
) -> Result<u64, Error> {
    let [.., largest] = blocks;
    let mut rows = rows.iter();
    let mut touched = 0;
    while rows.len() > 0 {
        let (size, sql) = blocks.iter().find(|(size, _)| *size >= rows.len()).unwrap_or(largest);
        let query = rows.by_ref().take(*size).fold(sqlx::query(*sql), &bind);
        touched += query.execute(&mut *connection).await.map_err(failed)?.rows_affected();
    }
    Ok(touched)
}
