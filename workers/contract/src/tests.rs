mod amounts;
mod cards;
mod checkouts;
mod kept;
mod messages;
mod names;

use crate::*;

fn eur(amount: &str) -> Money {
    Money::parse(amount, Currency::from_code("EUR").unwrap()).unwrap()
}

#[test]
fn money_is_exact_and_never_a_float() {
    assert_eq!(serde_json::to_string(&eur("12.3")).unwrap(), r#"{"amount":"12.30","currency":"EUR"}"#);
    let refused = [
        r#"{"amount":12.30,"currency":"EUR"}"#,
        r#"{"amount":"12.345","currency":"EUR"}"#,
        r#"{"amount":"1","currency":"XAU"}"#,
        r#"{"amount":"1","currency":"DOGE"}"#,
        r#"{"amount":"1e3","currency":"EUR"}"#,
        r#"{"amount":"","currency":"EUR"}"#,
        r#"{"amount":"1.0.0","currency":"EUR"}"#,
        r#"{"amount":"99999999999999999999","currency":"EUR"}"#,
    ];
    for json in refused {
        assert!(serde_json::from_str::<Money>(json).is_err(), "{json}");
    }
    let yen = Money::parse("500", Currency::from_code("JPY").unwrap()).unwrap();
    assert_eq!((yen.minor(), yen.to_string().as_str()), (500, "500 JPY"));
    assert!(yen.plus(eur("1")).is_err());
}

#[test]
fn the_same_cause_says_the_same_ids_again_and_they_keep_the_orders_time() {
    let order: OrderId = "01932b4a-1111-7000-8000-000000000001".parse().unwrap();
    let cause = MessageId::new("any text an outsider chose").unwrap();
    let first = MessageId::derived(Some(order), Role::Saga, &cause, 0);
    assert_eq!(first, MessageId::derived(Some(order), Role::Saga, &cause, 0));
    assert_ne!(first, MessageId::derived(Some(order), Role::Saga, &cause, 1));
    assert_ne!(first, MessageId::derived(Some(order), Role::Order, &cause, 0), "two may read one fact");
    assert!(first.as_str().starts_with("01932b4a-1111-8"), "{first}");
}

#[test]
fn every_id_that_we_make_of_public_words_has_a_form_that_no_outsider_may_choose() {
    let order: OrderId = "01932b4a-1111-7000-8000-000000000001".parse().unwrap();
    let made = |cause: &str| MessageId::derived(None, Role::Order, &MessageId::new(cause).unwrap(), 0);
    for ours in [
        MessageId::derived(Some(order), Role::Saga, &MessageId::new("m1").unwrap(), 0),
        made("a shop's own text"),
        made("0195d2a4-0000-4000-8000-000000000001"),
        MessageId::of_name(order, "archive/20000"),
    ] {
        for spelled in [ours.to_string(), ours.as_str().to_uppercase()] {
            let refused = MessageId::chosen(&spelled).unwrap_err();
            assert_eq!(refused.code, "message_id_invalid", "{spelled}");
            assert!(refused.why.contains("any other text, or a UUID of another version"), "{refused}");
        }
    }
}

#[test]
fn an_outsider_may_choose_any_text_that_is_no_uuid_of_version_8() {
    for text in [
        "m1",
        "0195d2a4-0000-7000-8000-000000000001",
        "0195d2a4-0000-4000-8000-000000000001",
        // A digest has a digit where a UUID has its version, and is no UUID.
        "d41d8cd98f008204a980998ecf84271e",
        "0195d2a4-0000-8000-c000-000000000001",
        "0195d2a4-0000-8000-8000-000000000001 again",
    ] {
        assert_eq!(MessageId::chosen(text).unwrap().as_str(), text);
    }
}

#[test]
fn an_order_whose_id_is_a_uuid_of_version_8_lends_no_message_an_id_of_ours() {
    let body = |id: &str| format!(r#"{{"order_id":"{id}","customer_id":"c"}}"#);
    let seven = "01932b4a-1111-7000-8000-000000000001";
    assert_eq!(accept("checkout.submit", None, &body(seven)).unwrap().id.as_str(), seven);
    let eight = "01932b4a-1111-8000-8000-000000000001";
    let message = accept("checkout.submit", None, &body(eight)).unwrap();
    assert_eq!((message.id.as_str(), message.id.is_reserved()), (&*format!("order/{eight}"), false));
    assert_eq!(message.order_id.unwrap().to_string(), eight);
}

#[test]
fn a_key_stands_for_one_order_of_one_customer_and_may_lend_it_its_time() {
    let (secret, now) = (KeySecret::new([7; 32]), "01932b4a-1111-7222-8000-000000000001");
    let order = OrderId::of_key(&secret, "anna", now);
    assert_eq!(order, OrderId::of_key(&secret, "anna", now));
    assert_ne!(order, OrderId::of_key(&secret, "ben", now));
    assert_ne!(order, OrderId::of_key(&secret, "anna", "01932b4a-1111-7222-8000-000000000002"));
    assert!(order.to_string().starts_with("01932b4a-1111-8"), "{order}");
    for timeless in ["mine", "01932b4a-1111-4222-8000-000000000001"] {
        let order = OrderId::of_key(&secret, "anna", timeless);
        assert_eq!(order.uuid().get_version_num(), 8, "{timeless}");
        assert_eq!(MessageId::of_key(&secret, "anna", timeless).as_str(), order.to_string());
    }
}

#[test]
fn an_id_made_from_a_key_is_known_only_with_the_secret() {
    let (ours, other) = (KeySecret::new([7; 32]), KeySecret::new([8; 32]));
    for key in ["cart-1001", "01932b4a-1111-7222-8000-000000000001"] {
        let order = OrderId::of_key(&ours, "alice", key);
        assert_ne!(order, OrderId::of_key(&other, "alice", key));
        assert_ne!(MessageId::of_key(&ours, "alice", key), MessageId::of_key(&other, "alice", key));
    }
    let kept = MessageId::of_key(&ours, "alice", "cart-1001").to_string();
    assert_eq!(kept, "19290b94-f838-8001-bcef-b369c22cc305", "keys that were used keep their orders");
    assert_eq!(format!("{ours:?}"), "KeySecret");
}

#[test]
fn time_is_written_and_read_as_rfc_3339() {
    let time: Time = "2026-11-20T18:53:00.123Z".parse().unwrap();
    assert_eq!(time.to_string(), "2026-11-20T18:53:00.123Z");
    assert_eq!("2026-11-20T19:53:00.123+01:00".parse::<Time>().unwrap(), time);
    assert!("yesterday".parse::<Time>().is_err());
    assert_eq!(Time::from_unix_ms(i64::MIN).to_string(), "1970-01-01T00:00:00.000Z");
    assert_eq!(Time::from_unix_ms(i64::MAX).plus_s(1).to_string(), "9999-12-31T23:59:59.999Z");
}

#[test]
fn a_provider_writes_when_it_was_in_seconds_in_digits_or_as_rfc_3339() {
    let event = |created: &str| {
        let data = r#"{"reference":"01932b4a-1111-7000-8000-000000000001","transaction_id":"ch_1",
            "amount":{"amount":"1.00","currency":"EUR"}}"#;
        let json =
            format!(r#"{{"id":"evt_1","type":"payment.succeeded","created":{created},"data":{data}}}"#);
        serde_json::from_str::<ProviderEvent>(&json)
    };
    let moment = Time::from_unix_ms(1_795_200_800_000);
    for written in ["1795200800", "1795200800.0", r#""1795200800""#, r#""2026-11-20T18:53:20Z""#] {
        assert_eq!(event(written).unwrap().created, moment, "{written}");
    }
    for written in ["1795200800.123", r#""1795200800.123""#, r#""2026-11-20T19:53:20.123+01:00""#] {
        let event = event(written).unwrap();
        assert_eq!(event.created, moment.plus_ms(123), "{written}");
        assert!(json_of::<String>(&event).contains(r#""2026-11-20T18:53:20.123Z""#), "we write one form");
    }
    for strange in
        ["-1", "1e300", "18446744073709551615", "true", r#""""#, r#""soon""#, r#""1.2.3""#, r#""-5""#]
    {
        let why = in_plain_words(&event(strange).unwrap_err().to_string());
        assert!(why.contains("seconds since 1970, or a time as RFC 3339 says"), "{strange}: {why}");
        assert!(!why.contains("soon"), "{why}");
    }
}

/// The first speaker that may send it.
fn usual(name: &str) -> Speaker {
    speakers_of(name).first().copied().unwrap_or(Speaker::Operator)
}

fn accept(name: &str, id: Option<&str>, body: &str) -> Result<Message, Unreadable> {
    let raw = Raw { message_id: id.map(Into::into), name: name.into(), body: body.into(), ..Raw::default() };
    Message::accept(usual(&raw.name), &raw, Time::default())
}

#[test]
fn a_message_is_the_same_after_being_kept_and_restored() {
    let body = r#"{"order_id":"01932b4a-1111-7000-8000-000000000001","customer_id":"c1","at":"2026-11-20T18:53:00.123Z","transaction_id":"ch_1"}"#;
    let message = accept("order.paid", Some("m1"), body).unwrap();
    let again =
        Message::restore(message.id.clone(), None, message.at, message.name(), message.json()).unwrap();
    assert_eq!(message, again);
}

#[test]
fn what_cannot_be_read_says_what_its_sender_should_change() {
    let code = |name, id, body: &str| accept(name, id, body).unwrap_err().code;
    assert_eq!(code("order.cancel", Some("m"), "{"), "body_malformed");
    assert_eq!(code("order.cancel", Some("m"), "{}"), "body_invalid");
    assert_eq!(code("order.cancle", Some("m"), "{}"), "type_unknown");
    assert_eq!(code("order.cancel", Some(""), "{}"), "message_id_invalid");
    assert_eq!(code("checkout.submit", None, "{}"), "body_invalid");
    assert_eq!(code("checkout.submit", Some("m"), "[]"), "body_invalid");
    assert_eq!(code("checkout.submit", Some("m"), &"[".repeat(50_000)), "body_malformed");
    assert_eq!(code("checkout.submit", Some("m"), &" ".repeat(70_000)), "body_too_large");
    let cancel = r#"{"order_id":"01932b4a-1111-7000-8000-000000000001"}"#;
    assert_eq!(code("order.cancel", None, cancel), "message_id_missing");
    let raw = Raw {
        message_id: None,
        name: "order.cancel".into(),
        schema: Some(2),
        body: cancel.into(),
        ..Raw::default()
    };
    assert_eq!(Message::accept(usual(&raw.name), &raw, Time::default()).unwrap_err().code, "schema_unknown");
    let card = r#"{"order_id":"01932b4a-1111-7000-8000-000000000001","reason":"4242 4242 4242 4242"}"#;
    assert_eq!(code("order.cancel", Some("m"), card), "card_number_refused");
    assert_eq!(code("order.cancel", Some("4242-4242-4242-4242"), cancel), "card_number_refused");
    let secret = accept("order.pay", Some("m"), r#"{"order_id":{"s3cret":1}}"#).unwrap_err();
    assert!(!secret.why.contains("s3cret"), "{secret}");
}

#[test]
fn a_list_of_the_right_values_is_no_body_not_even_of_a_message_that_is_kept_or_edited() {
    let list = r#"["01932b4a-1111-7000-8000-000000000001"]"#;
    let id = MessageId::new("m").unwrap();
    for body in [list.to_string(), format!(" {list}")] {
        let refused =
            Message::restore(id.clone(), None, Time::default(), "order.archive", &body).unwrap_err();
        let why = "the body of order.archive does not fit: must be an object";
        assert_eq!((refused.code, refused.why.as_str()), ("body_invalid", why));
        assert_eq!(accept("order.archive", Some("m"), &body).unwrap_err(), refused);
    }
}

fn submitted(body: &str) -> Submit {
    match accept("checkout.submit", Some("m1"), body).unwrap().body {
        Body::Submit(submit) => submit,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_fault_of_a_checkout_is_listed() {
    let body = serde_json::from_str(
        r#"{"customer_id":"\u202eevil","items":[{"sku":"a b","quantity":1},{"sku":"A","quantity":0},{"sku":"A","quantity":1001},{"sku":"A","quantity":"2"},7],
            "payment":{"method":"card","token":"4242 4242 4242 4242"},"contact":{"email":"nobody","phone":12},"discount_code":""}"#,
    );
    let submit = Submit::read(body.unwrap(), MessageId::new("m1").as_ref()).unwrap();
    let faults = submit.cart.unwrap_err();
    let told: Vec<_> = faults.iter().map(|fault| format!("{} {}", fault.field, fault.code)).collect();
    assert_eq!(
        told,
        [
            "customer_id invalid",
            "items[0].sku invalid",
            "items[1].quantity quantity_invalid",
            "items[2].quantity quantity_too_large",
            "items[3].quantity quantity_invalid",
            "items[4] invalid",
            "payment.token card_number_refused",
            "contact.email invalid",
            "contact.phone invalid",
            "discount_code invalid",
        ]
    );
}

#[test]
fn lines_are_merged_and_bounded() {
    let lines = |items: &str| {
        let body = format!(r#"{{"customer_id":"c","items":{items},"payment":{{"method":"paypal"}}}}"#);
        submitted(&body).cart.map(|cart| {
            cart.lines.iter().map(|line| (line.sku.to_string(), line.quantity)).collect::<Vec<_>>()
        })
    };
    let merged = lines(r#"[{"sku":"B","quantity":1},{"sku":"A","quantity":2},{"sku":"B","quantity":3}]"#);
    assert_eq!(merged.unwrap(), [("A".to_string(), 2), ("B".to_string(), 4)]);
    let code = |items: &str| lines(items).unwrap_err()[0].code.clone();
    assert_eq!(code(r#"[{"sku":"A","quantity":600},{"sku":"A","quantity":600}]"#), "quantity_too_large");
    assert_eq!(code("[]"), "cart_empty");
    let many: Vec<_> = (0..2000).map(|i| format!(r#"{{"sku":"S{i}","quantity":1}}"#)).collect();
    assert_eq!(code(&format!("[{}]", many.join(","))), "too_many_lines");
}

#[test]
fn a_checkout_sent_again_has_the_same_content_whatever_its_spacing() {
    let a = submitted(r#"{"customer_id":"c","items":[],"payment":null}"#);
    let b = submitted(
        r#"{ "items": [], "payment": null, "customer_id": "c", "order_id": "01932b4a-1111-7000-8000-000000000001" }"#,
    );
    assert_eq!(a.content, b.content);
    assert_ne!(a.content, submitted(r#"{"customer_id":"d","items":[],"payment":null}"#).content);
}

fn asked(body: &str, reply_to: Option<&str>, correlation_id: Option<&str>) -> Result<Message, Unreadable> {
    let raw = Raw {
        message_id: Some("m1".into()),
        name: "checkout.submit".into(),
        schema: None,
        reply_to: reply_to.map(Into::into),
        correlation_id: correlation_id.map(Into::into),
        body: body.into(),
        ..Raw::default()
    };
    Message::accept(usual(&raw.name), &raw, Time::default())
}

#[test]
fn who_placed_a_checkout_for_its_customer_goes_along_and_is_never_taken_from_its_body() {
    let body = r#"{"customer_id":"c","items":[],"payment":null,"placed_by":"mallory"}"#;
    let raw = Raw {
        message_id: Some("m1".into()),
        name: "checkout.submit".into(),
        body: body.into(),
        ..Raw::default()
    };
    let own = Message::accept(usual(&raw.name), &raw, Time::default()).unwrap();
    assert!(!own.json().contains("mallory"), "{}", own.json());
    let raw = Raw { placed_by: Some("anna \"x\"".into()), ..raw };
    let placed = Message::accept(usual(&raw.name), &raw, Time::default()).unwrap();
    let again = Message::restore(placed.id.clone(), None, placed.at, placed.name(), placed.json()).unwrap();
    let Body::Submit(submit) = &again.body else { panic!("{again:?}") };
    assert_eq!((submit.placed_by.as_deref(), again.hash()), (Some("anna \"x\""), own.hash()));
}

#[test]
fn where_the_asker_waits_goes_along_with_a_checkout_and_changes_nothing_else_about_it() {
    let body = r#"{"customer_id":"c","items":[],"payment":null}"#;
    let kept = asked(body, Some("answers.7"), Some("my-1")).unwrap();
    let again = Message::restore(kept.id.clone(), None, kept.at, kept.name(), kept.json())
        .expect("it was kept by us");
    assert_eq!(kept, again);
    let Body::Submit(submit) = &again.body else { panic!("{again:?}") };
    let reply_to = submit.reply_to.as_ref().unwrap();
    assert_eq!((reply_to.queue(), reply_to.correlation_id()), ("answers.7", Some("my-1")));
    // A client that was restarted waits at another queue for the same checkout.
    let elsewhere = asked(body, Some("answers.8"), None).unwrap();
    let nowhere = asked(body, Some(""), Some("my-1")).unwrap();
    for other in [&elsewhere, &nowhere] {
        assert_eq!(other.hash(), kept.hash());
        let Body::Submit(other) = &other.body else { panic!("{other:?}") };
        assert_eq!(other.content, submit.content);
    }
    assert!(!nowhere.json().contains("reply_to"), "{}", nowhere.json());
}

#[test]
fn a_body_alone_cannot_make_us_write_to_a_queue() {
    let body = r#"{"customer_id":"c","items":[],"payment":null,"reply_to":{"queue":"somebody"}}"#;
    let message = asked(body, None, None).unwrap();
    assert!(!message.json().contains("somebody"), "{}", message.json());
    let nonsense = r#"{"customer_id":"c","items":[],"payment":null,"reply_to":7}"#;
    assert_eq!(asked(nonsense, None, None).unwrap().hash(), message.hash());
}

#[test]
fn a_reply_queue_that_cannot_exist_is_told_to_the_sender() {
    let long = "q".repeat(256);
    for (reply_to, correlation_id) in
        [("a\nb", None), (long.as_str(), None), ("q", Some("a\u{7}b")), ("q", Some(&long))]
    {
        assert_eq!(asked("{}", Some(reply_to), correlation_id).unwrap_err().code, "reply_to_invalid");
    }
    // Only a checkout has an outcome to reply with: on other commands `reply_to` is a library's default.
    let raw = Raw {
        message_id: Some("m1".into()),
        name: "order.archive".into(),
        reply_to: Some("a\nb".into()),
        body: r#"{"order_id":"01932b4a-1111-7000-8000-000000000001"}"#.into(),
        ..Raw::default()
    };
    assert!(Message::accept(usual(&raw.name), &raw, Time::default()).is_ok());
}

#[test]
fn every_type_says_who_may_say_it_and_an_outsider_we_do_not_know_may_say_nothing() {
    for (name, ..) in MESSAGES {
        let speakers = speakers_of(name);
        assert!(!speakers.is_empty() && !speakers.contains(&Speaker::Outsider), "{name}: {speakers:?}");
    }
    assert!(Speaker::ALL.into_iter().all(|one| Speaker::named(one.name()) == Some(one)));
}

#[test]
fn what_its_speaker_may_not_say_is_refused_with_who_may() {
    let raw = Raw {
        message_id: Some("m1".into()),
        name: "order.refund".into(),
        body: r#"{"order_id":"01932b4a-1111-7000-8000-000000000001"}"#.into(),
        ..Raw::default()
    };
    let refused = Message::accept(Speaker::Customer, &raw, Time::default()).unwrap_err();
    assert_eq!(refused.code, "not_allowed");
    assert!(refused.why.contains("may be said by admin, operator") && refused.why.contains("by customer"));
    assert_eq!(Message::accept(Speaker::Admin, &raw, Time::default()).unwrap().by, Speaker::Admin);
}

#[test]
fn an_order_id_that_is_no_uuid_is_refused_again_when_it_is_read_again() {
    let body = r#"{"order_id":"cart-1001","customer_id":"c1","items":[{"sku":"A","quantity":1}],"payment":{"method":"paypal"}}"#;
    let first = accept("checkout.submit", Some("m1"), body).unwrap();
    let again = Message::restore(first.id.clone(), None, first.at, first.name(), first.json()).unwrap();
    assert_eq!(again, first);
    let Body::Submit(submit) = &again.body else { panic!("{again:?}") };
    assert_eq!(submit.cart.as_ref().unwrap_err()[0].field, "order_id");
}

#[test]
fn what_is_not_known_in_a_checkout_is_dropped_and_what_is_known_stays_as_it_came() {
    let known = r#"{"contact":{"email":"a@example.org"},"customer_id":"c1","items":[{"quantity":1,"sku":"A"}],"order_id":"01932b4a-1111-7000-8000-000000000001","payment":{"method":"paypal"}}"#;
    let padded = known
        .replace(r#""sku":"A""#, r#""sku":"A","note":"x""#)
        .replace(r#""method":"paypal""#, r#""method":"paypal","x":{"y":1}"#)
        .replace(r#""email":"#, r#""fax":1,"email":"#)
        .replace(r#""customer_id":"#, r#""filler":["x"],"cart":"no","customer_id":"#);
    let (plain, padded) = (accept("checkout.submit", None, known), accept("checkout.submit", None, &padded));
    let (plain, padded) = (plain.unwrap(), padded.unwrap());
    assert_eq!((plain.json(), padded.json()), (known, known));
    assert_eq!(plain.hash(), padded.hash(), "a message is recognised by what is kept of it");
    let again = Message::restore(padded.id.clone(), None, padded.at, padded.name(), padded.json()).unwrap();
    assert_eq!(again, padded);
}
