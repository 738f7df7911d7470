//! What people and the provider do to a shop at any moment: also twice, too late, or to an order that does not exist.

use broker::{Delivery, Mark};
use contract::{OrderId, PaymentChoice, ProviderCharge, ProviderEvent, Token};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

use super::plan::{Flaw, SCARCE};
use super::shop::Shop;

impl Shop {
    pub(super) fn something_from_outside(&mut self) {
        let waiting = self.plans.iter().any(|plan| !plan.submitted);
        if waiting && self.chance.happens(550) {
            return self.submit_next();
        }
        let at = self.chance.below(self.plans.len());
        match self.chance.below(12) {
            0..=2 => self.submit_again(at),
            3 | 4 => self.adjust_stock(),
            5 if self.chance.happens(self.weather.forged) => self.forge(at),
            6 => self.operator_retries(at),
            _ if self.plans[at].left_alone => {}
            7 | 8 => self.cancel(at),
            9 if self.plans[at].waits_to_be_paid() => self.pay(at),
            10 => self.refund(at),
            11 => self.archive(at),
            _ => {}
        }
    }

    pub(super) fn submit_next(&mut self) {
        let Some(at) = self.plans.iter().position(|plan| !plan.submitted) else { return };
        self.plans[at].submitted = true;
        let (id, body) = (self.plans[at].message_id.clone(), self.plans[at].body(&self.goods));
        if self.plans[at].may_be_paid_early(&self.goods) && self.chance.happens(400) {
            self.pay_early(at);
        }
        self.note(|_| format!("submit {id}: {body}"));
        self.world.command(&id, "checkout.submit", &body);
    }

    /// A front end has the provider charge, and its event may come before the order exists.
    fn pay_early(&mut self, at: usize) {
        self.evidence.saw("paid early");
        let plan = &self.plans[at];
        let amount = serde_json::from_value(self.goods.money(plan.total(&self.goods))).expect("an amount");
        let method = serde_json::from_value(plan.method.into()).expect("a method");
        let payment = PaymentChoice::by(method, plan.token.map(|token| Token(token.into())));
        let key = format!("charge/{}", plan.id);
        let ask = ProviderCharge { key, order_id: plan.id, amount, payment, not_after: None };
        self.note(|_| format!("paid early: {} {amount}", ask.key));
        let (told, now) = (self.world.outside.charge_now(&ask), self.world.clock.provider_now());
        for due in told {
            if due.due <= now && self.chance.happens(700) {
                self.bring(&due.event);
            }
            self.world.outside.due().push(due);
        }
    }

    fn submit_again(&mut self, at: usize) {
        if !self.plans[at].submitted {
            return;
        }
        let (id, mut body) = (self.plans[at].message_id.clone(), self.plans[at].body(&self.goods));
        // Another customer has no such cart; and for an order without a customer, naming one would repair it.
        let own = self.plans[at].from_cart || self.plans[at].flaw == Some(Flaw::NoCustomer);
        let ways = if own { 2 } else { 4 };
        match self.chance.below(ways) {
            0 => {
                self.evidence.saw("submitted again");
                self.world.command(&id, "checkout.submit", &body);
            }
            1 => {
                self.evidence.saw("submitted again under another id");
                body["order_id"] = self.plans[at].id.to_string().into();
                let id = self.new_id("again");
                self.world.command(&id, "checkout.submit", &body);
            }
            2 => {
                self.evidence.saw("submitted with another body");
                body["order_id"] = self.plans[at].id.to_string().into();
                body["customer_id"] = "somebody else".into();
                let id = self.new_id("other");
                self.world.command(&id, "checkout.submit", &body);
            }
            _ => {
                // Straight to the queue, past the ingress that would have refused it.
                self.evidence.saw("message id reused");
                body["customer_id"] = "somebody else".into();
                let message = Arc::new(self.world.message(&id, "checkout.submit", &body));
                let queue = contract::Queue::Intake;
                self.world.memory_broker.put_back(Delivery {
                    queue,
                    message,
                    redelivered: false,
                    attempt: 0,
                    mark: Mark::default(),
                });
            }
        }
    }

    pub(super) fn cancel(&mut self, at: usize) {
        let by = self.chance.one_of(&["customer", "admin"]);
        self.evidence.saw(&format!("cancelled by {by}"));
        self.plans[at].cancelled_by.push(by);
        self.about(at, "order.cancel", json!({"by": by}));
    }

    pub(super) fn pay(&mut self, at: usize) {
        self.evidence.saw(if self.plans[at].later { "confirmed" } else { "paid in cash" });
        self.plans[at].paid = true;
        self.about(at, "order.pay", json!({"transaction_id": "receipt 7"}));
    }

    pub(super) fn archive(&mut self, at: usize) {
        self.evidence.saw("archived");
        self.about(at, "order.archive", json!({}));
    }

    pub(super) fn refund(&mut self, at: usize) {
        let mut body = json!({});
        if self.chance.happens(600) {
            self.evidence.saw("returned in part");
            let (item, quantity) = self.plans[at].lines[self.chance.below(self.plans[at].lines.len())];
            let quantity = self.chance.between(1, quantity);
            body["items"] = json!([{"sku": self.goods.items[item].0, "quantity": quantity}]);
        } else {
            self.evidence.saw("returned whole");
        }
        self.about(at, "order.refund", body);
    }

    /// Sends a command: sometimes twice, sometimes twice under one id.
    fn about(&mut self, at: usize, name: &str, mut body: Value) {
        body["order_id"] = self.plans[at].id.to_string().into();
        let id = self.new_id(name);
        self.note(|_| format!("{name} {id}: {body}"));
        self.world.command(&id, name, &body);
        if self.chance.happens(150) {
            let id = if self.chance.happens(500) { id } else { self.new_id(name) };
            self.world.command(&id, name, &body);
        }
    }

    fn adjust_stock(&mut self) {
        let item = self.chance.one_of(&SCARCE);
        let delta = self.chance.between(-4, 3);
        self.evidence.saw(if delta < 0 { "stock taken out" } else { "stock brought in" });
        let id = self.new_id("stock-take");
        let body = json!({"sku": self.goods.items[item].0, "delta": delta, "reason": "counted"});
        self.note(|_| format!("stock.adjust {id}: {body}"));
        self.stock_takes.insert(id.clone(), (item, delta));
        self.world.command(&id, "stock.adjust", &body);
    }

    /// The provider's events, late, in any order, more than once, or not at all this time.
    pub(super) fn courier_comes(&mut self) {
        let now = self.world.clock.provider_now();
        let due: Vec<_> = self.world.outside.due().iter().filter(|due| due.due <= now).cloned().collect();
        for due in due {
            if self.chance.happens(self.weather.event_lost) {
                self.evidence.saw("event lost");
                continue;
            }
            if now > due.due.plus_s(5) {
                self.evidence.saw("event late");
            }
            self.bring(&due.event);
            if self.chance.happens(self.weather.event_again) {
                self.evidence.saw("event again");
                self.bring(&due.event);
            }
            if self.chance.happens(self.weather.event_again) {
                self.evidence.saw("event again under another id");
                let id = self.new_id("again");
                self.world.bring(&id, &due.event);
            }
            if !self.chance.happens(self.weather.event_again) {
                self.world.outside.due().retain(|other| *other != due);
            }
        }
    }

    pub(super) fn bring(&mut self, event: &ProviderEvent) {
        self.note(|_| format!("event {} {:?} {}", event.id, event.kind, event.data.reference));
        self.world.bring(&event.id, event);
    }

    /// An event that matches no charge: none of them may move money.
    fn forge(&mut self, at: usize) {
        let kind =
            self.chance.one_of(&["payment.succeeded", "payment.failed", "refund.succeeded", "refund.failed"]);
        let id = self.new_id("forged");
        let (mut order, mut minor) = (self.plans[at].id, 999_999_937);
        match self.chance.below(3) {
            0 => self.evidence.saw("event of another amount"),
            1 => {
                self.evidence.saw("event of an unknown order");
                order = OrderId::new(Uuid::from_u128(self.chance.next().into()));
            }
            _ => {
                self.evidence.saw("event below zero");
                minor = -1;
            }
        }
        self.plans[at].forged = true;
        let data = json!({
            "reference": order, "transaction_id": format!("ch_{id}"), "amount": self.goods.money(minor),
            "failure_code": "forged",
        });
        let event = json!({"id": id, "type": kind, "created": self.world.now().to_string(), "data": data});
        self.note(|_| format!("forged {event}"));
        self.world.command(&id, "payment.webhook", &event);
    }

    pub(super) fn operator_retries(&mut self, at: usize) {
        self.evidence.saw("operator retried");
        self.about(at, "saga.retry", json!({"by": "operator"}));
    }
}
