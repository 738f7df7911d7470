//! A customer hears of each event once by each channel. In which words: reading.rs.

mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract::{
    Body, Contact, Currency, Decision, Message, MessageId, Money, Notice, OrderId, Outcome, Record, Records,
    Tell, Time, Worker,
};
use expect_test::expect;

use crate::{NotificationRecord, NotificationWorker};

const EVENTS: [Notice; 8] = [
    Notice::Created,
    Notice::Accepted,
    Notice::Paid,
    Notice::Fulfilled,
    Notice::Delivered,
    Notice::Cancelled,
    Notice::Refunded,
    Notice::LatePaymentRefunded,
];

fn id() -> OrderId {
    "01932b4a-1111-7000-8000-000000000001".parse().unwrap()
}

fn money(amount: &str, currency: &str) -> Money {
    Money::parse(amount, Currency::from_code(currency).unwrap()).unwrap()
}

fn tell(event: Notice, contact: &str) -> Tell {
    let gave = |channel: &str, address: &str| contact.contains(channel).then(|| address.to_string());
    let contact = Contact { email: gave("email", "ada@example.org"), phone: gave("phone", "+49301234567") };
    Tell { order_id: id(), event, contact, amount: money("12.34", "EUR"), reason: None, return_no: 0 }
}

/// What was kept so far, by key, through JSON as in a database.
#[derive(Default)]
struct Kept(BTreeMap<String, Arc<str>>);

impl Kept {
    fn tell(&mut self, tell: Tell) -> Decision<NotificationRecord> {
        self.decide(Body::Tell(tell))
    }

    fn decide(&mut self, body: Body) -> Decision<NotificationRecord> {
        let message = Message::new(MessageId::new("m").unwrap(), Time::default(), body);
        let mut records = Records::default();
        for need in NotificationWorker.needs(&message) {
            let found = self.0.get(&need.id);
            let found = found.map(|json| (1, NotificationRecord::from_json(need.table, json).unwrap()));
            records.put(need, found);
        }
        let decision = NotificationWorker.decide(&records, &message, Time::default());
        for record in &decision.save {
            records.save(record.clone());
            self.0.insert(record.id(), record.to_json());
        }
        decision
    }
}

fn keys(decision: &Decision<NotificationRecord>) -> Vec<String> {
    let key = |body: &Body| {
        if let Body::EmailSend(send) = body {
            return format!("{} to {}", send.key, send.to);
        }
        if let Body::SmsSend(send) = body {
            return format!("{} to {}", send.key, send.number);
        }
        panic!("notification never says {}", body.name())
    };
    decision.send.iter().map(key).map(|key| key.replace(&id().to_string(), "ORDER")).collect()
}

#[test]
fn who_is_told_by_what() {
    let both = "email, phone";
    let of_return = |return_no| Tell { return_no, ..tell(Notice::Refunded, both) };
    let story = [
        ("created, no channel", tell(Notice::Created, "")),
        ("created, by e-mail", tell(Notice::Created, "email")),
        ("created, again", tell(Notice::Created, "email")),
        ("created, now by both", tell(Notice::Created, both)),
        ("created, again by both", tell(Notice::Created, both)),
        ("paid, by SMS", tell(Notice::Paid, "phone")),
        ("fulfilled, by both", tell(Notice::Fulfilled, both)),
        ("refunded, return 1", of_return(1)),
        ("refunded, return 2", of_return(2)),
        ("refunded, return 1 again", of_return(1)),
        ("refunded, the order", of_return(0)),
    ];
    let (mut kept, mut table) = (Kept::default(), String::new());
    for (name, tell) in story {
        let decision = kept.tell(tell);
        let outcome = match &decision.outcome {
            Outcome::Done(what) | Outcome::Ignored(what) => *what,
            other @ (Outcome::Alarm(_) | Outcome::Parked { .. }) => panic!("{other:?}"),
        };
        table += &format!("{name} → {outcome}\n");
        for key in keys(&decision) {
            table += &format!("    {key}\n");
        }
    }
    expect![[r#"
        created, no channel → the customer gave no channel to be told by
        created, by e-mail → told
            ORDER/created/email to ada@example.org
        created, again → the customer was told before
        created, now by both → told
            ORDER/created/sms to +49301234567
        created, again by both → the customer was told before
        paid, by SMS → told
            ORDER/paid/sms to +49301234567
        fulfilled, by both → told
            ORDER/fulfilled/email to ada@example.org
            ORDER/fulfilled/sms to +49301234567
        refunded, return 1 → told
            ORDER/refunded/1/email to ada@example.org
            ORDER/refunded/1/sms to +49301234567
        refunded, return 2 → told
            ORDER/refunded/2/email to ada@example.org
            ORDER/refunded/2/sms to +49301234567
        refunded, return 1 again → the customer was told before
        refunded, the order → told
            ORDER/refunded/email to ada@example.org
            ORDER/refunded/sms to +49301234567
    "#]]
    .assert_eq(&table);
    let records = kept.0.iter().map(|(key, json)| format!("{key}\n    {json}\n")).collect::<String>();
    expect![[r#"
        01932b4a-1111-7000-8000-000000000001/created
            {"order_id":"01932b4a-1111-7000-8000-000000000001","event":"created","return_no":0,"channels":["email","sms"],"at":"1970-01-01T00:00:00.000Z"}
        01932b4a-1111-7000-8000-000000000001/fulfilled
            {"order_id":"01932b4a-1111-7000-8000-000000000001","event":"fulfilled","return_no":0,"channels":["email","sms"],"at":"1970-01-01T00:00:00.000Z"}
        01932b4a-1111-7000-8000-000000000001/paid
            {"order_id":"01932b4a-1111-7000-8000-000000000001","event":"paid","return_no":0,"channels":["sms"],"at":"1970-01-01T00:00:00.000Z"}
        01932b4a-1111-7000-8000-000000000001/refunded
            {"order_id":"01932b4a-1111-7000-8000-000000000001","event":"refunded","return_no":0,"channels":["email","sms"],"at":"1970-01-01T00:00:00.000Z"}
        01932b4a-1111-7000-8000-000000000001/refunded/1
            {"order_id":"01932b4a-1111-7000-8000-000000000001","event":"refunded","return_no":1,"channels":["email","sms"],"at":"1970-01-01T00:00:00.000Z"}
        01932b4a-1111-7000-8000-000000000001/refunded/2
            {"order_id":"01932b4a-1111-7000-8000-000000000001","event":"refunded","return_no":2,"channels":["email","sms"],"at":"1970-01-01T00:00:00.000Z"}
    "#]].assert_eq(&records);
    assert!(!records.contains("ada@") && !records.contains("+49"), "no record holds an address");
}

#[test]
fn a_customer_hears_once_of_each_event_by_each_channel() {
    let mut kept = Kept::default();
    let mut heard = Vec::new();
    for contact in ["phone", "email, phone", "email", "", "email, phone"] {
        for event in EVENTS {
            for return_no in 0..3 {
                heard.extend(keys(&kept.tell(Tell { return_no, ..tell(event, contact) })));
            }
        }
    }
    assert_eq!(heard.len(), EVENTS.len() * 3 * 2);
    assert_eq!(heard.iter().collect::<BTreeSet<_>>().len(), heard.len());
}

#[test]
fn keys_use_the_words_of_the_messages() {
    for event in EVENTS {
        assert_eq!(serde_json::to_string(&event).unwrap(), format!("{:?}", crate::word(event)));
    }
}

#[test]
fn what_is_not_for_notification_is_parked() {
    let mut kept = Kept::default();
    let decision = kept
        .decide(Body::StockCount(contract::StockCount { sku: contract::Sku::new("A").unwrap(), on_hand: 1 }));
    assert!(matches!(decision.outcome, Outcome::Parked { code: "misrouted", .. }));
}

#[test]
fn the_notices_that_most_orders_come_to_are_foreseen() {
    use contract::{Need, PrefetchHint, Table, Worker};
    let json = format!(r#"{{"order_id":"{}","customer_id":"c1"}}"#, id());
    let m1 = contract::MessageId::new("m1").unwrap();
    let submit = contract::Message::restore(m1, None, contract::Time::default(), "checkout.submit", &json);
    let notice = |event: &str| Need::of(Table::Notices, format!("{}/{event}", id()));
    let submit = submit.unwrap();
    assert_eq!(NotificationWorker.prefetch(PrefetchHint::of(&submit).unwrap()), [notice("created")]);
    let paid = NotificationWorker.prefetch(PrefetchHint::Payment(id()));
    assert_eq!(paid, [notice("paid"), notice("fulfilled")]);
}
