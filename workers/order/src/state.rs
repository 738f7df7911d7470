//! An order changes its state only here, only along this table, and never without an audit entry.

use std::fmt;

use contract::{By, Confirm, Method, OrderId, Reason, Speaker, Status, Wish, speakers_of};

use crate::{AuditEntry, Cause, Order, left};

/// Every change of state there is. From fulfilled to refunded goes a return of everything.
pub const TRANSITIONS: &[(Status, Status)] = &[
    (Status::Created, Status::Paid),
    (Status::Created, Status::Cancelled),
    (Status::Paid, Status::Fulfilled),
    (Status::Paid, Status::Refunded),
    (Status::Fulfilled, Status::Refunded),
    (Status::Fulfilled, Status::Archived),
    (Status::Cancelled, Status::Archived),
    (Status::Refunded, Status::Archived),
];

pub fn allowed_next(status: Status) -> Vec<Status> {
    TRANSITIONS.iter().filter(|(from, _)| *from == status).map(|(_, to)| *to).collect()
}

/// What `by` may ask of this order now, by its own record: a saga may be too far to turn around, and a payment may be
/// under way.
pub fn actions(order: &Order, by: Speaker) -> Vec<&'static str> {
    let mut actions = possible(order);
    actions.retain(|action| may(by, action, order.method));
    actions
}

/// The speakers of the command may ask for it; but cash is booked by the shop, never by its customer.
pub fn may(by: Speaker, action: &str, method: Method) -> bool {
    let books_cash = action == "pay" && method == Method::Cod;
    speakers_of(&format!("order.{action}")).contains(&by) && !(books_cash && by == Speaker::Customer)
}

fn possible(order: &Order) -> Vec<&'static str> {
    match (order.status, order.method) {
        (Status::Created, Method::Cod) if order.accepted_at.is_some() => vec!["pay"],
        (Status::Created, Method::Cod) => vec!["cancel", "pay"],
        (Status::Created, Method::Card | Method::DebitCard | Method::Paypal) => match order.confirm {
            Confirm::Manual => vec!["cancel", "pay"],
            Confirm::Automatic => vec!["cancel"],
        },
        (Status::Paid, _) if order.accepted_at.is_some() => Vec::new(),
        (Status::Paid, _) => vec!["cancel"],
        (Status::Fulfilled, _) => {
            let refund = left::something_left(order).then_some("refund");
            let archive = (!left::under_way(order)).then_some("archive");
            refund.into_iter().chain(archive).collect()
        }
        (Status::Cancelled | Status::Refunded, _) => vec!["archive"],
        (Status::Archived, _) => Vec::new(),
    }
}

/// A change that the table does not allow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransitionError {
    pub order_id: OrderId,
    pub status: Status,
    pub asked: Status,
}

impl TransitionError {
    pub(crate) fn of(order: &Order, asked: Status) -> Self {
        Self { order_id: order.order_id, status: order.status, asked }
    }
}

impl fmt::Display for TransitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let next: Vec<_> = allowed_next(self.status).into_iter().map(Status::name).collect();
        let next = if next.is_empty() { "nothing".into() } else { next.join(" or ") };
        let (status, asked) = (self.status.name(), self.asked.name());
        write!(f, "order {} is {status} and cannot become {asked}; allowed next: {next}", self.order_id)
    }
}

impl std::error::Error for TransitionError {}

/// The order's new status, why, and who requested it.
pub(crate) struct Change {
    pub(crate) to: Status,
    pub(crate) reason: Option<Reason>,
    pub(crate) wish: Wish,
    pub(crate) by: By,
}

impl Change {
    pub(crate) fn to(to: Status, by: By) -> Self {
        Self { to, reason: None, wish: Wish::default(), by }
    }

    pub(crate) fn with(self, wish: Wish) -> Self {
        Self { wish, ..self }
    }
}

/// The entry that every order begins with: its customer placed it, or an admin did so for them.
pub(crate) fn begin(order: &mut Order, placed_by: Option<&str>, cause: Cause<'_>) -> AuditEntry {
    let by = placed_by.map_or(By::Customer, |_| By::Admin);
    let wish = Wish { who: placed_by.map(str::to_string), ..Wish::default() };
    enter(order, None, Change::to(order.status, by).with(wish), cause)
}

pub(crate) fn change(
    order: &Order,
    change: Change,
    cause: Cause<'_>,
) -> Result<(Order, AuditEntry), TransitionError> {
    if !TRANSITIONS.contains(&(order.status, change.to)) {
        return Err(TransitionError::of(order, change.to));
    }
    let mut order = order.clone();
    let from = Some(order.status);
    let entry = enter(&mut order, from, change, cause);
    Ok((order, entry))
}

fn enter(order: &mut Order, from: Option<Status>, change: Change, cause: Cause<'_>) -> AuditEntry {
    order.status = change.to;
    order.reason = change.reason.or(order.reason);
    order.reached.insert(change.to, cause.now);
    order.updated_at = cause.now;
    order.entries += 1;
    AuditEntry {
        order_id: order.order_id,
        seq: order.entries,
        at: cause.now,
        from,
        to: change.to,
        reason: change.reason,
        note: change.wish.note,
        by: change.by,
        who: change.wish.who,
        message_id: cause.id.clone(),
    }
}
