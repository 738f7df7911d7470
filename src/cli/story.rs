//! An order's steps for people, a line for each fact.

use contract::{Body, Message};

use super::paint::{bad, dim, good, paint};

/// `None` for facts that only repeat another.
pub(super) fn line(message: &Message) -> Option<String> {
    let (what, more) = match &message.body {
        Body::OrderCreated(f) => {
            let items: Vec<_> =
                f.items.iter().map(|item| format!("{} × {}", item.quantity, item.title)).collect();
            let method = serde_json::to_value(f.payment_method).ok()?;
            let method = method.as_str()?.replace('_', " ");
            (good("created"), format!("{} for {}, by {method}", items.join(", "), f.total))
        }
        Body::OrderRejected(f) => (bad("rejected"), format!("{}: {}", f.code, f.message)),
        Body::StockReserved(_) => ("stock held".into(), String::new()),
        Body::StockRefused(f) => {
            let short: Vec<_> =
                f.short.iter().map(|s| format!("{} of {} × {}", s.available, s.requested, s.title)).collect();
            (bad("stock short"), format!("only {}", short.join(", ")))
        }
        Body::StockReleased(_) => ("stock released".into(), String::new()),
        Body::StockShipped(_) => ("shipped".into(), String::new()),
        Body::StockShipRefused(_) => (bad("not shipped"), "the shelf has less than the books".into()),
        Body::StockRestocked(_) => ("goods back".into(), String::new()),
        Body::PaymentCaptured(f) => ("payment taken".into(), format!("{}  {}", f.amount, f.transaction_id)),
        Body::PaymentDeclined(f) => (bad("payment declined"), f.message.clone()),
        Body::PaymentRefunded(f) if f.late => ("late payment refunded".into(), f.amount.to_string()),
        Body::PaymentRefunded(f) => ("refunded".into(), f.amount.to_string()),
        Body::PaymentRefundFailed(f) => (bad("refund failed"), f.message.clone()),
        Body::PaymentVoided(_) => ("payment given up".into(), "nothing was captured".into()),
        Body::OrderPaid(_) => (good("paid"), String::new()),
        Body::OrderFulfilled(_) => (good("fulfilled"), String::new()),
        Body::OrderCancelled(f) => {
            (paint("cancelled", owo_colors::AnsiColors::Yellow), f.reason.code().replace('_', " "))
        }
        Body::OrderRefunded(f) => {
            (paint("order refunded", owo_colors::AnsiColors::Yellow), f.reason.code().replace('_', " "))
        }
        Body::OrderReturned(_) => ("part returned".into(), String::new()),
        Body::OrderArchived(_) => ("archived".into(), String::new()),
        Body::OrderCancelRefused(f) => ("too late to cancel".into(), f.reason.replace('_', " ")),
        Body::OrderRefused(f) => (bad("refused"), format!("{}: {}", f.command, f.reason.replace('_', " "))),
        Body::NeedsAttention(f) => (bad("needs attention"), format!("{}: {}", f.step, f.why)),
        _ => return None,
    };
    let at = message.at.to_string();
    let order = message.order_id.map(|id| id.to_string()).unwrap_or_default();
    Some(
        format!("{}  {}  {what}  {}", dim(at.get(11..19)?), order.get(24..)?, dim(&more))
            .trim_end()
            .to_string(),
    )
}
