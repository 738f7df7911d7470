//! Rows are written in blocks of 1, 8, 64 or 256, each size by its own prepared statement.
//!
//! This takes about two thirds of the CPU time of one JSON text for the whole batch, unpacked by `json_each`, because
//! documents are bound as they are, and not parsed and printed again on their way into the row.

use sqlx::sqlite::SqliteArguments;
use sqlx::{Execute, Sqlite, SqliteConnection};

use super::{Error, failed};

pub(super) type Query = sqlx::query::Query<'static, Sqlite, SqliteArguments>;

/// The same statement for each size of block, smallest first.
pub(super) type Blocks = [(usize, &'static str); 4];

/// `$before $name $between (row), (row), … $after`. The unused rows of a block are all NULL: `$after` must leave them
/// out.
macro_rules! blocks {
    ($name:literal, $before:literal, $between:expr, $row:literal, $after:literal) => {
        [
            (1, concat!($before, $name, $between, $row, $after)),
            (8, concat!($before, $name, $between, eight!($row), $after)),
            (64, concat!($before, $name, $between, eight!(eight!($row)), $after)),
            (256, concat!($before, $name, $between, four!(eight!(eight!($row))), $after)),
        ]
    };
}

/// The same, with the table's name once more between `$after` and `$last`.
macro_rules! twice_named_blocks {
    ($name:literal, $before:literal, $between:expr, $row:literal, $after:literal, $last:expr) => {
        [
            (1, concat!($before, $name, $between, $row, $after, $name, $last)),
            (8, concat!($before, $name, $between, eight!($row), $after, $name, $last)),
            (64, concat!($before, $name, $between, eight!(eight!($row)), $after, $name, $last)),
            (256, concat!($before, $name, $between, four!(eight!(eight!($row))), $after, $name, $last)),
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

macro_rules! four {
    ($($row:tt)*) => {
        concat!($($row)*, ",", $($row)*, ",", $($row)*, ",", $($row)*)
    };
}
pub(super) use {blocks, eight, four, twice_named_blocks};

/// A statement with its values, ready to be sent.
pub(super) struct Step {
    sql: &'static str,
    values: SqliteArguments,
    /// How many rows of which table it must change. If it changes fewer, a concurrent change came first.
    meets: Option<(u64, &'static str)>,
}

impl Step {
    /// `bind` gives the values to the statement.
    pub(super) fn new(
        sql: &'static str,
        meets: Option<(u64, &'static str)>,
        bind: impl FnOnce(Query) -> Query,
    ) -> Result<Self, Error> {
        let values =
            bind(sqlx::query(sql)).take_arguments().map_err(|why| failed(sqlx::Error::Encode(why)))?;
        Ok(Self { sql, values: values.unwrap_or_default(), meets })
    }

    /// Runs on a clone of the values, so that the caller frees their memory later, and not the thread that writes.
    pub(super) async fn run(&self, connection: &mut SqliteConnection) -> Result<(), Error> {
        let query = sqlx::query_with(self.sql, self.values.clone());
        let touched = query.execute(connection).await.map_err(failed)?.rows_affected();
        match self.meets {
            Some((sent, table)) if touched != sent => Err(Error::Conflict(format!(
                "{} of {sent} rows in {table} are not as they were",
                sent - touched
            ))),
            _ => Ok(()),
        }
    }
}

/// The steps that write every row; `bind` binds a row's values. With `meets`, each row must change one of that table.
pub(super) fn in_blocks<R>(
    blocks: &Blocks,
    rows: Vec<R>,
    meets: Option<&'static str>,
    mut bind: impl FnMut(Query, R) -> Query,
) -> Result<Vec<Step>, Error> {
    let [.., largest] = blocks;
    let mut rows = rows.into_iter();
    let mut steps = Vec::new();
    while rows.len() > 0 {
        let (size, sql) = blocks.iter().find(|(size, _)| *size >= rows.len()).unwrap_or(largest);
        let sent = rows.len().min(*size) as u64;
        let rows = rows.by_ref().take(*size);
        steps.push(Step::new(sql, meets.map(|table| (sent, table)), |query| rows.fold(query, &mut bind))?);
    }
    Ok(steps)
}
