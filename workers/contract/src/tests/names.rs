//! Every name is parsed as it is written, and nothing personal appears in debug output.

use std::collections::BTreeSet;

use super::eur;
use crate::*;

fn written(word: impl serde::Serialize) -> String {
    serde_json::to_value(word).unwrap().as_str().unwrap().to_string()
}

#[test]
fn every_queue_role_and_speaker_is_found_by_its_name() {
    for queue in Queue::ALL {
        assert_eq!((Queue::named(queue.name()), queue.to_string()), (Some(queue), queue.name().to_string()));
    }
    for role in Role::ALL {
        assert_eq!((Role::named(role.name()), role.to_string()), (Some(role), role.name().to_string()));
    }
    for speaker in Speaker::ALL {
        assert_eq!(speaker.to_string(), speaker.name());
        let json = serde_json::to_string(&speaker).unwrap();
        assert_eq!(serde_json::from_str::<Speaker>(&json).unwrap(), speaker);
    }
    for stranger in ["", "mallory"] {
        assert_eq!((Queue::named(stranger), Role::named(stranger)), (None, None));
        assert!(serde_json::from_value::<Speaker>(stranger.into()).is_err());
    }
}

#[test]
fn what_a_queue_holds_is_handled_by_the_role_of_its_name_and_what_comes_in_by_the_order_worker() {
    for queue in Queue::ALL {
        let role = if queue == Queue::Intake { "order" } else { queue.name() };
        assert_eq!(queue.reader().name(), role);
    }
}

#[test]
fn a_role_speaks_for_itself_and_the_gateway_is_never_a_speaker() {
    for role in Role::ALL {
        let speaker = Speaker::from(role);
        let own = !matches!(role, Role::Gateway | Role::Operator);
        assert_eq!(speaker.role(), own.then_some(role), "{role}");
    }
    assert_eq!(Speaker::from(Role::Gateway), Speaker::Outsider);
    assert_eq!(Speaker::from(Role::Operator), Speaker::Operator);
    let ours = Speaker::ALL.into_iter().filter(|speaker| speaker.role().is_some()).count();
    assert_eq!(ours, 8, "five workers and three adapters");
}

#[test]
fn every_table_has_one_owner_and_the_audit_trail_alone_only_grows() {
    let owned = |role| -> Vec<_> {
        Table::ALL.into_iter().filter(|table| table.owner() == role).map(Table::name).collect()
    };
    let of_order = ["orders", "submissions", "audit", "products", "discounts", "methods", "carts"];
    assert_eq!(owned(Role::Order), of_order);
    assert_eq!(owned(Role::Stock), ["stock", "holds"]);
    assert_eq!(owned(Role::Payment), ["payments", "wallets"]);
    assert_eq!((owned(Role::Notification), owned(Role::Saga)), (vec!["notices"], vec!["sagas"]));
    let only_grow: Vec<_> = Table::ALL.into_iter().filter(|table| table.append_only()).collect();
    assert_eq!(only_grow, [Table::Audit]);
}

#[test]
fn the_words_of_a_message_are_those_of_its_json() {
    for status in Status::ALL {
        assert_eq!(status.name(), written(status));
    }
    for method in Method::ALL {
        assert_eq!(method.code(), written(method));
    }
    let reasons = [
        Reason::InsufficientStock,
        Reason::PaymentDeclined,
        Reason::PaymentTimeout,
        Reason::CancelledByCustomer,
        Reason::CancelledByAdmin,
        Reason::StockUnavailable,
        Reason::Returned,
    ];
    for reason in reasons {
        assert_eq!(reason.code(), written(reason));
    }
    assert_eq!(reasons.map(Reason::code).into_iter().collect::<BTreeSet<_>>().len(), reasons.len());
}

#[test]
fn a_message_leaves_out_what_is_meant_by_default() {
    let charge = |confirm| {
        let payment = PaymentChoice { confirm, ..PaymentChoice::by(Method::Paypal, None) };
        json_of::<String>(&payment)
    };
    assert_eq!(charge(Confirm::Automatic), r#"{"method":"paypal"}"#);
    assert_eq!(charge(Confirm::Manual), r#"{"method":"paypal","confirm":"manual"}"#);
    let refund = |return_no| {
        json_of::<String>(&PaymentRefund {
            order_id: OrderId::default(),
            return_no,
            amount: Some(eur("1.00")),
        })
    };
    assert!(!refund(0).contains("return_no"), "{}", refund(0));
    assert!(refund(7).contains(r#""return_no":7"#), "{}", refund(7));
    let discount: DiscountUpsert = serde_json::from_str(r#"{"code":"TENTH","percent":"10"}"#).unwrap();
    assert!(discount.active, "a discount counts unless it is switched off");
}

#[test]
fn a_log_shows_neither_tokens_nor_secrets_nor_where_a_customer_can_be_reached() {
    let contact = Contact { email: Some("ann@example.org".into()), phone: Some("+49301234567".into()) };
    let (order_id, key) = (OrderId::default(), "m1/email".to_string());
    let email = EmailSend {
        order_id,
        key: key.clone(),
        to: "ann@example.org".into(),
        subject: "Your order".into(),
        body: "Dear Ann".into(),
    };
    let sms = SmsSend { order_id, key, number: "+49301234567".into(), text: "Dear Ann".into() };
    let shown = [
        format!("{:?}", Token("tok_ok".into())),
        format!("{contact:?}"),
        format!("{email:?}"),
        format!("{sms:?}"),
        format!("{:?}", KeySecret::new([7; 32])),
    ];
    assert_eq!(shown, ["***", "***", "EmailSend(m1/email)", "SmsSend(m1/email)", "KeySecret"]);
}

#[test]
fn a_customer_who_gave_one_way_to_be_reached_can_be_reached() {
    let contact = |email: Option<&str>, phone: Option<&str>| Contact {
        email: email.map(Into::into),
        phone: phone.map(Into::into),
    };
    assert!(contact(None, None).is_empty());
    assert!(!contact(Some("ann@example.org"), None).is_empty());
    assert!(!contact(None, Some("+49301234567")).is_empty());
}

#[test]
fn what_was_said_with_a_wish_is_kept_if_people_can_be_shown_it() {
    let text = |text: &str| Some(text.to_string());
    let of = |note: &str, who: &str| Wish::of(text(note).as_ref(), text(who).as_ref());
    let said = of("too late", "anna");
    assert_eq!((said.note.as_deref(), said.who.as_deref()), (Some("too late"), Some("anna")));
    assert!(!said.is_silent());
    assert!(of("\u{7}", &"a".repeat(101)).is_silent(), "the wish counts all the same");
    assert!(Wish::of(None, None).is_silent());
}

#[test]
fn a_card_pays_until_the_end_of_its_month() {
    let card = Expiry { year: 2026, month: 11 };
    for (now, over) in
        [("2026-10-31T23:59:59Z", false), ("2026-11-30T23:59:59.999Z", false), ("2026-12-01T00:00:00Z", true)]
    {
        assert_eq!(card.is_over(now.parse().unwrap()), over, "{now}");
    }
}

#[test]
fn a_sku_is_shown_as_it_was_written() {
    let sku = Sku::new("TEA-1").unwrap();
    assert_eq!(
        (sku.as_str(), sku.to_string(), format!("{sku:?}")),
        ("TEA-1", "TEA-1".into(), "TEA-1".into())
    );
    assert!(Sku::new(&"T".repeat(64)).is_some());
    for wrong in ["", "green tea", "té", &"T".repeat(65)] {
        assert!(serde_json::from_value::<Sku>(wrong.into()).is_err(), "{wrong}");
    }
}

#[test]
fn a_text_for_people_is_neither_empty_nor_too_long_nor_able_to_turn_what_stands_beside_it() {
    assert_eq!(clean_text("Grün 茶", 6), Ok("Grün 茶"));
    for wrong in ["", " \t", "Grün 茶茶", "a\u{7}b", "a\nb", "\u{202e}evil", "a\u{feff}b"] {
        assert!(clean_text(wrong, 6).is_err(), "{wrong:?}");
    }
    for (c, unseen) in [('a', false), ('茶', false), ('\u{7}', true), ('\u{200b}', true), ('\u{ad}', true)] {
        assert_eq!(is_unseen(c), unseen, "{c:?}");
    }
}
