//! A cart is written by senders that saw its version, ordered once, and loses only what was bought.

use super::*;

const OTHER: &str = "01932b4a-2222-7000-8000-000000000002";

fn put(items: &[(&str, u32)]) -> Body {
    let items = items.iter().map(|(sku, quantity)| line(sku, *quantity)).collect();
    Body::CartPut(CartPut { customer_id: "ann".into(), items, version: None })
}

fn item(name: &str, quantity: u32) -> Body {
    Body::CartItemPut(CartItemPut { customer_id: "ann".into(), sku: sku(name), quantity, version: None })
}

fn item_seen(name: &str, quantity: u32, version: u64) -> Body {
    let version = Some(version);
    Body::CartItemPut(CartItemPut { customer_id: "ann".into(), sku: sku(name), quantity, version })
}

fn remove(name: &str) -> Body {
    Body::CartItemRemove(CartItemRemove { customer_id: "ann".into(), sku: sku(name), version: None })
}

fn clear() -> Body {
    Body::CartClear(CartClear { customer_id: "ann".into(), version: None })
}

fn check_out(order_id: &str, version: Option<u64>) -> Body {
    submit(json!({"order_id": order_id, "items": null, "cart": true, "cart_version": version}))
}

fn settle(order_id: &str, ended: CartEnd) -> Body {
    Body::CartSettle(CartSettle { customer_id: "ann".into(), order_id: order_id.parse().unwrap(), ended })
}

impl Shop {
    fn cart(&self) -> StoredCart {
        serde_json::from_str(&self.rows[&(Table::Carts, "ann".into())]).unwrap()
    }

    /// `v2: CUP 1, TEA 3 (ordered)`
    fn cart_in_words(&self) -> String {
        let cart = self.cart();
        let lines: Vec<_> = cart.lines.iter().map(|line| format!("{} {}", line.sku, line.quantity)).collect();
        let ordered = if cart.ordered.is_some() { " (ordered)" } else { "" };
        format!("v{}: {}{ordered}", cart.version, lines.join(", "))
    }

    /// The code that the last write was refused with.
    fn refused(&self) -> Option<String> {
        let id = MessageId::new(&format!("m{}", self.messages)).unwrap();
        self.cart().answers.to(&id).unwrap().refused.clone().map(|fault| fault.code)
    }

    /// Handles it, and every message that the order worker sends to itself because of it. Returns what others would
    /// hear.
    fn hear_out(&mut self, body: Body) -> Vec<Body> {
        let mut said = Vec::new();
        let mut next = vec![body];
        while let Some(body) = next.pop() {
            for body in self.hear(body).send {
                let own = matches!(body, Body::CartOrder(_) | Body::CartSettle(_));
                if own { next.push(body) } else { said.push(body) }
            }
        }
        said
    }

    /// The text of the only refusal among these.
    fn rejection(&mut self, body: Body) -> String {
        let said = self.hear_out(body);
        let [Body::OrderRejected(rejected)] = said.as_slice() else { panic!("{said:?}") };
        rejected.code.clone()
    }
}

fn with_cart() -> Shop {
    let mut shop = Shop::with_catalogue();
    shop.hear(put(&[("TEA", 2), ("CUP", 1)]));
    shop
}

#[test]
fn each_change_of_a_cart_is_a_version() {
    let mut shop = Shop::with_catalogue();
    let mut told = String::new();
    for (what, body) in [
        ("put", put(&[("TEA", 2), ("CUP", 1), ("TEA", 1)])),
        ("the same", put(&[("TEA", 3), ("CUP", 1)])),
        ("item", item("BOOK", 7)),
        ("item again", item("BOOK", 2)),
        ("remove", remove("TEA")),
        ("remove what is not there", remove("GEM")),
        ("clear", clear()),
    ] {
        shop.hear(body);
        assert_eq!(shop.refused(), None, "{what}");
        writeln!(told, "{what} → {}", shop.cart_in_words()).unwrap();
    }
    expect![[r#"
        put → v1: CUP 1, TEA 3
        the same → v1: CUP 1, TEA 3
        item → v2: BOOK 7, CUP 1, TEA 3
        item again → v3: BOOK 2, CUP 1, TEA 3
        remove → v4: BOOK 2, CUP 1
        remove what is not there → v4: BOOK 2, CUP 1
        clear → v5: 
    "#]]
    .assert_eq(&told);
}

#[test]
fn a_cart_takes_only_what_can_be_ordered_and_is_left_as_it_was() {
    let mut shop = with_cart();
    let many: Vec<String> = (0..101).map(|at| format!("S{at}")).collect();
    let many: Vec<_> = many.iter().map(|sku| (sku.as_str(), 1)).collect();
    for (body, code) in [
        (item("NOPE", 1), "product_unknown"),
        (item("TEA", 0), "quantity_invalid"),
        (item("TEA", 1001), "quantity_too_large"),
        (put(&[("TEA", 600), ("TEA", 600)]), "quantity_too_large"),
        (put(&[("TEA", 1), ("NOPE", 1)]), "product_unknown"),
        (put(&many), "too_many_lines"),
        (item_seen("TEA", 9, 0), "cart_changed"),
    ] {
        shop.hear(body);
        assert_eq!(shop.refused().as_deref(), Some(code));
        assert_eq!(shop.cart_in_words(), "v1: CUP 1, TEA 2", "after {code}");
    }
    shop.hear(item_seen("TEA", 9, 1));
    assert_eq!((shop.refused(), shop.cart_in_words()), (None, "v2: CUP 1, TEA 9".into()));
    let nobody = Body::CartClear(CartClear { customer_id: "a\u{0}b".into(), version: None });
    assert!(outcome(&shop.hear(nobody)).starts_with("PARKED customer_invalid"));
}

#[test]
fn a_checkout_of_the_cart_orders_its_lines_at_todays_prices() {
    let mut shop = with_cart();
    shop.hear(product("TEA", "Green tea", eur("4.00")));
    let said: Vec<_> = shop.hear_out(check_out(ORDER, Some(1))).iter().map(Body::name).collect();
    assert_eq!(said, ["saga.start", "order.created", "notification.tell"]);
    assert_eq!(shop.order().total, eur("17.99"));
    assert_eq!(shop.cart_in_words(), "v1: CUP 1, TEA 2 (ordered)");
}

#[test]
fn what_was_bought_leaves_the_cart_and_what_was_added_since_stays() {
    let mut shop = with_cart();
    shop.hear_out(check_out(ORDER, None));
    shop.hear(item("TEA", 5));
    shop.hear(item("BOOK", 1));
    shop.hear_out(mark_paid("ch_1"));
    assert_eq!(shop.cart_in_words(), "v4: BOOK 1, TEA 3");
    // Sent again, it clears nothing new.
    shop.hear(item("CUP", 1));
    shop.hear_out(mark_paid("ch_1"));
    shop.hear(settle(ORDER, CartEnd::Bought));
    assert_eq!(shop.cart_in_words(), "v5: BOOK 1, CUP 1, TEA 3");
}

#[test]
fn what_was_taken_out_and_put_in_again_is_something_new() {
    for (out, left) in [(remove("TEA"), "TEA 2"), (clear(), "TEA 2"), (put(&[("CUP", 1)]), "TEA 2")] {
        let mut shop = with_cart();
        shop.hear_out(check_out(ORDER, None));
        shop.hear(out);
        shop.hear(item("TEA", 2));
        shop.hear_out(mark_paid("ch_1"));
        assert!(shop.cart_in_words().ends_with(left), "{}", shop.cart_in_words());
    }
}

#[test]
fn a_cart_is_kept_when_its_order_fails_and_may_be_ordered_again() {
    let mut shop = with_cart();
    shop.hear_out(check_out(ORDER, Some(1)));
    shop.hear_out(mark_undone(Reason::PaymentDeclined));
    assert_eq!(shop.cart_in_words(), "v1: CUP 1, TEA 2");
    let said = shop.hear_out(check_out(OTHER, Some(1)));
    assert!(said.iter().any(|body| matches!(body, Body::SagaStart(_))), "{said:?}");
    // The end of the first order, reported late and again, does not concern the second.
    for ended in [CartEnd::Bought, CartEnd::Kept] {
        shop.hear(settle(ORDER, ended));
        assert_eq!(shop.cart_in_words(), "v1: CUP 1, TEA 2 (ordered)");
    }
}

#[test]
fn goods_paid_for_at_the_door_leave_the_cart_when_they_are_on_their_way() {
    let mut shop = with_cart();
    let cod = json!({"items": null, "cart": true, "payment": {"method": "cod"}});
    shop.hear_out(submit(cod));
    assert_eq!(shop.cart_in_words(), "v1: CUP 1, TEA 2 (ordered)");
    shop.hear_out(mark_accepted());
    assert_eq!(shop.cart_in_words(), "v2: ");
    shop.hear(item("TEA", 1));
    shop.hear_out(mark_accepted());
    shop.hear_out(mark_paid("cod_1"));
    assert_eq!(shop.cart_in_words(), "v3: TEA 1");
}

#[test]
fn of_two_checkouts_at_once_one_makes_an_order() {
    let mut shop = with_cart();
    // Both are taken from the queue before either is an order.
    let first = shop.hear(check_out(ORDER, Some(1))).send;
    assert_eq!(shop.rejection(check_out(OTHER, Some(1))), "cart_in_checkout");
    assert_eq!(outcome(&shop.hear(check_out(ORDER, Some(1)))), "ignored: the cart is being ordered already");
    let again =
        submit(json!({"order_id": ORDER, "items": null, "cart": true, "payment": {"method": "paypal"}}));
    assert!(outcome(&shop.hear(again)).starts_with("PARKED order_id_reused"));
    for body in first {
        shop.hear_out(body);
    }
    shop.hear_out(mark_paid("ch_1"));
    let late = "01932b4a-3333-7000-8000-000000000003";
    assert_eq!(shop.rejection(check_out(late, Some(1))), "cart_changed");
}

#[test]
fn an_outdated_or_empty_cart_is_no_order() {
    let mut shop = Shop::with_catalogue();
    assert_eq!(shop.rejection(check_out(OTHER, None)), "cart_empty");
    let mut shop = with_cart();
    shop.hear(item("TEA", 3));
    assert_eq!(shop.rejection(check_out(OTHER, Some(1))), "cart_changed");
    assert_eq!(shop.cart_in_words(), "v2: CUP 1, TEA 3");
    shop.hear(clear());
    assert_eq!(shop.rejection(check_out(ORDER, Some(3))), "cart_empty");
}

#[test]
fn a_cart_is_free_again_when_no_order_could_be_made_of_it() {
    let mut shop = with_cart();
    let code = json!({"items": null, "cart": true, "discount_code": "NONE"});
    assert_eq!(shop.rejection(submit(code)), "discount_invalid");
    assert_eq!(shop.cart_in_words(), "v1: CUP 1, TEA 2");
    // Another submission took the order id while the cart's lines were on their way.
    let sent = shop.hear(check_out(OTHER, None)).send;
    shop.hear(submit(json!({"order_id": OTHER})));
    for body in sent {
        assert!(outcome(&shop.hear(body)).starts_with("PARKED order_id_reused"));
    }
    assert_eq!(shop.cart_in_words(), "v1: CUP 1, TEA 2");
}

#[test]
fn a_cart_on_its_way_to_an_order_is_read_as_it_was_written() {
    let mut shop = with_cart();
    let [Body::CartOrder(said)] = &shop.hear(check_out(ORDER, Some(1))).send[..] else { panic!() };
    let body = Body::CartOrder(said.clone());
    let id = MessageId::new("m").unwrap();
    let sent = Message::new(id.clone(), Time::default(), body);
    let read = Message::restore(id, None, sent.at, sent.name(), sent.json()).unwrap();
    assert_eq!(read, sent);
    let Body::CartOrder(CartOrder { submit, .. }) = read.body else { panic!() };
    assert_eq!(submit.content, said.submit.content);
}
