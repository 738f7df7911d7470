//! The figures of the whole store count everything, and nothing twice.

use store::census::SagaCount;

use super::*;

fn saga(n: u64, status: &str, progress: &str) -> SavedRecord {
    let json = format!(
        r#"{{"definition":"checkout","version":1,"status":"{status}","created_at":"{}","progress":{progress}}}"#,
        at(n)
    );
    save(Table::Sagas, &order(n).to_string(), 0, &json)
}

pub(super) async fn orders_and_sagas_are_counted_by_where_they_stand(db: Db) {
    let done = r#"{"phase":{"is":"completed"},"steps":["done","done"]}"#;
    let waits = r#"{"phase":{"is":"forward","step":1},"steps":["done","asked"]}"#;
    let all = vec![
        ordered(1, "fulfilled", 1),
        ordered(2, "fulfilled", 2),
        ordered(3, "created", 3),
        ordered(4, "paid", 4),
        saga(1, "completed", done),
        saga(2, "completed", done),
        saga(3, "running", waits),
        saga(4, "needs_attention", waits),
        save(
            Table::Sagas,
            &order(5).to_string(),
            0,
            &format!(r#"{{"status":"awaited","created_at":"{}"}}"#, at(5)),
        ),
    ];
    keep(&db, records(all)).await.unwrap();
    let mut waiting = Changes::default();
    waiting.deadlines.insert(order(3).to_string(), Some((at(NOW_S), Arc::new(fulfil(3)))));
    waiting.deadlines.insert("something else".into(), Some((at(NOW_S), Arc::new(fulfil(1)))));
    keep(&db, waiting).await.unwrap();

    let orders = |mut orders: Vec<(String, u64)>| {
        orders.sort();
        orders.iter().map(|(status, count)| format!("{count} {status}")).collect::<Vec<_>>().join(", ")
    };
    let sagas = |sagas: &[SagaCount]| {
        let mut told: Vec<_> = sagas
            .iter()
            .map(|saga| format!("{} {} {} {}", saga.count, saga.definition, saga.version, saga.status))
            .collect();
        told.sort();
        told.join(", ")
    };
    let census = db.store.census(at(1), at(4)).await.unwrap();
    assert_eq!(orders(census.orders), "1 created, 2 fulfilled", "from the first moment, and before the last");
    assert_eq!(sagas(&census.sagas), "1 checkout 1 running, 2 checkout 1 completed");
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let running = census.sagas.iter().find(|saga| saga.status == "running").unwrap();
    assert_eq!(
        (json(&running.phase), json(&running.steps)),
        (json(r#"{"is":"forward","step":1}"#), json(r#"["done","asked"]"#))
    );
    let whole = db.store.census(at(0), at(NOW_S)).await.unwrap();
    assert_eq!(
        sagas(&whole.sagas),
        "1  0 awaited, 1 checkout 1 needs_attention, 1 checkout 1 running, 2 checkout 1 completed"
    );

    let open = db.store.census_under_way().await.unwrap();
    assert_eq!(orders(open.orders), "1 created, 1 paid");
    assert_eq!(sagas(&open.sagas), "1 checkout 1 needs_attention, 1 checkout 1 running");
}
