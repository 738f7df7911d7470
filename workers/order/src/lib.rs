//! Only the order worker says what an order costs and which state it is in; it never takes money or moves goods.
#![warn(clippy::wildcard_enum_match_arm)]

mod asked;
mod cart;
mod cart_order;
mod catalogue;
mod creation;
mod early;
mod facts;
mod left;
mod marked;
mod methods;
mod price;
mod records;
mod refusals;
mod replies;
mod returns;
mod state;
mod submit;

use contract::{
    By, Decision, HeldCommand, Message, MessageId, Need, OrderId, PrefetchHint, Records, Role, Speaker,
    Table, Time, Worker,
};

pub use records::{
    AuditEntry, Discount, Early, MethodState, Order, Ordered, Product, Record, Rejected, Return, StoredCart,
    Submission,
};
pub use state::{TRANSITIONS, TransitionError, actions, allowed_next, may};

pub struct OrderWorker;

contract::inbox! {
    /// Every message on the order worker's two queues.
    enum Inbox {
        Submit, OrderCancel, OrderRefund, OrderPay, OrderArchive, ProductUpsert, ProductRetire,
        DiscountUpsert, MethodPause, MethodResume, OrderHeld,
        CartPut, CartItemPut, CartItemRemove, CartClear, CartOrder, CartSettle,
        MarkAccepted, MarkPaid, MarkFulfilled, MarkUndone, MarkReturned, RefuseCancel, RefusePay,
        PaymentRefunded,
    }
}

/// The message that is being decided on, its speaker, and the current time.
#[derive(Clone, Copy)]
struct Cause<'a> {
    id: &'a MessageId,
    by: Speaker,
    now: Time,
}

impl Worker for OrderWorker {
    const ROLE: Role = Role::Order;
    type Record = Record;

    fn needs(&self, message: &Message) -> Vec<Need> {
        let Some(inbox) = Inbox::read(&message.body) else { return Vec::new() };
        match inbox {
            Inbox::Submit(submit) => submit::needs(submit),
            // People may ask about an order that was refused, and should hear that it was.
            Inbox::OrderCancel(asked) => known_or_rejected(asked.order_id),
            Inbox::OrderRefund(asked) => known_or_rejected(asked.order_id),
            Inbox::OrderPay(asked) => known_or_rejected(asked.order_id),
            Inbox::OrderArchive(asked) => known_or_rejected(asked.order_id),
            Inbox::OrderHeld(m) => early::needs(m),
            Inbox::ProductUpsert(upsert) => vec![Need::of(Table::Products, &upsert.sku)],
            Inbox::ProductRetire(retire) => vec![Need::of(Table::Products, &retire.sku)],
            Inbox::DiscountUpsert(upsert) => catalogue::discount_needs(upsert),
            Inbox::MethodPause(switch) => vec![methods::need(switch)],
            Inbox::MethodResume(switch) => vec![methods::need(switch)],
            Inbox::CartPut(m) => cart::needs(&m.into()),
            Inbox::CartItemPut(m) => cart::needs(&m.into()),
            Inbox::CartItemRemove(m) => cart::needs(&m.into()),
            Inbox::CartClear(m) => cart::needs(&m.into()),
            Inbox::CartOrder(m) => cart_order::needs(m),
            Inbox::CartSettle(m) => vec![Need::of(Table::Carts, &m.customer_id)],
            // A refused submission never had a saga, so the saga only speaks of orders.
            Inbox::MarkAccepted(mark) => vec![Need::of(Table::Orders, mark.order_id)],
            Inbox::MarkPaid(mark) => vec![Need::of(Table::Orders, mark.order_id)],
            Inbox::MarkFulfilled(mark) => vec![Need::of(Table::Orders, mark.order_id)],
            Inbox::MarkUndone(mark) => vec![Need::of(Table::Orders, mark.order_id)],
            Inbox::MarkReturned(mark) => vec![Need::of(Table::Orders, mark.order_id)],
            Inbox::RefuseCancel(refuse) => vec![Need::of(Table::Orders, refuse.order_id)],
            Inbox::RefusePay(refuse) => vec![Need::of(Table::Orders, refuse.order_id)],
            Inbox::PaymentRefunded(fact) if fact.late => vec![Need::of(Table::Orders, fact.order_id)],
            Inbox::PaymentRefunded(_) => Vec::new(),
        }
    }

    fn prefetch(&self, hint: PrefetchHint<'_>) -> Vec<Need> {
        match hint {
            // The checkout begins with this worker, which has read its records already.
            PrefetchHint::Checkout(_) => Vec::new(),
            PrefetchHint::Payment(order_id) => vec![Need::of(Table::Orders, order_id)],
        }
    }

    fn decide(&self, records: &Records<Record>, message: &Message, now: Time) -> Decision<Record> {
        let Some(inbox) = Inbox::read(&message.body) else {
            return Decision::misrouted(Role::Order, message);
        };
        let cause = Cause { id: &message.id, by: message.by, now };
        let order = |id: OrderId| records.get::<Order>(&id.to_string());
        let unknown = |id: OrderId| {
            let why = format!("{} speaks of order {id}, which does not exist here", message.name());
            Decision::parked("order_unknown", why)
        };
        let refused =
            |id: OrderId| refusals::refused_of_none(id, message.name(), no_order(records, id), cause);
        match inbox {
            Inbox::Submit(submit) => submit::decide(records, submit, cause),
            Inbox::ProductUpsert(upsert) => catalogue::product(upsert),
            Inbox::ProductRetire(retire) => catalogue::retire(records, &retire.sku),
            Inbox::DiscountUpsert(upsert) => catalogue::discount(upsert),
            Inbox::MethodPause(switch) => methods::pause(records, switch, cause),
            Inbox::MethodResume(switch) => methods::resume(records, switch, cause),

            Inbox::CartPut(m) => cart::write(records, &m.into(), cause),
            Inbox::CartItemPut(m) => cart::write(records, &m.into(), cause),
            Inbox::CartItemRemove(m) => cart::write(records, &m.into(), cause),
            Inbox::CartClear(m) => cart::write(records, &m.into(), cause),
            Inbox::CartOrder(m) => cart_order::make(records, m, cause),
            Inbox::CartSettle(m) => cart::settle(records, m, cause),

            Inbox::OrderCancel(asked) => match order(asked.order_id) {
                Some(order) => asked::cancel(order, asked, cause),
                None => early::hold(records, HeldCommand::Cancel(asked.clone()), cause),
            },
            Inbox::OrderPay(asked) => match order(asked.order_id) {
                Some(order) => asked::pay(order, asked, cause),
                None => early::hold(records, HeldCommand::Pay(asked.clone()), cause),
            },
            Inbox::OrderRefund(asked) => match order(asked.order_id) {
                Some(order) => returns::ask(order, asked, cause),
                None => refused(asked.order_id),
            },
            Inbox::OrderArchive(asked) => match order(asked.order_id) {
                Some(order) => asked::archive(order, asked, cause),
                None => refused(asked.order_id),
            },
            Inbox::OrderHeld(m) => early::look_again(records, order(m.order_id), m, cause),

            Inbox::MarkAccepted(mark) => match order(mark.order_id) {
                Some(order) => marked::accepted(order, cause),
                None => unknown(mark.order_id),
            },
            Inbox::MarkPaid(mark) => match order(mark.order_id) {
                Some(order) => marked::paid(order, mark, cause),
                None => unknown(mark.order_id),
            },
            Inbox::MarkFulfilled(mark) => match order(mark.order_id) {
                Some(order) => marked::fulfilled(order, cause),
                None => unknown(mark.order_id),
            },
            Inbox::MarkUndone(mark) => match order(mark.order_id) {
                Some(order) => marked::undone(order, mark, cause),
                None => unknown(mark.order_id),
            },
            Inbox::MarkReturned(mark) => match order(mark.order_id) {
                Some(order) => returns::mark(order, mark, cause),
                None => unknown(mark.order_id),
            },
            Inbox::RefuseCancel(refuse) => match order(refuse.order_id) {
                Some(order) => asked::cancel_too_late(order, Cause { by: speaker_of(refuse.by), ..cause }),
                None => unknown(refuse.order_id),
            },
            Inbox::RefusePay(refuse) => match order(refuse.order_id) {
                Some(order) => asked::not_paid(order, &refuse.reason, cause),
                None => unknown(refuse.order_id),
            },
            Inbox::PaymentRefunded(fact) if !fact.late => Decision::ignored("the saga marks the order"),
            Inbox::PaymentRefunded(fact) => match order(fact.order_id) {
                Some(order) => marked::late_payment_refunded(order, fact),
                None => unknown(fact.order_id),
            },
        }
    }
}

fn known_or_rejected(id: OrderId) -> Vec<Need> {
    vec![Need::of(Table::Orders, id), Need::of(Table::Submissions, id)]
}

/// Why there is no order that the command could be about.
fn no_order(records: &Records<Record>, id: OrderId) -> &'static str {
    match records.get::<Submission>(&id.to_string()) {
        Some(Submission::Rejected(_)) => "order_rejected",
        Some(Submission::Early(_)) | None => "order_unknown",
    }
}

/// The speaker to whom the refusal of a cancellation is addressed.
fn speaker_of(by: By) -> Speaker {
    match by {
        By::Customer | By::System => Speaker::Customer,
        By::Admin => Speaker::Admin,
    }
}

#[cfg(test)]
mod tests;
