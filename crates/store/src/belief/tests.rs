use contract::{MessageId, Time};

use super::*;
use crate::Unreadable;

fn read(id: &str, name: &str, body: &str) -> Message {
    Message::restore(MessageId::new(id).unwrap(), None, Time::default(), name, body).unwrap()
}

fn captured(by: Speaker) -> Message {
    let body = r#"{"order_id":"0195d2a4-0000-7000-8000-000000000001","at":"2026-11-20T10:00:00Z",
        "transaction_id":"ch_1","amount":{"amount":"1.00","currency":"EUR"}}"#;
    read("captured", "payment.captured", body).said_by(by)
}

fn cancel(by: Speaker) -> Message {
    read("cancel", "order.cancel", r#"{"order_id":"0195d2a4-0000-7000-8000-000000000001"}"#).said_by(by)
}

#[test]
fn a_row_says_what_its_role_may_say_and_no_more() {
    assert!(may_say(Role::Payment, &captured(Speaker::Payment)));
    assert!(!may_say(Role::Email, &captured(Speaker::Payment)), "in another's name");
    assert!(!may_say(Role::Email, &captured(Speaker::Email)), "and in its own it is not allowed to");
    assert!(may_say(Role::Gateway, &cancel(Speaker::Customer)));
    assert!(!may_say(Role::Gateway, &captured(Speaker::Payment)), "it lets no role of ours speak");
    assert!(!may_say(Role::Gateway, &cancel(Speaker::Shop)), "a shop speaks by the broker");
    assert!(may_say(Role::Operator, &captured(Speaker::Payment)), "it says again what another said");
    assert!(may_say(Role::Operator, &cancel(Speaker::Shop)));
    assert!(!may_say(Role::Operator, &captured(Speaker::Shop)), "and that has to be allowed");
}

fn in_flight(role: Role, message: Message) -> Read<InFlight> {
    Ok(InFlight { role, queue: Queue::Saga, message })
}

#[test]
fn a_forged_row_hides_no_true_one_and_is_seen_where_it_stands_alone() {
    let forged = || in_flight(Role::Email, captured(Speaker::Payment));
    let true_one = || in_flight(Role::Payment, captured(Speaker::Payment));
    let again = || in_flight(Role::Operator, captured(Speaker::Payment));
    let bad = || Err(Unreadable { row: "journal row 1".into(), why: "a test".into() });
    assert_eq!(once_each(vec![forged(), bad(), true_one(), again()]), [bad(), true_one()]);
    assert_eq!(once_each(vec![true_one(), forged()]), [true_one()]);
    assert_eq!(once_each(vec![forged(), forged()]), [forged()]);
}
