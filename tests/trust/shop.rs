//! A shop with its own login, which declares whatever it may in order to get in by another way.

use lapin::options::{
    BasicNackOptions, ConfirmSelectOptions, ExchangeBindOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, ExchangeKind};

use broker::rabbitmq::topology::OUTSIDE;
use contract::Speaker;

use super::{Became, Readers, with_id};

const ORDER: &str = r#"{"order_id":"0195d2a4-0000-7000-8000-000000000001"}"#;

/// The detours, each by the name of the exchange or queue that the shop publishes to.
async fn detours(readers: &Readers, channel: &Channel) -> Vec<String> {
    let commands = readers.namespace.names().commands();
    let own = |name: &str| format!("{}.shop.{name}", readers.namespace.prefix());
    let bound = own("bound");
    declare(channel, &bound, ExchangeKind::Topic, FieldTable::default()).await;
    bind(channel, &commands, &bound, "#").await;
    // A headers exchange ignores the routing key.
    let by_headers = own("headers");
    declare(channel, &by_headers, ExchangeKind::Headers, FieldTable::default()).await;
    bind(channel, &commands, &by_headers, "").await;
    let alternate = own("alternate");
    let mut arguments = FieldTable::default();
    arguments.insert("alternate-exchange".into(), AMQPValue::LongString(commands.as_str().into()));
    declare(channel, &alternate, ExchangeKind::Topic, arguments).await;
    vec![bound, by_headers, alternate]
}

async fn declare(channel: &Channel, name: &str, kind: ExchangeKind, arguments: FieldTable) {
    let options = ExchangeDeclareOptions { auto_delete: false, ..Default::default() };
    channel.exchange_declare(name.into(), kind, options, arguments).await.unwrap();
}

async fn bind(channel: &Channel, to: &str, from: &str, key: &str) {
    let options = ExchangeBindOptions::default();
    channel.exchange_bind(to.into(), from.into(), key.into(), options, FieldTable::default()).await.unwrap();
}

#[tokio::test]
async fn nothing_gets_in_by_an_exchange_of_the_shops_own() {
    let readers = Readers::new().await;
    let shop = readers.namespace.outsider_at(&readers.vhost.url_of("shop")).await;
    let mut ids = Vec::new();
    for exchange in detours(&readers, &shop.channel).await {
        for name in OUTSIDE {
            let id = format!("{name} by {exchange}");
            shop.publishes(&exchange, name, with_id(&id).with_type(name.into()), ORDER.as_bytes()).await;
            ids.push(id);
        }
    }
    let became = readers.became(&ids).await;
    for id in ids {
        let refused = Became::Letter { code: "not_allowed".into(), by: Speaker::Outsider };
        assert_eq!(became[&id], refused, "{id}");
    }
}

#[tokio::test]
async fn nothing_gets_in_out_of_a_dead_lettering_queue_of_the_shops_own() {
    let readers = Readers::new().await;
    let shop = readers.namespace.outsider_at(&readers.vhost.url_of("shop")).await;
    let commands = readers.namespace.names().commands();
    let mut ids = Vec::new();
    for name in OUTSIDE {
        let queue = format!("{}.shop.{name}", readers.namespace.prefix());
        let mut arguments = FieldTable::default();
        for (key, value) in
            [("x-dead-letter-exchange", commands.as_str()), ("x-dead-letter-routing-key", name)]
        {
            arguments.insert(key.into(), AMQPValue::LongString(value.into()));
        }
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        shop.channel.queue_declare(queue.as_str().into(), options, arguments).await.unwrap();
        let exchange = format!("{}.shop.in", readers.namespace.prefix());
        declare(&shop.channel, &exchange, ExchangeKind::Topic, FieldTable::default()).await;
        let bound = shop.channel.queue_bind(
            queue.as_str().into(),
            exchange.as_str().into(),
            name.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        bound.await.unwrap();
        let id = format!("{name} out of a queue");
        shop.publishes(&exchange, name, with_id(&id).with_type(name.into()), ORDER.as_bytes()).await;
        let got = shop.channel.basic_get(queue.as_str().into(), Default::default()).await.unwrap();
        got.unwrap().nack(BasicNackOptions { requeue: false, multiple: false }).await.unwrap();
        ids.push(id);
    }
    let became = readers.became(&ids).await;
    for id in ids {
        let refused = Became::Letter { code: "not_allowed".into(), by: Speaker::Outsider };
        assert_eq!(became[&id], refused, "{id}");
    }
}

#[tokio::test]
async fn the_broker_refuses_the_login_of_another_publisher() {
    let readers = Readers::new().await;
    let shop = readers.namespace.outsider_at(&readers.vhost.url_of("shop")).await;
    let channel = shop.channel().await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let forged = with_id("forged").with_user_id(readers.vhost.login("saga").into());
    let (commands, key) = (readers.namespace.names().commands(), "order.cancel");
    let sent = channel
        .basic_publish(commands.into(), key.into(), Default::default(), ORDER.as_bytes(), forged)
        .await;
    let refused = match sent {
        Ok(confirmed) => confirmed.await.unwrap_err(),
        Err(refused) => refused,
    };
    assert!(refused.to_string().contains("PRECONDITION"), "{refused}");
}

#[tokio::test]
async fn what_a_shop_may_say_is_handled_and_an_answer_never_goes_to_a_queue_of_ours() {
    let readers = Readers::new().await;
    let shop = readers.namespace.outsider_at(&readers.vhost.url_of("shop")).await;
    shop.sends("order.cancel", with_id("cancel"), ORDER.as_bytes()).await;
    let submit = br#"{"order_id":"0195d2a4-0000-7000-8000-000000000002","customer_id":"c",
        "items":[{"sku":"A","quantity":1}],"payment":{"method":"card","token":"tok_ok"},"contact":{}}"#;
    let asked =
        with_id("submit").with_reply_to(readers.namespace.names().queue(contract::Queue::Order).into());
    shop.sends("checkout.submit", asked, submit).await;
    shop.sends("checkout.submit", BasicProperties::default().with_message_id("good".into()), submit).await;
    let became = readers.became(&["cancel".into(), "submit".into(), "good".into()]).await;
    assert_eq!(became["cancel"], Became::Taken(Speaker::Shop));
    assert_eq!(became["good"], Became::Taken(Speaker::Shop));
    let refused = Became::Letter { code: "reply_to_invalid".into(), by: Speaker::Shop };
    assert_eq!(became["submit"], refused);
}
