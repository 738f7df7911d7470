//! What of an order has not been returned.

use std::collections::BTreeMap;

use contract::Sku;

use crate::Order;

/// Some of it is being returned.
pub(crate) fn under_way(order: &Order) -> bool {
    order.returns.iter().any(|returned| !returned.done)
}

/// Some of it is in no return yet.
pub(crate) fn something_left(order: &Order) -> bool {
    left(order).values().any(|quantity| *quantity > 0)
}

/// Bought and in no return so far, whether that is done or not.
pub(crate) fn left(order: &Order) -> BTreeMap<&Sku, u32> {
    let mut left: BTreeMap<&Sku, u32> = order.items.iter().map(|item| (&item.sku, item.quantity)).collect();
    for line in order.returns.iter().flat_map(|returned| &returned.lines) {
        if let Some(quantity) = left.get_mut(&line.sku) {
            *quantity = quantity.saturating_sub(line.quantity);
        }
    }
    left
}
