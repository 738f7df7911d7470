//! Every message there is, in one table: its name, its payload, the queues of ours it goes to, and who may say it.

mod order;

use std::fmt;

use crate::payload::*;
use crate::reply::Reply;
use crate::shape::{is_list, list_for_object};
use crate::{BodyHash, MessageId, OrderId, Queue, ReplyTo, Role, Speaker, Submit, Time, json_of};
use crate::{holds_card_number, in_plain_words, json_holds_card_number, not_json};

/// A command asks one worker to do something; a fact tells all listeners what has happened; a reply goes to the one
/// outside queue that its asker named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Command,
    Fact,
    Reply,
}

macro_rules! messages {
    ($($variant:ident($payload:ident) = $name:literal $kind:ident [$($queue:ident),*] from [$($speaker:ident),+];)*) => {
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum Body { Submit(Submit), $($variant($payload),)* }

        /// The payload of each message under the message's own name.
        pub mod bodies {
            pub use crate::Submit;
            $(pub type $variant = super::$payload;)*
        }

        /// Name, kind and destination of every message: the routing table and the topology come from here.
        pub const MESSAGES: &[(&str, Kind, &[Queue])] = &[
            ("checkout.submit", Kind::Command, &[Queue::Intake]),
            $(($name, Kind::$kind, &[$(Queue::$queue),*]),)*
        ];

        /// Who may say a message of this type; empty for a type that is not known.
        pub fn speakers_of(name: &str) -> &'static [Speaker] {
            match name {
                "checkout.submit" => SUBMITTERS,
                $($name => &[$(Speaker::$speaker),+],)*
                _ => &[],
            }
        }

        impl Body {
            pub fn name(&self) -> &'static str {
                match self { Body::Submit(_) => "checkout.submit", $(Body::$variant(_) => $name,)* }
            }

            pub fn kind(&self) -> Kind {
                match self { Body::Submit(_) => Kind::Command, $(Body::$variant(_) => Kind::$kind,)* }
            }

            /// The queues of ours that it goes to. A fact may have none and still have listeners outside.
            pub fn queues(&self) -> &'static [Queue] {
                match self { Body::Submit(_) => &[Queue::Intake], $(Body::$variant(_) => &[$(Queue::$queue),*],)* }
            }

            /// Who may say it. The first of them is the speaker where none is written.
            pub fn speakers(&self) -> &'static [Speaker] {
                match self { Body::Submit(_) => SUBMITTERS, $(Body::$variant(_) => &[$(Speaker::$speaker),+],)* }
            }

            fn to_json(&self) -> Box<str> {
                match self {
                    Body::Submit(submit) => json_of(submit.raw()),
                    $(Body::$variant(payload) => json_of(payload),)*
                }
            }

            fn from_json(name: &str, json: &str, id: Option<&MessageId>) -> Result<Body, Unreadable> {
                if is_list(json) && !speakers_of(name).is_empty() {
                    return Err(Unreadable::malformed(name, json, "expected a JSON object"));
                }
                let body = match name {
                    "checkout.submit" => {
                        let raw = serde_json::from_str(json).map_err(|e| Unreadable::malformed(name, json, &e.to_string()))?;
                        Submit::read(raw, id).map(Body::Submit).map_err(|why| Unreadable::new("body_invalid", why))
                    }
                    $($name => serde_json::from_str(json).map(Body::$variant).map_err(|e| Unreadable::malformed(name, json, &e.to_string())),)*
                    _ => Err(Unreadable::new("type_unknown", format!("no message is called {name:?}{}", nearest(name)))),
                };
                body
            }
        }
    };
}

/// The speaker of a message of this type that names none.
pub fn first_who_may(name: &str) -> Speaker {
    speakers_of(name).first().copied().unwrap_or(Speaker::Outsider)
}

const SUBMITTERS: &[Speaker] = &[Speaker::Customer, Speaker::Shop, Speaker::Admin, Speaker::Operator];

// Each line: variant(payload) = "name" kind [the queues it goes to] from [who may say it].
messages! {
    // From outside. checkout.submit, the first of them, reads its own body (submission.rs).
    OrderCancel(OrderCancel) = "order.cancel" Command [Order] from [Shop, Customer, Admin, Operator];
    OrderRefund(OrderRefund) = "order.refund" Command [Order] from [Admin, Operator];
    OrderPay(OrderPay) = "order.pay" Command [Order] from [Admin, Customer, Operator];
    OrderArchive(OrderArchive) = "order.archive" Command [Order] from [Admin, Operator, Timers];
    ProductUpsert(ProductUpsert) = "product.upsert" Command [Order] from [Admin, Operator];
    ProductRetire(ProductRetire) = "product.retire" Command [Order] from [Admin, Operator];
    DiscountUpsert(DiscountUpsert) = "discount.upsert" Command [Order] from [Admin, Operator];
    StockAdjust(StockAdjust) = "stock.adjust" Command [Stock] from [Admin, Operator];
    MethodPause(MethodSwitch) = "method.pause" Command [Order] from [Admin, Operator];
    MethodResume(MethodSwitch) = "method.resume" Command [Order] from [Admin, Operator];
    ProviderEvent(ProviderEvent) = "payment.webhook" Command [Payment] from [PaymentProvider, Provider, Timers, Operator];
    SagaRetry(SagaRetry) = "saga.retry" Command [Saga] from [Admin, Operator];
    SagaResolve(SagaResolve) = "saga.resolve" Command [Saga] from [Admin, Operator];
    SagaDeadline(SagaDeadline) = "saga.deadline" Command [Saga] from [Admin, Operator];
    // Between our own workers.
    OrderHeld(OrderHeld) = "order.held" Command [Order] from [Order];
    SagaStart(SagaStart) = "saga.start" Command [Saga] from [Order];
    SagaCancel(SagaCancel) = "saga.cancel" Command [Saga] from [Order];
    SagaReturn(SagaReturn) = "saga.return" Command [Saga] from [Order];
    SagaOverdue(SagaOverdue) = "saga.overdue" Command [Saga] from [Saga];
    CartPut(CartPut) = "cart.put" Command [Order] from [Customer, Admin, Operator];
    CartItemPut(CartItemPut) = "cart.item_put" Command [Order] from [Customer, Admin, Operator];
    CartItemRemove(CartItemRemove) = "cart.item_remove" Command [Order] from [Customer, Admin, Operator];
    CartClear(CartClear) = "cart.clear" Command [Order] from [Customer, Admin, Operator];
    CartOrder(CartOrder) = "cart.order" Command [Order] from [Order];
    CartSettle(CartSettle) = "cart.settle" Command [Order] from [Order];
    MarkAccepted(MarkAccepted) = "order.mark_accepted" Command [Order] from [Saga];
    MarkPaid(MarkPaid) = "order.mark_paid" Command [Order] from [Saga];
    MarkFulfilled(MarkFulfilled) = "order.mark_fulfilled" Command [Order] from [Saga];
    MarkUndone(MarkUndone) = "order.mark_undone" Command [Order] from [Saga];
    MarkReturned(MarkReturned) = "order.mark_returned" Command [Order] from [Saga];
    RefuseCancel(RefuseCancel) = "order.refuse_cancel" Command [Order] from [Saga];
    RefusePay(RefusePay) = "order.refuse_pay" Command [Order] from [Payment];
    StockReserve(StockReserve) = "stock.reserve" Command [Stock] from [Saga];
    StockRelease(StockRelease) = "stock.release" Command [Stock] from [Saga];
    StockShip(StockShip) = "stock.ship" Command [Stock] from [Saga];
    StockRestock(StockRestock) = "stock.restock" Command [Stock] from [Saga];
    StockCount(StockCount) = "stock.count" Command [Stock] from [Order];
    PaymentCharge(PaymentCharge) = "payment.charge" Command [Payment] from [Saga];
    PaymentCheck(PaymentCheck) = "payment.check" Command [Payment] from [Saga];
    PaymentRefund(PaymentRefund) = "payment.refund" Command [Payment] from [Saga];
    PaymentByHand(PaymentByHand) = "payment.refunded_by_hand" Command [Payment] from [Saga];
    PaymentSettle(PaymentSettle) = "payment.settle" Command [Payment] from [Order];
    PaymentIntend(PaymentIntend) = "payment.intend" Command [Payment] from [Customer, Admin, Operator];
    PaymentConfirm(PaymentConfirm) = "payment.confirm" Command [Payment] from [Order, Customer, Admin, Operator];
    WalletAdd(WalletAdd) = "wallet.add" Command [Payment] from [Customer, Admin, Operator];
    WalletChange(WalletChange) = "wallet.change" Command [Payment] from [Customer, Admin, Operator];
    WalletRemove(WalletRemove) = "wallet.remove" Command [Payment] from [Customer, Admin, Operator];
    PaymentHeld(PaymentHeld) = "payment.held" Command [Payment] from [Payment];
    ProviderAnswer(ProviderAnswer) = "provider.answer" Command [Payment] from [Provider];
    ProviderCharge(ProviderCharge) = "provider.charge" Command [Provider] from [Payment];
    ProviderRefund(ProviderRefund) = "provider.refund" Command [Provider] from [Payment];
    ProviderQuery(ProviderQuery) = "provider.query" Command [Provider] from [Payment];
    ProviderTold(ProviderTold) = "provider.told" Command [Provider] from [Payment];
    Tell(Tell) = "notification.tell" Command [Notification] from [Order];
    EmailSend(EmailSend) = "email.send" Command [Email] from [Notification];
    SmsSend(SmsSend) = "sms.send" Command [Sms] from [Notification];
    // Facts: anyone may listen.
    OrderCreated(OrderCreated) = "order.created" Fact [] from [Order];
    OrderRejected(OrderRejected) = "order.rejected" Fact [] from [Order];
    OrderAccepted(OrderAccepted) = "order.accepted" Fact [Saga] from [Order];
    OrderPaid(OrderPaid) = "order.paid" Fact [Saga] from [Order];
    OrderFulfilled(OrderFulfilled) = "order.fulfilled" Fact [Saga] from [Order];
    OrderCancelled(OrderCancelled) = "order.cancelled" Fact [Saga] from [Order];
    OrderRefunded(OrderRefunded) = "order.refunded" Fact [Saga] from [Order];
    OrderReturned(OrderReturned) = "order.returned" Fact [Saga] from [Order];
    OrderArchived(OrderArchived) = "order.archived" Fact [] from [Order];
    OrderCancelRefused(OrderCancelRefused) = "order.cancel_refused" Fact [] from [Order];
    OrderRefused(OrderRefused) = "order.refused" Fact [] from [Order];
    StockReserved(StockFact) = "stock.reserved" Fact [Saga] from [Stock];
    StockRefused(StockRefused) = "stock.refused" Fact [Saga] from [Stock];
    StockReleased(StockFact) = "stock.released" Fact [Saga] from [Stock];
    StockShipped(StockFact) = "stock.shipped" Fact [Saga] from [Stock];
    StockShipRefused(StockRefused) = "stock.ship_refused" Fact [Saga] from [Stock];
    StockRestocked(StockRestocked) = "stock.restocked" Fact [Saga] from [Stock];
    PaymentCaptured(PaymentCaptured) = "payment.captured" Fact [Saga] from [Payment];
    PaymentDeclined(PaymentDeclined) = "payment.declined" Fact [Saga] from [Payment];
    PaymentRefunded(PaymentRefunded) = "payment.refunded" Fact [Saga, Order] from [Payment];
    PaymentRefundFailed(PaymentRefundFailed) = "payment.refund_failed" Fact [Saga] from [Payment];
    PaymentVoided(PaymentVoided) = "payment.voided" Fact [Saga] from [Payment];
    NeedsAttention(NeedsAttention) = "saga.needs_attention" Fact [] from [Saga];
    WebhookSetAside(WebhookSetAside) = "webhook.set_aside" Fact [] from [PaymentProvider];
    // To the one who asked for it.
    Reply(Reply) = "checkout.reply" Reply [] from [Order];
}

/// A body with its envelope, immutable once it is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    pub id: MessageId,
    /// The correlation id. Catalogue messages have none.
    pub order_id: Option<OrderId>,
    /// The message whose handling said this one.
    pub cause: Option<MessageId>,
    /// Who said it first. A retry, replay, edit or import does not change it.
    pub by: Speaker,
    pub at: Time,
    pub body: Body,
    json: Box<str>,
    hash: BodyHash,
}

/// What came in, not yet parsed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Raw {
    /// As its sender chose it.
    pub message_id: Option<String>,
    /// Derived here from the sender's idempotency key; it counts instead of `message_id`.
    pub of_key: Option<MessageId>,
    pub name: String,
    pub schema: Option<i64>,
    /// Counts only for `checkout.submit`: where the sender waits for the outcome …
    pub reply_to: Option<String>,
    /// … and the id by which the sender recognises it.
    pub correlation_id: Option<String>,
    /// Counts only for `checkout.submit`: the admin who places it for its customer.
    pub placed_by: Option<String>,
    pub body: Vec<u8>,
}

impl Raw {
    /// In any part that would be stored.
    fn holds_card_number(&self, json: &str) -> bool {
        let properties = [&self.message_id, &self.reply_to, &self.correlation_id];
        properties.into_iter().flatten().chain([&self.name]).any(|text| holds_card_number(text))
            || json_holds_card_number(json)
    }
}

/// Why something that came in is no message, and what its sender should change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreadable {
    pub code: &'static str,
    pub why: String,
}

/// Larger bodies are refused before they are parsed.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
const SCHEMA: i64 = 1;

impl Message {
    /// A message that no other message caused.
    pub fn new(id: MessageId, at: Time, body: Body) -> Self {
        Self::with_cause(id, None, at, body)
    }

    /// The `position`-th message that `role` said while it handled `cause`. The same cause gives the same ids again.
    pub fn said(role: Role, cause: &Message, position: usize, at: Time, body: Body) -> Self {
        let order_id = body.order_id().or(cause.order_id);
        let id = MessageId::derived(order_id, role, &cause.id, position);
        Self::with_cause(id, Some(cause.id.clone()), at, body).said_by(role.into())
    }

    /// The same message, said by another speaker than the first who may say its type.
    pub fn said_by(mut self, by: Speaker) -> Self {
        self.by = by;
        self
    }

    /// Whether its speaker may say messages of its type.
    pub fn is_allowed(&self) -> bool {
        self.body.speakers().contains(&self.by)
    }

    /// The speaker as it is written down; `None` if it is the first who may say such a message.
    pub fn unusual_speaker(&self) -> Option<Speaker> {
        (self.body.speakers().first() != Some(&self.by)).then_some(self.by)
    }

    pub fn with_cause(id: MessageId, cause: Option<MessageId>, at: Time, body: Body) -> Self {
        let by = body.speakers().first().copied().unwrap_or(Speaker::Outsider);
        let mut json = body.to_json();
        let hash = BodyHash::of(body.name(), &json);
        if let Body::Submit(submit) = &body {
            json = with_properties(json, submit);
        }
        Self { id, order_id: body.order_id(), cause, by, at, body, json, hash }
    }

    /// Parses what came in from outside, said by `by`, who must be allowed to say such a message.
    pub fn accept(by: Speaker, raw: &Raw, at: Time) -> Result<Self, Unreadable> {
        let allowed = speakers_of(&raw.name);
        if !allowed.is_empty() && !allowed.contains(&by) {
            return Err(Unreadable::not_allowed(by, &raw.name));
        }
        let chosen = || raw.message_id.as_deref().map(MessageId::chosen).transpose();
        let id = raw.of_key.clone().map_or_else(chosen, |id| Ok(Some(id)))?;
        if raw.body.len() > BODY_BYTES_MAX {
            let why = format!("the body has {} bytes; at most {BODY_BYTES_MAX}", raw.body.len());
            return Err(Unreadable::new("body_too_large", why));
        }
        if let Some(schema) = raw.schema.filter(|schema| *schema != SCHEMA) {
            let why = format!("schema {schema} is not known here; this version reads schema {SCHEMA}");
            return Err(Unreadable::new("schema_unknown", why));
        }
        let json = std::str::from_utf8(&raw.body).map_err(|_| {
            Unreadable::new("body_malformed", "the body is not UTF-8; send a JSON object in UTF-8")
        })?;
        if raw.holds_card_number(json) {
            let why = "it holds what looks like a card number; send the provider's token instead";
            return Err(Unreadable::new("card_number_refused", why));
        }
        let mut body = Body::from_json(&raw.name, json, id.as_ref())?;
        // A checkout has checked each part of its own.
        if !matches!(body, Body::Submit(_))
            && let Some(path) = list_for_object(json, &body.to_json())
        {
            let why = format!("the body of {} does not fit: {path} must be an object", raw.name);
            return Err(Unreadable::new("body_invalid", why));
        }
        if let Body::Submit(submit) = &mut body {
            // Only the properties may say this: a sender who may write only a body cannot make us write to a queue.
            submit.reply_to = reply_to(raw)?;
            submit.placed_by = raw.placed_by.clone();
        }
        if let (Body::OrderCancel(cancel), Speaker::Customer | Speaker::Shop) = (&mut body, by) {
            // The name in the audit trail is not theirs to choose.
            (cancel.by, cancel.who) = (By::Customer, None);
        }
        let id = match (id, &body) {
            (Some(id), _) => id,
            (None, Body::Submit(submit)) => MessageId::of_order(submit.order_id),
            (None, _) => {
                let why = "set message_id to an id of your own: without it a repeat cannot be recognised";
                return Err(Unreadable::new("message_id_missing", why));
            }
        };
        Ok(Self::new(id, at, body).said_by(by))
    }

    /// A message that was stored in a journal or sent by one of our own roles.
    pub fn restore(
        id: MessageId,
        cause: Option<MessageId>,
        at: Time,
        name: &str,
        json: &str,
    ) -> Result<Self, Unreadable> {
        let body = Body::from_json(name, json, Some(&id))?;
        Ok(Self::with_cause(id, cause, at, body))
    }

    pub fn name(&self) -> &'static str {
        self.body.name()
    }

    pub fn json(&self) -> &str {
        &self.json
    }

    pub fn hash(&self) -> BodyHash {
        self.hash
    }
}

fn reply_to(raw: &Raw) -> Result<Option<ReplyTo>, Unreadable> {
    let Some(queue) = raw.reply_to.as_deref().filter(|queue| !queue.is_empty()) else {
        return Ok(None);
    };
    let correlation_id = raw.correlation_id.as_deref().filter(|id| !id.is_empty());
    ReplyTo::new(queue, correlation_id).map(Some).map_err(|why| Unreadable::new("reply_to_invalid", why))
}

/// They are stored in the body, so that they go wherever the body goes: journal, retries, dead letters. The hash is
/// without them: a client that died and sends its checkout again from another queue sends the same checkout.
fn with_properties(json: Box<str>, submit: &Submit) -> Box<str> {
    let mut json = String::from(json);
    for (name, kept) in submit.properties().expect("names and texts are JSON") {
        // A submission is a JSON object that has an order id.
        json.pop();
        json.push_str(&format!(",{name:?}:{kept}}}"));
    }
    json.into()
}

impl Unreadable {
    /// The message may be correct, but its speaker may not say it.
    pub fn not_allowed(by: Speaker, name: &str) -> Self {
        let who: Vec<_> = speakers_of(name).iter().map(|speaker| speaker.name()).collect();
        let why = format!("{name} may be said by {}, and this was said by {by}", who.join(", "));
        Self::new("not_allowed", why)
    }

    pub fn new(code: &'static str, why: impl Into<String>) -> Self {
        Self { code, why: why.into() }
    }

    fn malformed(name: &str, json: &str, said: &str) -> Self {
        match not_json(json.as_bytes()) {
            Some(why) => Self::new("body_malformed", format!("the body of {name} is not JSON: {why}")),
            None => {
                let why = in_plain_words(said);
                Self::new("body_invalid", format!("the body of {name} does not fit: {why}"))
            }
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.why, self.code)
    }
}

/// The message name that a mistyped one most likely meant.
fn nearest(name: &str) -> String {
    let near = |known: &&str| known.split('.').next_back() == name.split('.').next_back();
    match MESSAGES.iter().map(|(known, ..)| *known).find(near) {
        Some(known) => format!("; did you mean {known:?}?"),
        None => String::new(),
    }
}
