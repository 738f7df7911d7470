//! A checkout that is sent again may name another reply queue: its sender gets there what the first queue gets, or
//! has got already.

use contract::{Decision, Ending, OrderRejected, ReplyTo};

use crate::records::Rejected;
use crate::{Order, Record, Submission, facts};

/// A client that waits at more queues than this no longer reads the oldest of them.
const ASKERS_MAX: usize = 4;

pub(crate) fn asked_again(order: &Order, reply_to: &ReplyTo) -> Decision<Record> {
    if order.askers().chain(&order.told_at).any(|known| known == reply_to) {
        return Decision::ignored("the order exists already");
    }
    let mut order = order.clone();
    if let Some(ending) = facts::ending(&order) {
        remember(&mut order.told_at, reply_to);
        return facts::answer(Decision::done("answered again"), [reply_to.clone()], ending).save(order);
    }
    remember(&mut order.reply_also, reply_to);
    let decision = Decision::done("the order exists already; its outcome is told here as well");
    let decision = match order.accepted_at {
        Some(_) => facts::answer(decision, [reply_to.clone()], Ending::Accepted(facts::accepted(&order))),
        None => decision,
    };
    decision.save(order)
}

pub(crate) fn rejected_again(rejected: &Rejected, reply_to: &ReplyTo) -> Decision<Record> {
    if rejected.told_at.contains(reply_to) {
        return Decision::ignored("it was rejected already");
    }
    let ending = Ending::Rejected(OrderRejected {
        order_id: rejected.order_id,
        customer_id: rejected.customer_id.clone(),
        at: rejected.at,
        code: rejected.code.clone(),
        message: rejected.message.clone(),
        errors: rejected.errors.clone(),
    });
    let mut rejected = rejected.clone();
    remember(&mut rejected.told_at, reply_to);
    facts::answer(Decision::done("rejected before, and answered again"), [reply_to.clone()], ending)
        .save(Submission::Rejected(rejected))
}

fn remember(places: &mut Vec<ReplyTo>, reply_to: &ReplyTo) {
    if places.len() == ASKERS_MAX {
        places.remove(0);
    }
    places.push(reply_to.clone());
}
