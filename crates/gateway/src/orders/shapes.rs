//! The API's view of orders, for the OpenAPI document only. `crates/view/src/lib.rs` builds the order that is sent, and
//! `workers/contract/src/submission.rs` parses a new one; tests compare both with these types.

use contract::{
    By, Contact, Fault, Item, Line, Method, Money, OrderId, PaymentChoice, Reason, Short, Status, Time, Token,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A checkout. Prices are looked up, never taken from the sender.
#[derive(JsonSchema)]
#[schemars(extend("examples" = [{
    "items": [{"sku": "BOOK-DUNE", "quantity": 1}],
    "payment": {"method": "card", "token": "tok_ok"},
    "contact": {"email": "reader@example.org"},
}]))]
#[allow(dead_code)]
pub(crate) struct NewOrder {
    /// For admins: the customer. For others it is ignored, and the customer comes from the token.
    #[serde(default)]
    customer_id: Option<String>,
    /// Instead of, or in addition to, an Idempotency-Key.
    #[serde(default)]
    order_id: Option<OrderId>,
    /// 1 to 100 lines, at most 1000 of one product.
    items: Vec<Line>,
    /// Card payments need the provider's token.
    payment: PaymentChoice,
    /// Where notices about the order go.
    #[serde(default)]
    contact: Option<Contact>,
    /// 1 to 40 visible ASCII characters.
    #[serde(default)]
    discount_code: Option<String>,
}

/// A checkout of the stored cart.
#[derive(JsonSchema)]
#[allow(dead_code)]
pub(crate) struct CartCheckout {
    /// For admins: the customer. For others it is ignored, and the customer comes from the token.
    #[serde(default)]
    customer_id: Option<String>,
    /// Instead of, or in addition to, an Idempotency-Key.
    #[serde(default)]
    order_id: Option<OrderId>,
    /// The version of the cart that you saw: another one is refused. Without it, the current cart is ordered.
    #[serde(default)]
    cart_version: Option<u64>,
    /// Card payments need the provider's token, or one of your stored payment methods.
    payment: PaymentChoice,
    /// Where notices about the order go.
    #[serde(default)]
    contact: Option<Contact>,
    /// 1 to 40 visible ASCII characters.
    #[serde(default)]
    discount_code: Option<String>,
}

/// A submitted or rejected order has little more than its id and status.
#[derive(JsonSchema)]
#[allow(dead_code)]
pub(crate) struct Order {
    order_id: OrderId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customer_id: Option<String>,
    status: OrderStatus,
    /// Why the order was cancelled or refunded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    /// The provider's decline code, if the payment was declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decline_code: Option<String>,
    /// The lines that were out of stock, if that is the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    short: Vec<Short>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    items: Vec<Item>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subtotal: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    discount: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    total: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payment: Option<Payment>,
    /// Goods that were returned, or are on their way back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    returns: Vec<Return>,
    /// What you may do with the order now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    actions: Vec<String>,
    /// Each change of the status, oldest first. Left out in lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    audit: Vec<Entry>,
    /// If the order was rejected: the code of the first of `errors`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// … its message, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// … and the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Time>,
    /// All faults of a rejected order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updated_at: Option<Time>,
}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code)]
pub(crate) enum OrderStatus {
    /// It is stored safely and not processed yet.
    Submitted,
    /// The submission was refused; `errors` say why.
    Rejected,
    #[serde(untagged)]
    Known(Status),
}

/// In lists it has only the fields that the order itself keeps.
#[derive(JsonSchema)]
#[allow(dead_code)]
pub(crate) struct Payment {
    method: Method,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transaction_id: Option<String>,
    /// The receipt's number, for cash on delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    receipt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    charged: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refunded: Option<Money>,
}

#[derive(JsonSchema)]
#[allow(dead_code)]
pub(crate) struct Return {
    /// 1, 2, … within the order.
    no: u32,
    lines: Vec<Line>,
    /// This return's share of what was paid.
    amount: Money,
    /// What was refunded of that, if it is less: the provider had refunded the rest on its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    went_back: Option<Money>,
    done: bool,
    at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// The admin who accepted the return; only admins see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    who: Option<String>,
}

#[derive(JsonSchema)]
#[allow(dead_code)]
pub(crate) struct Entry {
    at: Time,
    /// Null in the first entry.
    from: Option<Status>,
    to: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    by: By,
    /// The admin's name; only admins see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    who: Option<String>,
    message_id: String,
}

#[derive(JsonSchema)]
#[allow(dead_code)]
pub(crate) struct Page {
    items: Vec<Order>,
    /// The `cursor` of the next page.
    next: Option<String>,
}

/// Selects some of your orders.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Wanted {
    #[serde(default)]
    pub(super) status: Option<Status>,
    /// Include failed orders: payment declined or timed out, too little stock.
    #[serde(default)]
    pub(super) failed: Option<bool>,
    /// Created at this time or later, …
    #[serde(default)]
    pub(super) from: Option<Time>,
    /// … and before this one.
    #[serde(default)]
    pub(super) to: Option<Time>,
    /// The beginning of an order id, or part of a title, an author or a sku; at most 100 characters.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub(super) q: Option<String>,
    /// The total is at least this, …
    #[serde(default)]
    pub(super) min_total: Option<String>,
    /// … and at most this: decimals like `12.34`, in `currency`.
    #[serde(default)]
    pub(super) max_total: Option<String>,
    /// Only orders that were priced in this currency.
    #[serde(default)]
    pub(super) currency: Option<String>,
    /// At most 100; 20 if it is left out.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    pub(super) limit: Option<u32>,
    /// The `next` of the previous page.
    #[serde(default)]
    pub(super) cursor: Option<String>,
}

#[derive(Deserialize, Serialize, JsonSchema)]
pub(crate) struct Cancel {
    /// In your own words; at most 500 characters.
    #[serde(default)]
    pub(super) reason: Option<String>,
}

#[derive(Deserialize, Serialize, JsonSchema)]
pub(crate) struct Pay {
    /// For cash: the receipt's number, at most 100 characters.
    #[serde(default)]
    pub(super) transaction_id: Option<String>,
    /// The provider's token, to charge something else than the order named. After a decline this or a stored payment
    /// method is required: a declined method is not charged again unasked.
    #[serde(default)]
    pub(super) token: Option<Token>,
    /// Instead of a token: one of the customer's stored payment methods.
    #[serde(default)]
    pub(super) payment_method_id: Option<String>,
    /// The token's method: card, debit_card or paypal. By default, the order's.
    #[serde(default)]
    pub(super) method: Option<Method>,
}
