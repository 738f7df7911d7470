//! A hold is one order's goods: which lines, their state, and what of them has come back.

use std::collections::BTreeMap;

use contract::{Line, OrderId, Short, Sku, StockLine, Stored, Table, Time};
use serde::{Deserialize, Serialize};

use crate::item::Refusal;

/// What one order was given, or why it got nothing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hold {
    pub order_id: OrderId,
    pub status: HoldStatus,
    /// One line for each sku, in the order of their names.
    pub lines: Vec<StockLine>,
    /// What was missing when it was refused; if goods were held: when their shipment was refused.
    #[serde(default)]
    pub short: Vec<Short>,
    /// The numbers of the returns that are back on the shelf.
    #[serde(default)]
    pub restocked: Vec<u32>,
    /// What these returns brought back, by sku: never more than was shipped.
    #[serde(default)]
    pub returned: Vec<Line>,
    /// When it last changed.
    pub at: Time,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldStatus {
    Held,
    Refused,
    Released,
    Shipped,
}

impl HoldStatus {
    pub fn name(self) -> &'static str {
        match self {
            HoldStatus::Held => "held",
            HoldStatus::Refused => "refused",
            HoldStatus::Released => "released",
            HoldStatus::Shipped => "shipped",
        }
    }
}

impl Stored for Hold {
    const TABLE: Table = Table::Holds;
    fn id(&self) -> String {
        self.order_id.to_string()
    }
}

/// The state of an order with stock, as far as it matters for what it may ask next.
#[derive(Clone, Copy)]
pub(crate) enum State<'a> {
    Absent,
    Held(&'a Hold),
    /// Held, but its shipment was refused. It never ships: the money may be being refunded already, and a later
    /// asking must not find goods that have come in since.
    Stuck(&'a Hold),
    Refused(&'a Hold),
    Released(&'a Hold),
    Shipped(&'a Hold),
    /// Known, but with other lines than the message names: one of the two is wrong.
    OtherLines(&'a Hold),
}

/// One line for each sku, so that two lines for the last unit do not each find it. The sum saturates at the end of
/// `u32`: more than any stock, hence short.
pub(crate) fn merged(lines: &[StockLine]) -> Vec<StockLine> {
    let mut by_sku = BTreeMap::<&Sku, StockLine>::new();
    for line in lines.iter().filter(|line| line.quantity > 0) {
        by_sku
            .entry(&line.sku)
            .and_modify(|sum| sum.quantity = sum.quantity.saturating_add(line.quantity))
            .or_insert_with(|| line.clone());
    }
    by_sku.into_values().collect()
}

impl<'a> State<'a> {
    pub(crate) fn of(hold: Option<&'a Hold>) -> Self {
        let Some(hold) = hold else {
            return State::Absent;
        };
        match hold.status {
            HoldStatus::Held if hold.shipment_was_refused() => State::Stuck(hold),
            HoldStatus::Held => State::Held(hold),
            HoldStatus::Refused => State::Refused(hold),
            HoldStatus::Released => State::Released(hold),
            HoldStatus::Shipped => State::Shipped(hold),
        }
    }
}

impl Hold {
    pub(crate) fn shipment_was_refused(&self) -> bool {
        self.status != HoldStatus::Refused && !self.short.is_empty()
    }

    /// A title may have changed since; sku and quantity may not.
    pub(crate) fn is_for(&self, lines: &[StockLine]) -> bool {
        let same = |(a, b): (&StockLine, &StockLine)| a.sku == b.sku && a.quantity == b.quantity;
        self.lines.len() == lines.len() && self.lines.iter().zip(lines).all(same)
    }

    /// All that has come back once these lines have; more than was shipped cannot.
    pub(crate) fn returned_with(&self, lines: &[StockLine]) -> Result<Vec<Line>, Refusal> {
        let mut returned = self.returned.clone();
        for StockLine { sku, quantity, .. } in lines {
            let shipped = self.lines.iter().find(|sent| sent.sku == *sku).map_or(0, |sent| sent.quantity);
            let known = returned.iter().position(|back| back.sku == *sku);
            let at = known.unwrap_or_else(|| {
                returned.push(Line { sku: sku.clone(), quantity: 0 });
                returned.len() - 1
            });
            let back = &mut returned[at].quantity;
            if shipped.saturating_sub(*back) < *quantity {
                let why = format!(
                    "{shipped} of {sku} were shipped and {back} are back: {quantity} more cannot come back; correct the return"
                );
                return Err(Refusal::new("more_than_shipped", why));
            }
            *back += quantity;
        }
        Ok(returned)
    }
}
