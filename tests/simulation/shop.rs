//! One shop from its first order to its last: first everything goes wrong, then the faults stop.

use std::collections::BTreeMap;

use adapters::mock::Settings;
use broker::Delivery;
use contract::{Queue, Time};
use serde_json::json;

use super::chance::Chance;
use super::plan::{Goods, Plan, SOME_UNITS};
use super::weather::{Evidence, Weather};
use crate::world::claims::Known;
use crate::world::faults::Fault;
use crate::world::{Deployment, World};

pub(crate) struct Shop {
    pub(crate) world: World,
    pub(crate) chance: Chance,
    pub(crate) weather: Weather,
    pub(crate) goods: Goods,
    pub(crate) plans: Vec<Plan>,
    pub(crate) evidence: Evidence,
    pub(crate) known: Known,
    /// By message id: what each stock-take changes, once it is handled.
    pub(crate) stock_takes: BTreeMap<String, (usize, i64)>,
    /// By order and number of the return: what an operator refunded by hand.
    pub(crate) by_hand: BTreeMap<(String, u32), i64>,
    pub(crate) trace: Option<Vec<String>>,
    pub(crate) broken: Vec<String>,
    held_back: Vec<(Time, Delivery)>,
    sent: u64,
    elapsed_ms: i64,
}

const ORDERS_LEAST: usize = 8;
const ORDERS_MOST: usize = 32;
/// How many things happen for each order while there are faults.
const HOSTILE_STEPS_PER_ORDER: usize = 14;
/// In a punctual shop no deadline may come due before the faults stop.
const PUNCTUAL_MS: i64 = 15_000;

impl Shop {
    pub(crate) fn open(seed: u64, traced: bool) -> Self {
        let mut chance = Chance::of(seed);
        let weather = Weather::draw(&mut chance);
        let orders = ORDERS_LEAST + chance.below(ORDERS_MOST - ORDERS_LEAST + 1);
        let goods = Goods::draw(&mut chance, orders);
        let slow = chance.happens(500);
        let settings = Settings {
            success_rate: chance.one_of(&[1.0, 0.9, 0.5]),
            delay_least_ms: 0,
            delay_most_ms: if slow { 3000 } else { 0 },
            seed,
            ..Settings::default()
        };
        let world = World::open(settings);
        world.clock.set_provider_ahead_ms(chance.between(-3_600_000, 3_600_000));
        let start = world.now().unix_ms();
        let plans = (0..orders).map(|no| Plan::draw(&mut chance, no, start)).collect();
        let mut shop = Self {
            world,
            chance,
            weather,
            goods,
            plans,
            evidence: Evidence::default(),
            known: Known::default(),
            stock_takes: BTreeMap::new(),
            by_hand: BTreeMap::new(),
            trace: traced.then(Vec::new),
            broken: Vec::new(),
            held_back: Vec::new(),
            sent: 0,
            elapsed_ms: 0,
        };
        shop.stock_up();
        shop
    }

    /// Before the first order, without faults.
    fn stock_up(&mut self) {
        let mut wishes = Vec::new();
        for (at, (sku, price, on_hand)) in self.goods.items.iter().enumerate() {
            let price = if at == 4 { super::plan::money(*price, 2, "USD") } else { self.goods.money(*price) };
            let body = json!({"sku": sku, "title": sku, "price": price, "on_hand": on_hand});
            wishes.push(("product.upsert", body));
            self.known.received.insert((*sku).to_string(), *on_hand);
        }
        let some = self.goods.money(SOME_UNITS * 10_i64.pow(self.goods.digits));
        wishes.push(("discount.upsert", json!({"code": "ALL", "percent": "100"})));
        wishes.push(("discount.upsert", json!({"code": "THIRD", "percent": "33.3333"})));
        wishes.push(("discount.upsert", json!({"code": "SOME", "amount": some})));
        let long_ago = "2001-01-01T00:00:00Z";
        wishes.push(("discount.upsert", json!({"code": "OLD", "percent": "50", "valid_until": long_ago})));
        for (at, (name, body)) in wishes.iter().enumerate() {
            self.world.command(&format!("catalogue-{at}"), name, body);
        }
        self.work_off();
        for (at, plan) in self.plans.iter().enumerate().filter(|(_, plan)| plan.from_cart) {
            self.world.command(&format!("cart-{at}"), "cart.put", &plan.cart(&self.goods));
        }
        self.work_off();
    }

    fn work_off(&mut self) {
        while let Some(delivery) = self.world.memory_broker.first() {
            self.handle(delivery.queue, vec![delivery], false);
        }
    }

    pub(crate) fn hostile(&mut self) {
        for _ in 0..self.plans.len() * HOSTILE_STEPS_PER_ORDER {
            match self.chance.below(100) {
                0..=77 => self.deliver(true),
                78..=89 => self.something_from_outside(),
                90..=92 => self.time_passes(),
                93 => self.clocks_go_wrong(),
                94..=95 => self.ring(),
                96..=97 => self.courier_comes(),
                98 => self.a_part_goes_away(),
                _ => self.broker_is_lost(),
            }
            if !self.broken.is_empty() {
                return;
            }
        }
    }

    /// From here on nothing fails any more.
    pub(crate) fn heal(&mut self) {
        self.note(|_| "---- calm ----".into());
        self.world.outside.provider_is_away(false);
        self.world.outside.mail_is_away(false);
        for (_, delivery) in std::mem::take(&mut self.held_back) {
            self.world.memory_broker.put_back(delivery);
        }
        while self.plans.iter().any(|plan| !plan.submitted) {
            self.submit_next();
        }
    }

    /// Has a batch handled, from any queue that is not empty, in any order.
    pub(crate) fn deliver(&mut self, hostile: bool) {
        let full: Vec<_> =
            Queue::ALL.into_iter().filter(|queue| self.world.memory_broker.len(*queue) > 0).collect();
        if full.is_empty() {
            return;
        }
        let queue = self.chance.one_of(&full);
        let batch = self.draw(queue, hostile);
        if !batch.is_empty() {
            self.handle(queue, batch, hostile);
        }
    }

    fn draw(&mut self, queue: Queue, hostile: bool) -> Vec<Delivery> {
        let mut batch = Vec::new();
        for _ in 0..=self.chance.below(self.weather.batch_max) {
            let waiting = self.world.memory_broker.len(queue);
            if waiting == 0 {
                break;
            }
            let at = self.chance.below(waiting);
            if at > 0 {
                self.evidence.saw("delivered out of order");
            }
            let delivery = self.world.memory_broker.draw(queue, at);
            if !hostile {
                batch.push(delivery);
                continue;
            }
            if self.chance.happens(self.weather.duplicated) {
                self.evidence.saw("delivered twice");
                self.note(|_| {
                    format!("{queue}: another {} {}", delivery.message.name(), delivery.message.id)
                });
                self.world.memory_broker.put_back(delivery.clone());
            }
            if self.chance.happens(self.weather.lost) {
                self.evidence.saw("lost and redelivered");
                self.world.memory_broker.put_redelivered(queue, delivery.message);
            } else if self.chance.happens(self.weather.held_back) {
                self.evidence.saw("held back");
                let longest = if self.weather.punctual { 2_000 } else { 900_000 };
                let ms = self.chance.between(1, longest).unsigned_abs();
                self.held_back.push((self.world.now().plus_ms(ms), delivery));
            } else {
                batch.push(delivery);
            }
        }
        batch
    }

    fn handle(&mut self, queue: Queue, batch: Vec<Delivery>, hostile: bool) {
        let aim = if hostile { self.weather.aim(&mut self.chance, queue) } else { None };
        let (mut rival, mut drawn) = (Vec::new(), Vec::new());
        if aim.is_some_and(|aim| aim.fault == Fault::Pause) {
            (rival, drawn) = self.rival_batch(queue, &batch);
        }
        let deployment =
            if self.chance.happens(self.weather.together) { Deployment::Together } else { Deployment::Apart };
        if deployment == Deployment::Together {
            self.evidence.saw("workers in one process");
        }
        self.note(|_| {
            let one = |d: &Delivery| {
                let again = if d.redelivered { " (again)" } else { "" };
                format!("{} {}{again}", d.message.name(), d.message.id)
            };
            let batch: Vec<_> = batch.iter().map(one).collect();
            let aim = aim
                .map(|aim| format!("  [{:?} at {:?} {}]", aim.fault, aim.place, aim.nth))
                .unwrap_or_default();
            format!("{queue} ({deployment:?}): {}{aim}", batch.join(", "))
        });
        // The rival is another replica: no fault is injected into it.
        let meanwhile = || {
            rival.append(&mut drawn);
            if let Some(why) = self.world.rival(queue, &rival) {
                self.broken.push(why);
            }
        };
        match self.world.work(queue, batch, deployment, aim, meanwhile) {
            Ok(_) => {}
            Err(why) => self.broken.push(why),
        }
        drawn.into_iter().for_each(|delivery| self.world.memory_broker.put_back(delivery));
        if let (Some(aim), Some(place)) = (aim, self.world.faults.struck()) {
            self.evidence.struck(place, aim.fault);
        }
    }

    /// Some of the same messages, as a redelivery would bring them, and some others.
    fn rival_batch(&mut self, queue: Queue, batch: &[Delivery]) -> (Vec<Delivery>, Vec<Delivery>) {
        let same = batch
            .iter()
            .filter(|_| self.chance.happens(500))
            .map(|delivery| Delivery { redelivered: true, ..delivery.clone() })
            .collect();
        let mut drawn = Vec::new();
        while drawn.len() < 3 && self.world.memory_broker.len(queue) > 0 && self.chance.happens(700) {
            let at = self.chance.below(self.world.memory_broker.len(queue));
            drawn.push(self.world.memory_broker.draw(queue, at));
        }
        (same, drawn)
    }

    fn time_passes(&mut self) {
        let ms = self.chance.between(1, 1500);
        if self.weather.punctual && self.elapsed_ms + ms > PUNCTUAL_MS {
            return;
        }
        self.pass(ms);
    }

    pub(crate) fn pass(&mut self, ms: i64) {
        self.elapsed_ms += ms;
        self.world.clock.pass_ms(ms);
        let now = self.world.now();
        let (due, still): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.held_back).into_iter().partition(|(until, _)| *until <= now);
        self.held_back = still;
        due.into_iter().for_each(|(_, delivery)| self.world.memory_broker.put_back(delivery));
    }

    fn clocks_go_wrong(&mut self) {
        if self.weather.punctual {
            return;
        }
        match self.chance.below(6) {
            0 => {
                self.evidence.saw("clock set back");
                let ms = self.chance.between(1, 5_000);
                self.world.clock.pass_ms(-ms);
                // The system's clock, not the provider's: the provider does not take back an event.
                self.world.clock.provider_jumps_ms(ms);
            }
            1 => {
                self.evidence.saw("provider's clock jumped");
                self.world.clock.provider_jumps_ms(self.chance.between(1, 400_000));
            }
            far => {
                self.evidence.saw("clock jumped");
                let longest = [31_000, 310_000, 90_000, 3_000_000_000][far - 2];
                let ms = self.chance.between(1, longest);
                self.pass(ms);
            }
        }
        self.note(|shop| {
            format!("it is {}, at the provider {}", shop.world.now(), shop.world.clock.provider_now())
        });
    }

    pub(crate) fn ring(&mut self) {
        let dies = self.chance.happens(self.weather.fault / 2);
        let aim =
            dies.then(|| crate::world::faults::Aim::at(crate::world::faults::Place::Due, 0, Fault::Die));
        let rang = self.world.ring(aim);
        if let Some(place) = self.world.faults.struck() {
            self.evidence.struck(place, Fault::Die);
        }
        self.note(|_| format!("timer: {rang:?} deadlines"));
    }

    fn a_part_goes_away(&mut self) {
        let away = self.chance.happens(self.weather.away);
        let provider = self.chance.happens(500);
        if away {
            self.evidence.saw(if provider { "provider away" } else { "mail away" });
        }
        self.note(|_| format!("{} away: {away}", if provider { "provider" } else { "mail" }));
        match provider {
            true => self.world.outside.provider_is_away(away),
            false => self.world.outside.mail_is_away(away),
        }
    }

    fn broker_is_lost(&mut self) {
        if !self.chance.happens(self.weather.broker_lost) {
            return;
        }
        self.evidence.saw("broker lost everything");
        self.note(|_| "the broker has lost everything and is filled from the journal".into());
        self.held_back.clear();
        self.world.refill();
    }

    /// An id that nothing else uses.
    pub(crate) fn new_id(&mut self, what: &str) -> String {
        self.sent += 1;
        format!("{what}-{}", self.sent)
    }

    pub(crate) fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = line(self);
            self.trace.get_or_insert_default().push(line);
        }
    }
}
