//! Asks for the money, and asks what became of it. A second charge is never asked for.

use contract::{Confirm, Decision, Method, OrderId, Time, Token, bodies};

use crate::method::{Collect, collect};
use crate::record::{Charge, Confirmed, Payment, Record, Status};
use crate::said::{
    ALREADY_PAID, GIVEN_UP, OVER_LIMIT, UNDER_WAY, captured, declined, provider_charge, query, refuse,
    timed_out,
};
use crate::wallet::{self, Wallet};
use crate::{confirm, later};

pub(crate) fn ask(
    known: Option<Payment>,
    wallet: Option<&Wallet>,
    m: &bodies::PaymentCharge,
    asked_at: Time,
    now: Time,
) -> Decision<Record> {
    let not_after = m.patience_s.map(|patience_s| asked_at.plus_s(patience_s));
    let Some(mut payment) = known else { return first(m, wallet, Ahead::default(), not_after, now) };
    match payment.status {
        Status::AwaitingCash | Status::AwaitingConfirmation if payment.charge.is_none() => {
            let Payment { cash_ahead: cash, intent, confirmed_ahead: confirmed, .. } = payment;
            first(m, wallet, Ahead { cash, intent, confirmed }, not_after, now)
        }
        Status::AwaitingConfirmation => match wait_until(&mut payment, not_after) {
            true => Decision::done("it waits to be confirmed, until another time").save(payment),
            false => Decision::ignored("it waits to be confirmed"),
        },
        Status::AwaitingCash => Decision::ignored("the cash has not come yet"),
        Status::Asked => {
            let changed = wait_until(&mut payment, not_after);
            let Some(body) = provider_charge(&payment) else { return Decision::ignored("asked already") };
            let again = Decision::done("asked the provider again, under the same key").say(body);
            if changed { again.save(payment) } else { again }
        }
        Status::Checking | Status::Undoing => {
            Decision::done("the provider is asked again what became of it").say(query(&payment))
        }
        Status::Captured => kept_or_going_back(&payment, now),
        Status::Declined => Decision::done("it was declined before").say(declined(&payment, now)),
        Status::GivenUp if payment.charge.is_none() => {
            Decision::ignored("it was given up before it was asked for: nothing is charged")
        }
        Status::GivenUp => Decision::done("it was given up before").say(timed_out(&payment, now)),
    }
}

/// The saga's patience has begun again: its order is given up at this time. Whether that is another one than before.
fn wait_until(payment: &mut Payment, not_after: Option<Time>) -> bool {
    let Some(charge) = payment.charge.as_mut() else { return false };
    std::mem::replace(&mut charge.not_after, not_after) != not_after
}

/// What came before the saga asked for the money.
#[derive(Default)]
struct Ahead {
    cash: Option<String>,
    intent: Option<Token>,
    confirmed: Option<Confirmed>,
}

fn first(
    m: &bodies::PaymentCharge,
    wallet: Option<&Wallet>,
    ahead: Ahead,
    not_after: Option<Time>,
    now: Time,
) -> Decision<Record> {
    if m.amount.is_negative() {
        return Decision::parked(
            "amount_negative",
            "nobody is charged less than nothing; correct the amount",
        );
    }
    let charge = Charge {
        customer_id: m.customer_id.clone(),
        amount: m.amount,
        method: m.payment.method,
        payment: m.payment.clone(),
        not_after,
        transaction_id: None,
        receipt: ahead.cash.clone().filter(|receipt| !receipt.is_empty() && m.payment.method == Method::Cod),
        failure_code: None,
    };
    let begin = |status, charge| Payment {
        intent: ahead.intent.clone(),
        ..Payment::new(m.order_id, status, Some(charge), now)
    };
    // A payment that is confirmed later may be charged by another method.
    let later = m.payment.confirm == Confirm::Manual;
    let token = if later { Ok(m.payment.clone()) } else { wallet::resolve(wallet, &m.payment, now) };
    let over_limit = m.payment.method.over_limit(m.amount).map(|_| OVER_LIMIT);
    if let Some(code) = over_limit.or(token.as_ref().err().copied()) {
        let charge = Charge { failure_code: Some(code.into()), ..charge };
        let payment = begin(Status::Declined, charge);
        let fact = declined(&payment, now);
        return Decision::done("it cannot be paid like that").save(payment).say(fact);
    }
    if m.amount.is_zero() {
        let charge = Charge { transaction_id: Some(format!("free_{}", m.order_id)), ..charge };
        let payment = begin(Status::Captured, charge);
        let fact = captured(&payment, now);
        return Decision::done("there is nothing to pay").save(payment).say(fact);
    }
    match (collect(&m.payment), &ahead.cash) {
        (Collect::OnDelivery, None) => {
            Decision::done("the cash comes on delivery").save(begin(Status::AwaitingCash, charge))
        }
        (Collect::OnConfirmation, _) => {
            let payment = begin(Status::AwaitingConfirmation, charge);
            match &ahead.confirmed {
                None => Decision::done("it waits to be confirmed").save(payment),
                Some(Confirmed { by, payment: wanted }) => {
                    confirm::charge(payment, wallet, wanted.as_ref(), by, now)
                }
            }
        }
        (Collect::BeforeShipping, _) | (Collect::OnDelivery, Some(_)) => {
            let payment =
                begin(Status::Asked, Charge { payment: token.unwrap_or(m.payment.clone()), ..charge });
            let ask = provider_charge(&payment);
            let decision = Decision::done("asked the provider").save(payment);
            ask.into_iter().fold(decision, Decision::say)
        }
    }
}

/// Patience is over. What the provider has captured by now is captured; the rest is given up.
pub(crate) fn check(known: Option<Payment>, m: &bodies::PaymentCheck, now: Time) -> Decision<Record> {
    let Some(payment) = known else { return look(m.order_id, Status::Checking, now) };
    match payment.status {
        Status::AwaitingCash => Decision::ignored("the cash has not come yet"),
        Status::AwaitingConfirmation => {
            let fact = timed_out(&payment, now);
            confirm::given_up(payment, fact, now)
        }
        Status::Asked => {
            let ask = query(&payment);
            Decision::done("asked the provider what became of it")
                .save(payment.turn(Status::Checking, now))
                .say(ask)
        }
        Status::Checking | Status::Undoing => {
            Decision::done("asked the provider again what became of it").say(query(&payment))
        }
        Status::Captured => kept_or_going_back(&payment, now),
        Status::Declined => Decision::done("it was declined before").say(declined(&payment, now)),
        Status::GivenUp => Decision::done("it was given up before").say(timed_out(&payment, now)),
    }
}

/// Money that is refunded in whole pays for nothing: to call it captured would ship goods for free.
fn kept_or_going_back(payment: &Payment, now: Time) -> Decision<Record> {
    let failed = payment.charge.as_ref().is_some_and(|charge| charge.failure_code.is_some());
    match payment.refund_of(0).map(|at| payment.refunds[at].late) {
        None => Decision::done("it was captured before").say(captured(payment, now)),
        Some(false) => Decision::ignored("it is being undone: what was captured goes back"),
        Some(true) => Decision::done("it was captured too late or wrongly, and goes back").say(if failed {
            declined(payment, now)
        } else {
            timed_out(payment, now)
        }),
    }
}

/// No request for the money is known. A charge may be out all the same, if its record was lost: the provider is asked under
/// the key that it would bear, and once more later if this query or its answer is lost as well.
pub(crate) fn look(order_id: OrderId, status: Status, now: Time) -> Decision<Record> {
    let payment = Payment::new(order_id, status, None, now);
    let what = "nothing was asked for here; the provider is asked before it is given up";
    let decision = Decision::done(what).save(payment.clone()).say(query(&payment));
    later::look_again(decision, &payment, now)
}

/// The shop has taken the cash: it is booked like any other money. A sender whose command changes nothing hears why.
pub(crate) fn settle(known: Option<Payment>, m: &bodies::PaymentSettle, now: Time) -> Decision<Record> {
    let Some(mut payment) = known else {
        // Some customers pay before the parcel leaves. The saga asks later, and finds it paid.
        let mut payment = Payment::new(m.order_id, Status::AwaitingCash, None, now);
        payment.cash_ahead = Some(m.transaction_id.clone().unwrap_or_default());
        return Decision::done("the cash came ahead, and is remembered").save(payment);
    };
    match payment.status {
        Status::AwaitingCash if payment.charge.is_none() => {
            refuse(UNDER_WAY, Decision::ignored("the cash is remembered already"), m.order_id)
        }
        Status::AwaitingCash => {
            if let Some(charge) = payment.charge.as_mut() {
                charge.receipt = m.transaction_id.clone();
            }
            let ask = provider_charge(&payment);
            let decision = Decision::done("the cash has come").save(payment.turn(Status::Asked, now));
            ask.into_iter().fold(decision, Decision::say)
        }
        Status::AwaitingConfirmation => {
            refuse("not_cash_on_delivery", Decision::ignored("it is not paid in cash"), m.order_id)
        }
        Status::Asked | Status::Checking | Status::Undoing => {
            refuse(UNDER_WAY, Decision::ignored("a payment is under way already"), m.order_id)
        }
        Status::Captured => {
            let decision = Decision::ignored("it is paid already; nothing is charged twice");
            refuse(ALREADY_PAID, decision, m.order_id)
        }
        Status::Declined | Status::GivenUp => {
            let why = "cash came for an order that was given up: it has to go back by hand";
            refuse(GIVEN_UP, Decision::alarm(why), m.order_id)
        }
    }
}
