//! The events that any outsider may hear, with an example of each.

use contract::bodies;
use serde_json::json;

use super::messages::{AT, Entry, ORDER, entry, eur, fact, of_customer, with};

/// Any outsider may bind a queue to the exchange of events and hear these.
pub(crate) fn events() -> Vec<Entry> {
    let mut all = endings();
    all.extend(order_facts());
    all.extend(stock_facts());
    all.extend(payment_facts());
    all
}

/// A sender that set `reply_to` gets one of these.
pub(crate) fn endings() -> Vec<Entry> {
    vec![
        entry::<bodies::OrderRejected>(
            "order.rejected",
            "A submission did not become an order.",
            "Nothing was held and nothing charged. Branch on `code`; `errors` lists every fault.",
            vec![
                (
                    "an unknown product",
                    of_customer(json!({
                        "code": "product_unknown",
                        "message": "items[0].sku: there is no product BOOK-DUNA",
                        "errors": [{
                            "field": "items[0].sku", "code": "product_unknown", "message": "there is no product BOOK-DUNA",
                        }],
                    })),
                ),
                (
                    "a cart that another order has",
                    of_customer(json!({
                        "code": "cart_in_checkout",
                        "message": format!("cart: order {ORDER} is being made of this cart; wait for it, or cancel it"),
                        "errors": [{
                            "field": "cart", "code": "cart_in_checkout",
                            "message": format!("order {ORDER} is being made of this cart; wait for it, or cancel it"),
                            "order_id": ORDER,
                        }],
                    })),
                ),
            ],
        ),
        entry::<bodies::OrderAccepted>(
            "order.accepted",
            "Cash on delivery: the goods are on their way.",
            "The order stays created until the money has come; the event that ends it follows.",
            vec![("cash on delivery", of_customer(json!({})))],
        ),
        entry::<bodies::OrderFulfilled>(
            "order.fulfilled",
            "The order is paid and shipped.",
            "",
            vec![("shipped", of_customer(json!({})))],
        ),
        entry::<bodies::OrderCancelled>(
            "order.cancelled",
            "The order was given up before it was marked as paid.",
            "Goods are free again, and what may still be captured goes straight back.",
            vec![
                (
                    "a declined card",
                    of_customer(json!({"reason": "payment_declined", "decline_code": "insufficient_funds"})),
                ),
                (
                    "short stock",
                    of_customer(json!({
                        "reason": "insufficient_stock",
                        "short": [{"sku": "BOOK-DUNE", "title": "Dune", "requested": 3, "available": 1}],
                    })),
                ),
            ],
        ),
        entry::<bodies::OrderRefunded>(
            "order.refunded",
            "The money of the whole order went back.",
            "Given up after it was paid and before it shipped; or, with `return_no`, come back after it was fulfilled.",
            vec![
                (
                    "it could not be shipped",
                    of_customer(json!({"reason": "stock_unavailable", "amount": eur("16.65")})),
                ),
                (
                    "it came back",
                    of_customer(json!({"reason": "returned", "amount": eur("16.65"), "return_no": 1})),
                ),
            ],
        ),
    ]
}

fn order_facts() -> Vec<Entry> {
    vec![
        entry::<bodies::OrderCreated>(
            "order.created",
            "A submission became an order, with its prices as they are now.",
            "Neither contact nor token goes along.",
            vec![(
                "two lines",
                of_customer(json!({
                    "items": [
                        {
                            "sku": "BOOK-DUNE", "title": "Dune", "author": "Frank Herbert", "quantity": 1,
                            "unit_price": eur("14.99"), "line_total": eur("14.99"),
                        },
                        {
                            "sku": "PEN-BLUE", "title": "A blue pen", "quantity": 2,
                            "unit_price": eur("1.75"), "line_total": eur("3.50"),
                        },
                    ],
                    "subtotal": eur("18.49"), "discount": eur("1.84"), "total": eur("16.65"),
                    "payment_method": "card",
                })),
            )],
        ),
        entry::<bodies::OrderPaid>(
            "order.paid",
            "The order's money was captured.",
            "",
            vec![("by card", of_customer(json!({"transaction_id": "ch_1", "amount": eur("16.65")})))],
        ),
        entry::<bodies::OrderReturned>(
            "order.returned",
            "A part of the order came back, and its share was refunded.",
            "The order stays fulfilled.",
            vec![("the first return", of_customer(json!({"return_no": 1, "amount": eur("1.75")})))],
        ),
        entry::<bodies::OrderArchived>(
            "order.archived",
            "The order was put away.",
            "",
            vec![("put away", of_customer(json!({})))],
        ),
        entry::<bodies::OrderCancelRefused>(
            "order.cancel_refused",
            "A cancellation came too late, or there is nothing to cancel.",
            "`status` is absent when there is no such order.",
            vec![(
                "too late",
                of_customer(json!({
                    "reason": "already_fulfilled", "status": "fulfilled", "allowed": ["refund", "archive"],
                    "message": format!(
                        "order {ORDER} is fulfilled: order.cancel is refused (already fulfilled); \
                         possible now: refund, archive"
                    ),
                })),
            )],
        ),
        entry::<bodies::OrderRefused>(
            "order.refused",
            "Something else that was asked of an order is not possible.",
            "`allowed` says what may be asked of it now.",
            vec![
                (
                    "paid twice",
                    of_customer(json!({
                        "command": "order.pay", "reason": "already_paid", "status": "paid", "allowed": ["cancel"],
                        "message": format!(
                            "order {ORDER} is paid: order.pay is refused (already paid); possible now: cancel"
                        ),
                    })),
                ),
                (
                    "more than was bought",
                    of_customer(json!({
                        "command": "order.refund", "reason": "quantity_too_large", "status": "fulfilled",
                        "allowed": ["refund", "archive"],
                        "errors": [{
                            "field": "items[0].quantity", "code": "quantity_too_large",
                            "message": "4 of PEN-BLUE; 2 can still come back",
                        }],
                        "message": format!(
                            "order {ORDER} is fulfilled: order.refund is refused (items[0].quantity: 4 of PEN-BLUE; \
                             2 can still come back); possible now: refund, archive"
                        ),
                    })),
                ),
            ],
        ),
        entry::<bodies::NeedsAttention>(
            "saga.needs_attention",
            "An order stands still until an operator says how it goes on.",
            "`checkout saga list` shows them; saga.retry and saga.resolve are the answers.",
            vec![(
                "a refund that the provider refuses",
                of_customer(json!({
                    "return_no": 1, "step": "refund", "why": "the provider refused it three times: account_closed",
                    "actions": ["retry", "resolve done"],
                })),
            )],
        ),
        entry::<bodies::WebhookSetAside>(
            "webhook.set_aside",
            "A webhook was believed, and nothing is done about it.",
            "It is about no payment and no refund, or names no order.",
            vec![(
                "of another type",
                json!({
                    "source": "stripe", "event_id": "evt_1", "type": "customer.created", "at": AT,
                    "why": "events of this type are not about payments or refunds",
                }),
            )],
        ),
    ]
}

fn stock_facts() -> Vec<Entry> {
    let short = json!([{"sku": "BOOK-DUNE", "title": "Dune", "requested": 3, "available": 1}]);
    vec![
        entry::<bodies::StockReserved>(
            "stock.reserved",
            "All lines of the order are held, or none would be.",
            "",
            vec![("held", fact(json!({})))],
        ),
        entry::<bodies::StockRefused>(
            "stock.refused",
            "Not all lines can be held, so none is.",
            "Every short line is listed.",
            vec![("one is short", fact(json!({"short": short})))],
        ),
        entry::<bodies::StockReleased>(
            "stock.released",
            "What was held for the order is free again.",
            "",
            vec![("free", fact(json!({})))],
        ),
        entry::<bodies::StockShipped>(
            "stock.shipped",
            "The goods have left.",
            "",
            vec![("gone", fact(json!({})))],
        ),
        entry::<bodies::StockShipRefused>(
            "stock.ship_refused",
            "A stock-take took what was held: it cannot be shipped.",
            "The order is unwound.",
            vec![("one is short", fact(json!({"short": short})))],
        ),
        entry::<bodies::StockRestocked>(
            "stock.restocked",
            "Goods came back and are for sale again.",
            "",
            vec![("the first return", fact(json!({"return_no": 1})))],
        ),
    ]
}

fn payment_facts() -> Vec<Entry> {
    let failed = json!({"code": "account_closed", "message": "the provider refused the refund"});
    vec![
        entry::<bodies::PaymentCaptured>(
            "payment.captured",
            "The provider took the money.",
            "",
            vec![("by card", fact(json!({"transaction_id": "ch_1", "amount": eur("16.65")})))],
        ),
        entry::<bodies::PaymentDeclined>(
            "payment.declined",
            "The provider did not take the money.",
            "The order is given up, but for one that its customer pays by confirmation: that may be retried, and the \
             sender of `order.pay` hears here why nothing was taken.",
            vec![
                (
                    "no money",
                    fact(json!({"code": "insufficient_funds", "message": "the card has not enough money"})),
                ),
                (
                    "a try, and there may be another",
                    fact(json!({
                        "code": "insufficient_funds", "message": "the card has not enough money",
                        "may_be_retried": true,
                    })),
                ),
            ],
        ),
        entry::<bodies::PaymentRefunded>(
            "payment.refunded",
            "Money went back.",
            "",
            vec![
                ("a return", fact(json!({"amount": eur("1.75"), "transaction_id": "re_1", "return_no": 1}))),
                (
                    "captured too late",
                    fact(json!({"amount": eur("16.65"), "transaction_id": "re_2", "late": true})),
                ),
                (
                    "made at the provider's side",
                    fact(json!({"amount": eur("5.00"), "transaction_id": "re_3", "outside": true})),
                ),
            ],
        ),
        entry::<bodies::PaymentRefundFailed>(
            "payment.refund_failed",
            "The provider keeps refusing to give money back.",
            "An operator is called.",
            vec![
                ("a return", fact(with(failed.clone(), json!({"return_no": 1})))),
                ("captured too late", fact(with(failed, json!({"late": true})))),
            ],
        ),
        entry::<bodies::PaymentVoided>(
            "payment.voided",
            "Nothing was captured, and whatever still comes goes straight back.",
            "",
            vec![("nothing taken", fact(json!({})))],
        ),
    ]
}
