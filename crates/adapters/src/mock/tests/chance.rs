use std::collections::BTreeMap;

use contract::{ProviderTold, ToldCharge};
use expect_test::expect;

use super::*;
use crate::mock::books::Books;
use crate::mock::draw::Draw;

#[test]
fn about_95_of_100_succeed_at_095() {
    let settings = Settings { success_rate: 0.95, seed: 7, ..Default::default() };
    let mut codes = BTreeMap::new();
    for no in 0..10_000 {
        let told =
            Books::default().charge(&settings, &ask(no, Method::Paypal, None), Time::default()).unwrap();
        let code = told[0].event.data.failure_code.clone();
        *codes.entry(code.unwrap_or("succeeded".into())).or_insert(0) += 1;
    }
    expect![[r#"
        {
            "card_declined": 173,
            "expired_card": 174,
            "insufficient_funds": 170,
            "succeeded": 9483,
        }
    "#]]
    .assert_debug_eq(&codes);
}

#[test]
fn ids_look_like_a_gateways_and_stay_what_they_are() {
    let mut books = Books::default();
    let mut ids = Vec::new();
    for (no, method) in [(1, Method::Card), (2, Method::DebitCard), (3, Method::Paypal), (4, Method::Cod)] {
        let never = Settings { success_rate: 0.0, delay_least_ms: 9, delay_most_ms: 9, ..Default::default() };
        let told = books.charge(&never, &ask(no, method, None), Time::default()).unwrap();
        let [told] = &told[..] else { panic!("{told:?}") };
        ids.push(format!(
            "{} {} in {} ms",
            told.event.data.transaction_id,
            told.event.id,
            told.due.unix_ms()
        ));
    }
    expect![[r#"
        [
            "ch_02yFQMNTLga363NS2laItk evt_02yFQMNTLTIAmVc5sr9XbL in 9 ms",
            "ch_02yFQMNTLiURKXduzUgvrq evt_02yFQMNTLZSK6y0FQxO20j in 9 ms",
            "PAYID-03CU1SMXMH2NYQNWNZDV2W56Y evt_02yFQMNTLkbyZhdAMzaaUO in 9 ms",
            "cod_02yFQMNTLgvdvxk4KzSalW evt_02yFQMNTLoIvDPAw7oYlab in 0 ms",
        ]
    "#]]
    .assert_debug_eq(&ids);
}

on_every_shelf!(the_books_in_memory_and_on_disk_say_the_same,);

/// Random requests with few keys and few transactions, so that most of them collide with another.
async fn the_books_in_memory_and_on_disk_say_the_same(on: On) {
    let settings = Settings { success_rate: 0.7, delay_least_ms: 0, delay_most_ms: 3, ..Default::default() };
    let world = World::new(on, settings.clone()).await;
    let (mut books, mut draw) = (Books::default(), Draw::of(1, "which"));
    for _ in 0..400 {
        world.pass_ms(draw.between(0, 2) as i64);
        let now = world.mock.now();
        let token = draw.one_of(&["tok_1", "tok_late", "tok_lost_answer", "tok_refund_fails_once"], "");
        let charge = card(draw.between(1, 20), token);
        if draw.happens(0.05) {
            let told = told_of(&charge, &mut draw);
            books.learn(&told, now);
            world.mock.told(&[&told]).await.remove(0).unwrap();
        }
        let kept =
            books.charge(&settings, &charge, now).map(|told| at_once(told, now)).map_err(|e| e.to_string());
        let disk = world.charge(&charge).await;
        assert_eq!(kept.is_ok(), disk.is_ok());
        if let (Ok(kept), Ok(disk)) = (kept, disk) {
            assert_eq!(kept, disk);
        }
        let transaction = world.transaction(&charge).await;
        let key = draw.one_of(&["a", "b", "c"], "");
        let refund = back(&charge, &transaction, key, draw.one_of(&[400, 400, 400, 700], 0));
        let kept = books.refund(&settings, &refund, now).map(|told| at_once(told, now));
        match (kept, world.refund(&refund).await) {
            (Ok(kept), Ok(disk)) => assert_eq!(kept, disk),
            (Err(_), Err(Failure::Refused(..))) => {}
            other => panic!("{other:?}"),
        }
    }
    let kept =
        books.charges().map(|c| (c.key.clone(), c.name().to_string(), c.refunded_minor, c.told.is_some()));
    let mut kept: Vec<_> = kept.collect();
    kept.sort();
    let disk = world.mock.charges_page("", 1000).await.unwrap();
    assert!(kept.iter().any(|(.., refunded, _)| *refunded == 800), "the asks are too tame");
    assert!(
        kept.iter().any(|(.., told)| *told) && kept.iter().any(|(.., told)| !*told),
        "all or nothing is told"
    );
    let disk = disk.into_iter().map(|c| (c.key, c.transaction_id, c.refunded_minor, c.told_outside));
    assert_eq!(kept, disk.collect::<Vec<_>>());
}

/// Few ids, which different orders share.
fn told_of(ask: &ProviderCharge, draw: &mut Draw) -> ProviderTold {
    let failure_code = draw.happens(0.2).then(|| "lost_card".to_string());
    let transaction_id = draw.one_of(&["ch_1", "ch_2"], "").to_string();
    let (key, order_id, amount) = (ask.key.clone(), ask.order_id, ask.amount);
    ProviderTold::Charge(ToldCharge { key, order_id, transaction_id, amount, failure_code })
}

fn at_once(told: Vec<rules::DueEvent>, now: Time) -> Answer {
    let events: Vec<_> = told.into_iter().filter(|told| told.due <= now).map(|told| told.event).collect();
    if events.is_empty() { Answer::Accepted } else { Answer::Told(events) }
}
