//! A dead letter keeps its origin: replayed, edited or imported, an outsider's message stays an outsider's.

use broker::Broker as _;
use contract::{MessageId, OrderId, Queue, Role, Speaker};
use engine::dead::replay;
use engine::operator::{Edited, Operator};
use lapin::options::BasicGetOptions;
use lapin::types::{AMQPValue, FieldTable};
use store::Origin;

use super::{Became, Readers, with_id};
use crate::support::rabbit::Namespace;
use crate::support::until_stored;
use crate::support::vhost::VirtualHost;

const CAPTURED: &str = r#"{"order_id":"0195d2a4-0000-7000-8000-000000000001","at":"2026-11-20T10:00:00Z",
    "transaction_id":"ch_1","amount":{"amount":"1.00","currency":"EUR"}}"#;

async fn letter(readers: &Readers, message_id: &str) -> store::DeadLetter {
    let all = readers.letters().await;
    all.into_iter().find(|letter| letter.message_id.as_deref() == Some(message_id)).unwrap()
}

fn operator(edited: Option<Edited>) -> Operator {
    Operator { edited, ..Operator::new("anna", "a test") }
}

#[tokio::test]
async fn what_a_shop_may_not_say_is_not_said_by_a_replay_either_as_it_was_or_edited() {
    let readers = Readers::new().await;
    let shop = readers.namespace.outsider_at(&readers.vhost.url_of("shop")).await;
    // The shop may use the routing key, but not the type.
    let forged = with_id("forged").with_type("payment.captured".into());
    shop.sends("checkout.submit", forged, CAPTURED.as_bytes()).await;
    let became = readers.became(&["forged".into()]).await;
    assert_eq!(became["forged"], Became::Letter { code: "type_differs".into(), by: Speaker::Shop });
    let died = letter(&readers, "forged").await;
    let refused = replay(&*readers.store, &*readers.timers, &died.id, &operator(None)).await.unwrap_err();
    assert!(format!("{refused:#}").contains("this was said by shop"), "{refused:#}");
    let paid = Edited { name: Some("payment.captured".into()), body: Some(CAPTURED.into()) };
    let refused =
        replay(&*readers.store, &*readers.timers, &died.id, &operator(Some(paid))).await.unwrap_err();
    assert!(format!("{refused:#}").contains("this was said by shop"), "{refused:#}");
    // Edited into a message that a shop may send, it counts as the shop's.
    let cancel = Edited {
        name: Some("order.cancel".into()),
        body: Some(r#"{"order_id":"0195d2a4-0000-7000-8000-000000000001"}"#.into()),
    };
    replay(&*readers.store, &*readers.timers, &died.id, &operator(Some(cancel))).await.unwrap();
    until_stored("a taken message", async || readers.taken.lock().await.len() == 1).await;
    assert!(readers.taken.lock().await.values().all(|message| message.by == Speaker::Shop));
}

/// As the saga's login sends it to the order worker.
const PAID: &str = r#"{"order_id":"0195d2a4-0000-7000-8000-000000000001","transaction_id":"ch_1"}"#;

#[tokio::test]
async fn a_shop_cannot_take_the_id_of_a_message_of_ours_before_that_is_said() {
    let readers = Readers::new().await;
    let order: OrderId = "0195d2a4-0000-7000-8000-000000000001".parse().unwrap();
    // The shop knows everything this id is derived from, because it sent the cause.
    let cause = MessageId::new("the shop's own").unwrap();
    let ours = MessageId::derived(Some(order), Role::Saga, &cause, 0).to_string();
    let shop = readers.namespace.outsider_at(&readers.vhost.url_of("shop")).await;
    let cancel = format!(r#"{{"order_id":"{order}"}}"#);
    shop.sends("order.cancel", with_id(&ours), cancel.as_bytes()).await;
    until_stored("a letter", async || !readers.letters().await.is_empty()).await;
    let died = readers.letters().await.pop().unwrap();
    assert_eq!((died.code.as_str(), died.by), ("message_id_invalid", Speaker::Shop));
    assert_eq!((died.origin(), &died.message_id), (Origin::Stranger, &None));
    // An operator who discards it, or sends it under another id, does not take that id either.
    let who = operator(None);
    let refused = replay(&*readers.store, &*readers.timers, &died.id, &who).await.unwrap_err();
    let says = format!("{refused:#}");
    assert!(says.contains("replay it with --edit, which gives it another") && says.contains(&ours), "{says}");
    let edited = Edited { name: None, body: Some(cancel) };
    replay(&*readers.store, &*readers.timers, &died.id, &operator(Some(edited))).await.unwrap();
    let known = [MessageId::new(&ours).unwrap()];
    let (_, handled) = readers.store.begin().await.unwrap().handled(Role::Order, &known).await.unwrap();
    assert!(handled.is_empty(), "{handled:?}");
    let saga = readers.namespace.outsider_at(&readers.vhost.url_of("saga")).await;
    let says = with_id(&ours).with_type("order.mark_paid".into());
    let says = says.with_user_id(readers.vhost.login("saga").into());
    let (exchange, key) = (readers.namespace.names().queues(), readers.namespace.names().queue(Queue::Order));
    saga.publishes(&exchange, &key, says, PAID.as_bytes()).await;
    let became = readers.became(std::slice::from_ref(&ours)).await;
    assert_eq!(became[&ours], Became::Taken(Speaker::Saga));
}

#[tokio::test]
async fn a_bundle_of_a_shop_that_expired_unread_gains_nothing_by_it() {
    let vhost = VirtualHost::new();
    let namespace = vhost.namespace();
    broker::rabbitmq::apply(&namespace.options()).await.unwrap();
    // No consumer reads the intake yet.
    let bundle = format!(
        r#"[{{"id":"in a bundle","type":"payment.captured","at":1,"body":{CAPTURED}}},
            {{"id":"as payment","type":"payment.captured","by":"payment","at":1,"body":{CAPTURED}}}]"#
    );
    let shop = namespace.outsider_at(&vhost.url_of("shop")).await;
    let mut headers = FieldTable::default();
    headers.insert("by".into(), AMQPValue::LongString("payment".into()));
    let expires = || with_id("expired").with_expiration("1".into()).with_headers(headers.clone());
    shop.sends("checkout.submit", expires().with_type("bundle".into()), bundle.as_bytes()).await;
    let alone = expires().with_type("payment.captured".into()).with_message_id("alone".into());
    shop.sends("checkout.submit", alone, CAPTURED.as_bytes()).await;
    let dead = namespace.names().dead_queue(Queue::Intake);
    let outsider = namespace.outsider().await;
    until_stored("the expiry", async || outsider.ready_in(&dead).await == 2).await;
    for (logins, by) in [(Some(String::new()), Speaker::Shop), (None, Speaker::Admin)] {
        let timers = namespace.broker_with(options(&vhost, &namespace, logins)).await;
        let mut letters = timers.take_dead(10).await.unwrap();
        while letters.len() < 2 {
            letters.extend(timers.take_dead(10).await.unwrap());
        }
        for letter in &letters {
            assert!(letter.cause.is_none() && letter.by == by, "{letter:?}");
            assert!(["bundle", "payment.captured"].contains(&letter.name.as_str()), "{letter:?}");
        }
        // They are not acknowledged, so the other broker gets them as well.
        timers.close().await;
        until_stored("both to be there again", async || outsider.ready_in(&dead).await == 2).await;
    }
}

fn options(vhost: &VirtualHost, namespace: &Namespace, logins: Option<String>) -> broker::rabbitmq::Options {
    broker::rabbitmq::Options { url: vhost.url_of("timers"), logins, ..namespace.options() }
}

#[tokio::test]
async fn what_is_not_allowed_keeps_who_said_it_on_its_way_to_the_dead_letters() {
    let readers = Readers::new().await;
    let email = readers.namespace.outsider_at(&readers.vhost.url_of("email")).await;
    let says = with_id("paid").with_type("payment.captured".into());
    let says = says.with_user_id(readers.vhost.login("email").into());
    let (exchange, key) = (readers.namespace.names().queues(), readers.namespace.names().queue(Queue::Saga));
    email.publishes(&exchange, &key, says, CAPTURED.as_bytes()).await;
    let became = readers.became(&["paid".into()]).await;
    assert_eq!(became["paid"], Became::Letter { code: "not_allowed".into(), by: Speaker::Email });
    let died = letter(&readers, "paid").await;
    assert!(died.why.contains("does not speak for payment"), "{}", died.why);
    let refused = replay(&*readers.store, &*readers.timers, &died.id, &operator(None)).await.unwrap_err();
    assert!(format!("{refused:#}").contains("this was said by email"), "{refused:#}");
    let left = email.channel.basic_get(key.as_str().into(), BasicGetOptions::default()).await;
    assert!(left.is_err(), "and the e-mail role reads no queue but its own");
}
