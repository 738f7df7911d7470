//! Any messages, in any order, any number of times: the money still adds up.

use std::collections::{BTreeMap, BTreeSet};

use contract::{ChargeStanding, ProviderEventKind};

use super::*;
use crate::RefundState;

const WALKS: u64 = 2_000;
const STEPS: usize = 40;

/// Numbers that look random and are the same each time (Knuth's MMIX).
struct Rng(u64);

impl Rng {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn one_of<T: Clone>(&mut self, sides: &[T]) -> T {
        sides[self.below(sides.len())].clone()
    }
}

/// What was sent and received so far, as far as the claims need it.
#[derive(Default)]
struct Heard {
    charge_keys: BTreeSet<String>,
    refund_keys: BTreeMap<u32, BTreeSet<String>>,
    refusals: usize,
    captured: bool,
    declined: bool,
    booked: Option<i64>,
    refunded: i64,
}

#[test]
fn whatever_is_heard_no_money_is_lost_or_doubled() {
    for seed in 0..WALKS {
        let mut rng = Rng(seed);
        let (mut books, mut heard, mut story) = (Books::default(), Heard::default(), Vec::new());
        for _ in 0..STEPS {
            let again = !story.is_empty() && rng.below(4) == 0;
            let body = if again { rng.one_of(&story) } else { any(&mut rng) };
            story.push(body.clone());
            let send = books.hear(body.clone()).send;
            heard.check(&body, &send, &books).unwrap_or_else(|broken| {
                let names: Vec<_> = story.iter().map(Body::name).collect();
                panic!("seed {seed}: {broken}\nafter {names:?}\n{}", books.standing())
            });
        }
    }
}

impl Heard {
    #[allow(clippy::wildcard_enum_match_arm)]
    fn check(&mut self, body: &Body, send: &[Body], books: &Books) -> Result<(), &'static str> {
        if let Body::ProviderEvent(event) = body {
            self.refusals += usize::from(event.kind == ProviderEventKind::RefundFailed);
        }
        for body in send {
            match body {
                Body::ProviderCharge(b) => _ = self.charge_keys.insert(b.key.clone()),
                Body::ProviderQuery(b) => _ = self.charge_keys.insert(b.key.clone()),
                Body::ProviderRefund(b) if b.key.starts_with("refund/") => {
                    let return_no = b.key.split('/').nth(2).and_then(|no| no.parse().ok()).unwrap();
                    self.refund_keys.entry(return_no).or_default().insert(b.key.clone());
                }
                Body::PaymentCaptured(_) => self.captured = true,
                Body::PaymentDeclined(b) if !b.may_be_retried => self.declined = true,
                _ => {}
            }
        }
        let true = books.row.is_some() else { return Ok(()) };
        let payment = books.payment();
        let sum = |state: Option<RefundState>| -> i64 {
            let some = payment.refunds.iter().filter(|r| state.is_none_or(|state| r.state == state));
            some.map(|refund| refund.amount.minor()).sum()
        };
        let times_captured = payment.history.iter().filter(|(_, s)| *s == Status::Captured).count();
        let before = *self.booked.get_or_insert(payment.captured_minor);
        self.booked = Some(payment.captured_minor);
        let new_keys = self.refund_keys.values().map(|keys| keys.len() - 1).sum::<usize>();
        let refunded_before = std::mem::replace(&mut self.refunded, payment.refunded_minor);
        let claims = [
            (0 <= payment.refunded_minor, "less than nothing went back"),
            (payment.refunded_minor <= payment.captured_minor, "more went back than was captured"),
            (sum(None) <= payment.captured_minor, "more is to go back than was captured"),
            (sum(Some(RefundState::Done)) == payment.refunded_minor, "refunds and books differ"),
            (refunded_before <= payment.refunded_minor, "a refund was unbooked"),
            (times_captured <= 1, "it was captured twice"),
            (before == 0 || before == payment.captured_minor, "another capture was booked"),
            (
                self.charge_keys.len() <= 1 + payment.tries.len().saturating_sub(1),
                "the charge was asked under two keys",
            ),
            (
                payment.tries.iter().filter(|one| one.failure_code.is_none()).count() <= 1,
                "two tries are out at once",
            ),
            (new_keys <= self.refusals, "a refund's key changed without a refusal"),
            (!(self.captured && self.declined), "the saga heard that it is paid, and that it is not"),
        ];
        claims.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, broken)| Err(broken))
    }
}

/// By its own id, or as the refunded total.
fn refund_told(id: &str, amount: Money, in_all: Option<Money>) -> Body {
    let Body::ProviderEvent(mut event) = event(ProviderEventKind::RefundSucceeded, id, amount, None) else {
        unreachable!("it is an event")
    };
    event.data.refunded_in_all = in_all;
    Body::ProviderEvent(event)
}

fn any(rng: &mut Rng) -> Body {
    let amount = rng.one_of(&["50.00", "50.00", "50.00", "50.00", "20.00", "0.00", "49.99", "-5.00"]);
    let amount = if rng.below(20) == 0 { money("50.00", "USD") } else { eur(amount) };
    let transaction = rng.one_of(&["ch_1", "ch_1", "ch_2"]);
    let return_no = rng.one_of(&[0, 0, 1, 2]);
    let key = refund_key(return_no, 1 + rng.below(4) as u32);
    let key = rng.one_of(&[Some(key.as_str()), Some(key.as_str()), Some("stray/ch_2"), None]);
    let method = rng.one_of(&[Method::Card, Method::Paypal, Method::Cod]);
    match rng.below(21) {
        0 | 1 => charge_of(method, amount),
        16 | 17 => charge_later(),
        18 | 19 => confirm(rng.one_of(&[Some("tok_ok"), None])),
        20 => intend("s"),
        2 => check(),
        3 => refund_all(),
        4 => refund_share(1 + rng.below(2) as u32, amount),
        5 => by_hand(),
        6 => settle(),
        7 | 8 => event(ProviderEventKind::PaymentSucceeded, transaction, amount, None),
        9 => event(ProviderEventKind::PaymentFailed, transaction, amount, None),
        10 => event(ProviderEventKind::RefundSucceeded, "re_1", amount, key),
        11 => {
            let id = rng.one_of(&["re_1", "re_2", "re_3"]);
            refund_told(id, amount, rng.one_of(&[None, None, Some(amount)]))
        }
        12 => event(ProviderEventKind::RefundFailed, "re_1", amount, key),
        13 => answer(rng.one_of(&[ChargeStanding::NotFound, ChargeStanding::Pending])),
        14 => answer(ChargeStanding::Succeeded { transaction_id: transaction.into(), amount }),
        _ => {
            answer(ChargeStanding::Failed { transaction_id: "ch_1".into(), failure_code: "lost_card".into() })
        }
    }
}
