//! People find what was kept, page by page, in an order that does not change under them.

use super::*;

pub(super) async fn list_filters_and_pages_newest_first(db: Db) {
    // Two of them at the same moment, so that only the id tells them apart.
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
    let found = db.store.journal_of(order(1)).await.unwrap();
    assert_eq!(format!("{found:?}"), format!("{written:?}"));
    let page = db.store.journal_page(1, 10).await.unwrap();
    assert_eq!(page.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [2, 3]);
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
