use std::sync::Arc;

use contract::{
    Body, ChargeStanding, Message, MessageId, Outcome, ProviderCharge, ProviderQuery, ProviderRefund, Time,
};

use super::email::EmailAdapter;
use super::mock::tests::place::{On, Place, on_every_shelf};
use super::mock::{MockWorld, Settings};
use super::provider::{Answer, PaymentProvider, ProviderAdapter};
use super::sms::SmsAdapter;
use super::{Adapter, Done, Failure};

const ORDER: &str = "01932b4a-1111-7000-8000-000000000001";
const OTHER: &str = "01932b4a-1111-7000-8000-000000000002";

fn message(no: usize, name: &str, body: &str) -> Arc<Message> {
    let body = body.replace("ORDER", ORDER).replace("OTHER", OTHER);
    let id = MessageId::new(&format!("m{no}")).unwrap();
    Arc::new(Message::restore(id, None, Time::default(), name, &body).unwrap())
}

async fn perform(adapter: impl Adapter, batch: &[(&str, &str)]) -> Vec<Result<Done, Failure>> {
    perform_at(Time::default(), adapter, batch).await
}

async fn perform_at(now: Time, adapter: impl Adapter, batch: &[(&str, &str)]) -> Vec<Result<Done, Failure>> {
    let batch: Vec<_> = batch.iter().enumerate().map(|(no, (name, body))| message(no, name, body)).collect();
    adapter.perform(&batch, now).await
}

async fn world(place: &Place) -> Arc<MockWorld> {
    place.open(&Settings::default(), Arc::new(Time::default)).await
}

const CHARGE: (&str, &str) = (
    "provider.charge",
    r#"{"key":"k1","order_id":"ORDER","amount":{"amount":"10.00","currency":"EUR"},"payment":{"method":"card","token":"tok_ok"}}"#,
);
const REUSED: (&str, &str) = (
    "provider.charge",
    r#"{"key":"k1","order_id":"ORDER","amount":{"amount":"11.00","currency":"EUR"},"payment":{"method":"card","token":"tok_ok"}}"#,
);
const QUERY: (&str, &str) = ("provider.query", r#"{"key":"k1","order_id":"ORDER"}"#);
const QUERY_OTHER: (&str, &str) = ("provider.query", r#"{"key":"k1","order_id":"OTHER"}"#);
const REFUND: (&str, &str) = (
    "provider.refund",
    r#"{"key":"k2","order_id":"ORDER","transaction_id":"ch_none","amount":{"amount":"10.00","currency":"EUR"}}"#,
);
const EMAIL: (&str, &str) =
    ("email.send", r#"{"order_id":"ORDER","key":"k","to":"anna@example.org","subject":"s","body":"b"}"#);
const SMS: (&str, &str) =
    ("sms.send", r#"{"order_id":"ORDER","key":"k","number":"+491701234567","text":"t"}"#);

/// Each answer in one line.
fn lines(answers: &[Result<Done, Failure>]) -> Vec<String> {
    let said = |body: &Body| match body {
        Body::ProviderEvent(event) => {
            let kind = serde_json::to_value(event.kind).unwrap();
            format!(" {}", kind.as_str().unwrap())
        }
        Body::ProviderAnswer(answer) => format!(" {:?}", answer.charge).chars().take(10).collect(),
        other => panic!("{other:?}"),
    };
    let line = |answer: &Result<Done, Failure>| match answer {
        Ok(Done { outcome: Outcome::Done(what), send }) => {
            format!("{what}{}", send.iter().map(said).collect::<String>())
        }
        Ok(Done { outcome: Outcome::Parked { code, .. }, .. }) => format!("parked {code}"),
        Ok(other) => panic!("{other:?}"),
        Err(Failure::Refused(..)) => "refused".into(),
        Err(Failure::Unavailable(..)) => "unavailable".into(),
    };
    answers.iter().map(line).collect()
}

on_every_shelf!(
    each_answer_stands_where_its_message_stood,
    what_was_told_from_outside_goes_before_what_is_asked,
    a_charge_whose_time_is_over_takes_nothing_and_tells_what_was_taken_before,
    a_world_that_cannot_be_reached_is_unavailable_for_everyone_who_asks,
    e_mail_and_text_messages_go_their_own_ways,
);

async fn each_answer_stands_where_its_message_stood(on: On) {
    let place = Place::new(on).await;
    let adapter = ProviderAdapter(world(&place).await);
    let batch = [QUERY, REFUND, EMAIL, CHARGE, REUSED, QUERY_OTHER, CHARGE];
    let answers = perform(adapter, &batch).await;
    assert_eq!(
        lines(&answers),
        [
            "answered Succeeded",
            "told refund.failed",
            "parked misrouted",
            "told payment.succeeded",
            "refused",
            "answered NotFound",
            "told payment.succeeded",
        ]
    );
}

const TOLD: (&str, &str) = (
    "provider.told",
    r#"{"what":"charge","key":"k1","order_id":"ORDER","transaction_id":"ch_theirs","amount":{"amount":"10.00","currency":"EUR"}}"#,
);

/// Requested and reported in one batch, it is charged once.
async fn what_was_told_from_outside_goes_before_what_is_asked(on: On) {
    let place = Place::new(on).await;
    let world = world(&place).await;
    let answers = perform(ProviderAdapter(world.clone()), &[CHARGE, TOLD]).await;
    assert_eq!(lines(&answers), ["accepted", "it stands in the provider's books"]);
    let charges = world.charges_page("", 10).await.unwrap();
    let charges: Vec<_> = charges.iter().map(|c| (c.transaction_id.as_str(), c.state.as_str())).collect();
    assert_eq!(charges, [("ch_theirs", "succeeded")]);
}

const LIMITED: (&str, &str) = (
    "provider.charge",
    r#"{"key":"k1","order_id":"ORDER","amount":{"amount":"10.00","currency":"EUR"},"payment":{"method":"card","token":"tok_ok"},"not_after":"1970-01-01T00:05:00Z"}"#,
);

async fn a_charge_whose_time_is_over_takes_nothing_and_tells_what_was_taken_before(on: On) {
    let place = Place::new(on).await;
    let world = world(&place).await;
    let at = |s| Time::default().plus_s(s);
    let late = perform_at(at(301), ProviderAdapter(world.clone()), &[QUERY_OTHER, LIMITED, LIMITED]).await;
    assert_eq!(lines(&late), ["answered NotFound", TOO_LATE.0, TOO_LATE.0]);
    assert!(world.charges_page("", 10).await.unwrap().is_empty());

    let in_time = perform_at(at(300), ProviderAdapter(world.clone()), &[LIMITED]).await;
    assert_eq!(lines(&in_time), ["told payment.succeeded"]);
    // It comes again: the money was taken, and that is not denied.
    let late = perform_at(at(301), ProviderAdapter(world.clone()), &[LIMITED, QUERY_OTHER]).await;
    assert_eq!(lines(&late), [TOO_LATE.1, "answered NotFound"]);
    assert_eq!(world.charges_page("", 10).await.unwrap().len(), 1);
    // An older program's message says nothing of a time.
    let old = perform_at(at(301), ProviderAdapter(world), &[CHARGE]).await;
    assert_eq!(lines(&old), ["told payment.succeeded"]);
}

/// What is said of a charge that was never made, and of one that was.
const TOO_LATE: (&str, &str) = (
    "its time is over: the provider was asked what it took, and for nothing more NotFound",
    "its time is over: the provider was asked what it took, and for nothing more Succeeded",
);

/// A provider with books of its own, like any real one.
struct OwnBooks;

#[async_trait::async_trait]
impl PaymentProvider for OwnBooks {
    async fn charge(&self, asks: &[&ProviderCharge]) -> Vec<Result<Answer, Failure>> {
        asks.iter().map(|_| Ok(Answer::Accepted)).collect()
    }

    async fn refund(&self, asks: &[&ProviderRefund]) -> Vec<Result<Answer, Failure>> {
        asks.iter().map(|_| Ok(Answer::Accepted)).collect()
    }

    async fn query(&self, asks: &[&ProviderQuery]) -> Vec<Result<ChargeStanding, Failure>> {
        asks.iter().map(|_| Ok(ChargeStanding::Pending)).collect()
    }
}

#[tokio::test]
async fn a_provider_that_keeps_its_own_books_is_told_nothing() {
    let answers = perform(ProviderAdapter(Arc::new(OwnBooks)), &[TOLD, CHARGE]).await;
    assert_eq!(lines(&answers), ["it stands in the provider's books", "accepted"]);
}

async fn a_world_that_cannot_be_reached_is_unavailable_for_everyone_who_asks(on: On) {
    let place = Place::new(on).await;
    let world = world(&place).await;
    world.close().await;
    let answers = perform(ProviderAdapter(world.clone()), &[CHARGE, EMAIL, REFUND, QUERY]).await;
    assert_eq!(lines(&answers), ["unavailable", "parked misrouted", "unavailable", "unavailable"]);
    let answers = perform(EmailAdapter(Arc::new(world.email())), &[EMAIL, EMAIL]).await;
    assert_eq!(lines(&answers), ["unavailable", "unavailable"]);
}

async fn e_mail_and_text_messages_go_their_own_ways(on: On) {
    let place = Place::new(on).await;
    let world = world(&place).await;
    let answers = perform(EmailAdapter(Arc::new(world.email())), &[EMAIL, SMS, EMAIL]).await;
    assert_eq!(lines(&answers), ["handed_over", "parked misrouted", "handed_over"]);
    let answers = perform(SmsAdapter(Arc::new(world.sms())), &[EMAIL, SMS]).await;
    assert_eq!(lines(&answers), ["parked misrouted", "handed_over"]);
    let sent = world.sent_page(0, 10).await.unwrap();
    let sent: Vec<_> = sent.iter().map(|sent| (&*sent.channel, &*sent.address, &*sent.body)).collect();
    assert_eq!(sent, [("email", "anna@example.org", "b"), ("sms", "+491701234567", "t")]);
}
