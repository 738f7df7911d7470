//! Stock decides who gets which goods: an order's lines are held, given back, shipped and taken back as one.

#![warn(clippy::wildcard_enum_match_arm)]

mod hold;
mod item;
mod order;

use contract::{
    Decision, Message, Need, OrderId, PrefetchHint, Records, Role, StockLine, Table, Time, Worker, inbox,
};

pub use hold::{Hold, HoldStatus};
use hold::{State, merged};
pub use item::{Item, ON_HAND_MAX};
use order::Order;

pub struct StockWorker;

contract::records! {
    /// What stock remembers: how many there are of everything, and what each order was given.
    pub enum StockRecord { Item, Hold }
}

inbox! {
    #[allow(clippy::enum_variant_names)]
    enum Inbox { StockReserve, StockRelease, StockShip, StockRestock, StockCount, StockAdjust }
}

impl Worker for StockWorker {
    const ROLE: Role = Role::Stock;
    type Record = StockRecord;

    fn needs(&self, message: &Message) -> Vec<Need> {
        match Inbox::read(&message.body) {
            None => Vec::new(),
            Some(Inbox::StockReserve(ask)) => hold_and_items(ask.order_id, &ask.lines),
            Some(Inbox::StockRelease(ask)) => hold_and_items(ask.order_id, &ask.lines),
            Some(Inbox::StockShip(ask)) => hold_and_items(ask.order_id, &ask.lines),
            Some(Inbox::StockRestock(ask)) => hold_and_items(ask.order_id, &ask.lines),
            Some(Inbox::StockCount(ask)) => vec![Need::of(Table::Stock, &ask.sku)],
            Some(Inbox::StockAdjust(ask)) => vec![Need::of(Table::Stock, &ask.sku)],
        }
    }

    fn prefetch(&self, hint: PrefetchHint<'_>) -> Vec<Need> {
        match hint {
            PrefetchHint::Checkout(submit) => {
                let lines = submit.cart.iter().flat_map(|cart| &cart.lines);
                let items = lines.map(|line| Need::of(Table::Stock, &line.sku));
                items.chain([Need::of(Table::Holds, submit.order_id)]).collect()
            }
            // Only its hold names the goods.
            PrefetchHint::Payment(order_id) => vec![Need::of(Table::Holds, order_id)],
        }
    }

    fn decide(&self, records: &Records<StockRecord>, message: &Message, now: Time) -> Decision<StockRecord> {
        let Some(command) = Inbox::read(&message.body) else {
            return Decision::misrouted(Role::Stock, message);
        };
        match command {
            Inbox::StockReserve(ask) => {
                let order = Order::of(records, ask.order_id, &ask.lines, now);
                match order.state() {
                    State::Absent => order.reserve(),
                    State::Held(_) | State::Stuck(_) | State::Shipped(_) => order.reserved_again(),
                    State::Refused(hold) => order.refused_again(hold),
                    State::Released(_) => {
                        Decision::ignored("released before, so nothing is reserved any more")
                    }
                    State::OtherLines(hold) => order.lines_differ(hold),
                }
            }
            // Allowed whatever became of the reserve, so that a saga may turn around without knowing.
            Inbox::StockRelease(ask) => {
                let order = Order::of(records, ask.order_id, &ask.lines, now);
                match order.state() {
                    State::Absent => order.release_ahead(),
                    State::Held(hold) | State::Stuck(hold) => order.release(hold),
                    State::Refused(hold) => order.close(hold),
                    State::Released(_) => order.released_again(),
                    // The whole shipment came back unpaid (return number 0): nothing is left to release.
                    State::Shipped(hold) if hold.restocked.contains(&0) => order.released_again(),
                    State::Shipped(hold) => order.alarm("release", Some(hold)),
                    State::OtherLines(hold) => order.lines_differ(hold),
                }
            }
            // The pivot: shipped from a hold or not at all. No saga asks for it in any other state, and a wrong
            // answer could move money; so there is no answer, and a person is told.
            Inbox::StockShip(ask) => {
                let order = Order::of(records, ask.order_id, &ask.lines, now);
                match order.state() {
                    State::Held(hold) => order.ship(hold),
                    State::Stuck(hold) => order.ship_refused_again(hold),
                    State::Shipped(_) => order.shipped_again(),
                    // The saga may have asked twice, and the other asking was answered.
                    State::Released(hold) if hold.shipment_was_refused() => {
                        Decision::ignored("its shipment was refused, and its goods were released since")
                    }
                    State::Absent => order.alarm("ship", None),
                    State::Refused(hold) | State::Released(hold) => order.alarm("ship", Some(hold)),
                    State::OtherLines(hold) => order.lines_differ(hold),
                }
            }
            Inbox::StockRestock(ask) => {
                let order = Order::of(records, ask.order_id, &ask.lines, now);
                match order.state_whatever_the_lines() {
                    State::Shipped(hold) if hold.restocked.contains(&ask.return_no) => {
                        order.restocked_again(ask.return_no)
                    }
                    State::Shipped(hold) => order.restock(hold, ask.return_no),
                    State::Absent => order.alarm("restock", None),
                    State::Held(hold)
                    | State::Stuck(hold)
                    | State::Refused(hold)
                    | State::Released(hold)
                    | State::OtherLines(hold) => order.alarm("restock", Some(hold)),
                }
            }
            Inbox::StockCount(ask) => item::count(records, ask),
            Inbox::StockAdjust(ask) => item::adjust(records, ask),
        }
    }
}

fn hold_and_items(order_id: OrderId, lines: &[StockLine]) -> Vec<Need> {
    let items = merged(lines).into_iter().map(|line| Need::of(Table::Stock, line.sku));
    std::iter::once(Need::of(Table::Holds, order_id)).chain(items).collect()
}

#[cfg(test)]
mod tests;
