//! Once the faults stop, every order comes to its end: by itself, or by an operator's action.

use contract::{Need, OrderId, Table};
use serde_json::{Value, json};

use super::shop::Shop;
use crate::world::case::{Case, cases, minor, text};

/// More rounds than any shop takes to come to rest; a shop that needs more never will.
const ROUNDS_MAX: usize = 60_000;
/// How often a dead letter is replayed before it is left where it is.
const REPLAYS_MAX: usize = 2;

impl Shop {
    /// Runs until nothing moves any more. People act only when the system has done all it can.
    pub(crate) fn converge(&mut self) {
        let mut replayed: std::collections::BTreeMap<String, usize> = Default::default();
        let mut people = 0;
        for _ in 0..ROUNDS_MAX {
            if !self.broken.is_empty() {
                return;
            }
            if !self.world.memory_broker.is_empty() {
                self.deliver(false);
                continue;
            }
            self.no_open_row_is_forgotten();
            if self.replay_one(&mut replayed) || self.next_event(false) {
                continue;
            }
            if people < 3 {
                people += 1;
                self.people_act(people);
                continue;
            }
            if self.operator_acts() || self.next_event(true) {
                continue;
            }
            return;
        }
        self.broken.push(format!("no rest after {ROUNDS_MAX} rounds"));
    }

    /// Promise 6: a saga that is still going has a deadline when nothing of it is in flight.
    fn no_open_row_is_forgotten(&mut self) {
        let tables = self.world.memory.tables();
        for (need, (_, json)) in tables.records.range(Need::of(Table::Sagas, "")..) {
            let going = ["\"status\":\"running\"", "\"status\":\"unwinding\"", "\"status\":\"awaited\""];
            if going.iter().any(|status| json.contains(status)) && !tables.deadlines.contains_key(&need.id) {
                self.broken
                    .push(format!("saga {} is still going, with nothing in flight and no deadline", need.id));
            }
        }
    }

    /// The next event by the clocks: the provider's, or (when `deadlines` count) a deadline.
    fn next_event(&mut self, deadlines: bool) -> bool {
        let event = self.world.outside.due().iter().min_by_key(|due| due.due).cloned();
        let event_in =
            event.as_ref().map(|due| due.due.unix_ms() - self.world.clock.provider_now().unix_ms());
        let deadline = self.world.memory.next_deadline();
        let deadline_in = deadline.map(|due| due.unix_ms() - self.world.now().unix_ms());
        match (event_in, deadline_in) {
            (Some(wait), _) if wait <= 0 => {}
            (Some(wait), None) if deadlines => self.pass(wait),
            (Some(wait), Some(other)) if deadlines && wait <= other => self.pass(wait),
            (_, Some(wait)) if deadlines => {
                self.pass(wait.max(0));
                self.ring_now();
                return true;
            }
            _ => return false,
        }
        let due = event.expect("it was found above");
        self.world.outside.due().retain(|other| *other != due);
        self.bring(&due.event);
        true
    }

    fn ring_now(&mut self) {
        let rang = self.world.ring(None);
        self.note(|shop| format!("timer at {}: {rang:?}", shop.world.now()));
    }

    /// Replays a message that came too early: by now its subject should exist.
    fn replay_one(&mut self, replayed: &mut std::collections::BTreeMap<String, usize>) -> bool {
        let early =
            ["payment_unknown", "saga_unknown", "order_unknown", "order_never_came", "refund_unknown"];
        let letter = {
            let tables = self.world.memory.tables();
            let mut open = tables.dead.values().filter(|letter| {
                let times = replayed.get(&letter.id).copied().unwrap_or(0);
                letter.status == store::DeadStatus::Open
                    && early.contains(&letter.code.as_str())
                    && times < REPLAYS_MAX
            });
            open.next().cloned()
        };
        let Some(letter) = letter else { return false };
        *replayed.entry(letter.id.clone()).or_default() += 1;
        self.evidence.saw("letter replayed");
        self.note(|_| format!("replay {} {}", letter.name, letter.code));
        self.world.replay(&letter);
        true
    }

    /// First the cash is paid, then goods come back and orders are archived, also where that makes no sense.
    fn people_act(&mut self, round: u32) {
        for at in 0..self.plans.len() {
            match round {
                1 if self.plans[at].waits_to_be_paid() && self.plans[at].pays => self.pay(at),
                2 if self.chance.happens(350) => self.refund(at),
                3 => match self.chance.below(6) {
                    0 | 1 => self.archive(at),
                    2 => self.refund(at),
                    3 => self.cancel_late(at),
                    _ => {}
                },
                _ => {}
            }
        }
    }

    /// Only orders that have ended: a cancellation that still counts would make the expected end a matter of chance.
    fn cancel_late(&mut self, at: usize) {
        let id = self.plans[at].id;
        let ended =
            self.saga(id, 0).is_none_or(|saga| ["completed", "undone"].contains(&text(&saga, "status")));
        if ended {
            self.cancel(at);
            self.plans[at].cancelled_by.pop();
        }
    }

    fn operator_acts(&mut self) -> bool {
        let waiting: Vec<(OrderId, u32)> = {
            let tables = self.world.memory.tables();
            let sagas = tables.records.range(Need::of(Table::Sagas, "")..);
            sagas
                .filter(|(_, (_, json))| json.contains("\"status\":\"needs_attention\""))
                .map(|(need, _)| {
                    let (order, no) = need.id.split_once("/return/").unwrap_or((&need.id, "0"));
                    (order.parse().expect("an order id"), no.parse().expect("a number"))
                })
                .collect()
        };
        if waiting.is_empty() {
            return false;
        }
        let all = cases(&self.world);
        for (order_id, no) in waiting {
            self.attend(order_id, no, &all[&order_id.to_string()]);
        }
        true
    }

    fn attend(&mut self, order_id: OrderId, no: u32, case: &Case) {
        let saga = self.saga(order_id, no).expect("it was found above");
        let empty = Vec::new();
        let actions: Vec<_> = saga["attention"]["actions"]
            .as_array()
            .unwrap_or(&empty)
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let at = self.plans.iter().position(|plan| plan.id == order_id).expect("no order but ours");
        self.plans[at].resolved += 1;
        let tired = self.plans[at].resolved > 2;
        if actions.contains(&"resolve done") && (tired || self.chance.happens(400)) {
            self.evidence.saw("operator resolved by hand");
            let amount = match no {
                0 => case.captured() - case.refunded(),
                no => case.returns().iter().find(|r| r["no"] == no).map_or(0, |r| minor(&r["amount"])),
            };
            self.by_hand.insert((order_id.to_string(), no), amount);
            return self.resolve(order_id, no, "done");
        }
        let cash = text(&saga, "step") == "collect_cash";
        let give_up = if cash { !self.plans[at].pays || tired } else { tired || self.chance.happens(300) };
        if actions.contains(&"resolve give_up") && give_up {
            self.evidence.saw("operator gave up");
            self.plans[at].gave_up = true;
            return self.resolve(order_id, no, "give_up");
        }
        self.evidence.saw("operator retried");
        let id = self.new_id("retry");
        let body = json!({"order_id": order_id, "return_no": no, "by": "operator"});
        self.note(|_| format!("saga.retry {body}"));
        self.world.command(&id, "saga.retry", &body);
    }

    fn resolve(&mut self, order_id: OrderId, no: u32, outcome: &str) {
        let id = self.new_id("resolve");
        let body = json!({
            "order_id": order_id, "return_no": no, "outcome": outcome, "evidence": "bank transfer 77",
            "by": "operator",
        });
        self.note(|_| format!("saga.resolve {body}"));
        self.world.command(&id, "saga.resolve", &body);
    }

    fn saga(&self, order_id: OrderId, no: u32) -> Option<Value> {
        let key = if no == 0 { order_id.to_string() } else { format!("{order_id}/return/{no}") };
        let tables = self.world.memory.tables();
        let (_, json) = tables.records.get(&Need::of(Table::Sagas, key))?;
        serde_json::from_str(json).ok()
    }
}
