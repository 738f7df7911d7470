//! A batch's records as arrays, one for each column, for both databases. The columns that the database checks and sorts
//! by are read out of the document here and nowhere else, so that the two are always written together.

use std::borrow::Cow;
use std::sync::Arc;

use contract::{Need, Table};
use serde::Deserialize;

use super::Error;
use crate::SavedRecord;

/// The records of one table in key order. This avoids a deadlock between two batches that write the same rows.
#[derive(Default)]
pub(super) struct Columns {
    pub(super) ids: Vec<String>,
    /// As loaded; 0 for a new record.
    pub(super) versions: Vec<i64>,
    pub(super) docs: Vec<Arc<str>>,
    pub(super) customer_ids: Vec<Option<String>>,
    pub(super) created_at: Vec<Option<String>>,
    pub(super) updated_at: Vec<Option<String>>,
    pub(super) statuses: Vec<Option<String>>,
    pub(super) currencies: Vec<Option<String>>,
    /// The total of an order, the price of a product.
    pub(super) amounts_minor: Vec<Option<i64>>,
    pub(super) on_hand: Vec<Option<i64>>,
    pub(super) reserved: Vec<Option<i64>>,
    pub(super) received: Vec<Option<i64>>,
    pub(super) captured_minor: Vec<Option<i64>>,
    pub(super) refunded_minor: Vec<Option<i64>>,
}

/// The fields of any document that have a column in some table. Reading all of them is cheaper than choosing by table.
#[derive(Default, Deserialize)]
struct DocumentFields<'a> {
    #[serde(borrow)]
    customer_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    created_at: Option<Cow<'a, str>>,
    #[serde(borrow)]
    updated_at: Option<Cow<'a, str>>,
    #[serde(borrow)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow)]
    currency: Option<Cow<'a, str>>,
    #[serde(borrow, alias = "price")]
    total: Option<Amount<'a>>,
    on_hand: Option<i64>,
    reserved: Option<i64>,
    received: Option<i64>,
    captured_minor: Option<i64>,
    refunded_minor: Option<i64>,
    /// Only in a saga.
    #[serde(borrow)]
    subject: Option<Subject<'a>>,
}

#[derive(Deserialize)]
struct Subject<'a> {
    #[serde(borrow)]
    customer_id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Amount<'a> {
    #[serde(borrow)]
    amount: Cow<'a, str>,
    #[serde(borrow)]
    currency: Cow<'a, str>,
}

impl Amount<'_> {
    /// An amount always has all digits of its currency ("12.30", "500"): without the point it is in minor units.
    fn minor(&self) -> Result<i64, Error> {
        let digits = self.amount.replace('.', "");
        digits.parse().map_err(|_| Error::Refused(format!("{:?} is no amount that can be kept", self.amount)))
    }
}

impl Columns {
    pub(super) fn of(mut records: Vec<SavedRecord>) -> Result<Self, Error> {
        records.sort_unstable_by(|a, b| a.need.id.cmp(&b.need.id));
        let mut columns = Self::default();
        for record in records {
            columns.push(record)?;
        }
        Ok(columns)
    }

    fn push(&mut self, record: SavedRecord) -> Result<(), Error> {
        let SavedRecord { need, version, json } = record;
        let fields =
            if has_columns(need.table) { read_fields(&need, &json)? } else { DocumentFields::default() };
        let owned = |text: Option<Cow<'_, str>>| text.map(|text| plain(&text));
        self.customer_ids.push(owned(fields.customer_id.or(fields.subject.and_then(|of| of.customer_id))));
        self.created_at.push(owned(fields.created_at));
        self.updated_at.push(owned(fields.updated_at));
        self.statuses.push(owned(fields.status));
        self.amounts_minor.push(fields.total.as_ref().map(Amount::minor).transpose()?);
        let currency = fields.currency.or(fields.total.map(|total| total.currency));
        self.currencies.push(owned(currency));
        self.on_hand.push(fields.on_hand);
        self.reserved.push(fields.reserved);
        self.received.push(fields.received);
        self.captured_minor.push(fields.captured_minor);
        self.refunded_minor.push(fields.refunded_minor);
        self.ids.push(need.id);
        self.versions.push(version);
        self.docs.push(json);
        Ok(())
    }
}

/// Whether a table has columns beside the document. If not, the document need not be parsed.
fn has_columns(table: Table) -> bool {
    match table {
        Table::Orders | Table::Products | Table::Stock | Table::Payments | Table::Sagas => true,
        Table::Submissions
        | Table::Audit
        | Table::Discounts
        | Table::Methods
        | Table::Carts
        | Table::Holds
        | Table::Wallets
        | Table::Notices => false,
    }
}

fn read_fields<'a>(need: &Need, json: &'a str) -> Result<DocumentFields<'a>, Error> {
    serde_json::from_str(json).map_err(|why| {
        let table = need.table.name();
        Error::Refused(format!("{table} {} is not a document of this database: {why}", need.id))
    })
}

/// Replaces NUL, the one character that Postgres accepts in no text, by U+FFFD.
pub(super) fn plain(text: &str) -> String {
    fitting(text).into_owned()
}

/// The same without a copy if there is no NUL, as nearly always.
pub(super) fn fitting(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{FFFD}").into() } else { text.into() }
}
