//! Every change of state leaves one entry that says who requested it and why.

use super::*;

#[test]
fn the_audit_trail_has_one_entry_per_change_and_no_gaps() {
    for State { name: state, checkout, mut shop } in states() {
        // Every message there is, twice: whatever changes the status must leave exactly one entry.
        for (name, body) in messages(&checkout).into_iter().chain(messages(&checkout)) {
            let (before, entries) = (shop.status(), shop.audit().len());
            shop.hear(body);
            let changed = usize::from(before != shop.status() && shop.status() != "rejected");
            assert_eq!(shop.audit().len(), entries + changed, "{state}, {name}");
        }
        let audit = shop.audit();
        for (at, entry) in audit.iter().enumerate() {
            assert_eq!(entry.seq as usize, at + 1, "{state}");
            assert_eq!(entry.from, at.checked_sub(1).map(|before| audit[before].to), "{state}");
        }
        if let Some(last) = audit.last() {
            let order = shop.order();
            assert_eq!((order.entries as usize, order.status), (audit.len(), last.to));
        }
    }
}

#[test]
fn the_audit_trail_says_who_wanted_it_and_why() {
    let mut shop = Shop::fulfilled(json!([{"sku": "TEA", "quantity": 1}]), None);
    let reason = Some("wrong colour".to_string());
    let who = Some("anna".to_string());
    shop.hear(Body::OrderRefund(OrderRefund { order_id: order_id(), items: None, reason, who: who.clone() }));
    shop.hear(mark_returned(1));
    let reason = Some("the year is over".to_string());
    shop.hear(Body::OrderArchive(OrderArchive { order_id: order_id(), reason, who }));
    let mut trail = String::new();
    for entry in shop.audit() {
        let from = entry.from.map_or("-", Status::name);
        let (by, reason, note, who) = (entry.by, entry.reason, &entry.note, &entry.who);
        assert_eq!(contract::Stored::id(&entry), format!("{ORDER}/{:06}", entry.seq));
        writeln!(
            trail,
            "{} {from} → {} by {by:?} {who:?} {reason:?} {note:?} ({})",
            entry.seq,
            entry.to.name(),
            entry.message_id
        )
        .unwrap();
    }
    expect![[r#"
        1 - → created by Customer None None None (m10)
        2 created → paid by System None None None (m11)
        3 paid → fulfilled by System None None None (m12)
        4 fulfilled → refunded by Admin Some("anna") Some(Returned) Some("wrong colour") (m14)
        5 refunded → archived by Admin Some("anna") None Some("the year is over") (m15)
    "#]]
    .assert_eq(&trail);
}

#[test]
fn an_order_that_is_put_away_by_time_was_put_away_by_the_system() {
    for (by, trail) in
        [(Speaker::Timers, By::System), (Speaker::Admin, By::Admin), (Speaker::Operator, By::Admin)]
    {
        let mut shop = Shop::fulfilled(json!([{"sku": "TEA", "quantity": 1}]), None);
        shop.hear_by(by, archive());
        let last = shop.audit().pop().unwrap();
        assert_eq!((last.to, last.by), (Status::Archived, trail));
    }
}

#[test]
fn what_was_said_with_a_cancellation_stands_in_the_trail_unless_it_cannot_be_shown() {
    for (note, who, kept) in
        [("too expensive", "anna", (Some("too expensive"), Some("anna"))), ("a\u{7}b", "", (None, None))]
    {
        let mut shop = Shop::with_catalogue();
        shop.hear(submit(json!({})));
        let (reason, who) = (Some(note.to_string()), Some(who.to_string()));
        let asked = OrderCancel { order_id: order_id(), reason, by: By::Admin, who, customer_id: None };
        let Some(Body::SagaCancel(passed_on)) = shop.hear(Body::OrderCancel(asked)).send.pop() else {
            panic!("the saga is not asked")
        };
        let reason = passed_on.reason;
        shop.hear(Body::MarkUndone(MarkUndone {
            order_id: order_id(),
            reason,
            decline_code: None,
            short: Vec::new(),
            wish: passed_on.wish,
        }));
        let last = shop.audit().pop().unwrap();
        assert_eq!((last.note.as_deref(), last.who.as_deref()), kept);
    }
}
