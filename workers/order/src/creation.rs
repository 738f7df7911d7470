//! A submission becomes an order or a refusal once; whatever comes later under its id changes nothing.

use std::collections::BTreeMap;

use contract::{
    Body, Cart, Decision, Ending, Fault, Money, Need, Notice, OrderId, OrderRejected, Records, SagaStart,
    Status, StockLine, Submit, Table,
};

use crate::price::{self, Priced};
use crate::{Cause, Order, Record, Rejected, Submission, early, facts, known_or_rejected, replies, state};

/// The records that an order of these lines is made from.
pub(crate) fn needs_of(order_id: OrderId, cart: &Cart) -> Vec<Need> {
    let mut needs = known_or_rejected(order_id);
    needs.extend(cart.lines.iter().map(|line| Need::of(Table::Products, &line.sku)));
    needs.push(Need::of(Table::Methods, cart.payment.method.code()));
    needs.extend(cart.discount_code.iter().map(|code| Need::of(Table::Discounts, code)));
    needs
}

/// An order at the current prices, or the refusal of all that is wrong.
pub(crate) fn order(
    records: &Records<Record>,
    submit: &Submit,
    cart: &Cart,
    cause: Cause<'_>,
) -> Result<Decision<Record>, Box<Decision<Record>>> {
    match price::price(records, submit, cart, cause.now) {
        Ok(priced) => Ok(create(records, submit, cart, priced, cause)),
        Err(faults) => Err(Box::new(reject(records, submit, faults, cause))),
    }
}

/// What was decided on this order id before, if anything was.
pub(crate) fn known(records: &Records<Record>, submit: &Submit) -> Option<Decision<Record>> {
    let id = submit.order_id.to_string();
    let customer_id = submit.customer_id.as_deref();
    if let Some(order) = records.get::<Order>(&id) {
        let same = order.content == submit.content && customer_id == Some(order.customer_id.as_str());
        return Some(match &submit.reply_to {
            Some(reply_to) if same => replies::asked_again(order, reply_to),
            Some(_) | None => absorbed(submit, same.then_some("the order exists already")),
        });
    }
    let Submission::Rejected(refused) = records.get::<Submission>(&id)? else { return None };
    let same = refused.content == submit.content && customer_id == refused.customer_id.as_deref();
    Some(match &submit.reply_to {
        Some(reply_to) if same => replies::rejected_again(refused, reply_to),
        Some(_) | None => absorbed(submit, same.then_some("it was rejected already")),
    })
}

/// Never `order.rejected`: its listeners would think that the existing order was rejected.
pub(crate) fn absorbed(submit: &Submit, same: Option<&'static str>) -> Decision<Record> {
    match same {
        Some(why) => Decision::ignored(why),
        None => {
            let why = format!(
                "order {} was submitted before with another content; use a new order id",
                submit.order_id
            );
            Decision::parked("order_id_reused", why)
        }
    }
}

fn create(
    records: &Records<Record>,
    submit: &Submit,
    cart: &Cart,
    priced: Priced,
    cause: Cause<'_>,
) -> Decision<Record> {
    let mut order = Order {
        order_id: submit.order_id,
        customer_id: cart.customer_id.clone(),
        status: Status::Created,
        reason: None,
        decline_code: None,
        short: Vec::new(),
        method: cart.payment.method,
        confirm: cart.payment.confirm,
        refunded: Money::zero(priced.total.currency()),
        items: priced.items,
        subtotal: priced.subtotal,
        discount: priced.discount,
        total: priced.total,
        discount_code: cart.discount_code.clone(),
        contact: cart.contact.clone(),
        from_cart: cart.stored.is_some(),
        content: submit.content,
        transaction_id: None,
        accepted_at: None,
        entries: 0,
        reached: BTreeMap::new(),
        returns: Vec::new(),
        refunded_by: None,
        reply_to: submit.reply_to.clone(),
        reply_also: Vec::new(),
        told_at: Vec::new(),
        created_at: cause.now,
        updated_at: cause.now,
    };
    let entry = state::begin(&mut order, submit.placed_by.as_deref(), cause);
    let lines = order.items.iter().map(|item| StockLine {
        sku: item.sku.clone(),
        title: item.title.clone(),
        quantity: item.quantity,
    });
    let held = early::of(records, order.order_id);
    let start = SagaStart {
        order_id: order.order_id,
        customer_id: order.customer_id.clone(),
        lines: lines.collect(),
        total: order.total,
        payment: cart.payment.clone(),
        cancelled: early::cancellation(&held, &order),
    };
    let decision = Decision::done("created").say(Body::SagaStart(start)).say(facts::created(&order));
    let decision = facts::tell(decision, facts::notice(&order, Notice::Created));
    early::answer(decision, &held, &order, cause).save(order).save(entry)
}

pub(crate) fn reject(
    records: &Records<Record>,
    submit: &Submit,
    errors: Vec<Fault>,
    cause: Cause<'_>,
) -> Decision<Record> {
    let code = errors.first().map_or("invalid", |fault| fault.code.as_str()).to_string();
    let message = Fault::in_words(&errors).unwrap_or_else(|| "the checkout cannot be read".into());
    let rejected = OrderRejected {
        order_id: submit.order_id,
        customer_id: submit.customer_id.clone(),
        at: cause.now,
        code: code.clone(),
        message: message.clone(),
        errors: errors.clone(),
    };
    let ending = Ending::Rejected(rejected);
    let decision = facts::reply(Decision::done("rejected"), submit.reply_to.clone(), ending);
    let held = early::of(records, submit.order_id);
    early::refuse_all(decision, &held, cause).save(Submission::Rejected(Rejected {
        order_id: submit.order_id,
        customer_id: submit.customer_id.clone(),
        content: submit.content,
        code,
        message,
        errors,
        at: cause.now,
        told_at: submit.reply_to.iter().cloned().collect(),
    }))
}
