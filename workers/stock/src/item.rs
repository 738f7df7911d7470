//! However an item's numbers change, it has at least zero on hand, at least zero reserved, and books that add up.

use contract::{Decision, Records, Sku, StockAdjust, StockCount, Stored, Table, clean_text};
use serde::{Deserialize, Serialize};

use crate::StockRecord;

/// A billion of one thing is a typing error. Beyond that a count or an adjustment is parked, and nothing is changed.
pub const ON_HAND_MAX: i64 = 1_000_000_000;
const REASON_CHARS_MAX: usize = 200;

/// How many there are of one thing.
///
/// `received` is what counts and adjustments have brought in or taken out, so that `on_hand = received − shipped +
/// taken back` can be proved from the holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Item {
    pub sku: Sku,
    pub on_hand: i64,
    /// Promised to orders and still here. More than `on_hand` after a stock-take that found too few.
    pub reserved: i64,
    pub received: i64,
}

impl Stored for Item {
    const TABLE: Table = Table::Stock;
    fn id(&self) -> String {
        self.sku.to_string()
    }
}

/// Why numbers cannot change as asked, and what to do about it.
pub(crate) struct Refusal {
    code: &'static str,
    why: String,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, why: String) -> Self {
        Self { code, why }
    }

    pub(crate) fn park(self) -> Decision<StockRecord> {
        Decision::parked(self.code, self.why)
    }
}

/// The shelf was counted: this many are there, whatever the books said. Orders keep what they were promised.
pub(crate) fn count(records: &Records<StockRecord>, ask: &StockCount) -> Decision<StockRecord> {
    match Item::find(records, &ask.sku).with_on_hand(i64::from(ask.on_hand)) {
        Ok(item) => Decision::done("counted").save(item),
        Err(refusal) => refusal.park(),
    }
}

pub(crate) fn adjust(records: &Records<StockRecord>, ask: &StockAdjust) -> Decision<StockRecord> {
    if let Err(wrong) = clean_text(&ask.reason, REASON_CHARS_MAX) {
        return Decision::parked(
            "reason_invalid",
            format!("the reason {wrong}; say why the stock of {} changes and send it again", ask.sku),
        );
    }
    let Some(item) = records.get::<Item>(ask.sku.as_str()).cloned() else {
        let why = format!("there is no stock of {} so far: send product.upsert with on_hand", ask.sku);
        return Decision::parked("product_unknown", why);
    };
    // A saturated sum is out of bounds on the same side, so it is refused for the right reason.
    let on_hand = item.on_hand.saturating_add(ask.delta);
    match item.with_on_hand(on_hand) {
        Ok(item) => Decision::done("adjusted").save(item),
        Err(refusal) => refusal.park(),
    }
}

impl Item {
    /// What was never counted does not exist: its quantity is zero.
    pub(crate) fn find(records: &Records<StockRecord>, sku: &Sku) -> Self {
        let found = records.get::<Item>(sku.as_str()).cloned();
        found.unwrap_or_else(|| Self { sku: sku.clone(), on_hand: 0, reserved: 0, received: 0 })
    }

    /// What may still be promised.
    pub fn free(&self) -> i64 {
        self.on_hand.saturating_sub(self.reserved).max(0)
    }

    /// Only for what is free: then `reserved` stays at most `on_hand`, and nothing can overflow.
    pub(crate) fn promise(self, quantity: i64) -> Result<Self, Refusal> {
        if self.free() < quantity {
            return Err(self.books_differ(quantity));
        }
        Ok(Self { reserved: self.reserved + quantity, ..self })
    }

    pub(crate) fn give_back(self, quantity: i64) -> Result<Self, Refusal> {
        if self.reserved < quantity {
            return Err(self.books_differ(quantity));
        }
        Ok(Self { reserved: self.reserved - quantity, ..self })
    }

    pub(crate) fn send_off(self, quantity: i64) -> Result<Self, Refusal> {
        if self.on_hand < quantity || self.reserved < quantity {
            return Err(self.books_differ(quantity));
        }
        Ok(Self { on_hand: self.on_hand - quantity, reserved: self.reserved - quantity, ..self })
    }

    pub(crate) fn take_back(self, quantity: i64) -> Result<Self, Refusal> {
        let on_hand = self.on_hand.saturating_add(quantity);
        if on_hand > ON_HAND_MAX {
            return Err(self.out_of_bounds(on_hand));
        }
        Ok(Self { on_hand, ..self })
    }

    /// The difference is what came in, or went missing.
    fn with_on_hand(self, on_hand: i64) -> Result<Self, Refusal> {
        if !(0..=ON_HAND_MAX).contains(&on_hand) {
            return Err(self.out_of_bounds(on_hand));
        }
        let received = on_hand.checked_sub(self.on_hand).and_then(|came| self.received.checked_add(came));
        match received {
            Some(received) => Ok(Self { on_hand, received, ..self }),
            None => Err(self.out_of_bounds(on_hand)),
        }
    }

    fn out_of_bounds(&self, on_hand: i64) -> Refusal {
        let Self { sku, on_hand: now, .. } = self;
        if on_hand < 0 {
            let why = format!(
                "there are {now} of {sku}: this would leave less than none; count them, then say how many are missing"
            );
            return Refusal::new("stock_below_zero", why);
        }
        let why = format!(
            "there are {now} of {sku}: this would make more than {ON_HAND_MAX}; send the number that is really there"
        );
        Refusal::new("stock_too_large", why)
    }

    /// No message can cause this, only a manual change in the database: better to stop than to write on.
    fn books_differ(&self, quantity: i64) -> Refusal {
        let Self { sku, on_hand, reserved, .. } = self;
        let why = format!(
            "{sku} has {on_hand} on hand and {reserved} reserved, which does not fit an order's {quantity}; correct the item so that reserved is the sum of all held orders, then replay"
        );
        Refusal::new("stock_books_differ", why)
    }
}
