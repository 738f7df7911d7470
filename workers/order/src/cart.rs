//! A customer's cart: one record, changed by one write after the other, and ordered by one checkout at a time.

use std::collections::BTreeMap;

use contract::{
    Answers, CartClear, CartEnd, CartItemPut, CartItemRemove, CartPut, CartSettle, Decision, Fault,
    LINES_MAX, Line, Need, QUANTITY_MAX, Records, Sku, Table, clean_text,
};

use crate::{Cause, Record, StoredCart, catalogue};

/// As long as a submission's.
const CUSTOMER_CHARS_MAX: usize = 100;

/// One of the four ways to write a cart.
pub(crate) struct Write<'a> {
    pub(crate) customer_id: &'a str,
    /// The version that its sender saw.
    pub(crate) version: Option<u64>,
    pub(crate) what: What<'a>,
}

pub(crate) enum What<'a> {
    All(&'a [Line]),
    Item(&'a Sku, u32),
    Without(&'a Sku),
    Nothing,
}

impl<'a> From<&'a CartPut> for Write<'a> {
    fn from(m: &'a CartPut) -> Self {
        Write { customer_id: &m.customer_id, version: m.version, what: What::All(&m.items) }
    }
}

impl<'a> From<&'a CartItemPut> for Write<'a> {
    fn from(m: &'a CartItemPut) -> Self {
        Write { customer_id: &m.customer_id, version: m.version, what: What::Item(&m.sku, m.quantity) }
    }
}

impl<'a> From<&'a CartItemRemove> for Write<'a> {
    fn from(m: &'a CartItemRemove) -> Self {
        Write { customer_id: &m.customer_id, version: m.version, what: What::Without(&m.sku) }
    }
}

impl<'a> From<&'a CartClear> for Write<'a> {
    fn from(m: &'a CartClear) -> Self {
        Write { customer_id: &m.customer_id, version: m.version, what: What::Nothing }
    }
}

/// A customer id that will be refused is not looked up: not every text can be a key in every database.
pub(crate) fn needs(write: &Write<'_>) -> Vec<Need> {
    if customer_fault(write.customer_id).is_some() {
        return Vec::new();
    }
    let skus: Vec<&Sku> = match write.what {
        What::All(lines) if lines.len() > LINES_MAX => Vec::new(),
        What::All(lines) => lines.iter().map(|line| &line.sku).collect(),
        What::Item(sku, _) => vec![sku],
        What::Without(_) | What::Nothing => Vec::new(),
    };
    let products = skus.into_iter().map(|sku| Need::of(Table::Products, sku));
    std::iter::once(Need::of(Table::Carts, write.customer_id)).chain(products).collect()
}

/// A refusal is remembered with the cart: its sender waits for the answer there.
pub(crate) fn write(records: &Records<Record>, write: &Write<'_>, cause: Cause<'_>) -> Decision<Record> {
    if let Some(why) = customer_fault(write.customer_id) {
        return Decision::parked("customer_invalid", format!("customer_id {why}"));
    }
    let known = records.get::<StoredCart>(write.customer_id).cloned();
    let mut cart = known.unwrap_or_else(|| StoredCart {
        customer_id: write.customer_id.into(),
        version: 0,
        lines: Vec::new(),
        ordered: None,
        answers: Answers::default(),
        updated_at: cause.now,
    });
    match changed(records, &cart, write) {
        Ok(lines) => {
            cart.answers.push(cause.id, None);
            keep_ordered(&mut cart, &write.what);
            put(&mut cart, lines, cause);
            Decision::done("cart written").save(cart)
        }
        Err(fault) => {
            cart.answers.push(cause.id, Some(fault));
            Decision::done("refused").save(cart)
        }
    }
}

/// The order that was made of it has ended. Whatever else is in the cart stays there.
pub(crate) fn settle(records: &Records<Record>, m: &CartSettle, cause: Cause<'_>) -> Decision<Record> {
    let Some(cart) = records.get::<StoredCart>(&m.customer_id) else {
        return Decision::ignored("there is no such cart");
    };
    let mut cart = cart.clone();
    let Some(ordered) = cart.ordered.take_if(|ordered| ordered.order_id == m.order_id) else {
        return Decision::ignored("the cart was settled before");
    };
    match m.ended {
        CartEnd::Kept => Decision::done("the cart is kept").save(cart),
        CartEnd::Bought => {
            let left = cart.lines.iter().filter_map(|line| {
                let bought = ordered.lines.iter().find(|bought| bought.sku == line.sku);
                let quantity = line.quantity.saturating_sub(bought.map_or(0, |bought| bought.quantity));
                (quantity > 0).then(|| Line { sku: line.sku.clone(), quantity })
            });
            let left = left.collect();
            put(&mut cart, left, cause);
            Decision::done("what was bought leaves the cart").save(cart)
        }
    }
}

fn put(cart: &mut StoredCart, lines: Vec<Line>, cause: Cause<'_>) {
    if cart.lines != lines {
        cart.lines = lines;
        cart.version += 1;
        cart.updated_at = cause.now;
    }
}

/// What the customer took out no longer counts as ordered: put in again, it is something new.
fn keep_ordered(cart: &mut StoredCart, what: &What<'_>) {
    let Some(ordered) = cart.ordered.as_mut() else { return };
    match what {
        What::All(lines) => ordered.lines.retain(|old| lines.iter().any(|line| line.sku == old.sku)),
        What::Item(..) => {}
        What::Without(sku) => ordered.lines.retain(|line| line.sku != **sku),
        What::Nothing => ordered.lines.clear(),
    }
}

fn changed(records: &Records<Record>, cart: &StoredCart, write: &Write<'_>) -> Result<Vec<Line>, Fault> {
    if let Some(seen) = write.version.filter(|seen| *seen != cart.version) {
        return Err(outdated("version", seen, cart.version));
    }
    let mut lines: BTreeMap<&Sku, u64> =
        cart.lines.iter().map(|line| (&line.sku, line.quantity.into())).collect();
    match &write.what {
        What::All(new) if new.len() > LINES_MAX => return Err(too_many(new.len())),
        What::All(new) => {
            lines.clear();
            for (at, line) in new.iter().enumerate() {
                let at = format!("items[{at}].");
                check(records, &line.sku, line.quantity.into(), &at)?;
                let sum = lines.entry(&line.sku).or_default();
                *sum += u64::from(line.quantity);
                check(records, &line.sku, *sum, &at)?;
            }
        }
        What::Item(sku, quantity) => {
            check(records, sku, (*quantity).into(), "")?;
            lines.insert(sku, (*quantity).into());
        }
        What::Without(sku) => {
            lines.remove(*sku);
        }
        What::Nothing => lines.clear(),
    }
    if lines.len() > LINES_MAX {
        return Err(too_many(lines.len()));
    }
    let line = |(sku, quantity): (&Sku, u64)| {
        let quantity = u32::try_from(quantity).expect("it was checked against the most there may be");
        Line { sku: sku.clone(), quantity }
    };
    Ok(lines.into_iter().map(line).collect())
}

fn check(records: &Records<Record>, sku: &Sku, quantity: u64, at: &str) -> Result<(), Fault> {
    if quantity == 0 {
        let message = "must be at least 1; remove the item instead";
        return Err(Fault::new(format!("{at}quantity"), "quantity_invalid", message));
    }
    if quantity > QUANTITY_MAX {
        let message = format!("{quantity}; at most {QUANTITY_MAX}");
        return Err(Fault::new(format!("{at}quantity"), "quantity_too_large", message));
    }
    if catalogue::on_sale(records, sku).is_none() {
        return Err(Fault::new(format!("{at}sku"), "product_unknown", format!("there is no product {sku}")));
    }
    Ok(())
}

/// The cart was changed in the meantime: in another tab, or by ordering it.
pub(crate) fn outdated(field: &str, seen: u64, is: u64) -> Fault {
    let message = format!("the cart is at version {is}, and version {seen} was seen: look at it again");
    Fault::new(field, "cart_changed", message)
}

fn too_many(lines: usize) -> Fault {
    Fault::new("items", "too_many_lines", format!("{lines} lines; at most {LINES_MAX}"))
}

fn customer_fault(id: &str) -> Option<String> {
    clean_text(id, CUSTOMER_CHARS_MAX).err()
}
