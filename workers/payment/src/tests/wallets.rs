//! Stored payment methods: one is the default, no card number gets in, and an expired card pays nothing.

use contract::{Expiry, Fault, WalletAdd, WalletChange, WalletRemove};

use super::*;
use crate::Wallet;

fn add(id: &str) -> WalletAdd {
    WalletAdd {
        customer_id: "c1".into(),
        method_id: id.into(),
        method: Method::Card,
        token: Token(format!("tok_of_{id}")),
        brand: Some("visa".into()),
        last_four: Some("4242".into()),
        expires: Some(Expiry { year: 2030, month: 12 }),
        default: false,
    }
}

fn change(id: &str, expires: Option<Expiry>, default: Option<bool>) -> Body {
    Body::WalletChange(WalletChange { customer_id: "c1".into(), method_id: id.into(), expires, default })
}

fn remove(id: &str) -> Body {
    Body::WalletRemove(WalletRemove { customer_id: "c1".into(), method_id: id.into() })
}

fn charge_by(id: &str, method: Method) -> Body {
    let payment = PaymentChoice { payment_method_id: Some(id.into()), ..PaymentChoice::by(method, None) };
    let (order_id, amount) = (order_id(), eur(TOTAL));
    Body::PaymentCharge(PaymentCharge {
        order_id,
        customer_id: "c1".into(),
        amount,
        payment,
        patience_s: None,
    })
}

impl Books {
    fn with(ids: &[&str]) -> Self {
        Self::after(&ids.iter().map(|id| Body::WalletAdd(add(id))).collect::<Vec<_>>())
    }

    fn wallet(&self) -> Wallet {
        serde_json::from_str(self.wallet.as_ref().unwrap()).unwrap()
    }

    /// `a b*`: the default has the star.
    fn stored(&self) -> String {
        let one = |stored: &crate::StoredMethod| {
            format!("{}{}", stored.method_id, if stored.default { "*" } else { "" })
        };
        self.wallet().methods.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    fn refusal(&mut self, body: Body) -> Option<Fault> {
        self.hear(body);
        let id = MessageId::new(&format!("m{}", self.messages)).unwrap();
        self.wallet().answers.to(&id).unwrap().refused.clone()
    }
}

#[test]
fn exactly_one_method_is_the_default() {
    let mut books = Books::with(&["a", "b", "c"]);
    assert_eq!(books.stored(), "a* b c", "the first one");
    books.hear(Body::WalletAdd(WalletAdd { default: true, ..add("d") }));
    assert_eq!(books.stored(), "a b c d*");
    books.hear(change("b", None, Some(true)));
    assert_eq!(books.stored(), "a b* c d");
    assert_eq!(books.refusal(change("b", None, Some(false))).unwrap().code, "default_required");
    assert_eq!(books.refusal(change("a", None, Some(false))), None);
    books.hear(remove("b"));
    assert_eq!(books.stored(), "a c d*", "the newest takes its place");
    for id in ["a", "d", "c"] {
        books.hear(remove(id));
    }
    assert_eq!(books.stored(), "");
}

#[test]
fn what_is_added_twice_is_there_once_and_there_is_a_limit() {
    let mut books = Books::with(&["a", "a"]);
    assert_eq!(books.stored(), "a*");
    for no in 1..20 {
        assert_eq!(books.refusal(Body::WalletAdd(add(&format!("m{no}")))), None);
    }
    let refusal = books.refusal(Body::WalletAdd(add("more"))).unwrap();
    assert_eq!(refusal.code, "payment_methods_too_many");
    assert_eq!(books.wallet().methods.len(), 20);
}

#[test]
fn only_what_a_method_may_be_told_by_is_kept() {
    let token = |token: &str| WalletAdd { token: Token(token.into()), ..add("x") };
    let expires = |year, month| WalletAdd { expires: Some(Expiry { year, month }), ..add("x") };
    let mut books = Books::default();
    for (wrong, code) in [
        (token("4242424242424242"), "card_number_refused"),
        (token("4242 4242 4242 4242"), "card_number_refused"),
        (token(""), "invalid"),
        (WalletAdd { last_four: Some("4242424242424242".into()), ..add("x") }, "invalid"),
        (WalletAdd { last_four: Some("12a4".into()), ..add("x") }, "invalid"),
        (WalletAdd { last_four: None, ..add("x") }, "required"),
        (WalletAdd { expires: None, ..add("x") }, "required"),
        (WalletAdd { method: Method::Cod, ..add("x") }, "method_unknown"),
        (WalletAdd { brand: Some("vi\u{7}sa".into()), ..add("x") }, "invalid"),
        (expires(2030, 13), "invalid"),
        (expires(9999, 1), "invalid"),
        (expires(2023, 10), "payment_method_expired"),
    ] {
        let shown = format!("{wrong:?}");
        assert_eq!(
            books.refusal(Body::WalletAdd(wrong)).map(|fault| fault.code).as_deref(),
            Some(code),
            "{shown}"
        );
        assert!(!books.wallet.as_ref().unwrap().contains("42424242"));
    }
    assert_eq!(books.stored(), "");
    let paypal = WalletAdd { method: Method::Paypal, last_four: None, expires: None, ..add("p") };
    assert_eq!(books.refusal(Body::WalletAdd(paypal)), None);
    assert_eq!(books.refusal(remove("x")).unwrap().code, "payment_method_unknown");
    let nobody = WalletAdd { customer_id: "".into(), ..add("x") };
    assert!(outcome(&books.hear(Body::WalletAdd(nobody)).outcome).starts_with("PARKED customer_invalid"));
}

#[test]
fn a_stored_method_is_charged_by_its_token() {
    let mut books = Books::with(&["a", "b"]);
    let decision = books.hear(charge_by("b", Method::Card));
    let [Body::ProviderCharge(ask)] = &decision.send[..] else { panic!("{decision:?}") };
    assert_eq!(ask.payment.token, Some(Token("tok_of_b".into())));
    // The token of the charge stays the same, also when the customer removes the method meanwhile.
    books.hear(remove("b"));
    assert_eq!(books.hear(charge_by("b", Method::Card)).send, decision.send);
}

#[test]
fn a_method_that_is_not_the_customers_or_not_valid_any_more_pays_nothing() {
    // The card is valid until the end of its month.
    let last = Expiry { year: 2023, month: 11 };
    let mut books = Books::default();
    assert_eq!(books.refusal(Body::WalletAdd(WalletAdd { expires: Some(last), ..add("old") })), None);
    let december = Time::from_unix_ms(1_701_400_000_000);
    for (id, method, now, code) in [
        ("nobodys", Method::Card, Time::from_unix_ms(1_701_000_000_000), "payment_method_unknown"),
        ("old", Method::Paypal, Time::from_unix_ms(1_701_000_000_000), "payment_method_mismatch"),
        ("old", Method::Card, december, "payment_method_expired"),
    ] {
        let mut books = books.clone();
        let decision = books.hear_at(charge_by(id, method), now);
        assert_eq!(said(&decision.send), format!("payment.declined({code})"));
        assert_eq!(books.standing(), "declined, 0.00/0.00");
    }
    let november = books.hear_at(charge_by("old", Method::Card), Time::from_unix_ms(1_701_000_000_000));
    assert_eq!(said(&november.send), "provider.charge(charge/O, 50.00 EUR)");
}
