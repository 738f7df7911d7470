//! A submission becomes an order or a refusal once; whatever comes later under its id changes nothing.

use std::collections::BTreeMap;

use contract::{
    Body, Cart, Decision, Ending, Fault, Money, Need, Notice, OrderRejected, Records, SagaStart, Status,
    StockLine, Submit, Table,
};

use crate::price::{self, Priced};
use crate::{Cause, Order, Record, Submission, facts, known_or_rejected, state};

pub(crate) fn needs(submit: &Submit) -> Vec<Need> {
    let mut needs = known_or_rejected(submit.order_id);
    if let Ok(cart) = &submit.cart {
        needs.extend(cart.lines.iter().map(|line| Need::of(Table::Products, &line.sku)));
        needs.push(Need::of(Table::Methods, cart.payment.method.code()));
        needs.extend(cart.discount_code.iter().map(|code| Need::of(Table::Discounts, code)));
    }
    needs
}

pub(crate) fn decide(records: &Records<Record>, submit: &Submit, cause: Cause<'_>) -> Decision<Record> {
    let id = submit.order_id.to_string();
    let customer_id = submit.customer_id.as_deref();
    if let Some(order) = records.get::<Order>(&id) {
        let same = order.content == submit.content && customer_id == Some(order.customer_id.as_str());
        return known(submit, same.then_some("the order exists already"));
    }
    if let Some(refused) = records.get::<Submission>(&id) {
        let same = refused.content == submit.content && customer_id == refused.customer_id.as_deref();
        return known(submit, same.then_some("it was rejected already"));
    }
    match &submit.cart {
        Err(faults) => reject(submit, faults.clone(), cause),
        Ok(cart) => match price::price(records, submit, cart, cause.now) {
            Ok(priced) => create(submit, cart, priced, cause),
            Err(faults) => reject(submit, faults, cause),
        },
    }
}

/// Never `order.rejected`: its listeners would take it for a word on the order that exists.
fn known(submit: &Submit, absorbed: Option<&'static str>) -> Decision<Record> {
    match absorbed {
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

fn create(submit: &Submit, cart: &Cart, priced: Priced, cause: Cause<'_>) -> Decision<Record> {
    let mut order = Order {
        order_id: submit.order_id,
        customer_id: cart.customer_id.clone(),
        status: Status::Created,
        reason: None,
        short: Vec::new(),
        method: cart.payment.method,
        refunded: Money::zero(priced.total.currency()),
        items: priced.items,
        subtotal: priced.subtotal,
        discount: priced.discount,
        total: priced.total,
        discount_code: cart.discount_code.clone(),
        contact: cart.contact.clone(),
        content: submit.content,
        transaction_id: None,
        entries: 0,
        reached: BTreeMap::new(),
        returns: Vec::new(),
        refunded_by: None,
        reply_to: submit.reply_to.clone(),
        created_at: cause.now,
        updated_at: cause.now,
    };
    let entry = state::begin(&mut order, cause);
    let lines = order.items.iter().map(|item| StockLine {
        sku: item.sku.clone(),
        title: item.title.clone(),
        quantity: item.quantity,
    });
    let start = SagaStart {
        order_id: order.order_id,
        customer_id: order.customer_id.clone(),
        lines: lines.collect(),
        total: order.total,
        payment: cart.payment.clone(),
    };
    let decision = Decision::done("created").say(Body::SagaStart(start)).say(facts::created(&order));
    facts::tell(decision, facts::notice(&order, Notice::Created)).save(order).save(entry)
}

fn reject(submit: &Submit, faults: Vec<Fault>, cause: Cause<'_>) -> Decision<Record> {
    let code = faults.first().map_or("invalid", |fault| fault.code.as_str()).to_string();
    let message = Fault::in_words(&faults).unwrap_or_else(|| "the checkout cannot be read".into());
    let rejected = OrderRejected {
        order_id: submit.order_id,
        customer_id: submit.customer_id.clone(),
        at: cause.now,
        code: code.clone(),
        message: message.clone(),
        details: faults.clone(),
    };
    let ending = Ending::Rejected(rejected);
    facts::reply(Decision::done("rejected"), submit.reply_to.clone(), ending).save(Submission {
        order_id: submit.order_id,
        customer_id: submit.customer_id.clone(),
        content: submit.content,
        code,
        message,
        faults,
        at: cause.now,
    })
}
