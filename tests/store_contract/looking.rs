//! People find records page by page, in an order that does not change under them.

use std::collections::BTreeMap;

use super::*;

pub(super) async fn list_filters_and_pages_newest_first(db: Db) {
    // Two of them have the same time, so that only the id tells them apart.
    let orders = [(1, "created", 10), (2, "paid", 20), (3, "paid", 30), (4, "paid", 30), (5, "created", 40)];
    keep(&db, records(orders.map(|(n, status, when)| ordered(n, status, when)).into())).await.unwrap();
    let check = async |filter: Filter, expected: &[u64]| {
        let filter = Filter { limit: filter.limit.max(2), ..filter };
        let found = db.store.list(Table::Orders, &filter).await.unwrap();
        let found: Vec<u64> = found.iter().map(|json| number_of(json)).collect();
        assert_eq!(found, expected, "{filter:?}");
    };
    let any = Filter::default;
    check(any(), &[5, 4]).await;
    check(Filter { before: Some((at(30), order(4).to_string())), ..any() }, &[3, 2]).await;
    check(Filter { before: Some((at(20), order(2).to_string())), ..any() }, &[1]).await;
    check(Filter { status: Some("paid".into()), limit: 9, ..any() }, &[4, 3, 2]).await;
    check(Filter { customer_id: Some("c1".into()), limit: 9, ..any() }, &[5, 3, 1]).await;
    check(Filter { customer_id: Some("c1".into()), status: Some("paid".into()), ..any() }, &[3]).await;
    check(Filter { from: Some(at(20)), to: Some(at(30)), ..any() }, &[2]).await;
    check(Filter { status: Some("' or 1=1 --".into()), ..any() }, &[]).await;
    assert!(matches!(db.store.list(Table::Stock, &any()).await, Err(Error::Refused(_))));
}

pub(super) async fn a_customer_finds_their_own_orders_and_the_failed_ones_when_asked(db: Db) {
    let order_of = |n: u64, customer: &str, status: &str, reason: &str, title: &str| {
        let (id, when) = (order(n), at(n / 2));
        let json = format!(
            r#"{{"number":{n},"customer_id":"{customer}","status":"{status}","reason":{reason},"created_at":"{when}",
                "updated_at":"{when}","total":{{"amount":"1.00","currency":"EUR"}},
                "items":[{{"sku":"S-{n}","title":"{title}","author":null}},{{"sku":"PEN","title":"Pen"}}]}}"#
        );
        save(Table::Orders, &id.to_string(), 0, &json)
    };
    let orders = vec![
        order_of(2, "anna", "fulfilled", "null", "Dune"),
        order_of(3, "anna", "cancelled", r#""payment_declined""#, "Dune"),
        order_of(4, "anna", "cancelled", r#""cancelled_by_customer""#, "100% of the Moon_landing"),
        order_of(5, "ben", "fulfilled", "null", "Dune"),
        order_of(6, "anna", "archived", r#""insufficient_stock""#, "Dune"),
        order_of(7, "anna", "created", "null", "The Sea"),
    ];
    keep(&db, records(orders)).await.unwrap();
    let check = async |wanted: History, expected: &[u64]| {
        let wanted = History { limit: wanted.limit.max(1), ..wanted };
        let found = db.store.history("anna", &wanted).await.unwrap();
        let found: Vec<u64> = found.iter().map(|json| number_of(json)).collect();
        assert_eq!(found, expected, "{wanted:?}");
    };
    let any = || History { limit: 9, ..History::default() };
    check(any(), &[7, 4, 2]).await;
    check(History { failed_too: true, ..any() }, &[7, 6, 4, 3, 2]).await;
    check(History { limit: 2, ..any() }, &[7, 4]).await;
    check(History { before: Some((at(2), order(4).to_string())), ..any() }, &[2]).await;
    check(History { before: Some((at(1), order(3).to_string())), ..any() }, &[2]).await;
    check(History { status: Some("cancelled".into()), failed_too: true, ..any() }, &[4, 3]).await;
    check(History { from: Some(at(2)), to: Some(at(3)), ..any() }, &[4]).await;
    for (text, expected) in [
        ("dUNE", vec![2]),
        ("s-7", vec![7]),
        ("pen", vec![7, 4, 2]),
        ("100% of", vec![4]),
        ("moon_l", vec![4]),
        ("%", vec![4]),
        ("moonxl", vec![]),
        ("' or 1=1 --", vec![]),
    ] {
        check(History { holding: Some(text.into()), ..any() }, &expected).await;
    }
    check(History { holding: Some(order(7).to_string()), ..any() }, &[7]).await;
    assert!(db.store.history("nobody", &any()).await.unwrap().is_empty());
}

pub(super) async fn pages_follow_each_other_without_gap_or_overlap(db: Db) {
    let all = ["A", "B", "C", "D", "E"];
    keep(&db, records(all.map(|sku| save(Table::Stock, sku, 0, STOCKED)).into())).await.unwrap();
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = db.store.page(Table::Stock, &after, 2).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        after = last.clone();
        seen.extend(page.into_iter().map(|(id, _)| id));
    }
    assert_eq!(seen, all);
}

pub(super) async fn an_orders_journal_comes_back_as_it_was_written(db: Db) {
    let written =
        [row(Role::Order, &archive(1), vec![say(&fulfil(2))]), row(Role::Saga, &archive(1), vec![])];
    let mut changes = Changes { journal: written.to_vec(), ..Changes::default() };
    changes.journal.push(row(Role::Order, &archive(3), vec![]));
    keep(&db, changes).await.unwrap();
    let found = readable(db.store.journal_of(order(1)).await.unwrap());
    assert_eq!(format!("{found:?}"), format!("{written:?}"));
    let page = db.store.journal_page(1, 10).await.unwrap();
    assert_eq!(page.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [2, 3]);
}

pub(super) async fn orders_are_found_by_their_total_and_its_currency(db: Db) {
    let costs = |n: u64, status: &str, amount: &str, currency: &str| {
        let (id, when) = (order(n), at(n));
        let json = format!(
            r#"{{"number":{n},"customer_id":"anna","status":"{status}","created_at":"{when}","updated_at":"{when}",
                "total":{{"amount":"{amount}","currency":"{currency}"}},"items":[]}}"#
        );
        save(Table::Orders, &id.to_string(), 0, &json)
    };
    let orders = vec![
        costs(1, "created", "9.99", "EUR"),
        costs(2, "paid", "10.00", "EUR"),
        costs(3, "cancelled", "20.00", "EUR"),
        costs(4, "paid", "1500", "JPY"),
    ];
    keep(&db, records(orders)).await.unwrap();
    let totals = |from_minor: Option<i64>, to_minor: Option<i64>, currency: &str| Totals {
        from_minor,
        to_minor,
        currency: Some(currency.into()),
    };
    let any = || Filter { limit: 9, ..Filter::default() };
    for (wanted, status, expected) in [
        (totals(None, None, "EUR"), None, vec![3, 2, 1]),
        (totals(Some(1000), None, "EUR"), None, vec![3, 2]),
        (totals(Some(1000), Some(1000), "EUR"), None, vec![2]),
        (totals(None, Some(999), "EUR"), None, vec![1]),
        (totals(Some(1000), None, "JPY"), None, vec![4]),
        (totals(Some(1000), None, "EUR"), Some("paid"), vec![2]),
        (totals(Some(1000), None, "EUR"), Some("cancelled"), vec![3]),
        (totals(None, None, "USD"), None, vec![]),
    ] {
        let status = status.map(str::to_string);
        let filter = Filter { totals: wanted.clone(), status: status.clone(), ..any() };
        let numbers = |found: Vec<String>| found.iter().map(|json| number_of(json)).collect::<Vec<u64>>();
        assert_eq!(numbers(db.store.list(Table::Orders, &filter).await.unwrap()), expected, "{filter:?}");
        let of_anna = Filter { customer_id: Some("anna".into()), ..filter };
        assert_eq!(numbers(db.store.list(Table::Orders, &of_anna).await.unwrap()), expected, "{of_anna:?}");
        let history = History { totals: wanted, status, failed_too: true, limit: 9, ..History::default() };
        assert_eq!(numbers(db.store.history("anna", &history).await.unwrap()), expected, "{history:?}");
    }
}

pub(super) async fn sagas_that_wait_for_a_person_are_listed(db: Db) {
    let saga = |n: u64, status: &str| {
        let json = format!(
            r#"{{"number":{n},"status":"{status}","created_at":"{}","subject":{{"customer_id":"c{n}"}}}}"#,
            at(n)
        );
        save(Table::Sagas, &order(n).to_string(), 0, &json)
    };
    let sagas = vec![saga(1, "needs_attention"), saga(2, "running"), saga(3, "needs_attention")];
    keep(&db, records(sagas)).await.unwrap();
    let check = async |status: Option<&str>, customer_id: Option<&str>, expected: &[u64]| {
        let filter = Filter {
            status: status.map(Into::into),
            customer_id: customer_id.map(Into::into),
            limit: 9,
            ..Filter::default()
        };
        let found = db.store.list(Table::Sagas, &filter).await.unwrap();
        assert_eq!(found.iter().map(|json| number_of(json)).collect::<Vec<_>>(), expected, "{filter:?}");
    };
    check(None, None, &[3, 2, 1]).await;
    check(Some("needs_attention"), None, &[3, 1]).await;
    check(Some("running"), None, &[2]).await;
    check(Some("needs_attention"), Some("c1"), &[1]).await;
    check(None, Some("c2"), &[2]).await;
}

pub(super) async fn many_documents_come_by_their_ids_and_those_that_are_not_there_are_left_out(db: Db) {
    let odd = "it's \"odd\"";
    let products =
        ["A", "B", odd].map(|id| save(Table::Products, id, 0, &format!(r#"{{"is":{}}}"#, id.len())));
    keep(&db, records(products.into())).await.unwrap();
    let ids = ["A", odd, "none", "a\0b", "A"].map(String::from);
    let found: BTreeMap<_, _> = db.store.get_many(Table::Products, &ids).await.unwrap().into_iter().collect();
    let expected = [("A", r#"{"is":1}"#), (odd, r#"{"is":10}"#)].map(|(id, doc)| (id.into(), doc.into()));
    assert_eq!(found, BTreeMap::from(expected));
    assert!(db.store.get_many(Table::Stock, &ids).await.unwrap().is_empty());
    assert!(db.store.get_many(Table::Products, &[]).await.unwrap().is_empty());
}

pub(super) async fn an_orders_progress_differs_after_all_that_is_kept_of_it_and_of_no_other_order(db: Db) {
    let orders = [order(1), order(2), order(3)];
    let look = async || {
        let found = db.store.progress_of(&orders).await.unwrap();
        orders.map(|id| found.get(&id).map(|is| (is.handled, is.open_dead_letters)))
    };
    assert_eq!(look().await, [None; 3]);
    keep(&db, journal(row(Role::Order, &archive(1), vec![]))).await.unwrap();
    assert_eq!(look().await, [Some((1, 0)), None, None]);
    keep(&db, journal(row(Role::Saga, &archive(1), vec![]))).await.unwrap();
    keep(&db, dead(DeadChange::Park(letter("order", &fulfil(2))))).await.unwrap();
    assert_eq!(look().await, [Some((2, 0)), Some((0, 1)), None]);
    keep(&db, dead(close("order", &fulfil(2), DeadStatus::Discarded))).await.unwrap();
    assert_eq!(look().await, [Some((2, 0)), None, None]);
    assert!(db.store.progress_of(&[]).await.unwrap().is_empty());
}

pub(super) async fn a_payment_is_found_by_what_the_provider_calls_its_charge(db: Db) {
    let payment = |n: u64, names: &str| {
        let json = format!(r#"{{"captured_minor":1,"refunded_minor":0,{names}}}"#);
        save(Table::Payments, &order(n).to_string(), 0, &json)
    };
    let payments = vec![
        payment(1, r#""charge":{"transaction_id":"ch_1"}"#),
        payment(2, r#""charge":{"transaction_id":"pi_2"}"#),
        payment(3, r#""unasked":"ch_3""#),
        payment(4, r#""charge":{"transaction_id":"ch_45"},"refunds":[{"transaction_id":"re_4"}]"#),
        payment(5, r#""charge":{"transaction_id":"ch_45"}"#),
        payment(6, r#""charge":{"receipt":"ch_6"}"#),
    ];
    keep(&db, records(payments)).await.unwrap();
    let check = async |names: &[&str], expected: &[u64]| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut found = db.store.orders_charged_as(&names).await.unwrap();
        found.sort_unstable();
        assert_eq!(found, expected.iter().map(|n| order(*n)).collect::<Vec<_>>(), "{names:?}");
    };
    check(&["ch_1", "pi_1"], &[1]).await;
    check(&["ch_2", "pi_2"], &[2]).await;
    check(&["ch_3"], &[3]).await;
    check(&["ch_45"], &[4, 5]).await;
    check(&["ch_4", "re_4", "ch_6", "%", "' or 1=1 --", "\0"], &[]).await;
    check(&[], &[]).await;
}
