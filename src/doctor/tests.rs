use store::{Outbox, Store};

use super::*;

#[test]
fn what_a_login_may_not_see_of_the_topology_is_told_once() {
    let unseen =
        ["checkout.commands", "checkout.order"].map(|name| rabbitmq::Difference::Unseen(name.into()));
    let mut found = Findings::default();
    look_at_differences(&unseen, &mut found);
    let [only] = found.0.as_slice() else { panic!("{found:?}") };
    assert_eq!((only.about, only.level), ("topology", Level::Note));
    assert!(
        only.what.starts_with("2 exchanges and queues") && only.fix.contains("administrator"),
        "{only:?}"
    );
}

#[tokio::test]
async fn a_binding_onto_our_exchanges_is_found_by_what_came_by_it() {
    let store = SqliteStore::in_memory().await.unwrap();
    let look = async || {
        let mut found = Findings::default();
        letters::look_at(&store, store.vitals().await.unwrap(), &mut found).await.unwrap();
        found.0.into_iter().filter(|one| one.about == "bindings").collect::<Vec<_>>()
    };
    let park = async |id: &str, why: &str| {
        let order_id = contract::OrderId::default();
        let body = contract::Body::OrderArchive(contract::OrderArchive { order_id, ..Default::default() });
        let message =
            contract::Message::new(contract::MessageId::new(id).unwrap(), contract::Time::default(), body);
        let (queue, now) = (contract::Queue::Order, contract::Time::default());
        let letter = store::batch::dead_letter(queue, &message, 1, "not_allowed", why, now);
        let dead = vec![store::DeadChange::Park(letter)];
        let changes = store::Changes { dead, ..Default::default() };
        store.begin().await.unwrap().commit(changes).await.unwrap();
    };
    park("m1", "its login does not speak for saga").await;
    assert!(look().await.is_empty(), "there is no binding in that");
    park("m2", &format!("it was published to exchange \"p.shop.x\" and {}", rabbitmq::BY_A_BINDING)).await;
    let found = look().await;
    let [only] = found.as_slice() else { panic!("{found:?}") };
    assert!(only.level == Level::Warning && only.what.contains("p.shop.x"), "{only:?}");
    assert!(only.fix.contains("rabbitmqctl list_bindings"), "{only:?}");
}
