//! An order gets all of its lines or none, and an answer that was given once is given again unchanged.

use contract::{
    Body, Decision, OrderId, Records, Short, StockFact, StockLine, StockRefused, StockRestocked, Time,
};

use crate::StockRecord;
use crate::hold::{Hold, HoldStatus, State, merged};
use crate::item::{Item, Refusal};

/// One order's message, with all that deciding on it needs.
pub(crate) struct Order<'a> {
    records: &'a Records<StockRecord>,
    id: OrderId,
    lines: Vec<StockLine>,
    now: Time,
}

impl<'a> Order<'a> {
    pub(crate) fn of(records: &'a Records<StockRecord>, id: OrderId, lines: &[StockLine], now: Time) -> Self {
        Self { records, id, lines: merged(lines), now }
    }

    pub(crate) fn state(&self) -> State<'a> {
        match self.found() {
            Some(hold) if !hold.is_for(&self.lines) => State::OtherLines(hold),
            hold => State::of(hold),
        }
    }

    /// For a return, which may bring back a part.
    pub(crate) fn state_whatever_the_lines(&self) -> State<'a> {
        State::of(self.found())
    }

    pub(crate) fn reserve(&self) -> Decision<StockRecord> {
        let short = self.short_of(Item::free);
        if short.is_empty() {
            let hold = self.hold(HoldStatus::Held, Vec::new());
            return self.moved(Item::promise, hold, "reserved", Body::StockReserved(self.fact()));
        }
        let refused = Body::StockRefused(self.refusal(short.clone()));
        Decision::done("refused").save(self.hold(HoldStatus::Refused, short)).say(refused)
    }

    pub(crate) fn release(&self, hold: &Hold) -> Decision<StockRecord> {
        let hold = Hold { status: HoldStatus::Released, at: self.now, ..hold.clone() };
        self.moved(Item::give_back, hold, "released", Body::StockReleased(self.fact()))
    }

    /// The reserve has not come yet. What is written here makes it do nothing when it comes.
    pub(crate) fn release_ahead(&self) -> Decision<StockRecord> {
        let hold = self.hold(HoldStatus::Released, Vec::new());
        Decision::done("released before it was reserved").save(hold).say(Body::StockReleased(self.fact()))
    }

    /// Nothing was held, so nothing is released.
    pub(crate) fn close(&self, hold: &Hold) -> Decision<StockRecord> {
        let hold = Hold { status: HoldStatus::Released, short: Vec::new(), at: self.now, ..hold.clone() };
        Decision::done("released").save(hold).say(Body::StockReleased(self.fact()))
    }

    pub(crate) fn ship(&self, hold: &Hold) -> Decision<StockRecord> {
        let short = self.short_of(|item| item.on_hand);
        if short.is_empty() {
            let hold = Hold { status: HoldStatus::Shipped, at: self.now, ..hold.clone() };
            return self.moved(Item::send_off, hold, "shipped", Body::StockShipped(self.fact()));
        }
        let refused = Body::StockShipRefused(self.refusal(short.clone()));
        let hold = Hold { short, at: self.now, ..hold.clone() };
        Decision::done("shipment refused").save(hold).say(refused)
    }

    pub(crate) fn restock(&self, hold: &Hold, return_no: u32) -> Decision<StockRecord> {
        let returned = match hold.returned_with(&self.lines) {
            Ok(returned) => returned,
            Err(refusal) => return refusal.park(),
        };
        let mut hold = Hold { returned, at: self.now, ..hold.clone() };
        hold.restocked.push(return_no);
        self.moved(Item::take_back, hold, "restocked", self.restocked(return_no))
    }

    pub(crate) fn reserved_again(&self) -> Decision<StockRecord> {
        Decision::done("reserved before").say(Body::StockReserved(self.fact()))
    }

    pub(crate) fn refused_again(&self, hold: &Hold) -> Decision<StockRecord> {
        Decision::done("refused before").say(Body::StockRefused(self.refusal(hold.short.clone())))
    }

    pub(crate) fn released_again(&self) -> Decision<StockRecord> {
        Decision::done("released before").say(Body::StockReleased(self.fact()))
    }

    pub(crate) fn shipped_again(&self) -> Decision<StockRecord> {
        Decision::done("shipped before").say(Body::StockShipped(self.fact()))
    }

    pub(crate) fn ship_refused_again(&self, hold: &Hold) -> Decision<StockRecord> {
        Decision::done("shipment refused before")
            .say(Body::StockShipRefused(self.refusal(hold.short.clone())))
    }

    pub(crate) fn restocked_again(&self, return_no: u32) -> Decision<StockRecord> {
        Decision::done("restocked before").say(self.restocked(return_no))
    }

    pub(crate) fn alarm(&self, asked: &str, hold: Option<&Hold>) -> Decision<StockRecord> {
        let standing = hold.map_or("unknown to stock", |hold| hold.status.name());
        Decision::alarm(format!(
            "asked to {asked} an order that is {standing}: nothing was changed; look at its saga"
        ))
    }

    pub(crate) fn lines_differ(&self, hold: &Hold) -> Decision<StockRecord> {
        let why = format!(
            "order {} is {} with other lines than this message names; send the lines it was reserved with",
            self.id,
            hold.status.name()
        );
        Decision::parked("lines_differ", why)
    }

    /// All items change, or the message is parked and none does.
    fn moved(
        &self,
        change: fn(Item, i64) -> Result<Item, Refusal>,
        hold: Hold,
        what: &'static str,
        fact: Body,
    ) -> Decision<StockRecord> {
        let mut decision = Decision::done(what).save(hold).say(fact);
        for line in &self.lines {
            match change(Item::find(self.records, &line.sku), i64::from(line.quantity)) {
                Ok(item) => decision = decision.save(item),
                Err(refusal) => return refusal.park(),
            }
        }
        decision
    }

    fn short_of(&self, available: impl Fn(&Item) -> i64) -> Vec<Short> {
        let short = |line: &StockLine| {
            let available = available(&Item::find(self.records, &line.sku)).max(0);
            (available < i64::from(line.quantity)).then(|| Short {
                sku: line.sku.clone(),
                title: line.title.clone(),
                requested: line.quantity,
                available: u32::try_from(available).expect("less than a u32 was asked for"),
            })
        };
        self.lines.iter().filter_map(short).collect()
    }

    fn found(&self) -> Option<&'a Hold> {
        self.records.get::<Hold>(&self.id.to_string())
    }

    fn hold(&self, status: HoldStatus, short: Vec<Short>) -> Hold {
        let (restocked, returned) = (Vec::new(), Vec::new());
        Hold {
            order_id: self.id,
            status,
            lines: self.lines.clone(),
            short,
            restocked,
            returned,
            at: self.now,
        }
    }

    fn fact(&self) -> StockFact {
        StockFact { order_id: self.id, at: self.now }
    }

    fn refusal(&self, short: Vec<Short>) -> StockRefused {
        StockRefused { order_id: self.id, at: self.now, short }
    }

    fn restocked(&self, return_no: u32) -> Body {
        Body::StockRestocked(StockRestocked { order_id: self.id, at: self.now, return_no })
    }
}
