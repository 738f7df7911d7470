//! A submission orders the lines that it names, or those in its customer's stored cart.

use contract::{Decision, Need, Records, Submit, Table};

use crate::creation::{known, needs_of, order, reject};
use crate::{Cause, Record, cart_order, known_or_rejected};

pub(crate) fn needs(submit: &Submit) -> Vec<Need> {
    match &submit.cart {
        Err(_) => known_or_rejected(submit.order_id),
        Ok(cart) if cart.stored.is_some() => {
            let mut needs = known_or_rejected(submit.order_id);
            needs.push(Need::of(Table::Carts, &cart.customer_id));
            needs
        }
        Ok(cart) => needs_of(submit.order_id, cart),
    }
}

pub(crate) fn decide(records: &Records<Record>, submit: &Submit, cause: Cause<'_>) -> Decision<Record> {
    if let Some(known) = known(records, submit) {
        return known;
    }
    match &submit.cart {
        Err(faults) => reject(records, submit, faults.clone(), cause),
        Ok(cart) => match cart.stored {
            Some(seen) => cart_order::take(records, submit, cart, seen, cause),
            None => order(records, submit, cart, cause).unwrap_or_else(|refused| *refused),
        },
    }
}
