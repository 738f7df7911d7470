//! A stored cart is ordered in two steps, because the records that its lines need are known only when it is read.
//! From the first step until the order has ended the cart belongs to that order: two checkouts at once make one
//! order.

use contract::{Body, Cart, CartOrder, CartSeen, Decision, Fault, Need, OrderId, Records, Submit, Table};

use crate::records::Ordered;
use crate::{Cause, Order, Record, StoredCart, cart, creation};

/// Takes the lines as they are, if they are as the customer saw them.
pub(crate) fn take(
    records: &Records<Record>,
    submit: &Submit,
    wanted: &Cart,
    seen: CartSeen,
    cause: Cause<'_>,
) -> Decision<Record> {
    let reject = |fault| creation::reject(records, submit, vec![fault], cause);
    let Some(stored) = records.get::<StoredCart>(&wanted.customer_id) else {
        return reject(empty());
    };
    match &stored.ordered {
        Some(ordered) if ordered.order_id == submit.order_id => {
            let same = ordered.content == submit.content;
            return creation::absorbed(submit, same.then_some("the cart is being ordered already"));
        }
        Some(ordered) => return reject(in_checkout(ordered.order_id)),
        None => {}
    }
    if let Some(version) = seen.version.filter(|version| *version != stored.version) {
        return reject(cart::outdated("cart_version", version, stored.version));
    }
    if stored.lines.is_empty() {
        return reject(empty());
    }
    let (order_id, content, lines) = (submit.order_id, submit.content, stored.lines.clone());
    let ordered = Ordered { order_id, content, lines: lines.clone() };
    Decision::done("the cart is taken")
        .save(StoredCart { ordered: Some(ordered), ..stored.clone() })
        .say(Body::CartOrder(CartOrder { submit: submit.clone(), lines }))
}

pub(crate) fn needs(m: &CartOrder) -> Vec<Need> {
    let Some(cart) = with_lines(m) else { return Vec::new() };
    let mut needs = creation::needs_of(m.submit.order_id, &cart);
    needs.push(Need::of(Table::Carts, &cart.customer_id));
    needs
}

/// Makes the order. If the order is refused, the cart is free again at once.
pub(crate) fn make(records: &Records<Record>, m: &CartOrder, cause: Cause<'_>) -> Decision<Record> {
    let Some(cart) = with_lines(m) else {
        return Decision::parked("body_invalid", "only a checkout of a stored cart is made an order here");
    };
    if let Some(known) = creation::known(records, &m.submit) {
        let order = records.get::<Order>(&m.submit.order_id.to_string());
        // Another submission under its id came in the meantime.
        return if order.is_some_and(|order| order.from_cart) {
            known
        } else {
            freed(records, known, m, &cart)
        };
    }
    match creation::order(records, &m.submit, &cart, cause) {
        Ok(created) => created,
        Err(refused) => freed(records, *refused, m, &cart),
    }
}

fn freed(
    records: &Records<Record>,
    decision: Decision<Record>,
    m: &CartOrder,
    cart: &Cart,
) -> Decision<Record> {
    let stored = records.get::<StoredCart>(&cart.customer_id);
    let is_its = |ordered: &Ordered| ordered.order_id == m.submit.order_id;
    match stored.filter(|stored| stored.ordered.as_ref().is_some_and(is_its)) {
        Some(stored) => decision.save(StoredCart { ordered: None, ..stored.clone() }),
        None => decision,
    }
}

fn with_lines(m: &CartOrder) -> Option<Cart> {
    let cart = m.submit.cart.as_ref().ok().filter(|cart| cart.stored.is_some())?;
    Some(Cart { lines: m.lines.clone(), ..cart.clone() })
}

fn empty() -> Fault {
    Fault::new("cart", "cart_empty", "there is nothing in the stored cart; put something in, or send items")
}

fn in_checkout(order_id: OrderId) -> Fault {
    let message = format!("order {order_id} is being made of this cart; wait for it, or cancel it");
    Fault { order_id: Some(order_id), ..Fault::new("cart", "cart_in_checkout", message) }
}
