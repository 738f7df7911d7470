//! What a message can die of, and the places where its letter can lie: a filter by anything else finds nothing, for ever.

use contract::Queue;

/// `docs/operations.md` says of each what to do.
pub const CODES: [&str; 49] = [
    "amount_negative",
    "body_invalid",
    "body_malformed",
    "body_too_large",
    "bundle_malformed",
    "bundle_refused",
    "card_number_refused",
    "content_encoding_unknown",
    "content_type_unknown",
    "customer_invalid",
    "dead_lettered",
    "deadline_refused",
    "definition_unknown",
    "delivery_limit",
    "discount_invalid",
    "envelope_incomplete",
    "expired",
    "failed",
    "headers_malformed",
    "headers_too_deep",
    "headers_too_large",
    "lines_differ",
    "message_id_invalid",
    "message_id_missing",
    "message_id_reused",
    "misrouted",
    "more_than_shipped",
    "not_allowed",
    "order_id_reused",
    "order_never_came",
    "order_unknown",
    "payment_unknown",
    "product_invalid",
    "product_unknown",
    "properties_not_utf8",
    "reason_invalid",
    "refund_under_way",
    "refund_unknown",
    "rejected",
    "reply_to_invalid",
    "saga_unknown",
    "schema_unknown",
    "stock_below_zero",
    "stock_books_differ",
    "stock_too_large",
    "type_differs",
    "type_internal",
    "type_unknown",
    "unroutable",
];

/// Of what no queue wanted, and of webhooks, which come by none.
const OTHER_PLACES: [&str; 2] = ["unrouted", "gateway"];

pub fn known_code(code: &str) -> Result<String, String> {
    match CODES.contains(&code) {
        true => Ok(code.to_string()),
        false => Err(format!("nothing dies of {code:?}; the codes are {}", CODES.join(", "))),
    }
}

pub fn known_queue(queue: &str) -> Result<String, String> {
    let places = Queue::ALL.iter().map(|queue| queue.name()).chain(OTHER_PLACES);
    let places: Vec<_> = places.collect();
    match places.contains(&queue) {
        true => Ok(queue.to_string()),
        false => Err(format!("no queue is called {queue:?}; there are {}", places.join(", "))),
    }
}
