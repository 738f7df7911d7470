//! What messages and changes mean to the person who is about to cause them.

use contract::{Body, Status};

use super::{Money, Notice, Preview};

/// In the words of the worker that refuses.
pub(super) fn refusal(fact: &Body) -> Option<String> {
    match fact {
        Body::OrderRefused(no) => Some(no.message.clone()),
        Body::OrderCancelRefused(no) => Some(no.message.clone()),
        _ => None,
    }
}

/// What would be asked of the outside world.
pub(super) fn outside(preview: &mut Preview, ask: &Body) {
    let money = |ask: &str, amount, key: &str| Money { ask: ask.into(), amount, key: key.into() };
    match ask {
        Body::ProviderCharge(ask) => preview.money.push(money("charge", Some(ask.amount), &ask.key)),
        Body::ProviderRefund(ask) => preview.money.push(money("refund", Some(ask.amount), &ask.key)),
        Body::ProviderQuery(ask) => preview.money.push(money("query", None, &ask.key)),
        Body::EmailSend(mail) => {
            preview.notices.push(Notice { channel: "email".into(), text: mail.subject.clone() });
        }
        Body::SmsSend(sms) => preview.notices.push(Notice { channel: "sms".into(), text: sms.text.clone() }),
        _ => {}
    }
}

/// Emitted once everything is known.
pub(super) fn explain(preview: &mut Preview) {
    let mut for_good = Vec::new();
    for money in &preview.money {
        if let ("refund", Some(amount)) = (money.ask.as_str(), money.amount) {
            for_good.push(format!("{amount} go back to the customer; what went back is not taken again"));
        }
    }
    if preview.facts.iter().any(|fact| fact == "stock.shipped") {
        for_good.push("the goods leave; from then on only a return brings them back".to_string());
    }
    if preview.steps.iter().any(|step| step.message == "payment.refunded_by_hand") {
        for_good.push("the refund counts as made outside; the provider will not be asked for it".to_string());
    }
    let ends = preview.changes.iter().filter(|change| change.table == "orders" && change.field == "status");
    for change in ends {
        let to = Status::ALL.into_iter().find(|status| change.to == status.name());
        let Some(to) = to else { continue };
        match order::allowed_next(to).as_slice() {
            [] => for_good.push(format!("the order is {} and never changes again", to.name())),
            [Status::Archived] => {
                for_good.push(format!("the order is {}; all that can follow is the archive", to.name()));
            }
            _ => {}
        }
    }
    for notice in &preview.notices {
        for_good.push(format!("the customer is told by {}: {}", notice.channel, notice.text));
    }
    preview.for_good = for_good;
}
