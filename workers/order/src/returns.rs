//! However an order is returned, in one return or in many, the refunds add up to what was paid, to the cent.

use std::collections::BTreeMap;

use contract::{
    Body, By, Decision, Fault, Line, MarkReturned, Money, MoneyError, Notice, OrderRefund, Reason,
    SagaReturn, Sku, Status, StockLine, Tell, Wish, clean_text,
};
use rust_decimal::Decimal;

use crate::left::{left, something_left, under_way};
use crate::state::{self, Change, TransitionError};
use crate::{Cause, Order, Record, Return, facts, refusals};

/// A reason, not a correspondence.
const NOTE_CHARS_MAX: usize = 500;

/// The return counts from the moment it is asked for: a second one cannot claim the same goods.
pub(crate) fn ask(order: &Order, asked: &OrderRefund, cause: Cause<'_>) -> Decision<Record> {
    let refuse = |reason| refusals::refused(order, "order.refund", reason, cause);
    let faulty = |faults| refusals::faulty(order, "order.refund", faults, cause);
    match order.status {
        Status::Fulfilled => {}
        Status::Created | Status::Paid => return refuse("not_fulfilled"),
        Status::Cancelled => return refuse("order_cancelled"),
        Status::Refunded => return refuse("already_refunded"),
        Status::Archived => return refuse("order_archived"),
    }
    if let Some(Err(why)) = asked.reason.as_ref().map(|note| clean_text(note, NOTE_CHARS_MAX)) {
        return faulty(vec![Fault::new("reason", "reason_invalid", why)]);
    }
    let lines = match lines_asked(order, asked.items.as_deref()) {
        Ok(lines) if lines.is_empty() => return refuse("nothing_to_return"),
        Ok(lines) => lines,
        Err(faults) => return faulty(faults),
    };
    let amount = match share(order, &lines) {
        Ok(amount) => amount,
        Err(error) => return Decision::alarm(format!("order {}: no share fits: {error}", order.order_id)),
    };
    let mut order = order.clone();
    // At most as many as there are pieces: every return holds at least one.
    let no = order.returns.last().map_or(0, |last| last.no) + 1;
    let start = SagaReturn {
        order_id: order.order_id,
        customer_id: order.customer_id.clone(),
        return_no: no,
        lines: with_titles(&order, &lines),
        amount,
    };
    let Wish { note, who } = Wish::of(asked.reason.as_ref(), asked.who.as_ref());
    order.returns.push(Return { no, lines, amount, went_back: None, done: false, at: cause.now, note, who });
    order.updated_at = cause.now;
    Decision::done("return begun").say(Body::SagaReturn(start)).save(order)
}

/// Goods and money are back. With the last of the goods the order is refunded; until then it stays fulfilled.
pub(crate) fn mark(order: &Order, mark: &MarkReturned, cause: Cause<'_>) -> Decision<Record> {
    let Some(at) = order.returns.iter().position(|returned| returned.no == mark.return_no) else {
        return Decision::alarm(format!("order {} has no return {}", order.order_id, mark.return_no));
    };
    if order.returns[at].done {
        return Decision::done("said again").say(facts::returned(order, &order.returns[at]));
    }
    if order.status != Status::Fulfilled {
        return Decision::alarm(TransitionError::of(order, Status::Refunded).to_string());
    }
    let amount = order.returns[at].amount;
    let refunded = match order.refunded.plus(amount) {
        Ok(refunded) => refunded,
        Err(error) => return Decision::alarm(format!("order {}: {error}", order.order_id)),
    };
    let mut order = order.clone();
    order.returns[at].done = true;
    order.returns[at].at = cause.now;
    order.returns[at].went_back = mark.amount.filter(|back| *back != amount);
    order.refunded = refunded;
    order.updated_at = cause.now;
    let tell = Tell {
        amount: order.returns[at].back(),
        reason: Some(Reason::Returned),
        return_no: mark.return_no,
        ..facts::notice(&order, Notice::Refunded)
    };
    if something_left(&order) || under_way(&order) {
        let fact = facts::returned(&order, &order.returns[at]);
        return facts::tell(Decision::done("partly returned").say(fact), tell).save(order);
    }
    order.refunded_by = Some(mark.return_no);
    let wish = Wish { note: in_the_trail(&order.returns[at]), who: order.returns[at].who.clone() };
    let change =
        Change { reason: Some(Reason::Returned), ..Change::to(Status::Refunded, By::Admin).with(wish) };
    match state::change(&order, change, cause) {
        Ok((order, entry)) => {
            let fact = facts::returned(&order, &order.returns[at]);
            facts::tell(Decision::done("refunded").say(fact), tell).save(order).save(entry)
        }
        Err(error) => Decision::alarm(error.to_string()),
    }
}

/// The reason given with the return, and why less than its share was refunded.
fn in_the_trail(returned: &Return) -> Option<String> {
    let Some(back) = returned.went_back else { return returned.note.clone() };
    let why = format!(
        "{back} of {} went back with return {}; the rest had gone back at the provider's side",
        returned.amount, returned.no
    );
    Some(returned.note.iter().cloned().chain([why]).collect::<Vec<_>>().join("; "))
}

impl Return {
    /// How much of the money was refunded.
    pub fn back(&self) -> Money {
        self.went_back.unwrap_or(self.amount)
    }
}

/// The lines of the return, one per SKU, or all that is wrong with them.
fn lines_asked(order: &Order, asked: Option<&[Line]>) -> Result<Vec<Line>, Vec<Fault>> {
    let left = left(order);
    let mut wanted: BTreeMap<&Sku, u32> = BTreeMap::new();
    let mut faults = Vec::new();
    match asked {
        None => wanted.extend(left.iter().filter(|(_, quantity)| **quantity > 0)),
        Some(lines) => {
            for (at, line) in lines.iter().enumerate() {
                let merged = wanted.entry(&line.sku).or_default();
                *merged = merged.saturating_add(line.quantity);
                faults.extend(fault_of(at, line, *merged, left.get(&line.sku).copied()));
            }
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(wanted.into_iter().map(|(sku, quantity)| Line { sku: sku.clone(), quantity }).collect())
}

/// `wanted`: in all lines so far; `left`: what may be returned, if it was bought at all.
fn fault_of(at: usize, line: &Line, wanted: u32, left: Option<u32>) -> Option<Fault> {
    let sku = &line.sku;
    let quantity = format!("items[{at}].quantity");
    match (line.quantity, left) {
        (_, None) => Some(Fault::new(
            format!("items[{at}].sku"),
            "item_unknown",
            format!("{sku} is not in this order"),
        )),
        (0, Some(_)) => Some(Fault::new(quantity, "quantity_invalid", "must be at least 1")),
        (_, Some(0)) => {
            Some(Fault::new(quantity, "already_returned", format!("all of {sku} is back or on its way back")))
        }
        (_, Some(left)) if wanted > left => {
            let message = format!("{wanted} of {sku}; {left} can still come back");
            Some(Fault::new(quantity, "quantity_too_large", message))
        }
        (_, Some(_)) => None,
    }
}

/// Rounds the share of all that was returned so far, and subtracts what earlier returns have had of it: rounding each
/// return by itself would lose or create cents.
fn share(order: &Order, lines: &[Line]) -> Result<Money, MoneyError> {
    let mut value = Money::zero(order.subtotal.currency());
    let mut earlier = Money::zero(order.total.currency());
    for returned in &order.returns {
        value = value.plus(worth(order, &returned.lines)?)?;
        earlier = earlier.plus(returned.amount)?;
    }
    value = value.plus(worth(order, lines)?)?;
    if order.subtotal.is_zero() {
        return Ok(Money::zero(order.total.currency()));
    }
    let so_far = order.total.share(Decimal::from(value.minor()), Decimal::from(order.subtotal.minor()))?;
    so_far.minus(earlier)
}

/// At the prices of the order, before its discount.
fn worth(order: &Order, lines: &[Line]) -> Result<Money, MoneyError> {
    let mut sum = Money::zero(order.subtotal.currency());
    for line in lines {
        if let Some(item) = order.items.iter().find(|item| item.sku == line.sku) {
            sum = sum.plus(item.unit_price.times(line.quantity)?)?;
        }
    }
    Ok(sum)
}

fn with_titles(order: &Order, lines: &[Line]) -> Vec<StockLine> {
    let title = |sku: &Sku| order.items.iter().find(|item| item.sku == *sku).map(|item| item.title.clone());
    lines
        .iter()
        .map(|line| StockLine {
            sku: line.sku.clone(),
            title: title(&line.sku).unwrap_or_default(),
            quantity: line.quantity,
        })
        .collect()
}
