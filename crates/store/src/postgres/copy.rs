//! Rows in the binary format of `copy … from stdin (format binary)`. The server writes them page by page, for half of
//! what an insert from arrays costs it. A copy takes two round trips, and a transaction around it.

use contract::Time;
use uuid::Uuid;

/// Milliseconds from 1970 to 2000, where Postgres' time begins.
const POSTGRES_EPOCH_MS: i64 = 946_684_800_000;

/// Rows of `COLUMNS` values each.
pub(super) struct Rows<const COLUMNS: i16> {
    bytes: Vec<u8>,
}

impl<const COLUMNS: i16> Rows<COLUMNS> {
    /// Allocates this many bytes at first.
    pub(super) fn with_room(bytes: usize) -> Self {
        let mut rows = Self { bytes: Vec::with_capacity(bytes) };
        rows.bytes.extend_from_slice(b"PGCOPY\n\xff\r\n\0");
        // No flags, and no header extension.
        rows.bytes.extend_from_slice(&[0; 8]);
        rows
    }

    /// Begins a row. Its values follow, in the order of the columns.
    pub(super) fn row(&mut self) -> &mut Self {
        self.bytes.extend_from_slice(&COLUMNS.to_be_bytes());
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.value(text.as_bytes())
    }

    pub(super) fn bigint(&mut self, number: i64) -> &mut Self {
        self.value(&number.to_be_bytes())
    }

    pub(super) fn uuid(&mut self, id: Uuid) -> &mut Self {
        self.value(id.as_bytes())
    }

    pub(super) fn time(&mut self, time: Time) -> &mut Self {
        self.bigint((time.unix_ms() - POSTGRES_EPOCH_MS) * 1000)
    }

    pub(super) fn null(&mut self) -> &mut Self {
        self.bytes.extend_from_slice(&(-1_i32).to_be_bytes());
        self
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&(-1_i16).to_be_bytes());
        self.bytes
    }

    fn value(&mut self, value: &[u8]) -> &mut Self {
        // No value comes near 2 GiB: a message is at most some MiB.
        let length = i32::try_from(value.len()).unwrap_or(i32::MAX);
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(value);
        self
    }
}
