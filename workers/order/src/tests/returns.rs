//! However goods are returned, their money is refunded to the cent, and nothing is returned twice.

use super::*;

/// Returns everything in pieces that `seed` decides, and gives their refunds in order.
fn come_back(shop: &mut Shop, mut seed: u64) -> Vec<Money> {
    let mut refunds = Vec::new();
    let mut left: Vec<(Sku, u32)> = shop.order().items.into_iter().map(|i| (i.sku, i.quantity)).collect();
    while !left.is_empty() {
        // A small linear congruential generator: the same splits in every run.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let random = (seed >> 33) as usize;
        let at = random % left.len();
        let quantity = 1 + (random as u32 / 7) % left[at].1;
        let decision = shop.hear(refund(Some(vec![Line { sku: left[at].0.clone(), quantity }])));
        match decision.send.as_slice() {
            [Body::SagaReturn(back)] => refunds.push(back.amount),
            other => panic!("{other:?}"),
        }
        left[at].1 -= quantity;
        left.retain(|(_, quantity)| *quantity > 0);
    }
    refunds
}

#[test]
fn partial_returns_add_up_to_the_total_to_the_cent() {
    let items =
        json!([{"sku": "TEA", "quantity": 7}, {"sku": "CUP", "quantity": 3}, {"sku": "BOOK", "quantity": 2}]);
    for code in [None, Some("TENTH"), Some("FIVER"), Some("ODD")] {
        let mut fulfilled = Shop::with_catalogue();
        fulfilled.hear(percent("ODD", "33.3333"));
        fulfilled.hear(submit(json!({"items": items, "discount_code": code})));
        fulfilled.hear(mark_paid("ch_1"));
        fulfilled.hear(mark_fulfilled());
        let total = fulfilled.order().total;
        for seed in 0..200 {
            let mut shop = fulfilled.clone();
            let refunds = come_back(&mut shop, seed);
            assert!(refunds.iter().all(|refund| !refund.is_negative()));
            // Marked in reverse: the last return to be done need not be the last that was asked for.
            for no in (1..=refunds.len() as u32).rev() {
                assert_eq!(shop.status(), "fulfilled");
                shop.hear(mark_returned(no));
            }
            assert_eq!((shop.status(), shop.order().refunded), ("refunded", total), "{code:?} seed {seed}");
        }
    }
}

#[test]
fn an_order_that_cost_nothing_can_come_back_too() {
    let mut shop = Shop::with_catalogue();
    shop.hear(product("TEA", "A free sample", eur("0")));
    shop.hear(submit(json!({"items": [{"sku": "TEA", "quantity": 2}]})));
    shop.hear(mark_paid("ch_1"));
    shop.hear(mark_fulfilled());
    assert_eq!(come_back(&mut shop, 3).iter().map(|money| money.minor()).sum::<i64>(), 0);
}

#[test]
fn a_return_asks_back_only_what_was_bought_and_is_not_yet_on_its_way() {
    let mut answers = String::new();
    let mut shop =
        Shop::fulfilled(json!([{"sku": "TEA", "quantity": 3}, {"sku": "CUP", "quantity": 1}]), None);
    let mut ask = |what: &str, body: Body| {
        let decision = shop.hear(body);
        writeln!(answers, "{what}: {}", said(&decision)).unwrap();
    };
    let some = |lines: &[(&str, u32)]| refund(Some(lines.iter().map(|(sku, n)| line(sku, *n)).collect()));
    ask("a book", some(&[("BOOK", 1)]));
    ask("no tea", some(&[("TEA", 0)]));
    ask("4 of 3 teas", some(&[("TEA", 4)]));
    ask("2 teas and 2 teas", some(&[("TEA", 2), ("TEA", 2)]));
    ask("no lines", some(&[]));
    ask("1 tea and 1 tea", some(&[("TEA", 1), ("TEA", 1)]));
    ask("2 of 1 teas left", some(&[("TEA", 2)]));
    ask("archive", archive());
    ask("the rest", refund(None));
    ask("a tea", some(&[("TEA", 1)]));
    ask("the rest again", refund(None));
    ask("return 2 is back", mark_returned(2));
    ask("return 3 is back", mark_returned(3));
    ask("return 1 is back", mark_returned(1));
    ask("archive", archive());
    ask("return 1 again", mark_returned(1));
    ask("return 2 again", mark_returned(2));
    expect![[r#"
        a book: order.refused(order.refund, item_unknown, fulfilled, allowed: refund|archive)
        no tea: order.refused(order.refund, quantity_invalid, fulfilled, allowed: refund|archive)
        4 of 3 teas: order.refused(order.refund, quantity_too_large, fulfilled, allowed: refund|archive)
        2 teas and 2 teas: order.refused(order.refund, quantity_too_large, fulfilled, allowed: refund|archive)
        no lines: order.refused(order.refund, nothing_to_return, fulfilled, allowed: refund|archive)
        1 tea and 1 tea: saga.return(return_no 1, 6.66 EUR)
        2 of 1 teas left: order.refused(order.refund, quantity_too_large, fulfilled, allowed: refund)
        archive: order.refused(order.archive, return_under_way, fulfilled, allowed: refund)
        the rest: saga.return(return_no 2, 13.32 EUR)
        a tea: order.refused(order.refund, already_returned, fulfilled, allowed: none)
        the rest again: order.refused(order.refund, nothing_to_return, fulfilled, allowed: none)
        return 2 is back: order.returned(return_no 2, 13.32 EUR), notification.tell(refunded, returned, return_no 2, 13.32 EUR)
        return 3 is back: nothing
        return 1 is back: order.refunded(returned, return_no 1, 19.98 EUR), notification.tell(refunded, returned, return_no 1, 6.66 EUR)
        archive: order.archived
        return 1 again: order.refunded(returned, return_no 1, 19.98 EUR)
        return 2 again: order.returned(return_no 2, 13.32 EUR)
    "#]].assert_eq(&answers);
    let mut shop = Shop::fulfilled(json!([{"sku": "TEA", "quantity": 1}]), None);
    let noted = OrderRefund { order_id: order_id(), items: None, reason: Some("a\u{7}b".into()), who: None };
    assert!(said(&shop.hear(Body::OrderRefund(noted))).contains("reason_invalid"));
}

#[test]
fn a_refusal_names_the_order_its_state_what_was_asked_and_what_is_possible() {
    let mut shop = Shop::fulfilled(json!([{"sku": "TEA", "quantity": 3}]), None);
    let lines = vec![line("BOOK", 1), line("TEA", 4), line("TEA", 0)];
    let mut answers = String::new();
    for body in [refund(Some(lines)), cancel(By::Customer), pay(), archive(), archive()] {
        let decision = shop.hear_by(Speaker::Admin, body);
        for said in &decision.send {
            let message = Message::new(MessageId::new("m").unwrap(), Time::default(), said.clone());
            let json: Value = serde_json::from_str(message.json()).unwrap();
            assert_eq!(json["customer_id"], "ann");
            writeln!(answers, "{} {}", said.name(), json["message"].as_str().unwrap_or("")).unwrap();
            for fault in json["errors"].as_array().into_iter().flatten() {
                writeln!(answers, "  {} {} {}", fault["field"], fault["code"], fault["message"]).unwrap();
            }
        }
    }
    let nobody = Shop::with_catalogue().hear(refund(None));
    let Body::OrderRefused(refused) = &nobody.send[0] else { panic!("{nobody:?}") };
    assert_eq!((&refused.customer_id, refused.status), (&None, None));
    writeln!(answers, "{}", refused.message).unwrap();
    expect![[r#"
        order.refused order O is fulfilled: order.refund is refused (items[0].sku: BOOK is not in this order (and 2 more)); possible now: refund, archive
          "items[0].sku" "item_unknown" "BOOK is not in this order"
          "items[1].quantity" "quantity_too_large" "4 of TEA; 3 can still come back"
          "items[2].quantity" "quantity_invalid" "must be at least 1"
        order.cancel_refused order O is fulfilled: order.cancel is refused (already fulfilled); possible now: refund, archive
        order.refused order O is fulfilled: order.pay is refused (already paid); possible now: refund, archive
        order.archived 
        order.refused order O is archived: order.archive is refused (already archived); nothing is possible now
        nothing can be asked of order O: order.refund is refused (order unknown)
    "#]].assert_eq(&answers.replace(ORDER, "O"));
    let many = vec![line("BOOK", 1); 500];
    let Body::OrderRefused(refused) = &shop.hear(refund(Some(many))).send[0] else { panic!() };
    assert!(refused.errors.is_empty(), "an archived order is refused for being archived");
    let mut shop = Shop::fulfilled(json!([{"sku": "TEA", "quantity": 3}]), None);
    let many = vec![line("BOOK", 1); 500];
    let Body::OrderRefused(refused) = &shop.hear(refund(Some(many))).send[0] else { panic!() };
    assert_eq!(refused.errors.last().unwrap().message, "and 480 more faults");
}

#[test]
fn what_a_return_could_not_give_back_any_more_stands_in_the_trail_and_in_what_is_told() {
    let mut shop = Shop::with_catalogue();
    shop.hear(submit(json!({})));
    shop.hear(mark_paid("ch_1"));
    shop.hear(mark_fulfilled());
    let returned = OrderRefund {
        order_id: order_id(),
        items: None,
        reason: Some("torn".into()),
        who: Some("anna".into()),
    };
    shop.hear(Body::OrderRefund(returned));
    let marked = shop.hear(mark_returned_with_less(1));
    assert_eq!(
        said(&marked),
        "order.refunded(returned, return_no 1, 16.65 EUR), notification.tell(refunded, returned, return_no 1, 0.40 EUR)"
    );
    let Some(Record::AuditEntry(entry)) = marked.save.last() else { panic!("{:?}", marked.save) };
    assert_eq!(
        entry.note.as_deref(),
        Some(
            "torn; 0.40 EUR of 16.65 EUR went back with return 1; the rest had gone back at the provider's side"
        )
    );
    let one = &shop.order().returns[0];
    assert_eq!((one.amount, one.went_back, one.back()), (eur("16.65"), Some(eur("0.40")), eur("0.40")));
}

#[test]
fn a_partial_return_tells_what_went_back_of_its_share() {
    let mut shop = Shop::with_catalogue();
    shop.hear(submit(json!({})));
    shop.hear(mark_paid("ch_1"));
    shop.hear(mark_fulfilled());
    shop.hear(refund(Some(vec![line("TEA", 1)])));
    let marked = said(&shop.hear(mark_returned_with_less(1)));
    assert!(marked.starts_with("order.returned(return_no 1, 0.40 EUR)"), "{marked}");
}
