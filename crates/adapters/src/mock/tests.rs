mod chance;
mod memory;
mod notices;
pub(crate) mod place;
mod posts;
mod together;
mod told;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use contract::{
    ChargeStanding, Currency, Method, Money, OrderId, PaymentChoice, ProviderCharge, ProviderEvent,
    ProviderQuery, ProviderRefund, Token,
};
use expect_test::expect;
use uuid::Uuid;

use super::*;
use crate::provider::{Answer, PaymentProvider};
use place::{On, Place, on_every_shelf};

/// A mock world in a place of its own, with a clock that only the test moves.
struct World {
    place: Place,
    hands: Arc<AtomicI64>,
    settings: Settings,
    mock: Arc<MockWorld>,
}

impl World {
    async fn new(on: On, settings: Settings) -> Self {
        let place = Place::new(on).await;
        let hands = Arc::new(AtomicI64::new(1_700_000_000_000));
        let mock = place.open(&settings, reading(&hands)).await;
        Self { place, hands, settings, mock }
    }

    async fn restart(&mut self) {
        self.mock.close().await;
        self.mock = self.another().await;
    }

    /// The same world, as another process sees it.
    async fn another(&self) -> Arc<MockWorld> {
        self.place.open(&self.settings, reading(&self.hands)).await
    }

    fn pass_ms(&self, ms: i64) {
        self.hands.fetch_add(ms, Ordering::SeqCst);
    }

    async fn charge(&self, ask: &ProviderCharge) -> Result<Answer, Failure> {
        self.mock.charge(&[ask]).await.remove(0)
    }

    async fn refund(&self, ask: &ProviderRefund) -> Result<Answer, Failure> {
        self.mock.refund(&[ask]).await.remove(0)
    }

    async fn query(&self, ask: &ProviderCharge) -> ChargeStanding {
        let ask = ProviderQuery { key: ask.key.clone(), order_id: ask.order_id };
        self.mock.query(&[&ask]).await.remove(0).unwrap()
    }

    async fn transaction(&self, ask: &ProviderCharge) -> String {
        let charges = self.mock.charges_page("", 1000).await.unwrap();
        charges.into_iter().find(|charge| charge.key == ask.key).unwrap().transaction_id
    }
}

fn reading(hands: &Arc<AtomicI64>) -> Clock {
    let hands = hands.clone();
    Arc::new(move || Time::from_unix_ms(hands.load(Ordering::SeqCst)))
}

fn order(no: u64) -> OrderId {
    OrderId::new(Uuid::from_u128(0x0193_2b4a_1111_7000_8000_0000_0000_0000 + u128::from(no)))
}

fn eur(minor: i64) -> Money {
    Money::from_minor(minor, Currency::from_code("EUR").unwrap()).unwrap()
}

fn ask(no: u64, method: Method, token: Option<&str>) -> ProviderCharge {
    let payment = PaymentChoice::by(method, token.map(|token| Token(token.into())));
    ProviderCharge {
        key: format!("{}:charge", order(no)),
        order_id: order(no),
        amount: eur(1000),
        payment,
        not_after: None,
    }
}

fn card(no: u64, token: &str) -> ProviderCharge {
    ask(no, Method::Card, Some(token))
}

fn back(charge: &ProviderCharge, transaction_id: &str, key: &str, minor: i64) -> ProviderRefund {
    let key = format!("{}:{key}", charge.order_id);
    ProviderRefund {
        key,
        order_id: charge.order_id,
        transaction_id: transaction_id.into(),
        amount: eur(minor),
        charged: None,
    }
}

fn told(answer: &Result<Answer, Failure>) -> String {
    match answer {
        Ok(Answer::Accepted) => "–".into(),
        Ok(Answer::Told(events)) => {
            let texts = events.iter().map(|event| match &event.data.failure_code {
                Some(code) => format!("failed {code}"),
                None => "succeeded".to_string(),
            });
            texts.collect::<Vec<_>>().join(", ")
        }
        Err(failure) => failure.to_string(),
    }
}

fn events(answer: Result<Answer, Failure>) -> Vec<ProviderEvent> {
    match answer.unwrap() {
        Answer::Told(events) => events,
        Answer::Accepted => panic!("nothing was told"),
    }
}

fn stands(standing: &ChargeStanding) -> &'static str {
    match standing {
        ChargeStanding::NotFound => "not found",
        ChargeStanding::Pending => "pending",
        ChargeStanding::Succeeded { .. } => "succeeded",
        ChargeStanding::Failed { .. } => "failed",
    }
}

on_every_shelf!(
    every_token_does_what_it_says,
    the_same_key_never_charges_twice,
    a_refund_never_exceeds_its_charge,
    a_refund_of_another_orders_charge_fails,
);

async fn every_token_does_what_it_says(on: On) {
    let world = World::new(on, Settings::default()).await;
    let tokens = [
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
        "pm_card_visa",
        "pm_card_chargeDeclined",
        "pm_card_chargeDeclinedInsufficientFunds",
        "pm_card_chargeDeclinedExpiredCard",
        "tok_of_nobody",
    ];
    let mut table =
        String::from("token | told at once | query | told in 310 s | query | refund | refund again\n");
    for (no, token) in tokens.into_iter().enumerate() {
        let ask = card(no as u64, token);
        let at_once = told(&world.charge(&ask).await);
        let first = stands(&world.query(&ask).await);
        world.pass_ms(310_000);
        let due = world.mock.due_events(world.mock.now(), 10).await.unwrap();
        world.mock.delivered(&due.iter().map(|event| event.id.as_str()).collect::<Vec<_>>()).await.unwrap();
        let later = match due.is_empty() {
            true => "–".into(),
            false => told(&Ok(Answer::Told(due))),
        };
        let then = stands(&world.query(&ask).await);
        let transaction = world.transaction(&ask).await;
        let refund = told(&world.refund(&back(&ask, &transaction, "refund:1", 1000)).await);
        let again = told(&world.refund(&back(&ask, &transaction, "refund:2", 1000)).await);
        writeln!(table, "{token} | {at_once} | {first} | {later} | {then} | {refund} | {again}").unwrap();
    }
    expect![[r#"
        token | told at once | query | told in 310 s | query | refund | refund again
        tok_ok | succeeded | succeeded | – | succeeded | succeeded | failed amount_exceeds_charge
        tok_declined | failed card_declined | failed | – | failed | failed charge_not_captured | failed charge_not_captured
        tok_insufficient_funds | failed insufficient_funds | failed | – | failed | failed charge_not_captured | failed charge_not_captured
        tok_expired_card | failed expired_card | failed | – | failed | failed charge_not_captured | failed charge_not_captured
        tok_fraud | failed fraudulent | failed | – | failed | failed charge_not_captured | failed charge_not_captured
        tok_never_answers | – | pending | – | pending | failed charge_not_captured | failed charge_not_captured
        tok_late | – | pending | succeeded | succeeded | succeeded | failed amount_exceeds_charge
        tok_lost_answer | – | succeeded | – | succeeded | succeeded | failed amount_exceeds_charge
        tok_duplicate_event | succeeded, succeeded, succeeded | succeeded | – | succeeded | succeeded | failed amount_exceeds_charge
        tok_refund_fails_once | succeeded | succeeded | – | succeeded | failed refund_declined | succeeded
        tok_refund_fails | succeeded | succeeded | – | succeeded | failed refund_declined | failed refund_declined
        pm_card_visa | succeeded | succeeded | – | succeeded | succeeded | failed amount_exceeds_charge
        pm_card_chargeDeclined | failed card_declined | failed | – | failed | failed charge_not_captured | failed charge_not_captured
        pm_card_chargeDeclinedInsufficientFunds | failed insufficient_funds | failed | – | failed | failed charge_not_captured | failed charge_not_captured
        pm_card_chargeDeclinedExpiredCard | failed expired_card | failed | – | failed | failed charge_not_captured | failed charge_not_captured
        tok_of_nobody | succeeded | succeeded | – | succeeded | succeeded | failed amount_exceeds_charge
    "#]].assert_eq(&table);
}

async fn the_same_key_never_charges_twice(on: On) {
    let world = World::new(on, Settings::default()).await;
    let ask = card(1, "tok_ok");
    let first = events(world.charge(&ask).await);
    world.pass_ms(5);
    assert_eq!(events(world.charge(&ask).await), first, "the same event, with the same id and time");
    let twice_in_one_batch = world.mock.charge(&[&ask, &ask]).await;
    assert_eq!(twice_in_one_batch.len(), 2);
    assert!(twice_in_one_batch.into_iter().all(|answer| events(answer) == first));

    let dearer = ProviderCharge { amount: eur(2000), ..ask.clone() };
    assert!(matches!(world.charge(&dearer).await, Err(Failure::Refused(..))));
    let stranger = ProviderCharge { order_id: order(2), ..ask.clone() };
    assert!(matches!(world.charge(&stranger).await, Err(Failure::Refused(..))));
    let charges = world.mock.charges_page("", 10).await.unwrap();
    assert_eq!(charges.iter().map(|charge| charge.amount_minor).collect::<Vec<_>>(), [1000]);
}

async fn a_refund_never_exceeds_its_charge(on: On) {
    let world = World::new(on, Settings::default()).await;
    let ask = card(1, "tok_ok");
    let transaction = events(world.charge(&ask).await).remove(0).data.transaction_id;
    let refund = |key, minor| back(&ask, &transaction, key, minor);
    let (a, b, c, d) = (refund("a", 600), refund("b", 401), refund("c", 400), refund("d", 1));
    let answers = world.mock.refund(&[&a, &b, &c, &d, &a]).await;
    let answers: Vec<_> = answers.iter().map(told).collect();
    let exceeds = "failed amount_exceeds_charge";
    assert_eq!(answers, ["succeeded", exceeds, "succeeded", exceeds, "succeeded"]);

    let again = events(world.refund(&a).await).remove(0);
    assert_eq!(again.data.key, Some(a.key.clone()));
    assert_eq!(events(world.refund(&a).await), [again], "the same key, the same event");
    assert!(matches!(world.refund(&refund("a", 1)).await, Err(Failure::Refused(..))));
    assert!(matches!(world.refund(&refund("e", -1)).await, Err(Failure::Refused(..))));
    let yen = Money::from_minor(1, Currency::from_code("JPY").unwrap()).unwrap();
    let yen = told(&world.refund(&ProviderRefund { amount: yen, ..refund("f", 1) }).await);
    assert_eq!(yen, "failed currency_mismatch");
    assert_eq!(world.mock.charges_page("", 10).await.unwrap()[0].refunded_minor, 1000);
}

async fn a_refund_of_another_orders_charge_fails(on: On) {
    let world = World::new(on, Settings::default()).await;
    let (mine, theirs) = (card(1, "tok_ok"), card(2, "tok_ok"));
    world.charge(&mine).await.unwrap();
    let transaction = events(world.charge(&theirs).await).remove(0).data.transaction_id;
    let refused = events(world.refund(&back(&mine, &transaction, "refund", 1000)).await).remove(0);
    assert_eq!(refused.data.failure_code.as_deref(), Some("charge_unknown"));
    assert_eq!(refused.data.reference, order(1), "the event names the order that asked");
    let nobodys = told(&world.refund(&back(&mine, "ch_nobodys", "other", 1000)).await);
    assert_eq!(nobodys, "failed charge_unknown");
    assert!(world.mock.charges_page("", 10).await.unwrap().iter().all(|charge| charge.refunded_minor == 0));
}
