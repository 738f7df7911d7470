//! Plays a scripted scene in a running demo shop: places its order, and sends the messages of its people on their cues.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use adapters::provider::PaymentProvider;
use contract::{
    ChargeStanding, Message, Money, OrderId, PaymentChoice, ProviderCharge, ProviderQuery, Raw, Speaker,
    Token,
};
use engine::ingress::Refused;
use playground::scenes::{Cue, Scene};
use serde_json::{Value, json};
use store::Error;
use tokio::time::{Instant, sleep, timeout_at};

use crate::state::Gateway;

/// The scene's patience with the provider: longer than the provider takes, and short enough to watch.
const PATIENCE: Duration = Duration::from_secs(6);
/// After this a scene's cues are not played any more; its order goes on by itself.
const WITHIN: Duration = Duration::from_secs(60);
/// The pause before a message is sent again that was refused because the database or the broker is unavailable.
const AGAIN: Duration = Duration::from_millis(300);

/// Starts a scene in the background and returns its order's id.
pub(super) fn place(gateway: &Arc<Gateway>, scene: &'static Scene) -> OrderId {
    let id = OrderId::new(uuid::Uuid::now_v7());
    let gateway = gateway.clone();
    tokio::spawn(async move {
        let stop = gateway.stop.clone();
        tokio::select! {
            played = play(&gateway, scene, id) => if let Err(why) = played {
                tracing::debug!(order_id = %id, "the scene {:?} was not played to its end: {why}", scene.title);
            },
            () = stop.cancelled() => {}
        }
    });
    id
}

async fn play(gateway: &Gateway, scene: &Scene, id: OrderId) -> Result<(), Refused> {
    let order_id = id.to_string();
    let mut cues: VecDeque<Cue> = scene.cues.iter().copied().collect();
    for body in cues.iter().filter(|cue| cue.kind == "stock.adjust").map(|cue| (cue.body)(&order_id)) {
        // The goods that the scene's stock-take will remove are added first, so that the scene can be repeated.
        let delta = -body["delta"].as_i64().unwrap_or_default();
        send(
            gateway,
            "stock.adjust",
            None,
            json!({"sku": body["sku"], "delta": delta, "reason": "a delivery"}),
        )
        .await?;
    }
    let mut facts = gateway.broker.facts(&[]).await;
    if scene.event_first {
        charge_early(gateway, id).await;
    }
    for _ in 0..scene.sent_times {
        send(gateway, "checkout.submit", Some(&order_id), scene.checkout(&order_id)).await?;
    }
    let (until, mut patience) = (Instant::now() + WITHIN, Instant::now() + PATIENCE);
    while Instant::now() < until {
        match timeout_at(patience.min(until), facts.recv()).await {
            Ok(Ok(fact)) if fact.order_id == Some(id) => {
                if let Some(at) = cues.iter().position(|cue| cue.after == fact.name())
                    && let Some(cue) = cues.remove(at)
                {
                    send(gateway, cue.kind, None, (cue.body)(&order_id)).await?;
                }
            }
            Ok(_) => {}
            Err(_) if waits_for_payment(gateway, &order_id).await => {
                let fire = json!({"order_id": id, "change": "fire", "by": "chaos shop", "why": "its patience is short"});
                send(gateway, "saga.deadline", None, fire).await?;
                patience = Instant::now() + PATIENCE;
            }
            Err(_) => patience = Instant::now() + PATIENCE,
        }
    }
    Ok(())
}

async fn send(gateway: &Gateway, name: &str, id: Option<&str>, body: Value) -> Result<(), Refused> {
    let id = id.map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_string);
    let raw =
        Raw { message_id: Some(id), name: name.into(), body: body.to_string().into(), ..Raw::default() };
    let until = Instant::now() + WITHIN;
    loop {
        let accepted = match gateway.store.now().await {
            Ok(now) => match Message::accept(Speaker::Operator, &raw, now) {
                Ok(message) => gateway.ingress.accept(message).await,
                Err(why) => return Err(Refused::Unavailable(format!("{name} cannot be read: {why}"))),
            },
            Err(why) => Err(Refused::Unavailable(why.to_string())),
        };
        match accepted {
            Err(Refused::Unavailable(_)) if Instant::now() < until => sleep(AGAIN).await,
            done => return done.map(drop),
        }
    }
}

/// Whether the order's saga still waits for the payment.
async fn waits_for_payment(gateway: &Gateway, id: &str) -> bool {
    let saga: Result<Option<String>, Error> = gateway.store.get(contract::Table::Sagas, id).await;
    let saga = saga.ok().flatten().and_then(|saga| serde_json::from_str::<Value>(&saga).ok());
    saga.is_some_and(|saga| saga["status"] == "running" && saga["step"] == "take_payment")
}

/// Makes the provider charge, under the key that payment will use, so that its event comes before the order exists.
async fn charge_early(gateway: &Gateway, order_id: OrderId) {
    let Ok(amount) = serde_json::from_value::<Money>(json!({"amount": "12.99", "currency": "EUR"})) else {
        return;
    };
    let payment = PaymentChoice::by(contract::Method::Card, Some(Token("tok_ok".to_string())));
    let key = format!("charge/{order_id}");
    let ask = ProviderCharge { key: key.clone(), order_id, amount, payment, not_after: None };
    gateway.world.charge(&[&ask]).await;
    // The order is placed soon after the charge, so that the audit does not find money without an order for long.
    let (query, until) = (ProviderQuery { key, order_id }, Instant::now() + PATIENCE);
    while Instant::now() < until {
        let standing = gateway.world.query(&[&query]).await;
        if standing.iter().any(|standing| matches!(standing, Ok(ChargeStanding::Succeeded { .. }))) {
            break;
        }
        sleep(AGAIN / 10).await;
    }
    sleep(AGAIN).await;
}
