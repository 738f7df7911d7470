//! What a customer reads, word for word.

use std::collections::BTreeSet;

use contract::{Notice, Reason, Tell};
use expect_test::expect;

use super::{EVENTS, id, money, tell};
use crate::texts;

const REASONS: [Reason; 7] = [
    Reason::InsufficientStock,
    Reason::PaymentDeclined,
    Reason::PaymentTimeout,
    Reason::CancelledByCustomer,
    Reason::CancelledByAdmin,
    Reason::StockUnavailable,
    Reason::Returned,
];

#[test]
fn what_the_customer_reads() {
    let mut read = String::new();
    for event in EVENTS {
        let tell = tell(event, "");
        let texts::Email { subject, body } = texts::email(&tell);
        read += &format!("{subject}\n{body}\nSMS: {}\n-----\n", texts::sms(&tell));
    }
    expect![[r#"
        We have your order (ORDER)
        Hello,

        Thank you for your order. It comes to 12.34 EUR. We will write again as soon as there is news.

        Your order number: ORDER

        Your shop

        SMS: Thank you! We have your order ORDER over 12.34 EUR.
        -----
        Your order is on its way (ORDER)
        Hello,

        Your order has left our warehouse. Please have 12.34 EUR ready when it is delivered.

        Your order number: ORDER

        Your shop

        SMS: Your order ORDER is on its way. Please have 12.34 EUR ready.
        -----
        Your payment has arrived (ORDER)
        Hello,

        Thank you: we have received your payment of 12.34 EUR.

        Your order number: ORDER

        Your shop

        SMS: Thank you! Your payment of 12.34 EUR for order ORDER has arrived.
        -----
        Your order has left our warehouse (ORDER)
        Hello,

        Your order over 12.34 EUR has been handed over for delivery. We hope you enjoy it.

        Your order number: ORDER

        Your shop

        SMS: Your order ORDER over 12.34 EUR has left our warehouse.
        -----
        Your order is complete (ORDER)
        Hello,

        Your order over 12.34 EUR has been delivered and paid. We hope you enjoy it.

        Your order number: ORDER

        Your shop

        SMS: Your order ORDER over 12.34 EUR is delivered and paid.
        -----
        Your order was cancelled (ORDER)
        Hello,

        Your order over 12.34 EUR was cancelled. If you wonder why, please ask us. You have nothing to pay.

        Your order number: ORDER

        Your shop

        SMS: Your order ORDER over 12.34 EUR was cancelled. Nothing to pay.
        -----
        Your money is on its way back (ORDER)
        Hello,

        We have refunded 12.34 EUR to you. If you wonder why, please ask us. Your bank may take a few days to show it.

        Your order number: ORDER

        Your shop

        SMS: We have refunded 12.34 EUR for your order ORDER.
        -----
        A late payment was sent back (ORDER)
        Hello,

        Your payment of 12.34 EUR reached us after the order had been cancelled, so we have sent all of it back. Your bank may take a few days to show it.

        Your order number: ORDER

        Your shop

        SMS: Your payment of 12.34 EUR came after order ORDER was cancelled. We have sent it back.
        -----
    "#]].assert_eq(&read.replace(&id().to_string(), "ORDER"));
}

#[test]
fn why_an_order_ended() {
    let mut read = String::new();
    for (event, reason) in [Notice::Cancelled, Notice::Refunded]
        .into_iter()
        .flat_map(|event| REASONS.map(|reason| (event, reason)))
    {
        let tell = Tell { reason: Some(reason), ..tell(event, "") };
        let news = texts::email(&tell).body.lines().nth(2).unwrap().to_string();
        read += &format!("{}: {news}\n    {}\n", reason.code(), texts::sms(&tell));
    }
    expect![[r#"
        insufficient_stock: Your order over 12.34 EUR was cancelled. We are sorry: we do not have enough of what you wanted. You have nothing to pay.
            Your order ORDER over 12.34 EUR was cancelled: not enough in stock. Nothing to pay.
        payment_declined: Your order over 12.34 EUR was cancelled. The payment was declined; you are welcome to try another way to pay. You have nothing to pay.
            Your order ORDER over 12.34 EUR was cancelled: payment declined. Nothing to pay.
        payment_timeout: Your order over 12.34 EUR was cancelled. The payment was not confirmed in time; you are welcome to order again. You have nothing to pay.
            Your order ORDER over 12.34 EUR was cancelled: payment not confirmed. Nothing to pay.
        cancelled_by_customer: Your order over 12.34 EUR was cancelled. You asked us to cancel the order. You have nothing to pay.
            Your order ORDER over 12.34 EUR was cancelled, as you asked. Nothing to pay.
        cancelled_by_admin: Your order over 12.34 EUR was cancelled. Our staff cancelled the order; please ask us if you wonder why. You have nothing to pay.
            Your order ORDER over 12.34 EUR was cancelled: our staff cancelled it. Nothing to pay.
        stock_unavailable: Your order over 12.34 EUR was cancelled. We are sorry: when we came to pack your order, something was missing. You have nothing to pay.
            Your order ORDER over 12.34 EUR was cancelled: no longer in stock. Nothing to pay.
        returned: Your order over 12.34 EUR was cancelled. It is for what you sent back to us. You have nothing to pay.
            Your order ORDER over 12.34 EUR was cancelled: return received. Nothing to pay.
        insufficient_stock: We have refunded 12.34 EUR to you. We are sorry: we do not have enough of what you wanted. Your bank may take a few days to show it.
            We have refunded 12.34 EUR for your order ORDER: not enough in stock.
        payment_declined: We have refunded 12.34 EUR to you. The payment was declined; you are welcome to try another way to pay. Your bank may take a few days to show it.
            We have refunded 12.34 EUR for your order ORDER: payment declined.
        payment_timeout: We have refunded 12.34 EUR to you. The payment was not confirmed in time; you are welcome to order again. Your bank may take a few days to show it.
            We have refunded 12.34 EUR for your order ORDER: payment not confirmed.
        cancelled_by_customer: We have refunded 12.34 EUR to you. You asked us to cancel the order. Your bank may take a few days to show it.
            We have refunded 12.34 EUR for your order ORDER, as you asked.
        cancelled_by_admin: We have refunded 12.34 EUR to you. Our staff cancelled the order; please ask us if you wonder why. Your bank may take a few days to show it.
            We have refunded 12.34 EUR for your order ORDER: our staff cancelled it.
        stock_unavailable: We have refunded 12.34 EUR to you. We are sorry: when we came to pack your order, something was missing. Your bank may take a few days to show it.
            We have refunded 12.34 EUR for your order ORDER: no longer in stock.
        returned: We have refunded 12.34 EUR to you. It is for what you sent back to us. Your bank may take a few days to show it.
            We have refunded 12.34 EUR for your order ORDER: return received.
    "#]].assert_eq(&read.replace(&id().to_string(), "ORDER"));
}

#[test]
fn every_text_names_order_and_amount_and_an_sms_is_one_message() {
    let amounts = [money("12.34", "EUR"), money("-100000000000.00", "EUR"), money("10000000000.000", "BHD")];
    let reasons = REASONS.map(Some).into_iter().chain([None]);
    let mut different = BTreeSet::new();
    for (event, reason, amount) in EVENTS
        .into_iter()
        .flat_map(|event| reasons.clone().map(move |reason| (event, reason)))
        .flat_map(|(event, reason)| amounts.map(|amount| (event, reason, amount)))
    {
        let tell = Tell { reason, amount, ..tell(event, "") };
        let (email, sms) = (texts::email(&tell), texts::sms(&tell));
        for text in [&email.body, &sms] {
            assert!(text.contains(&id().to_string()) && text.contains(&amount.to_string()), "{text}");
        }
        assert!(email.subject.contains(&id().to_string()) && !email.subject.contains('\n'));
        assert!(sms.len() <= 160 && sms.is_ascii(), "{} characters: {sms}", sms.chars().count());
        different.insert(email.subject);
    }
    assert_eq!(different.len(), EVENTS.len());
}
