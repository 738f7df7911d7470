//! A shop with stock, stored as the real loop stores it. The behaviour: table.rs; what always holds: claims.rs;
//! limits: edges.rs.

mod claims;
mod edges;
mod table;

use std::collections::HashMap;

use contract::{
    Body, Decision, Message, MessageId, Need, OrderId, Outcome, Record, Records, Short, Sku, StockAdjust,
    StockCount, StockLine, StockRelease, StockReserve, StockRestock, StockShip, Time, Worker,
};

use crate::{Hold, Item, StockRecord, StockWorker};

/// A shop's stock: what was saved, and a way to send the worker messages.
#[derive(Default, Clone)]
struct Shop {
    kept: HashMap<Need, StockRecord>,
    told: i64,
}

impl Shop {
    /// Records go through JSON and only those named in `needs` are there, as in the real loop.
    fn tell(&mut self, body: Body) -> Decision<StockRecord> {
        self.told += 1;
        let id = MessageId::new(&format!("m{}", self.told)).unwrap();
        let message = Message::new(id, Time::default(), body);
        let mut records = Records::default();
        for need in StockWorker.needs(&message) {
            let found = self
                .kept
                .get(&need)
                .map(|record| (1, StockRecord::from_json(record.table(), &record.to_json()).unwrap()));
            records.put(need, found);
        }
        let decision = StockWorker.decide(&records, &message, Time::from_unix_ms(self.told));
        for record in &decision.save {
            records.save(record.clone());
        }
        for (need, _, record) in records.changed() {
            self.kept.insert(need.clone(), record.clone());
        }
        decision
    }

    fn told(mut self, bodies: impl IntoIterator<Item = Body>) -> Self {
        for body in bodies {
            self.tell(body);
        }
        self
    }

    fn item(&self, name: &str) -> Option<Item> {
        self.items().into_iter().find(|item| item.sku == sku(name))
    }

    fn items(&self) -> Vec<Item> {
        self.kept.values().filter_map(contract::Holds::<Item>::held).cloned().collect()
    }

    fn holds(&self) -> Vec<Hold> {
        self.kept.values().filter_map(contract::Holds::<Hold>::held).cloned().collect()
    }

    fn hold(&self, order: u32) -> Option<Hold> {
        self.holds().into_iter().find(|hold| hold.order_id == id(order))
    }
}

fn id(order: u32) -> OrderId {
    format!("01932b4a-1111-7000-8000-{order:012}").parse().unwrap()
}

fn sku(name: &str) -> Sku {
    Sku::new(name).unwrap()
}

fn lines(wanted: &[(&str, u32)]) -> Vec<StockLine> {
    let line = |(name, quantity): &(&str, u32)| StockLine {
        sku: sku(name),
        title: format!("Book {name}"),
        quantity: *quantity,
    };
    wanted.iter().map(line).collect()
}

fn reserve(order: u32, wanted: &[(&str, u32)]) -> Body {
    Body::StockReserve(StockReserve { order_id: id(order), lines: lines(wanted) })
}

fn release(order: u32, wanted: &[(&str, u32)]) -> Body {
    Body::StockRelease(StockRelease { order_id: id(order), lines: lines(wanted) })
}

fn ship(order: u32, wanted: &[(&str, u32)]) -> Body {
    Body::StockShip(StockShip { order_id: id(order), lines: lines(wanted) })
}

fn restock(order: u32, return_no: u32, wanted: &[(&str, u32)]) -> Body {
    Body::StockRestock(StockRestock { order_id: id(order), return_no, lines: lines(wanted) })
}

fn count(name: &str, on_hand: u32) -> Body {
    Body::StockCount(StockCount { sku: sku(name), on_hand })
}

fn adjust(name: &str, delta: i64, reason: &str) -> Body {
    Body::StockAdjust(StockAdjust { sku: sku(name), delta, reason: reason.into(), who: None })
}

fn outcome(decision: &Decision<StockRecord>) -> String {
    match &decision.outcome {
        Outcome::Done(what) => (*what).to_string(),
        Outcome::Ignored(why) => format!("ignored: {why}"),
        Outcome::Alarm(why) => format!("ALARM: {why}"),
        Outcome::Parked { code, .. } => format!("PARKED {code}"),
    }
}

fn says(decision: &Decision<StockRecord>) -> String {
    let say = |body: &Body| {
        if let Body::StockRefused(fact) | Body::StockShipRefused(fact) = body {
            return format!("{} {}", body.name(), missing(&fact.short));
        }
        body.name().to_string()
    };
    match decision.send.is_empty() {
        true => "says nothing".into(),
        false => format!("says {}", decision.send.iter().map(say).collect::<Vec<_>>().join(", ")),
    }
}

fn missing(short: &[Short]) -> String {
    let one = |short: &Short| {
        format!("({} “{}” {} of {})", short.sku, short.title, short.available, short.requested)
    };
    short.iter().map(one).collect()
}
