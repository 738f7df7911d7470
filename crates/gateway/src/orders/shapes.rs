//! What orders look like from outside, for the document. The order itself is put together in `crates/view/src/lib.rs`, and a new
//! one is read in `workers/contract/src/submission.rs`; the tests hold both to what is described here.

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
    /// For admins: whose order it is. Everybody else's token says it, whatever stands here.
    #[serde(default)]
    customer_id: Option<String>,
    /// Instead of an Idempotency-Key, or beside it.
    #[serde(default)]
    order_id: Option<OrderId>,
    /// 1 to 100 lines, at most 1000 of one thing.
    items: Vec<Line>,
    /// Card payments need the provider's token.
    payment: PaymentChoice,
    /// Where you want to hear of it.
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
    /// For admins: whose order it is. Everybody else's token says it, whatever stands here.
    #[serde(default)]
    customer_id: Option<String>,
    /// Instead of an Idempotency-Key, or beside it.
    #[serde(default)]
    order_id: Option<OrderId>,
    /// The version of the cart that you saw: another one is refused. Without it, whatever is in it is ordered.
    #[serde(default)]
    cart_version: Option<u64>,
    /// Card payments need the provider's token, or one of your stored payment methods.
    payment: PaymentChoice,
    /// Where you want to hear of it.
    #[serde(default)]
    contact: Option<Contact>,
    /// 1 to 40 visible ASCII characters.
    #[serde(default)]
    discount_code: Option<String>,
}

/// Submitted or rejected, it has little more than its id and status.
#[derive(JsonSchema)]
#[allow(dead_code)]
pub(crate) struct Order {
    order_id: OrderId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customer_id: Option<String>,
    status: Standing,
    /// Why it was cancelled or refunded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    /// Why its payment was declined, if that is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decline_code: Option<String>,
    /// The lines that could not be had, if that is the reason.
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
    /// Goods that came back, or are on their way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    returns: Vec<Return>,
    /// What you may do with it now: asked for at once, each of them is taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    actions: Vec<String>,
    /// Each change of its status, oldest first. Left out in lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    audit: Vec<Entry>,
    /// Of the first of `errors`, when it was rejected, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// … in words, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// … and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Time>,
    /// All that was wrong.
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
pub(crate) enum Standing {
    /// It is safe, and nobody has looked at it yet.
    Submitted,
    /// It was refused as it came; `errors` say why.
    Rejected,
    #[serde(untagged)]
    Known(Status),
}

/// In lists, without what only the payment's own record knows.
#[derive(JsonSchema)]
#[allow(dead_code)]
pub(crate) struct Payment {
    method: Method,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transaction_id: Option<String>,
    /// Of cash on delivery.
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
    /// Its share of what was paid.
    amount: Money,
    /// What went back of that, if it is less: the rest had gone back at the provider's side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    went_back: Option<Money>,
    done: bool,
    at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// Who took it back; for admins alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    who: Option<String>,
}

#[derive(JsonSchema)]
#[allow(dead_code)]
pub(crate) struct Entry {
    at: Time,
    /// None: this is how it began.
    from: Option<Status>,
    to: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    by: By,
    /// By name, for admins alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    who: Option<String>,
    message_id: String,
}

#[derive(JsonSchema)]
#[allow(dead_code)]
pub(crate) struct Page {
    items: Vec<Order>,
    /// What `cursor` takes for the page after this one.
    next: Option<String>,
}

/// Which of your orders.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Wanted {
    #[serde(default)]
    pub(super) status: Option<Status>,
    /// Those that failed as well: payment declined or timed out, too little stock.
    #[serde(default)]
    pub(super) failed: Option<bool>,
    /// Created at this time or later, …
    #[serde(default)]
    pub(super) from: Option<Time>,
    /// … and before this one.
    #[serde(default)]
    pub(super) to: Option<Time>,
    /// What the order's id begins with, or what a title, an author or a sku of it holds: at most 100 characters.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub(super) q: Option<String>,
    /// That cost at least this much, …
    #[serde(default)]
    pub(super) min_total: Option<String>,
    /// … and at most that: decimals like `12.34`, of `currency`.
    #[serde(default)]
    pub(super) max_total: Option<String>,
    /// That were priced in this currency.
    #[serde(default)]
    pub(super) currency: Option<String>,
    /// At most 100; 20 if it is left out.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    pub(super) limit: Option<u32>,
    /// The `next` of the page before.
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
    /// Of cash: a receipt's number, at most 100 characters.
    #[serde(default)]
    pub(super) transaction_id: Option<String>,
    /// The provider's token, if it shall be charged by something else than the order came with. After a decline it, or a
    /// stored payment method, must be named: what was declined is not tried again unasked.
    #[serde(default)]
    pub(super) token: Option<Token>,
    /// Instead of a token: one of the customer's stored payment methods.
    #[serde(default)]
    pub(super) payment_method_id: Option<String>,
    /// What the token is of: card, debit_card or paypal. Without it, as the order says.
    #[serde(default)]
    pub(super) method: Option<Method>,
}
