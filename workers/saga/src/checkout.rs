//! What a checkout is: which steps, in which order, and beside each how it is undone.
//!
//! A saga finishes by the definition it started with. To add a step, add it to the newest list and keep the old list
//! below it under its old version; delete that one when no running saga uses it any more.

use contract::{
    Body, MarkAccepted, MarkFulfilled, MarkPaid, MarkReturned, PaymentByHand, PaymentCharge, PaymentCheck,
    PaymentRefund, StockRelease, StockReserve, StockRestock, StockShip,
};

use crate::Patience;
use crate::interpreter::{Declined, Overdue, Rule, Undo};
use crate::subject::Subject;

pub(crate) struct Definition {
    pub(crate) name: &'static str,
    pub(crate) version: u32,
    pub(crate) steps: &'static [Step],
}

pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) ask: fn(&Subject) -> Body,
    /// Asked instead when the answer is overdue and another worker can find out what became of it.
    pub(crate) check: Option<fn(&Subject) -> Body>,
    pub(crate) undo: Way,
    pub(crate) pivot: bool,
    pub(crate) patience_s: fn(&Patience) -> u64,
    pub(crate) overdue: Overdue,
    pub(crate) declined: Declined,
    pub(crate) by_hand: Option<fn(&Subject, String) -> Body>,
}

/// How a step is taken back.
pub(crate) enum Way {
    By(fn(&Subject) -> Body),
    Needless(&'static str),
    Impossible(&'static str),
}

pub(crate) const DEFINITIONS: &[Definition] = &[
    Definition {
        name: CHECKOUT,
        version: 1,
        steps: &[HOLD_STOCK, TAKE_PAYMENT, MARK_PAID, SHIP, MARK_FULFILLED],
    },
    Definition {
        name: PAY_LATER,
        version: 1,
        steps: &[HOLD_STOCK, AWAIT_PAYMENT, MARK_PAID, SHIP, MARK_FULFILLED],
    },
    Definition {
        name: CASH_ON_DELIVERY,
        version: 2,
        steps: &[HOLD_STOCK, SHIP_UNPAID, MARK_ACCEPTED, COLLECT_CASH, MARK_PAID, MARK_FULFILLED],
    },
    Definition {
        name: CASH_ON_DELIVERY,
        version: 1,
        steps: &[HOLD_STOCK, SHIP_UNPAID, COLLECT_CASH, MARK_PAID, MARK_FULFILLED],
    },
    Definition { name: RETURN, version: 1, steps: &[REFUND_RETURN, TAKE_BACK, MARK_RETURNED] },
];

pub(crate) const CHECKOUT: &str = "checkout";
pub(crate) const PAY_LATER: &str = "pay_later";
pub(crate) const CASH_ON_DELIVERY: &str = "cash_on_delivery";
pub(crate) const RETURN: &str = "return";

const HOLD_STOCK: Step = Step {
    name: "hold_stock",
    ask: |s| Body::StockReserve(StockReserve { order_id: s.order_id, lines: s.lines.clone() }),
    undo: Way::By(|s| Body::StockRelease(StockRelease { order_id: s.order_id, lines: s.lines.clone() })),
    ..PLAIN
};

const TAKE_PAYMENT: Step = Step {
    name: "take_payment",
    ask: charge,
    // A timeout is not a decline: the provider is asked, and only what it has not captured is given up.
    check: Some(|s| Body::PaymentCheck(PaymentCheck { order_id: s.order_id })),
    overdue: Overdue::Check,
    undo: Way::By(refund),
    patience_s: |p| p.payment_s,
    by_hand: Some(refunded_by_hand),
    ..PLAIN
};

/// The same, but payment charges nothing until the customer confirms it. Without a confirmation the goods are
/// released.
const AWAIT_PAYMENT: Step = Step { name: "await_payment", ..TAKE_PAYMENT };

const MARK_PAID: Step = Step {
    name: "mark_paid",
    ask: |s| {
        Body::MarkPaid(MarkPaid {
            order_id: s.order_id,
            transaction_id: s.transaction_id.clone().unwrap_or_default(),
        })
    },
    undo: Way::Needless("the order ends as refunded instead of cancelled"),
    ..PLAIN
};

const SHIP: Step = Step {
    name: "ship",
    ask: |s| Body::StockShip(StockShip { order_id: s.order_id, lines: s.lines.clone() }),
    undo: Way::Impossible("the goods are on their way (a refused shipment left them where they were)"),
    pivot: true,
    patience_s: |p| p.ship_s,
    ..PLAIN
};

/// Goods that are not paid for can come back; a customer cannot cancel them any more, an operator can.
const SHIP_UNPAID: Step = Step {
    undo: Way::By(|s| {
        Body::StockRestock(StockRestock { order_id: s.order_id, return_no: 0, lines: s.lines.clone() })
    }),
    ..SHIP
};

const MARK_ACCEPTED: Step = Step {
    name: "mark_accepted",
    ask: |s| Body::MarkAccepted(MarkAccepted { order_id: s.order_id }),
    undo: Way::Needless("the order ends as cancelled all the same"),
    ..PLAIN
};

/// The money comes when the shop reports it (`order.pay`), and after a long while only a person knows.
const COLLECT_CASH: Step = Step {
    name: "collect_cash",
    ask: charge,
    overdue: Overdue::CallOperator,
    declined: Declined::CallOperator,
    undo: Way::By(refund),
    patience_s: |p| p.cod_s,
    by_hand: Some(refunded_by_hand),
    ..PLAIN
};

const MARK_FULFILLED: Step = Step {
    name: "mark_fulfilled",
    ask: |s| Body::MarkFulfilled(MarkFulfilled { order_id: s.order_id }),
    undo: Way::Impossible("the goods are gone and paid for; a return is a saga of its own"),
    declined: Declined::CallOperator,
    ..PLAIN
};

const REFUND_RETURN: Step = Step {
    name: "refund",
    ask: |s| {
        Body::PaymentRefund(PaymentRefund {
            order_id: s.order_id,
            return_no: s.return_no,
            amount: Some(s.total),
        })
    },
    undo: Way::Impossible("money that went back is not taken again"),
    declined: Declined::CallOperator,
    by_hand: Some(refunded_by_hand),
    ..PLAIN
};

const TAKE_BACK: Step = Step {
    name: "take_back",
    ask: |s| {
        Body::StockRestock(StockRestock {
            order_id: s.order_id,
            return_no: s.return_no,
            lines: s.lines.clone(),
        })
    },
    undo: Way::Impossible("the goods are back"),
    declined: Declined::CallOperator,
    ..PLAIN
};

const MARK_RETURNED: Step = Step {
    name: "mark_returned",
    ask: |s| {
        Body::MarkReturned(MarkReturned { order_id: s.order_id, return_no: s.return_no, amount: s.refunded })
    },
    undo: Way::Impossible("a return is not returned"),
    declined: Declined::CallOperator,
    ..PLAIN
};

/// What most steps have in common. `ask` and `undo` are never left as they are here.
const PLAIN: Step = Step {
    name: "",
    ask: charge,
    check: None,
    undo: Way::Needless(""),
    pivot: false,
    patience_s: |p| p.stock_s,
    overdue: Overdue::AskAgain,
    declined: Declined::TurnAround,
    by_hand: None,
};

fn charge(s: &Subject) -> Body {
    Body::PaymentCharge(PaymentCharge {
        order_id: s.order_id,
        customer_id: s.customer_id.clone(),
        amount: s.total,
        payment: s.payment.clone(),
        patience_s: None,
    })
}

fn refund(s: &Subject) -> Body {
    Body::PaymentRefund(PaymentRefund { order_id: s.order_id, return_no: 0, amount: None })
}

fn refunded_by_hand(s: &Subject, evidence: String) -> Body {
    Body::PaymentByHand(PaymentByHand { order_id: s.order_id, return_no: s.return_no, evidence })
}

impl Definition {
    pub(crate) fn newest(name: &str) -> &'static Definition {
        DEFINITIONS.iter().find(|d| d.name == name).expect("every name constant above has a definition")
    }

    /// `None` when a saga was started by a version that this program does not know.
    pub(crate) fn of(name: &str, version: u32) -> Option<&'static Definition> {
        DEFINITIONS.iter().find(|d| d.name == name && d.version == version)
    }

    pub(crate) fn step(&self, name: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.name == name)
    }

    pub(crate) fn rules(&self) -> Vec<Rule> {
        self.steps.iter().map(Step::rule).collect()
    }
}

impl Step {
    fn rule(&self) -> Rule {
        let undo = match self.undo {
            Way::By(_) => Undo::ByCommand,
            Way::Needless(why) => Undo::Needless(why),
            Way::Impossible(why) => Undo::Impossible(why),
        };
        Rule {
            pivot: self.pivot,
            undo,
            overdue: self.overdue,
            declined: self.declined,
            by_hand: self.by_hand.is_some(),
        }
    }
}

/// The whole table, for documents and tests: a line for each step of each definition.
pub fn table() -> Vec<[String; 6]> {
    let mut lines = Vec::new();
    for definition in DEFINITIONS {
        for (step, rule) in definition.steps.iter().zip(definition.rules()) {
            let subject = example();
            let undo = match (&step.undo, rule.undo) {
                (Way::By(undo), _) => undo(&subject).name().to_string(),
                (_, Undo::Needless(why)) => format!("needless: {why}"),
                (_, Undo::Impossible(why)) => format!("none: {why}"),
                (_, Undo::ByCommand) => unreachable!("a rule says what its step says"),
            };
            lines.push([
                format!("{} v{}", definition.name, definition.version),
                step.name.to_string(),
                (step.ask)(&subject).name().to_string(),
                undo,
                if step.pivot { "pivot".to_string() } else { String::new() },
                format!("{:?}, {:?}", step.overdue, step.declined),
            ]);
        }
    }
    lines
}

pub(crate) fn example() -> Subject {
    let order_id = contract::OrderId::default();
    let euro = contract::Currency::from_code("EUR").expect("EUR is a currency");
    Subject {
        order_id,
        return_no: 0,
        customer_id: String::new(),
        lines: Vec::new(),
        total: contract::Money::zero(euro),
        payment: contract::PaymentChoice::by(contract::Method::Card, None),
        transaction_id: None,
        refunded: None,
    }
}
