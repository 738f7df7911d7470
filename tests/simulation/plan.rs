//! What one customer orders, what is wrong with it, and what it must cost by the test's own arithmetic.

use contract::OrderId;
use serde_json::{Value, json};
use uuid::Uuid;

use super::chance::Chance;
use crate::world::claims::half_even;

pub(crate) struct Plan {
    pub(crate) id: OrderId,
    pub(crate) message_id: String,
    pub(crate) lines: Vec<(usize, i64)>,
    pub(crate) method: &'static str,
    pub(crate) token: Option<&'static str>,
    pub(crate) email: bool,
    pub(crate) phone: bool,
    pub(crate) discount: Option<&'static str>,
    pub(crate) flaw: Option<Flaw>,
    /// The lines come from a stored cart, whose customer orders nothing else.
    pub(crate) from_cart: bool,
    /// Only the customer's own submission touches it before the faults stop.
    pub(crate) left_alone: bool,
    /// It is charged only once the customer confirms it.
    pub(crate) later: bool,
    /// Whether the cash for an order on delivery comes one day, or the confirmation.
    pub(crate) pays: bool,
    // ---- what was done to it --------------------------------------------------------------------------
    pub(crate) submitted: bool,
    pub(crate) cancelled_by: Vec<&'static str>,
    pub(crate) paid: bool,
    pub(crate) gave_up: bool,
    pub(crate) forged: bool,
    pub(crate) resolved: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flaw {
    UnknownSku,
    NoItems,
    NoneOfIt,
    NoCustomer,
    TwoCurrencies,
    DiscountExpired,
    DiscountUnknown,
    NoToken,
    BadEmail,
}

impl Flaw {
    const ALL: [Flaw; 9] = [
        Flaw::UnknownSku,
        Flaw::NoItems,
        Flaw::NoneOfIt,
        Flaw::NoCustomer,
        Flaw::TwoCurrencies,
        Flaw::DiscountExpired,
        Flaw::DiscountUnknown,
        Flaw::NoToken,
        Flaw::BadEmail,
    ];

    pub(crate) fn code(self) -> &'static str {
        match self {
            Flaw::UnknownSku => "product_unknown",
            Flaw::NoItems => "cart_empty",
            Flaw::NoneOfIt => "quantity_invalid",
            Flaw::NoCustomer | Flaw::NoToken => "required",
            Flaw::TwoCurrencies => "currencies_mixed",
            Flaw::DiscountExpired | Flaw::DiscountUnknown => "discount_invalid",
            Flaw::BadEmail => "invalid",
        }
    }
}

/// A shop's goods: (sku, price in minor units, how many). The last one is priced in another currency.
pub(crate) struct Goods {
    pub(crate) currency: &'static str,
    pub(crate) digits: u32,
    pub(crate) items: Vec<(&'static str, i64, i64)>,
}

pub(crate) const AMPLE: [usize; 2] = [0, 1];
pub(crate) const SCARCE: [usize; 2] = [2, 3];
const FOREIGN: usize = 4;

pub(crate) const TOKENS: [&str; 12] = [
    "tok_ok",
    "tok_declined",
    "tok_insufficient_funds",
    "tok_expired_card",
    "tok_fraud",
    "tok_never_answers",
    "tok_late",
    "tok_lost_answer",
    "tok_duplicate_event",
    "tok_refund_fails_once",
    "tok_refund_fails",
    "tok_left_to_chance",
];

impl Goods {
    pub(crate) fn draw(chance: &mut Chance, orders: usize) -> Self {
        let (currency, digits) = chance.one_of(&[("EUR", 2), ("EUR", 2), ("JPY", 0), ("BHD", 3)]);
        let mut price = |free: u64| match (chance.happens(free), chance.happens(60)) {
            (true, _) => 0,
            (false, false) => chance.between(1, 12_000),
            (false, true) => chance.between(50_000, 90_000),
        };
        let prices = [price(0), price(150), price(0), price(0)];
        let scarce = orders as i64 / 2;
        let items = vec![
            ("ample-1", prices[0], 100_000),
            ("ample-2", prices[1], 100_000),
            ("scarce-1", prices[2], chance.between(0, scarce)),
            ("scarce-2", prices[3], chance.between(0, scarce)),
            ("foreign", 100, 100_000),
        ];
        Self { currency, digits, items }
    }

    pub(crate) fn money(&self, minor: i64) -> Value {
        money(minor, self.digits, self.currency)
    }
}

pub(crate) fn money(minor: i64, digits: u32, currency: &str) -> Value {
    let unit = 10_i64.pow(digits);
    let sign = if minor < 0 { "-" } else { "" };
    let (whole, rest) = (minor.abs() / unit, minor.abs() % unit);
    let amount = match digits {
        0 => format!("{sign}{whole}"),
        digits => format!("{sign}{whole}.{rest:0width$}", width = digits as usize),
    };
    json!({"amount": amount, "currency": currency})
}

impl Plan {
    pub(crate) fn draw(chance: &mut Chance, no: usize, at_ms: i64) -> Self {
        let method = chance.one_of(&["card", "card", "debit_card", "paypal", "paypal", "cod", "cod"]);
        let token = match method {
            "cod" => None,
            "paypal" if chance.happens(300) => None,
            _ if chance.happens(350) => Some("tok_ok"),
            _ => Some(chance.one_of(&TOKENS)),
        };
        let shelf: &[usize] = if chance.happens(550) { &AMPLE } else { &[0, 1, 2, 3] };
        let mut lines: Vec<(usize, i64)> = Vec::new();
        for _ in 0..=chance.below(3) {
            let (item, quantity) = (chance.one_of(shelf), chance.between(1, 3));
            match lines.iter_mut().find(|(known, _)| *known == item) {
                Some(line) => line.1 += quantity,
                None => lines.push((item, quantity)),
            }
        }
        let flaw = chance.happens(80).then(|| chance.one_of(&Flaw::ALL));
        let discount = chance.happens(250).then(|| chance.one_of(&["ALL", "ALL", "THIRD", "SOME"]));
        // The other flaws are flaws of the lines.
        let right_lines = matches!(flaw, None | Some(Flaw::DiscountExpired | Flaw::DiscountUnknown));
        let from_cart = right_lines && chance.happens(250);
        let later = method != "cod" && flaw.is_none() && chance.happens(150);
        let id = uuid(chance, at_ms + no as i64);
        let named = chance.happens(500);
        Self {
            id: OrderId::new(id),
            // Any text may be a message id; without an order id in the body, a UUID becomes the order's id too.
            message_id: if named { format!("submit-{no}") } else { id.to_string() },
            lines,
            method,
            token,
            email: chance.happens(700),
            phone: chance.happens(400),
            discount,
            flaw,
            from_cart,
            later,
            left_alone: chance.happens(450),
            pays: chance.happens(700),
            submitted: false,
            cancelled_by: Vec::new(),
            paid: false,
            gave_up: false,
            forged: false,
            resolved: 0,
        }
    }

    pub(crate) fn body(&self, goods: &Goods) -> Value {
        let mut items: Vec<_> = self
            .lines
            .iter()
            .map(|(item, quantity)| json!({"sku": goods.items[*item].0, "quantity": quantity}))
            .collect();
        match self.flaw {
            Some(Flaw::UnknownSku) => items.push(json!({"sku": "nowhere", "quantity": 1})),
            Some(Flaw::NoItems) => items.clear(),
            Some(Flaw::NoneOfIt) => items.push(json!({"sku": goods.items[0].0, "quantity": 0})),
            Some(Flaw::TwoCurrencies) => items.push(json!({"sku": goods.items[FOREIGN].0, "quantity": 1})),
            _ => {}
        }
        let mut payment = json!({"method": self.method});
        if let Some(token) = self.token {
            payment["token"] = token.into();
        }
        if self.later {
            payment["confirm"] = "manual".into();
        }
        if self.flaw == Some(Flaw::NoToken) {
            payment = json!({"method": "card"});
        }
        let mut contact = json!({});
        if self.email {
            contact["email"] = format!("{}@example.org", self.id).into();
        }
        if self.phone {
            contact["phone"] = "+49301234567".into();
        }
        if self.flaw == Some(Flaw::BadEmail) {
            contact["email"] = "nobody".into();
        }
        let mut body = json!({"items": items, "payment": payment, "contact": contact});
        if self.message_id != self.id.to_string() {
            body["order_id"] = self.id.to_string().into();
        }
        if self.flaw != Some(Flaw::NoCustomer) {
            body["customer_id"] = self.customer_id().into();
        }
        if self.from_cart {
            body["items"] = Value::Null;
            body["cart"] = true.into();
        }
        let discount = match self.flaw {
            Some(Flaw::DiscountExpired) => Some("OLD"),
            Some(Flaw::DiscountUnknown) => Some("NEVER-MADE"),
            _ => self.discount,
        };
        if let Some(code) = discount {
            body["discount_code"] = code.into();
        }
        body
    }

    /// Nothing is charged before the customer sends order.pay.
    pub(crate) fn waits_to_be_paid(&self) -> bool {
        self.method == "cod" || self.later
    }

    /// Only patience can keep it from being paid, so that an early capture is matched sooner or later.
    pub(crate) fn may_be_paid_early(&self, goods: &Goods) -> bool {
        let sure = self.left_alone && !self.wants_scarce() && !self.waits_to_be_paid();
        sure && self.token == Some("tok_ok") && self.refusal(goods).is_none() && self.total(goods) > 0
    }

    pub(crate) fn customer_id(&self) -> String {
        if self.from_cart { format!("customer of {}", self.id) } else { "somebody".into() }
    }

    /// The stored cart before the first order.
    pub(crate) fn cart(&self, goods: &Goods) -> Value {
        let line =
            |(item, quantity): &(usize, i64)| json!({"sku": goods.items[*item].0, "quantity": quantity});
        let items: Vec<_> = self.lines.iter().map(line).collect();
        json!({"customer_id": self.customer_id(), "items": items})
    }

    /// The total in minor units.
    pub(crate) fn total(&self, goods: &Goods) -> i64 {
        let subtotal: i64 = self.lines.iter().map(|(item, quantity)| goods.items[*item].1 * quantity).sum();
        let off = match self.discount {
            None => 0,
            Some("ALL") => subtotal,
            Some("THIRD") => half_even(i128::from(subtotal) * 333_333, 1_000_000),
            Some(_) => subtotal.min(SOME_UNITS * 10_i64.pow(goods.digits)),
        };
        subtotal - off
    }

    /// The code of the first fault that its sender is told.
    pub(crate) fn refusal(&self, goods: &Goods) -> Option<&'static str> {
        let most = match self.method {
            "card" => 5_000_000,
            "cod" => 200_000,
            _ => 1_000_000,
        };
        let over = self.total(goods) > most;
        self.flaw.map(Flaw::code).or(over.then_some("amount_over_limit"))
    }

    pub(crate) fn wants_scarce(&self) -> bool {
        self.lines.iter().any(|(item, _)| SCARCE.contains(item))
    }

    pub(crate) fn declined_by_token(&self) -> bool {
        let declines = ["tok_declined", "tok_insufficient_funds", "tok_expired_card", "tok_fraud"];
        self.token.is_some_and(|token| declines.contains(&token))
    }
}

/// What the discount SOME takes off, in whole units.
pub(crate) const SOME_UNITS: i64 = 5;

fn uuid(chance: &mut Chance, at_ms: i64) -> Uuid {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&chance.next().to_be_bytes());
    bytes[8..].copy_from_slice(&chance.next().to_be_bytes());
    bytes[..6].copy_from_slice(&at_ms.to_be_bytes()[2..]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
