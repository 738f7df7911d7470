//! The purpose of each message that outsiders send, with examples. Its fields come from the Rust types.

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

pub(super) const ORDER: &str = "01932b4a-1111-7000-8000-000000000001";
pub(super) const AT: &str = "2026-11-20T18:53:00.123Z";

pub(super) fn entry<T: JsonSchema>(
    name: &'static str,
    summary: &'static str,
    description: &'static str,
    examples: Vec<(&'static str, Value)>,
) -> Entry {
    Entry { name, summary, description, schema: |generator| generator.subschema_for::<T>(), examples }
}

pub(super) fn eur(amount: &str) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

/// A fact about the order that all the examples share.
pub(super) fn fact(fields: Value) -> Value {
    with(json!({"order_id": ORDER, "at": AT}), fields)
}

/// The same with the customer, whom only the order worker and the saga know.
pub(super) fn of_customer(fields: Value) -> Value {
    with(fact(json!({"customer_id": "customer-42"})), fields)
}

pub(super) fn with(mut value: Value, fields: Value) -> Value {
    for (name, field) in fields.as_object().expect("examples are objects") {
        value[name] = field.clone();
    }
    value
}

/// Every login that may publish to the exchange of commands may send these.
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
             is believed, also about a charge or a refund that the mock provider did not make: its books learn it. A \
             provider that counts up may say what went back of the charge in all: the part that is not known is booked, \
             once.",
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
            (
                "given back at the provider's side, and how much that is in all",
                json!({
                    "id": "evt_4", "type": "refund.succeeded", "created": AT,
                    "data": {
                        "reference": ORDER, "transaction_id": "ch_1", "amount": eur("5.00"),
                        "charged_as": ["ch_1", "pi_1"], "refunded_in_all": eur("7.50"),
                    },
                }),
            ),
        ],
    )]
}
