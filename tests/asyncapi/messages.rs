//! What each message that outsiders send or hear is for, with examples. What its fields are, the Rust types say.

use contract::bodies;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::checkout::Checkout;

pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    /// What its sender should know, or its listener may rely on.
    pub(crate) description: &'static str,
    pub(crate) schema: fn(&mut SchemaGenerator) -> Schema,
    pub(crate) examples: Vec<(&'static str, Value)>,
}

const ORDER: &str = "01932b4a-1111-7000-8000-000000000001";
const AT: &str = "2026-11-20T18:53:00.123Z";

fn entry<T: JsonSchema>(
    name: &'static str,
    summary: &'static str,
    description: &'static str,
    examples: Vec<(&'static str, Value)>,
) -> Entry {
    Entry { name, summary, description, schema: |generator| generator.subschema_for::<T>(), examples }
}

fn eur(amount: &str) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

/// A fact about the order of all the examples.
fn fact(fields: Value) -> Value {
    with(json!({"order_id": ORDER, "at": AT}), fields)
}

/// The same with the customer, who is known to the order worker and to the saga alone.
fn of_customer(fields: Value) -> Value {
    with(fact(json!({"customer_id": "customer-42"})), fields)
}

fn with(mut value: Value, fields: Value) -> Value {
    for (name, field) in fields.as_object().expect("examples are objects") {
        value[name] = field.clone();
    }
    value
}

/// Whoever may publish to the exchange of commands may send these.
pub(crate) fn commands() -> Vec<Entry> {
    let mut all = vec![submit()];
    all.extend(about_orders());
    all.extend(about_goods());
    all.extend(from_elsewhere());
    all
}

fn submit() -> Entry {
    entry::<Checkout>(
        "checkout.submit",
        "A customer checks out.",
        "Prices are looked up, never taken from the sender. `message_id` may be missing if the body has `order_id`; if \
         both are there, the body's is the order's. The same checkout under the same order id is absorbed; another one \
         becomes the dead letter `order_id_reused`. What is wrong with it is told by order.rejected, all faults at \
         once. With `reply_to`, one message with the outcome goes there as well (channel `reply`); sent again with \
         another `reply_to`, it is answered there.",
        vec![
            (
                "by card",
                json!({
                    "order_id": ORDER,
                    "customer_id": "customer-42",
                    "items": [{"sku": "BOOK-DUNE", "quantity": 1}, {"sku": "PEN-BLUE", "quantity": 2}],
                    "payment": {"method": "card", "token": "tok_ok"},
                    "contact": {"email": "reader@example.org", "phone": "+49301234567"},
                    "discount_code": "WELCOME10",
                }),
            ),
            (
                "cash on delivery, the order id made from message_id",
                json!({
                    "customer_id": "customer-42",
                    "items": [{"sku": "PEN-BLUE", "quantity": 1}],
                    "payment": {"method": "cod"},
                }),
            ),
            (
                "a stored payment method, charged once it is confirmed",
                json!({
                    "customer_id": "customer-42",
                    "items": [{"sku": "PEN-BLUE", "quantity": 1}],
                    "payment": {"method": "card", "payment_method_id": "pm_abjd", "confirm": "manual"},
                }),
            ),
            (
                "the stored cart",
                json!({"customer_id": "customer-42", "cart": true, "cart_version": 3, "payment": {"method": "paypal"}}),
            ),
        ],
    )
}

fn about_orders() -> Vec<Entry> {
    vec![
        entry::<bodies::OrderCancel>(
            "order.cancel",
            "Somebody does not want the order any more.",
            "Until it is on its way to be shipped the saga turns around, and order.cancelled or order.refunded follows. \
             After that order.cancel_refused says why not. It may come before the submission of its order: then it is \
             held for an hour, and the order is cancelled as it is created.",
            vec![
                ("by the customer", json!({"order_id": ORDER, "customer_id": "customer-42"})),
                (
                    "by support",
                    json!({"order_id": ORDER, "reason": "asked by telephone", "by": "admin", "who": "anna"}),
                ),
            ],
        ),
        entry::<bodies::OrderRefund>(
            "order.refund",
            "Goods come back after the order was fulfilled (for admins).",
            "Without `items`: everything that has not come back yet. The refund is the share of what was paid. \
             order.returned or, with the last of the goods, order.refunded follows; order.refused says why not.",
            vec![
                ("all of it", json!({"order_id": ORDER})),
                (
                    "a part",
                    json!({
                        "order_id": ORDER, "items": [{"sku": "PEN-BLUE", "quantity": 1}],
                        "reason": "wrong colour", "who": "anna",
                    }),
                ),
            ],
        ),
        entry::<bodies::OrderPay>(
            "order.pay",
            "The cash for an order on delivery has come, or an order that waits for its payment shall be charged now.",
            "Any other order, and any second payment, is refused by order.refused: nothing is ever charged twice. It may \
             come before the submission of its order: then it is held for an hour.",
            vec![
                ("with a receipt", json!({"order_id": ORDER, "transaction_id": "receipt-7", "who": "anna"})),
                ("by another card", json!({"order_id": ORDER, "token": "tok_ok", "method": "card"})),
                (
                    "by what the customer has stored",
                    json!({"order_id": ORDER, "customer_id": "customer-42", "payment_method_id": "pm_1"}),
                ),
            ],
        ),
        entry::<bodies::OrderArchive>(
            "order.archive",
            "An order that has ended is put away.",
            "order.archived follows, or order.refused.",
            vec![("put away", json!({"order_id": ORDER, "reason": "the year is over", "who": "anna"}))],
        ),
    ]
}

fn about_goods() -> Vec<Entry> {
    vec![
        entry::<bodies::ProductUpsert>(
            "product.upsert",
            "A product is offered at a price, or at a new one.",
            "Orders that exist keep the price they were made at. `on_hand` sets the counted stock; without it stock is \
             left alone.",
            vec![(
                "a book",
                json!({
                    "sku": "BOOK-DUNE", "title": "Dune", "author": "Frank Herbert", "price": eur("14.99"), "on_hand": 25,
                    "reason": "new in the catalogue", "who": "anna",
                }),
            )],
        ),
        entry::<bodies::ProductRetire>(
            "product.retire",
            "A product is not sold any more.",
            "Orders that exist keep their lines, titles and prices. product.upsert sells it again.",
            vec![("a book", json!({"sku": "PEN-BLUE", "reason": "out of print", "who": "anna"}))],
        ),
        entry::<bodies::DiscountUpsert>(
            "discount.upsert",
            "A discount code is made, changed or switched off.",
            "Exactly one of `percent` and `amount`.",
            vec![
                (
                    "a percentage",
                    json!({"code": "WELCOME10", "percent": "10", "valid_until": "2027-01-01T00:00:00Z"}),
                ),
                (
                    "an amount, switched off",
                    json!({
                        "code": "FIVER", "amount": eur("5.00"), "active": false, "reason": "the sale is over",
                        "who": "anna",
                    }),
                ),
            ],
        ),
        entry::<bodies::StockAdjust>(
            "stock.adjust",
            "A stock-take found more or less than was thought.",
            "May leave less on hand than is reserved: then a shipment will be refused, and its order refunded.",
            vec![(
                "three are gone",
                json!({"sku": "BOOK-DUNE", "delta": -3, "reason": "water damage", "who": "anna"}),
            )],
        ),
    ]
}

fn from_elsewhere() -> Vec<Entry> {
    vec![entry::<bodies::ProviderEvent>(
        "payment.webhook",
        "The payment provider tells how a charge or a refund ended.",
        "The same as by HTTP. Repeats, wrong order, unknown orders, wrong amounts and events after the order was \
             given up each have a defined outcome, and none loses or doubles money. Whoever may speak for the provider \
             is believed, also about a charge or a refund that the mock provider did not make: its books learn it.",
        vec![
            (
                "paid",
                json!({
                    "id": "evt_1", "type": "payment.succeeded", "created": AT,
                    "data": {"reference": ORDER, "transaction_id": "ch_1", "amount": eur("16.65")},
                }),
            ),
            (
                "not paid, with the time in seconds",
                json!({
                    "id": "evt_2", "type": "payment.failed", "created": 1_795_200_800,
                    "data": {
                        "reference": ORDER, "transaction_id": "ch_1", "amount": eur("16.65"),
                        "failure_code": "insufficient_funds",
                    },
                }),
            ),
            (
                "given back",
                json!({
                    "id": "evt_3", "type": "refund.succeeded", "created": AT,
                    "data": {
                        "reference": ORDER, "transaction_id": "re_1", "amount": eur("16.65"),
                        "key": format!("refund/{ORDER}/0/1"),
                    },
                }),
            ),
        ],
    )]
}

/// Anyone may bind a queue to the exchange of events and hear these.
pub(crate) fn events() -> Vec<Entry> {
    let mut all = endings();
    all.extend(order_facts());
    all.extend(stock_facts());
    all.extend(payment_facts());
    all
}

/// One of these is what whoever set `reply_to` gets.
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
            "",
            vec![(
                "no money",
                fact(json!({"code": "insufficient_funds", "message": "the card has not enough money"})),
            )],
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
